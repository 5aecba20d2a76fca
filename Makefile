# The front door. Every target works alone on a fresh machine: it makes .venv and installs what it needs, once.

PYTHON ?= python3
BIN := .venv/bin
RUN ?= runs/indian-pines
BENCH ?=
QUALITY ?=

.PHONY: help pretrain test test-all fuzz chaos bench quality lint format wheel clean
.DEFAULT_GOAL := help

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

pretrain: .venv/.installed  ## pretrain on Indian Pines, judge the encoder, load it in another program (less than two minutes on two cores)
	$(BIN)/simclr pretrain indian-pines --output $(RUN) --overwrite
	$(BIN)/simclr linear-eval $(RUN)/encoder.safetensors
	$(BIN)/python docs/use_encoder.py $(RUN)/encoder.safetensors

test: .venv/.installed-dev  ## the fast tests (under five minutes on two cores)
	$(BIN)/python -m pytest -m "not slow"

test-all: .venv/.installed-dev  ## every test (under thirty minutes)
	$(BIN)/python -m pytest

fuzz: .venv/.installed-dev  ## odd recipes, files and arguments by the thousand (FUZZ=0.1 for a tenth)
	FUZZ=$(or $(FUZZ),1) $(BIN)/python -m pytest tests/fuzz

chaos: .venv/.installed-dev  ## runs of many kinds, killed a hundred times and resumed (CHAOS=0.1 for a tenth)
	CHAOS=$(or $(CHAOS),1) $(BIN)/python -m pytest -s tests/chaos

bench: .venv/.installed-bench  ## side by side with peers, ratios printed (BENCH="ntxent --quick" for one of them)
	$(BIN)/python -m benchmarks $(BENCH)

quality: .venv/.installed  ## does pretraining pay? recipes on many data sets (QUALITY=--quick for ten minutes)
	$(BIN)/python -m benchmarks.quality $(QUALITY)

lint: .venv/.installed-dev  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.installed-dev  ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: .venv/.installed-dev  ## build dist/*.whl
	$(BIN)/pip wheel --no-deps --wheel-dir dist .

clean:  ## remove what was built (not .venv, not runs/)
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed: make PYTHON=python3.12" if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv .venv

# torch and torchvision come together, in one resolver run: wheels from different builds do not load into one process.
.venv/.installed: setup.cfg pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/.installed-dev: setup.cfg pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch .venv/.installed $@

.venv/.installed-bench: setup.cfg pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch .venv/.installed $@
