# make demo | test | lint | format | bench | docs | lock | sbom | audit | clean
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCK := .constraints/constraints.txt
DEMO_LAKE := demo-lake
PEERS := .bench-venv
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# The house's own telemetry-free defaults for everything started from here.
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false

.PHONY: help setup demo test lint format bench docs lock sbom audit clean

help: ## Show this list
	@grep -E '^[a-z]+:.*##' Makefile | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(READY) ## Make the virtual environment

# uv is fetched by pip with a checked hash and does the rest; where it cannot reach the index, pip does it alone.
$(READY): pyproject.toml $(LOCK) .constraints/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "presslake needs Python 3.11, 3.12 or 3.13, but $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 demo" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { \
	  rm -rf $(VENV); \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null && $(PYTHON) -m venv $(VENV); \
	  else echo "presslake needs Python's venv module: install python3-venv (Debian, Ubuntu) and run make again." >&2; exit 1; fi; }
	@echo "setting up $(VENV) (once, about half a minute) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r .constraints/uv.txt 2>&1 | { grep -v -e WARNING -e 'ERROR: pip' || true; }
	@$(BIN)/uv pip install -q --system-certs --python $(BIN)/python --no-deps --require-hashes -r $(LOCK) || \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r $(LOCK)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY) ## Ingest the examples into ./demo-lake and query them
	@$(BIN)/python examples/demo.py $(BIN)/presslake $(DEMO_LAKE)

test: lint ## Lint, types and all tests, with a real WordPress
	$(BIN)/python -m pytest

lint: $(READY) ## Format check, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY) ## Format and sort imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) $(PEERS)/.ready ## Run the benchmarks beside other tools and write docs/benchmarks.md (two hours)
	$(BIN)/python -m benchmarks --peers $(PEERS)/bin/python

# Other tools want other versions of the same libraries: they get an environment of their own.
$(PEERS)/.ready: benchmarks/peers.txt
	@$(PYTHON) -m venv $(PEERS) && $(PEERS)/bin/python -m pip install -q --disable-pip-version-check -r $< && touch $@


docs: $(READY) ## Write the references into docs/ and build the docs site into site/
	@$(BIN)/presslake schema > docs/dictionary.md
	@$(BIN)/python docs/reference.py
	@$(BIN)/python docs/supply.py licences > docs/licences.md
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs site && echo "site/index.html"

lock: $(READY) ## Resolve the dependencies again (hashes, no addresses)
	$(BIN)/uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-header --extra dask --group dev pyproject.toml -o $(LOCK)
	$(BIN)/uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-header --no-annotate .constraints/uv.in -o .constraints/uv.txt

sbom: $(READY) ## Write presslake.cdx.json: what a release brings with it (CycloneDX)
	@$(BIN)/python docs/supply.py sbom > presslake.cdx.json && echo presslake.cdx.json

audit: $(READY) ## Ask the advisory databases about every locked package (needs the network)
	@$(BIN)/uv tool run pip-audit --strict --progress-spinner off --require-hashes --disable-pip -r $(LOCK) || { \
	  echo "presslake: not every locked package is known to be free of advisories; the line above says which, or that the database was out of reach." >&2; exit 1; }

clean: ## Remove what make made
	rm -rf $(VENV) $(PEERS) $(DEMO_LAKE) presslake.cdx.json build dist site .mypy_cache .ruff_cache
