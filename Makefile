# Everything a newcomer needs: `make demo` and `make test`. Each target installs what it needs, once.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
SHELL := /bin/bash

.PHONY: demo test check browser-test bench gallery soak lock clean
.DEFAULT_GOAL := help

help:
	@echo "make demo          see it work, without an account: reports land in demo-output/"
	@echo "make test          the whole test suite"
	@echo "make browser-test  pages and mails in headless Chromium with axe-core"
	@echo "make check         formatting, lint, types, import contracts, dependency audit"
	@echo "make bench         the benchmarks, with what each figure is compared to"
	@echo "make soak          the long tests"
	@echo "make gallery       the pictures of docs/gallery.md"

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "opsbot needs Python 3.11 or newer; found $$($(PYTHON) --version). Set PYTHON=..." >&2; exit 2; }
	@echo "installing the locked dependencies into .venv (once)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: $(READY)
	@$(BIN)/opsbot demo

# Three at once, for two processors: a third of the time is waiting, for processes that start and clocks that run. A
# file's tests stay together, so that what they share is made once; the longest files come first (tests/conftest.py).
# What Python compiles is kept, even where the surroundings say otherwise: many tests start it anew.
test: $(READY)
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pip-audit --requirement requirements.lock --disable-pip --require-hashes --progress-spinner off

# Needs Chromium; with `npm install axe-core` at the root axe's rules are checked too, without it our own few.
browser-test: $(READY)
	OPSBOT_BROWSER=1 $(BIN)/pytest tests/browser

soak: $(READY)
	OPSBOT_KILLS=10000 OPSBOT_EXAMPLES=100000 OPSBOT_CHAOS=1 OPSBOT_RUN_KILLS=200 OPSBOT_RESTARTS=200 $(BIN)/pytest --timeout 7200 tests/outbox tests/config tests/store tests/timetable tests/daemon tests/executors tests/web tests/evaluate tests/alerting tests/runbooks tests/probes

# The pictures of docs/gallery.md, made again by the program; needs Chromium.
gallery: $(READY)
	$(BIN)/python -m benchmarks.gallery

bench: $(READY)
	$(BIN)/python benchmarks/all.py

# Rewrites the lock files; needs uv. Hashes, and no index address.
lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements.lock
	uv pip compile pyproject.toml --extra postgresql --extra celery --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements-image.lock
	uv pip compile --group pyproject.toml:build --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements-build.lock
	uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements-dev.lock

clean:
	rm -rf .venv demo-output var .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
