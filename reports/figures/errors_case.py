"""One case as a timeline: truth and predictions, features, edit events, gates and attention, one below the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from reports.analyses.arms import told_arms
from reports.analyses.errors import HARD, WORST
from reports.figures.style import INK, WIDTH, colour, house_style, line, marker, shortened
from reports.frame import StudyResults
from reports.numerals import NOTHING, number

WHY = {"hardest": HARD, "worst": WORST}


class ErrorCase:
    """A span of a test window that one component is hardest to predict in, or that an arm predicts worst.

    Args:
        results: of the study. number: which of the corpus's components.
        why: ``hardest``: for the naive predictor, with the reference and the best arm; ``worst``: of the best arm.
    """

    value = "value"

    def __init__(self, results: StudyResults, number: int, why: str) -> None:
        self.component, self.why = results.components[number], why
        self.name = f"{WHY[why]}_{number}"
        answers = results.answers("errors")
        told = told_arms(results, {answer["arm"] for answer in answers})
        self.arms = told if why == "hardest" else told[-1:]
        # An arm has the same colour in all figures.
        self.order = {arm.name: i for i, arm in enumerate(results.study.arms)}
        what = "Hardest span" if why == "hardest" else f"Worst span of {self.arms[-1] if self.arms else 'an arm'}"
        self.title = f"{what}: {self.component}"
        self.repeat, self.cases = self._found(answers)

    def _found(self, answers: Sequence[dict[str, Any]]) -> tuple[int | None, dict[str, dict[str, Any]]]:
        """The case of each arm, in the first repeat that has it for all of them; of another window: left out."""
        by_repeat: dict[int, dict[str, dict[str, Any]]] = {}
        for answer in answers:
            for case in answer["result"]["cases"]:
                if answer["arm"] in self.arms and (case["component"], case["why"]) == (self.component, self.why):
                    by_repeat.setdefault(answer["repeat"], {})[answer["arm"]] = case
        whole = [repeat for repeat, cases in sorted(by_repeat.items()) if len(cases) == len(self.arms)]
        if not whole:
            return None, {}
        cases = {arm: by_repeat[whole[0]][arm] for arm in self.arms}
        first = next(iter(cases.values()))
        same = ("item", "start", "span")
        return whole[0], {a: c for a, c in cases.items() if all(c[part] == first[part] for part in same)}

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        if not self.cases:
            return "No case."
        case = next(iter(self.cases.values()))
        losses = ", ".join(f"'{arm}' {_loss(c['loss'])}" for arm, c in self.cases.items())
        parts = ["The shaded span is the one that was chosen; small ticks below the first line are edits."]
        last = list(self.cases)[-1]
        if any(c["gates"] for c in self.cases.values()):
            parts.append(f"Gates: mean opening by modality, of '{last}'.")
        if self._attention():
            parts.append(
                f"Attention of '{last}': of its last layer, mean over heads, from the step with the largest loss in "
                "the span (dotted line)."
            )
        chosen = "hardest for the naive predictor" if self.why == "hardest" else "worst for this arm"
        return (
            f"Item {case['item']}, repeat {self.repeat}: the span whose {self.component} is {chosen}, with the two "
            f"tracks and parameters of the largest loss in it. Loss in the span: {losses}, naive predictor "
            f"{_loss(case['naive'])}. Truth where it counts, in ink; predictions in colour. {' '.join(parts)}"
        )

    def frame(self) -> pd.DataFrame:
        """One row per ``series`` (truth, prediction, feature, edit, gate, attention), ``name``, ``arm`` and step."""
        rows: list[tuple[Any, ...]] = []
        for i, (arm, case) in enumerate(self.cases.items()):
            for told in case["lines"]:
                name = f"track {told['track']} {told['parameter']}"
                rows += [
                    ("prediction", name, arm, at, v) for at, v in zip(self._times(case), told["predicted"], strict=True)
                ]
                if i == 0:
                    rows += [
                        ("truth", name, None, at, v) for at, v in zip(self._times(case), told["true"], strict=True)
                    ]
            if i == 0:
                for f in case["features"]:
                    name = f"{f['modality']}: {f['feature']}"
                    rows += [
                        ("feature", name, None, at, v) for at, v in zip(self._times(case), f["values"], strict=True)
                    ]
                times = self._times(case)
                rows += [("edit", "edit", None, times[place], 1.0) for place in case["events"]]
            for name, gate in case["gates"].items():
                rows += [("gate", name, arm, at, v) for at, v in zip(self._times(case), gate, strict=True)]
            if case["attention"]:
                row = case["attention"]["row"]
                rows += [("attention", "last layer", arm, at, v) for at, v in zip(self._times(case), row, strict=True)]
        frame = pd.DataFrame(rows, columns=["series", "name", "arm", "time", "value"])
        return frame.astype({"value": float})

    def _times(self, case: dict[str, Any]) -> np.ndarray:
        places = len(case["lines"][0]["true"]) if case["lines"] else 0
        return np.round((case["start"] + np.arange(places)) * (case["step"] or 1.0), 6)

    def _attention(self) -> dict[str, Any] | None:
        return list(self.cases.values())[-1]["attention"] if self.cases else None

    def draw(self) -> Drawing:
        """Plots below one another on a common axis of time."""
        case, last = next(iter(self.cases.values())), list(self.cases.values())[-1]
        x, attention = self._times(case), self._attention()
        heights = [1.3] * len(case["lines"]) + [0.75] * len(case["features"])
        heights += ([0.9] if last["gates"] else []) + ([0.7] if attention else [])
        with house_style():
            figure = Drawing(figsize=(WIDTH, 0.9 + sum(heights) * 0.95), layout="constrained")
            plots = list(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0])
            half = (x[1] - x[0]) / 2 if len(x) > 1 else 0.5
            low, high = case["span"]
            for axes in plots:
                axes.axvspan(x[low] - half, x[high - 1] + half, color=INK, alpha=0.07, linewidth=0)
                axes.tick_params(labelsize=8)
                axes.locator_params(axis="y", nbins=3)
            rest = iter(plots)
            for n, told in enumerate(case["lines"]):
                axes = next(rest)
                self._line(axes, x, n, told)
                if n == 0:
                    axes.plot(
                        x[case["events"]], np.full(len(case["events"]), 0.02), "|", color=INK, alpha=0.7, markersize=5,
                        transform=axes.get_xaxis_transform(), label="edit",
                    )  # fmt: skip
            for feature in case["features"]:
                axes, values = next(rest), _array(feature["values"])
                axes.plot(x, values, color=INK, alpha=0.8, linewidth=1.0)
                if np.isnan(values).all():
                    axes.set_yticks([])
                    axes.text(0.5, 0.4, "absent", transform=axes.transAxes, ha="center", fontsize=8)
                _label(axes, shortened(feature["modality"], 12), shortened(feature["feature"], 16))
            if last["gates"]:
                self._gates(next(rest), x, last["gates"])
            if attention:
                axes = next(rest)
                axes.bar(x, np.nan_to_num(_array(attention["row"])), width=1.6 * half, color=INK, alpha=0.55)
                axes.axvline(x[attention["place"]], color=INK, linewidth=0.9, linestyle=":")
                _label(axes, "attention", "")
            plots[-1].set_xlabel("seconds" if case["step"] else "steps")
            handles, labels = plots[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper left", ncols=4, columnspacing=1.4)
            figure.align_ylabels(plots)
        return figure

    def _line(self, axes: Axes, x: np.ndarray, n: int, told: dict[str, Any]) -> None:
        style = "steps-mid" if told["kind"] != "continuous" else "default"
        axes.plot(
            x,
            _array(told["true"]),
            color=INK,
            linewidth=1.3,
            marker=".",
            markersize=3.5,
            drawstyle=style,
            label="truth",
        )
        for arm, case in self.cases.items():
            shade = self.order[arm]
            axes.plot(
                x, _array(case["lines"][n]["predicted"]), color=colour(shade), linewidth=1.2, linestyle=line(shade),
                marker=marker(shade), markersize=2.6, label=shortened(arm),
            )  # fmt: skip
        unit = f" ({told['unit']})" if told["unit"] else ""
        what = "probability" if told["kind"] == "binary" else "class" if told["kind"] == "categorical" else ""
        _label(axes, f"track {told['track']}", shortened(told["parameter"], 14) + unit, what)

    def _gates(self, axes: Axes, x: np.ndarray, gates: dict[str, Any]) -> None:
        for i, (name, values) in enumerate(gates.items()):
            axes.plot(
                x, _array(values), color=colour(i + 3), linestyle=line(i), linewidth=1.3, label=shortened(name, 14)
            )
        # Names at the ends of the lines would lie on one another.
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=min(4, len(gates)), fontsize=7.5, borderpad=0,
            borderaxespad=0.1, handlelength=2.2, columnspacing=1.2,
        )  # fmt: skip
        _label(axes, "gates", "")


def _label(axes: Axes, *parts: str) -> None:
    axes.set_ylabel("\n".join(part for part in parts if part), fontsize=8, rotation=0, ha="right", va="center")


def _array(values: Sequence[float | None]) -> np.ndarray:
    return np.array([math.nan if v is None else v for v in values], float)


def _loss(value: float | None) -> str:
    return NOTHING if value is None else number(value)
