"""Checks of what is compared with what: repeats, sizes, budgets, and what else differs between two arms."""

from __future__ import annotations

from collections.abc import Sequence

from mmcore.language import later, say
from reports.checks.evidence import PASSED, Evidence, Found, not_applicable, not_run, quoted, some, warn_if
from reports.checks.factors import BUDGET, SIZE_ALONE, factors, settings
from reports.model.report import ComparisonRow
from reports.numbers import counted, listing, percent, prose
from reports.records.origin import several
from reports.statistics.floors import needed
from reports.verdicts.dominance import dominance_of, dominance_text
from reports.verdicts.prospects import COMPONENTS, METRIC, asks, groups_text
from studies.resolved import AnyStudy, is_native

UNEQUAL = 1.25
"""Ratio of parameters, or of training, from which on it may explain a difference in scores."""

MATCHED_BY = {"parameters": later("parameters"), "flops": later("FLOPs")}
"""How a rule of matching is called in sentences."""


def too_few_repeats(evidence: Evidence) -> Found:
    """Comparisons that no result could decide: the study has too few repeats, or too few have a score."""
    comparisons, study = evidence.comparisons, evidence.results.study
    if not comparisons:
        return not_applicable(_nothing_to_compare(study))
    # Where repeats are added, those on the metric alone say how many: until they are decided, and no more.
    own = [c for c in comparisons if c.looks is None or (c.component is None and c.looks.next is None)]
    short = [c for c in own if c.decision.verdict == "too few repeats"]
    foreign = evidence.results.foreign
    if foreign is not None and foreign.by_part:
        return _too_few_by_part([c for c in short if c.paired.n], foreign.part)

    def text() -> str:
        families = {c.component is None: c.decision.family for c in short}
        least = {primary: needed(study.alpha, size, evidence.results.paired) for primary, size in families.items()}
        parts = []
        for primary, size in families.items():
            parts.append(asks(size, METRIC if primary else COMPONENTS, study.alpha, least[primary]))
        start = say(
            "{n} of {comparisons} cannot be decided by any result: {parts}",
            n=len(short),
            comparisons=counted(len(comparisons), "comparison"),
            parts=listing(parts),
        )
        lost = _lost(evidence, {name for c in short for name in (c.arm, c.reference)})
        if not lost or not all(n and n <= study.repeats for n in least.values()):
            return say("{start}.", start=start)
        return say(
            "{start} with a score in both arms. The study's {repeats} repeats would be enough, "
            "but of these arms' runs {lost}.",
            start=start,
            repeats=study.repeats,
            lost=listing(lost),
        )

    return warn_if(bool(short), text)


def _too_few_by_part(short: Sequence[ComparisonRow], part: str) -> Found:
    """Each pair's comparisons on all parts are a family; one without any score is ABL043's to name."""

    def text() -> str:
        named = [
            say(
                "'{arm}' against '{reference}' on '{component}'",
                arm=c.arm,
                reference=c.reference,
                component=c.component,
            )
            for c in short
        ]
        return say(
            "{comparisons} cannot be decided by any result, after Holm's correction for the {parts} of a pair: "
            "{named}.",
            comparisons=counted(len(short), "comparison"),
            parts=several(part),
            named=some(named),
        )

    return warn_if(bool(short), text)


def one_component(evidence: Evidence) -> Found:
    """Comparisons on a whole that one component decides, or in which components disagree."""
    primary = [c for c in evidence.comparisons if c.component is None]
    by_component = [c for c in evidence.comparisons if c.component is not None]
    if not primary:
        return not_applicable(_nothing_to_compare(evidence.results.study))
    if evidence.results.scores.empty:
        return not_run(say("No run is finished."))
    found = {(c.arm, c.reference): dominance_of(evidence.results, c, by_component) for c in primary}
    if all(one is None for one in found.values()):
        return not_applicable(say("The study's metric is not a mean or sum over several components."))
    texts = [
        say("'{arm}' against '{other}': {text}", arm=a, other=b, text=text)
        for (a, b), one in found.items()
        if (text := dominance_text(one))
    ]
    return warn_if(bool(texts), lambda: _sentences(texts))


MOST_NAMED = 3
"""Comparisons that a warning describes in full sentences before it counts the rest."""


def _sentences(texts: list[str]) -> str:
    left = len(texts) - MOST_NAMED
    more = (
        [say("Something similar holds for {more_comparisons}.", more_comparisons=counted(left, "more comparison"))]
        if left > 0
        else []
    )
    return prose(*texts[:MOST_NAMED], *more)


def _nothing_to_compare(study: AnyStudy) -> str:
    if study.to_be_found:
        return say("No comparison has both its arms before the search is finished.")
    return say("The study lists no comparison.")


def _lost(evidence: Evidence, names: set[str]) -> list[str]:
    """What became of these arms' runs that have no score, in words; [] where all of them have one."""
    arms = [arm for arm in evidence.arms if arm.name in names]
    done = sum(run.arm in names for run in evidence.results.done)
    failed, missing = sum(arm.failed for arm in arms), sum(arm.missing for arm in arms)
    unscored = done - sum(arm.n for arm in arms)
    counts = [say("{n} failed", n=failed)] if failed else []
    if missing:
        counts.append(say("1 is missing") if missing == 1 else say("{n} are missing", n=missing))
    return [*counts, say("{n} finished without a score", n=unscored)] if unscored > 0 else counts


def one_split(evidence: Evidence) -> Found:
    """One split and one initialisation cannot tell a difference from chance. Items shared on purpose do not pass."""
    done = {run.repeat for run in evidence.results.done}
    if not done:
        return not_run(say("No run finished."))
    if len(done) == 1:
        return "warning", say("Every finished run has the same split and the same initialisation.")
    if unknown := _unknown_split(evidence):
        return unknown
    match evidence.results.drawn:
        case "corpus":
            return not_applicable(
                say("The corpus fixes its test items, so all runs share them on purpose (see ABL033).")
            )
        case "once":
            return not_applicable(
                say(
                    "The test items are drawn once (split.test_drawn), so all runs share them on purpose (see ABL033). "
                    "Training and validation items vary."
                )
            )
        case "each_repeat":
            return PASSED


def _unknown_split(evidence: Evidence) -> Found | None:
    """The outcome where only code of the user's own knows how test items come about; None where mmstudy knows it."""
    foreign = evidence.results.foreign
    return None if foreign is None or foreign.shared or foreign.split_known else not_applicable(foreign.unknown)


def only_these_items(evidence: Evidence) -> Found:
    """Verdicts on the metric that the repeats alone bear, where all of them tested the same items."""
    if not evidence.results.shared:
        return _unknown_split(evidence) or not_applicable(say("Each repeat tests items of its own."))
    here = [c for c in evidence.comparisons if c.component is None and c.decision.only_these_items]
    named = [
        say("'{arm}' against '{other}' ({side})", arm=c.arm, other=c.reference, side=say(c.decision.side)) for c in here
    ]
    return warn_if(
        bool(here),
        lambda: say(
            "Decided only for these {tested}, not for other items of the corpus: {named}.",
            tested=here[0].tested,
            named=some(named),
        ),
    )


def few_groups(evidence: Evidence) -> Found:
    """Verdicts about new items that rest on few test groups, or on one; as the plan says it before."""
    study = evidence.results.study
    done = [run.split for run in evidence.results.done if run.split.groups("test")]
    if not done:
        return not_run(say("No run finished."))
    one = min(done, key=lambda split: split.groups("test"))
    text = groups_text(evidence.results.drawn, one.groups("test"), one.all_groups, study.repeats)
    return warn_if(bool(text), lambda: text)


def unmatched(evidence: Evidence) -> Found:
    """Sizes as the runs recorded them, not as planned."""
    study = evidence.results.study
    rule = study.match
    if rule is None:
        return not_applicable(say("The study does not match arms."))
    # An arm that is kept as written beside its matched duplicate need not match.
    twins = {arm.name for arm in study.arms if arm.size is not None and arm.size.within is None}
    sizes = {arm.name: getattr(arm, rule.by) for arm in evidence.arms if arm.name not in twins}
    target = sizes.pop(study.reference)
    known = {name: (size - target) / target for name, size in sizes.items() if target and size is not None}
    if not known:
        return not_run(say("No run recorded the size of its model."))
    unlike = [_unlike(name, share) for name, share in known.items() if abs(share) > rule.tolerance]
    return warn_if(
        bool(unlike),
        lambda: say(
            "By {measure}, {unlike} than the reference '{reference}'; the study allows {tolerance} at most.",
            measure=say(MATCHED_BY[rule.by]),
            unlike=some(unlike),
            reference=study.reference,
            tolerance=percent(rule.tolerance),
        ),
    )


def _unlike(name: str, share: float) -> str:
    size = percent(round(abs(share), 3))
    if share > 0:
        return say("'{name}' is {size} larger", name=name, size=size)
    return say("'{name}' is {size} smaller", name=name, size=size)


def many_factors(evidence: Evidence) -> Found:
    """Comparisons of arms that differ in more than one idea."""
    study = evidence.results.study
    if not study.known_pairs:
        return not_applicable(_nothing_to_compare(study))
    differing = {pair: factors(study, *pair) for pair in study.known_pairs}
    several = [
        say(
            "'{arm}' against '{against}' differ in {n_found} ({found})",
            arm=arm,
            against=against,
            n_found=len(found),
            found=some(found, 6),
        )
        for (arm, against), found in differing.items()
        if len(found) > 1
    ]
    if several:
        return "warning", say(
            "{n} of {comparisons}: {several}. Each shows what its changes do together, not which of them does it.",
            n=len(several),
            comparisons=counted(len(study.known_pairs), "comparison"),
            several=some(several, 3),
        )
    return "passed", _together(evidence)


def _together(evidence: Evidence) -> str:
    """Modalities that every comparison adds or takes away only with others, in words; empty where there is none.

    Their set is one idea, and the study may well ask about it: no warning, but worth knowing.
    """
    study, every = evidence.results.study, evidence.results.corpus.modalities
    if not every or not is_native(study):
        return ""
    # A placebo is read but carries no information: an arm can only learn from the rest.
    sets = {
        arm.name: frozenset(arm.config.model.modalities or every) - set(arm.config.data.placebo) for arm in study.arms
    }
    changed = {pair: sets[pair[0]] ^ sets[pair[1]] for pair in study.known_pairs}
    alone = frozenset().union(*(names for names in changed.values() if len(names) == 1))
    sentences = [
        say(
            "{names} change together between '{arm}' and '{against}', which cannot tell them apart",
            names=listing(sorted(names)),
            arm=arm,
            against=against,
        )
        for (arm, against), names in changed.items()
        if len(names) > 1 and not names <= alone
    ]
    if not sentences:
        return ""
    return say(
        "Counted as one change: {sentences}. The design modality_lattice would change one at a time.",
        sentences=some(sentences, 3),
    )


def unequal_size(evidence: Evidence) -> Found:
    """Parameters of the two arms of a comparison, as their runs count them."""
    study = evidence.results.study
    if study.match is not None:
        return not_applicable(say("The study matches the size of its arms."))
    sizes = {arm.name: arm.parameters for arm in evidence.arms}
    asked = [pair for pair in study.known_pairs if not _only(_paths(study, *pair), SIZE_ALONE)]
    if not asked:
        return not_applicable(say("Every comparison is about size itself."))
    known = [(arm, against) for arm, against in asked if sizes[arm] and sizes[against]]
    if not known:
        return not_run(say("No run recorded the size of its model."))
    unequal = []
    for arm, against in known:
        ratio = (sizes[arm] or 0) / (sizes[against] or 1)
        if max(ratio, 1 / ratio) > UNEQUAL:
            unequal.append(
                say(
                    "'{arm}' has {ratio:.2f} times the parameters of '{against}'", arm=arm, ratio=ratio, against=against
                )
            )
    return warn_if(
        bool(unequal), lambda: say("{unequal}. A difference in scores may come from size.", unequal=some(unequal))
    )


def _paths(study: AnyStudy, arm: str, against: str) -> frozenset[str]:
    return settings(study.arm(arm).config, study.arm(against).config)


def _only(paths: frozenset[str], kind: frozenset[str]) -> bool:
    """Whether two arms differ, and in nothing but this."""
    return bool(paths) and paths <= kind


def unequal_training(evidence: Evidence) -> Found:
    """Optimiser steps and windows seen by two arms in the same repeats, where neither was stopped early."""
    study = evidence.study
    steps = {(run.arm, run.repeat): run.steps for run in evidence.results.done if not run.stopped_early}
    unequal, known = [], 0
    for arm, against in study.known_pairs:
        common = [r for r in study.numbers if (arm, r) in steps and (against, r) in steps]
        if not common or _only(_paths(study, arm, against), BUDGET):
            continue
        known += 1
        ratio = sum(steps[arm, r] for r in common) / sum(steps[against, r] for r in common)
        seen = ratio * study.arm(arm).config.training.batch / study.arm(against).config.training.batch
        if max(ratio, 1 / ratio, seen, 1 / seen) > UNEQUAL:
            unequal.append(
                say(
                    "'{arm}' took {ratio:.2f} times the steps of '{against}', on {seen:.2f} times as many windows",
                    arm=arm,
                    ratio=ratio,
                    against=against,
                    seen=seen,
                )
            )
    if not known:
        return not_applicable(
            say("No two arms were trained to the end in the same repeat, or the study is about the length of training.")
        )
    return warn_if(
        bool(unequal), lambda: say("{unequal}. A difference in scores may come from that.", unequal=some(unequal))
    )


def shared_head(evidence: Evidence) -> Found:
    """A head that gives all tracks one curve."""
    tracks = evidence.results.corpus.tracks
    if tracks <= 1:
        return (
            not_applicable(say("There is one track."))
            if tracks
            else not_run(say("No run recorded the number of tracks."))
        )
    shared = [arm.name for arm in evidence.study.arms if arm.config.model.head.kind == "shared"]
    return warn_if(
        bool(shared),
        lambda: (
            say(
                "With the shared head {arm} gives all {tracks} tracks the "
                "same curve over time, shifted by a constant: what differs between tracks cannot be learned.",
                arm=quoted(shared),
                tracks=tracks,
            )
            if len(shared) == 1
            else say(
                "With the shared head {arms} give all {tracks} tracks the "
                "same curve over time, shifted by a constant: what differs between tracks cannot be learned.",
                arms=quoted(shared),
                tracks=tracks,
            )
        ),
    )
