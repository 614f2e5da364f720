# `make` alone lists what can be made. Needs: make, bash, Python 3.11 or newer with venv. No root, nothing running.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo install up test check services bench migration lock clean
MAKEFLAGS += --no-builtin-rules

BIN := .venv/bin
UV := $(BIN)/uv
INSTALL := $(UV) pip install --quiet --python $(BIN)/python --compile-bytecode
PARALLEL := -n 2 --dist loadfile --tb=native
RUN_STAMP := .venv/.installed
DEV_STAMP := .venv/.installed-dev

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS=$$'\t' read -r name words; do printf '  make %-10s %s\n' "$$name" "$$words"; done

demo: $(RUN_STAMP) ## the whole product and a pretend town, one purchase played; EXIT=1 ends after it, status 0 only if it worked
	@$(BIN)/duka demo $(if $(EXIT),--exit)

install: $(RUN_STAMP) ## the environment in .venv, with `duka` in it

up: $(RUN_STAMP) ## every process on this machine, with config.toml (first: duka init)
	@$(BIN)/duka up

test: $(DEV_STAMP) services tests/clients/node_modules ## everything that proves it: style, types, imports, all tests on both databases
	$(MAKE) --no-print-directory .static
	$(BIN)/pytest -q $(PARALLEL)

check: $(DEV_STAMP) services tests/clients/node_modules ## the same on SQLite only: quicker
	$(MAKE) --no-print-directory .static
	$(BIN)/pytest -q $(PARALLEL) --databases sqlite

.PHONY: .static
.static:
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo

services: ## the servers and browsers that tests run against (Debian packages; installs what is missing, starts nothing)
	@scripts/services

bench: $(DEV_STAMP) ## how fast it is, as ratios measured side by side
	@$(BIN)/python -m bench

migration: $(DEV_STAMP) ## write the next revision of the tables: make migration m="packages may end at midnight"
	@test -n "$(m)" || { echo 'say what changes: make migration m="packages may end at midnight"' >&2; exit 2; }
	@$(BIN)/python -m core.migrations "$(m)"
	@$(BIN)/ruff format --quiet core/migrations/versions

lock: $(DEV_STAMP) ## choose versions anew and write the lock files
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --extra build pyproject.toml -o requirements.lock
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --extra dev --extra build -c requirements.lock pyproject.toml -o requirements-dev.lock

clean: ## forget the environment and the demo; keeps var/ otherwise
	rm -rf .venv var/demo build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(UV): requirements-uv.lock
	@scripts/environment

$(RUN_STAMP): $(UV) requirements.lock pyproject.toml
	@echo 'installing what the lock file names …'
	@$(INSTALL) --require-hashes --requirement requirements.lock
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV_STAMP): $(RUN_STAMP) requirements-dev.lock
	@$(INSTALL) --require-hashes --requirement requirements-dev.lock
	@touch $@

tests/clients/node_modules: tests/clients/package-lock.json | services
	@cd tests/clients && npm ci --silent --no-audit --no-fund
	@touch $@
