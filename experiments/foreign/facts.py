"""What a report may and may not say of scores that training code of the user's own has made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from experiments.foreign.scores import judged_items
from experiments.foreign.source import OwnTraining
from experiments.relocation import shown
from mmcore.language import later, say
from mmcore.record import Record
from reports.numbers import counted, listing, percent, prose
from reports.records.origin import Foreign
from studies.resolved import AnyStudy
from studies.runner import AnyRunner, CommandRunner, Splits

USUAL_SHARE = 0.2
"""Share of the items that is taken to be tested where neither study nor scores say it."""


def judged(records: Sequence[Record], study: AnyStudy, training: OwnTraining) -> tuple[list[Record], Foreign]:
    """The records of a runner's study as reports read them, and what is known of their scores.

    Args:
        records: of the study; their items hold every score by item.
        study: with the metric whose items are read.
    """
    read = [replace(record, items=judged_items(record.items, study.metric)) for record in records]
    return read, foreign_facts(training, split_of(training.runner, read))


def split_of(runner: AnyRunner, records: Sequence[Record]) -> Splits:
    """How test items came about: as the study says; else, if every repeat scored the same items one by one, shared."""
    if runner.split != "unknown":
        return runner.split
    done = [record for record in records if record.done]
    tested = {frozenset(row.item for row in record.items) for record in done}
    alike = len({record.repeat for record in done}) > 1 and len(tested) == 1 and tested != {frozenset()}
    return "shared" if alike else "unknown"


def foreign_facts(training: OwnTraining, split: Splits) -> Foreign:
    """What is known of a runner's scores.

    Args:
        split: how their test items came about, see :func:`split_of`.
    """
    share = training.runner.test_share
    ratio = (share or USUAL_SHARE) / (1 - (share or USUAL_SHARE))
    return Foreign(
        called=later("this runner"),
        ran=True,
        pairing=say("Arms are paired by repeat: the training code gets the same number, its seed, in every arm."),
        shared=split == "shared",
        overlap=ratio if split == "by_repeat" else 0.0,
        left_out=0.0 if split == "unknown" else ratio,
        split_known=split != "unknown",
        covers=covers(training.runner, split),
        leaves_open=say(_LEAVES_OPEN[split]) if _LEAVES_OPEN[split] else "",
        notes=(
            (
                say("Training code"),
                say("{code}, digest {digest}", code=code_text(training), digest=training.source.digest),
            ),
            (say("Test items"), split_text(training.runner, split)),
        ),
    )


_LEAVES_OPEN: dict[Splits, str] = {
    "shared": "",
    "by_repeat": "",
    "unknown": later(
        "Shown for new seeds of this training code. Not shown: that the same holds for other test items, on other "
        "data, or with other settings than this study's."
    ),
}
"""What a verdict of better or worse leaves open; empty: what it leaves open for any scores."""


def code_text(training: OwnTraining) -> str:
    """The training code in one line."""
    runner, source = training.runner, training.source
    what = runner.command if isinstance(runner, CommandRunner) else runner.function
    known = (
        say("source {files}", files=listing(source.files))
        if len(source.files) <= SHOWN
        else counted(len(source.files), "source file")
    )
    known = known if source.files else say("no source file known, so changes go unnoticed")
    return say("{what} (in {folder}; {known})", what=what, folder=shown(source.folder), known=known)


SHOWN = 4
"""At most this many source files are listed by name."""


def split_text(runner: AnyRunner, split: Splits) -> str:
    """How training code divides items, in a few words."""
    match split:
        case "shared":
            return say("the same in every repeat, {seen}", seen=_seen(runner))
        case "by_repeat":
            return say("{share} drawn by each repeat, says the study", share=percent(runner.test_share or 0.0))
        case "unknown":
            return say("not known for this runner")


def _seen(runner: AnyRunner) -> str:
    """How it is known that all repeats test the same items."""
    return say("says the study") if runner.split == "shared" else say("as the scores by item show")


_UNSEEN = later(
    "mmstudy cannot see whether test items were read during training, nor whether the training code uses the repeat "
    "in every arm alike."
)


def covers(runner: AnyRunner, split: Splits) -> str:
    """Which variation the intervals cover, and which they do not."""
    match split:
        case "shared":
            return prose(
                say(
                    "Every repeat tests the same items ({seen}). Intervals of arms cover what the seed of the training "
                    "code decides. A verdict also holds for new items where scores by item show it; one “on these "
                    "items” holds for the tested items alone.",
                    seen=_seen(runner),
                ),
                ""
                if runner.test_share
                else say(
                    "The study does not say which share of all items is tested (test_share); {share} is assumed.",
                    share=percent(USUAL_SHARE),
                ),
                say(_UNSEEN),
            )
        case "by_repeat":
            return prose(
                say(
                    "The study says that each repeat draws its own test items. Intervals cover this draw and what else "
                    "the seed of the training code decides. Repeats share training items, so intervals use the "
                    "Nadeau–Bengio correction."
                ),
                say(_UNSEEN),
                say("No verdict covers other data."),
            )
        case "unknown":
            return prose(
                say(
                    "Verdicts are about new seeds of this training code: intervals cover what its seed decides. It is "
                    "not known whether the seed also draws the test items, so no verdict claims anything about new "
                    "items."
                ),
                say(_UNSEEN),
            )
