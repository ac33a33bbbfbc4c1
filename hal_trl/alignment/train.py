"""`hal-trl grpo | rloo | dpo | ppo`: TRL's trainers, configured as TRL's own commands are, with a HAL section."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from ..hub import PROVENANCE_FILE, provenance
from ..whole_file import write_json
from .chat_model import SMOLLM2, load_chat_model
from .failures import explained
from .grpo import chat
from .hal_section import HALSection
from .openers import load_openers
from .pair_folder import pair_settings
from .resume import checkpoint_of, train_from


logger = logging.getLogger(__name__)

Method = Literal["grpo", "rloo", "dpo", "ppo"]


@dataclass
class HALArguments:
    """The section `hal:` of a recipe, see [`~hal_trl.alignment.hal_section.HALSection`]."""

    hal: dict[str, Any] | str | None = field(
        default=None,
        metadata={"help": "HAL section: a mapping in the recipe, JSON here, such as '{\"trait_weights\": {...}}'."},
    )


def train(method: Method, arguments: Sequence[str]) -> Path:
    """Train as the command line says: `--config recipe.yaml` and every option of TRL's command of that name.

    Goes on from the last whole checkpoint in `output_dir` if there is one. Writes the model or adapter, the tokenizer
    and `hal.json` (what made it) to `output_dir`.

    Args:
        method (`str`): `"grpo"`, `"rloo"`, `"dpo"` or `"ppo"`.
        arguments (`Sequence[str]`): The command line after the method's name.

    Returns:
        `Path`: the output folder.

    Raises:
        `ValueError`: if recipe, model or dataset cannot work, with what to change.
        `MemoryError`, `OSError`: out of memory, or out of room; what was saved before is whole.
    """
    section, script, args, model, mixture = _parse(method, arguments)
    section.check(method)
    output = Path(args.output_dir)
    if model.load_in_4bit or model.load_in_8bit:
        _require_bitsandbytes()
    own = model.model_name_or_path is None
    if own:
        output.mkdir(parents=True, exist_ok=True)
        with args.main_process_first(local=False, desc="unpacking the model"):  # the others find it unpacked
            load_chat_model(cache=output / "base-model")
        model.model_name_or_path = str(output / "base-model")
    dataset = _dataset(method, script, mixture)
    tokenizer = _tokenizer(model, dataset[script.dataset_train_split])
    rewards = section.reward_functions() if method in ("grpo", "rloo") else [section.reward()]
    trainer = _trainer(method, rewards, script, args, model, dataset, tokenizer)
    if section.held_out_every:
        from .callback import HumanLikenessCallback

        trainer.add_callback(HumanLikenessCallback(trainer, reward=rewards[0], every=section.held_out_every))
    with explained(output):
        if method == "ppo":
            trainer.train()  # TRL's PPOTrainer always begins anew
        else:
            train_from(trainer, checkpoint_of(args))
        if own and hasattr(trainer.model, "peft_config"):
            trainer.model.peft_config["default"].base_model_name_or_path = SMOLLM2
        trainer.save_model(str(output))
    if trainer.accelerator.is_main_process:
        base = SMOLLM2 if own else model.model_name_or_path
        data = script.dataset_name or "hal_trl openers"
        # What judged for DPO made the pairs; the reward here only watches.
        judged = [] if method == "dpo" else rewards
        made = provenance(method.upper(), base, judged, args, trainer.state.global_step, data)
        pairs = pair_settings(data) if method == "dpo" else None
        made["rewards"] += [pairs] if pairs else []
        write_json(output / PROVENANCE_FILE, made)
    return output


def launch_or_train(method: Method, arguments: Sequence[str]) -> Path | None:
    """[`train`], or, with `--accelerate_config NAME`, the same command on several processes by `accelerate launch`.

    `NAME` is a file or one of the configurations that TRL ships: `multi_gpu`, `fsdp1`, `fsdp2`, `zero1`, `zero2`,
    `zero3`. `--num_processes N` beside it sets how many.

    Returns:
        `Path`, *optional*: the output folder; `None` where other processes trained.
    """
    from accelerate.commands.launch import launch_command, launch_command_parser
    from trl.cli.accelerate_config import resolve_accelerate_config_argument

    arguments = list(arguments)
    launch: list[str] = []
    for option in ("--accelerate_config", "--num_processes"):
        if "--accelerate_config" in [*arguments, *launch] and option in arguments[:-1]:
            at = arguments.index(option)
            launch += arguments[at : at + 2]
            del arguments[at : at + 2]
    if not launch:
        return train(method, arguments)
    launch = resolve_accelerate_config_argument(launch)
    launch_command(launch_command_parser().parse_args([*launch, "-m", "hal_trl.cli", method, *arguments]))
    return None


def recipe_path(name: str) -> str:
    """A recipe file as it is, or the path of a shipped one by its name.

    Raises:
        `FileNotFoundError`: if it is neither; lists the shipped ones.
    """
    shipped = resources.files(__package__).joinpath("recipes")
    names = sorted(entry.name.removesuffix(".yaml") for entry in shipped.iterdir() if entry.name.endswith(".yaml"))
    if Path(name).is_file():
        return name
    if name not in names:
        raise FileNotFoundError(f"No recipe {name}: neither a file nor one of {', '.join(names)}.")
    return str(shipped.joinpath(f"{name}.yaml"))


def _parse(method: Method, arguments: Sequence[str]) -> tuple[HALSection, Any, Any, Any, Any]:
    import torch
    from trl import DatasetMixtureConfig, DPOConfig, GRPOConfig, ModelConfig, RLOOConfig, ScriptArguments, TrlParser

    arguments = list(arguments)
    if "--config" in arguments[:-1]:
        at = arguments.index("--config") + 1
        arguments[at] = recipe_path(arguments[at])
    configs = {"grpo": GRPOConfig, "rloo": RLOOConfig, "dpo": DPOConfig}
    if method == "ppo":
        from .ppo import require_ppo

        require_ppo()
        from trl.experimental.ppo import PPOConfig

        configs["ppo"] = PPOConfig
    parser = TrlParser(
        (HALArguments, ScriptArguments, configs[method], ModelConfig, DatasetMixtureConfig), prog=f"hal-trl {method}"
    )
    parser.set_defaults(output_dir=f"runs/{method}", lora_target_modules="all-linear")
    if method == "grpo":
        # Scaled by group, what the guards take from all replies to a prompt would be given back; RLOO scales nothing.
        parser.set_defaults(scale_rewards="none")
    if not torch.accelerator.is_available():
        parser.set_defaults(use_cpu=True, bf16=False)
    hal, script, args, model, mixture = parser.parse_args_and_config(arguments)
    if getattr(args, "use_vllm", False) and not torch.cuda.is_available():
        logger.warning("vLLM needs CUDA: replies are sampled with transformers instead.")
        args.use_vllm = False
    return HALSection.of(hal.hal), script, args, model, mixture


def _dataset(method: Method, script: Any, mixture: Any) -> Any:
    """The named dataset, or, where only prompts are needed, the everyday openers."""
    from datasets import Dataset, DatasetDict, load_dataset
    from trl import get_dataset

    if mixture.datasets:
        dataset = get_dataset(mixture)
    elif script.dataset_name:
        dataset = load_dataset(script.dataset_name, name=script.dataset_config, streaming=script.dataset_streaming)
    elif method == "dpo":
        raise ValueError("DPO needs preference pairs: make some with `hal-trl pairs`, and pass --dataset_name FOLDER.")
    else:
        splits = {script.dataset_train_split: "train", script.dataset_test_split: "held_out"}
        dataset = DatasetDict(
            {
                name: Dataset.from_dict({"prompt": [chat(text) for text in load_openers(split)]})
                for name, split in splits.items()
            }
        )
    if script.dataset_train_split not in dataset:
        raise ValueError(
            f"The dataset has no split {script.dataset_train_split!r} but {', '.join(dataset)}; pass "
            "--dataset_train_split."
        )
    _check_columns(method, dataset[script.dataset_train_split].column_names)
    return dataset


def _check_columns(method: Method, columns: list[str] | None) -> None:
    needed = ["chosen", "rejected"] if method == "dpo" else ["prompt"]
    missing = [name for name in needed if name not in (columns or needed)]
    if not missing:
        return
    close = {"prompts": "prompt", "question": "prompt", "instruction": "prompt", "query": "prompt"}
    hint = next((name for name in columns if close.get(name) in missing), None)
    made = "`hal-trl pairs` makes such pairs." if method == "dpo" else "Make one: text, or chat messages."
    raise ValueError(
        f"The dataset has no column {' and no column '.join(missing)}; it has {', '.join(columns)}. "
        + (f'Rename it: dataset.rename_column("{hint}", "prompt").' if hint else made)
    )


def _tokenizer(model: Any, train: Any) -> Any:
    """The model's tokenizer, with what chat training needs.

    Raises:
        `ValueError`: if the prompts are chats and the tokenizer has no chat template.
    """
    from transformers import AutoTokenizer
    from trl import is_conversational

    tokenizer = AutoTokenizer.from_pretrained(model.model_name_or_path, revision=model.model_revision)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token is None:
        raise ValueError(
            f"The tokenizer of {model.model_name_or_path} has neither a padding nor an end token. Set "
            "tokenizer.pad_token and save it with the model."
        )
    if is_conversational(next(iter(train))) and tokenizer.chat_template is None:
        raise ValueError(
            f"The dataset holds chats, and {model.model_name_or_path} has no chat template: it is a base model. Take "
            "its instruction-tuned sibling (often named -Instruct), or pass plain text prompts."
        )
    return tokenizer


def _trainer(
    method: Method, rewards: list[Callable], script: Any, args: Any, model: Any, dataset: Any, tokenizer: Any
) -> Any:
    import trl

    if method == "ppo":
        return _ppo_trainer(rewards[0], args, model, dataset[script.dataset_train_split], tokenizer)
    init = {
        "revision": model.model_revision,
        "attn_implementation": model.attn_implementation,
        "dtype": model.dtype,
        "quantization_config": trl.get_quantization_config(model),
        **(args.model_init_kwargs or {}),
    }
    args.model_init_kwargs = {name: value for name, value in init.items() if value is not None}
    trainers = {"grpo": trl.GRPOTrainer, "rloo": trl.RLOOTrainer, "dpo": trl.DPOTrainer}
    if len(rewards) > 1 and args.multi_objective_aggregation == "sum_then_normalize":
        logger.warning(
            "Several rewards are summed, so that a reply on which one of them abstains looks worse than it is: set "
            "multi_objective_aggregation: normalize_then_sum."
        )
    return trainers[method](
        model=model.model_name_or_path,
        args=args,
        train_dataset=dataset[script.dataset_train_split],
        eval_dataset=dataset[script.dataset_test_split] if args.eval_strategy != "no" else None,
        processing_class=tokenizer,
        peft_config=trl.get_peft_config(model),
        **({} if method == "dpo" else {"reward_funcs": rewards}),
    )


def _ppo_trainer(reward: Callable, args: Any, model: Any, train: Any, tokenizer: Any) -> Any:
    import trl
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    from .ppo import make_ppo_trainer

    source = {"revision": model.model_revision, "attn_implementation": model.attn_implementation}
    quantized = trl.get_quantization_config(model)
    policy = AutoModelForCausalLM.from_pretrained(
        model.model_name_or_path, dtype=model.dtype, quantization_config=quantized, **source
    )
    value = None
    if quantized is not None:
        value = AutoModelForSequenceClassification.from_pretrained(
            model.model_name_or_path, num_labels=1, dtype="float32", **source
        )
    prompts = list(train["prompt"])
    return make_ppo_trainer(policy, tokenizer, prompts, reward, args, trl.get_peft_config(model), value)


def _require_bitsandbytes() -> None:
    if find_spec("bitsandbytes") is None:
        raise ImportError('4- and 8-bit weights need bitsandbytes: pip install "hal-trl[quantization]"')
