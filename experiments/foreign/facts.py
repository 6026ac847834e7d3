"""What a report may and may not say of scores that training code of the user's own has made."""

from __future__ import annotations

from experiments.planning.request import OwnTraining
from reports.numbers import counted, percent
from reports.records.origin import Foreign


def foreign_facts(training: OwnTraining) -> Foreign:
    """What is known of a runner's scores: by its settings, nothing else."""
    runner = training.runner
    share = runner.test_share or 0.0
    return Foreign(
        called="this runner",
        ran=True,
        pairing="Arms are paired by repeat: the training code gets the same number, its seed, in every arm.",
        shared=runner.split == "shared",
        overlap=share / (1 - share),
        left_out=share / (1 - share),
        covers=covers(training),
        notes=(
            ("training code", f"{counted(len(training.source.files), 'file')}, digest {training.source.digest}"),
            ("test items", split_text(training)),
        ),
    )


def split_text(training: OwnTraining) -> str:
    """How training code divides items, in a few words."""
    match training.runner.split:
        case "shared":
            return "the same in every repeat, says the study"
        case "by_repeat":
            return f"{percent(training.runner.test_share or 0.0)} drawn by each repeat, says the study"
        case "unknown":
            return "not known for this runner"


def covers(training: OwnTraining) -> str:
    """Which variation the intervals cover, and which they do not."""
    unseen = (
        "mmstudy cannot see whether test items were read during training, or whether the training code uses the "
        "repeat in every arm alike."
    )
    match training.runner.split:
        case "shared":
            return (
                "The study says that every repeat tests the same items. Intervals of arms cover what the seed of the "
                "training code decides. Without scores by item a verdict holds for these items alone. " + unseen
            )
        case "by_repeat":
            return (
                "The study says that each repeat draws its own test items. Intervals cover this draw and what else the "
                f"seed of the training code decides. {unseen} No verdict covers other data."
            )
        case "unknown":
            return (
                "Verdicts are about new seeds of this training code: intervals cover what its seed decides. It is not "
                "known whether the seed also draws the test items, so no verdict claims anything about new items. "
                + unseen
            )
