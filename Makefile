# `make run` and `make test` set everything up by themselves: Python 3.11+, make and a package index suffice.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test test-slow test-weekly test-newest test-libraries lint docs certify bench dist clean

run: $(VENV)/ready
	$(BIN)/safebench run --suite quick --workers 2

test: $(VENV)/ready
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

test-slow: $(VENV)/ready
	$(BIN)/python -m pytest -m "slow and not weekly" -n 2 --dist loadgroup

# What CI has no time for: all of what `make test-slow` samples, and the longest. Compiled as users do.
test-weekly: $(VENV)/ready
	XLA_FLAGS=--xla_backend_optimization_level=3 $(BIN)/python -m pytest -m weekly -n 2 --dist loadgroup

# The other end of the versions that pyproject.toml allows. NEWEST_PINS=/dev/null takes whatever is newest today.
NEWEST := .venv-newest
NEWEST_PINS ?= constraints-newest.txt
test-newest: $(NEWEST)/ready
	$(NEWEST)/bin/python -m pytest -m "not slow" -n 2 --dist loadfile tests/env tests/baselines tests/physics/test_dynamics.py

# Stable-Baselines3, TorchRL and MuJoCo Playground, on our environments; torch is too heavy for .venv.
test-libraries: $(VENV)-libraries/ready
	$(VENV)-libraries/bin/python -m pytest tests/libraries

certify: $(VENV)/ready
	$(BIN)/safebench certify

bench: $(VENV)/ready
	$(BIN)/safebench bench

dist: $(VENV)/ready
	rm -rf build dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

# A page for every registered task, safeguard and learner is written first, their safe sets proven; no network.
docs: $(VENV)/ready
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

# mypy does not see setuptools' folder mapping: it reads a tree of links that mirrors the installed package.
lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build/typing && mkdir -p build/typing/safebench
	ln -s $(CURDIR)/safebench/* build/typing/safebench/
	ln -s $(CURDIR)/tasks $(CURDIR)/safeguards $(CURDIR)/baselines build/typing/safebench/
	MYPYPATH=build/typing $(BIN)/mypy --explicit-package-bases -p safebench

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "safebench needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs,gymnasium]'
	touch $@

$(NEWEST)/ready: pyproject.toml $(NEWEST_PINS)
	$(PYTHON) -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --upgrade pip
	$(NEWEST)/bin/python -m pip install --quiet --constraint $(NEWEST_PINS) --editable '.[dev,gymnasium]'
	touch $@

$(VENV)-libraries/ready: pyproject.toml constraints.txt tests/libraries/requirements.txt
	$(PYTHON) -m venv $(VENV)-libraries
	$(VENV)-libraries/bin/python -m pip install --quiet --upgrade pip
	grep -v mpmath constraints.txt > $(VENV)-libraries/constraints.txt  # torch wants an older one
	$(VENV)-libraries/bin/python -m pip install --quiet --constraint $(VENV)-libraries/constraints.txt \
		--requirement tests/libraries/requirements.txt --editable '.[gymnasium]'
	touch $@

clean:
	rm -rf $(VENV) $(NEWEST) $(VENV)-libraries build dist runs *.egg-info docs/_build docs/generated
