"""Cases as timelines: the span that is hardest for a naive predictor, and where an arm is worst and best."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure as Drawing

from mmcore.answers.answer import Answered
from mmcore.answers.error_analysis import Case, ErrorsResult
from mmcore.language import later, say
from reports.figures.base import FigureBase
from reports.figures.style import legend_over_all, sheet
from reports.numbers import listing, number, prose
from reports.records.frame import StudyResults
from reports.sections.arms.shown import shown_arms
from reports.sections.error_analysis.figures_timeline import (
    HEIGHTS,
    Timeline,
    cropped,
    names_above,
    whole_repeats,
    words_inside,
)
from reports.sections.error_analysis.section import ENDS, HARD
from reports.sections.joining import commas

AROUND = 10
"""Places on either side of a span where two of them stand side by side: a second at ten steps a second."""
COLUMNS = ["series", "name", "arm", "time", "value"]
EDITS = later("The shaded span is the one that was chosen; small ticks below the first line are edits.")
LABEL_CHANGES = later("The shaded span is the one that was chosen; small ticks below the first line are label changes.")
DRAWN = later("The truth, where it counts, is black; predictions are coloured.")


class ErrorCase(FigureBase):
    """The span in which one component is hardest for the naive predictor, with the reference and the best arm.

    Args:
        results: of the study. number: which of the corpus's components.
    """

    value = "value"

    def __init__(self, results: StudyResults, number: int) -> None:
        self.component = results.components[number]
        self.name = f"{HARD}_{number}"
        self.title = say("Hardest span: {component}", component=self.component)
        answers = results.answers(ErrorsResult)
        self.arms = shown_arms(results, {answer.arm for answer in answers})
        self.order, self.of_labels = _order(results), results.corpus.task == "label"
        self.repeat, self.cases = self._found(answers)

    def _found(self, answers: Sequence[Answered[ErrorsResult]]) -> tuple[int | None, dict[str, Case]]:
        """The case of each arm, in the first repeat that has it for all of them; of another window: left out."""
        for repeat, by_arm in whole_repeats(answers, self.component, ["hardest"]).items():
            if all(arm in by_arm for arm in self.arms):
                cases = {arm: by_arm[arm]["hardest"] for arm in self.arms}
                first = cases[self.arms[0]]
                place = (first.item, first.start, first.span)
                return repeat, {arm: c for arm, c in cases.items() if (c.item, c.start, c.span) == place}
        return None, {}

    @property
    def description(self) -> str:
        if not self.cases:
            return say("No case.")
        case, last = next(iter(self.cases.values())), list(self.cases)[-1]
        losses = [say("'{arm}' {loss}", arm=arm, loss=number(c.loss)) for arm, c in self.cases.items()]
        return prose(
            say(
                "Item {item}, repeat {repeat}: the span whose {component} is hardest for the naive predictor, with the "
                "two tracks and parameters of its largest loss there. Loss in the span: {losses}, naive predictor "
                "{naive}.",
                item=case.item,
                repeat=self.repeat,
                component=self.component,
                losses=commas(losses),
                naive=number(case.naive),
            ),
            say(DRAWN),
            say(LABEL_CHANGES if self.of_labels else EDITS),
            *words_inside([self.cases[last]], last),
        )

    def numbers(self) -> pd.DataFrame:
        """One row per ``series`` (truth, prediction, feature, edit, gate, share, attention), ``name``, arm and step."""
        rows = Timeline(self.cases, self.order, self.of_labels).as_rows() if self.cases else []
        item = next((case.item for case in self.cases.values()), None)
        frame = pd.DataFrame(rows, columns=COLUMNS).astype({"value": float})
        return frame.assign(item=item, repeat=self.repeat)

    def drawn(self) -> Drawing:
        """Plots below one another on a common axis of time."""
        return _drawn([Timeline(self.cases, self.order, self.of_labels)], [""], 0.95)


class ErrorEnds(FigureBase):
    """The spans that one arm predicts worst and best, side by side.

    Args:
        results: of the study. number: which of the corpus's components. place: which of the arms in the text.
    """

    value = "value"

    def __init__(self, results: StudyResults, number: int, place: int) -> None:
        self.component = results.components[number]
        self.name = f"{ENDS}_{number}_{place}"
        answers = results.answers(ErrorsResult)
        arms = shown_arms(results, {answer.arm for answer in answers})
        self.arm = arms[place] if place < len(arms) else None
        self.title = say("Worst and best span of {arm}: {component}", arm=self.arm, component=self.component)
        self.order, self.of_labels = _order(results), results.corpus.task == "label"
        self.repeat, self.cases = self._found(answers, arms)

    def _found(
        self, answers: Sequence[Answered[ErrorsResult]], arms: Sequence[str]
    ) -> tuple[int | None, dict[str, Case]]:
        """Both ends in the first repeat that has them for all arms, so that test items are the same; else its first."""
        found = whole_repeats(answers, self.component, ["worst", "best"])
        own = [repeat for repeat, by_arm in found.items() if self.arm in by_arm]
        if not own:
            return None, {}
        repeat = min(own, key=lambda r: (not all(arm in found[r] for arm in arms), r))
        cases = found[repeat][str(self.arm)]
        return repeat, {why: cropped(cases[why], AROUND) for why in ("worst", "best")}

    @property
    def description(self) -> str:
        if not self.cases:
            return say("No case.")
        shown = [
            say(
                "the {end}: item {item}, loss {loss}, naive predictor {naive}",
                end=say(end),
                item=case.item,
                loss=number(case.loss),
                naive=number(case.naive),
            )
            for end, case in self.cases.items()
        ]
        return prose(
            say(
                "Repeat {repeat}, the spans whose {component} '{arm}' predicts worst (left) and best (right), with the "
                "two tracks and parameters of its largest loss in each. Shown are {shown}. A loss may be low because "
                "there is little to predict; the naive predictor's loss shows whether that is so.",
                repeat=self.repeat,
                component=self.component,
                arm=self.arm,
                shown=listing(shown),
            ),
            say(DRAWN),
            say(LABEL_CHANGES if self.of_labels else EDITS),
            *words_inside(list(self.cases.values()), str(self.arm)),
        )

    def numbers(self) -> pd.DataFrame:
        """As :meth:`ErrorCase.numbers`, with ``end``: worst or best."""
        parts = [
            pd.DataFrame(Timeline({str(self.arm): case}, self.order, self.of_labels).as_rows(), columns=COLUMNS)
            .astype({"value": float})
            .assign(item=case.item, repeat=self.repeat, end=end)
            for end, case in self.cases.items()
        ]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*COLUMNS, "item"])

    def drawn(self) -> Drawing:
        """Two columns of plots, each with its own time; plots of one row show the same thing."""
        spans = [Timeline({str(self.arm): case}, self.order, self.of_labels) for case in self.cases.values()]
        heads = [say("{end}: loss {loss}", end=say(end), loss=number(c.loss)) for end, c in self.cases.items()]
        return _drawn(spans, heads, 0.85)


def _order(results: StudyResults) -> dict[str, int]:
    """An arm has the same colour in all figures."""
    return {arm.name: i for i, arm in enumerate(results.study.arms)}


def _drawn(spans: Sequence[Timeline], heads: Sequence[str], size: float) -> Drawing:
    """A column for each span; several have a head each, and names of predictions above the plots."""
    rows = list(dict.fromkeys(row for span in spans for row in span.rows()))
    rows.sort(key=lambda row: list(HEIGHTS).index(row[0]))
    heights = [HEIGHTS[part] for part, _ in rows]
    across, height = len(spans), 0.9 + sum(heights) * size
    figure, plots = sheet(height, len(rows) * across, across, sharex="col", height_ratios=heights)
    for i, row in enumerate(rows):
        beside = plots[i * across : (i + 1) * across]
        names = list(dict.fromkeys(name for span in spans for name in span.series(row[0])))
        for span, axes in zip(spans, beside, strict=True):
            span.draw(row, axes, names, titled=len(spans) > 1)
        next(span for span in spans if row in span.rows()).label(row, beside[0])
        names_above(beside[0], names)
    for span, head, top, bottom in zip(spans, heads, plots, plots[-across:], strict=False):
        if head:
            top.set_title(f"{head}\n{top.get_title(loc='left')}", loc="left", fontsize=8, pad=3)
        bottom.set_xlabel(say("seconds" if span.case.step else "steps"))
    legend_over_all(figure, 4)
    figure.align_ylabels(plots[::across])
    return figure
