PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup demo test lint types lock release format golden notebooks screenshots docs bench fuzz licences kill full clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

setup: .venv/.installed  ## virtual environment in .venv with the pinned packages

.venv/.installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed; set PYTHON=")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --config-settings editable_mode=compat --editable '.[dev]'
	touch $@

demo: setup  ## train, test and report the multi-objective model on the demo corpus
	$(BIN)/python train.py hparams/multiobjective.yaml

test: setup lint types  ## style, types and all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup  ## types of the public interface
	$(BIN)/mypy

lock: setup  ## resolve the newest versions into constraints.txt (docs/supply_chain.md)
	$(BIN)/python -m release.lock $(PYTHONS)

release: setup  ## check, build and try VERSION=0.2.0; uploads nothing
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[release]'
	$(BIN)/python -m release $(VERSION)

format: setup  ## format the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

golden: setup  ## rewrite the golden losses, after a change that is meant to change them
	$(BIN)/python -m tests.golden

notebooks: setup  ## run the notebooks, and store what they show
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[notebooks]'
	$(BIN)/python notebooks/run.py

screenshots: setup  ## pictures of the pages in docs/images, with Chromium
	$(BIN)/python -m docs.screenshots

docs: setup  ## the site, in build/site
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	$(BIN)/mkdocs build --strict

fuzz: setup  ## damaged and malicious input, 10,000 cases for each target (hours)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[fuzz]'
	$(BIN)/python -m fuzz

licences: setup  ## update the table of dependencies in docs/supply_chain.md
	$(BIN)/python docs/licences.py

bench: setup  ## time and memory: training and scoring beside SpeechBrain's recipe, embedding, reports
	mkdir -p results
	$(BIN)/python benchmarks/training.py --variants --json results/training.json
	$(BIN)/python benchmarks/scoring.py --json results/scoring.json
	$(BIN)/python benchmarks/embedding.py --json results/embedding.json
	$(BIN)/python benchmarks/report.py

kill: setup  ## stop every command at random moments, 50 times with each signal (hours)
	OMP_NUM_THREADS=1 $(BIN)/python -m reliability.kill $(if $(SEED),--seed $(SEED))

full: setup  ## run every command on disks that are too small (Linux, as root; hours)
	OMP_NUM_THREADS=1 $(BIN)/python -m reliability.full_disk

clean:  ## remove build files; keep trained models
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache
