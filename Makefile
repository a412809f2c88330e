PYTHON ?= python3
VENV ?= .venv
GROUP ?= dev
PY = $(VENV)/bin/python
# Tests start hundreds of processes: without its byte code each would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE
# How many tests run at once; 0: one after the other, in one process. One more than there are cores: many wait.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(1 + (os.cpu_count() or 1))' 2>/dev/null)
# A marker expression: which lanes run (see pyproject.toml).
LANES ?=
# An environment is made anew, from nothing, where what it is made of has changed: the interpreter, the project's metadata.
KEY := $(shell $(PYTHON) -c 'import hashlib, json, sys, tomllib; project = tomllib.load(open("pyproject.toml", "rb")); \
  parts = [project[name] for name in ("build-system", "project", "dependency-groups")]; \
  print(hashlib.sha256(json.dumps([sys.version, "$(GROUP)", *parts]).encode()).hexdigest()[:16])' 2>/dev/null)
READY = $(VENV)/.ready-$(KEY)
# Interpreters that `matrix` tests besides $(PYTHON); those that are not installed are named and left out.
OTHERS ?= $(wildcard $(shell pyenv root 2>/dev/null)/versions/3.1[123].*/bin/python)

.PHONY: venv coverage static tests demo quickstart test faults test-peers docs soak ci lint types bench oldest matrix clean help

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/'

demo: $(READY)  ## let users visit the photo studio bot, then print what makes it slow
	$(PY) docs/examples/photo_bot/run.py

quickstart: $(READY)  ## the same with the small bot of the tutorial, in two seconds
	$(PY) docs/examples/quickstart/demo.py

test: $(READY)  ## all tests, on this Python
	$(PY) -m pytest -n $(WORKERS) --dist worksteal $(if $(LANES),-m "$(LANES)")

faults: $(READY)  ## kills, forks, full disks, broken sinks: what must lose nothing untold
	$(PY) -m pytest -m faults --durations=5

test-peers:  ## against servers and a browser (apt-get install redis-server postgresql prometheus chromium npm); ten minutes
	@for peer in peers rotel phoenix; do $(MAKE) --no-print-directory venv VENV=.venv-$$peer GROUP=$$peer || exit 1; done
	PERFTRACE_PEERS=1 .venv-peers/bin/python -m pytest tests/peers

docs: $(READY)  ## the documentation as HTML in docs/_build; a warning is an error
	$(PY) -m sphinx -W --keep-going -q -b html docs docs/_build

soak: $(READY)  ## ten minutes under load: memory, descriptors and threads stay flat
	$(PY) tests/faults/soak.py

ci: $(READY)  ## what must be green before anything lands
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=recurse static tests

static: lint types docs
tests: coverage
	@$(MAKE) --no-print-directory test LANES="types or statistics"
	@$(MAKE) --no-print-directory oldest
	@$(MAKE) --no-print-directory matrix

lint: $(READY)  ## style and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(READY)  ## strict type check
	$(PY) -m mypy
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) -m basedpyright --verifytypes perftrace --ignoreexternal > $(VENV)/types.txt || { cat $(VENV)/types.txt; exit 1; }

coverage: $(READY)  ## how much of the code the tests run, held at what it is
	$(PY) -m coverage erase
	HYPOTHESIS_PROFILE=quick $(PY) -m coverage run --branch -m pytest -n $(WORKERS) --dist worksteal -m "not types and not statistics"
	$(PY) -m coverage combine -q
	$(PY) -m coverage report --skip-covered

bench:  ## what perftrace costs beside its peers, as ratios; ten minutes
	@$(MAKE) --no-print-directory venv VENV=.venv-bench GROUP=bench
	@for part in one_operation pipeline integrations store growth import_time report analysis otlp; do .venv-bench/bin/python tests/benchmarks/$$part.py || status=1; done; exit $${status:-0}

oldest:  ## the integrations with the oldest version of each library that pyproject.toml allows
	@$(MAKE) --no-print-directory venv VENV=.venv-oldest GROUP=oldest
	.venv-oldest/bin/python -m pytest -n $(WORKERS) tests/integrations --ignore-glob='*opentelemetry*' --ignore-glob='*oteltap*'

matrix:  ## all tests on each other supported Python that pyenv has
	@for python in $(OTHERS); do \
	  version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])') || exit 1; \
	  [ "$$version" = "$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')" ] && continue; \
	  echo "Python $$version:"; $(MAKE) --no-print-directory test PYTHON=$$python VENV=.venv-$$version GROUP=test LANES="not docs and not types and not statistics" || exit 1; \
	done

clean:  ## remove what make made
	rm -rf docs/_build .venv .venv-* .mypy_cache .ruff_cache .pytest_cache

venv: $(READY)

$(READY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "perftrace needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -q --upgrade 'pip>=25.1'
	$(PY) -m pip install -q --no-compile -e . --group $(GROUP)  # Python compiles what is imported
	@touch $@
