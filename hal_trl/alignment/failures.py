"""What ends a training for reasons outside of it, said with what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .grpo import last_whole_checkpoint


_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
_NO_ROOM = ("no space left on device", "disk quota exceeded", "file too large", "pytorchstreamwriter failed writing")


@contextmanager
def explained(output: Path) -> Iterator[None]:
    """Out of memory and out of room on the disk, with the checkpoint from which the same command goes on.

    Raises:
        `MemoryError`: when the memory of processor or GPU is used up.
        `OSError`: when a checkpoint could not be written.
    """
    try:
        yield
    except Exception as error:
        said = str(error).lower()
        whole = last_whole_checkpoint(output)
        kept = f"{whole} is whole: the same command goes on from there." if whole else "No checkpoint is finished yet."
        if isinstance(error, MemoryError) or any(words in said for words in _NO_MEMORY):
            raise MemoryError(
                "Out of memory. Lower per_device_train_batch_size (raise gradient_accumulation_steps by as much), "
                "max_completion_length or max_length, or train with use_peft and load_in_4bit. " + kept
            ) from error
        if getattr(error, "errno", None) == errno.ENOSPC or any(words in said for words in _NO_ROOM):
            raise OSError(
                f"A checkpoint could not be written to {output} ({error}). Make room on the disk, or set "
                f"save_total_limit lower. {kept}"
            ) from error
        raise
