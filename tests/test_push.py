"""Publishing an adapter with the real client against a stand-in for the Hub, and loading it back."""

import json
import shutil

import pytest
from huggingface_hub import ModelCard

from hal_trl import HALReward
from hal_trl.alignment.train import train
from hal_trl.evaluation import compare

from .hub_client import HubClient, HubClientError
from .hub_stand_in import HubStandIn
from .test_train_commands import SAMPLING, options


TOKEN = "hf_the-secret-of-ana"


@pytest.fixture(scope="module")
def adapter(tiny_chat_model, tmp_path_factory):
    """A trained adapter with the evidence of what it changed, whose base is named as on the Hub."""
    folder = tmp_path_factory.mktemp("trained")
    train("grpo", options(tiny_chat_model, folder, use_peft=True, lora_r=4, learning_rate=1e-2, **SAMPLING))
    hostile = ["<script>alert(1)</script>", "not much, you?"]
    measured = compare(["hey", "so?"], ["Hello! How may I assist you?"] * 2, hostile, HALReward())
    (folder / "comparison.json").write_text(json.dumps(measured.to_dict()))
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "ana/tiny"
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def hub():
    with HubStandIn({TOKEN: "ana"}).serving() as hub:
        yield hub


@pytest.fixture(scope="module")
def author(hub, tmp_path_factory):
    client = HubClient(hub.url, tmp_path_factory.mktemp("hub") / "author", TOKEN)
    client.run("from hal_trl.hub import push_adapter")
    yield client
    client.close()


@pytest.fixture(scope="module")
def published(hub, author, adapter):
    author.run(f"result = str(push_adapter({str(adapter)!r}, 'ana/warm', license='apache-2.0'))")
    return {path: blob.content for path, blob in hub.repositories["ana/warm"].files("main").items()}


def test_what_is_published_is_the_adapter_its_tokenizer_its_making_and_its_evidence(published):
    wanted = {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "hal.json", "comparison.json"}
    assert wanted <= set(published)
    assert not [path for path in published if path.endswith((".bin", ".pt", ".pth")) or "checkpoint" in path]
    made = json.loads(published["hal.json"])
    assert made["training"]["method"] == "GRPO (TRL)" and made["rewards"][0]["honesty guard"] == "on"
    assert set(made["rewards"][0]["weights"]) >= {"brevity", "reciprocity"}


def test_the_card_names_base_figures_making_and_duty(published, adapter):
    card = ModelCard(published["README.md"].decode())
    measured = json.loads((adapter / "comparison.json").read_text())
    assert card.data.base_model == "ana/tiny" and card.data.license == "apache-2.0"
    assert {"hal_trl", "grpo", "lora"} <= set(card.data.tags)
    figures = {result.metric_name: result.metric_value for result in card.data.eval_results}
    assert figures["mean P(human), after"] == round(measured["after"]["p_human"]["value"], 4)
    for said in ("must not be passed off as a person", "ana/warm", "honesty guard: on", "brevity", "Misuse".lower()):
        assert said in card.text
    assert "<script>" not in card.text


def test_loaded_back_it_gives_the_same_logits(hub, published, adapter, tiny_chat_model, tmp_path):
    reader = HubClient(hub.url, tmp_path / "reader", TOKEN)
    logits = f"""
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
def logits(adapter):
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained({str(tiny_chat_model)!r}), adapter).eval()
    tokens = AutoTokenizer.from_pretrained(adapter)("hey there", return_tensors="pt")
    with torch.inference_mode():
        return model(**tokens).logits
"""
    try:
        reader.run(logits)
        same = f"result = torch.equal(logits('ana/warm'), logits({str(adapter)!r}))"
        assert reader.run(same) is True
        base = f"AutoModelForCausalLM.from_pretrained({str(tiny_chat_model)!r})"
        tokens = f"AutoTokenizer.from_pretrained({str(adapter)!r})('hey there', return_tensors='pt')"
        assert not reader.run(f"result = torch.allclose({base}(**{tokens}).logits, logits('ana/warm'), atol=1e-4)")
    finally:
        reader.close()


def test_a_failed_push_commits_nothing_and_can_be_repeated(hub, author, adapter):
    hub.fail("/commit/")
    push = f"push_adapter({str(adapter)!r}, 'ana/again', license='other')"
    with pytest.raises(HubClientError, match="503"):
        author.run(push)
    assert set(hub.repositories["ana/again"].files("main")) == {".gitattributes"}
    author.run(push)
    assert "adapter_model.safetensors" in hub.repositories["ana/again"].files("main")


def test_no_path_of_this_machine_is_published(hub, author, adapter, tmp_path):
    folder, named = tmp_path / "mine", {"base_model_name_or_path": str(tmp_path)}
    shutil.copytree(adapter, folder, ignore=shutil.ignore_patterns("checkpoint-*"))
    config, made, measured = (
        json.loads((folder / name).read_text()) for name in ("adapter_config.json", "hal.json", "comparison.json")
    )
    made["training"]["dataset"], made["rewards"][0]["scorer"] = str(tmp_path / "pairs"), str(tmp_path / "scorer")
    made["rewards"][0]["sources"] = f"ana/base, {tmp_path / 'warm'}"
    (folder / "hal.json").write_text(json.dumps({**made, "base_model": str(tmp_path)}))
    (folder / "comparison.json").write_text(json.dumps({**measured, "scorer": str(tmp_path / "scorer")}))
    (folder / "adapter_config.json").write_text(json.dumps({**config, **named}))
    author.run(f"push_adapter({str(folder)!r}, 'ana/mine', base_model='ana/tiny', license='other')")
    files = {path: blob.content for path, blob in hub.repositories["ana/mine"].files("main").items()}
    assert [path for path, content in files.items() if str(tmp_path.parent).encode() in content] == []
    made = json.loads(files["hal.json"])
    assert made["base_model"] == "ana/tiny" and made["training"]["dataset"] == "pairs"
    assert made["rewards"][0]["scorer"] == "scorer" and made["rewards"][0]["sources"] == "ana/base, warm"
    assert "pairs" in files["README.md"].decode()


def without(name):
    return lambda folder: (folder / name).unlink()


def local_base(folder):
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": str(folder)}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without("adapter_config.json"), "No adapter in.*use_peft"),
        (without("comparison.json"), "published with the evidence.*hal-trl evaluate"),
        (without("hal.json"), "has no hal.json.*pass the trainer"),
        (lambda folder: (folder / "comparison.json").write_text('{"n": 2}'), "lacks before, after"),
        (lambda folder: (folder / "comparison.json").write_text('{"comparisons": {}}'), "pass the comparison of this"),
        (local_base, "nobody else can load: pass base_model="),
    ],
    ids=["no adapter", "no evidence", "unknown making", "half the evidence", "a whole evaluation", "local base"],
)
def test_an_adapter_without_evidence_or_base_is_not_pushed(author, adapter, tmp_path, spoil, message):
    folder = tmp_path / "spoilt"
    shutil.copytree(adapter, folder, ignore=shutil.ignore_patterns("checkpoint-*"))
    spoil(folder)
    with pytest.raises(HubClientError, match=f"(?s){message}"):
        author.run(f"push_adapter({str(folder)!r}, 'ana/never')")


def test_no_token_is_left_behind(hub, author, published):
    author.run("import sys\nsys.stderr.flush()")
    texts = [author.log.read_bytes(), *published.values()]
    assert not any(TOKEN.encode() in text for text in texts)
