"""Arms that differ in what nothing uses, and arms called like a keyword."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmcore.errors import StudyError
from mmcore.schema import CorpusSchema
from studies.resolve import resolve
from studies.resolved import ResolvedStudy
from studies.study import read_study

SCHEMA = CorpusSchema.model_validate(
    {
        "format": 1, "name": "n", "step": 0.1, "reference": "t",
        "modalities": {"t": {"features": [{"name": "0_x"}]}, "a": {"features": [{"name": "l"}]}},
        "targets": {"from": "t", "parameters": [{"name": "x", "component": "c"}]},
    }
)  # fmt: skip


def resolved(folder: Path, text: str, schema: CorpusSchema = SCHEMA) -> ResolvedStudy:
    path = folder / "s.yaml"
    path.write_text("question: q?\npreset: null\nrepeats: 2\n" + text)
    study, written = read_study(path)
    return resolve("s", study, written, None, None, folder, schema)


IDLE = [
    ("{model.modalities: [t]}", "{model.modalities: [t], model.fusion.kind: add}", "model.fusion"),
    ("{}", "{loss.categorical.kind: focal}", "loss.categorical"),
    ("{}", "{loss.binary.kind: focal}", "loss.binary"),
    ("{}", "{loss.weighting.kind: uncertainty}", "loss.weighting"),
    ("{training.epochs: 5}", "{training.epochs: 5, training.patience: 5}", "training.patience"),
    ("{data.window: 20}", "{data.window: 20, data.stride: 20}", "data.stride"),
    ("{}", "{augmentation.jitter: {probability: 0}}", "augmentation.jitter"),
    ("{model.layers: 0}", "{model.layers: 0, model.norm: pre}", "model.norm"),
    ("{model.layers: 0}", "{model.layers: 0, model.feed_forward: 64}", "model.feed_forward"),
]
USED = [
    ("{}", "{model.fusion.kind: add}"),
    ("{}", "{loss.continuous.kind: huber}"),
    ("{}", "{augmentation.jitter: {}}"),
    ("{}", "{training.patience: 2}"),
    ("{model.layers: 0}", "{model.layers: 0, model.fusion.kind: attention}"),
    ("{model.layers: 0, model.head.kind: residual}",
     "{model.layers: 0, model.head.kind: residual, model.feed_forward: 64}"),
]  # fmt: skip

OWN = "kind: custom, class: 'parts:Part'"
LATE = "task.kind: reconstruct, model.layers: 0"
USED_BY_OWN_PARTS = [
    ("{}", "{augmentation.own: {class: 'parts:Part'}}"),
    *(
        (f"{{{LATE}, {part}: {{{OWN}}}}}", f"{{{LATE}, {part}: {{{OWN}}}, {setting}}}")
        for part, setting in (
            ("model.fusion", "model.heads: 2"),
            ("model.fusion", "model.causal: false"),
            ("model.head", "model.causal: false"),
            ("model.embedding.a", "model.causal: false"),
        )
    ),
]
"""A class of the user's is handed these settings if its constructor names them, which no plan reads."""


@pytest.mark.parametrize(("one", "other", "path"), IDLE)
def test_arms_that_differ_in_what_nothing_uses_are_refused(tmp_path: Path, one: str, other: str, path: str) -> None:
    with pytest.raises(StudyError) as caught:
        resolved(tmp_path, f"reference: one\narms:\n  one: {one}\n  other: {other}\n")
    assert caught.value.rule == "arms 'one' and 'other' differ in settings alone that nothing uses"
    assert caught.value.found == path
    assert caught.value.where == f"{tmp_path / 's.yaml'}:7"


@pytest.mark.parametrize(("one", "other"), USED)
def test_arms_that_differ_in_what_is_used_are_not(tmp_path: Path, one: str, other: str) -> None:
    assert len(resolved(tmp_path, f"reference: one\narms:\n  one: {one}\n  other: {other}\n").arms) == 2


@pytest.mark.parametrize(("one", "other"), USED_BY_OWN_PARTS)
def test_no_setting_that_a_class_of_the_users_may_ask_for_is_called_unused(
    tmp_path: Path, one: str, other: str
) -> None:
    (tmp_path / "parts.py").write_text("class Part: pass\n")
    assert len(resolved(tmp_path, f"reference: one\narms:\n  one: {one}\n  other: {other}\n").arms) == 2


def test_a_reference_called_like_the_word_for_the_base_is_refused_where_it_is_not_the_base(tmp_path: Path) -> None:
    told: dict[str, Any] = SCHEMA.model_dump(by_alias=True)
    told["modalities"]["all"] = told["modalities"].pop("a")
    schema = CorpusSchema.model_validate(told)
    with pytest.raises(StudyError, match=r"s\.yaml:4: reference 'all' names an arm, and is the word.*'t\+all' changes"):
        resolved(tmp_path, "reference: all\ndesign: {kind: modality_lattice}\n", schema)
    assert resolved(tmp_path, "reference: t+all\ndesign: {kind: modality_lattice}\n", schema).reference == "t+all"
    assert resolved(tmp_path, "reference: all\ndesign: {kind: modality_lattice}\n").reference == "t+a"
    assert resolved(tmp_path, "reference: all\narms: {all: {model.layers: 1}, b: {}}\n").reference == "all"


@pytest.mark.parametrize("name", ["a/b", "' a'", "'a\\b'", '"a\\tb"'])
def test_an_illegal_name_of_an_arm_has_its_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(StudyError, match=r"s\.yaml:7: .*must not contain a slash"):
        resolved(tmp_path, f"reference: one\narms:\n  one: {{}}\n  {name}: {{model.layers: 1}}\n")
