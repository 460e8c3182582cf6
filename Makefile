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
ONLY ?=
BUILT_FROM := pyproject.toml hatch_build.py dlcli/models/kernels.c
# The modules whose branches are all tested: those that are mutated.
PROVEN = $(shell $(BIN)/python -c 'import tomllib; \
	print(*tomllib.load(open("pyproject.toml", "rb"))["tool"]["mutmut"]["only_mutate"], sep=",")')

.PHONY: help demo test slow mutants lint format types imports smoke reference check clean

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1|/' | column -t -s '|'

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or later is not on the PATH" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "help: on Debian and Ubuntu, install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.demo: $(VENV)/.made $(BUILT_FROM)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.made $(BUILT_FROM)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.demo

$(VENV)/.mutation: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,mutation]'
	@touch $@

demo: $(VENV)/.demo ## train configs/cnn.yaml and show how good it is
	$(BIN)/dlcli train configs/cnn.yaml --runs-dir $(RUNS) $(DATA_DIR)

test: $(VENV)/.dev ## run the tests, and see how much of the code they reach
	$(BIN)/python -m pytest -n 2 -m "not slow" --cov --cov-report=
	$(BIN)/coverage report --fail-under=95
	$(BIN)/coverage report --fail-under=100 --include="$(PROVEN)"

mutants: $(VENV)/.mutation ## see which small faults no test would notice (half an hour)
	$(BIN)/python .ci/mutants.py build/mutants $(ONLY)

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

reference: $(VENV)/.dev ## write docs/reference anew, from the code
	$(BIN)/python .ci/reference.py docs/reference

check: lint types imports test ## all that must be green

clean: ## remove .venv and what the tools left
	rm -rf $(VENV) build dist .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
