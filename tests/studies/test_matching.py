"""Matching: arms come to the reference's size by an order that is fixed, and what cannot be done is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.config import RunConfig, build_config
from mmcore.errors import StudyError
from mmcore.schema import CorpusSchema
from studies.matching import By, Match, fitted, off, scaling
from studies.resolve import resolve
from studies.resolved import ResolvedStudy
from studies.study import read_study

STUDY = """\
question: Is it the fusion or its size?
preset: null
repeats: 2
reference: add
base: {model: {width: 64, layers: 2, heads: 4, feed_forward: 128}}
arms:
  add: {model.fusion.kind: add}
  concat: {model.fusion.kind: concat}
  wide: {model: {width: 128, fusion: {kind: add}, dropout: 0.3}}
"""


def count(config: RunConfig, by: By) -> int:
    """A Transformer's cost in closed form: layers, what the fusion adds, a head."""
    model = config.model
    width, layers = model.width, model.layers + 3 * model.layers_before
    layer = 4 * width * width + 2 * width * model.feed_forward
    extra = {"add": 3, "concat": 3 * width * width, "decision": 2 * layers * layer}.get(model.fusion.kind, 0)
    cost = layers * layer + extra + 40 * width
    return cost if by == "parameters" else 100 * cost + 10_000 * width


def config_of(**model: Any) -> RunConfig:
    return build_config({"corpus": "c", "model": model})


def opened(folder: Path, text: str, schema: CorpusSchema, **options: Any) -> ResolvedStudy:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    study, written = read_study(path)
    return resolve("mine", study, written, None, None, folder, schema, **{"count": count, **options})


@pytest.mark.parametrize("by", ["parameters", "flops"])
@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary"])
@given(
    width=st.integers(4, 40),
    heads=st.sampled_from([1, 2, 3, 4, 8]),
    layers=st.integers(1, 6),
    share=st.floats(0.5, 4),
    fusion=st.sampled_from(["add", "concat", "decision"]),
    target=st.integers(30_000, 3_000_000),
)
def test_any_shape_comes_within_the_tolerance_of_any_sensible_size(
    by: By, positions: str, width: int, heads: int, layers: int, share: float, fusion: str, target: int
) -> None:
    size = 2 * heads * width
    before = config_of(
        width=size,
        heads=heads,
        layers=layers,
        feed_forward=max(1, round(size * share)),
        positions=positions,
        fusion={"kind": fusion},
    )
    goal = target if by == "parameters" else 100 * target
    after = fitted(before, goal, Match(by=by), count)
    assert off(count(after, by), goal) <= 0.02
    # What comes out is a legal config, and only its sizes changed.
    told = scaling(before, after)
    assert set(told) <= {"model.width", "model.feed_forward", "model.layers"}
    assert build_config({"corpus": "c", "model": after.model.model_dump()}) == after
    sizes = {path.removeprefix("model."): value for path, value in told.items()}
    assert after.model == before.model.model_copy(update=sizes)


def test_width_and_feed_forward_keep_their_proportion() -> None:
    before = config_of(width=64, heads=4, layers=2, feed_forward=128)
    after = fitted(before, 4 * count(before, "parameters"), Match(by="parameters"), count).model
    assert after.width == pytest.approx(128, abs=8)
    assert after.feed_forward / after.width == pytest.approx(2, rel=0.25)
    assert after.layers == 2


def test_what_is_near_enough_stays_as_it_is() -> None:
    before = config_of(width=64, heads=4, layers=2, feed_forward=128)
    for share, stays in ((1.0, True), (1.019, True), (0.97, False)):
        target = round(count(before, "parameters") * share)
        assert (fitted(before, target, Match(by="parameters"), count) == before) is stays


def test_layers_go_where_the_smallest_width_is_too_large() -> None:
    before = config_of(width=32, heads=32, layers=6, feed_forward=64)  # the width cannot become smaller
    target = count(before.model_copy(update={"model": before.model.model_copy(update={"layers": 2})}), "parameters")
    after = fitted(before, target, Match(by="parameters"), count)
    assert after.model.layers < 6
    assert after.model.width == 32
    assert off(count(after, "parameters"), target) <= 0.02


def test_without_layers_after_fusion_only_the_width_can_change() -> None:
    before = config_of(width=64, heads=4, layers=0, feed_forward=128, fusion={"kind": "concat"})
    after = fitted(before, 2 * count(before, "parameters"), Match(by="parameters", tolerance=0.05), count)
    assert after.model.layers == 0
    assert off(count(after, "parameters"), 2 * count(before, "parameters")) <= 0.05


def test_what_cannot_be_matched_is_left_at_the_nearest(tmp_path: Path, schema: CorpusSchema) -> None:
    text = (
        STUDY
        + "  tight: {model: {width: 256, heads: 256, positions: learned, fusion: {kind: concat}}}\nmatch: parameters\n"
    )
    study = opened(tmp_path, text, schema)
    tight = study.arm("tight")
    assert tight.size is not None
    assert tight.size.within is False
    assert tight.size.ratio > 1.5
    assert (tight.config.model.width, tight.config.model.layers, tight.config.model.feed_forward) == (256, 1, 1)
    assert study.arm("concat").size.within  # pyright: ignore[reportOptionalMemberAccess]


def test_a_matched_study_scales_every_arm_but_the_reference(tmp_path: Path, schema: CorpusSchema) -> None:
    study = opened(tmp_path, STUDY + "match: parameters\n", schema)
    assert [arm.name for arm in study.arms] == ["add", "concat", "wide"]
    assert study.arm("add").overrides == {"model.fusion.kind": "add"}
    target = count(study.arm("add").config, "parameters")
    for arm in study.arms:
        assert off(count(arm.config, "parameters"), target) <= 0.02
        assert arm.size is not None
        assert (arm.size.cost, arm.size.within) == (count(arm.config, "parameters"), True)
    # The overrides shown are those that make the arm.
    concat = study.arm("concat")
    assert concat.overrides["model.width"] == concat.config.model.width != 64
    assert study.match == Match(by="parameters")


def test_unmatched_twins_stand_beside_the_matched(tmp_path: Path, schema: CorpusSchema) -> None:
    study = opened(tmp_path, STUDY + "match: {by: flops, unmatched: true}\n", schema)
    assert [arm.name for arm in study.arms] == ["add", "concat", "concat, matched", "wide", "wide, matched"]
    assert [arm.size.within for arm in study.arms if arm.size] == [True, None, True, None, True]
    assert study.arm("concat").config.model.width == 64
    assert study.pairs == tuple((arm.name, "add") for arm in study.arms[1:])


def test_an_arm_of_the_right_size_has_no_twin(tmp_path: Path, schema: CorpusSchema) -> None:
    text = STUDY + "  still: {model: {fusion: {kind: add}, dropout: 0.4}}\nmatch: {by: parameters, unmatched: true}\n"
    study = opened(tmp_path, text, schema)
    assert "still" in [arm.name for arm in study.arms]
    assert "still, matched" not in [arm.name for arm in study.arms]


def test_the_command_line_turns_matching_on_off_and_over(tmp_path: Path, schema: CorpusSchema) -> None:
    matching = STUDY + "match: {by: parameters, tolerance: 0.1}\n"
    assert opened(tmp_path, matching, schema, match="none").match is None
    assert opened(tmp_path, matching, schema, match="flops").match == Match(by="flops", tolerance=0.1)
    assert opened(tmp_path, STUDY, schema, match="flops").match == Match(by="flops")
    assert opened(tmp_path, STUDY, schema).match is None


def test_nothing_is_counted_where_nothing_is_matched(tmp_path: Path, schema: CorpusSchema) -> None:
    def refuse(config: RunConfig, by: By) -> int:
        raise AssertionError("counting imports torch")

    study = opened(tmp_path, STUDY, schema, count=refuse)
    assert all(arm.size is None for arm in study.arms)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("match: size\n", 10, "'size' is not one of the choices. Valid: parameters, flops"),
        ("match: {by: flops, tolerence: 0.1}\n", 10, "Did you mean 'tolerance'?"),
        ("match: {tolerance: 0.1}\n", 10, "'by' is missing"),
        ("match: {by: flops, tolerance: 0}\n", 10, "match.tolerance"),
        ("comparisons: neighbours\nmatch: {by: flops, unmatched: true}\n", 1, "neighbours cannot separate"),
        (
            "  twin: {model: {width: 96, fusion: {kind: add}, dropout: 0.3}}\nmatch: flops\n",
            10,
            "once they are matched",
        ),
    ],
)
def test_what_is_wrong_names_its_line(tmp_path: Path, schema: CorpusSchema, text: str, line: int, words: str) -> None:
    with pytest.raises(StudyError) as caught:
        opened(tmp_path, STUDY + text, schema)
    assert str(caught.value).startswith(f"{tmp_path / 'mine.yaml'}:{line}: "), caught.value
    assert words in str(caught.value)


def test_a_name_that_a_twin_would_take_is_refused(tmp_path: Path, schema: CorpusSchema) -> None:
    text = STUDY + "  concat, matched: {model.dropout: 0.5}\nmatch: {by: flops, unmatched: true}\n"
    with pytest.raises(StudyError, match=r"mine\.yaml:10: arm name 'concat, matched' is taken"):
        opened(tmp_path, text, schema)
    assert "concat, matched" in [arm.name for arm in opened(tmp_path, text, schema, match="none").arms]


def test_matching_without_a_way_to_count_is_our_mistake(tmp_path: Path, schema: CorpusSchema) -> None:
    with pytest.raises(ValueError, match="without a way to count"):
        opened(tmp_path, STUDY + "match: flops\n", schema, count=None)
