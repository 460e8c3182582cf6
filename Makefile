# Everything runs in .venv, which the first target that needs it makes.
.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)
RUNS ?= runs
DATA ?=
DATA_DIR := $(if $(DATA),--data-dir $(DATA))

.PHONY: help demo test slow lint format types imports smoke check clean

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1|/' | column -t -s '|'

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or later is not on the PATH" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "help: on Debian and Ubuntu, install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo ## train configs/cnn.yaml and show how good it is
	$(BIN)/dlcli train configs/cnn.yaml --runs-dir $(RUNS) $(DATA_DIR)

test: $(VENV)/.dev ## run the tests
	$(BIN)/python -m pytest -n 2 -m "not slow"

slow: $(VENV)/.dev ## run the tests that take minutes
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.dev ## look for faults in style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.dev ## mend what can be mended in style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.dev ## check the types
	$(BIN)/mypy

imports: $(VENV)/.dev ## check that the layers of the code import only downwards
	$(BIN)/lint-imports

smoke: $(VENV)/.demo ## try every config in seconds
	$(BIN)/dlcli smoke configs/*.yaml configs/zoo/*.yaml $(DATA_DIR)

check: lint types imports test ## all that must be green

clean: ## remove .venv and what the tools left
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
