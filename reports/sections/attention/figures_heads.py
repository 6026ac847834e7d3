"""What each head does, layer by layer: how widely it spreads and how far it looks."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Drawing

from mmcore.language import later, say
from reports.figures.marks import dots, name_rows
from reports.figures.style import INK, MOST_ARMS, colour, only_first, sheet, shortened
from reports.numbers import prose
from reports.sections.attention.figures_faithfulness import OfAttention

MOST_LAYERS = 8
"""Layers of an arm that are drawn."""


class AttentionHeads(OfAttention):
    """Entropy and mean distance of every head, by arm and layer."""

    name = "attention_heads"
    title = later("Heads by layer")
    value = "entropy"

    @property
    def description(self) -> str:
        arms = len(self.found.arms) if self.found else 0
        said = say(
            "One dot for each head and repeat, a bar at their mean. Left, entropy: 1 spreads equally over all steps "
            "that may be looked at, 0 looks at a single step. Right, mean distance in time of the steps looked at; the "
            "thin line is where equal weights would look. “a←b” is what a reads from b; “before” and “encoder” with a "
            "name are a modality's own layers; “head” attends from track to step. At most {most} layers of an "
            "arm are drawn; the table has all.",
            most=MOST_LAYERS,
        )
        return prose(said, only_first(arms).strip())

    def numbers(self) -> pd.DataFrame:
        """One row per arm, repeat, layer and head: ``entropy, distance, uniform_distance``."""
        rows = [
            (
                arm, repeat, layer.place, layer.layer + 1, head, entropy, distance * self.step,
                layer.uniform.distance * self.step,
            )
            for arm in (self.found.arms if self.found else ())
            for repeat, one in (self.found.by_arm[arm].items() if self.found else ())
            for layer in one.layers
            for head, (entropy, distance) in enumerate(zip(layer.entropy, layer.distance, strict=True), start=1)
        ]  # fmt: skip
        columns = ["arm", "repeat", "place", "layer", "head", "entropy", "distance", "uniform_distance"]
        return pd.DataFrame(rows, columns=columns)

    def drawn(self) -> Drawing:
        """A line for each layer, below the name of its arm."""
        frame = self.frame()
        layers = list(zip(frame["arm"], frame["place"], frame["layer"], strict=True))
        lines: list[tuple[str, str, int] | str] = []
        for arm in self.arms[:MOST_ARMS]:
            lines += [arm, *[one for one in dict.fromkeys(layers) if one[0] == arm][:MOST_LAYERS]]
        rows = {one: row for row, one in enumerate(lines)}
        frame = frame.assign(row=[rows.get(one) for one in layers]).dropna(subset=["row"])
        means = frame.pivot_table(index="row", values=["entropy", "distance", "uniform_distance"]).reset_index()
        edges = means["row"] - 0.38, means["row"] + 0.38
        figure, (left, right) = sheet(0.7 + 0.21 * len(lines), 2, 2, sharey=True)
        right.vlines(means["uniform_distance"], *edges, color=INK, alpha=0.5, linewidth=0.9)
        for axes, what in ((left, "entropy"), (right, "distance")):
            dots(axes, frame, what, "row", tint=colour(0), size=4, linewidth=0, alpha=0.35, zorder=1.9)
            axes.vlines(means[what], *edges, color=colour(1), linewidth=2.2)
            name_rows(axes, [_label(one) for one in lines])
        for text, one in zip(left.get_yticklabels(), lines, strict=True):
            text.set_fontweight("bold" if isinstance(one, str) else "normal")
        left.set(xlim=(0, 1.02), xlabel=say("entropy"))
        right.set_xlim(left=0)
        right.set_xlabel(say("distance ({unit})", unit=self.found.unit_words if self.found else ""))
        return figure


def _label(one: tuple[str, str, int] | str) -> str:
    return shortened(one, 24) if isinstance(one, str) else f"{shortened(one[1], 20)} {one[2]}"
