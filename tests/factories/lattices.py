"""Made-up lattices of modalities and answers of the probe: what is true of each subset is put in."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np

from mmcore.analyses import CoalitionsAnalysis
from mmcore.answers.answer import Answered
from mmcore.answers.coalitions import CoalitionsResult
from mmcore.config import build_config
from reports.records.frame import tidy
from studies.resolved import ResolvedArm

NAMES = ("audio", "visual", "track")
COMPONENTS = ("active", "scale", "position", "crop")
FLOOR = -0.4
"""Skill of the made-up constant predictor."""


MEASURES = {"skill": lambda v: v, "loss": lambda v: 1 - v, "f1": lambda v: 0.5 + v / 2}
"""What the made-up probe tells of a skill in other measures."""


def truth(reads):
    """Active ← audio; scale ← audio and visual together; position ← visual, or track as well; crop ← nothing."""
    reads = set(reads)
    return {
        "active": 0.5 * ("audio" in reads),
        "scale": 0.6 * ({"audio", "visual"} <= reads),
        "position": 0.5 * bool(reads & {"visual", "track"}),
        "crop": 0.0,
    }


def subsets(names=NAMES):
    return [s for size in range(len(names), 0, -1) for s in combinations(names, size)]


def arm_of(reads, **model):
    config = {"corpus": "made_up", "model": {"modalities": list(reads), **model}}
    return ResolvedArm("+".join(reads), {"model.modalities": list(reads)}, build_config(config))


def lattice_study(study_of, reads=None, repeats=12, margin=0.02, **options):
    reads = subsets() if reads is None else reads
    study = study_of(["+".join(s) for s in reads], repeats=repeats, margin=margin, **options)
    return replace(study, arms=tuple(arm_of(s) for s in reads))


def trained(study, records_of, of=truth, noise=0.004, components=COMPONENTS, **options):
    """Results of a lattice whose skill is the floor of reading nothing, plus the truth, plus noise."""
    reads = {arm.name: arm.config.model.modalities or NAMES for arm in study.arms}
    gain = {name: {c: v + FLOOR - 0.3 for c, v in of(r).items()} for name, r in reads.items()}
    return tidy(study, records_of(study, gain, components=components, noise=noise, **options))


def answer(
    arm, repeat, of, *, absences=("permuted", "mean", "zero", "absent"), emap=None, noise=0.0, names=NAMES, **more
):
    """What the probe tells of a model whose skill on a subset is given."""
    whole = 2 ** len(names) - 1
    tables = []
    for s in range(whole + 1):
        value = {c: v + FLOOR + noise for c, v in of([n for m, n in enumerate(names) if s >> m & 1]).items()}
        tables.append(value)
    components = list(tables[0])

    def column(table):
        return {"whole": float(np.mean(list(table.values()))), "components": {c: float(v) for c, v in table.items()}}

    rows = [column(t) for t in tables]
    scores = {
        measure: {
            "whole": [of(r["whole"]) for r in rows],
            "components": {c: [of(r["components"][c]) for r in rows] for c in components},
        }
        for measure, of in MEASURES.items()
    }
    projected = column({c: tables[whole][c] - (emap or {}).get(c, 0.0) for c in components})
    additive = {
        measure: {"whole": of(projected["whole"]), "components": {c: of(v) for c, v in projected["components"].items()}}
        for measure, of in MEASURES.items()
    }
    return Answered(arm, repeat, f"{arm}{repeat}", CoalitionsAnalysis(), CoalitionsResult({
            "modalities": list(names), "components": components, "windows": 9, "draws": 8,
            "subsets": list(range(whole + 1)), "orders": None, "naive": dict.fromkeys(components, 1.0),
            "scores": dict.fromkeys(absences, scores),
            "emap": {"corrected": additive, "uncorrected": additive},
            "perceptual": {n: {"active": {"drop": 0.1, "score": 0.125}} for n in names},
            "alone": [], **more,
    }))  # fmt: skip


def asked(results, arm, of=truth, **options):
    rng = np.random.default_rng(1)
    repeats = range(results.study.repeats)
    made = [answer(arm, r, of, noise=0.01 * rng.standard_normal(), **options) for r in repeats]
    return replace(results, analyses=(*results.analyses, *made))
