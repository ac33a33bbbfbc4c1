"""`evaluate` modules, each in a folder that is also a Hub Space: script, README, app and requirements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from evaluate import EvaluationModule

METRICS = ("diversity", "human_likeness", "trait_shift", "turing_pairwise")


def load_metric(name: str, **kwargs) -> EvaluationModule:
    """Load a metric that comes with the package, without the network.

    Args:
        name (`str`):
            - `"human_likeness"`: how much replies read as if people had written them.
            - `"turing_pairwise"`: how often a reply outranks a person's to the same prompt; 0.5 is indistinguishable.
            - `"trait_shift"`: which traits two sets of replies differ in, and what length explains of the gain.
            - `"diversity"`: distinct-n, self-BLEU, replies given to several prompts.
        kwargs: `keep_in_memory`, `num_process`, `process_id`... as for `evaluate.load`.

    Returns:
        `evaluate.EvaluationModule`: with `compute(predictions=..., ...)`, and at home in `evaluate.combine`.

    Raises:
        `ValueError`: for another name.
        `ImportError`: if `evaluate` is not installed.

    Example:
        ```python
        >>> from hal_trl import load_metric
        >>> metric = load_metric("human_likeness")
        >>> figures = metric.compute(predictions=["nah just gonna chill"], prompts=["any plans?"])
        >>> 0 < figures["p_human"] < 1
        True
        ```
    """
    if name not in METRICS:
        raise ValueError(f"Unknown metric {name!r}; the metrics are {', '.join(METRICS)}.")
    try:
        import evaluate
    except ImportError as error:
        raise ImportError('Metrics need evaluate: pip install "hal-trl[evaluate]".') from error
    return evaluate.load(str(Path(__file__).parent / name), **kwargs)
