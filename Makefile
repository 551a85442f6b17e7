# `make demo` and `make test` each do all the set-up that they need; nothing else has to be run before.
.DEFAULT_GOAL := help
.PHONY: help packages runtime development demo test test-integration test-rest unit check fuzz bench scoreboard real-aa
.PHONY: wheel lock clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -q --disable-pip-version-check
UPDATE ?= uppsala-2016
# Each run is five processes or more that import the same modules, and a test run has a hundred runs: compiled once.
unexport PYTHONDONTWRITEBYTECODE

help:
	@echo "make demo [UPDATE=none]  replay the incident of 2016 on the embedded domain, or an A/A run"
	@echo "make test                lint, types and all tests, with real servers"
	@echo "make unit                the tests that need no server, in under a minute"
	@echo "make check               lint and types alone"
	@echo "make fuzz [SECONDS=600] [ANSWERS=60000]  damaged inputs for so long, and so many spoilt answers of servers"
	@echo "make bench               every benchmark of the instrument, into results/bench"
	@echo "make scoreboard          every update of the catalogue, replayed and judged, and equal arms (an hour)"
	@echo "make real-aa [EQUAL=150] [SLOWER=30] [LAB=ad]  equal and slower arms on real servers, by the hundred; goes on"
	@echo "make wheel               the sdist, and the wheel that it makes, in dist/"
	@echo "make lock [UPGRADE=yes]  bring the locks in line with pyproject.toml, or renew all of them"

# What needs Debian's packages asks for them; an already complete machine is left untouched.
packages:
	@.ci/packages $(PACKAGES)

# Nothing here resolves anything. Each lock is whole and has a hash of every file, and pip is told to add nothing to it:
# so what could be installed once can be installed again, whatever has been released since.
LOCKED := --no-deps --require-hashes
# The build requirements are a lock of their own, and are there already.
BUILT := --no-build-isolation --check-build-dependencies

# krb5 and gssapi are sixty C files: several at a time, and without what a debugger would read, in a third of the time.
COMPILED := CFLAGS="$(CFLAGS) -g0" DIST_EXTRA_CONFIG="$(CURDIR)/.ci/compile.cfg"

# The wheels are kept: they take a minute to build, and the tests install all of it once more, offline.
$(VENV)/runtime: requirements-build.txt requirements.txt .ci/compile.cfg | packages
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install $(LOCKED) --only-binary :all: -r requirements-build.txt
	$(COMPILED) $(PIP) wheel $(LOCKED) $(BUILT) -w $(VENV)/wheels -r requirements.txt
	$(PIP) install --no-deps --no-index $(VENV)/wheels/*.whl
	@touch $@

$(VENV)/checkout: pyproject.toml harness/version.py $(VENV)/runtime
	$(PIP) install --no-deps --no-index $(BUILT) -e .
	$(PIP) check
	@touch $@

$(VENV)/development: requirements-dev.txt $(VENV)/checkout
	$(PIP) install $(LOCKED) --only-binary :all: --no-binary krb5,gssapi $(BUILT) -r requirements-dev.txt
	$(PIP) check
	@touch $@

# What runs, and what develops and tests besides.
runtime: packages $(VENV)/checkout
development: runtime $(VENV)/development

demo: runtime
	@$(BIN)/authgate demo --update $(UPDATE)

test: PACKAGES = --test
# Most tests with servers wait for load: two files at a time, each of which shares its servers, the slow ones first.
# What only computes has the time that they leave, at a priority at which it delays no login.
test: check
	@$(MAKE) --no-print-directory -j 2 test-integration test-rest

test-integration:
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 30 tests/integration tests/browser

test-rest:
	$(BIN)/python -m tests.helpers.unhurried $(BIN)/python -m pytest --durations 10 \
		--ignore tests/integration --ignore tests/browser

unit: development
	$(BIN)/python -m pytest -n 2 -m 'not slow' tests/unit

check: development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Another seed each time, which is printed: with it and its number a case is made again (tests/property/fuzz.py --help).
SECONDS ?= 600
ANSWERS ?= 60000
fuzz: development
	$(BIN)/python -m tests.property.fuzz --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))
	$(BIN)/python -m tests.property.hostile --answers $(ANSWERS) $(if $(SEED),--seed $(SEED))

bench: development
	$(BIN)/python -m tests.benchmarks.run_all

# The catalogue and equal arms, gated for real: an hour or so, on a machine that does nothing else.
scoreboard: PACKAGES = --test
scoreboard: development
	$(BIN)/python -m tests.benchmarks.scoreboard --again

# What has a row in tests/benchmarks/real_aa.jsonl is not run again; a minute or two each.
EQUAL ?= 150
SLOWER ?= 30
LAB ?= embedded
real-aa: PACKAGES = --test
real-aa: development
	$(BIN)/python -m tests.benchmarks.real_aa --equal $(EQUAL) --slower $(SLOWER) --lab $(LAB) --publish

wheel: runtime
	rm -rf dist
	$(BIN)/python -m hatchling build -t sdist -d dist
	$(PIP) wheel --no-deps --no-index $(BUILT) -w dist dist/authgate-*.tar.gz

# The one command that resolves, and no other command runs it. Hashes of wheels and sources, extras as they are, and no
# registry's address: the files mean the same wherever they are installed from.
LOCK = $(BIN)/python -m piptools compile -q --generate-hashes --allow-unsafe --no-strip-extras --no-emit-options \
	--no-header --newline lf $(if $(UPGRADE),--upgrade)
lock: development
	$(LOCK) -o requirements-build.txt requirements-build.in
	$(LOCK) -c requirements-build.txt -o requirements.txt pyproject.toml
	$(LOCK) -c requirements-build.txt -c requirements.txt --extra dev --extra otel -o requirements-dev.txt pyproject.toml

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
