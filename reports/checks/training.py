"""Checks of how training went, from the history of every run that finished."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from reports.checks.evidence import Evidence, Found, not_applicable, not_run, some, warn_if
from reports.numerals import number, percent

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

GAP = 1.25
"""Validation over training loss at the scored epoch, both as means over runs, from which on a model knows its training
items better than others."""

GAP_SHARE = 0.05
"""Share of the first epoch's validation loss that this gap must make up: two losses near 0 may differ by any factor."""

SATURATED = 0.5
"""Share of a gate's values that are stuck, above which the gate is a constant in most of what it decides."""


def diverged(evidence: Evidence) -> Found:
    """Runs that a loss or a gradient without a finite value ended."""
    if not evidence.results.run_rows:
        return not_run("There is no run.")
    counts: dict[str, int] = {}
    for run in evidence.results.run_rows:
        if run["status"] != "done" and (run["failure"] or "").startswith("TrainingDiverged"):
            counts[run["arm"]] = counts.get(run["arm"], 0) + 1
    runs = [f"{n} of '{arm}'" for arm, n in counts.items()]
    return warn_if(bool(runs), lambda: f"A loss or gradient became NaN or infinite in runs: {some(runs)}.")


def clipped(evidence: Evidence) -> Found:
    """Arms whose gradients were clipped in most steps, with the norm that they have unclipped."""
    limits = {arm.name: arm.config.training.clip_norm for arm in evidence.results.study.arms}
    if all(limit is None for limit in limits.values()):
        return not_applicable("No arm clips gradients.")
    curves = evidence.having("clipped", "gradient_norm")
    found = []
    for arm, runs in curves.items():
        share = float(np.mean([run["clipped"].mean() for run in runs]))
        if share > CLIPPED:
            norm = float(np.mean([run["gradient_norm"].mean() for run in runs]))
            found.append(f"{percent(round(share, 2))} in '{arm}' (mean norm {number(norm)}, limit {limits[arm]:g})")
    if not curves:
        return not_run("No finished run tells its gradients.")
    return warn_if(bool(found), lambda: f"Share of steps that were clipped: {some(found)}.")


def rising_rate(evidence: Evidence) -> Found:
    """Arms with a run whose learning rate was higher at the end of its last epoch than an epoch earlier."""
    judged, rising = False, []
    for arm, runs in evidence.having("learning_rate").items():
        rates = [run["learning_rate"].to_numpy(float)[-2:] for run in runs if len(run) > 1]
        judged = judged or bool(rates)
        up = [(before, last) for before, last in rates if last > before]
        if up:
            before, last = up[0]
            rising.append(f"from {before:.3g} to {last:.3g} in {len(up)} of {len(runs)} runs of '{arm}'")
    if not judged:
        return not_run("No finished run has two epochs.")
    return warn_if(bool(rising), lambda: f"In its last epoch the learning rate rose {some(rising, 3)}.")


def not_converged(evidence: Evidence) -> Found:
    """Arms most of whose runs still gained clearly in the last quarter of their epochs."""
    judged, gaining = False, []
    stopped = {(r["arm"], r["repeat"]) for r in evidence.results.run_rows if r["stopped_early"]}
    for arm, runs in evidence.having("validation/skill").items():
        # A run that was stopped for lack of gains has answered the question.
        long = [r for r in runs if len(r) >= LEAST_EPOCHS and (arm, r["repeat"].iloc[0]) not in stopped]
        gains = [gain for gain in (late_gain(run) for run in long) if gain is not None]
        judged = judged or bool(gains)
        still = [skill for skill, share in gains if share > STILL_GAINS and skill > STILL_GAINS_SKILL]
        if len(still) > len(gains) / 2:
            gain = float(np.mean(still))
            gaining.append(f"'{arm}' in {len(still)} of {len(gains)} runs (skill {number(gain, True)} on average)")
    if not judged:
        return not_run(f"No run was trained to the end over {LEAST_EPOCHS} epochs or more with a validation skill.")
    return warn_if(bool(gaining), lambda: f"In the last quarter of the epochs there still gained: {some(gaining)}.")


def late_gain(run: pd.DataFrame) -> tuple[float, float] | None:
    """What the last quarter of a run's epochs added to the best validation skill before it: as skill, and as a share of
    all that was gained since the first epoch. None where a skill is missing.

    Args:
        run: the history of one run, at least :data:`LEAST_EPOCHS` rows.
    """
    skill = run["validation/skill"].to_numpy(float)
    if not np.isfinite(skill).all():
        return None
    before, late = np.split(skill, [len(skill) - len(skill) // 4])
    gain = max(0.0, float(late.max() - before.max()))
    whole = float(skill.max() - skill[0])
    return gain, gain / whole if whole > 0 else 0.0


def over_fitting(evidence: Evidence) -> Found:
    """Arms whose validation loss rose again while training loss fell, or lies well above it at the scored epoch."""
    curves = evidence.having("train/loss", "validation/loss")
    best = {(r["arm"], r["repeat"]): r["best_epoch"] for r in evidence.results.run_rows}
    rose, apart = [], []
    for arm, runs in curves.items():
        rises = [run for run in runs if _rises(run)]
        if len(rises) > len(runs) / 2:
            rose.append(f"'{arm}' in {len(rises)} of {len(runs)} runs")
        at_best = [run.iloc[max(0, int(best[arm, run["repeat"].iloc[0]]) - 1)] for run in runs]
        train = float(np.mean([row["train/loss"] for row in at_best]))
        validation = float(np.mean([row["validation/loss"] for row in at_best]))
        first = float(np.mean([run["validation/loss"].iloc[0] for run in runs]))
        if validation > GAP * train and validation - train > GAP_SHARE * first:
            apart.append(f"{number(validation)} against {number(train)} in '{arm}'")
    if not curves:
        return not_run("No finished run tells its losses.")

    def text() -> str:
        told = []
        if apart:
            told.append(f"At the scored epoch, validation loss against training loss is {some(apart)}.")
        if rose:
            told.append(
                f"Validation loss rose by over {percent(round(RISES - 1, 3))} while training loss fell: {some(rose)}."
            )
        return " ".join(told)

    return warn_if(bool(rose or apart), text)


def saturated(evidence: Evidence) -> Found:
    """Gates that are stuck open or shut most of the time, as mean over an arm's finished runs."""
    known = [r for r in evidence.results.run_rows if r["status"] == "done" and r["gates"] is not None]
    if not known:
        return not_run("No finished run measured its gates.")
    shares: dict[tuple[str, str], list[float]] = {}
    for run in known:
        for gate, values in json.loads(run["gates"]).items():
            shares.setdefault((run["arm"], gate), []).append(values["saturated"])
    if not shares:
        return not_applicable("No arm fuses by gates.")
    means = {key: float(np.mean(found)) for key, found in shares.items()}
    stuck = [f"{percent(round(m, 2))} of '{gate}' in '{arm}'" for (arm, gate), m in means.items() if m > SATURATED]
    return warn_if(bool(stuck), lambda: f"Values of gates on validation windows that are stuck: {some(stuck)}.")


def _rises(run: pd.DataFrame) -> bool:
    validation, train = run["validation/loss"].to_numpy(float), run["train/loss"].to_numpy(float)
    if not np.isfinite(validation).all():
        return False
    lowest = int(validation.argmin())
    return bool(validation[-1] > RISES * validation[lowest] and train[-1] < train[lowest])
