#!/bin/sh
# Checks style and types of dev, gateway and e2e; the virtual environment's bin must be on PATH.
set -eu
cd "$(dirname "$0")/.."
ruff check --config dev/pyproject.toml dev gateway e2e
ruff format --check --config dev/pyproject.toml dev gateway e2e
mypy --config-file dev/pyproject.toml dev gateway/tests e2e
lint-imports --no-cache --config dev/pyproject.toml
