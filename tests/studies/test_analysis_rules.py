"""What can be asked of no run is refused before one is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmcore.errors import StudyError
from mmcore.schema import CorpusSchema
from studies.resolve import resolve
from studies.resolved import ResolvedStudy
from studies.study import read_study

STUDY = """\
question: Is it?
preset: null
repeats: 2
reference: all
base: {model: {width: 16, layers: 2, heads: 2, feed_forward: 16}}
arms: {all: {}, shallow: {model.layers: 1}}
"""


@pytest.fixture
def wide(schema: CorpusSchema) -> CorpusSchema:
    """Nine modalities."""
    told = schema.model_dump(mode="json", by_alias=True)
    told["modalities"] |= {f"extra{i}": {"features": [{"name": f"extra{i}_x"}]} for i in range(6)}
    return CorpusSchema.model_validate(told)


def opened(folder: Path, text: str, schema: CorpusSchema) -> ResolvedStudy:
    path = folder / "mine.yaml"
    path.write_text(STUDY + text, encoding="utf-8")
    study, written = read_study(path)
    return resolve("mine", study, written, None, None, folder, schema)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("analyses: [coalitions]\n", 7),
        ("analyses: coalitions\n", 7),
        ("analyses: all\n", 7),
        ("analyses:\n  - errors\n  - coalitions\n", 9),
        ("analyses:\n  - errors\n  - kind: coalitions\n    draws: 2\n", 9),
    ],
)
def test_all_subsets_of_nine_modalities_are_refused_where_they_are_asked_for(
    tmp_path: Path, wide: CorpusSchema, text: str, line: int
) -> None:
    with pytest.raises(StudyError, match="all subsets of more than 8 modalities are too many to score") as refused:
        opened(tmp_path, text, wide)
    assert refused.value.where == f"{tmp_path / 'mine.yaml'}:{line}"
    assert refused.value.found == "9 modalities, 512 subsets"
    assert "samples: 20" in str(refused.value.next_step)


def test_samples_fewer_modalities_and_other_questions_are_not_refused(
    tmp_path: Path, schema: CorpusSchema, wide: CorpusSchema
) -> None:
    def kinds(text: str, of: CorpusSchema) -> list[Any]:
        return [analysis.kind for analysis in opened(tmp_path, text, of).analyses]

    assert kinds("analyses: [{kind: coalitions, samples: 20}]\n", wide) == ["coalitions"]
    assert kinds("analyses: [coalitions]\n", schema) == ["coalitions"]
    assert kinds("analyses: [gates, attention, corruption, errors]\n", wide) == [
        "gates", "attention", "corruption", "errors",
    ]  # fmt: skip


def test_what_counts_are_the_modalities_that_arms_read(tmp_path: Path, wide: CorpusSchema) -> None:
    few = "  few: {model.modalities: [audio, visual]}\n"
    text = STUDY.replace("arms: {all: {}, shallow: {model.layers: 1}}\n", f"arms:\n  all: {{}}\n{few}")
    path = tmp_path / "mine.yaml"
    for base, refused in (("", True), (", modalities: [audio, visual, track]", False)):
        path.write_text(text.replace("feed_forward: 16", f"feed_forward: 16{base}") + "analyses: coalitions\n")
        study, written = read_study(path)
        if refused:
            with pytest.raises(StudyError, match="too many to score"):
                resolve("mine", study, written, None, None, tmp_path, wide)
        else:
            assert resolve("mine", study, written, None, None, tmp_path, wide).analyses
