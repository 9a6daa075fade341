#!/bin/sh
# Everything a change must pass before its tests are looked at.
set -e
cd "$(dirname "$0")"
ruff check .
ruff format --check .
mypy
# The file system of a container is read-only.
lint-imports --no-cache
