"""Learning curves: mean over repeats per arm, with a band, of the validation score and of both losses."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from mmcore.language import say
from reports.figures.base import FigureBase
from reports.figures.marks import curves
from reports.figures.style import MOST_ARMS, colour, legend_above, line, only_first, sheet, shortened
from reports.model.verdict import measure_words
from reports.numbers import opened, percent, prose
from reports.records.frame import StudyResults
from reports.records.rows import chosen
from reports.statistics.intervals import estimate


class LearningCurves(FigureBase):
    """Score and loss over the epochs of all finished runs."""

    name = "learning_curves"
    value = "mean"

    def __init__(self, results: StudyResults) -> None:
        self.title = say("Learning curves")
        self.results = results

    @property
    def description(self) -> str:
        words = {"score": opened(self._score_title()), "level": percent(1 - self.results.study.alpha)}
        text = (
            say(
                "{score} on the validation items (top), and loss on training items (thin lines) and validation items "
                "(with marks), by epoch: mean over finished repeats, bands are {level} intervals.",
                **words,
            )
            if self._has_loss()
            else say(
                "{score} on the validation items, by epoch: mean over finished repeats, bands are {level} intervals.",
                **words,
            )
        )
        early = say("If runs stop early, later epochs rest on the runs that continued.")
        return prose(text, early) + only_first(len(self.results.study.arms))

    def _has_loss(self) -> bool:
        """Whether a loss was reported beside the score; training code of the user's own need not."""
        known = {"train/loss", "validation/loss"} - {self._score_column()}
        return bool(known & set(self.results.history.columns))

    def _score_column(self) -> str:
        """The history column nearest to the study's metric: its own validation curve, else the skill's."""
        metric = self.results.study.metric
        own = f"validation/{metric.measure.name}" + (f"/{metric.component}" if metric.component else "")
        return own if own in self.results.history else "validation/skill"

    def _score_title(self) -> str:
        measure, _, component = self._score_column().removeprefix("validation/").partition("/")
        title = measure_words(measure)
        return say("{measure} of {component}", measure=title, component=component) if component else title

    def numbers(self) -> pd.DataFrame:
        """One row per curve, arm and epoch: ``curve, arm, epoch, mean, low, high, n``."""
        history, study = self.results.history, self.results.study
        history = chosen(history, status="done")
        places = cast(dict[tuple[str, int], np.ndarray], history.groupby(["arm", "epoch"]).indices)
        order = {arm.name: i for i, arm in enumerate(study.arms)}
        rows = []
        for column in dict.fromkeys((self._score_column(), "train/loss", "validation/loss")):
            if column not in history:
                continue
            values = history[column].to_numpy(float)
            for arm, epoch in sorted(places, key=lambda key: (order[key[0]], key[1])):
                e = estimate(values[places[arm, epoch]], 1 - study.alpha, self.results.overlap)
                rows.append((column, arm, epoch, e.mean, e.low, e.high, e.n))
        return pd.DataFrame(rows, columns=["curve", "arm", "epoch", "mean", "low", "high", "n"])

    def drawn(self) -> Drawing:
        """Two plots, one above the other, with a common axis of epochs; the upper one alone without a loss."""
        frame = self.frame()
        arms = [a.name for a in self.results.study.arms][:MOST_ARMS]
        rows = 2 if self._has_loss() else 1
        figure, plots = sheet((5.2 if rows == 2 else 2.8) + 0.18 * len(arms), rows, sharex=True)
        top, bottom = plots[0], plots[-1]
        with curves(top) as scores, curves(bottom) as losses:
            for i, arm in enumerate(arms):
                mine = chosen(frame, arm=arm)
                scores.band(chosen(mine, curve=self._score_column()), "epoch", i, shortened(arm))
                if rows == 2:
                    losses.band(chosen(mine, curve="validation/loss"), "epoch", i, shortened(arm))
                    train = chosen(mine, curve="train/loss")
                    losses.curve(train, "epoch", "mean", color=colour(i), linewidth=1.0, linestyle=line(i))
        bottom.set(ylabel=say("loss"), xlabel=say("epoch"))
        top.set_ylabel(say("validation {score}", score=self._score_title()))
        bottom.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
        for axes in (top, bottom):
            axes.grid(axis="y")
            axes.margins(x=0.03)
        legend_above(top)
        return figure
