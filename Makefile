# Each target makes its own environment: all it takes is make and Python 3.11 or newer (PYTHON=python3.13 to choose one).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
EXTRAS := test
# The newest JAX, which has the newest compiler for TPUs, needs a newer Python.
AOT_PYTHON ?= $(firstword $(wildcard $(shell pyenv root 2>/dev/null)/versions/3.13.*/bin/python) $(shell command -v python3.13) $(PYTHON))
AOT_VENV ?= .venv-aot
AOT_CUDA_VENV ?= .venv-aot-cuda
GPU_VENV ?= .venv-gpu
BARE_VENV ?= .venv-bare

.PHONY: test test-all demo notebooks pages accuracy docs lint build bench aot aot-cuda gpu clean

$(BIN)/%.installed: pyproject.toml
	$(PYTHON) -c "import sys; assert sys.version_info >= (3, 11), 'jaxloss needs Python 3.11 or newer'"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	touch $@

test: $(BIN)/test.installed  ## every promise of every loss, on one program of each
	$(BIN)/python -m pytest

test-all: $(BIN)/test.installed  ## every program of every loss
	$(BIN)/python -m pytest --every

demo: $(BIN)/examples.installed  ## train on real data, beside statsmodels
	$(BIN)/python notebooks/doctor_visits.py

notebooks: $(BIN)/examples.installed  ## execute every notebook, and compare with the outputs that it has; STORE=1 keeps the new ones
	$(BIN)/python notebooks/run.py $(if $(STORE),--store)

pages: $(BIN)/test.installed  ## write the generated pages, and run the examples of all of them
	$(BIN)/python docs/catalogue.py
	$(BIN)/python docs/errors.py
	$(BIN)/python -m pytest --every tests/test_structure.py -k page

accuracy: $(BIN)/test.installed $(BIN)/bench.installed  ## measure the errors of every loss beside its peers, and write their page
	$(BIN)/python docs/accuracy.py

docs: $(BIN)/docs.installed  ## the site, into build/site
	$(BIN)/python -m mkdocs build --strict

lint: $(BIN)/dev.installed $(BIN)/test.installed  ## ruff and pyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

build: $(BIN)/release.installed  ## wheel and source distribution, checked; the wheel tried in an environment with JAX alone
	rm -rf dist $(BARE_VENV)
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*
	$(PYTHON) -m venv $(BARE_VENV)
	$(BARE_VENV)/bin/python -m pip install --quiet dist/*.whl
	$(BARE_VENV)/bin/python -I .ci/bare.py

bench: $(BIN)/bench.installed  ## every peer beside us, in one run
	$(BIN)/python benchmarks/run.py

aot:  ## what the fused last layer costs and every loss moves on TPUs, compiled without one; REDUCED=1 for a few figures
	$(MAKE) PYTHON=$(AOT_PYTHON) VENV=$(AOT_VENV) $(AOT_VENV)/bin/aot.installed
	$(AOT_VENV)/bin/python benchmarks/aot.py $(if $(REDUCED),--reduced)
	$(AOT_VENV)/bin/python benchmarks/aot_rows.py $(if $(REDUCED),--reduced)

aot-cuda:  ## the same on H100s, compiled without one; its environment takes 5.5 GB
	$(MAKE) PYTHON=$(AOT_PYTHON) VENV=$(AOT_CUDA_VENV) $(AOT_CUDA_VENV)/bin/aot-cuda.installed
	$(AOT_CUDA_VENV)/bin/python benchmarks/aot_cuda.py
	$(AOT_CUDA_VENV)/bin/python benchmarks/aot_rows.py --cuda

gpu:  ## every loss and the fused last layer on the GPU of this machine, in nine minutes, and the accuracy tests on it
	$(MAKE) PYTHON=$(AOT_PYTHON) VENV=$(GPU_VENV) $(GPU_VENV)/bin/gpu.installed
	$(GPU_VENV)/bin/python benchmarks/gpu.py

clean:
	rm -rf $(VENV) $(AOT_VENV) $(AOT_CUDA_VENV) $(GPU_VENV) $(BARE_VENV) dist .jax_cache .pytest_cache .ruff_cache
