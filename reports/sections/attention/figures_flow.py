"""What flows between modalities where they are fused: lines as wide as the share, a plot for each arm."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from mmcore.language import later, say
from reports.figures.marks import curves, dots
from reports.figures.style import INK, MOST_ARMS, PAPER, colour, only_first, sheet, shortened
from reports.numbers import prose
from reports.sections.attention.figures_faithfulness import OfAttention

TOKENS = "bottleneck"
WIDEST = 9.0
"""Points of a line that stands for all."""

Node = tuple[int, str]
"""Column from the left, and name."""


class AttentionFlow(OfAttention):
    """Shares of the modalities in what is fused, or in what they read of one another."""

    name = "attention_flow"
    title = later("What flows between modalities")
    value = "share"

    @property
    def description(self) -> str:
        said = say(
            "From left to right; the width of a line is the share, mean over test steps, layers and repeats. Pooling "
            "by attention, addition and decision: the weight of each modality. Hierarchical: how much a gate lets pass "
            "from either side. Cross-modal: how much of a modality's new state is read from the other one, by norm; a "
            "modality is on the left as a source and on the right as a reader. Bottleneck: how much of the tokens' "
            "attention goes to a modality, and how much of a modality's goes to the tokens. Shares of different "
            "fusions mean different things; compare within a plot."
        )
        return prose(said, only_first(len(self.arms)).strip())

    def numbers(self) -> pd.DataFrame:
        """One row per arm, source and target: ``arm, source, target, share, layers, n``; share: mean over layers."""
        rows = []
        for arm in self.found.arms if self.found else ():
            assert self.found is not None
            flows = self.found.flows(arm)
            for source, target in dict.fromkeys((s, t) for s, t, _ in flows):
                layers = [e for (s, t, _), e in flows.items() if (s, t) == (source, target)]
                share = sum(e.mean for e in layers) / len(layers)
                rows.append((arm, source, target, share, len(layers), min(e.n for e in layers)))
        return pd.DataFrame(rows, columns=["arm", "source", "target", "share", "layers", "n"])

    def drawn(self) -> Drawing:
        """Two plots side by side."""
        frame, arms = self.frame(), self.arms[:MOST_ARMS]
        across = min(2, max(1, len(arms)))
        figure, plots = sheet(0.2 + 1.95 * max(1, -(-len(arms) // across)), len(arms), across)
        for axes, arm in zip(plots, arms, strict=False):
            axes.set_axis_off()
            axes.set_title(shortened(arm, 26), loc="left")
            mine = frame.loc[frame["arm"] == arm]
            _lines(axes, list(zip(mine["source"], mine["target"], mine["share"].astype(float), strict=True)))
        return figure


def _lines(axes: Axes, flows: list[tuple[str, str, float]]) -> None:
    ends = [(_source(source), _target(source, target), share) for source, target, share in flows]
    places = _places(list(dict.fromkeys(node for a, b, _ in ends for node in (a, b))))
    last = max(column for column, _ in places)
    order = list(dict.fromkeys(a for a, _, _ in ends))
    points = pd.DataFrame(places, index=["x", "y"]).T
    with curves(axes) as streams:
        for a, b, share in ends:
            look = {"linewidth": max(0.6, WIDEST * share), "alpha": 0.45, "zorder": 1, "solid_capstyle": "butt"}
            streams.curve(points.loc[[a, b]], "x", "y", color=colour(order.index(a)), **look)
    lines = [(places[a], places[b]) for a, b, _ in ends]
    for (x, y), (_, _, share) in zip(_labels(lines, last), ends, strict=True):
        axes.text(
            x, y, f"{share:.2f}", ha="center", va="center", fontsize=9.0, zorder=2,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.75},
        )  # fmt: skip
    dots(axes, points, "x", "y", tint=INK, size=3.5, linewidth=1.0)
    for (column, name), (x, y) in places.items():
        side = "right" if column == 0 else "left" if column == last else "center"
        middle = side == "center"
        shift = {"right": -0.03, "left": 0.03, "center": 0.0}[side]
        # The last unit of a tree is what is fused, and its name holds all others.
        shown = say("fused") if "|" in name and column == last else shortened(name, 13)
        axes.text(x + shift * last, -0.1 if middle else y, shown, ha=side, va="center_baseline" if middle else "center")
    axes.set_xlim(-0.36 * last, 1.36 * last)
    axes.set_ylim(-0.06, 1.0)


Point = tuple[float, float]
LABEL = (0.2, 0.13)
"""Width and height of a number, as shares of a plot's inside."""


def _labels(lines: list[tuple[Point, Point]], last: int) -> list[Point]:
    """A place on each line for its number, where no other number stands if there is one."""
    taken: list[Point] = []
    for (x0, y0), (x1, y1) in lines:
        places = [(x0 + t * (x1 - x0), y0 + t * (y1 - y0)) for t in (0.4, 0.3, 0.5, 0.2, 0.6, 0.7, 0.8)]

        def room(place: Point) -> float:
            gaps = (max(abs(place[0] - x) / last / LABEL[0], abs(place[1] - y) / LABEL[1]) for x, y in taken)
            return min(1.0, *gaps) if taken else 1.0

        taken.append(max(places, key=room))
    return taken


def _source(name: str) -> Node:
    return (1 if name == TOKENS else _depth(name), name)


def _target(source: str, name: str) -> Node:
    """A modality that reads stands right of what it reads; a pair right of both of its sides."""
    return (max(_depth(name), _source(source)[0] + 1), name)


def _depth(name: str) -> int:
    """How many units lie between a modality and a pair: brackets within brackets."""
    if "|" not in name:
        return 0
    deepest = depth = 0
    for letter in name:
        depth += (letter == "(") - (letter == ")")
        deepest = max(deepest, depth)
    return deepest + 1


def _places(nodes: list[Node]) -> dict[Node, tuple[float, float]]:
    """Columns from left to right; the nodes of one evenly from top to bottom, modalities in the order of the left."""
    order = [name for column, name in nodes if column == 0]
    places = {}
    for column in {column for column, _ in nodes}:
        mine = [name for at, name in nodes if at == column]
        mine.sort(key=lambda name: order.index(name) if name in order else -1)
        for i, name in enumerate(mine):
            places[column, name] = (float(column), 1 - (i + 0.5) / len(mine))
    return places
