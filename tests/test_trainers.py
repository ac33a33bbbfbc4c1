"""Real TRL trainers, a few steps each, with the reward as its users pass it."""

import json

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from hal_trl import HALReward


def arguments(config_class, folder, **options):
    return config_class(
        output_dir=str(folder),
        max_steps=2,
        per_device_train_batch_size=4,
        num_generations=2,
        max_completion_length=12,
        logging_steps=1,
        report_to="none",
        use_cpu=True,
        bf16=False,
        save_strategy="no",
        **options,
    )


@pytest.mark.parametrize("format_", ["chat", "standard"])
@pytest.mark.parametrize(("trainer_class", "config_class"), [(GRPOTrainer, GRPOConfig), (RLOOTrainer, RLOOConfig)])
def test_trainers_take_the_reward_as_it_is(trainer_class, config_class, format_, tiny_chat_model, tmp_path):
    prompts = ["hey", "how are you?", "any plans?", "what's up"]
    if format_ == "chat":
        prompts = [[{"role": "user", "content": prompt}] for prompt in prompts]
    trainer = trainer_class(
        model=str(tiny_chat_model),
        reward_funcs=HALReward(),
        args=arguments(config_class, tmp_path),
        train_dataset=Dataset.from_dict({"prompt": prompts, "topic": ["a", "b", "c", "d"]}),
    )
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "reward" in entry]
    assert len(logged) == 2
    for entry in logged:
        assert 0.0 <= float(entry["rewards/HALReward/mean"]) <= 1.0
        assert {"hal/abstained", "hal/guard/language", "hal/brevity", "hal/p_human"} <= set(entry)


def test_rows_that_abstain_do_not_disturb_training(tiny_chat_model, tmp_path):
    class Deaf(HALReward):
        """Cannot read every other completion."""

        def __call__(self, prompts, completions, **kwargs):
            completions = [None if i % 2 else completion for i, completion in enumerate(completions)]
            return super().__call__(prompts, completions, **kwargs)

    trainer = GRPOTrainer(
        model=str(tiny_chat_model),
        reward_funcs=Deaf(),
        args=arguments(GRPOConfig, tmp_path),
        train_dataset=Dataset.from_dict({"prompt": ["hey", "hello", "so?", "well"]}),
    )
    trainer.train()
    assert all(torch.isfinite(parameter).all() for parameter in trainer.model.parameters())
    assert float(trainer.state.log_history[0]["hal/abstained"]) == 0.5


@pytest.mark.slow
def test_smollm2_learns_with_lora_and_the_adapter_loads_back(smollm2, tmp_path):
    trainer = GRPOTrainer(
        model=str(smollm2),
        reward_funcs=HALReward(),
        peft_config=LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM"),
        args=arguments(GRPOConfig, tmp_path, learning_rate=1e-3),
        train_dataset=Dataset.from_dict({"prompt": [[{"role": "user", "content": "how was your day?"}]] * 4}),
    )
    trainer.train()
    trainer.save_model(str(tmp_path / "adapter"))
    assert float(trainer.state.log_history[0]["reward_std"]) > 0

    tokenizer = AutoTokenizer.from_pretrained(smollm2)
    inputs = tokenizer("hey there", return_tensors="pt")
    base = AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32)
    with torch.inference_mode():
        before = base(**inputs).logits
        loaded = PeftModel.from_pretrained(base, tmp_path / "adapter").eval()(**inputs).logits
        trained = trainer.model.eval()(**inputs).logits
    torch.testing.assert_close(loaded, trained, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(before, loaded, atol=1e-3)
    assert json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["r"] == 8


def test_stock_trl_command_finds_the_ready_reward(tiny_chat_model, tmp_path):
    """What `trl grpo --reward_funcs hal_trl.rewards.human_likeness_reward` does, through TRL's own script."""
    from trl import DatasetMixtureConfig, ModelConfig
    from trl.scripts.grpo import GRPOScriptArguments, main

    data = tmp_path / "data"
    data.mkdir()
    rows = [{"prompt": [{"role": "user", "content": text}]} for text in ("hey", "hi there", "so", "well")]
    (data / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    main(
        GRPOScriptArguments(dataset_name=str(data), reward_funcs=["hal_trl.rewards.human_likeness_reward"]),
        arguments(GRPOConfig, tmp_path / "out"),
        ModelConfig(model_name_or_path=str(tiny_chat_model), dtype="float32"),
        DatasetMixtureConfig(),
    )
    assert (tmp_path / "out" / "model.safetensors").is_file()
