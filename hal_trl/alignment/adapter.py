"""Put an adapter on the base model it was trained for, and on no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..hub.repository import download


if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def load_adapter(model: PreTrainedModel, folder: str | Path, base_name: str) -> PeftModel:
    """The model with an adapter on it, ready to evaluate; `.unload()` gives the plain model back.

    Args:
        model (`PreTrainedModel`): The base model. It is changed in place; after an error it is the plain one again.
        folder (`str` or `Path`): Folder of the adapter, or its Hub repository. Only safetensors are read.
        base_name (`str`): What the base model is called: its Hub id, or its folder.

    Raises:
        `FileNotFoundError`: if there is no adapter.
        `OSError`: if the Hub says no, with its reason.
        `ValueError`: if the adapter belongs to another base model: it names another one, or its weights do not fit.
    """
    from peft import PeftConfig, PeftModelForCausalLM

    folder = adapter_folder(folder)
    check_base(folder, base_name)
    config = PeftConfig.from_pretrained(str(folder))
    if config.is_prompt_learning:
        raise ValueError(f"{folder} holds a {config.peft_type.value} adapter, which cannot be taken off: use LoRA.")
    what = f"The adapter in {folder} does not fit {base_name} (it names {config.base_model_name_or_path} as its base)"
    try:
        adapted = PeftModelForCausalLM(model, config)
    except ValueError as error:  # its layers are called otherwise
        raise ValueError(f"{what}: {error}") from error
    try:
        result = adapted.load_adapter(str(folder), "default")
    except RuntimeError as error:  # sizes differ
        adapted.unload()
        raise ValueError(f"{what}: {_first_mismatch(error)}") from error
    # PEFT leaves out what it finds no place for: half an adapter would be measured.
    wrong = [*result.missing_keys, *(key for key in result.unexpected_keys if "lora_" in key)]
    if wrong:
        adapted.unload()
        raise ValueError(f"{what}: {len(wrong)} of its tensors are missing or have no place, first {wrong[0]}.")
    return adapted.eval()


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
    missing = [name for name in (_CONFIG, _WEIGHTS) if not (found / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"No adapter in {folder}: {' and '.join(missing)} missing. Train with use_peft, save with save_pretrained."
        )
    return found


def check_base(folder: str | Path, base_name: str) -> None:
    """Make sure that an adapter names this base model.

    Where one of the two is a folder, names tell nothing: copies of a model lie in many places, and
    [`load_adapter`] still sees whether the weights fit.

    Raises:
        `ValueError`: if it names another one.
    """
    config = json.loads((Path(folder) / _CONFIG).read_text(encoding="utf-8"))
    named = str(config.get("base_model_name_or_path") or "")
    if not named or _is_folder(named) or _is_folder(base_name):
        return
    if named.casefold() != base_name.casefold():
        raise ValueError(
            f"The adapter in {folder} belongs to {named}, not to {base_name}. Pass the base model it was trained on: "
            f"--model {named}."
        )


def _is_folder(name: str) -> bool:
    return name.startswith((".", "~")) or name.count("/") != 1 or Path(name).is_absolute() or Path(name).is_dir()


def _first_mismatch(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if "size mismatch" in line]
    return lines[0] if lines else str(error)
