"""A folder that keeps what a long run has finished, so that an interrupted one goes on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..whole_file import read_json, write_json


_MARK = "run.json"


def claim(folder: Path, run: Any, resume: bool, unmarked: Collection[str] = ()) -> None:
    """Make `folder` the folder of this run, or make sure that it already is.

    Args:
        folder (`Path`): The folder; made if it does not exist.
        run (dataclass): Settings of the run, kept in `folder / "run.json"`.
        resume (`bool`): Whether to go on with the run that is there.
        unmarked (`Collection[str]`, *optional*): What a folder without a mark may hold and still be taken over.

    Raises:
        `FileExistsError`: if the folder is in use: by a run and `resume` is not set, or by something else.
        `ValueError`: if it holds a run with other settings, or of another command.
    """
    mark = folder / _MARK
    if mark.is_file():
        if not resume:
            raise FileExistsError(f"{folder} holds a run. Pass --resume to go on with it, or another folder.")
        try:
            begun = type(run)(**read_json(mark))
        except TypeError as error:
            raise ValueError(f"{folder} holds a run of another command. Pass another folder.") from error
        if begun != run:
            raise ValueError(f"{folder} holds a run with other settings ({begun}); pass those, or another folder.")
    elif folder.exists() and {path.name for path in folder.iterdir()} - set(unmarked):
        raise FileExistsError(f"{folder} is not empty and holds no run of this command. Pass another folder.")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(mark, asdict(run))
