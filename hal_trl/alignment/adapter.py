"""Put an adapter on the base model it was trained for, and on no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..hub.repository import download


if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel
    from transformers import PreTrainedModel


_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def load_adapter(model: PreTrainedModel, folder: str | Path, base_name: str) -> PeftModel:
    """The model with an adapter on it, ready to evaluate; [`take_off`] gives the plain model back.

    Args:
        model (`PreTrainedModel`): The base model. It is changed in place; after an error it is the plain one again.
        folder (`str` or `Path`): Folder of the adapter, or its Hub repository. Only safetensors are read.
        base_name (`str`): What the base model is called: its Hub id, or its folder.

    Raises:
        `FileNotFoundError`: if there is no adapter.
        `OSError`: if the Hub says no, with its reason.
        `ValueError`: if the adapter belongs to another base model: it names another one, or its weights do not fit;
            or if it cannot be taken off: prompts, biases or embeddings that it changes in the base model itself.
    """
    from peft import PeftConfig, PeftModelForCausalLM

    folder = adapter_folder(folder)
    check_base(folder, base_name)
    config = PeftConfig.from_pretrained(str(folder))
    if config.is_prompt_learning:
        raise ValueError(f"{folder} holds a {config.peft_type.value} adapter, which cannot be taken off: use LoRA.")
    changed = _changed_weights(folder / _WEIGHTS, config)
    if changed:
        raise ValueError(
            f"The adapter in {folder} changes {changed[0]} of the base model itself, which cannot be taken off again: "
            "merge it into the base model, and evaluate the two one after the other."
        )
    what = f"The adapter in {folder} does not fit {base_name} (it names {config.base_model_name_or_path} as its base)"
    try:
        adapted = PeftModelForCausalLM(model, config)
    except ValueError as error:  # its layers are called otherwise
        raise ValueError(f"{what}: {error}") from error
    try:
        result = adapted.load_adapter(str(folder), "default")
    except RuntimeError as error:  # sizes differ
        take_off(adapted)
        raise ValueError(f"{what}: {_first_mismatch(error)}") from error
    # PEFT leaves out what it finds no place for: half an adapter would be measured.
    wrong = [*result.missing_keys, *result.unexpected_keys]
    if wrong:
        take_off(adapted)
        raise ValueError(f"{what}: {len(wrong)} of its tensors are missing or have no place, first {wrong[0]}.")
    return adapted.eval()


def take_off(adapted: PeftModel) -> None:
    """Make the base model what it was before [`load_adapter`].

    PEFT's own `unload` leaves the trained copies of `modules_to_save` in the place of the originals.
    """
    from peft.utils import ModulesToSaveWrapper

    originals = {
        name: module.original_module
        for name, module in adapted.base_model.model.named_modules()
        if isinstance(module, ModulesToSaveWrapper)
    }
    base = adapted.unload()
    for name, module in originals.items():
        base.set_submodule(name, module)


def adapter_folder(folder: str | Path) -> Path:
    """The folder of an adapter, fetched from the Hub where it is none on this machine.

    Raises:
        `FileNotFoundError`: if there is no adapter in it, or only a pickled one.
        `OSError`: if the Hub says no, with its reason.
    """
    found = Path(folder).expanduser()
    if not found.is_dir():
        if str(folder).startswith((".", "/", "~")) or str(folder).count("/") != 1:
            raise FileNotFoundError(f"No adapter at {folder}: the folder does not exist. Pass a folder or a Hub id.")
        found = download(str(folder))
    if not (found / _CONFIG).is_file():
        raise FileNotFoundError(f"No adapter in {folder}: it has no {_CONFIG}. Pass the folder that has one.")
    if not (found / _WEIGHTS).is_file():
        raise FileNotFoundError(f"No adapter in {folder}: {_WEIGHTS} missing. Save it with save_pretrained.")
    return found


def named_base(folder: str | Path) -> str | None:
    """What an adapter names as its base model: a Hub id or a folder; `None` if it names none."""
    config = json.loads((Path(folder) / _CONFIG).read_text(encoding="utf-8"))
    return str(config.get("base_model_name_or_path") or "") or None


def check_base(folder: str | Path, base_name: str) -> None:
    """Make sure that an adapter names this base model.

    Where one of the two is a folder, names tell nothing: copies of a model lie in many places, and
    [`load_adapter`] still sees whether the weights fit.

    Raises:
        `ValueError`: if it names another one.
    """
    named = named_base(folder) or ""
    if not named or _is_folder(named) or _is_folder(base_name):
        return
    if named.casefold() != base_name.casefold():
        raise ValueError(
            f"The adapter in {folder} belongs to {named}, not to {base_name}. Pass the base model it was trained on: "
            f"--model {named}."
        )


def _is_folder(name: str) -> bool:
    return name.startswith((".", "~")) or name.count("/") != 1 or Path(name).is_absolute() or Path(name).is_dir()


def _changed_weights(path: Path, config: PeftConfig) -> list[str]:
    """Tensors that would overwrite the base model's own: trained biases, embeddings saved whole."""
    from peft.mapping import PEFT_TYPE_TO_PREFIX_MAPPING
    from safetensors import safe_open

    # What is in `modules_to_save` is put beside the original.
    own = (PEFT_TYPE_TO_PREFIX_MAPPING.get(config.peft_type, ""), "trainable_tokens_", *(config.modules_to_save or ()))
    with safe_open(path, "pt") as tensors:
        return [key for key in tensors.keys() if not any(part in key for part in own)]  # noqa: SIM118, no mapping


def _first_mismatch(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if "size mismatch" in line]
    return lines[0] if lines else str(error)
