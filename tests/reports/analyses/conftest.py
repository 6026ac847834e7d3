"""Made-up answers of analyses, as runs keep them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mmcore.analyses import AttentionAnalysis
from mmcore.answers.answer import Answered
from mmcore.answers.attention import AttentionResult
from reports.records.frame import StudyResults

T, H, LAGS = 12, 2, 5
FLOWS: dict[str, list[tuple[str, str, int]]] = {
    "attention": [(name, "fused", 0) for name in ("audio", "visual", "track")],
    "cross_modal": [
        (a, b, 0) for a in ("audio", "visual", "track") for b in ("audio", "visual", "track") if a != b
    ],
    "bottleneck": [
        pair
        for layer in (0, 1)
        for name in ("audio", "visual", "track")
        for pair in (("bottleneck", name, layer), (name, "bottleneck", layer))
    ],
    "hierarchical": [
        ("audio", "audio|visual", 0), ("visual", "audio|visual", 0),
        ("audio|visual", "(audio|visual)|track", 0), ("track", "(audio|visual)|track", 0),
    ],
    "decision": [(name, "prediction", 0) for name in ("audio", "visual", "track")],
}  # fmt: skip


def attention_answer(
    arm: str,
    repeat: int,
    *,
    rho: float | None = 0.8,
    distance: float = 4.0,
    places: Sequence[tuple[str, int]] = (("encoder", 0), ("encoder", 1)),
    beyond: float = 0.5,
    nearness: float | None = 0.6,
    causal: bool = True,
    noise: float = 0.01,
    maps: int = 1,
) -> dict[str, Any]:
    """What a probe told of one run; ``rho`` None: nothing attends over time."""
    rng = np.random.default_rng([repeat, *arm.encode()])

    def noisy(value: float) -> float:
        return round(float(value + noise * rng.standard_normal()), 4)

    def layer(place: str, number: int) -> dict[str, Any]:
        return {
            "place": place, "layer": number, "rows": 100, "entropy": [noisy(0.7), noisy(0.8)],
            "distance": [noisy(distance), noisy(distance + 1)], "own": [0.1, 0.2], "past": [0.9, 0.8],
            "events": [noisy(0.5), noisy(0.6)], "apart": [[0.0, 0.4], [0.4, 0.0]],
            "uniform": {"distance": 10.0, "own": 0.1, "past": 0.9, "events": 0.4},
        }  # fmt: skip

    share = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
    checked = {
        "occlusion": None if rho is None else noisy(rho), "gradient": None if rho is None else noisy(rho - 0.1),
        "nearness": nearness, "beyond": noisy(beyond), "items": [], "span": 1, "windows": 24,
        "reach": {"lags": list(range(1, LAGS + 1)), "rollout": [noisy(s) for s in share], "occlusion": share.tolist()},
        "past": {"rollout": noisy(0.7), "occlusion": noisy(0.4)},
    }  # fmt: skip
    cells = (1000 * np.tril(np.ones((T, T))) / np.arange(1, T + 1)[:, None]).astype(int).tolist()
    shown = [
        *({"place": p, "layer": n, "rows": cells} for p, n in places),
        {"place": "rollout", "layer": 0, "rows": cells},
    ]
    window = {"item": "video_3", "start": 0, "steps": T, "pooled": 1, "events": [2, 7], "maps": shown}
    return {
        "step": 0.1,
        "causal": causal,
        "layers": [layer(*place) for place in places],
        "flow": [
            {"source": s, "target": t, "layer": n, "share": noisy(0.2 + 0.1 * i)}
            for i, (s, t, n) in enumerate(FLOWS.get(arm, []))
        ],
        "faithfulness": checked if places else None,
        "maps": [window] * maps if places else [],
    }


@pytest.fixture(scope="session")
def attended(results_of: Callable[..., StudyResults]) -> Callable[..., StudyResults]:
    """Results of a study with answers about attention: options of :func:`attention_answer` by arm."""

    def build(
        study: Any = None, by_arm: Mapping[str, Mapping[str, Any] | None] | None = None, **options: Any
    ) -> StudyResults:
        results = results_of(study)
        answers = [
            Answered(
                arm.name,
                repeat,
                f"{arm.name}{repeat}",
                AttentionAnalysis(),
                AttentionResult(
                    attention_answer(arm.name, repeat, **{**options, **((by_arm or {}).get(arm.name) or {})})
                ),
            )
            for arm in results.study.arms
            if (by_arm or {}).get(arm.name, {}) is not None
            for repeat in range(results.study.repeats)
        ]  # fmt: skip
        return replace(results, analyses=tuple(answers))

    return build
