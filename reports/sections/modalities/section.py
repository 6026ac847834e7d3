"""The section about modalities: which are useful, which are used, and which need one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, get_args

from mmcore.language import later, say
from reports.model.section import Finding, Section, Tone
from reports.numbers import interval, listing, number, percent, probability, prose
from reports.records.frame import StudyResults
from reports.sections.arms.shown import shown_arms
from reports.sections.family import Test
from reports.sections.joining import clauses, quoted
from reports.sections.modalities.dossier import Additive, Dossier, Pair, Part, Used, Useful
from reports.sections.modalities.tables import tables
from reports.sections.modalities.tests import assess
from reports.sections.modalities.words import lead, limits, question
from reports.verdicts.dominance import Dominance

MOST_NAMED = 8
"""Disagreements and pairs that are described one by one; the tables have all."""
PLACEBO = later("Against a placebo of the same size: it gains {amount}")
WITHOUT, MASKED, WHOLE = (
    later("Trained without it: {change}"), later("Masked: {change}"), later("The whole: {change}")
)  # fmt: skip
SHARE, INDEX = later("Share {amount}"), later("Interaction index {amount}")
"""What was tested, with what was found."""
T = TypeVar("T", Part, Pair)
TONES: dict[str | None, Tone] = {
    "useful": "good", "harmful": "bad", "misleading": "bad", "not shown": "open", "used": "good",
    "differs by component": "open",
}  # fmt: skip


def section(results: StudyResults) -> Section | None:
    """What each modality is good for; None where a study neither leaves modalities out, nor masked any, nor has a
    placebo of any."""
    found = assess(results)
    if not found:
        return None
    dossiers = shown_dossiers(results, found)
    return Section(
        key="modalities",
        title=say("What each modality does"),
        question=question(found),
        lead=lead(results, found),
        findings=tuple(finding for dossier in dossiers for finding in _findings(results, dossier, len(found) > 1)),
        figures=("modality_effects", "modality_interplay", "modality_additive", "modality_masks"),
        tables=tables(results, found),
        limits=limits(results, found, len(dossiers)),
    )


def shown_dossiers(results: StudyResults, found: Sequence[Dossier]) -> list[Dossier]:
    """The dossiers for words and pictures; the tables have all."""
    names = shown_arms(results, [d.arm for d in found])
    return [d for d in found if d.arm in names]


def _findings(results: StudyResults, dossier: Dossier, several: bool) -> list[Finding]:
    arm = dossier.arm if several else None
    findings = [found for name in dossier.modalities if (found := _about(results, dossier, name, arm)) is not None]
    odd = [part for part in dossier.parts if part.disagreement]
    for part in _largest(odd, lambda part: part.drop):
        evidence = prose(
            _tested(PLACEBO, part.placebo, results), _tested(WITHOUT, part.gain, results),
            _tested(MASKED, part.drop, results),
        )  # fmt: skip
        findings.append(Finding(_odd(part, _who(part.modality, arm)), "disagreement", "open", evidence))
    pairs = [pair for pair in dossier.pairs if pair.word in ("together", "overlap", "hinder")]
    findings += [_paired(results, pair) for pair in _largest(pairs, lambda pair: pair.retrained)]
    additive = _needs(results, dossier.additive, arm)
    return findings + ([additive] if additive else [])


def _who(name: str, arm: str | None) -> str:
    """A modality in a sentence, with its arm where the section is about several."""
    if arm is None:
        return quoted(name)
    return say("'{modality}' of '{arm}'", modality=name, arm=arm)


def _odd(part: Part, who: str) -> str:
    found = say(part.disagreement or "")
    if part.component is None:
        return say("{who} {found}.", who=who, found=found)
    return say("{who} {found} for {component}.", who=who, found=found, component=part.component)


def _largest(candidates: Sequence[T], test: Callable[[T], Test | None]) -> list[T]:
    """Those with the largest effects, in the order given."""

    def size(one: T) -> float:
        found = test(one)
        return abs(found.estimate.mean) if found else 0.0

    least = sorted(map(size, candidates), reverse=True)[:MOST_NAMED][-1:]
    return [one for one in candidates if size(one) >= least[0]] if least else []


def _about(results: StudyResults, dossier: Dossier, name: str, arm: str | None) -> Finding | None:
    """One modality, first over all components, then by component; None where no question about it has an answer."""
    whole = dossier.part(name, None)
    rest = [p for p in dossier.parts if p.modality == name and p.component is not None]
    label = whole.useful or whole.used or ""
    opening = _opening(whole, name, arm)
    texts = [opening] if opening else []
    before = [whole] if opening else rest
    for order, words, after_training in (
        (get_args(Useful), [(p.useful, p.component) for p in rest], False),
        (get_args(Used), [(p.used, p.component) for p in rest], any(part.useful for part in before)),
    ):
        by_word = {word: [c for w, c in words if w == word and c is not None] for word in order}
        listed = clauses(
            say("{word} for {components}", word=say(word), components=listing(of_word))
            for word, of_word in by_word.items()
            if of_word
        )
        if listed and not texts:
            texts.append(say("By component {who} is {words}.", who=_who(name, arm), words=listed))
        elif listed and after_training:
            texts.append(say("In the trained model it is {words}.", words=listed))
        elif listed:
            texts.append(say("By component it is {words}.", words=listed))
    if not texts:
        return None
    evidence = prose(
        _tested(PLACEBO, whole.placebo, results),
        _tested(WITHOUT, whole.gain, results),
        _tested(SHARE, whole.share, results),
        _tested(MASKED, whole.drop, results),
    )
    return Finding(prose(*texts), label, TONES.get(label, "plain"), evidence)


def _opening(part: Part, name: str, arm: str | None) -> str:
    """The words over all components, as a sentence; empty where there are none."""
    useful, used = _useful(part), _used(part, say("it") if part.useful else _who(name, None))
    if useful and used:
        return say("{who} {useful}, and the trained model {used}.", who=_who(name, arm), useful=useful, used=used)
    if useful:
        return say("{who} {useful}.", who=_who(name, arm), useful=useful)
    if not used:
        return ""
    if arm is None:
        return say("The trained model {used}.", used=used)
    return say("The trained model of '{arm}' {used}.", arm=arm, used=used)


def _useful(part: Part) -> str:
    """What is said of a modality's use in training; empty where it was not asked."""
    controlled = part.placebo is not None
    match part.useful:
        case "useful":
            return say(
                "is useful: models trained with a placebo of the same size in its place score worse"
                if controlled
                else "is useful: models trained without it score worse"
            )
        case "redundant":
            return say("is redundant: it helps, but not beyond what the others bring as well")
        case "partly redundant":
            return say(
                "is at least partly redundant: the others also bring part of what it brings, and it is not shown "
                "whether it helps beyond them"
            )
        case "harmful":
            return say(
                "is harmful: models trained with a placebo of the same size in its place score better"
                if controlled
                else "is harmful: models trained without it score better"
            )
        case "not needed":
            return say(
                "is not needed: models trained with a placebo of the same size in its place score the same"
                if controlled
                else "is not needed: models trained without it score the same"
            )
        case "differs by component":
            return say("differs by component: {why}", why=_why(part.gain_of))
        case "not shown":
            return say("is not shown to be useful or useless")
        case None:
            return ""


def _used(part: Part, what: str) -> str:
    """What is said of a modality's use by the trained model; empty where it was not asked."""
    match part.used:
        case "used":
            return say("uses {what}", what=what)
        case "misleading":
            return say("does better with {what} masked", what=what)
        case "not used":
            return say("does not use {what}", what=what)
        case "differs by component":
            return say("uses {what} differently by component: {why}", what=what, why=_why(part.drop_of))
        case "not shown":
            return say("is not shown to use {what}", what=what)
        case None:
            return ""


def _why(made_of: Dominance | None) -> str:
    """Why there is no word for all components together."""
    if made_of is None:
        return ""
    if made_of.disagree:
        return say("it helps {better} and harms {worse}", better=listing(made_of.better), worse=listing(made_of.worse))
    return say(
        "{share} of the effect is on {component}", share=percent(round(made_of.share, 2)), component=made_of.component
    )


def _paired(results: StudyResults, pair: Pair) -> Finding:
    names = {"both": say("'{one}' and '{other}'", one=pair.one, other=pair.other), "component": pair.component}
    whole = pair.component is None
    match pair.word:
        case "together":
            text = say(
                "{both} work together: both bring more than the sum of what each brings."
                if whole
                else "{both} work together for {component}: both bring more than the sum of what each brings.",
                **names,
            )
        case "overlap":
            text = say(
                "{both} overlap: what one brings, the other brings in part as well."
                if whole
                else "{both} overlap for {component}: what one brings, the other brings in part as well.",
                **names,
            )
        case _:
            text = say(
                "{both} hinder each other: both bring less than the sum of what each brings."
                if whole
                else "{both} hinder each other for {component}: both bring less than the sum of what each brings.",
                **names,
            )
    return Finding(text, pair.word or "", "plain", _tested(INDEX, pair.retrained, results))


def _needs(results: StudyResults, additive: Sequence[Additive], arm: str | None) -> Finding | None:
    """How much of the score needs any interaction."""
    parts = [one for one in additive if one.component is not None] or list(additive)
    needing = [one for one in parts if one.gap.sign > 0]
    harmed = [one for one in parts if one.gap.sign < 0]
    without = [one.component for one in parts if one.component is not None and one.gap.none]
    if not additive:
        return None
    model = say("the trained model") if arm is None else say("the trained model of '{arm}'", arm=arm)
    changes = [say("score worse {scores}", scores=_scores(needing))] if needing else []
    changes += [say("score better {scores}", scores=_scores(harmed))] if harmed else []
    if changes:
        text = say(
            "Without any interaction of modalities {model} would {changes}.", model=model, changes=listing(changes)
        )
    else:
        text = say("It is not shown that {model} needs any interaction of modalities.", model=model)
    if without:
        text = prose(text, say("It needs none for {components}.", components=listing([c for c in without if c])))
    return Finding(text, "interaction" if changes else "", "plain", _tested(WHOLE, additive[0].gap, results))


def _scores(ones: Sequence[Additive]) -> str:
    """``in scale (0.400 with, 0.200 without)``; without a name where there is one component alone."""
    numbers = [
        say("({score} with, {without} without)", score=number(one.score.mean), without=number(one.projected.mean))
        for one in ones
    ]
    if ones[0].component is None:
        return numbers[0]
    named = [
        say("{component} {scores}", component=one.component, scores=scores)
        for one, scores in zip(ones, numbers, strict=True)
    ]
    return say("in {components}", components=listing(named))


def _tested(what: str, test: Test | None, results: StudyResults) -> str:
    """A test in numbers; empty where there is none.

    Args:
        what: one of the marked texts above, with an ``amount`` (signed) or a ``change`` (worse or better).
    """
    if test is None or not test.paired.n:
        return ""
    e, level = test.estimate, percent(1 - results.study.alpha)
    text = say(what, amount=number(e.mean, signed=True), change=_loses(e.mean))
    if e.n < 2:
        return say("{text} (1 repeat).", text=text)
    return say(
        "{text} ({level} interval {edges}, n = {n}, {p} corrected for {family} tests).",
        text=text,
        level=level,
        edges=interval(e.low, e.high),
        n=e.n,
        p=f"p = {probability(test.p, test.alpha)}".replace("= below", "below"),
        family=test.family,
    )


def _loses(difference: float) -> str:
    if difference == 0:
        return say("no difference")
    return say("worse by {size}" if difference > 0 else "better by {size}", size=number(abs(difference)))
