PYTHON ?= python3
TORCH_INDEX ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
ONE_THREAD := OMP_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help book test lab execute runs bench soak clean check-python

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18
	@echo "PYTHON=python3.12 chooses the Python (3.11 to 3.13)."
	@echo "TORCH_INDEX=https://download.pytorch.org/whl/cpu spares Linux machines without a GPU gigabytes of CUDA."

$(STAMP): requirements.txt requirements-nodeps.txt pyproject.toml tools/install.py
	@$(PYTHON) tools/install.py $(TORCH_INDEX)
	@touch $@

# A Python named by hand is looked at even when .venv exists already and nothing needs installing.
ifneq ($(origin PYTHON),file)
$(STAMP): | check-python
check-python:
	@$(PYTHON) tools/install.py --check
endif

book: $(STAMP)  ## build the book, strictly, and print the file to open
	@$(BIN)/python tools/book.py

test: $(STAMP)  ## run every check: ruff, the strict book, unit tests, notebooks, the site
	$(BIN)/ruff check .
	$(BIN)/python tools/book.py --fresh
	$(ONE_THREAD) $(BIN)/python -m pytest --nbval -n 2 --dist loadscope

lab: $(STAMP)  ## open JupyterLab on the notebooks
	$(BIN)/jupyter lab notebooks

execute: $(STAMP)  ## run all notebooks from top to bottom and store their outputs
	$(ONE_THREAD) $(BIN)/python tools/execute.py

runs: $(STAMP)  ## rebuild the recorded runs in data/runs
	$(BIN)/python tools/runs.py

bench: $(STAMP)  ## time bertmini beside transformers and d2l, and record it in data/runs
	$(BIN)/python benchmarks/compare.py

soak: $(STAMP)  ## run the long tests
	$(BIN)/python -m pytest -m soak

clean:  ## remove .venv and everything built
	rm -rf $(VENV) _build build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
