"""Made-up answers of analyses, of which it is known what a report must say."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar, get_args

import numpy as np

from mmcore.analyses import (
    ABSENCES,
    Absence,
    AttentionAnalysis,
    CoalitionsAnalysis,
    CorruptionAnalysis,
    GatesAnalysis,
)
from mmcore.answers.answer import Answered
from mmcore.answers.attention import (
    AttentionResult,
    Flow,
    Layer,
    Map,
    Past,
    Reach,
    RolloutFaithfulness,
    Uniform,
    Window,
)
from mmcore.answers.coalitions import CoalitionsResult, Perceptual, Projection
from mmcore.answers.corruption import CorruptionResult, DamageCurve, DamagedModality, DamageKind, DamageSample
from mmcore.answers.gates import (
    Around,
    Clamping,
    Condition,
    Correlations,
    Feature,
    Follows,
    GateCorrelations,
    GateFaithfulness,
    GateName,
    GateSample,
    GatesResult,
    Held,
    Holding,
    OfComponent,
    Opening,
    Shares,
    TargetLine,
    Timeline,
)
from mmcore.answers.parts import Part, Score, ScoreRow

NAMES = ("audio", "visual", "track")
COMPONENTS = ("active", "scale", "position")


P = TypeVar("P", bound=Part)


def changed(part: P, **fields: object) -> P:
    """The part with other fields, checked."""
    return type(part).model_validate({**dict(part), **fields})


# Gates ---------------------------------------------------------------------------------------------------------------
RHO = {"audio": (0.7, 0.6, 0.4), "visual": (0.42, 0.4, 0.3), "track": (0.6, 0.02, 0.6)}
"""Gate × norm, gate alone, norm alone: faithful, weakly, and a norm that speaks for a gate that is silent."""
HOLDINGS: tuple[Holding, ...] = ("shut", "mean", "open")
LAGS = (-2, -1, 0, 1, 2)
MEASURES: dict[str, Callable[[float], float]] = {
    "skill": lambda v: v,
    "loss": lambda v: 1 - v,
    "f1": lambda v: 0.5 + v / 2,
}
"""What the made-up probe tells of a skill in other measures."""


def scores_of_skill(skill: float, components: Sequence[str] = COMPONENTS) -> dict[str, Score]:
    """Every measure of a model of this skill, as probes tell them."""
    return {m: Score(whole=of(skill), components=dict.fromkeys(components, of(skill))) for m, of in MEASURES.items()}


def gates_answer(
    arm: str, repeat: int, names: Sequence[str] = NAMES, by_item: bool = False, edits: bool = True
) -> Answered[GatesResult]:
    """One run's answer: correlations as in RHO with a little of the repeat in all numbers."""
    drift = 0.004 * (repeat % 3)

    def correlations(passing: float, opening: float, norm: float) -> Correlations:
        return Correlations(passing=passing + drift, opening=opening + drift, norm=norm + drift, n=900)

    points = GateCorrelations(gates={m: correlations(*RHO[m]) for m in names}, together=correlations(0.4, 0.1, 0.3))
    around = {m: tuple(0.5 + drift + 0.1 * (lag == 0) if edits else math.nan for lag in LAGS) for m in names}
    result = GatesResult(
        gates=tuple(GateName(name=m, modalities=(m,)) for m in names),
        places=(tuple(names),),
        components=COMPONENTS,
        step=0.1,
        distribution={m: _opening(m, 0.5 + 0.1 * i + drift) for i, m in enumerate(names)},
        shares=Shares(
            steps=900, entropy_opening=0.9, entropy_passing=0.8 + drift, passing={m: 1 / len(names) for m in names}
        ),
        conditions=tuple(
            Condition(
                condition="speech", gate=m, so=0.6 + drift if m == "audio" else 0.5, otherwise=0.5 + drift,
                steps=(400, 500),
            )
            for m in names
        ),
        around=Around(lags=LAGS, events=80 if edits else 0, mean=around),
        faithfulness=GateFaithfulness(
            steps=None if by_item else points,
            items=points,
            by_component={
                m: {c: OfComponent(rho=0.3 + drift, increase=0.5 + drift) for c in COMPONENTS} for m in names
            },
        ),
        clamping=Clamping(
            free=scores_of_skill(0.5),
            held=(
                *(
                    Held(gate=m, held=held, scores=scores_of_skill(0.5 - 0.1 * (i + 1) - drift))
                    for i, m in enumerate(names)
                    for held in HOLDINGS
                ),
                Held(gate=None, held="mean", scores=scores_of_skill(0.5 - 0.2 - drift)),
            ),
        ),
        sample=GateSample(items=8, of_items=12, windows=40, of_windows=60),
        timelines=tuple(_timeline(f"video_{i}", names, drift) for i in range(2)),
    )  # fmt: skip
    return Answered(arm, repeat, f"{arm}{repeat}", GatesAnalysis(), result, 1.0)


def _opening(name: str, mean: float) -> Opening:
    histogram = np.zeros(100, int)
    histogram[[2, 40, 50, 60, 97]] = (30, 20, 20, 20, 10)
    return Opening(
        steps=900, present=1000, mean=mean, deviation=0.2, deviation_over_steps=0.1,
        quantiles=(0.1, 0.3, 0.5, 0.7, 0.9), histogram=tuple(histogram.tolist()),
        shut=0.3, open=0.1, between_inputs=0.6, norm=5.0, passing=3.0,
        follows=Follows(feature=f"{name}_energy", correlation=0.9),
    )  # fmt: skip


def _timeline(item: str, names: Sequence[str], drift: float) -> Timeline:
    line = (0.5 + drift, 0.6, math.nan, 0.5)
    target = TargetLine(
        parameter="active", track=0, kind="binary", true=(0.0, 1.0, 1.0, math.nan), predicted=(0.1, 0.8, 0.7, math.nan)
    )
    return Timeline(
        item=item, first=3, gates=dict.fromkeys(names, line), passing=dict.fromkeys(names, line),
        features={m: Feature(name=f"{m}_energy", values=line) for m in names}, targets=(target,), events=(4, 6),
    )  # fmt: skip


# Attention -----------------------------------------------------------------------------------------------------------
STEPS, REACH = 12, 5
FLOWS: dict[str, list[tuple[str, str, int]]] = {
    "attention": [(name, "fused", 0) for name in NAMES],
    "cross_modal": [(a, b, 0) for a in NAMES for b in NAMES if a != b],
    "bottleneck": [
        pair
        for layer in (0, 1)
        for name in NAMES
        for pair in (("bottleneck", name, layer), (name, "bottleneck", layer))
    ],
    "hierarchical": [
        ("audio", "audio|visual", 0), ("visual", "audio|visual", 0),
        ("audio|visual", "(audio|visual)|track", 0), ("track", "(audio|visual)|track", 0),
    ],
    "decision": [(name, "prediction", 0) for name in NAMES],
}  # fmt: skip


def attention_answer(
    arm: str,
    repeat: int,
    *,
    rho: float | None = 0.8,
    distance: float = 4.0,
    places: Iterable[tuple[str, int]] = (("encoder", 0), ("encoder", 1)),
    beyond: float = 0.5,
    nearness: float = 0.6,
    causal: bool = True,
    noise: float = 0.01,
    maps: int = 1,
) -> Answered[AttentionResult]:
    """One run's answer; ``rho`` None: nothing could be ranked; no places: nothing attends over time."""
    rng = np.random.default_rng([repeat, *arm.encode()])

    def noisy(value: float) -> float:
        return round(float(value + noise * rng.standard_normal()), 4)

    def layer(place: str, number: int) -> Layer:
        return Layer(
            place=place, layer=number, rows=100, entropy=(noisy(0.7), noisy(0.8)),
            distance=(noisy(distance), noisy(distance + 1)), own=(0.1, 0.2), past=(0.9, 0.8),
            events=(noisy(0.5), noisy(0.6)), apart=((0.0, 0.4), (0.4, 0.0)),
            uniform=Uniform(distance=10.0, own=0.1, past=0.9, events=0.4),
        )  # fmt: skip

    places, share = tuple(places), (0.4, 0.3, 0.15, 0.1, 0.05)
    checked = RolloutFaithfulness(
        occlusion=math.nan if rho is None else noisy(rho), gradient=math.nan if rho is None else noisy(rho - 0.1),
        nearness=nearness, beyond=noisy(beyond), items=(), span=1, windows=24,
        reach=Reach(lags=tuple(range(1, REACH + 1)), rollout=tuple(map(noisy, share)), occlusion=share),
        past=Past(rollout=noisy(0.7), occlusion=noisy(0.4)),
    )  # fmt: skip
    cells = (1000 * np.tril(np.ones((STEPS, STEPS))) / np.arange(1, STEPS + 1)[:, None]).astype(int).tolist()
    rows = tuple(map(tuple, cells))
    shown = tuple(Map(place=place, layer=number, rows=rows) for place, number in (*places, ("rollout", 0)))
    window = Window(item="video_3", start=0, steps=STEPS, pooled=1, events=(2, 7), maps=shown)
    result = AttentionResult(
        step=0.1,
        causal=causal,
        layers=tuple(layer(*place) for place in places),
        flow=tuple(
            Flow(source=source, target=target, layer=number, share=noisy(0.2 + 0.1 * i))
            for i, (source, target, number) in enumerate(FLOWS.get(arm, []))
        ),
        faithfulness=checked if places else None,
        maps=(window,) * maps if places else (),
    )
    return Answered(arm, repeat, f"{arm}{repeat}", AttentionAnalysis(), result, 1.0)


# Corruption ----------------------------------------------------------------------------------------------------------
LEVELS = (0.0, 0.5, 1.0)
FALLS = {"track_only": 0.6, "multimodal": 0.2}
READS = {"track_only": ("track",), "multimodal": ("audio", "track")}


def corruption_answer(
    arm: str,
    repeat: int,
    *,
    start: float = 0.3,
    fall: float | None = None,
    reads: Sequence[str] | None = None,
    digest: str = "a",
    unit: float | None = 0.1,
    noise: float = 0.0,
) -> Answered[CorruptionResult]:
    """Skill falls along a straight line from ``start`` by ``fall``; that of ``scale`` is not known."""
    fall = FALLS[arm] if fall is None else fall

    def curve(kind: DamageKind) -> DamageCurve:
        levels = tuple(2 * level for level in LEVELS) if kind == "noise" else LEVELS
        scores: dict[str, ScoreRow] = {}
        for measure, of in MEASURES.items():
            row = tuple(of(start + noise - fall * level) for level in LEVELS)
            scores[measure] = ScoreRow(whole=row, components={"active": row, "scale": (math.nan,) * len(LEVELS)})
        return DamageCurve(levels=levels, scores=scores)

    curves = {kind: curve(kind) for kind in get_args(DamageKind)}
    clean = {
        m: Score(whole=of(start + noise), components={"active": of(start + noise), "scale": math.nan})
        for m, of in MEASURES.items()
    }
    result = CorruptionResult(
        sample=DamageSample(digest=digest, items=4, windows=8, of=20),
        delay_unit=unit,
        naive={"constant": scores_of_skill(-0.4, ["active"]), "persistence": scores_of_skill(0.0, ["active"])},
        clean=clean,
        modalities={name: DamagedModality(present=1.0, curves=curves) for name in reads or READS[arm]},
    )
    return Answered(arm, repeat, f"{arm}{repeat}", CorruptionAnalysis(), result)


# Coalitions ----------------------------------------------------------------------------------------------------------
FLOOR = -0.4
"""Skill of the made-up constant predictor."""


def coalitions_answer(
    arm: str,
    repeat: int,
    of: Callable[[Sequence[str]], Mapping[str, float]],
    *,
    absences: Sequence[Absence] = ABSENCES,
    emap: Mapping[str, float] | None = None,
    noise: float = 0.0,
    names: Sequence[str] = NAMES,
    **more: object,
) -> Answered[CoalitionsResult]:
    """One run's answer.

    Args:
        of: what a model that reads these modalities gains on the floor, by component. emap: how much of it, by
            component, is interaction. more: other fields.
    """
    whole = 2 ** len(names) - 1
    skills = [
        {c: float(v + FLOOR + noise) for c, v in of([n for m, n in enumerate(names) if s >> m & 1]).items()}
        for s in range(whole + 1)
    ]
    components = tuple(skills[0])
    rows: dict[str, ScoreRow] = {}
    for measure, at in MEASURES.items():
        rows[measure] = ScoreRow(
            whole=tuple(at(float(np.mean(list(skill.values())))) for skill in skills),
            components={c: tuple(at(skill[c]) for skill in skills) for c in components},
        )
    left = {c: skills[whole][c] - (emap or {}).get(c, 0.0) for c in components}
    projected = {
        measure: Score(whole=at(float(np.mean(list(left.values())))), components={c: at(v) for c, v in left.items()})
        for measure, at in MEASURES.items()
    }
    result = CoalitionsResult(
        modalities=tuple(names), components=components, windows=9, draws=8, subsets=tuple(range(whole + 1)),
        orders=None, naive=dict.fromkeys(components, 1.0), scores=dict.fromkeys(absences, rows),
        emap=Projection(corrected=projected, uncorrected=projected),
        perceptual={n: {"active": Perceptual(drop=0.1, score=0.125)} for n in names},
        alone=(), single_donor=False, learned=None,
    )  # fmt: skip
    return Answered(arm, repeat, f"{arm}{repeat}", CoalitionsAnalysis(), changed(result, **more))
