# `make demo` and `make test` each do all the set-up that they need; nothing else has to be run before.
.DEFAULT_GOAL := help
.PHONY: help setup packages demo test check bench scoreboard lock clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UPDATE ?= uppsala-2016

help:
	@echo "make demo [UPDATE=none]  replay the incident of 2016 on the embedded domain, or an A/A run"
	@echo "make test                lint, types and all tests, with real servers"
	@echo "make bench               logins a second and CPU a login of one worker"
	@echo "make scoreboard          every update of the catalogue, replayed and judged, and equal arms (an hour)"
	@echo "make check               lint and types alone"
	@echo "make lock                renew requirements.txt from pyproject.toml"

# What needs Debian's packages asks for them; an already complete machine is left untouched.
packages:
	@.ci/packages $(PACKAGES)

$(VENV)/installed: requirements-build.txt requirements.txt pyproject.toml | packages
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-build.txt
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes --no-build-isolation -r requirements.txt
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: packages $(VENV)/installed

demo: setup
	@$(BIN)/authgate demo --update $(UPDATE)

test: PACKAGES = --test
# Two processes, a file at a time each, the slow ones first: most wait for load, and a file shares its servers.
test: check
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python tests/benchmarks/bench_worker.py

# The catalogue and equal arms, gated for real: an hour or so, on a machine that does nothing else.
scoreboard: PACKAGES = --test
scoreboard: setup
	$(BIN)/python -m tests.benchmarks.scoreboard --again

# Hashes, and no registry's address: the file must mean the same wherever it is installed from.
LOCK = $(BIN)/python -m piptools compile -q --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
	--no-emit-find-links --no-emit-trusted-host --no-header --upgrade
lock: setup
	$(BIN)/pip install -q pip-tools
	$(LOCK) --extra dev -o requirements.txt pyproject.toml
	$(LOCK) -o requirements-build.txt requirements-build.in

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
