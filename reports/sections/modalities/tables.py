"""The tables of the section about modalities: words at a glance, then every number behind them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress

import numpy as np

from mmcore.analyses import MOST_EXACT
from mmcore.language import later, say
from reports.model.section import SectionTable, Table, Word, plain_table
from reports.numbers import percent
from reports.records.frame import StudyResults
from reports.sections.family import Test
from reports.sections.modalities.dossier import Dossier
from reports.sections.yardstick import Yardstick
from reports.statistics.intervals import Estimate, estimate

RULES = (
    (
        "useful",
        later(
            "Trained without it, the score is worse, beyond chance and by more than the margin. If the study has a "
            "placebo of it, this word and all rules that say 'trained without it' rest on the arm with the placebo "
            "instead: a model of the same size, whose items read the modality of other items."
        ),
    ),
    ("harmful", later("Trained without it, the score is better, beyond chance and by more than the margin.")),
    (
        "redundant",
        later(
            "Its share over all subsets is above the margin beyond chance, and trained without it, next to all others, "
            "the score is shown to be within the margin."
        ),
    ),
    (
        "partly redundant",
        later(
            "None of these; its share is above the margin beyond chance, and so is the difference between this share "
            "and its gain next to all others. It is not known whether that gain is anything."
        ),
    ),
    ("not needed", later("None of these, and trained without it the score is shown to be within the margin.")),
    (
        "used",
        later(
            "With the modality masked, the trained model's score is worse, beyond chance and by more than the margin."
        ),
    ),
    ("misleading", later("With the modality masked, it is better, beyond chance and by more than the margin.")),
    ("not used", later("With the modality masked, the score is shown to be within the margin.")),
    (
        "together",
        later(
            "The interaction index of two modalities is above 0, beyond chance and by more than the margin, and each "
            "of the two is shown to bring something: to all others, on average over all subsets, or read alone."
        ),
    ),
    (
        "overlap",
        later(
            "It is below 0, beyond chance and by more than the margin, and each of the two is shown to bring something."
        ),
    ),
    ("hinder", later("It is below 0 in the same way, and not both are shown to bring anything.")),
    ("apart", later("It is shown to be within the margin.")),
    (
        "differs by component",
        later(
            "Over all components: one of them makes most of the effect, or some are shown to be helped and others to "
            "be harmed. A word would describe one component only, or average opposites."
        ),
    ),
    ("not shown", later("None of the words can be shown with these repeats.")),
)
"""Each word with its rule."""


def tables(results: StudyResults, found: Sequence[Dossier]) -> tuple[SectionTable, ...]:
    """All tables; those without rows are left out."""
    level, title = percent(1 - results.study.alpha), Yardstick.of(results).title
    made = (
        SectionTable("words", say("In words: {words}", words=_asked(found)), _words(found), False),
        SectionTable(
            "rules",
            say("What the words mean"),
            plain_table(("word", "rule"), [(word, say(rule)) for word, rule in RULES]),
        ),
        SectionTable(
            "dossier",
            say(
                "Gained by training with a modality, its share, lost by masking it, and gained over a placebo of it, "
                "in {metric} (above 0: it helps; {level} intervals)"
                if any(d.controlled for d in found)
                else "Gained by training with a modality, its share, lost by masking it, in {metric} (above 0: it "
                "helps; {level} intervals)",
                metric=title,
                level=level,
            ),
            _dossier(found),
        ),
        SectionTable(
            "masks",
            say("Lost in the trained model by way of masking, in {metric}, and shares (Shapley)", metric=title),
            _masks(found),
        ),
        SectionTable(
            "interplay", say("Interaction index of each pair, retrained and by way of masking"), _pairs(found)
        ),
        SectionTable(
            "additive",
            say("{metric} with and without interaction of modalities (EMAP)", metric=_capital(title)),
            _additive(found),
        ),
        SectionTable(
            "perceptual", say("Classes that become wrong by permuting: drop of accuracy, ÷ accuracy"), _seen(found)
        ),
        SectionTable(
            "subsets",
            say("Mean {metric} of every subset, retrained and masked ({level} intervals)", metric=title, level=level),
            _subsets(results, found),
        ),
    )
    return tuple(one for one in made if one.table.rows)


def _asked(found: Sequence[Dossier]) -> str:
    trained, masked = any(d.lattice or d.controlled for d in found), any(d.main for d in found)
    parts = (say("useful when retrained") if trained else "", say("used by the trained model") if masked else "")
    return " · ".join(part for part in parts if part)


def _words(found: Sequence[Dossier]) -> Table:
    several = len(found) > 1
    modalities = list(dict.fromkeys(name for d in found for name in d.modalities))
    rows = []
    for d in found:
        for c in d.components:
            words = {p.modality: " · ".join(w for w in (p.useful, p.used) if w) for p in d.parts if p.component == c}
            cells = [Word(words[name]) if name in words else None for name in modalities]
            rows.append((*([d.arm] if several else []), d.yardstick.named(c), *cells))
    return plain_table((*(["arm"] if several else []), "component", *modalities), rows)


def _dossier(found: Sequence[Dossier]) -> Table:
    rows = [
        (
            d.arm, p.modality, d.yardstick.named(p.component), p.useful, *_test(p.gain), *_test(p.share),
            *_alone(p.alone), p.used, *_test(p.drop), *_test(p.placebo), p.disagreement,
        )
        for d in found for p in d.parts
    ]  # fmt: skip
    columns = ["arm", "modality", "component", "useful"]
    for name in ("gain", "share"):
        columns += [name, f"{name}_low", f"{name}_high", f"{name}_n", f"{name}_p"]
    columns += ["alone", "alone_low", "alone_high", "used"]
    for name in ("drop", "placebo"):
        columns += [name, f"{name}_low", f"{name}_high", f"{name}_n", f"{name}_p"]
    columns += ["disagreement"]
    return _without_empty(columns, rows)


def _masks(found: Sequence[Dossier]) -> Table:
    rows = [
        (
            d.arm, p.modality, d.yardstick.named(p.component), d.way(a, [p.modality]), *_interval(e),
            *_interval(p.shares[a]), e.n,
        )
        for d in found for p in d.parts for a, e in p.drops.items()
    ]  # fmt: skip
    columns = ("drop", "drop_low", "drop_high", "share", "share_low", "share_high", "n")
    return plain_table(("arm", "modality", "component", "masked_by", *columns), rows)


def _pairs(found: Sequence[Dossier]) -> Table:
    rows = []
    for d in found:
        for p in d.pairs:
            names = (d.arm, p.one, p.other, d.yardstick.named(p.component))
            if p.retrained is not None:
                rows.append((*names, "retrained", p.word, *_test(p.retrained)))
            rows += [(*names, d.way(a), None, *_interval(e), e.n, None) for a, e in p.masked.items() if e.n]
    return plain_table(
        ("arm", "one", "other", "component", "how", "word", "index", "low", "high", "n", "p"), rows
    )  # fmt: skip


def _additive(found: Sequence[Dossier]) -> Table:
    rows = [
        (
            d.arm, d.yardstick.named(a.component), a.score.mean, *_interval(a.projected), a.uncorrected.mean,
            *_test(a.gap),
        )
        for d in found for a in d.additive
    ]  # fmt: skip
    columns = ("score", "additive", "additive_low", "additive_high", "additive_uncorrected")
    return plain_table(
        ("arm", "component", *columns, "difference", "difference_low", "difference_high", "n", "p"), rows
    )  # fmt: skip


def _seen(found: Sequence[Dossier]) -> Table:
    rows = [
        (d.arm, p.modality, p.component, *_interval(p.accuracy), *_interval(p.perceptual), p.accuracy.n)
        for d in found for p in d.parts if p.accuracy is not None
    ]  # fmt: skip
    columns = ("drop", "drop_low", "drop_high", "score", "score_low", "score_high", "n")
    return plain_table(("arm", "modality", "component", *columns), rows)


def _subsets(results: StudyResults, found: Sequence[Dossier]) -> Table:
    rows = []
    for d in found:
        for s in range(2 ** len(d.modalities)) if len(d.modalities) <= MOST_EXACT else ():
            names = "+".join(name for m, name in enumerate(d.modalities) if s >> m & 1) or Word("nothing")
            for c in d.components:
                for how, value_R in _scored(d, c, s):
                    e = estimate(value_R, 1 - results.study.alpha, results.overlap)
                    rows.append((d.arm, names, d.yardstick.named(c), how, *_interval(e), e.n))
    return plain_table(("arm", "reads", "component", "others", "score", "low", "high", "n"), rows)


def _scored(dossier: Dossier, component: str | None, subset: int) -> Iterator[tuple[str, np.ndarray]]:
    """How the others were kept from being read, and the score by repeat."""
    lattice, masked = dossier.lattice, dossier.masked
    if lattice is not None and subset in lattice.arms:
        yield "retrained", lattice.score(component, subset)
    elif lattice is not None and lattice.blind and not subset:
        yield f"naive '{lattice.blind}'", lattice.score(component, subset)
    if masked is not None:
        gone = [name for m, name in enumerate(dossier.modalities) if not subset >> m & 1]
        for absence in masked.absences:
            yield dossier.way(absence, gone), masked.score(absence, component, subset)


def _alone(test: Test | None) -> tuple[float | None, ...]:
    return _interval(None if test is None else test.estimate)


def _capital(title: str) -> str:
    return title[:1].upper() + title[1:]


def _interval(e: Estimate | None) -> tuple[float | None, ...]:
    return (None, None, None) if e is None or not e.n else (e.mean, e.low, e.high)


def _test(test: Test | None) -> tuple[float | int | None, ...]:
    if test is None:
        return (None,) * 5
    return (*_interval(test.estimate), test.paired.n, test.p)


def _without_empty(columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> Table:
    """Without the columns of tests that were not made."""
    filled = [any(row[at] is not None for row in rows) for at in range(len(columns))]
    return plain_table(tuple(compress(columns, filled)), [tuple(compress(row, filled)) for row in rows])
