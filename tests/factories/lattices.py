"""Made-up lattices of modalities and answers of the probe: what is true of each subset is put in."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
from factories.answers import FLOOR, NAMES, coalitions_answer

from mmcore.config import build_config
from reports.records.frame import tidy
from studies.resolved import ResolvedArm

COMPONENTS = ("active", "scale", "position", "crop")


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


def asked(results, arm, of=truth, **options):
    rng = np.random.default_rng(1)
    repeats = range(results.study.repeats)
    made = [coalitions_answer(arm, r, of, noise=0.01 * rng.standard_normal(), **options) for r in repeats]
    return replace(results, analyses=(*results.analyses, *made))
