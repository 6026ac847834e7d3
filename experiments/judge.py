"""Verdicts for scores that other code computed: from a table to a report like a study's."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from experiments.home import Home
from experiments.report_place import place_for
from experiments.score_sources import read_scores
from experiments.scores.columns import Columns, Wanted, columns_of, is_error, is_gain
from experiments.scores.numbers import number_of
from experiments.scores.pairing import Pairing, pairing_of
from experiments.scores.table import ScoreTable
from experiments.scores.tidy import Tidy, tidy_scores
from experiments.shown_path import near
from mmcore import __version__
from mmcore.data.sources.look_alikes import alike_groups
from mmcore.errors import ScoresError, nearest
from mmcore.language import later, say
from reports.cards.card import Card
from reports.numbers import counted, listing, prose
from reports.output.reading import Reading
from reports.records.foreign import Request, foreign_results, own_measure
from reports.records.frame import StudyResults
from reports.records.origin import Foreign, Origin

if TYPE_CHECKING:
    from reports.model.report import Summary, VerdictText

USUAL_REFERENCES = ("reference", "baseline", "base", "control", "default", "vanilla")
"""Arms that others are compared with where no one says otherwise."""
Step = Literal["last", "max", "min"]


@dataclass(frozen=True, repr=False)
class Judgement(Reading):
    """What scores came to.

    Args:
        results: every number, as tidy tables. summary: the numbers' meaning. report: the HTML page.
        notes: how the table was read and compared, a sentence each: what was guessed is said here.
    """

    results: StudyResults
    summary: Summary
    report: Path
    notes: tuple[str, ...]

    @property
    def verdicts(self) -> tuple[VerdictText, ...]:
        """One a comparison on the score; () where each data set has verdicts of its own."""
        return self.summary.verdicts

    def card(self) -> Card:
        """The summary's, with how the table was read and where the report is."""
        card = self.summary.card()
        title = f"Judgement of {self.summary.study.removeprefix('judge-')}"
        return replace(card, title=title, notes=(*card.notes, f"Report: {near(self.report)}", *self.notes))


def judge(
    scores: str | Path | pd.DataFrame,
    *,
    arm: str | None = None,
    repeat: str | None = None,
    score: str | None = None,
    by: str | None = None,
    reference: str | None = None,
    lower_is_better: bool | None = None,
    margin: float | None = None,
    group: str | None = None,
    item: str | None = None,
    alpha: float | None = None,
    paired: bool | None = None,
    overlap: float | None = None,
    shared_items: bool | None = None,
    step: Step = "last",
    out: Path | str | None = None,
    home: Path | str | None = None,
) -> Judgement:
    """Judge scores that other code computed, and write a report.

    Args:
        scores: a data frame; a file (CSV, TSV, JSON, JSON Lines, Parquet, also with .gz); the folder of a study's
            report or of TensorBoard events; ``mlflow:EXPERIMENT``; ``optuna:STORAGE-URL``.
        arm, repeat, score, by, item, group: names of columns: what is compared, what is a repetition of it, the number
            to compare by, the data set, the test item, and the group of items. None: guessed by name.
        reference: the arm that others are compared with; None: one called baseline or the like, else the first.
        lower_is_better: the score's direction; None: higher is better, unless the score is called an error or a loss,
            which is refused until it is said.
        margin: differences within ± margin count as none; None: equivalence is not tested.
        alpha: accepted chance of any false better or worse, with ``by`` for each pair of arms; None: 0.05, or what an
            exported study says.
        paired: whether a repeat means the same split for every arm; None: found from items or a column of splits, else
            unpaired.
        overlap: n_test / n_train of paired repeats whose splits share training data (Nadeau and Bengio).
        shared_items: whether all repeats tested the same items; without scores by item verdicts are then for these.
        step: which value of a metric with many steps is a run's score.
        out: the report's folder; None: ``reports/judge-NAME`` in the home.
        home: None: ``MMSTUDY_HOME``, else ``./mlruns``.

    Raises:
        ScoresError: scores that cannot be read or judged; names the line.

    Example:
        >>> import tempfile
        >>> rows = [(m, s, 0.8 + 0.02 * i + 0.001 * s) for i, m in enumerate("ab") for s in range(6)]
        >>> frame = pd.DataFrame(rows, columns=["model", "seed", "accuracy"])
        >>> print(judge(frame, reference="a", out=tempfile.mkdtemp()).verdicts[0].headline)
        'b' is better than 'a'.
    """
    from reports.output.render import write_report
    from reports.summary.build import summarise

    _refuse_options(margin, alpha, overlap)
    place = Home.choose(None if home is None else Path(home))
    table = read_scores(scores, score, step, place)
    asked = Wanted(arm, repeat, table.given.score or score, by, item, group)
    table, columns = columns_of(table, asked)
    tidy = tidy_scores(table, columns)
    pairing = pairing_of(table, tidy, columns, paired=paired, overlap=overlap, shared=shared_items)
    lower, direction = _lower(lower_is_better, columns, table)
    name = f"judge-{_slug(table.name)}"
    folder = place_for(None if out is None else Path(out), place, name)
    first, why = _reference(reference, tidy, table)
    rows, repeats = _numbered(tidy, pairing)
    notes = (*table.notes, *columns.guessed, *direction, *why, *_missing(tidy, columns), *_alike(tidy), _how(pairing))
    request = Request(
        name=name,
        question=table.given.question
        or say("Which is better than '{arm}', by {score}?", arm=first, score=columns.score),
        measure=own_measure(columns.score, not lower),
        reference=first,
        pairs=table.given.pairs if reference is None else None,
        alpha=alpha if alpha is not None else table.given.alpha or 0.05,
        margin=margin if margin is not None else table.given.margin,
        foreign=Foreign(
            paired=pairing.paired,
            pairing=pairing.why,
            shared=pairing.shared,
            overlap=pairing.overlap,
            left_out=pairing.left_out,
            covers=pairing.covers,
            part="data set" if columns.by is not None else "component",
            repeats=repeats,
            notes=_facts(table, columns),
        ),
    )
    results = foreign_results(rows, request, Origin(mmstudy=__version__))
    summary = summarise(results)
    return Judgement(results, summary, write_report(summary, results, folder), notes)


def _refuse_options(margin: float | None, alpha: float | None, overlap: float | None) -> None:
    if margin is not None and not (math.isfinite(margin) and margin > 0):
        raise ScoresError("a margin must be a number above 0", found=f"{margin:g}", next_step="Leave --margin out")
    if alpha is not None and not 0 < alpha < 0.5:
        raise ScoresError("alpha must lie between 0 and 0.5", found=f"{alpha:g}", next_step="Usual is 0.05")
    if overlap is not None and not (math.isfinite(overlap) and overlap >= 0):
        raise ScoresError(
            "an overlap is the ratio of test to training size", expected="a number of 0 or more", found=f"{overlap:g}"
        )


def _lower(asked: bool | None, columns: Columns, table: ScoreTable) -> tuple[bool, tuple[str, ...]]:
    """Whether less is better, and what to say where that is a guess; a name such as rmse puts it in doubt."""
    known = table.given.lower_is_better if asked is None else asked
    if known is not None:
        return known, ()
    if is_error(columns.score):
        raise ScoresError(
            "it must be said whether a low score is good", expected="--lower-is-better or --higher-is-better",
            found=f"a score called '{columns.score}'", where=table.source,
            next_step="Say --higher-is-better where it was negated",
        )  # fmt: skip
    if columns.named and is_gain(columns.score):
        return False, ()
    return False, (say("Higher {score} counts as better (--lower-is-better).", score=columns.score),)


def _reference(asked: str | None, tidy: Tidy, table: ScoreTable) -> tuple[str, tuple[str, ...]]:
    if asked is not None:
        if asked not in tidy.arms:
            raise ScoresError(
                "the reference must be an arm", found=f"'{asked}'", where=table.source,
                next_step=nearest(asked, tidy.arms),
            )  # fmt: skip
        return asked, ()
    if table.given.reference in tidy.arms:
        return str(table.given.reference), ()
    usual = next((arm for arm in tidy.arms if arm.lower() in USUAL_REFERENCES), None)
    chosen = usual or tidy.arms[0]
    return chosen, (
        say("All arms are compared with '{arm}', since its name says so (--reference).", arm=chosen)
        if usual
        else say("All arms are compared with '{arm}', since it comes first (--reference).", arm=chosen),
    )


def _numbered(tidy: Tidy, pairing: Pairing) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Rows with a number in place of the repeat's name, and the names; () where arms share no repeats."""
    rows = tidy.rows
    within = ["arm", *(["component"] if "component" in rows else [])]
    if not pairing.paired:
        numbers = rows.groupby(within, sort=False).cumcount()
        return rows.assign(repeat=numbers).drop(columns="label"), ()
    labels = list(dict.fromkeys(rows["label"]))
    if all((number := number_of(label)) is not None and math.isfinite(number) for label in labels):
        labels.sort(key=float)
    order = {label: place for place, label in enumerate(labels)}
    numbered = rows.assign(repeat=[order[label] for label in rows["label"]]).drop(columns="label")
    plain = labels == [str(place) for place in range(len(labels))]
    return numbered, () if plain else tuple(labels)


def _alike(tidy: Tidy) -> tuple[str, ...]:
    """Names of arms, and of data sets, that differ in their writing alone: most likely they are one."""
    notes = []
    for role, text in (
        ("arm", later("Arms whose names differ in their writing alone are compared as different ones: {names}.")),
        ("component", later("Data sets whose names differ in their writing alone count as different ones: {names}.")),
    ):
        alike = alike_groups(tidy.rows[role]) if role in tidy.rows else []
        if alike:
            quoted = [listing([f"'{name}'" for name in names]) for names in alike]
            notes.append(say(text, names="; ".join(quoted[:3])))
    return tuple(notes)


def _missing(tidy: Tidy, columns: Columns) -> tuple[str, ...]:
    """Scores that are no finite numbers, counted."""
    values = list(tidy.rows["value"])
    empty, infinite = sum(map(math.isnan, values)), sum(map(math.isinf, values))
    bad = [say("{n} NaN or empty", n=empty)] if empty else []
    bad += [say("{n} infinite", n=infinite)] if infinite else []
    if not bad:
        return ()
    scores = counted(len(values), "score")
    return (say("Of {scores} {bad}: they count as missing.", scores=scores, bad=listing(bad)),)


def _facts(table: ScoreTable, columns: Columns) -> tuple[tuple[str, str], ...]:
    parts = {
        "arm": say("arm"), "repeat": say("repeat"), "score": say("score"), "by": say("data set"), "item": say("item"),
        "group": say("group"),
    }  # fmt: skip
    read = [f"{word} = {name}" for role, word in parts.items() if (name := getattr(columns, role)) is not None]
    return (
        (say("Scores"), table.name),
        (say("Columns"), ", ".join(read)),
        (say("Read"), prose(*table.notes, *columns.guessed)),
    )


def _how(pairing: Pairing) -> str:
    if pairing.paired:
        return say("Compared repeat by repeat: {why}", why=pairing.why)
    return say("Compared unpaired: {why}", why=pairing.why)


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "scores"
