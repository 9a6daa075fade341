# Every entry point, for people and CI alike. `make` lists them.
# Needs GNU make and Python 3.11 to 3.13 with pip; everything else is installed into this folder.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
TOOLS := .venv
UV := $(TOOLS)/bin/uv
export UV_NO_PROGRESS := 1
# Python keeps what it has compiled: the suites start some hundred processes.
unexport PYTHONDONTWRITEBYTECODE

SERVICES := auth-service billing-service stripe-sandbox
DEV := dev/.venv/bin/python
# A file that is newer than the requirements: they are installed.
READY := $(foreach part,$(SERVICES) dev,$(part)/.venv/.ready)
BENCH_READY := bench/.venv/.ready
LAUNCH := $(DEV) -m dev
PYTEST := $(DEV) -m pytest -c dev/pyproject.toml --rootdir .
# Passed on to the program behind a target, for example make test-auth ARGS="-k refresh -x".
ARGS ?=

##@ Run
.PHONY: demo
demo: setup ## Start everything, show the demo step by step, stop; BASE_URL=… uses a running system
	@exec $(LAUNCH) demo $(if $(BASE_URL),--base-url $(BASE_URL)) $(ARGS)

.PHONY: up
up: setup ## Start the whole system in the background
	@exec $(LAUNCH) up

.PHONY: down
down: dev/.venv/.ready ## Stop it
	@exec $(LAUNCH) down

.PHONY: status
status: dev/.venv/.ready ## Show what is running
	@exec $(LAUNCH) status

.PHONY: logs
logs: dev/.venv/.ready ## Show the logs and follow them; ARGS="auth-service -n 100" narrows
	@exec $(LAUNCH) logs $(ARGS)

.PHONY: clean
clean: dev/.venv/.ready ## Stop it and remove its databases, logs and secrets; ARGS=--yes does not ask
	@exec $(LAUNCH) clean $(ARGS)

.PHONY: manage
manage: setup ## A command of billing's manage.py beside the running system: ARGS="stripe_reconcile"
	@exec $(LAUNCH) manage $(ARGS)

.PHONY: auth
auth: setup ## A command of auth-service beside the running system: ARGS="keys list"
	@exec $(LAUNCH) auth $(ARGS)

.PHONY: stripe-listen
stripe-listen: setup ## Forward events to billing with the official Stripe CLI
	@exec $(LAUNCH) stripe-listen $(ARGS)

##@ Test
.PHONY: test
test: setup $(BENCH_READY) ## Lint, types, and every test: what has to pass before a change lands
	@exec $(DEV) -m dev.test_suites

.PHONY: test-auth
test-auth: setup ## auth-service
	@cd auth-service && exec .venv/bin/pytest $(ARGS)

.PHONY: test-billing
test-billing: setup ## billing-service
	@cd billing-service && exec .venv/bin/pytest $(ARGS)

.PHONY: test-sandbox
test-sandbox: setup ## stripe-sandbox
	@cd stripe-sandbox && exec .venv/bin/pytest $(ARGS)

.PHONY: test-dev
test-dev: setup ## The launcher and the gateway
	@exec $(PYTEST) dev/tests gateway/tests $(ARGS)

.PHONY: test-e2e
test-e2e: setup ## Journeys, faults and attacks through the gateway of a whole system
	@exec $(PYTEST) e2e --ignore e2e/browser --ignore e2e/schemas --ignore e2e/shipping $(ARGS)

.PHONY: test-browser
test-browser: setup ## Swagger, admin and sandbox pages in a real Chromium
	@exec $(PYTEST) e2e/browser $(ARGS)

.PHONY: test-schemas
test-schemas: setup ## Every call of the OpenAPI documents with Schemathesis; takes some minutes
	@exec $(PYTEST) e2e/schemas $(ARGS)

.PHONY: test-ship
test-ship: setup ## Two replicas of each service, replaced one after the other under traffic
	@exec $(PYTEST) e2e/shipping $(ARGS)

.PHONY: chaos
chaos: setup ## A thousand subscribers under the worst webhook deliveries; takes a while
	@CHAOS_SUBSCRIBERS=1000 exec $(PYTEST) --timeout 0 e2e/faults/test_webhook_chaos.py $(ARGS)

.PHONY: slow-stripe
slow-stripe: setup ## How long `status` takes while Stripe is slow and a hundred users subscribe
	@exec $(DEV) -m e2e.slow_stripe

.PHONY: attack
attack: setup ## Whether answers take longer for known names; ARGS is how many of each, default 300
	@exec $(DEV) -m e2e.timing $(ARGS)

.PHONY: walk
walk: setup ## The files that each kind of request runs through; ARGS=--write updates the page
	@exec $(DEV) -m e2e.walk $(ARGS)

.PHONY: test-bench
test-bench: $(BENCH_READY) ## The benchmarks' own arithmetic and client
	@exec bench/.venv/bin/python -m pytest -c bench/pyproject.toml --rootdir . bench $(ARGS)

.PHONY: lint
lint: setup $(BENCH_READY) ## Style, types and layers of every part, words, and OpenAPI documents
	@for part in $(SERVICES) dev bench; do echo "== $$part"; \
		PATH="$(CURDIR)/$$part/.venv/bin:$$PATH" sh $$part/lint.sh; done
	@echo "== words"; $(MAKE) lint-words ARGS=
	@echo "== OpenAPI"; $(MAKE) lint-openapi

.PHONY: lint-openapi
lint-openapi: setup ## The OpenAPI documents alone, with Redocly's linter
	@exec $(DEV) -m dev.openapi_lint

.PHONY: lint-words
lint-words: setup ## Words that the project no longer uses, alone; ARGS names files
	@exec $(DEV) -m dev.retired_words $(ARGS)

##@ Maintain
.PHONY: bench
bench: setup $(BENCH_READY) ## Compare with the peers, into docs/benchmarks.md; ARGS="tokens --quick"
	@exec bench/.venv/bin/python -m bench $(or $(ARGS),all)

.PHONY: setup
setup: $(READY) ## Install everything into this folder; instant when nothing changed

.PHONY: format
format: setup $(BENCH_READY) ## Format all Python files
	@for part in $(SERVICES); do \
		(cd $$part && .venv/bin/ruff check --fix-only -q . && .venv/bin/ruff format -q .); done
	@dev/.venv/bin/ruff check --config dev/pyproject.toml --fix-only -q dev gateway e2e
	@dev/.venv/bin/ruff format --config dev/pyproject.toml -q dev gateway e2e
	@bench/.venv/bin/ruff check --config bench/pyproject.toml --fix-only -q bench
	@bench/.venv/bin/ruff format --config bench/pyproject.toml -q bench

COMPILE = $(CURDIR)/$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header
.PHONY: lock
lock: $(UV) ## Compile the hashed requirements again; ARGS="--upgrade" moves to newest versions
	@for part in $(SERVICES) dev bench; do echo "$$part"; (cd $$part && \
		$(COMPILE) $(ARGS) pyproject.toml -o requirements.txt && \
		$(COMPILE) $(ARGS) --extra dev pyproject.toml -o requirements-dev.txt); done
	@cd dev && $(COMPILE) $(ARGS) --extra node pyproject.toml -o requirements-node.txt
	@cd dev && $(COMPILE) $(ARGS) uv.in -o requirements-uv.txt

.PHONY: help
help:
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST); echo

# ---- how the tools are installed

$(UV): dev/requirements-uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed as $(PYTHON); set PYTHON to another one." >&2; exit 2; }
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || \
		{ echo "pip is missing: install it for $(PYTHON) (on Debian: python3-pip)." >&2; exit 2; }
	@echo "Installing uv"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		--root-user-action ignore --upgrade --target $(TOOLS) -r $<
	@touch $@

%/.venv/.ready: %/requirements-dev.txt $(UV)
	@echo "Installing $*"
	@test -x $*/.venv/bin/python || $(UV) venv --quiet --python $(PYTHON) $*/.venv
	@$(UV) pip sync --quiet --require-hashes --python $*/.venv/bin/python $<
	@$(if $(wildcard $*/src),$(UV) pip install --quiet --no-deps --python $*/.venv/bin/python -e $*)
	@touch $@
