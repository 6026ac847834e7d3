"""What a report may and may not say of scores that training code of the user's own has made."""

from __future__ import annotations

from experiments.foreign.source import OwnTraining
from reports.numbers import counted, listing, percent
from reports.records.origin import Foreign
from studies.runner import CommandRunner, Splits


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
        split_known=runner.split != "unknown",
        covers=covers(training),
        leaves_open=_LEAVES_OPEN[runner.split],
        notes=(
            ("Training code", f"{code_text(training)}, digest {training.source.digest}"),
            ("Test items", split_text(training)),
        ),
    )


_LEAVES_OPEN: dict[Splits, str] = {
    "shared": "",
    "by_repeat": "Not shown: that the same holds on other data, or with other settings than this study's.",
    "unknown": (
        "Shown for new seeds of this training code. Not shown: that the same holds for other test items, on other "
        "data, or with other settings than this study's."
    ),
}
"""What a verdict of better or worse leaves open."""


def code_text(training: OwnTraining) -> str:
    """The training code in one line."""
    runner, source = training.runner, training.source
    what = runner.command if isinstance(runner, CommandRunner) else runner.function
    known = (
        f"source {listing(source.files)}" if len(source.files) <= SHOWN else counted(len(source.files), "source file")
    )
    return f"{what} (in {source.folder}; {known if source.files else 'no source file known, so changes go unnoticed'})"


SHOWN = 4
"""At most this many source files are listed by name."""


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
