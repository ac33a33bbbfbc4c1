"""Every shipped recipe trains: one step on a shrunken random model of the architecture that it is for."""

import shutil

import pytest
import yaml
from transformers import AutoConfig, AutoModelForCausalLM, Qwen2Config

from hal_trl.alignment.train import recipe_path, train

from .preferences import write_preferences


DPO = ["llama-3.2-1b", "llama-3.2-3b", "llama-3.1-8b", "qwen2.5-14b", "qwen2.5-32b", "llama-3.3-70b", "qwen2.5-72b"]
GRPO = ["smollm2-135m", "qwen2.5-0.5b", "llama-3.2-1b", "llama-3.2-3b"]

SHRUNKEN = ["--max_steps", "1", "--gradient_accumulation_steps", "1", "--use_cpu", "true", "--bf16", "false"]


@pytest.fixture(scope="module")
def tiny_models(tiny_chat_model, tmp_path_factory):
    """Folders by architecture: Llama (SmolLM2 is one, too) and Qwen2."""
    folder = tmp_path_factory.mktemp("models") / "qwen"
    shutil.copytree(tiny_chat_model, folder)
    shape = AutoConfig.from_pretrained(tiny_chat_model).to_dict()
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    kept = {name: shape[name] for name in (*names, "num_key_value_heads", "pad_token_id", "eos_token_id")}
    AutoModelForCausalLM.from_config(Qwen2Config(**kept)).save_pretrained(folder)
    return {"llama": tiny_chat_model, "smollm2": tiny_chat_model, "qwen2.5": folder}


def architecture(tiny_models, name):
    return str(tiny_models[name.split("-")[0]])


@pytest.mark.parametrize("name", DPO)
def test_a_dpo_recipe_trains_an_adapter_on_4_bit_weights(name, tiny_models, tmp_path):
    pytest.importorskip("bitsandbytes")
    options = ["--model_name_or_path", architecture(tiny_models, name), "--dtype", "float32"]
    data = ["--dataset_name", str(write_preferences(tmp_path / "pairs")), "--per_device_train_batch_size", "2"]
    output = ["--output_dir", str(tmp_path / "out"), "--hal", '{"held_out_every": 0}']
    folder = train("dpo", ["--config", f"dpo-{name}", *options, *data, *output, *SHRUNKEN])
    assert (folder / "adapter_model.safetensors").is_file() and (folder / "hal.json").is_file()


@pytest.mark.parametrize("name", GRPO)
def test_a_grpo_recipe_trains_an_adapter_on_the_bundled_prompts(name, tiny_models, tmp_path):
    options = ["--model_name_or_path", architecture(tiny_models, name), "--dtype", "float32"]
    small = ["--per_device_train_batch_size", "4", "--max_completion_length", "8"]
    output = ["--output_dir", str(tmp_path), "--hal", '{"held_out_every": 0}']
    folder = train("grpo", ["--config", f"grpo-{name}", *options, *small, *output, *SHRUNKEN])
    assert (folder / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize("name", DPO)
def test_dpo_recipes_keep_the_papers_settings(name):
    with open(recipe_path(f"dpo-{name}")) as file:
        recipe = yaml.safe_load(file)
    assert (recipe["beta"], recipe["learning_rate"], recipe["num_train_epochs"]) == (0.1, 5e-5, 10)
    assert (recipe["lora_r"], recipe["lora_alpha"], recipe["lora_dropout"]) == (16, 32, 0.1)
    assert recipe["load_in_4bit"] and recipe["use_bnb_nested_quant"] and recipe["bnb_4bit_quant_type"] == "nf4"
    assert recipe["per_device_train_batch_size"] * recipe["gradient_accumulation_steps"] == 32
    assert recipe["lora_target_modules"] == "all-linear" and recipe["optim"] == "adamw_8bit"


def test_an_unknown_recipe_lists_the_shipped_ones():
    with pytest.raises(FileNotFoundError, match=r"neither a file nor one of dpo-llama-3\.1-8b, .*grpo-smollm2-135m"):
        recipe_path("dpo-llama-9")
