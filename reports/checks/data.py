"""Checks of what is predicted: whether it could be copied, looked up, or predicted without learning."""

from __future__ import annotations

import math

import pandas as pd

from mmcore.language import say
from reports.checks.evidence import Evidence, Found, not_applicable, not_run, quoted, some, warn_if
from reports.numbers import counted, listing, number, percent, prose
from reports.verdicts.naive import skill_of

QUIET = 0.2
"""Naive loss of an item over the mean of all, below which there is next to nothing to predict in it. Of two labels, the
usual one is below it where fewer than one item in 55 has the other: where a share q has that, the loss of the usual one
is about q, and the mean about q (1 − ln q)."""

MOST = 0.9
"""At a larger share of such test items, a few items decide a component's skill."""


def leaky(evidence: Evidence) -> Found:
    """A task whose answer stands in the input."""
    corpus = evidence.results.corpus
    if not corpus.content:
        return not_run(say("No run opened its corpus."))
    copied = [skill for run in evidence.results.runs if (skill := run.leakage.copy_skill) is not None]
    return warn_if(
        corpus.leaky,
        lambda: prose(
            say("Task {task} is leaky: its targets are the steps that the model reads.", task=corpus.task),
            say("Measured: copying the input has a skill of up to {copied}.", copied=number(max(copied)))
            if copied
            else "",
        ),
    )


def nothing_to_predict(evidence: Evidence) -> Found:
    """Components in which no score exists, or in which nearly all test items are alike."""
    if evidence.results.scores.empty:
        return not_run(say("No run finished."))
    components = evidence.nothing_to_predict
    quiet = quiet_shares(evidence.results.items)
    still = [
        say("{share} of the test items in {component}", share=percent(round(share, 3)), component=component)
        for component, share in quiet.items()
        if share > MOST and component not in components
    ]

    def text() -> str:
        sentences = []
        if components:
            sentences.append(
                say(
                    "In {components} the target never varies on the test items, or a naive prediction is "
                    "already perfect.",
                    components=listing(tuple(components)),
                )
            )
        if still:
            sentences.append(say("There is hardly anything to predict in {still}.", still=some(still)))
        return prose(*sentences)

    return warn_if(bool(components or still), text)


def quiet_shares(items: pd.DataFrame) -> dict[str, float]:
    """By component, the share of test items whose naive loss is below :data:`QUIET` of the mean over all of them.

    Args:
        items: losses by test item, see :class:`reports.records.frame.StudyResults`; an item counts once in each repeat
        that
            tests it, and not at all where no target of it counts. A component without a naive loss above 0 is left out.
    """
    once = items.drop_duplicates(["repeat", "item", "component"]).dropna(subset=["naive_loss"])
    shares: dict[str, float] = {}
    for component, rows in once.groupby("component", sort=False):
        loss = rows["naive_loss"].to_numpy(float)
        if loss.mean() > 0:
            shares[str(component)] = float((loss < QUIET * loss.mean()).mean())
    return shares


def divided_groups(evidence: Evidence) -> Found:
    """Groups with items on several sides of a split, as the runs counted them in the splits that they drew."""
    counted_by = [(run.repeat, n) for run in evidence.results.runs if (n := run.split.divided_groups) is not None]
    if not counted_by:
        return not_run(say("No run counted the groups on each side of its split."))
    divided = {repeat: n for repeat, n in counted_by if n > 0}
    splits = [
        say("{groups} in repeat {repeat}", groups=counted(n, "group"), repeat=repeat)
        for repeat, n in sorted(divided.items())
    ]
    return warn_if(bool(splits), lambda: say("On more than one side of the split are {splits}.", splits=some(splits)))


def twins(evidence: Evidence) -> Found:
    """Test items with a copy under another name on the training or validation side."""
    known = [twins for run in evidence.results.runs if (twins := run.split.twins) is not None]
    if not known:
        return not_run(say("No run looked for copies among its items."))
    copies = dict(pair for twins in known for pair in twins)
    pairs = [say("'{item}' is '{copy}'", item=item, copy=copy) for item, copy in copies.items()]
    return warn_if(
        bool(pairs),
        lambda: say(
            "{test_items} with a copy on another side of a split: {pairs}.",
            test_items=counted(len(pairs), "test item"),
            pairs=some(pairs, 3),
        ),
    )


def early_test(evidence: Evidence) -> Found:
    """Test items that a run had read when its epoch was chosen, as it counted them itself."""
    known = [(run.arm, n) for run in evidence.results.runs if (n := run.selection.test_windows_read) is not None]
    if not known:
        return not_run(say("No run counted the test windows that it read."))
    worst: dict[str, int] = {}
    for arm, n in known:
        worst[arm] = max(worst.get(arm, 0), n)
    early = [say("{windows} in '{arm}'", windows=counted(n, "window"), arm=arm) for arm, n in worst.items() if n > 0]
    return warn_if(
        bool(early),
        lambda: say("Windows of test items were read before the epoch was chosen: up to {early}.", early=some(early)),
    )


def forbidden(evidence: Evidence) -> Found:
    """Gradients of predictions with respect to inputs that they may not know, measured on trained models."""
    probed = [run for run in evidence.results.runs if run.leakage.windows is not None]
    if not probed:
        return not_run(say("No run probed its trained model."))
    measured = [(run.arm, size) for run in probed if (size := run.leakage.forbidden_gradient) is not None]
    if not measured:
        return not_applicable(say("In this task a prediction may know every step of its window."))
    worst: dict[str, float] = {}
    for arm, size in measured:
        worst[arm] = max(worst.get(arm, 0.0), abs(size))
    leaks = [say("{value:.2g} in '{arm}'", value=value, arm=arm) for arm, value in worst.items() if value != 0]
    return warn_if(
        bool(leaks),
        lambda: say(
            "Predictions change with inputs of steps that they may not know. Largest gradient: {leaks}.",
            leaks=some(leaks),
        ),
    )


def apart(evidence: Evidence) -> Found:
    """Streams whose times lie where no other stream of their item is, as alignment found them."""
    judged = [row for row in evidence.results.quality if row.apart is not None]
    if not judged:
        return not_run(say("The corpus's quality report does not say where streams meet: prepare it again."))
    listed = []
    for modality in dict.fromkeys(row.modality for row in judged):
        have = [row for row in judged if row.modality == modality and not row.missing]
        found = [row for row in have if row.apart]
        if found:
            items = (
                say("all items")
                if len(found) == len(have)
                else say("{n} of {items}", n=len(found), items=counted(len(have), "item"))
            )
            one = {"item": found[0].item, "apart": found[0].apart}
            listed.append(say("{modality} in {items} ({item}: {apart})", modality=modality, items=items, **one))
    return warn_if(bool(listed), lambda: say("Not where the other streams are: {listed}.", listed=some(listed, 3)))


def naive(evidence: Evidence) -> Found:
    """Arms whose skill is not shown to be above 0, and components on which that holds for every arm."""
    results = evidence.results
    known = {name: e for name in (a.name for a in evidence.arms) if not math.isnan((e := skill_of(results, name)).low)}
    if not known:
        return not_run(say("No arm has a skill with an interval."))
    below = [name for name, e in known.items() if e.low <= 0]
    hopeless = []
    for component in results.components:
        found = [e for name in known if not math.isnan((e := skill_of(results, name, component)).low)]
        if found and all(e.low <= 0 for e in found):
            hopeless.append(component)

    def text() -> str:
        sentences = []
        if below:
            sentences.append(
                say(
                    "{arm} is not shown to beat a naive prediction: the interval of the skill reaches 0 or below.",
                    arm=quoted(below),
                )
                if len(below) == 1
                else say(
                    "{arms} are not shown to beat a naive prediction: the interval of the skill reaches 0 or below.",
                    arms=quoted(below),
                )
            )
        if hopeless:
            sentences.append(say("On {hopeless} no arm is shown to have any skill.", hopeless=some(hopeless)))
        return prose(*sentences)

    return warn_if(bool(below or hopeless), text)
