"""Results of studies with made-up answers of analyses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from factories.answers import attention_answer

from reports.records.frame import StudyResults


@pytest.fixture(scope="session")
def attended(results_of: Callable[..., StudyResults]) -> Callable[..., StudyResults]:
    """Results of a study with answers about attention: options of :func:`attention_answer` by arm."""

    def build(
        study: Any = None, by_arm: Mapping[str, Mapping[str, Any] | None] | None = None, **options: Any
    ) -> StudyResults:
        results = results_of(study)
        answers = tuple(
            attention_answer(arm.name, repeat, **{**options, **((by_arm or {}).get(arm.name) or {})})
            for arm in results.study.arms
            if (by_arm or {}).get(arm.name, {}) is not None
            for repeat in range(results.study.repeats)
        )
        return replace(results, analyses=answers)

    return build
