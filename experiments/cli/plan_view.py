"""A plan as plain data, for ``--format json``."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from experiments.planning.costs import Costs
from experiments.planning.foresight import prospects
from experiments.planning.plan import Plan
from experiments.planning.request import Asked
from experiments.planning.search import PlannedSearch
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
        "lengths": None if fit is None else asdict(fit.lengths) | {"cut": fit.cut},
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
        "stages": [{"stage": s.name, "jobs": s.jobs, "seconds": round(s.seconds, 1)} for s in plan.stages],
        "basis": plan.basis,
        "fingerprints": [
            {"arm": r.arm, "repeat": r.repeat, "fingerprint": r.fingerprint, "state": r.state} for r in plan.runs
        ],
        "verdicts": prospects(plan.asked).as_dict(),
        "warnings": [] if fit is None else list(fit.warnings),
        "sequential": _sequential(plan),
        "search": _searches(plan.searches, plan.asked),
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


def _searches(planned: tuple[PlannedSearch, ...], asked: Asked) -> dict[str, Any] | None:
    search = asked.study.search
    if search is None:
        return None
    return {
        "objective": [one.name for one in search.objective],
        "sampler": search.sampler,
        "pruner": search.pruner,
        "budget": search.budget.model_dump(),
        "repeats": search.repeats,
        "best": search.best,
        "as_is": list(search.as_is),
        "complete": not asked.tunes,
        "searches": [
            {
                "arm": one.arm,
                "space": {path: knob.model_dump(mode="json") for path, knob in arm.space.items()},
                "done": one.done,
                "left": one.left,
                "epochs": one.epochs,
                "epochs_expected": one.spent,
                "seconds": round(one.seconds, 1),
            }
            for one, arm in zip(planned, search.searches, strict=True)
        ],
    }
