"""Made-up answers about errors, of which it is known what a report must say."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import numpy as np
from factories.answers import COMPONENTS, changed

from mmcore.analyses import ErrorsAnalysis
from mmcore.answers.answer import Answered
from mmcore.answers.error_analysis import (
    AttentionRow,
    Case,
    CaseAttention,
    CaseFeature,
    CaseLine,
    ErrorCondition,
    ErrorGroup,
    ErrorsResult,
    ItemEnds,
    SpanEnds,
    SpanLoss,
    Why,
)

SPEECH = {"track_only": 1.0, "multimodal": 0.5}
"""Loss in speech ÷ loss in silence."""
PLACES = 20
"""Of a case."""
WHYS: tuple[Why, ...] = get_args(Why)


def attended(*places: str, of: int | None = None) -> CaseAttention:
    """Equal weights in the second layer at these places."""
    rows = tuple(AttentionRow(place=place, layer=1, row=(0.05,) * PLACES) for place in places)
    return CaseAttention(at=9, rows=rows, of=of or len(rows))


def errors_answer(
    arm: str,
    repeat: int,
    noise: float,
    *,
    speech: float | None = None,
    start: int = 10,
    gates: bool = True,
    cases: bool = True,
    attention: CaseAttention | None = None,
) -> Answered[ErrorsResult]:
    """One run's answer: the loss of ``active`` in speech is ``speech`` times that in silence, else all are the same;
    those of ``position`` are not known."""
    rng = np.random.default_rng(repeat)
    speech = SPEECH[arm] if speech is None else speech

    def group(name: str | None, factor: float) -> ErrorGroup:
        return ErrorGroup(
            group=name,
            count=dict.fromkeys(COMPONENTS, 20),
            loss={"active": 0.8 * factor * noise, "scale": 0.8 * noise, "position": math.nan},
            naive={"active": 1.0, "scale": 1.0, "position": math.nan},
        )

    def case(component: str, why: Why) -> Case:
        drawn = rng.standard_normal(PLACES)
        truth = tuple(round(float(v), 3) if i % 4 else math.nan for i, v in enumerate(drawn))
        kind, nothing = "binary" if component == "active" else "continuous", (math.nan,) * PLACES
        return Case(
            component=component, why=why, item="video_0", start=start, step=0.1, span=(5, 12), loss=1.5, naive=2.0,
            events=(3, 9),
            lines=tuple(
                CaseLine(track=k, parameter=component, kind=kind, unit="px", true=truth, predicted=truth)
                for k in range(2)
            ),
            features=(
                CaseFeature(modality="audio", feature="level", unit="", values=tuple(0.1 * i for i in range(PLACES))),
                CaseFeature(modality="visual", feature="motion", unit="", values=nothing),
            ),
            gates={"audio": (0.5,) * PLACES, "track": nothing} if gates else {},
            shares={"audio": (0.75,) * PLACES, "track": (0.25,) * PLACES} if attention else {},
            attention=attention or (attended("encoder") if gates else None),
        )  # fmt: skip

    span = SpanLoss(item="video_0", start=5, steps=20, loss=2.0, naive=math.nan)
    spans = SpanEnds(hardest=(changed(span, start=25),), worst=(span,), best=())
    result = ErrorsResult(
        naive=dict.fromkeys(COMPONENTS, "constant"),
        conditions=(
            ErrorCondition(name="speech", groups=(group(None, 3.0), group("no", 1.0), group("yes", speech))),
            ErrorCondition(name="audio", groups=(group("present", 1.0), group("absent", 1.0))),
            ErrorCondition(name="visual", groups=(group("present", 1.0),)),
        ),
        items={c: ItemEnds(worst=(), best=()) for c in COMPONENTS},
        spans=dict.fromkeys(COMPONENTS, spans),
        cases=tuple(case(c, why) for c in COMPONENTS[:2] for why in WHYS) if cases else (),
    )
    return Answered(arm, repeat, f"{arm}{repeat}", ErrorsAnalysis(cases=2), result)


def with_cases(answer: Answered[ErrorsResult], of: Callable[[Case], Case]) -> Answered[ErrorsResult]:
    """With each case changed."""
    return replace(answer, result=changed(answer.result, cases=tuple(of(case) for case in answer.result.cases)))
