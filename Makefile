# Everything a developer or CI does with this repository. `make help` lists it.

PYTHON ?= $(shell python3.11 --version >/dev/null 2>&1 && echo python3.11 || echo python3)
VENV ?= .venv
PORT ?= 8000
PROCESSES ?= 3
BIN := $(VENV)/bin
MANAGE := $(BIN)/python example/manage.py
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test suite lint format types matrix lowest build bench bench-permissions debian clean

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

# An interpreter that is not installed is named and passed over.
interpreter = $(shell ls -d $$HOME/.pyenv/versions/$(1).*/bin/python 2>/dev/null | tail -n 1 | grep . || command -v python$(1))

matrix: ## Run the whole suite on Python 3.13, with the newest Django.
	@if [ -z "$(call interpreter,3.13)" ]; then echo "Python 3.13 is not installed: not tested."; \
		else $(MAKE) suite PYTHON="$(call interpreter,3.13)" VENV=.venv-3.13; fi

# uv does not read pip's configuration: the index that is set there is passed on.
LOWEST := .venv-lowest
UV = UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX-$$($(LOWEST)/bin/pip config get global.index-url 2>/dev/null)}" \
	VIRTUAL_ENV=$(LOWEST) $(LOWEST)/bin/uv pip

# What the package and its extras require is at its lowest version, everything else (the tools too) at its newest.
$(LOWEST)/.lowest: pyproject.toml
	"$(or $(call interpreter,3.12),$(PYTHON))" -m venv --clear $(LOWEST)
	$(LOWEST)/bin/pip install --quiet uv
	$(UV) compile --quiet pyproject.toml --all-extras --no-deps --resolution lowest-direct --output-file $(LOWEST)/versions.txt
	$(UV) install --quiet --editable . --group dev --constraint $(LOWEST)/versions.txt
	@touch $@

lowest: $(LOWEST)/.lowest ## Run the tests without real servers and browsers on the lowest versions of all packages, on Python 3.12.
	$(LOWEST)/bin/pytest -n $(PROCESSES) --ignore tests/integration --ignore tests/browser $(PYTEST_ARGS)

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

debian: ## Install the browser and the load generators that tests and benchmarks use (Debian, as root).
	@for command in chromium chromedriver ab wrk; do command -v $$command >/dev/null || missing=yes; done; \
		[ -z "$$missing" ] || { apt-get update -qq && apt-get install -qq -y chromium chromium-driver apache2-utils wrk; } >/dev/null

clean: ## Remove what the other targets made.
	rm -rf .venv* dist .coverage* .hypothesis .*_cache example/db.sqlite3* example/static_root
