"""`HumanLikenessCallback` in real training: what it logs, keeps, marks, and stops."""

import json

import pytest
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoTokenizer
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer

from hal_trl import HALReward
from hal_trl.alignment import HumanLikenessCallback

from .preferences import write_preferences


PROMPTS = ["hey", "how was work?", [{"role": "user", "content": "any plans?"}]]


def dpo_trainer(model, folder, data, steps=4, **options):
    return DPOTrainer(
        model=str(model),
        args=DPOConfig(
            output_dir=str(folder),
            max_steps=steps,
            per_device_train_batch_size=2,
            logging_steps=1,
            save_steps=1,
            report_to="none",
            use_cpu=True,
            bf16=False,
            **options,
        ),
        train_dataset=Dataset.from_json(str(write_preferences(data) / "train.jsonl")),
        processing_class=AutoTokenizer.from_pretrained(model),
        peft_config=LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"),
    )


class Scripted(HALReward):
    """Finds the n-th set of replies as good, and as degenerate, as it is told."""

    def __init__(self, *verdicts):
        super().__init__()
        self.verdicts = list(verdicts)

    def explain(self, prompts, completions):
        reward, degenerate = self.verdicts.pop(0)
        frame = super().explain(prompts, completions)
        frame.loc[:, [column for column in frame if column.startswith("guard/")]] = 0.0
        frame["reward"], frame["guard/language"] = reward, float(degenerate)
        return frame


def test_it_logs_and_keeps_what_held_out_prompts_get(tiny_chat_model, tmp_path):
    trainer = dpo_trainer(tiny_chat_model, tmp_path / "out", tmp_path / "data")
    trainer.add_callback(HumanLikenessCallback(trainer, PROMPTS, every=2, max_new_tokens=6, collapsed=1.0))
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "hal/held_out/reward" in entry]
    assert [entry["step"] for entry in logged] == [2, 4]
    kept = json.loads((tmp_path / "out" / "human_likeness" / "step-000004.json").read_text())
    assert kept["reward"] == pytest.approx(logged[1]["hal/held_out/reward"])
    assert [sample["prompt"] for sample in kept["samples"]] == ["hey", "how was work?", "any plans?"]
    assert {"completion", "reward", "why"} <= set(kept["samples"][0])


def test_training_is_the_same_with_it_as_without(tiny_chat_model, tmp_path):
    losses = []
    for watched in (False, True):
        trainer = dpo_trainer(tiny_chat_model, tmp_path / str(watched), tmp_path / "data", save_strategy="no")
        if watched:
            trainer.add_callback(HumanLikenessCallback(trainer, PROMPTS, every=1, max_new_tokens=6, collapsed=1.0))
        trainer.train()
        losses.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
        assert trainer.model.training
    assert losses[0] == losses[1] and len(losses[0]) == 4


def test_the_best_checkpoint_within_limits_is_marked_and_outlives_the_others(tiny_chat_model, tmp_path):
    trainer = dpo_trainer(tiny_chat_model, tmp_path / "out", tmp_path / "data", save_total_limit=2)
    reward = Scripted((0.4, False), (0.6, False), (0.9, True), (0.5, False))
    trainer.add_callback(HumanLikenessCallback(trainer, PROMPTS, reward, every=1, max_new_tokens=4))
    trainer.train()
    best = str(tmp_path / "out" / "checkpoint-2")
    assert trainer.state.best_model_checkpoint == best and trainer.state.best_metric == 0.6
    assert sorted(path.name for path in (tmp_path / "out").glob("checkpoint-*")) == ["checkpoint-2", "checkpoint-4"]
    state = json.loads((tmp_path / "out" / "checkpoint-4" / "trainer_state.json").read_text())
    assert state["best_model_checkpoint"] == best


def test_collapse_twice_in_a_row_ends_the_training(tiny_chat_model, tmp_path, caplog):
    trainer = dpo_trainer(tiny_chat_model, tmp_path / "out", tmp_path / "data", steps=6)
    reward = Scripted((0.5, True), (0.5, False), (0.5, True), (0.5, True))
    trainer.add_callback(HumanLikenessCallback(trainer, PROMPTS, reward, every=1, max_new_tokens=4))
    trainer.train()
    assert trainer.state.global_step == 4 and "Training stops: 100 %" in caplog.text


def test_what_a_killed_run_was_writing_is_not_read(tiny_chat_model, tmp_path):
    kept = tmp_path / "out" / "human_likeness"
    kept.mkdir(parents=True)
    (kept / "step-000001.unfinished.json").write_text('{"step": 1, "rew')
    trainer = dpo_trainer(tiny_chat_model, tmp_path / "out", tmp_path / "data", steps=1)
    trainer.add_callback(HumanLikenessCallback(trainer, PROMPTS, Scripted((0.4, False)), every=1, max_new_tokens=4))
    trainer.train()
    assert json.loads((kept / "step-000001.json").read_text())["reward"] == pytest.approx(0.4)


def test_it_measures_once_an_epoch_where_no_steps_are_given_and_beside_grpo(tiny_chat_model, tmp_path):
    trainer = GRPOTrainer(
        model=str(tiny_chat_model),
        reward_funcs=HALReward(),
        args=GRPOConfig(
            output_dir=str(tmp_path),
            num_train_epochs=2,
            per_device_train_batch_size=4,
            num_generations=2,
            max_completion_length=6,
            logging_steps=1,
            report_to="none",
            use_cpu=True,
            bf16=False,
            save_strategy="no",
        ),
        train_dataset=Dataset.from_dict({"prompt": [[{"role": "user", "content": t}] for t in ("a", "b", "c", "d")]}),
    )
    trainer.add_callback(HumanLikenessCallback(trainer, PROMPTS, max_new_tokens=4, collapsed=1.0))
    trainer.train()
    measured = [entry["step"] for entry in trainer.state.log_history if "hal/held_out/words" in entry]
    rewards = [entry for entry in trainer.state.log_history if "reward" in entry]
    assert measured == [2, 4] and len(rewards) == 4
    assert all("rewards/HALReward/mean" in entry for entry in rewards)  # the trainer's own averages are left alone


def test_what_it_needs_is_said(tiny_chat_model, tmp_path):
    trainer = dpo_trainer(tiny_chat_model, tmp_path / "out", tmp_path / "data")
    with pytest.raises(ValueError, match="needs prompts"):
        HumanLikenessCallback(trainer, [])
    trainer.processing_class.chat_template = None
    with pytest.raises(ValueError, match="no chat template"):
        HumanLikenessCallback(trainer, PROMPTS)
