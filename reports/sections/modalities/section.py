"""The section about modalities: which are useful, which are used, and which need one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, get_args

from reports.model.section import Finding, Section, Tone
from reports.numbers import interval, listing, number, percent, probability
from reports.records.frame import StudyResults
from reports.sections.arms.shown import shown_arms
from reports.sections.family import Test
from reports.sections.modalities.dossier import Additive, Dossier, Pair, Part, Used, Useful
from reports.sections.modalities.masked import WORDS, Masked
from reports.sections.modalities.tables import tables
from reports.sections.modalities.tests import assess
from reports.sections.yardstick import Yardstick
from reports.verdicts.dominance import Dominance

MOST_NAMED = 8
"""Disagreements and pairs that are described one by one; the tables have all."""
PLACEBO = "Against a placebo of the same size"
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
        title="What each modality does",
        question=_question(found),
        lead=_lead(results, found),
        findings=tuple(finding for dossier in dossiers for finding in _findings(results, dossier, len(found) > 1)),
        figures=("modality_effects", "modality_interplay", "modality_additive", "modality_masks"),
        tables=tables(results, found),
        limits=_limits(results, found),
    )


def shown_dossiers(results: StudyResults, found: Sequence[Dossier]) -> list[Dossier]:
    """The dossiers for words and pictures; the tables have all."""
    names = shown_arms(results, [d.arm for d in found])
    return [d for d in found if d.arm in names]


def _question(found: Sequence[Dossier]) -> str:
    trained, masked = any(d.lattice or d.controlled for d in found), any(d.main for d in found)
    if trained and masked:
        return "Which modalities are useful, which does the trained model use, and which need one another?"
    return f"Which modalities {'are useful' if trained else 'does the trained model use'}, and which need one another?"


def _lead(results: StudyResults, found: Sequence[Dossier]) -> str:
    parts = []
    if any(d.controlled for d in found):
        parts.append(
            "Useful: models retrained with a placebo of the modality score worse. The placebo is the same modality "
            "from another item: it needs as many parameters and operations but carries no information, so size cannot "
            "explain a difference."
        )
    if any(d.lattice and not d.controlled for d in found):
        parts.append(
            "Useful: models retrained without the modality score worse, although they could learn from the others "
            "whatever these have in common with it."
        )
    if any(d.main for d in found):
        way = next(d.way(d.main) for d in found if d.main)
        parts.append(
            f"Used: the trained model scores worse if the modality is masked, here by {way}; nothing is retrained. "
            "A model may use a modality that it could do without, and the other way round."
        )
    if any(d.lattice and d.lattice.complete for d in found):
        parts.append(
            "A modality's share (Shapley) is what it adds on average over all orders of adding modalities one by one, "
            "starting from a prediction that reads nothing. Two modalities that each bring something work together "
            "if both bring more than the sum of what each brings, and overlap if they bring less. If they "
            "bring less and not each is shown to bring something, they hinder each other."
        )
    if any(d.additive for d in found):
        parts.append(
            "The score of a model without any interaction of modalities (EMAP) shows how much of its score needs "
            "interaction."
        )
    parts.append(f"{Yardstick.of(results).sentence()} Differences are paired by repeat.")
    return " ".join(parts)


def _findings(results: StudyResults, dossier: Dossier, several: bool) -> list[Finding]:
    of = f" of '{dossier.arm}'" if several else ""
    findings = [found for name in dossier.modalities if (found := _about(results, dossier, name, of)) is not None]
    odd = [part for part in dossier.parts if part.disagreement]
    for part in _largest(odd, lambda part: part.drop):
        findings.append(
            Finding(
                f"'{part.modality}'{of} {part.disagreement}{_for(part.component)}.", "disagreement", "open",
                " ".join(sentence for sentence in (
                    _tested(PLACEBO, part.placebo, results, "it gains"),
                    _tested("Trained without it", part.gain, results),
                    _tested("Masked", part.drop, results),
                ) if sentence),
            )
        )  # fmt: skip
    pairs = [pair for pair in dossier.pairs if pair.word in ("together", "overlap", "hinder")]
    findings += [_paired(results, pair) for pair in _largest(pairs, lambda pair: pair.retrained)]
    additive = _needs(results, dossier.additive, of)
    return findings + ([additive] if additive else [])


def _largest(candidates: Sequence[T], test: Callable[[T], Test | None]) -> list[T]:
    """Those with the largest effects, in the order given."""

    def size(one: T) -> float:
        found = test(one)
        return abs(found.estimate.mean) if found else 0.0

    least = sorted(map(size, candidates), reverse=True)[:MOST_NAMED][-1:]
    return [one for one in candidates if size(one) >= least[0]] if least else []


def _about(results: StudyResults, dossier: Dossier, name: str, of: str) -> Finding | None:
    """One modality, first over all components, then by component; None where no question about it has an answer."""
    whole = dossier.part(name, None)
    rest = [p for p in dossier.parts if p.modality == name and p.component is not None]
    label = whole.useful or whole.used or ""
    opening = _opening(whole, f"'{name}'", of)
    sentences = [opening] if opening else []
    for order, words, start in (
        (get_args(Useful), [(p.useful, p.component) for p in rest], "By component it is"),
        (get_args(Used), [(p.used, p.component) for p in rest], _by_component(rest if not opening else [whole])),
    ):
        by_word = {word: [c for w, c in words if w == word and c is not None] for word in order}
        listed = "; ".join(f"{word} for {listing(of_word)}" for word, of_word in by_word.items() if of_word)
        if listed:
            start = start if sentences else f"By component '{name}'{of} is"
            sentences.append(f"{start} {listed}.")
    if not sentences:
        return None
    evidence = [
        _tested(PLACEBO, whole.placebo, results, "it gains"),
        _tested("Trained without it", whole.gain, results),
        _tested("Share", whole.share, results, "is"),
        _tested("Masked", whole.drop, results),
    ]
    return Finding(" ".join(sentences), label, TONES.get(label, "plain"), " ".join(t for t in evidence if t))


def _by_component(before: Sequence[Part]) -> str:
    return "In the trained model it is" if any(part.useful for part in before) else "By component it is"


def _opening(part: Part, name: str, of: str) -> str:
    """The words over all components, as a sentence; empty where there are none."""
    anew = "trained without it" if part.placebo is None else "trained with a placebo of the same size in its place"
    useful = {
        "useful": f"is useful: models {anew} score worse",
        "redundant": "is redundant: it helps, but not beyond what the others bring as well",
        "partly redundant": "is at least partly redundant: the others also bring part of what it brings, and "
        "it is not shown whether it helps beyond them",
        "harmful": f"is harmful: models {anew} score better",
        "not needed": f"is not needed: models {anew} score the same",
        "differs by component": f"differs by component: {_why(part.gain_of)}",
        "not shown": "is not shown to be useful or useless",
        None: "",
    }[part.useful]
    used = {
        "used": "uses it",
        "misleading": "does better with it masked",
        "not used": "does not use it",
        "differs by component": f"uses it differently by component: {_why(part.drop_of)}",
        "not shown": "is not shown to use it",
        None: "",
    }[part.used]
    if useful:
        return f"{name}{of} {useful}" + (f", and the trained model {used}." if used else ".")
    return f"The trained model{of} {used.replace('it', name, 1)}." if used else ""


def _why(made_of: Dominance | None) -> str:
    """Why there is no word for all components together."""
    if made_of is None:
        return ""
    if made_of.disagree:
        return f"it helps {listing(made_of.better)} and harms {listing(made_of.worse)}"
    return f"{percent(round(made_of.share, 2))} of the effect is on {made_of.component}"


def _paired(results: StudyResults, pair: Pair) -> Finding:
    both = f"'{pair.one}' and '{pair.other}'"
    text = {
        "together": f"{both} work together{_for(pair.component)}: both bring more than the sum of what each brings.",
        "overlap": f"{both} overlap{_for(pair.component)}: what one brings, the other brings in part as well.",
        "hinder": f"{both} hinder each other{_for(pair.component)}: both bring less than the sum of what each brings.",
    }[pair.word or ""]
    return Finding(text, pair.word or "", "plain", _tested("Interaction index", pair.retrained, results, "is"))


def _needs(results: StudyResults, additive: Sequence[Additive], of: str) -> Finding | None:
    """How much of the score needs any interaction."""
    parts = [one for one in additive if one.component is not None] or list(additive)
    needing = [one for one in parts if one.gap.sign > 0]
    harmed = [one for one in parts if one.gap.sign < 0]
    without = [one.component for one in parts if one.component is not None and one.gap.none]
    if not additive:
        return None
    changes = [f"{verb} {_scores(ones)}" for verb, ones in (("score worse", needing), ("score better", harmed)) if ones]
    text = (
        f"Without any interaction of modalities the trained model{of} would {' and '.join(changes)}."
        if changes
        else f"It is not shown that the trained model{of} needs any interaction of modalities."
    )
    if without:
        text += f" It needs none for {listing([c for c in without if c])}."
    return Finding(text, "interaction" if changes else "", "plain", _tested("The whole", additive[0].gap, results))


def _scores(ones: Sequence[Additive]) -> str:
    """``in scale (0.400 with, 0.200 without)``; without a name where there is one component alone."""
    numbers = [f"({number(one.score.mean)} with, {number(one.projected.mean)} without)" for one in ones]
    if ones[0].component is None:
        return numbers[0]
    return f"in {listing([f'{one.component} {scores}' for one, scores in zip(ones, numbers, strict=True)])}"


def _for(component: str | None) -> str:
    return "" if component is None else f" for {component}"


def _tested(what: str, test: Test | None, results: StudyResults, verb: str = "") -> str:
    """A test in numbers; empty where there is none."""
    if test is None or not test.paired.n:
        return ""
    e, level = test.estimate, percent(1 - results.study.alpha)
    amount = f"{verb} {number(e.mean, signed=True)}" if verb else _loses(e.mean)
    text = f"{what}: {amount}".replace(": is ", " ")
    if e.n < 2:
        return f"{text} (1 repeat)."
    p = f"p = {probability(test.p, test.alpha)}".replace("= below", "below")
    return f"{text} ({level} interval {interval(e.low, e.high)}, n = {e.n}, {p} corrected for {test.family} tests)."


def _loses(difference: float) -> str:
    if difference == 0:
        return "no difference"
    return f"{'worse' if difference > 0 else 'better'} by {number(abs(difference))}"


def _limits(results: StudyResults, found: Sequence[Dossier]) -> str:
    limits = []
    blind = next((d.lattice.blind for d in found if d.lattice and d.lattice.complete), None)
    if blind:
        limits.append(
            f"No model can be trained without any modality: the naive predictor '{blind}', which reads nothing, takes "
            "its place in shares and interactions."
        )
    if any(d.lattice and not d.lattice.complete for d in found):
        limits.append("Not every subset of modalities was trained: shares and interactions are missing.")
    if any(d.controlled for d in found):
        limits.append(
            "With a placebo, the same items lack the modality as before: it shows what the values of the modality "
            "bring, not what its absence reveals."
        )
    if not any(d.masked for d in found):
        limits.append("What the trained models use was not analysed; mmstudy analyse STUDY coalitions does it.")
    if any(d.masked and d.masked.sampled for d in found):
        limits.append("Shares of masked modalities are estimates from random orders; their interactions are missing.")
    if any(d.masked and d.masked.single_donor for d in found):
        limits.append(
            "In some repeat a test item has only one other item to take values from: the score without interaction "
            "cannot be computed there."
        )
    alone = sorted({name for d in found if d.masked for name in d.masked.alone})
    if alone:
        limits.append(f"In some repeat a single test item has {listing(alone)}: nothing could be permuted there.")
    if any(d.main for d in found):
        limits.append(
            "Masked inputs are unlike the training data, and a model may do badly on them for that reason "
            "alone. Ways of masking are therefore shown side by side: a difference between them is a warning."
        )
    limits += dict.fromkeys(_absence(d.masked) for d in found if d.masked and "absent" in d.masked.absences)
    if results.study.margin is None:
        limits.append("The study sets no margin, so 'redundant', 'not needed', 'not used' and 'apart' cannot be shown.")
    elif any(d.yardstick.margin_of(c) is None for d in found for c in d.components):
        limits.append(f"The margin is for {Yardstick.of(results).title}; no component has its own.")
    limits.append(
        "Words are corrected for the number of tests: tests on the study's metric are one family and tests on "
        f"components another, and the chance of any false word is at most {percent(results.study.alpha)} if no "
        "modality does anything."
    )
    if len(found) > 1 and len(shown_dossiers(results, found)) < len(found):
        limits.append("Words and pictures are about the reference and the best arm; the tables have all arms.")
    return " ".join(one for one in limits if one)


def _absence(masked: Masked) -> str:
    """What stood for a modality that was marked absent; empty where no answer says it."""
    if masked.learned is None:
        return (
            f"'{WORDS['absent'].capitalize()}': the modality is left out, as if an item lacked it; no embedding of "
            "absence is learned with model.absence: zero."
            if masked.zero_absence
            else ""
        )
    shares = [(name, share) for name, share in masked.learned.items() if share]
    trained = listing([f"{percent(float(f'{share:.2g}'))} for {name}" for name, share in shares])
    text = "A learned embedding stands for a modality that is marked absent"
    if trained:
        text += (
            f"; it was trained at the steps of training windows that lack the modality ({trained}), in the "
            "combinations that occur there"
        )
    never = [name if not masked.learned[name] else f"{name} (in some repeats)" for name in masked.untrained]
    if never:
        text += (
            f". For {listing(never)} it was never trained, because no training window lacks "
            f"{'it' if len(never) == 1 else 'them'}: what the model predicts there is not what it learned about absence"
        )
    return f"{text}."
