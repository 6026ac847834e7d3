"""Checks of how training went, from the history of every run that finished."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmcore.language import say
from reports.checks.evidence import Evidence, Found, not_applicable, not_run, some, warn_if
from reports.numbers import counted, number, percent, prose

CLIPPED = 0.5
"""Share of steps whose gradient was clipped, above which clipping is the rule and no longer the exception."""

STILL_GAINS = 0.05
"""Share of all that validation skill gained since the first epoch which the last quarter of the epochs may bring."""

STILL_GAINS_SKILL = 0.005
"""Skill that the last quarter must bring to count at all: below this it is the jitter of a curve at its end."""

LEAST_EPOCHS = 4
"""A training must have quarters before its last one can be judged."""

RISES = 1.1
"""Validation loss of the last epoch over its minimum, from which on it has risen for more than jitter."""

GAP = 0.2
"""What is left of validation loss less what is left of training loss at the scored epoch, both as shares of the first
epoch's, from which on a model learns its training items rather than the task. Of two items learned by heart about 0.25
is measured (the seed experiment's smaller network); up to 0.15 where a network learns what there is to learn."""

SATURATED = 0.5
"""Share of a gate's values that are stuck, above which the gate is a constant in most of what it decides."""


def diverged(evidence: Evidence) -> Found:
    """Runs that a loss or a gradient without a finite value ended."""
    if not evidence.results.runs:
        return not_run(say("There is no run."))
    counts: dict[str, int] = {}
    for run in evidence.results.runs:
        if run.failure is not None and run.failure.error.startswith("TrainingDiverged"):
            counts[run.arm] = counts.get(run.arm, 0) + 1
    runs = [say("{n} of '{arm}'", n=n, arm=arm) for arm, n in counts.items()]
    return warn_if(
        bool(runs), lambda: say("A loss or gradient became NaN or infinite in runs: {runs}.", runs=some(runs))
    )


def clipped(evidence: Evidence) -> Found:
    """Arms whose gradients were clipped in most steps, with the norm that they have unclipped."""
    limits = {arm.name: arm.config.training.clip_norm for arm in evidence.study.arms}
    if all(limit is None for limit in limits.values()):
        return not_applicable(say("No arm clips gradients."))
    curves = evidence.having("clipped", "gradient_norm")
    found = []
    for arm, runs in curves.items():
        share = float(np.mean([run.mean("clipped") for run in runs]))
        if share > CLIPPED:
            norm = float(np.mean([run.mean("gradient_norm") for run in runs]))
            found.append(
                say(
                    "{share} in '{arm}' (mean norm {norm}, limit {limit:g})",
                    share=percent(round(share, 2)),
                    arm=arm,
                    norm=number(norm),
                    limit=limits[arm],
                )
            )
    if not curves:
        return not_run(say("No finished run recorded its gradients."))
    return warn_if(bool(found), lambda: say("Share of steps that were clipped: {found}.", found=some(found)))


def rising_rate(evidence: Evidence) -> Found:
    """Arms with a run whose learning rate was higher at the end of its last epoch than an epoch earlier."""
    judged, rising = False, []
    for arm, runs in evidence.having("learning_rate").items():
        rates = [run["learning_rate"][-2:] for run in runs if run.epochs > 1]
        judged = judged or bool(rates)
        up = [(before, last) for before, last in rates if last > before]
        if up:
            before, last = up[0]
            rising.append(
                say(
                    "from {before:.3g} to {last:.3g} in {n_up} of {n_runs} runs of '{arm}'",
                    before=before,
                    last=last,
                    n_up=len(up),
                    n_runs=len(runs),
                    arm=arm,
                )
            )
    if not judged:
        return not_run(say("No finished run has two epochs."))
    return warn_if(
        bool(rising), lambda: say("In the last epoch the learning rate rose {rising}.", rising=some(rising, 3))
    )


def not_converged(evidence: Evidence) -> Found:
    """Arms most of whose runs still gained clearly in the last quarter of their epochs."""
    judged, gaining = False, []
    stopped = {(r.arm, r.repeat) for r in evidence.results.runs if r.stopped_early}
    for arm, runs in evidence.having("validation/skill").items():
        # A run that was stopped for lack of gains has answered the question.
        long = [r for r in runs if r.epochs >= LEAST_EPOCHS and (arm, r.repeat) not in stopped]
        gains = [gain for gain in (late_gain(run["validation/skill"]) for run in long) if gain is not None]
        judged = judged or bool(gains)
        still = [skill for skill, share in gains if share > STILL_GAINS and skill > STILL_GAINS_SKILL]
        if len(still) > len(gains) / 2:
            gain = float(np.mean(still))
            gaining.append(
                say(
                    "'{arm}' in {n_still} of {n_gains} runs (skill {gain} on average)",
                    arm=arm,
                    n_still=len(still),
                    n_gains=len(gains),
                    gain=number(gain, True),
                )
            )
    if not judged:
        return not_run(
            say(
                "No run was trained to the end over {epochs} epochs or more with a validation skill.",
                epochs=LEAST_EPOCHS,
            )
        )
    return warn_if(
        bool(gaining), lambda: say("Still gaining in the last quarter of the epochs: {gaining}.", gaining=some(gaining))
    )


def late_gain(skill_E: np.ndarray) -> tuple[float, float] | None:
    """What the last quarter of a run's epochs added to the best validation skill before it: as skill, and as a share of
    all that was gained since the first epoch. None where a skill is missing.

    Args:
        skill_E: on the validation items by epoch, at least :data:`LEAST_EPOCHS`.
    """
    if not np.isfinite(skill_E).all():
        return None
    before, late = np.split(skill_E, [len(skill_E) - len(skill_E) // 4])
    gain = max(0.0, float(late.max() - before.max()))
    whole = float(skill_E.max() - skill_E[0])
    return gain, gain / whole if whole > 0 else 0.0


def over_fitting(evidence: Evidence) -> Found:
    """Arms in most of whose runs training loss left validation loss behind, or fell while that rose again.

    Each run is judged by itself, on :func:`courses`: a side with harder items, or a component whose outliers decide the
    sum of losses, is not over-fitting. Runs without such curves are left out.
    """
    best = {(r.arm, r.repeat): r.best_epoch for r in evidence.results.runs}
    judged, rose, apart = False, [], []
    for arm, runs in evidence.having("train/loss", "validation/loss").items():
        known = [(run, monitoring) for run in runs if (monitoring := courses(run.columns)) is not None]
        judged = judged or bool(known)
        rises = sum(_rises(*monitoring) for _, monitoring in known)
        if rises > len(known) / 2:
            rose.append(say("'{arm}' in {rises} of {runs}", arm=arm, rises=rises, runs=counted(len(known), "run")))
        at_best = [
            (train_E[at], validation_E[at])
            for run, (train_E, validation_E) in known
            if 0 <= (at := int(best[arm, run.repeat] or 1) - 1) < len(train_E)
        ]
        far = [(train, validation) for train, validation in at_best if validation - train > GAP]
        if len(far) > len(known) / 2:
            left = [percent(round(float(share), 2)) for share in np.mean(far, axis=0)]
            apart.append(
                say(
                    "{training} against {validation} in '{arm}' ({n_far} of {runs})",
                    training=left[0],
                    validation=left[1],
                    arm=arm,
                    n_far=len(far),
                    runs=counted(len(known), "run"),
                )
            )
    if not judged:
        return not_run(say("No finished run recorded its losses."))

    def text() -> str:
        sentences = []
        if apart:
            sentences.append(
                say(
                    "Share of the first epoch's loss that is left at the scored epoch, training against validation: "
                    "{apart}.",
                    apart=some(apart),
                )
            )
        if rose:
            sentences.append(
                say(
                    "Validation loss rose by over {share} while training loss fell: {rose}.",
                    share=percent(round(RISES - 1, 3)),
                    rose=some(rose),
                )
            )
        return prose(*sentences)

    return warn_if(bool(rose or apart), text)


def courses(run: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray] | None:
    """Training and validation loss of a run by epoch, as shares of the first epoch's, mean over its components.

    So both sides begin at 1 however hard their items are, and all components count alike whatever their scale. Without
    losses by component the sums are taken. Components whose first loss is not above 0 or that lack an epoch are left
    out; None where none is left.

    Args:
        run: the columns of its history, one number an epoch.
    """
    names = [name for name in run if name.startswith("train/loss/")]
    pairs = [(name, name.replace("train/", "validation/", 1)) for name in names or ["train/loss"]]
    shares = []
    for pair in pairs:
        if all(name in run for name in pair):
            loss_E2 = np.stack([run[name] for name in pair], axis=1)
            if np.isfinite(loss_E2).all() and (loss_E2[0] > 0).all():
                shares.append(loss_E2 / loss_E2[0])
    if not shares:
        return None
    mean_E2 = np.mean(shares, axis=0)
    return mean_E2[:, 0], mean_E2[:, 1]


def saturated(evidence: Evidence) -> Found:
    """Gates that are stuck open or shut most of the time, as mean over an arm's finished runs."""
    known = [(run.arm, run.gates) for run in evidence.results.done if run.gates is not None]
    if not known:
        return not_run(say("No finished run measured its gates."))
    shares: dict[tuple[str, str], list[float]] = {}
    for arm, gates in known:
        for gate, use in sorted(gates.items()):
            shares.setdefault((arm, gate), []).append(use.saturated)
    if not shares:
        return not_applicable(say("No arm fuses by gates."))
    means = {key: float(np.mean(found)) for key, found in shares.items()}
    stuck = [
        say("{m} of '{gate}' in '{arm}'", m=percent(round(m, 2)), gate=gate, arm=arm)
        for (arm, gate), m in means.items()
        if m > SATURATED
    ]
    return warn_if(
        bool(stuck), lambda: say("Gate values that are stuck on validation windows: {stuck}.", stuck=some(stuck))
    )


def _rises(train_E: np.ndarray, validation_E: np.ndarray) -> bool:
    lowest = int(validation_E.argmin())
    return bool(validation_E[-1] > RISES * validation_E[lowest] and train_E[-1] < train_E[lowest])
