#!/bin/sh
# Style and types of the benchmarks, with the tools on PATH.
set -eu
cd "$(dirname "$0")/.."
ruff check --config bench/pyproject.toml bench
ruff format --config bench/pyproject.toml --check bench
mypy --config-file bench/pyproject.toml -p bench
