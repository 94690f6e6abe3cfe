# Everything a developer or CI does with this repository. `make help` lists it.

PYTHON ?= $(shell python3.11 --version >/dev/null 2>&1 && echo python3.11 || echo python3)
VENV ?= .venv
PORT ?= 8000
PROCESSES ?= 3
BIN := $(VENV)/bin
MANAGE := $(BIN)/python example/manage.py
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test suite lint format types matrix build bench bench-permissions debian clean

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.example: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --editable . --group example
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --editable . --group dev
	@touch $@ $(VENV)/.example

$(VENV)/.bench: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --editable . --group bench
	@touch $@

demo: $(VENV)/.example ## Serve the example on SQLite with real data (PORT=8000).
	@$(MANAGE) migrate --verbosity 0
	@$(MANAGE) load_atlas
	@$(MANAGE) ensure_superuser
	@echo
	@echo "  Start page    http://127.0.0.1:$(PORT)/"
	@echo "  Countries     http://127.0.0.1:$(PORT)/api/atlas/countries"
	@echo "  Cities        http://127.0.0.1:$(PORT)/api/atlas/cities"
	@echo "  Pages         http://127.0.0.1:$(PORT)/pages/cities"
	@echo "  Docs page     http://127.0.0.1:$(PORT)/docs"
	@echo "  Admin         http://127.0.0.1:$(PORT)/admin/   (user admin, password admin)"
	@echo
	@cd example && DJANGO_SETTINGS_MODULE=fastapi_bridge_test.settings \
		$(abspath $(BIN))/uvicorn django_fastapi.asgi:application --port $(PORT)

test: $(VENV)/.dev ## Run the whole test suite (PROCESSES=3), with the coverage gate. Services: see CONTRIBUTING.md.
	$(BIN)/coverage erase
	SCHEMATHESIS_EXAMPLES=$${SCHEMATHESIS_EXAMPLES:-300} $(BIN)/coverage run -m pytest -n $(PROCESSES) $(PYTEST_ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

suite: $(VENV)/.dev ## Run the test suite without coverage.
	$(BIN)/pytest -n $(PROCESSES) $(PYTEST_ARGS)

lint: $(VENV)/.dev ## Check style, formatting and the direction of imports.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Format the code and mend what can be mended.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(VENV)/.dev ## Check types with mypy and pyright.
	$(BIN)/mypy
	PATH=$(abspath $(BIN)):$$PATH pyright
	PATH=$(abspath $(BIN)):$$PATH pyright --verifytypes django_fastapi --ignoreexternal >$(VENV)/verifytypes \
		|| { cat $(VENV)/verifytypes; exit 1; }

# Newer interpreters, with the newest Django they take; one that is not installed is named and passed over. The newest runs
# everything, what lies between all but real servers and browsers.
matrix: ## Run the tests on Python 3.12 and 3.13 too.
	@for version in 3.12 3.13; do \
		python=$$(ls -d $$HOME/.pyenv/versions/$$version.*/bin/python 2>/dev/null | tail -n 1); \
		python=$${python:-$$(command -v python$$version)}; \
		if ! "$$python" --version >/dev/null 2>&1; then echo "Python $$version is not installed: not tested."; continue; fi; \
		left_out=; [ $$version = 3.13 ] || left_out="--ignore tests/integration --ignore tests/browser"; \
		$(MAKE) suite PYTHON=$$python VENV=.venv-$$version PYTEST_ARGS="$$left_out $(PYTEST_ARGS)" || exit 1; \
	done

build: $(VENV)/.dev ## Build the distribution and try the wheel in an environment of its own.
	rm -rf dist $(VENV)-wheel
	$(BIN)/python -m build --quiet
	$(PYTHON) -m venv $(VENV)-wheel
	$(VENV)-wheel/bin/pip install --quiet dist/*.whl
	$(VENV)-wheel/bin/python tests/wheel.py

bench: $(VENV)/.bench ## Measure this project against its peers, interleaved, and write docs/bench.md and its plots.
	$(BIN)/python -m bench $(BENCH_ARGS)

bench-permissions: $(VENV)/.example ## Repeat the classic load: ab on GET /permissions and GET /async/permissions.
	$(BIN)/python example/bench_permissions.py

debian: ## Install the browser and the load generator that tests use (Debian, as root).
	@for command in chromium chromedriver ab; do command -v $$command >/dev/null || missing=yes; done; \
		[ -z "$$missing" ] || { apt-get update -qq && apt-get install -qq -y chromium chromium-driver apache2-utils; } >/dev/null

clean: ## Remove what the other targets made.
	rm -rf .venv* dist .coverage* .hypothesis .*_cache example/db.sqlite3* example/static_root
