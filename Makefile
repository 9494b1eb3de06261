# Each target makes its own environment: all it takes is make and Python 3.11 or newer (PYTHON=python3.13 to choose one).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
EXTRAS := test

.PHONY: test demo notebooks lint bench clean

$(BIN)/%.installed: pyproject.toml
	$(PYTHON) -c "import sys; assert sys.version_info >= (3, 11), 'jaxloss needs Python 3.11 or newer'"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	touch $@

test: $(BIN)/test.installed  ## the whole test suite
	$(BIN)/python -m pytest

demo: $(BIN)/examples.installed  ## train on real data, beside statsmodels
	$(BIN)/python notebooks/doctor_visits.py

notebooks: $(BIN)/examples.installed  ## execute every notebook
	for notebook in notebooks/*.ipynb; do $(BIN)/jupyter execute $$notebook || exit 1; done

lint: $(BIN)/dev.installed $(BIN)/test.installed  ## ruff and pyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(BIN)/bench.installed  ## every peer beside us, in one run
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) .jax_cache .pytest_cache .ruff_cache
