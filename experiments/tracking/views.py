"""How MLflow shows a study: a saved view of its runs, and the address that opens it.

MLflow's page of runs (3.17) takes no columns from its address. It takes the name of a saved view, which is a tag of the
experiment; people find the same view under "Views".
"""

from __future__ import annotations

import json
from collections.abc import Sequence

VIEW = "mmstudy"
"""The name of the view in addresses."""
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
METRIC_TAG = "mmstudy.metric"
"""Tag of an experiment: the study's metric as a name in the store."""

EXPERIMENT_TAGS = {
    # Else MLflow asks, or opens its pages for language models.
    "mlflow.experimentKind": "custom_model_development",
}

_MODE = "workflowType=machine_learning"
"""Without it MLflow opens its pages for language models."""
_WIDTHS = (120, 100, 140, 120, 260)
"""Pixels of the view's columns."""


def columns(metric: str) -> tuple[str, ...]:
    """The columns of the view, as MLflow names them: arm, repeat, the metric of arms and of repeats, verdict."""
    arm, repeat, verdict = (f"tags.`mmstudy.{tag}`" for tag in ("arm", "repeat", "verdict"))
    return arm, repeat, f"metrics.`{metric}/mean`", f"metrics.`{metric}`", verdict


def view(metric: str, higher_is_better: bool) -> str:
    """The saved view as the value of its tag; the same text every time.

    Args:
        metric: the study's, as a name in the store.
    """
    shown = columns(metric)
    state = {
        "selectedColumns": [*shown],
        "columnOrder": [*shown],
        "columnWidths": dict(zip(shown, _WIDTHS, strict=True)),
        "orderByKey": f"metrics.`{metric}/mean`",
        "orderByAsc": not higher_is_better,
        "searchFilter": "",
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
    }
    made = 1_700_000_000_000
    return json.dumps({"name": "mmstudy: verdicts", "createdAt": made, "updatedAt": made, "state": json.dumps(state)})


def runs_address(experiment: str) -> str:
    """The part of an address, behind the server's, that opens the runs of an experiment in this view."""
    return f"#/experiments/{experiment}/runs?{_MODE}&viewStateShareKey={VIEW}"


def run_page(experiment: str, run: str) -> str:
    """The page of a run, behind the ``#/`` of an address."""
    return f"experiments/{experiment}/runs/{run}"


def start_address() -> str:
    """The part of an address that opens the list of experiments among the pages for machine learning."""
    return f"#/experiments?{_MODE}"


def report_note(note: str, experiment: str, run: str, pages: Sequence[str]) -> str:
    """An arm's description in MLflow: its own, with links to the study's report, which one arm keeps.

    Args:
        note: what the arm changes. run: of the arm that keeps the report. pages: its files, by their artifact paths.
    """
    links = " · ".join(f"[{page}](#/experiments/{experiment}/runs/{run}/artifacts/{page}?{_MODE})" for page in pages)
    return f"{note}\n\nThe study's report: {links}"
