"""What each head does, layer by layer: how widely it spreads and how far it looks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from mmcore.answers.attention import Layer
from reports.figures.style import INK, MOST_ARMS, WIDTH, colour, house_style, only_first, shortened
from reports.records.frame import StudyResults
from reports.sections.attention.estimates import Attending

MOST_LAYERS = 8
"""Layers of an arm that are drawn."""


class AttentionHeads:
    """Entropy and mean distance of every head, by arm and layer."""

    name = "attention_heads"
    title = "Heads by layer"
    value = "entropy"

    def __init__(self, results: StudyResults) -> None:
        self.found = Attending.of(results)
        self._frame: pd.DataFrame | None = None

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        arms = len(self.found.arms) if self.found else 0
        return (
            "One dot a head and repeat, a bar at their mean. Left, entropy: 1 spreads over all that may be looked at "
            "alike, 0 looks at a single step. Right, mean distance in time of what is looked at; the thin line is "
            "where equal weights would look. “a←b” is what a reads of b; “before” and “encoder” with a name are "
            f"a modality's own layers; “head” attends from track to step. At most {MOST_LAYERS} layers of an arm are "
            f"drawn; the table has all.{only_first(arms)}"
        )

    def frame(self) -> pd.DataFrame:
        """One row per arm, repeat, layer and head: ``entropy, distance, uniform_distance``."""
        if self._frame is None:
            found = self.found
            rows = [
                row
                for arm in (found.arms if found else ())
                for repeat, one in (found.by_arm[arm].items() if found else ())
                for layer in one.layers
                for row in _heads(arm, repeat, layer, (found.step if found else None) or 1.0)
            ]
            columns = ["arm", "repeat", "place", "layer", "head", "entropy", "distance", "uniform_distance"]
            self._frame = pd.DataFrame(rows, columns=columns)
        return self._frame

    def draw(self) -> Drawing:
        """A line for each layer, below the name of its arm."""
        frame = self.frame()
        lines: list[tuple[str, str, int] | str] = []
        for arm in list(dict.fromkeys(frame["arm"]))[:MOST_ARMS]:
            mine = frame.query("arm == @arm")
            layers = dict.fromkeys(
                (arm, place, layer) for place, layer in zip(mine["place"], mine["layer"], strict=True)
            )
            lines += [arm, *list(layers)[:MOST_LAYERS]]
        unit = self.found.unit if self.found else ""
        with house_style():
            figure = Drawing(figsize=(WIDTH, 0.7 + 0.21 * len(lines)), layout="constrained")
            left, right = figure.subplots(1, 2, sharey=True)
            for y, layer in enumerate(lines):
                if isinstance(layer, str):
                    continue
                rows = frame.query("arm == @layer[0] and place == @layer[1] and layer == @layer[2]")
                _dots(left, y, rows["entropy"].to_numpy(float))
                _dots(right, y, rows["distance"].to_numpy(float))
                right.plot(
                    [rows["uniform_distance"].mean()] * 2, [y - 0.38, y + 0.38], color=INK, alpha=0.5, linewidth=0.9
                )
            left.set_xlim(0, 1.02)
            right.set_xlim(left=0)
            left.set_xlabel("entropy")
            right.set_xlabel(f"distance ({unit})")
            left.set_yticks(range(len(lines)), [_label(one) for one in lines])
            for text, one in zip(left.get_yticklabels(), lines, strict=True):
                text.set_fontweight("bold" if isinstance(one, str) else "normal")
            left.set_ylim(len(lines) - 0.4, -0.6)
            for axes in (left, right):
                axes.tick_params(axis="y", length=0)
                axes.grid(axis="x")
        return figure


def _heads(arm: str, repeat: int, layer: Layer, step: float) -> list[tuple[Any, ...]]:
    uniform = layer.uniform.distance * step
    return [
        (arm, repeat, layer.place, layer.layer + 1, head + 1, entropy, distance * step, uniform)
        for head, (entropy, distance) in enumerate(zip(layer.entropy, layer.distance, strict=True))
    ]


def _label(one: tuple[str, str, int] | str) -> str:
    return shortened(one, 24) if isinstance(one, str) else f"{shortened(one[1], 20)} {one[2]}"


def _dots(axes: Axes, y: int, values: np.ndarray) -> None:
    axes.plot(values, [y] * len(values), "o", color=colour(0), alpha=0.35, markersize=4, markeredgewidth=0)
    axes.plot([values.mean()] * 2, [y - 0.38, y + 0.38], color=colour(1), linewidth=2.2)
