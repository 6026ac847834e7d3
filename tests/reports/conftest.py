"""Made-up but plausible records: any number of arms and repeats, failures, components without a score."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from mmcore.config import build_config
from mmcore.facts import (
    Chosen,
    CorpusFacts,
    Drawn,
    Environment,
    Failure,
    GateUse,
    Hardware,
    Labels,
    Leakage,
    Side,
    SplitFacts,
)
from mmcore.measures import parse_metric
from mmcore.quality import QualityRow
from mmcore.record import Record
from mmcore.scores import ItemLoss, Reliability, Score
from reports.records.frame import StudyResults, tidy
from reports.records.origin import Origin
from reports.summary.build import summarise
from studies.matching import Match
from studies.resolved import ResolvedArm, ResolvedStudy

COMPONENTS = ("active", "scale", "position")


def make_study(
    arms: Sequence[str] = ("track_only", "multimodal"),
    *,
    repeats: int = 8,
    metric: str = "skill",
    pairs: Sequence[tuple[str, str]] | None = None,
    margin: float | None = None,
    heads: Mapping[str, str] | None = None,
    match: Match | None = None,
    name: str = "track_vs_multimodal",
    question: str = "Do audio and visual features help to predict the next edit?",
) -> ResolvedStudy:
    """A study whose first arm is the reference that every other arm is compared with."""
    return ResolvedStudy(
        name=name,
        question=question,
        metric=parse_metric(metric),
        arms=tuple(
            ResolvedArm(
                arm,
                {} if i == 0 else {"model.modalities": None},
                build_config(
                    {"corpus": "corpora/made_up", "model": {"head": {"kind": (heads or {}).get(arm, "per_track")}}}
                ),
            )
            for i, arm in enumerate(arms)
        ),
        reference=arms[0],
        pairs=tuple(pairs) if pairs is not None else tuple((arm, arms[0]) for arm in arms[1:]),
        repeats=repeats,
        alpha=0.05,
        margin=margin,
        preset="quick",
        changes={"training.epochs": 5},
        match=match,
    )


def make_record(
    arm: str,
    repeat: int,
    skills: Mapping[str, float],
    *,
    failed: bool = False,
    drawn: Drawn = "each_repeat",
    leaky: bool = False,
    epochs: int = 6,
    items: int = 0,
    calibrated: bool = False,
) -> Record:
    """A record as the runs write it: skills per component in, everything else follows from them."""
    scores = [] if failed else [s for items in ("all", "complete") for s in _scores(skills, items)]
    mean = float(np.nanmean([*skills.values()])) if any(not math.isnan(v) for v in skills.values()) else math.nan
    return Record(
        fingerprint=hashlib.blake2b(f"{arm} {repeat}".encode(), digest_size=16).hexdigest(),
        repeat=repeat,
        status="failed" if failed else "done",
        failure=Failure("TrainingDiverged", "loss must be finite", epoch=2) if failed else None,
        epochs=epochs,
        best_epoch=epochs,
        stopped_early=False,
        steps=epochs * 6,
        seconds=12.5 + repeat,
        config=build_config(
            {"corpus": "corpora/made_up", "task": {"kind": "forecast", "horizon": 1}, "repeat": repeat}
        ),
        corpus=CorpusFacts(
            name="made_up", content="c0ffee" * 5 + "00", path="/data/corpora/made_up",
            modalities=("audio", "visual", "track"), components=tuple(skills), tracks=3, task="forecast", leaky=leaky,
            units={"x": "px", "scale": ""}, missing={"audio": 4, "visual": 4, "track": 0}, alike=(), copies=(),
        ),
        split=SplitFacts(
            train=_side(24, 96), validation=_side(8, 32), test=_side(8, 32), drawn=drawn, divided_groups=0,
            twins=None if failed else (),
        ),
        parameters={"total": 5_209_366, "embedding": 1000, "fusion": 500, "encoder": 5_000_000, "head": 207_866},
        flops={"total": 1_250_000_000, "embedding": 0, "fusion": 0, "encoder": 1_250_000_000, "head": 0},
        scores=tuple(scores),
        history=tuple(
            {
                "epoch": e, "steps": 6, "seconds": 2.0, "learning_rate": 1e-4, "gradient_norm": 1.0,
                "gradient_norm_max": 2.0, "clipped": 0.1, "train/loss": 3.0 * 0.75**e, "validation/loss": 3.2 * 0.75**e,
                "validation/skill": mean * (1 - 0.4**e),
                **{f"validation/skill/{c}": v * (1 - 0.4**e) for c, v in skills.items()},
            }
            for e in range(1, (3 if failed else epochs + 1))
        ),
        items=() if failed else _items(skills, repeat, items, shared=drawn != "each_repeat"),
        calibration=_calibration(skills, repeat) if calibrated and not failed else (),
        leakage=Leakage(forbidden_gradient=0.0, copy_skill=None, windows=8),
        selection=Chosen() if failed else Chosen(test_windows_read=0),
        gates={} if failed else {m: GateUse(0.5, 0.1) for m in ("audio", "visual", "track")},
        hardware=Hardware("cpu", "float32, highest in products"),
        numerics=1,
        arm=arm,
        environment=Environment(
            commit="4f1c2d3e5a6b7c8d9e0f4f1c2d3e5a6b7c8d9e0f", dirty=False, python="3.11.9", torch="2.13.0",
            platform="Linux x86_64", device="cpu", threads=1, packages={"numpy": "2.4.0", "torch": "2.13.0"},
            processor="Intel Xeon",
        ),
        started=f"2026-03-01T10:{repeat:02d}:00+00:00",
        finished=f"2026-03-01T10:{repeat:02d}:30+00:00",
    )  # fmt: skip


def _side(items: int, windows: int) -> Side:
    labels = {"on": Labels(10 * items, {"0": 5 * items, "1": 5 * items}, constant=False)}
    return Side(items, items, windows, missing={"audio": 1, "visual": 1, "track": 0}, labels=labels)


def _items(skills: Mapping[str, float], repeat: int, items: int, shared: bool) -> tuple[ItemLoss, ...]:
    """Two of three items are tested in each repeat, or all in every one; video_0 has twice the others' losses."""
    return tuple(
        ItemLoss(
            item=f"video_{i}",
            group=f"video_{i}",
            complete=i != 1,
            component=component,
            loss=math.nan if math.isnan(skill) else (1 - skill) * (2 if i == 0 else 1),
            count=0 if math.isnan(skill) else 40,
            naive_loss=math.nan if math.isnan(skill) else 1.0,
        )
        for i in range(items)
        if shared or (i + repeat) % 3
        for component, skill in skills.items()
    )


def _calibration(skills: Mapping[str, float], repeat: int) -> tuple[Reliability, ...]:
    """The first component has classes; predictions are right a tenth less often than the model is sure."""
    return tuple(
        Reliability(
            component=next(iter(skills)),
            bin=j,
            count=10 * (j + 1),
            confidence=(j + 0.5) / 15,
            accuracy=max(0.0, (j + 0.5) / 15 - 0.1 - 0.01 * (repeat % 2)),
        )
        for j in range(7, 15)
    )


def _scores(skills: Mapping[str, float], items: str) -> list[Score]:
    def row(
        metric: str, component: str | None, value: float, baseline: str | None = None, parameter: str | None = None
    ) -> Score:
        return Score("test", items, metric, component, value, parameter, baseline)

    known = [v for v in skills.values() if not math.isnan(v)]
    rows = [row("skill", None, float(np.mean(known)) if known else math.nan)]
    rows.append(row("loss", None, float(sum(1 - v for v in known)) if known else math.nan))
    for component, value in skills.items():
        rows += [row("skill", component, value), row("loss", component, 1 - value)]
    if "active" in skills:
        rows += [row("f1", c, 0.5 + skills["active"] / 2) for c in (None, "active")]
    if "position" in skills:
        rows += [row("mae", "position", 100 * (1 - skills["position"]), parameter=p) for p in ("x", "y")]
    for baseline, value in (("persistence", 0.0), ("constant", -0.4)):
        rows += [row("skill", c, value, baseline) for c in (None, *skills)]
    return rows


def make_records(
    study: ResolvedStudy,
    effects: Mapping[str, float | Mapping[str, float]] | None = None,
    *,
    components: Sequence[str] = COMPONENTS,
    noise: float = 0.02,
    failures: Sequence[tuple[str, int]] = (),
    absent: Sequence[tuple[str, int]] = (),
    nothing: Sequence[str] = (),
    seed: int = 0,
    **options: Any,
) -> list[Record]:
    """Records of every arm and repeat: a level per repeat that arms share, an effect per arm and component, noise."""
    rng = np.random.default_rng(seed)
    level = {(r, c): 0.3 + 0.05 * rng.normal() for r in range(study.repeats) for c in components}
    records = []
    for arm in study.arms:
        effect = (effects or {}).get(arm.name, 0.0)
        gain = effect if isinstance(effect, Mapping) else dict.fromkeys(components, effect)
        for repeat in range(study.repeats):
            skills = {
                c: math.nan if c in nothing else level[repeat, c] + gain.get(c, 0.0) + noise * rng.normal()
                for c in components
            }
            if (arm.name, repeat) not in absent:
                records.append(make_record(arm.name, repeat, skills, failed=(arm.name, repeat) in failures, **options))
    return records


QUALITY = [
    QualityRow(item=f"video_{i}", modality=m, coverage=0.9 + 0.01 * i, nan=i, largest_gap=0.2 * i, loud=0, apart="")
    for i in range(4)
    for m in ("audio", "visual", "track")
]
ORIGIN = Origin(
    command="mmstudy run track_vs_multimodal --preset quick",
    rebuild="mmstudy report track_vs_multimodal",
    home="/data/mlruns",
)


def make_results(study: ResolvedStudy | None = None, **options: Any) -> StudyResults:
    """Results of a study; by default multimodal is better by 0.1 on two of three components."""
    study = study or make_study()
    options.setdefault("effects", {study.arms[-1].name: {"active": 0.12, "position": 0.15}})
    return tidy(study, make_records(study, **options), QUALITY, ORIGIN)


@pytest.fixture(scope="package", autouse=True)
def draws_alone() -> Iterator[None]:
    """Reports are drawn by this process alone: copies of it share the processors that the other tests compute on.

    That copies draw the same bytes is proved by ``test_several_processes_draw_the_same_figures``, and of a whole report
    by ``test_same_bytes_in_every_process``, whose other process has its copies.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reports.output.drawing.copies", lambda: 0)
        yield


@pytest.fixture(scope="session")
def study_of() -> Callable[..., ResolvedStudy]:
    """The factory of studies."""
    return make_study


@pytest.fixture(scope="session")
def record_of() -> Callable[..., Record]:
    """The factory of a single record."""
    return make_record


@pytest.fixture(scope="session")
def records_of() -> Callable[..., list[Record]]:
    """The factory of records."""
    return make_records


@pytest.fixture(scope="session")
def results_of() -> Callable[..., StudyResults]:
    """The factory of results."""
    return make_results


@pytest.fixture(scope="session")
def summary_of() -> Callable[..., Any]:
    """The factory of summaries."""
    return lambda *a, **k: summarise(make_results(*a, **k))
