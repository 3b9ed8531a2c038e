# `make run` and `make test` set everything up by themselves: Python 3.11+, make and a package index suffice.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test test-slow lint certify bench docs clean

run: $(VENV)/ready
	$(BIN)/safebench run --suite quick

test: $(VENV)/ready
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

test-slow: $(VENV)/ready
	$(BIN)/python -m pytest -m "slow and not recorded" -n 2

certify: $(VENV)/ready
	$(BIN)/safebench certify

bench: $(VENV)/ready
	$(BIN)/safebench bench

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

clean:
	rm -rf $(VENV) build dist runs *.egg-info docs/_build docs/generated
