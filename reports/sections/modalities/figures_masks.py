"""Ways of masking a modality side by side: where they differ, the way is part of the answer."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Drawing

from mmcore.language import later, say
from reports.figures.marks import intervals, name_rows
from reports.figures.style import INK, MOST_ARMS, colour, legend_over_all, marker, sheet, shortened
from reports.records.rows import among, chosen
from reports.sections.modalities.figures_effects import OfOneArm

ANEW = later("retrained without it")
LONGEST_OF_TWO = 28
"""Letters of a name beside which another has room in a legend."""


class ModalityMasks(OfOneArm):
    """What is lost in the study's metric by every way of leaving a modality out."""

    name = "modality_masks"
    title = later("Ways of masking")
    value = "mean"

    @property
    def description(self) -> str:
        arm = self.dossiers[0].arm if self.dossiers else ""
        return say(
            "Score that '{arm}' loses over all components if a modality is masked, for each way of masking, and "
            "score that models retrained without it lose: means and intervals over repeats. Masked inputs are unlike "
            "the training data; a model that never saw the modality missing may do worse than a model that never had "
            "it.",
            arm=arm,
        )

    def numbers(self) -> pd.DataFrame:
        """One row per modality and way: ``arm, modality, way, mean, low, high, n``."""
        rows = []
        for dossier in self.dossiers:
            for p in dossier.parts:
                if p.component is not None or not p.drops:
                    continue
                if p.gain is not None:
                    e = p.gain.estimate
                    rows.append((dossier.arm, p.modality, ANEW, e.mean, e.low, e.high, e.n))
                rows += [
                    (dossier.arm, p.modality, dossier.way(a, [p.modality]), e.mean, e.low, e.high, e.n)
                    for a, e in p.drops.items()
                ]
        return pd.DataFrame(rows, columns=["arm", "modality", "way", "mean", "low", "high", "n"])

    def _shown(self) -> dict[str, str]:
        """Ways in the language of this moment, by their keys."""
        masked = {
            dossier.way(a, [p.modality]): dossier.said_way(a, [p.modality])
            for dossier in self.dossiers
            for p in dossier.parts
            for a in p.drops
        }
        return {ANEW: say(ANEW), **masked}

    def drawn(self) -> Drawing:
        """Modalities from top to bottom, a mark for each way."""
        frame = self.frame()
        modalities = list(dict.fromkeys(frame["modality"]))[:MOST_ARMS]
        ways = sorted(dict.fromkeys(frame["way"]), key=lambda way: way != ANEW)
        # Two long names do not fit beside one another.
        columns = 2 if max((len(self._shown()[way]) for way in ways), default=0) <= LONGEST_OF_TWO else 1
        legend = 0.2 * (len(ways) - -(-len(ways) // 2)) if columns == 1 else 0.0
        figure, (axes,) = sheet(1.3 + legend + (0.25 + 0.14 * len(ways)) * max(len(modalities), 1))
        axes.axvline(0.0, color=INK, alpha=0.45, linewidth=0.9)
        shown = self._shown()
        for i, way in enumerate(ways):
            mine = among(chosen(frame, way=way), modality=modalities)
            mine = mine.assign(row=[modalities.index(m) + 0.15 * (i - (len(ways) - 1) / 2) for m in mine["modality"]])
            intervals(axes, mine, tint=colour(i), shape=marker(i), size=6, filled=way == ANEW, label=shown[way])
        name_rows(axes, [shortened(name, 20) for name in modalities])
        axes.set_xlabel(self.dossiers[0].yardstick.lost)
        legend_over_all(figure, columns, handletextpad=0.2, columnspacing=1.2)
        return figure
