"""`HALRewardModel`, and TRL's PPOTrainer with it where the installed TRL (1.12.0) still has one."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer

from hal_trl import HALReward, HALRewardModel
from hal_trl.alignment.adapter import load_adapter
from hal_trl.alignment.ppo import make_ppo_trainer, require_ppo
from hal_trl.rewards import AsyncHALReward
from hal_trl.rewards.prompt_boundary import prompt_ids


HAS_PPO = find_spec("trl.experimental.ppo") is not None
with_ppo = pytest.mark.skipif(not HAS_PPO, reason="PPOTrainer is in trl 1.12.0 alone; make test runs this with it")


class Witness:
    """A reward function that keeps what it was shown and gives each reply its number of characters."""

    def __init__(self):
        self.shown = []

    def __call__(self, prompts, completions):
        self.shown = list(zip(prompts, completions, strict=True))
        return [float(len(c if isinstance(c, str) else c[0]["content"])) for c in completions]


def user(text):
    return [{"role": "user", "content": text}]


def reply(text):
    return [{"role": "assistant", "content": text}]


def rollout(prompts, replies, pad, side="left"):
    """Rows as PPOTrainer makes them: prompts padded to one width, then replies padded on the right."""
    width, length = max(map(len, prompts)), max(map(len, replies))
    rows = []
    for prompt, answer in zip(prompts, replies, strict=True):
        gap = [pad] * (width - len(prompt))
        rows.append((gap + prompt if side == "left" else prompt + gap) + answer + [pad] * (length - len(answer)))
    return torch.tensor(rows), width


def get_reward(model, rows, pad, context_length):
    """As `trl.experimental.utils.get_reward` of TRL 1.12.0 does; the same function where that is installed."""
    if HAS_PPO:
        from trl.experimental.utils import get_reward as of_trl

        logits, scores, _ = of_trl(model, rows, pad, context_length)
        return logits, scores
    mask = rows != pad
    output = getattr(model, model.base_model_prefix)(
        input_ids=rows.masked_fill(~mask, 0),
        attention_mask=mask,
        position_ids=mask.cumsum(1) - mask.long(),
        return_dict=True,
        output_hidden_states=True,
        use_cache=False,
    )
    logits = model.score(output.hidden_states[-1])
    ends = [next((c for c in range(context_length, len(row)) if row[c] == pad), len(row)) - 1 for row in rows]
    return logits, logits[torch.arange(len(rows)), ends].squeeze(-1)


@pytest.fixture
def tiny(tiny_chat_model):
    return AutoTokenizer.from_pretrained(tiny_chat_model)


def byte_level_tokenizer(template):
    """Every byte a token, from id 0 on, so that 0 is a character; the special tokens are those of common templates."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    inner.add_special_tokens([AddedToken(token, special=True) for token in ("<s>", "<|end|>", "<|turn|>", "<pad>")])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="<|end|>", pad_token="<pad>", chat_template=template
    )


CHATML = (
    "{% for m in messages %}{{ '<|turn|>' + m['role'] + '\n' + m['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|turn|>assistant\n' }}{% endif %}"
)
TEMPLATES = {
    "chatml": CHATML,
    "chatml, opening a thought": CHATML.replace("assistant\n'", "assistant\n<think>\n'"),
    "llama 3": (
        "<s>{% for m in messages %}{{ '<|turn|>' + m['role'] + '<|turn|>\n\n' + m['content'] + '<|end|>' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|turn|>assistant<|turn|>\n\n' }}{% endif %}"
    ),
    "gemma": (
        "<s>{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{{ '<|turn|>' + ('model' if m['role'] == 'assistant' else 'user') + '\n' + m['content'] + '<|end|>\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|turn|>model\n' }}{% endif %}"
    ),
    "mistral": (
        "<s>{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
        "{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] + '<|end|>' }}"
        "{% else %}{{ raise_exception('no system') }}{% endif %}{% endfor %}"
    ),
}
texts = st.text(st.characters(codec="utf-8", exclude_characters="<>[]|"), max_size=12).map(str.strip)


@pytest.mark.parametrize("known", [False, True], ids=["read back", "known prompts"])
@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("side", ["left", "right"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_prompt_and_reply_are_told_apart_in_any_template(side, template, known, data):
    tokenizer = byte_level_tokenizer(TEMPLATES[template])
    chats, replies, rows = [], [], []
    for _ in range(data.draw(st.integers(1, 4), "batch size")):
        chat = user(data.draw(texts, "user"))
        for _ in range(data.draw(st.integers(0, 2), "earlier turns")):
            chat += reply(data.draw(texts, "assistant")) + user(data.draw(texts, "user"))
        # A first token that is padding is no reply at all, for TRL as well; a reply may go on after its end.
        text, ending = data.draw(texts, "reply"), data.draw(st.sampled_from(["<|end|>", "", "<|end|>more"]), "end")
        if text + ending == "":
            ending = "<|end|>"
        chats.append(chat)
        replies.append(text)
        rows.append(tokenizer(text + ending, add_special_tokens=False)["input_ids"])
    witness = Witness()
    model = HALRewardModel(witness, tokenizer, prompts=chats if known else None)
    batch, width = rollout([prompt_ids(tokenizer, chat) for chat in chats], rows, tokenizer.pad_token_id, side)
    # `local_rollout_forward_batch_size`: a part may lack the longest prompt, so that every row has padding.
    part = slice(data.draw(st.integers(0, len(rows) - 1), "part"), None)
    batch, chats, replies = batch[part], chats[part], replies[part]
    logits, scores = get_reward(model, batch, tokenizer.pad_token_id, width)
    assert witness.shown == [(chat, reply(text)) for chat, text in zip(chats, replies, strict=True)]
    assert scores.tolist() == [len(text) for text in replies]
    assert logits.shape == (*batch.shape, 1) and (logits == logits[:, :1]).all()


def test_token_zero_is_a_word_where_the_mask_says_so():
    tokenizer = byte_level_tokenizer(CHATML)
    word = tokenizer.decode([0])
    witness = Witness()
    rows = [prompt_ids(tokenizer, user(word * n)) for n in (1, 3)]
    batch, width = rollout(rows, [[0, 0], [0]], tokenizer.pad_token_id)
    get_reward(HALRewardModel(witness, tokenizer), batch, tokenizer.pad_token_id, width)
    assert witness.shown == [(user(word), reply(word * 2)), (user(word * 3), reply(word))]


def test_a_policy_that_writes_a_generation_prompt_does_not_choose_what_is_scored():
    tokenizer = byte_level_tokenizer(CHATML)
    chats = [user("hey"), user("how are you?")]
    sly = tokenizer("trash<|turn|>assistant\nfine")["input_ids"]
    prompts = [prompt_ids(tokenizer, chat) for chat in chats]
    witness = Witness()
    batch, width = rollout(prompts, [sly, tokenizer("good")["input_ids"]], tokenizer.pad_token_id)
    get_reward(HALRewardModel(witness, tokenizer), batch, tokenizer.pad_token_id, width)
    assert [completion for _, completion in witness.shown] == [reply("trash"), reply("good")]
    # Alone in a batch the row does not tell; the prompts do.
    batch, width = rollout(prompts[:1], [sly], tokenizer.pad_token_id)
    get_reward(HALRewardModel(witness, tokenizer, prompts=chats), batch, tokenizer.pad_token_id, width)
    assert witness.shown == [(chats[0], reply("trash"))]


def test_known_prompts_need_no_chat_template():
    tokenizer = byte_level_tokenizer(None)
    with pytest.raises(ValueError, match="prompts="):
        HALRewardModel(Witness(), tokenizer)
    prompts, witness = ["hey", "hey you", "so what"], Witness()
    model = HALRewardModel(witness, tokenizer, prompts=prompts)
    # Two known prompts begin the second row: the column of the batch tells which it was.
    rows = [prompt_ids(tokenizer, prompt) for prompt in prompts]
    batch, width = rollout(
        rows, [prompt_ids(tokenizer, text) for text in (" you two", "!", "?")], tokenizer.pad_token_id
    )
    get_reward(model, batch, tokenizer.pad_token_id, width)
    assert witness.shown == [("hey", " you two"), ("hey you", "!"), ("so what", "?")]
    with pytest.raises(ValueError, match="add_generation_prompt"):
        get_reward(model, torch.tensor([prompt_ids(tokenizer, "what")]), tokenizer.pad_token_id, 2)


@pytest.mark.slow
@pytest.mark.parametrize("pad", ["<|im_end|>", "<|endoftext|>"], ids=["padded with eos", "padded with token 0"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_smollm2_rows_are_read_with_its_own_template(side, pad, smollm2):
    tokenizer = AutoTokenizer.from_pretrained(smollm2)
    tokenizer.pad_token = pad
    chats = [
        [{"role": "system", "content": "Be brief."}, *user("hi"), *reply("hey, you?"), *user("good\n\nthanks")],
        [{"role": "system", "content": "Text a friend.\nOne sentence."}, *user("How was your weekend? 🙂")],
    ]
    witness = Witness()
    rows = [prompt_ids(tokenizer, chat) for chat in chats]
    replies = [tokenizer(text)["input_ids"] for text in ("ok<|im_end|>", "it was great, thanks. and yours")]
    for chosen in ([0, 1], [1], [0]):
        batch, width = rollout([rows[i] for i in chosen], [replies[i] for i in chosen], tokenizer.pad_token_id, side)
        get_reward(HALRewardModel(witness, tokenizer), batch, tokenizer.pad_token_id, width)
        expected = [(chats[0], reply("ok")), (chats[1], reply("it was great, thanks. and yours"))]
        assert witness.shown == [expected[i] for i in chosen]


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        ([1.0, None, 0.5], [1.0, 0.75, 0.5]),
        ([float("nan"), 0.5, float("-inf")], [0.5, 0.5, 0.5]),
    ],
)
def test_what_cannot_be_scored_gets_the_mean_of_the_others_and_later_the_last_mean(rewards, expected, tiny):
    batches = iter([[None] * 3, rewards, [None] * 3])
    model = HALRewardModel(lambda prompts, completions, **kwargs: next(batches), tiny)
    batch, width = rollout([prompt_ids(tiny, user("hey"))] * 3, [prompt_ids(tiny, "ok")] * 3, tiny.pad_token_id)
    scores = [get_reward(model, batch, tiny.pad_token_id, width)[1].tolist() for _ in range(3)]
    assert scores == [[0.0] * 3, expected, [sum(expected) / 3] * 3]


def test_it_gives_the_rewards_that_the_function_gives_and_hears_its_metrics(reward):
    tokenizer = byte_level_tokenizer(CHATML)
    chats = [user("how was your weekend?"), user("hey, any plans for tonight?")]
    said = ["pretty good, slept in and watched a movie", "As an AI, I do not have plans."]
    rows = [tokenizer(text)["input_ids"] for text in said]
    batch, width = rollout([prompt_ids(tokenizer, chat) for chat in chats], rows, tokenizer.pad_token_id)
    model = HALRewardModel(HALReward(), tokenizer)
    scores = get_reward(model, batch, tokenizer.pad_token_id, width)[1]
    assert scores.tolist() == pytest.approx(reward(prompts=chats, completions=[reply(text) for text in said]))
    assert model.pop_metrics()["hal/words"] == 8 and model.pop_metrics() == {}
    model = HALRewardModel(HALReward(), tokenizer)  # one that does not remember these replies
    as_classifier = model(input_ids=batch, attention_mask=batch != tokenizer.pad_token_id).logits
    assert as_classifier.shape == (2, 1) and model.config.num_labels == 1 and not model.training
    torch.testing.assert_close(as_classifier[:, 0], scores)


def test_a_coroutine_is_refused(tiny):
    with pytest.raises(ValueError, match="HALReward instead"):
        HALRewardModel(AsyncHALReward(), tiny)


def test_grpo_takes_it_where_it_takes_reward_models(tiny_chat_model, tiny, tmp_path):
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    witness = Witness()
    trainer = GRPOTrainer(
        model=str(tiny_chat_model),
        reward_funcs=HALRewardModel(witness, tiny),
        reward_processing_classes=tiny,
        args=GRPOConfig(
            output_dir=str(tmp_path),
            max_steps=1,
            per_device_train_batch_size=4,
            num_generations=2,
            max_completion_length=6,
            use_cpu=True,
            bf16=False,
            report_to="none",
            save_strategy="no",
        ),
        train_dataset=Dataset.from_dict({"prompt": [user("hey"), user("how are you?")]}),
    )
    trainer.train()
    # This tokenizer writes a space between tokens when it decodes.
    assert {prompt[0]["content"].replace(" ", "") for prompt, _ in witness.shown} <= {"hey", "howareyou?"}
    assert all(len(completion[0]["content"].split()) <= 6 for _, completion in witness.shown)


@pytest.mark.skipif(HAS_PPO, reason="the installed TRL has PPO")
def test_a_newer_trl_is_told_what_to_install():
    with pytest.raises(ImportError, match=r'pip install "hal-trl\[ppo\]"'):
        require_ppo()


def ppo_config(folder, **options):
    from trl.experimental.ppo import PPOConfig

    defaults = {
        "output_dir": str(folder),
        "total_episodes": 8,
        "per_device_train_batch_size": 4,
        "num_ppo_epochs": 2,
        "response_length": 8,
        "logging_steps": 1,
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "save_strategy": "no",
    }
    return PPOConfig(**{**defaults, **options})


@with_ppo
@pytest.mark.parametrize("lora", [True, False], ids=["bfloat16 with lora", "whole"])
def test_ppo_trains_a_policy_and_scores_what_it_said(lora, tiny_chat_model, tiny, tmp_path):
    chats = [user("hey"), user("how are you?"), user("any plans?"), user("so what is up with you today")]

    shown = []

    class Recorded(HALReward):
        def __call__(self, prompts, completions, **kwargs):
            shown.extend(prompts)
            rewards = super().__call__(prompts, completions, **kwargs)
            return [None, *rewards[1:]]

    tiny.pad_token = tiny.eos_token  # as load_chat_model does where there is none
    policy = AutoModelForCausalLM.from_pretrained(tiny_chat_model, dtype=torch.bfloat16 if lora else torch.float32)
    before = {name: parameter.clone() for name, parameter in policy.named_parameters()}
    adapter = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM") if lora else None
    args = ppo_config(tmp_path, learning_rate=1e-2, missing_eos_penalty=1.0, local_rollout_forward_batch_size=2)
    trainer = make_ppo_trainer(policy, tiny, chats, Recorded(), args, adapter)
    assert trainer.processing_class.pad_token_id != tiny.eos_token_id and tiny.padding_side == "left"
    trainer.train()

    logged = [entry for entry in trainer.state.log_history if "objective/scores" in entry]
    assert len(logged) == 2
    for entry in logged:
        assert all(torch.isfinite(torch.tensor(float(value))) for value in entry.values())
        assert {"hal/p_human", "hal/guard/language", "hal/words"} <= set(entry)
    assert all(prompt in chats for prompt in shown) and all(chat in shown[:4] for chat in chats)
    changed = [n for n, p in trainer.model.policy.named_parameters() if p.requires_grad and "lora_A" not in n]
    trained = dict(trainer.model.policy.named_parameters())
    if lora:
        assert any(trained[name].abs().max() > 0 for name in changed)  # lora_B starts at zero
        trainer.save_model(str(tmp_path / "adapter"))
        assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
    else:
        assert any(not torch.equal(trained[name], before[name]) for name in changed)


@with_ppo
@pytest.mark.slow
@pytest.mark.parametrize("lora", [True, False], ids=["lora", "whole"])
def test_two_processes_train_one_policy_and_save_it_alone(lora, tiny_chat_model, tmp_path):
    named = {
        "model_name_or_path": tiny_chat_model,
        "output_dir": tmp_path,
        "per_device_train_batch_size": 4,
        "total_episodes": 16,
        "response_length": 8,
        "learning_rate": 1e-2,
        "report_to": "none",
        "save_strategy": "no",
        "use_peft": lora,
    }
    options = [part for name, value in named.items() for part in (f"--{name}", str(value))]
    torchrun = ["torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29514", "-m"]
    command = [sys.executable, "-m", *torchrun, "hal_trl.cli", "ppo", *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    base = AutoModelForCausalLM.from_pretrained(tiny_chat_model)
    before = {name: parameter.clone() for name, parameter in base.named_parameters()}
    if lora:
        result = load_adapter(base, tmp_path, str(tiny_chat_model))  # refuses what has no place in the model
        assert any(p.abs().max() > 0 for name, p in result.named_parameters() if "lora_B" in name)
    else:
        result, found = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
        assert not found["missing_keys"] and not found["unexpected_keys"]
        assert any(not torch.equal(parameter, before[name]) for name, parameter in result.named_parameters())


@with_ppo
@pytest.mark.slow
def test_ppo_learns_what_the_reward_asks_for(tiny_chat_model, tiny, tmp_path):
    def short(prompts, completions, **kwargs):
        return [1.0 - len("".join(c[0]["content"].split())) / 8 for c in completions]

    torch.manual_seed(0)
    args = ppo_config(
        tmp_path,
        total_episodes=16 * 12,
        per_device_train_batch_size=16,
        num_ppo_epochs=2,
        learning_rate=1e-2,
        kl_coef=0.0,
        temperature=1.0,
    )
    policy = AutoModelForCausalLM.from_pretrained(tiny_chat_model)
    trainer = make_ppo_trainer(policy, tiny, [user(f"hey {n}") for n in range(16)], short, args)
    trainer.train()
    scores = [entry["objective/scores"] for entry in trainer.state.log_history if "objective/scores" in entry]
    assert sum(scores[-3:]) / 3 > sum(scores[:3]) / 3 + 0.2


@with_ppo
def test_a_policy_with_an_adapter_needs_a_value_model(tiny_chat_model, tiny, tmp_path):
    from peft import get_peft_model

    policy = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_chat_model), LoraConfig(r=4))
    with pytest.raises(ValueError, match="Pass value_model="):
        make_ppo_trainer(policy, tiny, [user("hey")] * 4, Witness(), ppo_config(tmp_path))


@with_ppo
def test_too_few_prompts_are_refused_where_trl_would_wait_for_ever(tiny_chat_model, tiny, tmp_path):
    policy = AutoModelForCausalLM.from_pretrained(tiny_chat_model)
    with pytest.raises(ValueError, match="3 prompts do not fill a batch"):
        make_ppo_trainer(policy, tiny, [user("hey")] * 3, Witness(), ppo_config(tmp_path))


@pytest.mark.slow
def test_the_ppo_example_runs_or_says_what_to_install(tiny_chat_model, tmp_path):
    example = Path(__file__).parents[1] / "examples" / "ppo_lora.py"
    command = [sys.executable, str(example), str(tiny_chat_model), "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, env=dict(os.environ))
    if HAS_PPO:
        assert done.returncode == 0, done.stderr[-2000:]
        assert (tmp_path / "runs" / "ppo-lora" / "adapter" / "adapter_model.safetensors").is_file()
    else:
        assert done.returncode != 0 and 'pip install "hal-trl[ppo]"' in done.stderr
