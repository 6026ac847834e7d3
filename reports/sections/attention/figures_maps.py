"""Attention of a chosen test window as heat maps, with the edits marked."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from mmcore.answers.attention import Map, Window
from mmcore.language import later, say
from reports.figures.marks import dots
from reports.figures.style import COLOURS, sheet, shortened
from reports.numbers import listing, number, prose
from reports.sections.attention.figures_faithfulness import OfAttention

MOST_DRAWN = 3
"""Arms that are drawn: a row of maps each."""
ACROSS = 3
SHADES = ((0.04, 0.22), (0.08, 0.42), (0.16, 0.66), (0.32, 1.0))
"""From which weight on a cell has which opacity. A few shades make a small picture: all cells of one are one path. The
first is twice the weight that each of 50 steps would get alike."""


class AttentionMaps(OfAttention):
    """Layers and rollout of one window of the first repeat, the same window for all arms."""

    name = "attention_maps"
    title = later("Attention in one test window")
    value = "weight"

    @property
    def description(self) -> str:
        windows = self._windows()
        if not windows:
            return say("No window was kept.")
        (_, repeat, first), *_ = windows
        items = list(dict.fromkeys(window.item for _, _, window in windows))
        arms = len(self.found.arms) if self.found else 0
        left_out = (
            say("The first {most} of {arms} arms are drawn.", most=MOST_DRAWN, arms=arms) if arms > MOST_DRAWN else ""
        )
        return prose(
            say(
                "Where each step (from top to bottom) looks (from left to right) in a window of {items}, repeat "
                "{repeat}, {steps} steps: first and last layer, mean over heads, and rollout through all layers. "
                "Shades begin at weights of {weights}.",
                items=listing(items),
                repeat=repeat,
                steps=first.steps,
                weights=listing([number(weight) for weight, _ in SHADES]),
            ),
            say(
                "Marks along the lower edge are label changes."
                if self.found is not None and self.found.of_labels
                else "Marks along the lower edge are edits."
            ),
            say("Lighter cells are left out. One window is an example, not evidence."),
            left_out,
        )

    def numbers(self) -> pd.DataFrame:
        """One row a cell with a shade: ``arm, repeat, item, map, query, key, weight``; in steps of the window."""
        parts = [
            _cells(arm, repeat, window, words, weights)
            for arm, repeat, window in self._windows()
            for words, weights in _chosen(window)
        ]
        columns = ["arm", "repeat", "item", "map", "query", "key", "weight"]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)

    def _windows(self) -> list[tuple[str, int, Window]]:
        """Arm, repeat and window of what is drawn: of each arm the first repeat that kept one."""
        windows: list[tuple[str, int, Window]] = []
        for arm in self.found.arms if self.found else ():
            assert self.found is not None
            kept = [(repeat, one.maps[0]) for repeat, one in self.found.by_arm[arm].items() if one.maps]
            if kept:
                windows.append((arm, *min(kept, key=lambda one: one[0])))
        return windows[:MOST_DRAWN]

    def drawn(self) -> Drawing:
        """A row for each arm: first layer, last layer, rollout."""
        windows = self._windows()
        figure, plots = sheet(0.55 + 1.75 * len(windows), ACROSS * len(windows), ACROSS)
        for i, (arm, _, window) in enumerate(windows):
            row, maps = plots[ACROSS * i : ACROSS * (i + 1)], _chosen(window)
            for axes, (words, weights) in zip(row, maps, strict=False):
                _heat(axes, weights, window, self.step)
                axes.set_title(shortened(_title(words), 18), fontsize=9.5)
            for axes in row[len(maps) :]:
                axes.set_axis_off()
            row[0].set_ylabel(shortened(arm, 22))
            for axes in row[1:]:
                axes.tick_params(labelleft=False)
        plots[1 - ACROSS].set_xlabel(say("step looked at ({unit})", unit=self.found.unit_words if self.found else ""))
        return figure


def _chosen(window: Window) -> list[tuple[str, np.ndarray]]:
    """First and last layer of the encoder, or else of what there is, and rollout: words and weights."""
    *layers, rollout = window.maps
    own = [one for one in layers if one.place.startswith("encoder")] or layers
    picked = [own[0], own[-1]] if len(own) > 1 else own
    named = [(_name(one), np.array(one.rows) / 1000) for one in picked]
    return [*named, ("rollout", np.array(rollout.rows) / 1000)]


def _name(one: Map) -> str:
    place = one.place.removeprefix("encoder").removeprefix("/")
    return f"{place} layer {one.layer + 1}".strip()


def _title(words: str) -> str:
    """The name of a map in the language of this moment."""
    place, layer, number_of = words.rpartition("layer ")
    if not layer:
        return say(words)
    return say("{place} layer {n}", place=place.strip(), n=number_of).strip()


def _cells(arm: str, repeat: int, window: Window, words: str, weights: np.ndarray) -> pd.DataFrame:
    query, key = np.nonzero(weights >= SHADES[0][0])
    cells = {"query": query * window.pooled, "key": key * window.pooled, "weight": weights[query, key]}
    return pd.DataFrame({"arm": arm, "repeat": repeat, "item": window.item, "map": words, **cells})


def _heat(axes: Axes, weights: np.ndarray, window: Window, step: float) -> None:
    size, end = window.pooled * step, window.steps * step
    edges = [weight for weight, _ in SHADES]
    shade_QS = np.digitize(weights, edges)
    for shade, (_, opacity) in enumerate(SHADES, start=1):
        boxes = _runs(shade_QS == shade, size)
        if boxes is not None:
            axes.add_patch(PathPatch(boxes, facecolor=COLOURS[0], alpha=opacity, linewidth=0))
    edits = pd.DataFrame({"key": (np.array(window.events) + 0.5) * step, "height": 0.03})
    look = {"shape": "|", "size": 5, "linewidth": 1.0, "transform": axes.get_xaxis_transform()}
    dots(axes, edits, "key", "height", tint=COLOURS[1], **look)
    axes.set_xlim(0, end)
    axes.set_ylim(end, 0)
    axes.set_aspect("equal")
    axes.locator_params(nbins=4)


def _runs(on_QS: np.ndarray, size: float) -> Path | None:
    """Neighbouring cells of a row as one box; all boxes as one path."""
    padded = np.pad(on_QS.astype(np.int8), ((0, 0), (1, 1)))
    query, first = np.nonzero(np.diff(padded, axis=1) == 1)
    _, last = np.nonzero(np.diff(padded, axis=1) == -1)
    if not len(query):
        return None
    left, right, top, bottom = first * size, last * size, query * size, (query + 1) * size
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    vertices = np.stack([np.stack(corner, -1) for corner in corners], axis=1).reshape(-1, 2)
    codes = np.tile([Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY], len(query))
    return Path(vertices, codes)
