"""What the section about modalities says before and after its findings: its question, how to read it, its limits."""

from __future__ import annotations

from collections.abc import Sequence

from mmcore.language import say
from reports.numbers import listing, percent, prose
from reports.records.frame import StudyResults
from reports.sections.modalities.dossier import Dossier
from reports.sections.modalities.masked import Masked
from reports.sections.yardstick import Yardstick


def question(found: Sequence[Dossier]) -> str:
    """What the section answers."""
    trained, masked = any(d.lattice or d.controlled for d in found), any(d.main for d in found)
    if trained and masked:
        return say("Which modalities are useful, which does the trained model use, and which need one another?")
    return say(
        "Which modalities are useful, and which need one another?"
        if trained
        else "Which modalities does the trained model use, and which need one another?"
    )


def lead(results: StudyResults, found: Sequence[Dossier]) -> str:
    """How it was measured, and what its words mean."""
    parts = []
    if any(d.controlled for d in found):
        parts.append(
            say(
                "Useful: models retrained with a placebo of the modality score worse. The placebo is the same modality "
                "from another item: it needs as many parameters and operations but carries no information, so size "
                "cannot explain a difference."
            )
        )
    if any(d.lattice and not d.controlled for d in found):
        parts.append(
            say(
                "Useful: models retrained without the modality score worse, although they could learn from the others "
                "whatever these have in common with it."
            )
        )
    if any(d.main for d in found):
        way = next(d.said_way(d.main) for d in found if d.main)
        parts.append(
            say(
                "Used: the trained model scores worse if the modality is masked, here by {way}; nothing is retrained. "
                "A model may use a modality that it could do without, and the other way round.",
                way=way,
            )
        )
    if any(d.lattice and d.lattice.complete for d in found):
        parts.append(
            say(
                "A modality's share (Shapley) is what it adds on average over all orders of adding modalities one by "
                "one, starting from a prediction that reads nothing. Two modalities that each bring something work "
                "together if both bring more than the sum of what each brings, and overlap if they bring less. If they "
                "bring less and not each is shown to bring something, they hinder each other."
            )
        )
    if any(d.additive for d in found):
        parts.append(
            say(
                "The score of a model without any interaction of modalities (EMAP) shows how much of its score needs "
                "interaction."
            )
        )
    return prose(*parts, Yardstick.of(results).sentence(), say("Differences are paired by repeat."))


def limits(results: StudyResults, found: Sequence[Dossier], shown: int) -> str:
    """What it does not show; ``shown``: how many of the dossiers words are about."""
    parts: list[str] = []
    blind = next((d.lattice.blind for d in found if d.lattice and d.lattice.complete), None)
    if blind:
        parts.append(
            say(
                "No model can be trained without any modality: the naive predictor '{blind}', which reads nothing, "
                "takes its place in shares and interactions.",
                blind=blind,
            )
        )
    if any(d.lattice and not d.lattice.complete for d in found):
        parts.append(say("Not every subset of modalities was trained: shares and interactions are missing."))
    if any(d.controlled for d in found):
        parts.append(
            say(
                "With a placebo, the same items lack the modality as before: it shows what the values of the modality "
                "bring, not what its absence reveals."
            )
        )
    if not any(d.masked for d in found):
        parts.append(say("What the trained models use was not analysed; mmstudy analyse STUDY coalitions does it."))
    if any(d.masked and d.masked.sampled for d in found):
        parts.append(
            say("Shares of masked modalities are estimates from random orders; their interactions are missing.")
        )
    if any(d.masked and d.masked.single_donor for d in found):
        parts.append(
            say(
                "In some repeat a test item has only one other item to take values from: the score without interaction "
                "cannot be computed there."
            )
        )
    alone = sorted({name for d in found if d.masked for name in d.masked.alone})
    if alone:
        parts.append(
            say("In some repeat a single test item has {alone}: nothing could be permuted there.", alone=listing(alone))
        )
    if any(d.main for d in found):
        parts.append(
            say(
                "Masked inputs are unlike the training data, and a model may do badly on them for that reason "
                "alone. Ways of masking are therefore shown side by side: a difference between them is a warning."
            )
        )
    parts += dict.fromkeys(_absence(d.masked) for d in found if d.masked and "absent" in d.masked.absences)
    if results.study.margin is None:
        parts.append(
            say("The study sets no margin, so 'redundant', 'not needed', 'not used' and 'apart' cannot be shown.")
        )
    elif any(d.yardstick.margin_of(c) is None for d in found for c in d.components):
        parts.append(say("The margin is for {metric}; no component has its own.", metric=Yardstick.of(results).title))
    parts.append(
        say(
            "Words are corrected for the number of tests: tests on the study's metric are one family and tests on "
            "components another, and the chance of any false word is at most {alpha} if no "
            "modality does anything.",
            alpha=percent(results.study.alpha),
        )
    )
    if len(found) > 1 and shown < len(found):
        parts.append(say("Words and pictures are about the reference and the best arm; the tables have all arms."))
    return prose(*parts)


def _absence(masked: Masked) -> str:
    """What stood for a modality that was marked absent; empty where no answer says it."""
    if masked.learned is None:
        if not masked.zero_absence:
            return ""
        return say(
            "'Marked absent': the modality is left out, as if an item lacked it; no embedding of absence is learned "
            "with model.absence: zero."
        )
    shares = [(name, share) for name, share in masked.learned.items() if share]
    trained = [
        say("{share} for {modality}", share=percent(float(f"{share:.2g}")), modality=name) for name, share in shares
    ]
    text = say(
        "A learned embedding stands for a modality that is marked absent; it was trained at the steps of training "
        "windows that lack the modality ({trained}), in the combinations that occur there."
        if trained
        else "A learned embedding stands for a modality that is marked absent.",
        trained=listing(trained),
    )
    never = [
        name if not masked.learned[name] else say("{name} (in some repeats)", name=name) for name in masked.untrained
    ]
    if not never:
        return text
    untrained = say(
        "For {never} it was never trained, because no training window lacks it: what the model predicts there is not "
        "what it learned about absence."
        if len(never) == 1
        else "For {never} it was never trained, because no training window lacks them: what the model predicts there "
        "is not what it learned about absence.",
        never=listing(never),
    )
    return prose(text, untrained)
