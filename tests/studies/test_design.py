"""Designs: which arms a rule makes, how rules are joined, and where errors point."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from mmcore.errors import StudyError
from mmcore.fingerprint import fingerprint
from mmcore.schema import CorpusSchema
from studies.design import DESIGNS, Design, arms_of, same_conditions
from studies.resolve import resolve
from studies.resolved import ResolvedStudy
from studies.study import read_study

HEAD = """\
question: Is it?
preset: null
repeats: 2
base: {model: {width: 16, layers: 2, heads: 2, feed_forward: 16}}
"""


def opened(folder: Path, text: str, schema: CorpusSchema, **options: Any) -> ResolvedStudy:
    path = folder / "mine.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    study, written = read_study(path)
    return resolve("mine", study, written, None, None, folder, schema, **options)


def made(rule: Mapping[str, object], modalities: tuple[str, ...] = ("a", "b", "c"), base: tuple[Any, ...] = ()):
    design: Design = TypeAdapter(Design).validate_python(rule)
    arms = arms_of(design, modalities, lambda overrides: next(iter(overrides.values())) in base)
    assert len({arm.name for arm in arms}) == len(arms)
    return {arm.name: arm.overrides for arm in arms}


def test_the_lattice_holds_every_subset_once() -> None:
    arms = made({"kind": "modality_lattice"})
    assert list(arms) == ["a+b+c", "a+b", "a+c", "b+c", "a", "b", "c"]
    assert arms["a+b+c"] == {}
    assert all(arms[name] == {"model.modalities": name.split("+")} for name in arms if name != "a+b+c")


NINE = tuple("abcdefghi")


def test_a_lattice_of_too_many_modalities_is_refused_unless_it_is_sampled() -> None:
    assert len(made({"kind": "modality_lattice"}, NINE[:8])) == 255
    with pytest.raises(StudyError, match="more than 8 modalities are too many to train") as refused:
        made({"kind": "modality_lattice"}, NINE)
    assert refused.value.found == "9 modalities, 511 arms"
    assert len(made({"kind": "modality_lattice", "sample": 5}, NINE)) == 1 + 9 + 9 + 5


def test_a_sampled_lattice_has_the_whole_the_singles_and_all_but_each() -> None:
    arms = made({"kind": "modality_lattice", "sample": 4}, NINE)
    assert arms["+".join(NINE)] == {}
    for one in NINE:
        assert arms[one] == {"model.modalities": [one]}
        assert "+".join(m for m in NINE if m != one) in arms
    assert all(name.split("+") == sorted(name.split("+")) for name in arms)
    assert [name.count("+") for name in arms] == sorted((name.count("+") for name in arms), reverse=True)
    assert arms == made({"kind": "modality_lattice", "sample": 4}, NINE)
    assert arms != made({"kind": "modality_lattice", "sample": 4, "seed": 1}, NINE)
    assert set(arms) > set(made({"kind": "modality_lattice", "sample": 0}, NINE))


@pytest.mark.parametrize("modalities", [("a",), ("a", "b"), ("a", "b", "c", "d")])
def test_a_sample_of_all_subsets_is_the_lattice(modalities: tuple[str, ...]) -> None:
    assert made({"kind": "modality_lattice", "sample": 99}, modalities) == made(
        {"kind": "modality_lattice"}, modalities
    )


def test_leave_one_out_lacks_each_modality_once() -> None:
    arms = made({"kind": "leave_one_out"})
    assert arms.pop("all") == {}
    lacking = {name: {"a", "b", "c"} - set(overrides["model.modalities"]) for name, overrides in arms.items()}
    assert lacking == {"without a": {"a"}, "without b": {"b"}, "without c": {"c"}}


def test_placebo_gives_each_modality_of_another_item_once() -> None:
    assert made({"kind": "placebo"}) == {
        "all": {},
        "placebo a": {"data.placebo": ["a"]},
        "placebo b": {"data.placebo": ["b"]},
        "placebo c": {"data.placebo": ["c"]},
    }


def test_leave_one_out_of_parts_lays_all_but_one_of_them() -> None:
    parts = {"deep": {"model.layers": 4}, "wide": {"model.width": 64}, "late": {"model.layers_before": 1}}
    arms = made({"kind": "leave_one_out", "parts": parts, "none": True})
    assert list(arms) == ["all", "without deep", "without wide", "without late", "none"]
    assert arms["all"] == {"model.layers": 4, "model.width": 64, "model.layers_before": 1}
    assert arms["without wide"] == {"model.layers": 4, "model.layers_before": 1}
    assert arms["none"] == {}
    assert "none" not in made({"kind": "leave_one_out", "parts": parts})


def test_one_factor_moves_one_thing_at_a_time_and_leaves_out_the_base() -> None:
    factors = {"model.layers": [1, 2, 4], "model.fusion.kind": ["add", "concat"]}
    arms = made({"kind": "one_factor", "factors": factors}, base=(2, "add"))
    assert arms == {
        "base": {},
        "layers=1": {"model.layers": 1},
        "layers=4": {"model.layers": 4},
        "fusion=concat": {"model.fusion.kind": "concat"},
    }


def test_a_factorial_is_the_full_product() -> None:
    factors = {"model.layers": [1, 2], "model.norm": ["post", "pre"], "model.dropout": [0.0, 0.1, 0.2]}
    arms = made({"kind": "factorial", "factors": factors})
    assert [tuple(overrides.values()) for overrides in arms.values()] == [*product(*factors.values())]
    assert list(arms)[1] == "layers=1, norm=post, dropout=0.1"


def test_last_names_that_are_alike_are_told_apart_by_the_path() -> None:
    factors = {"loss.binary.kind": ["focal"], "loss.categorical.kind": ["focal"]}
    assert list(made({"kind": "factorial", "factors": factors})) == ["binary=focal, categorical=focal"]
    factors = {"augmentation.crop.probability": [1.0], "augmentation.noise.probability": [1.0]}
    names = list(made({"kind": "one_factor", "factors": factors}))
    assert names == ["base", "augmentation.crop.probability=1", "augmentation.noise.probability=1"]


def test_missing_modality_tests_every_training_under_every_condition() -> None:
    training = {"plain": {}, "dropout": {"augmentation.modality_dropout": {"rate": 0.3}}}
    arms = made({"kind": "missing_modality", "training": training}, ("a", "b"))
    assert list(arms) == [
        "plain", "plain, without a", "plain, without b", "dropout", "dropout, without a", "dropout, without b",
    ]  # fmt: skip
    assert arms["dropout, without b"] == {
        "augmentation.modality_dropout": {"rate": 0.3},
        "evaluation.without": ["b"],
    }


def test_conditions_compare_under_the_same_condition_with_the_first() -> None:
    gone = {"p": "", "p, a": "a", "q": "", "q, a": "a", "r, a": "a"}
    pairs = same_conditions({name: frozenset(without) for name, without in gone.items()})
    assert pairs == (("q", "p"), ("q, a", "p, a"), ("r, a", "p, a"))


EVERY = {
    "modality_lattice": "design: {kind: modality_lattice}\nreference: all\n",
    "leave_one_out": "design: {kind: leave_one_out}\nreference: all\n",
    "placebo": "design: {kind: placebo}\nreference: all\n",
    "one_factor": "design: {kind: one_factor, factors: {model.layers: [1, 2, 3]}}\nreference: base\n",
    "factorial": (
        "design: {kind: factorial, factors: {model.layers: [1, 2], model.norm: [pre, post]}}\nreference: base\n"
    ),
    "named_sets": "design: {kind: named_sets, sets: {ears: [audio], both: [audio, track]}}\nreference: ears\n",
    "missing_modality": (
        "design: {kind: missing_modality, training: {plain: {}, deep: {model.layers: 3}}}\n"
        "reference: plain\ncomparisons: conditions\n"
    ),
}


def test_every_design_is_tried_below() -> None:
    assert {m.model_fields["kind"].default for m in DESIGNS} == set(EVERY)


@pytest.mark.parametrize("kind", list(EVERY))
def test_every_design_resolves_to_arms_that_differ(tmp_path: Path, schema: CorpusSchema, kind: str) -> None:
    study = opened(tmp_path, EVERY[kind], schema)
    assert len({fingerprint(arm.config, "") for arm in study.arms}) == len(study.arms) >= 2
    assert study.reference in [arm.name for arm in study.arms]
    assert study.pairs


def test_base_means_the_arm_that_changes_nothing(tmp_path: Path, schema: CorpusSchema) -> None:
    assert opened(tmp_path, EVERY["factorial"], schema).reference == "layers=2, norm=post"
    assert opened(tmp_path, EVERY["modality_lattice"], schema).reference == "audio+visual+track"


def test_designs_take_the_modalities_that_the_base_reads(tmp_path: Path, schema: CorpusSchema) -> None:
    changes = {"model.modalities": ["track", "audio"]}
    lattice = opened(tmp_path, EVERY["modality_lattice"], schema, changes=changes)
    assert [arm.name for arm in lattice.arms] == ["audio+track", "audio", "track"]
    missing = opened(tmp_path, EVERY["missing_modality"], schema, changes=changes)
    assert [arm.config.evaluation.without for arm in missing.arms[:3]] == [(), ("audio",), ("track",)]


def test_rules_are_joined_and_what_two_make_alike_is_one_arm(tmp_path: Path, schema: CorpusSchema) -> None:
    text = """\
reference: base
design:
  - {kind: one_factor, factors: {model.layers: [1, 2]}}
  - {kind: one_factor, factors: {model.norm: [pre]}}
  - {kind: named_sets, sets: {deaf: [visual, track]}}
arms:
  wide: {model.width: 32}
"""
    study = opened(tmp_path, text, schema)
    assert [arm.name for arm in study.arms] == ["base", "layers=1", "norm=pre", "deaf", "wide"]


LATTICE, PLACEBO, LEFT = ("{kind: modality_lattice}", "{kind: placebo}", "{kind: leave_one_out}")


@pytest.mark.parametrize(
    ("rules", "first"),
    [
        ([LATTICE, PLACEBO], "audio+visual+track"),
        ([PLACEBO, LATTICE], "all"),
        ([LEFT, PLACEBO], "all"),
        (["{kind: one_factor, factors: {model.layers: [1]}}", PLACEBO], "base"),
    ],
)
def test_the_base_is_there_once_under_the_name_of_the_first_rule(
    tmp_path: Path, schema: CorpusSchema, rules: list[str], first: str
) -> None:
    study = opened(tmp_path, f"reference: all\ndesign: [{', '.join(rules)}]\n", schema)
    assert [arm.name for arm in study.arms if not arm.overrides] == [first]
    assert study.reference == first
    assert [a.name for a in study.arms if "placebo" in a.name] == ["placebo audio", "placebo visual", "placebo track"]


def test_the_full_set_is_compared_with_each_placebo(tmp_path: Path, schema: CorpusSchema) -> None:
    text = f"reference: all\ncomparisons: neighbours\ndesign: [{LATTICE}, {PLACEBO}]\n"
    study = opened(tmp_path, text, schema)
    alone = opened(tmp_path, f"reference: all\ncomparisons: neighbours\ndesign: {LATTICE}\n", schema)
    added = [pair for pair in study.pairs if pair not in alone.pairs]
    assert added == [("audio+visual+track", f"placebo {name}") for name in ("audio", "visual", "track")]
    assert set(alone.pairs) <= set(study.pairs)


def test_a_placebo_is_no_difference_in_what_arms_are_scored_on(tmp_path: Path, schema: CorpusSchema) -> None:
    """Spelled in the corpus's order, whoever writes it, so that runs are shared."""
    text = "reference: own\narms:\n  own: {}\n  other: {data.placebo: [track, audio]}\n"
    assert opened(tmp_path, text, schema).arm("other").config.data.placebo == ("audio", "track")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ("{data.placebo: [visuall]}", "data.placebo: modality 'visuall' is not in corpus"),
        ("{data: {placebo: [audio]}, model.modalities: [track]}", "the model does not read audio"),
        ("{data.placebo: [audio, visual, track]}", "must be the item's own"),
        ("{data.placebo: [audio, audio]}", "no modality twice"),
    ],
)
def test_a_wrong_placebo_is_told_with_its_line(
    tmp_path: Path, schema: CorpusSchema, overrides: str, words: str
) -> None:
    with pytest.raises(StudyError) as caught:
        opened(tmp_path, f"reference: own\narms:\n  own: {{}}\n  other: {overrides}\n", schema)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'mine.yaml'}:8: ")


@pytest.mark.parametrize(
    ("design", "line", "words"),
    [
        ("{kind: modality_latice}", 6, ["kind 'modality_latice' is unknown", "Did you mean 'modality_lattice'?"]),
        ("{factors: {model.layers: [1]}}", 6, ["a kind must be named"]),
        ("{kind: one_factor, factor: {}}", 6, ["factors"]),
        ("\n  kind: one_factor\n  factors: {model.layers: [1]}\n  parts: {}", 9, ["unknown key 'parts'", "factors"]),
        ("\n  kind: one_factor\n  factors: {model.layers: 3}", 8, ["design.factors.model.layers"]),
        (
            "\n  kind: factorial\n  factors:\n    model.layers: [1]\n    model.layer: [2]",
            10,
            ["Did you mean 'layers'?"],
        ),
        ("\n  kind: one_factor\n  factors:\n    model.norm: [pre, past]", 9, ["model.norm", "'past'"]),
        (
            "\n  kind: named_sets\n  sets:\n    some: [audio]\n    more: [audio, visuall]",
            10,
            ["Did you mean 'visual'?"],
        ),
        ("\n  kind: leave_one_out\n  none: true", 6, ["none belongs to parts"]),
        (
            "\n  kind: leave_one_out\n  parts:\n    a: {model.layers: 1}\n    b: {model.widht: 2}",
            10,
            ["unknown key 'widht'"],
        ),
        ("\n  kind: leave_one_out\n  parts: {a: {model.layers: 1}, b: {model.layers: 2}}", 6, ["'a' and 'b' both set"]),
        ("\n  kind: missing_modality\n  training:\n    a: {model.layer: 1}", 9, ["unknown key 'layer'"]),
        ("\n  kind: one_factor\n  factors: {loss.weights: [{positon: 1}]}", 8, ["Did you mean 'position'?"]),
        ("{kind: one_factor, factors: {device: [cuda]}}", 6, ["'device' is a run-time option", "--device"]),
        ("{kind: named_sets, sets: {a/b: [audio], c: [track]}}", 6, ["'a/b' must not contain a slash"]),
        (
            "\n  - {kind: modality_lattice}\n  - {kind: named_sets, sets: {audio: [track]}}",
            8,
            ["makes arm 'audio' twice"],
        ),
        (
            "\n  - {kind: modality_lattice}\n  - {kind: named_sets, sets: {ears: [audio]}}",
            8,
            ["are the same experiment"],
        ),
        (
            "\n  - {kind: modality_lattice}\n  - {kind: factorial, factor: {}}",
            8,
            ["unknown key 'factor'. Did you mean 'factors'?"],
        ),
    ],
)
def test_what_is_wrong_in_a_design_names_line_and_rule(
    tmp_path: Path, schema: CorpusSchema, design: str, line: int, words: list[str]
) -> None:
    with pytest.raises(StudyError) as caught:
        opened(tmp_path, f"reference: all\ndesign: {design}\n", schema)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'mine.yaml'}:{line}: "), message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize("kind", ["leave_one_out", "missing_modality", "placebo"])
def test_taking_away_the_only_modality_is_refused(tmp_path: Path, schema: CorpusSchema, kind: str) -> None:
    with pytest.raises(StudyError, match=r"mine\.yaml:5: design .* needs at least two; found track"):
        opened(tmp_path, EVERY[kind], schema, changes={"model.modalities": ["track"]})


def test_an_arm_of_the_design_cannot_be_written_again(tmp_path: Path, schema: CorpusSchema) -> None:
    with pytest.raises(StudyError, match=r"mine\.yaml:8: the design already makes arm 'without audio'"):
        opened(tmp_path, EVERY["leave_one_out"] + "arms:\n  without audio: {model.width: 32}\n", schema)


def test_a_design_without_a_base_arm_has_no_reference_base(tmp_path: Path, schema: CorpusSchema) -> None:
    with pytest.raises(StudyError, match=r"mine\.yaml:6: reference 'base' is no arm"):
        opened(tmp_path, EVERY["named_sets"].replace("reference: ears", "reference: base"), schema)
