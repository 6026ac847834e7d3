"""Predictions for items, against the scores that a run's own record has of the same items."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmcore.config import DataConfig
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared
from mmcore.data.sources.folder import read_schema
from mmcore.data.splits import draw_split
from mmcore.data.windows import with_window
from mmcore.errors import CorpusError
from mmcore.predicting import Member, check_same_schema, open_member, predict_items
from mmcore.run import run
from mmcore.schema import CorpusSchema


@pytest.fixture(scope="module")
def member(finished: tuple[Any, Path, list[Any]], prepared: Prepared) -> Member:
    result, folder, _ = finished
    return open_member(with_window(result.config, prepared), prepared.schema, prepared.content, folder)


def score(record: Any, metric: str, parameter: str | None, component: str) -> float:
    (found,) = [
        row.value
        for row in record.scores
        if (row.split, row.items, row.metric, row.parameter, row.component, row.baseline)
        == ("test", "all", metric, parameter, component, None)
    ]
    return found


def test_predictions_of_test_items_have_the_scores_of_the_record(
    member: Member, finished: tuple[Any, Path, list[Any]], prepared: Prepared
) -> None:
    """Forecasts: two tracks of a binary, a categorical and a continuous parameter."""
    record, schema = finished[0], prepared.schema
    split = draw_split(prepared.items, record.config.split, record.config.repeat)
    names = [parameter.name for parameter in schema.targets.parameters]
    first = np.cumsum([0, *(parameter.outputs for parameter in schema.targets.parameters)])
    wrong: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for found in predict_items([member], prepared, split.test):
        item = prepared.items[found.item]
        truth_SKP = np.asarray(prepared.target[item.offset : item.offset + item.steps])[found.ahead :]
        assert np.isfinite(found.mean_SKO).all()
        assert np.isnan(found.spread_SKO).all(), "one model has no spread"
        inside_SKO = found.mean_SKO[: item.steps - found.ahead]
        on_SK = truth_SKP[..., names.index("active")] == 1
        for at, (name, parameter) in enumerate(zip(names, schema.targets.parameters, strict=True)):
            outputs_SKC = inside_SKO[..., first[at] : first[at + 1]]
            counted_SK = ~np.isnan(truth_SKP[..., at]) & (on_SK if parameter.when else True)
            if parameter.kind == "continuous":
                off_SK = np.abs(outputs_SKC[..., 0] - truth_SKP[..., at])
            else:
                np.testing.assert_allclose(outputs_SKC.sum(-1), 1.0)
                off_SK = (outputs_SKC.argmax(-1) == truth_SKP[..., at]).astype(float)
            wrong[name].append(off_SK[counted_SK])
    for at, parameter in enumerate(schema.targets.parameters):
        metric = "mae" if parameter.kind == "continuous" else "accuracy"
        own = parameter.name if metric == "mae" else None
        mean = float(np.concatenate(wrong[names[at]]).mean())
        assert mean == pytest.approx(score(record, metric, own, parameter.component), rel=1e-5)


def test_the_mean_and_spread_over_models(member: Member, prepared: Prepared) -> None:
    other = Member(7, member.config, member.normaliser, member.model)
    (one,) = predict_items([member], prepared, [3])
    (both,) = predict_items([member, other], prepared, [3])
    np.testing.assert_array_equal(both.mean_SKO, one.mean_SKO)
    assert (both.spread_SKO == 0).all()


def test_items_of_one_target_need_none(config: Callable[..., Any], label_corpus: Path, tmp_path: Path) -> None:
    """A folder without the table of targets; each item's one prediction is the mean over its windows."""
    store = prepare(label_corpus, DataConfig(), tmp_path / "prepared")
    record = run(config(label_corpus, training__epochs=6), tmp_path / "run", prepared=store)
    member = open_member(with_window(record.config, store), store.schema, store.content, tmp_path / "run")
    bare = tmp_path / "bare"
    shutil.copytree(label_corpus, bare)
    shutil.rmtree(bare / "exercise")
    with pytest.raises(CorpusError, match="no item has a table of 'exercise'"):
        prepare(bare, DataConfig(), tmp_path / "refused")
    new = prepare(bare, DataConfig(), tmp_path / "new", targets=False)
    split = draw_split(store.items, record.config.split, record.config.repeat)
    found = list(predict_items([member], new, split.test))
    right = [one.mean_SKO[0, 0].argmax() == store.target[one.item, 0, 0] for one in found]
    assert [one.mean_SKO.shape for one in found] == [(1, 1, 3)] * len(split.test)
    assert np.mean(right) == pytest.approx(score(record, "accuracy", None, "exercise"))
    assert [one.ahead for one in found] == [0] * len(found)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"step": 0.5}, r"the length of a step"),
        ({"column": "loudness"}, r"columns of modality 'speech'"),
        ({"kind": "binary"}, r"kind of column 'level' of modality 'speech'"),
        ({"tracks": 1}, r"targets.from, scope or tracks"),
    ],
)
def test_another_schema_is_refused_and_named(editing_corpus: Path, part: dict[str, Any], says: str) -> None:
    schema = read_schema(editing_corpus)
    plain = schema.model_dump(by_alias=True, exclude_unset=True)
    if "step" in part:
        plain["step"] = part["step"]
    if "column" in part:
        plain["modalities"]["speech"]["features"][0]["name"] = part["column"]
    if "kind" in part:
        plain["modalities"]["speech"]["features"][0]["kind"] = part["kind"]
    if "tracks" in part:
        plain["targets"]["tracks"] = part["tracks"]
    other = CorpusSchema.model_validate(plain)
    check_same_schema(schema, schema, ("speech", "track"), "here")
    with pytest.raises(CorpusError, match=says) as caught:
        check_same_schema(schema, other, ("speech", "track"), "here")
    assert caught.value.where == "here"


def test_what_a_model_does_not_read_may_differ(editing_corpus: Path) -> None:
    schema = read_schema(editing_corpus)
    plain = schema.model_dump(by_alias=True, exclude_unset=True)
    del plain["modalities"]["noise"]
    other = CorpusSchema.model_validate(plain)
    check_same_schema(schema, other, ("speech", "track"), "here")
    with pytest.raises(CorpusError, match="modality 'noise'"):
        check_same_schema(schema, other, ("speech", "noise", "track"), "here")


def test_features_that_other_weights_computed_are_refused(editing_corpus: Path) -> None:
    schema = read_schema(editing_corpus)

    def made_by(**speech: str) -> CorpusSchema:
        plain = schema.model_dump(by_alias=True, exclude_unset=True)
        plain["modalities"]["speech"]["extractors"] = [{"name": "vad", "version": "1", "package": "vad 3"} | speech]
        return CorpusSchema.model_validate(plain)

    check_same_schema(made_by(weights="sha256:a"), schema, ("speech",), "here")
    check_same_schema(schema, made_by(weights="sha256:a"), ("speech",), "here")
    check_same_schema(made_by(weights="sha256:a"), made_by(weights="sha256:a", package="vad 4"), ("speech",), "here")
    with pytest.raises(
        CorpusError, match=r"what computed modality 'speech'.*expected vad 1 sha256:a; found vad 1 sha256:b"
    ):
        check_same_schema(made_by(weights="sha256:a"), made_by(weights="sha256:b"), ("speech",), "here")
