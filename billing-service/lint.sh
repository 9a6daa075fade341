#!/bin/sh
# Checks style, types and layers; the virtual environment's bin must be on PATH.
set -eu
cd "$(dirname "$0")"
export BILLING_DATABASE_URL="${BILLING_DATABASE_URL:-postgresql://lint@127.0.0.1/lint}"
ruff check .
ruff format --check .
mypy .
lint-imports --no-cache
