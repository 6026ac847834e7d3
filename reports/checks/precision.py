"""The check of fewer bits in products: whether a verdict may be about precision instead of about arms."""

from __future__ import annotations

from mmcore.language import later, say
from reports.checks.evidence import Evidence, Found, quoted, some, warn_if
from reports.checks.factors import factors
from reports.checks.rule import Rule
from reports.numbers import counted, prose

_PATH = "training.precision"

SHARE = 0.25
"""Share of the margin from which on a change by rounding is visible in verdicts."""


def precision(evidence: Evidence) -> Found:
    """Comparisons in which precision differs besides something else, and models whose predictions rounding changes."""
    return warn_if(bool(found := [*_mixed(evidence), *_visible(evidence)]), lambda: prose(*found))


def _mixed(evidence: Evidence) -> list[str]:
    study = evidence.study
    differing = {pair: factors(study, *pair) for pair in study.known_pairs}
    mixed = [
        say(
            "'{arm}' ({one}) against '{against}' ({other})",
            arm=arm,
            one=_of(evidence, arm),
            against=against,
            other=_of(evidence, against),
        )
        for (arm, against), found in differing.items()
        if _PATH in found and len(found) > 1
    ]
    if not mixed:
        return []
    return [say("Arms differ in precision and in something else: {mixed}.", mixed=some(mixed))]


def _of(evidence: Evidence, arm: str) -> str:
    return evidence.study.arm(arm).config.training.precision


def _visible(evidence: Evidence) -> list[str]:
    margin, metric = evidence.study.margin, evidence.study.metric.name
    if margin is None:
        return []
    # The margin is in units of the study's metric: of an epoch chosen by another one, nothing can be said.
    changes = [
        (run.arm, abs(run.rounding.change))
        for run in evidence.results.done
        if run.rounding is not None and run.rounding.metric == metric
    ]
    large = [(arm, change) for arm, change in changes if change > SHARE * margin]
    if not large:
        return []
    arms = list(dict.fromkeys(arm for arm, _ in large))
    return [
        say(
            "Rounding changes the validation {metric} of {runs} by up to {most:.4f}, where the margin is {margin:g}: "
            "{arms}.",
            metric=metric,
            runs=counted(len(large), "run"),
            most=max(change for _, change in large),
            margin=margin,
            arms=quoted(arms),
        )
    ]


PRECISION_RULES = (
    Rule(
        "ABL045",
        later("Precision takes part in a verdict"),
        "Two arms that are compared differ in training.precision and in another setting as well; or a trained model "
        f"scores differently in fp32, with the same weights and validation items, by more than {SHARE:.0%} of the "
        "study's margin. A comparison of arms that differ in precision alone is about precision, and passes.",
        later(
            "Fewer bits in products change what a model learns and predicts. A difference between arms may then be "
            "one of rounding. What rounding does to training cannot be seen in a single run: the catalogue's study "
            "`precision` measures it."
        ),
        later("Train all arms in one precision. If rounding is visible, set training.precision to fp32."),
        precision,
    ),
)
