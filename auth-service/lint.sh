#!/bin/sh
# Everything a change must pass before its tests are looked at.
set -e
cd "$(dirname "$0")"
ruff check .
ruff format --check .
mypy
lint-imports
