"""An encoder's weights in few bits: its table of words in 4, other matrices in 8, vectors in 16; safetensors files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch


_GROUP = 32  # numbers that share a scale, where a number has 4 bits
_WORDS = "word_embeddings.weight"
_SCALE = ".scale"


def save_packed(state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write tensors, packed."""
    from safetensors.torch import save_file

    packed: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        packed.update(_pack(name, tensor))
    save_file(packed, str(path))


def load_packed(path: Path) -> dict[str, torch.Tensor]:
    """Read what `save_packed` wrote, as 32-bit floats."""
    from safetensors.torch import load_file

    packed = load_file(str(path))
    return {name: _unpack(name, packed) for name in packed if not name.endswith(_SCALE)}


def rounded(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """A tensor as it will be after it is saved and loaded."""
    return _unpack(name, _pack(name, tensor))


def _pack(name: str, tensor: torch.Tensor) -> dict[str, torch.Tensor]:
    if name.endswith(_WORDS):
        groups = tensor.reshape(len(tensor), -1, _GROUP)
        scale = (groups.abs().amax(dim=2, keepdim=True).clamp_min(1e-4) / 7).half()
        nibbles = ((groups / scale.float()).round().clamp(-7, 7) + 8).to(torch.uint8).reshape(len(tensor), -1)
        return {name: nibbles[:, ::2] * 16 + nibbles[:, 1::2], name + _SCALE: scale.squeeze(2)}
    if tensor.dim() == 2 and tensor.shape[1] > 1:
        scale = (tensor.abs().amax(dim=1, keepdim=True).clamp_min(1e-4) / 127).half()
        return {name: (tensor / scale.float()).round().clamp(-127, 127).to(torch.int8), name + _SCALE: scale}
    return {name: tensor.half().contiguous()}


def _unpack(name: str, packed: Mapping[str, torch.Tensor]) -> torch.Tensor:
    tensor = packed[name]
    if tensor.dtype == torch.uint8:
        nibbles = torch.stack([tensor // 16, tensor % 16], dim=2).reshape(len(tensor), -1).float() - 8
        scale = packed[name + _SCALE].float()[..., None]
        return (nibbles.reshape(len(tensor), -1, _GROUP) * scale).reshape(len(tensor), -1)
    if tensor.dtype == torch.int8:
        return tensor.float() * packed[name + _SCALE].float()
    return tensor.float()
