#!/bin/sh
# Checks style, types and layers; the virtual environment's bin must be on PATH.
set -eu
cd "$(dirname "$0")"
ruff check .
ruff format --check .
mypy
lint-imports --no-cache
