"""A plan as plain data, for ``--format json``."""

from __future__ import annotations

from collections import Counter
from typing import Any

from experiments import search_plan, stages
from experiments.costs import Costs
from experiments.foresight import prospects
from experiments.plan import Plan
from studies.resolved import ResolvedArm


def as_dict(plan: Plan) -> dict[str, Any]:
    """A plan as plain data; ``seconds`` is about the whole command, ``seconds_likely`` between which it may lie."""
    study, costs, fit = plan.asked.study, Costs(plan.asked.schema), plan.asked.fit
    states = Counter(run.state for run in plan.runs)
    return {
        "study": study.name,
        "question": study.question,
        "preset": study.preset,
        "preset_chosen_for_items": plan.asked.sized_by,
        "window": study.arm(study.reference).config.data.steps,
        "lengths": None if fit is None else fit.lengths.as_dict() | {"cut": fit.cut},
        "corpus": {"path": str(plan.asked.place.folder), "content": plan.asked.content},
        "metric": study.metric.name,
        "reference": study.reference,
        "comparisons": [list(pair) for pair in study.pairs],
        "repeats": study.repeats,
        "first_repeat": study.first_repeat,
        "match": None if study.match is None else study.match.model_dump(),
        "arms": [_arm(arm, costs) for arm in study.arms],
        "runs": {state: states.get(state, 0) for state in ("to do", "resume", "running", "done", "failed")},
        "workers": plan.workers,
        "threads": plan.threads,
        "seconds": round(plan.seconds, 1),
        "seconds_likely": [round(plan.outlook.low, 1), round(plan.outlook.high, 1)],
        "stages": stages.as_dict(plan.stages),
        "basis": plan.basis,
        "fingerprints": [
            {"arm": r.arm, "repeat": r.repeat, "fingerprint": r.fingerprint, "state": r.state} for r in plan.runs
        ],
        "verdicts": prospects(plan.asked).as_dict(),
        "warnings": [] if fit is None else list(fit.warnings),
        "sequential": _sequential(plan),
        "search": search_plan.as_dict(plan.searches, plan.asked),
    }


def _sequential(plan: Plan) -> dict[str, Any] | None:
    course, rule = plan.course, plan.asked.study.sequential
    if course is None or rule is None:
        return None
    return {
        "min": rule.min,
        "max": rule.max,
        "step": rule.step,
        "looks": list(course.taken),
        "waiting": course.waiting,
        "open": [list(pair) for pair in course.open],
        "runs_at_most": len(plan.runs) + len(plan.later),
        "seconds_at_most": round(plan.seconds_at_most, 1),
    }


def _arm(arm: ResolvedArm, costs: Costs) -> dict[str, Any]:
    told = {"name": arm.name, "overrides": arm.overrides}
    if arm.size is None:
        return told
    counts = {"parameters": costs(arm.config, "parameters"), "flops": costs(arm.config, "flops")}
    return told | counts | {"ratio": arm.size.ratio, "within": arm.size.within}
