"""Runs whose models have one shape share the count of their operations, and no others do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from factories.own_parts import write_package

from mmcore import operations
from mmcore.config import RunConfig
from mmcore.data.prepared import Prepared
from mmcore.model.build import build_model
from mmcore.model.cost import count_flops
from mmcore.model.multimodal import MultimodalModel
from mmcore.operations import MOST, operations_of


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[MultimodalModel]:
    """The models that are counted, in a process that has counted none."""
    found: list[MultimodalModel] = []

    def count(model: MultimodalModel, window: int) -> dict[str, int]:
        found.append(model)
        return count_flops(model, window)

    monkeypatch.setattr(operations, "_counted", type(operations._counted)())
    monkeypatch.setattr(operations, "count_flops", count)
    return found


def test_the_same_number_as_when_each_is_counted(
    counted: list[MultimodalModel], config: Callable[..., RunConfig], editing_corpus: Path, prepared: Prepared
) -> None:
    shapes = [
        {},
        {"model__width": 8},
        {"model__fusion": {"kind": "concat"}},
        {"model__head": {"kind": "shared"}},
        {"model__modalities": ["speech"]},
        {"data__window": 10},
    ]
    for round in range(2):
        for shape in shapes:
            # What is no shape changes nothing: another repeat, other epochs.
            one = config(editing_corpus, **shape, repeat=round, training__epochs=2 + round)
            model = build_model(one.model, prepared.schema, True, one.repeat, one.data.steps)
            found = operations_of(model, one, "corpus")
            assert found == count_flops(model, one.data.steps)
            # Each record has a table of its own.
            found["total"] = -1
    assert len(counted) == len(shapes)
    one = config(editing_corpus)
    for causal, corpus, new in ((False, "corpus", True), (True, "other", True), (True, "corpus", False)):
        before = len(counted)
        operations_of(build_model(one.model, prepared.schema, causal, 0, one.data.steps), one, corpus)
        assert (len(counted) > before) is new


def test_only_the_latest_shapes_are_remembered(
    counted: list[MultimodalModel], config: Callable[..., RunConfig], editing_corpus: Path, prepared: Prepared
) -> None:
    one = config(editing_corpus)
    model = build_model(one.model, prepared.schema, True, 0, one.data.steps)
    for corpus in range(MOST + 1):
        operations_of(model, one, f"{corpus}")
    assert len(operations._counted) == MOST
    assert len(counted) == MOST + 1


def test_a_class_of_the_users_is_counted_each_time(
    counted: list[MultimodalModel],
    config: Callable[..., RunConfig],
    editing_corpus: Path,
    prepared: Prepared,
    tmp_path: Path,
) -> None:
    folder = write_package(tmp_path)
    own = {"kind": "custom", "class": "my_pkg.fusion:Product", "folder": str(folder)}
    one = config(editing_corpus, model__fusion=own)
    model = build_model(one.model, prepared.schema, True, 0, one.data.steps)
    for _ in range(2):
        assert operations_of(model, one, "corpus") == count_flops(model, one.data.steps)
    assert len(counted) == 2
