"""The page of a metric's Space: replies in, figures out. Needs gradio, which a Space brings along."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    import gradio
    import pandas as pd
    from evaluate import EvaluationModule


def metric_app(metric: EvaluationModule) -> gradio.Interface:
    """A page with a table to fill in, one row a reply, and the metric's figures as JSON.

    Not `evaluate.utils.launch_gradio_widget`: it calls parts that gradio dropped with version 4.

    Args:
        metric (`evaluate.EvaluationModule`): As from [`load_metric`].

    Raises:
        `ImportError`: if gradio is not installed.
    """
    try:
        import gradio
    except ImportError as error:
        raise ImportError('The page of a metric needs gradio: pip install "hal-trl[arena]".') from error

    def compute(table: pd.DataFrame) -> dict[str, Any]:
        rows = table.fillna("").astype(str)
        rows = rows[(rows != "").any(axis=1)]
        columns = {name: rows[name].tolist() for name in metric.features}
        if not any(text.strip() for text in columns.get("prompts", ())):
            columns["prompts"] = None  # left blank is not one and the same prompt for all
        try:
            figures = metric.compute(**columns)
        except ValueError as error:
            raise gradio.Error(str(error), print_exception=False) from error
        # JSON has no nan, and browsers read strictly.
        return json.loads(json.dumps(figures, default=str).replace("NaN", "null"))

    columns = list(metric.features)
    return gradio.Interface(
        fn=compute,
        inputs=gradio.Dataframe(
            headers=columns, column_count=(len(columns), "fixed"), row_count=3, type="pandas", label="one row a reply"
        ),
        outputs=gradio.JSON(label=metric.name),
        title=metric.name,
        description=metric.description.split("\n\n")[0],
        flagging_mode="never",
    )
