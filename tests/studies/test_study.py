"""Study files: what is right resolves, what is wrong names file, line, rule and the nearest valid name."""

import re
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from experiments.planning.costs import Costs
from mmcore.config import Cosine, DataConfig, Fusion, Overrides
from mmcore.data.sources.simulated import simulated_schema
from mmcore.errors import MMStudyError, StudyError
from mmcore.schema import CorpusSchema
from reports.statistics.floors import needed
from studies.design import ModalityLattice, Reads, arms_of, neighbours
from studies.repeats import Sequential
from studies.resolve import resolve
from studies.resolve_search import found_names
from studies.resolved import ResolvedStudy
from studies.study import AUTO, catalogue, find_study, preset_for, read_preset, read_study

GOOD = """\
question: Is more better?
reference: small
repeats: 6
base:
  model.width: 64
  training: {epochs: 3}
arms:
  small: {}
  large: {model.width: 128}
  tracks: {model.modalities: [track]}
"""


def opened(folder: Path, text: str, schema: CorpusSchema, **options: Any) -> ResolvedStudy:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    study, written = read_study(path)
    named = preset_for(None) if study.preset == AUTO else study.preset
    preset, preset_file = read_preset(named) if named else (None, None)
    return resolve("mine", study, written, preset, preset_file, folder, schema, **options)


def test_a_good_study_resolves(tmp_path: Path, schema: CorpusSchema) -> None:
    study = opened(tmp_path, GOOD, schema)
    assert [arm.name for arm in study.arms] == ["small", "large", "tracks"]
    assert study.arm("large").config.model.width == 128
    assert study.arm("small").config.training.epochs == 3
    assert study.arm("tracks").config.model.modalities == ("track",)
    assert study.pairs == (("large", "small"), ("tracks", "small"))
    assert study.repeats == 6


def test_repeats_may_be_a_rule_which_a_plain_number_replaces(tmp_path: Path, schema: CorpusSchema) -> None:
    text = GOOD.replace("repeats: 6", "repeats: {min: 6, max: 30, stop: decided}")
    study = opened(tmp_path, text, schema)
    assert study.repeats == 30
    assert study.sequential == Sequential(min=6, max=30, stop="decided", step=1)
    fixed = opened(tmp_path, text, schema, repeats=8)
    assert (fixed.repeats, fixed.sequential) == (8, None)
    assert opened(tmp_path, GOOD, schema).sequential is None
    other = opened(tmp_path, GOOD, schema, repeats=Sequential(min=3, max=5))
    assert (other.repeats, str(other.sequential)) == (5, "3..5")
    # The rule is no part of a run's identity.
    assert [a.config for a in study.arms] == [a.config for a in fixed.arms]


def test_layers_lie_over_each_other_in_order(tmp_path: Path, schema: CorpusSchema) -> None:
    study = opened(tmp_path, GOOD, schema, changes={"model.width": 32, "model.layers": 1}, repeats=2)
    assert study.arm("small").config.model.width == 32  # the command line over the base
    assert study.arm("large").config.model.width == 128  # the arm over the command line
    assert study.arm("large").config.model.layers == 1  # the command line over the preset
    assert study.arm("large").config.model.heads == 4  # the preset over the defaults
    assert study.repeats == 2
    assert study.changes == {"model.width": 32, "model.layers": 1}


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ("repeats: 6", "repeat: 6", 3, ["unknown key 'repeat'", "Did you mean 'repeats'?"]),
        ("repeats: 6", "repeats: six", 3, ["repeats", "'six'"]),
        ("repeats: 6", "repeats: 0", 3, ["repeats", "greater than 0"]),
        ("repeats: 6", "repeats: {min: 6, max: 6}", 3, ["repeats: max must be above min: min is 6, max is 6"]),
        ("repeats: 6", "repeats: {min: 1, max: 6}", 3, ["repeats.min", "at least 2; found 1"]),
        ("repeats: 6", "repeats: {max: 6}", 3, ["the required key 'min' is missing"]),
        ("repeats: 6", "repeats: {min: 6, mx: 9}", 3, ["repeats.mx: unknown key", "Did you mean 'max'?"]),
        ("repeats: 6", "repeats:\n  min: 6\n  max: 9\n  stop: never", 6, ["repeats.stop", "Valid: decided"]),
        ("question: Is more better?", "notes: none", 1, ["'question' is missing"]),
        ("reference: small", "reference: smal", 2, ["reference 'smal' is no arm", "Did you mean 'small'?"]),
        ("model.width: 64", "model.widht: 64", 5, ["unknown key 'widht'", "Did you mean 'width'?"]),
        ("model.width: 64", "model.width: wide", 5, ["model.width", "'wide'"]),
        ("{epochs: 3}", "{epoch: 3}", 6, ["unknown key 'epoch'", "Did you mean 'epochs'?"]),
        ("{epochs: 3}", "{epochs: 3}\n  model.fusion.kind: gate", 7, ["'gate' is unknown", "Did you mean 'gated'?"]),
        ("[track]", "[trak]", 10, ["trak", "Did you mean 'track'?"]),
        ("{model.width: 128}", "{model.width: 64}", 9, ["'small' and 'large' are the same experiment"]),
        (
            "{model.width: 128}",
            "{model.width: 128, model: {width: 32}}",
            9,
            ["'model.width' is set twice", "by 'model'"],
        ),
        ("{model.width: 128}", "{model: {norm: pre}, model.norm: pre}", 9, ["'model.norm' is set twice"]),
        ("{epochs: 3}", "{epochs: 3}\n  training.epochs: 4", 6, ["'training.epochs' is set twice", "Keep one"]),
        ("{epochs: 3}", "{epochs: 3}\n  model.fusion.rank: 4\n  model.fusion: add", 8, ["'model.fusion' is set twice"]),
        (
            "{model.width: 128}",
            '{model: {"fusion.kind": add, fusion: {kind: concat}}}',
            9,
            ["'model.fusion.kind' is set twice", "by 'fusion.kind' and by 'fusion', both within 'model'"],
        ),
        (
            "{epochs: 3}",
            "{epochs: 3, optimiser: {kind: adam},\n  optimiser.kind: adamw}",
            6,
            ["optimiser.kind' is"],
        ),
        ("{model.width: 128}", "{model.heads: 3}", 9, ["model.heads (3) must divide model.width (64)"]),
        ("repeats: 6", "metric: skil", 3, ["unknown measure", "Did you mean 'skill'?"]),
        ("repeats: 6", "metric: activ/f1", 3, ["unknown component", "Did you mean 'active'?"]),
        ("repeats: 6", "metric: mae", 3, ["units differ"]),
        ("repeats: 6", "comparisons: [[large, smal]]", 3, ["unknown arm 'smal'", "Did you mean 'small'?"]),
        ("repeats: 6", "comparisons: [[large, large]]", 3, ["compared with itself"]),
        ("repeats: 6", "comparisons: all", 3, ["comparisons"]),
        ("repeats: 6", "alpha: 2", 3, ["alpha"]),
        ("{epochs: 3}", "{epochs: 3}\n  loss.weights: {positon: 2}", 7, ["'positon'", "Did you mean 'position'?"]),
        ("{epochs: 3}", "{epochs: 3}\n  task.kind: label", 7, ["task label does not fit"]),
        ("{epochs: 3}", "{epochs: 3}\n  model.causal: false", 7, ["causal"]),
        ("{epochs: 3}", "{epochs: 3}\n  device: cuda", 7, ["'device' is a run-time option", "--device"]),
        ("{model.width: 128}", "{repeat: 5}", 9, ["'repeat' is a run-time option", "--repeats"]),
        ("{model.width: 128}", "{threads: 1}", 9, ["'threads' is a run-time option"]),
        ("{model.width: 128}", "{corpus: other}", 9, ["'corpus' is a run-time option", "--corpus"]),
        ("{model.width: 128}", "{data.max_gap: 0.5}", 9, ["data.max_gap decides what arms are scored on", "'large'"]),
        ("{model.width: 128}", "{data: {tolerance: 0.5}}", 9, ["data.tolerance decides"]),
        ("{model.width: 128}", "{split.test: 0.4}", 9, ["split.test decides", "Set it in base"]),
        ("{model.width: 128}", "{task: {kind: forecast, horizon: 3}}", 9, ["task.horizon decides", "found 3"]),
        ("{model.width: 128}", "{task.kind: reconstruct}", 9, ["task.kind decides"]),
        ("repeats: 6", "metric: position/f1", 3, ["has no value here", "found continuous", "f1 (binary)"]),
    ],
)
def test_what_is_wrong_names_line_rule_and_nearest_name(
    tmp_path: Path, schema: CorpusSchema, before: str, after: str, line: int, words: list[str]
) -> None:
    assert before in GOOD
    with pytest.raises(StudyError) as caught:
        opened(tmp_path, GOOD.replace(before, after), schema)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'mine.yaml'}:{line}: "), message
    for word in words:
        assert word in message


def test_a_wrong_command_line_change_is_named_as_such(tmp_path: Path, schema: CorpusSchema) -> None:
    with pytest.raises(StudyError, match=r"--set: model\.widht: .*Did you mean 'width'"):
        opened(tmp_path, GOOD, schema, changes={"model.widht": 3})


def test_settings_beside_each_other_in_one_mapping_are_not_twice_the_same(tmp_path: Path, schema: CorpusSchema) -> None:
    mixed = '{model: {width: 128, "fusion.kind": low_rank, fusion: {rank: 3}}, model.norm: pre, loss: {}}'
    config = opened(tmp_path, GOOD.replace("{model.width: 128}", mixed), schema).arm("large").config
    assert config.model.fusion.model_dump() == {"kind": "low_rank", "rank": 3}


def test_duplicate_arms_are_refused_with_both_lines(tmp_path: Path, schema: CorpusSchema) -> None:
    with pytest.raises(StudyError, match=r":11: 'large' is written twice; found first on line 9"):
        opened(tmp_path, GOOD + "  large: {model.width: 256}\n", schema)


def test_all_modalities_written_out_is_the_same_run_as_none(tmp_path: Path, schema: CorpusSchema) -> None:
    text = GOOD.replace("[track]", "[track, visual, audio]")
    with pytest.raises(StudyError, match="'small' and 'tracks' are the same experiment"):
        opened(tmp_path, text, schema)


def test_comparisons_may_be_all_pairs(tmp_path: Path, schema: CorpusSchema) -> None:
    study = opened(tmp_path, GOOD + "comparisons: pairs\n", schema)
    assert study.pairs == (("small", "large"), ("small", "tracks"), ("large", "tracks"))


def never(overrides: Overrides) -> bool:
    return False


def test_neighbours_differ_by_one_modality_or_are_single() -> None:
    arms = arms_of(ModalityLattice(), ("a", "b"), never)
    subsets = {arm.name: Reads(frozenset(arm.name.split("+"))) for arm in arms}
    assert neighbours(subsets) == (("a+b", "a"), ("a+b", "b"), ("a", "b"))


def test_a_placebo_is_a_neighbour_of_the_same_subset_alone() -> None:
    """It reads all modalities, and is no subset: nothing is compared with it for having one modality less."""
    subsets = {name: Reads(frozenset(name)) for name in ("abc", "ab", "ac", "bc", "a", "b", "c")}
    controls = {
        "placebo a": Reads(frozenset("abc"), frozenset("a")),
        "placebo ab": Reads(frozenset("ab"), frozenset("b")),
    }
    pairs = neighbours(subsets | controls)
    assert [pair for pair in pairs if "placebo" in pair[0]] == []
    assert [pair for pair in pairs if "placebo" in pair[1]] == [("abc", "placebo a"), ("ab", "placebo ab")]
    assert tuple(pair for pair in pairs if "placebo" not in pair[1]) == neighbours(subsets)


def test_an_unknown_study_names_the_nearest() -> None:
    with pytest.raises(StudyError, match="Did you mean 'fusion'"):
        find_study("fusoin")
    with pytest.raises(MMStudyError, match="Did you mean 'quick'"):
        read_preset("quik")
    with pytest.raises(MMStudyError, match="Did you mean 'auto'"):
        read_preset("atuo")


def test_a_study_file_that_is_not_there_names_the_nearest_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deeper.yaml").write_text("question: Why?\n")
    with pytest.raises(StudyError, match=r"^deper\.yaml: there is no such study file\. Did you mean 'deeper\.yaml'\?"):
        find_study("deper.yaml")
    with pytest.raises(StudyError, match=r"'deeper' is neither .* nor a file\. Did you mean 'deeper\.yaml'\?"):
        find_study("deeper")
    with pytest.raises(StudyError, match=r"no such study file\. The folder none is not there either"):
        find_study("none/deeper.yaml")
    with pytest.raises(StudyError, match=r"no such study file\. Name a file that is there, or .* mmstudy list shows"):
        find_study("xyzw.yml")


def of_catalogue(name: str, preset: str, schema: CorpusSchema, **options: Any) -> ResolvedStudy:
    study, written = read_study(find_study(name))
    assert study.question.endswith("?")
    chosen, preset_file = read_preset(preset)
    return resolve(name, study, written, chosen, preset_file, Path("corpus"), schema, count=Costs(schema), **options)


COMPARED = """\
question: Is more better?
reference: a
repeats: 6
base: {model.modalities: [audio, visual]}
comparisons: LISTED
arms:
  a: {}
  b: {evaluation.without: [audio]}
  c: {model.layers: 1, evaluation.without: [audio]}
"""


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        ("[[b, a], [a, b]]", ["arm 'a' is compared with 'b' twice", "once"]),
        ("[[b, b]]", ["arm 'b' is compared with itself", "once"]),
        ("[]", ["nothing to compare", "at least one comparison"]),
        ("[[a, b, c]]", ["comparisons.0"]),
        ("neighbors", ["'neighbors' is not one of the choices", "Did you mean 'neighbours'?"]),
        ("conditions", ["no other arm is tested under the same condition as 'a'"]),
    ],
)
def test_comparisons_that_make_no_sense_are_refused(
    tmp_path: Path, schema: CorpusSchema, listed: str, words: list[str]
) -> None:
    with pytest.raises(StudyError) as caught:
        opened(tmp_path, COMPARED.replace("LISTED", listed), schema)
    assert str(caught.value).startswith(f"{tmp_path / 'mine.yaml'}:5: ")
    assert all(word in str(caught.value) for word in words), caught.value


def test_loss_weights_of_0_are_refused_and_equal_ones_are_none(tmp_path: Path, schema: CorpusSchema) -> None:
    weights = ", ".join(f"{component}: WEIGHT" for component in schema.targets.components)
    text = COMPARED.replace("LISTED", "pairs").replace("model.layers: 1", f"loss.weights: {{{weights}}}")
    with pytest.raises(StudyError, match=r"mine\.yaml:9: loss.weights: at least one loss component"):
        opened(tmp_path, text.replace("WEIGHT", "0"), schema)
    with pytest.raises(StudyError, match="'b' and 'c' are the same experiment"):
        opened(tmp_path, text.replace("WEIGHT", "3"), schema)


@pytest.mark.parametrize("size", ["quick", "seed"])
@pytest.mark.parametrize("name", sorted(catalogue()))
def test_every_study_of_the_catalogue_resolves_under_every_preset(name: str, size: Literal["quick", "seed"]) -> None:
    schema = simulated_schema(size)
    resolved = of_catalogue(name, size, schema)
    assert len(resolved.arms) + len(found_names(resolved.search)) >= 2
    assert all(arm.size is None or arm.size.within is not False for arm in resolved.arms)
    if name == "seed_experiment":  # the seed did one run of each, and its report says what that is worth
        assert resolved.repeats == 1
        return
    # At the catalogue's repeats claims must be possible at all, on the metric and by component.
    asked = len(resolved.pairs) * len(schema.targets.components)
    assert (needed(resolved.alpha, asked) or 99) <= resolved.repeats


@pytest.mark.parametrize("name", sorted(set(catalogue()) - {"track_vs_multimodal", "seed_experiment"}))
def test_studies_that_are_not_about_the_tracks_resolve_on_any_corpus(schema: CorpusSchema, name: str) -> None:
    values = schema.model_dump(by_alias=True)
    values["modalities"] = {"lidar": values["modalities"]["audio"], "wheel": values["modalities"]["track"]}
    values["reference"] = values["targets"]["from"] = "wheel"
    resolved = of_catalogue(name, "quick", CorpusSchema.model_validate(values), match="none")
    assert len(resolved.arms) + len(found_names(resolved.search)) >= 2
    shown = " ".join(f"{arm.name} {arm.overrides}" for arm in resolved.arms)
    assert not {"audio", "visual", "track"} & set(re.findall(r"[a-z_]+", shown))


def test_the_study_of_modalities_learns_what_absence_is(schema: CorpusSchema) -> None:
    """So that being told to be absent is a way of masking of its own, besides zeros."""
    assert {arm.config.model.absence for arm in of_catalogue("modalities", "quick", schema).arms} == {"learned"}


def test_placements_have_equally_many_layers_on_the_way(schema: CorpusSchema) -> None:
    for preset in ("quick", "seed"):
        arms = of_catalogue("placement", preset, schema).arms
        assert {arm.config.model.layers_before + arm.config.model.layers for arm in arms} == {2}


def test_the_seed_experiment_is_the_one_of_its_log() -> None:
    arms = {arm.name: arm.config for arm in of_catalogue("seed_experiment", "seed", simulated_schema("seed")).arms}
    for config in arms.values():
        assert (config.task.kind, config.model.head.kind) == ("reconstruct", "shared")
        assert config.training.epochs == 10
        # It kept what its preset says of the schedule: with two warm-up epochs the last two climb.
        assert config.training.schedule == Cosine(warmup_epochs=2, floor=1e-6, begins="first_step")
    sizes = {name: (config.model.layers, config.model.feed_forward) for name, config in arms.items()}
    assert sizes == {"multimodal": (6, 1024), "track_only": (6, 1024), "earlier_track_only": (4, 512)}


def test_the_fusion_study_names_every_fusion(schema: CorpusSchema) -> None:
    kinds = {member.model_fields["kind"].default for member in get_args(get_args(Fusion)[0])}
    arms = of_catalogue("fusion", "quick", schema).arms
    # A class of the user's is no fusion of ours.
    assert {arm.config.model.fusion.kind for arm in arms} == kinds - {"custom"}
    matched = [arm for arm in arms if arm.size is not None and arm.size.within]
    assert {arm.config.model.fusion.kind for arm in matched} == kinds - {"custom"}


def test_settings_that_leave_the_targets_alone_may_differ(tmp_path: Path, schema: CorpusSchema) -> None:
    text = GOOD.replace("{model.width: 128}", "{data: {window: 30, stride: 10, clip: 5.0}}")
    assert opened(tmp_path, text, schema).arm("large").config.data.window == 30


@pytest.mark.parametrize(("metric", "margin"), [("skill", "5"), ("accuracy", "1"), ("active/f1", "2.0")])
def test_a_margin_that_no_difference_can_leave_is_refused(
    tmp_path: Path, schema: CorpusSchema, metric: str, margin: str
) -> None:
    """In percent, say: every comparison would be called equivalent."""
    text = GOOD + f"metric: {metric}\nmargin: {margin}\n"
    line = text[: text.index("margin")].count("\n") + 1
    with pytest.raises(StudyError) as refused:
        opened(tmp_path, text, schema)
    told = refused.value.message
    assert f".yaml:{line}: margin" in told
    assert f"expected a number below 1; found {float(margin):g}" in told
    assert f"{float(margin) / 100:g}" in told


def test_a_margin_in_units_of_a_target_may_be_any_number(tmp_path: Path, schema: CorpusSchema) -> None:
    assert opened(tmp_path, GOOD + "metric: position/mae\nmargin: 5\n", schema).margin == 5
    assert opened(tmp_path, GOOD + "metric: loss\nmargin: 5\n", schema).margin == 5


def test_a_margin_belongs_to_the_studys_own_metric(tmp_path: Path, schema: CorpusSchema) -> None:
    text = GOOD + "margin: 0.02\n"
    assert opened(tmp_path, text, schema).margin == 0.02
    assert opened(tmp_path, text, schema, metric="skill").margin == 0.02
    assert opened(tmp_path, text, schema, metric="position/mae").margin is None


def test_a_metric_of_the_command_line_is_checked_before_anything_is_trained(
    tmp_path: Path, schema: CorpusSchema
) -> None:
    for metric, words in {
        "macro_f2": "--metric: .*Did you mean 'macro_f1'",
        "position/accuracy": "--metric: .*has no value here",
        "activ/f1": "--metric: .*Did you mean 'active'",
    }.items():
        with pytest.raises(StudyError, match=words):
            opened(tmp_path, GOOD, schema, metric=metric)


# The metric, and the epoch that it chooses ---------------------------------------------------------------------------
LABELS = {
    "format": 1,
    "name": "spoken",
    "modalities": {"audio": {"features": [{"name": "energy"}]}, "visual": {"features": [{"name": "motion"}]}},
    "targets": {
        "from": "mood",
        "scope": "item",
        "parameters": [{"name": "mood", "kind": "categorical", "classes": 3, "component": "mood"}],
    },
}
PLAIN = GOOD.replace("  tracks: {model.modalities: [track]}\n", "")


def selects(study: ResolvedStudy) -> set[str | None]:
    return {arm.config.training.select for arm in study.arms}


def test_the_epoch_is_chosen_by_the_metric_of_the_study(tmp_path: Path, schema: CorpusSchema) -> None:
    assert selects(opened(tmp_path, GOOD + "metric: active/f1\n", schema)) == {"active/f1"}
    # The task's own metric needs no word: these runs are those that a config written by hand has.
    for text in (GOOD, GOOD + "metric: skill\n"):
        study = opened(tmp_path, text, schema)
        assert (study.metric.name, selects(study)) == ("skill", {None})


def test_a_study_may_have_the_epoch_chosen_otherwise(tmp_path: Path, schema: CorpusSchema) -> None:
    study = opened(tmp_path, GOOD.replace("epochs: 3", "epochs: 3, select: skill") + "metric: accuracy\n", schema)
    assert selects(study) == {None}  # skill, by its one spelling
    one_arm = GOOD.replace("{model.width: 128}", "{training.select: loss}") + "metric: accuracy\n"
    study = opened(tmp_path, one_arm, schema)
    assert [arm.config.training.select for arm in study.arms] == ["accuracy", "loss", "accuracy"]
    assert study.arm("small").overrides == {}


def test_another_yardstick_from_the_command_line_judges_the_same_runs(tmp_path: Path, schema: CorpusSchema) -> None:
    study = opened(tmp_path, GOOD + "margin: 0.02\n", schema, metric="accuracy")
    assert (study.metric.name, study.margin, selects(study)) == ("accuracy", None, {None})


def test_labels_are_judged_by_balanced_accuracy(tmp_path: Path) -> None:
    labels = CorpusSchema.model_validate(LABELS)
    study = opened(tmp_path, PLAIN + "margin: 0.02\n", labels, lengths=lambda data: [30, 70])
    assert (study.metric.name, study.margin, selects(study)) == ("balanced_accuracy", 0.02, {None})
    study = opened(tmp_path, PLAIN + "metric: skill\n", labels, lengths=lambda data: [30, 70])
    assert (study.metric.name, selects(study)) == ("skill", {"skill"})


def test_a_metric_of_selection_that_has_no_value_is_refused(tmp_path: Path, schema: CorpusSchema) -> None:
    with pytest.raises(StudyError, match=r"training.select: metric 'position/f1' has no value here") as told:
        opened(tmp_path, GOOD.replace("epochs: 3", "epochs: 3, select: position/f1"), schema)
    assert str(told.value.where).endswith("mine.yaml:6")


SIZES = """\
repeats: 4
base: {model.width: 16, data.clip: 5.0, training.epochs: 3}
steps: {data: {window: 50, stride: 25}}
items: {training.epochs: 9}
"""


def with_sizes(folder: Path, schema: CorpusSchema, base: str = "{}", **options: Any) -> ResolvedStudy:
    """A study under a preset file of its own."""
    (folder / "sizes.yaml").write_text(SIZES, encoding="utf-8")
    path = folder / "mine.yaml"
    arms = "{wide: {}, narrow: {model.width: 8}}"
    path.write_text(f"question: Is more better?\nreference: wide\nbase: {base}\narms: {arms}\n", encoding="utf-8")
    study, written = read_study(path)
    preset, preset_file = read_preset(str(folder / "sizes.yaml"))
    return resolve("mine", study, written, preset, preset_file, folder, schema, **options)


def no_lengths(data: DataConfig) -> list[int]:
    """Stands for lengths that nobody may ask for."""
    raise AssertionError("lengths are not needed")


def test_a_preset_says_one_thing_for_targets_of_steps_and_another_for_those_of_items(
    tmp_path: Path, schema: CorpusSchema
) -> None:
    by_step = with_sizes(tmp_path, schema, lengths=no_lengths).arm("wide").config
    assert (by_step.data.window, by_step.data.stride, by_step.training.epochs) == (50, 25, 3)
    labels = CorpusSchema.model_validate(LABELS)
    by_item = with_sizes(tmp_path, labels, lengths=lambda data: [41, 125]).arm("wide").config
    assert (by_item.data.window, by_item.data.stride, by_item.training.epochs) == (125, None, 9)
    assert by_step.data.clip == by_item.data.clip == 5.0


def test_a_window_of_study_or_command_line_wins(tmp_path: Path) -> None:
    labels = CorpusSchema.model_validate(LABELS)
    study = with_sizes(tmp_path, labels, "{data.window: 60}", lengths=no_lengths)
    assert {arm.config.data.window for arm in study.arms} == {60}
    study = with_sizes(tmp_path, labels, "{data.window: 60}", lengths=no_lengths, changes={"data.window": 50})
    assert {arm.config.data.window for arm in study.arms} == {50}
    study = with_sizes(tmp_path, labels, "{data.window: 60}", lengths=lambda _: [7], changes={"data.window": None})
    assert {arm.config.data.window for arm in study.arms} == {7}


def test_a_fault_in_a_presets_layer_points_at_its_line(tmp_path: Path, schema: CorpusSchema) -> None:
    sizes = tmp_path / "wrong.yaml"
    sizes.write_text(SIZES.replace("window: 50", "windo: 50"), encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(PLAIN, encoding="utf-8")
    study, written = read_study(tmp_path / "mine.yaml")
    with pytest.raises(StudyError, match="Did you mean 'window'") as told:
        resolve("mine", study, written, *read_preset(str(sizes)), tmp_path, schema)
    assert str(told.value.where).endswith("wrong.yaml:3")


@pytest.mark.parametrize("name", ["quick", "seed", "small", "medium", "large"])
@pytest.mark.parametrize("scope", ["step", "item"])
def test_every_preset_resolves_and_leaves_items_whole(name: str, scope: str, tmp_path: Path) -> None:
    labels = CorpusSchema.model_validate(LABELS)
    labels = labels.model_copy(update={"targets": labels.targets.model_copy(update={"scope": scope})})
    text = "question: Is more better?\nreference: a\narms: {a: {}, b: {model.causal: true}}\n"
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    study, written = read_study(tmp_path / "mine.yaml")
    found = resolve("mine", study, written, *read_preset(name), tmp_path, labels, lengths=lambda _: [41, 700])
    windows = {arm.config.data.steps for arm in found.arms}
    assert windows == {700} if scope == "item" else max(windows) <= 100


def test_the_preset_follows_the_number_of_items() -> None:
    asked = (None, 1, 999, 1_000, 9_999, 10_000)
    assert [preset_for(n) for n in asked] == ["quick", "small", "small", "medium", "medium", "large"]


def test_small_trains_targets_of_steps_as_quick_does(tmp_path: Path, schema: CorpusSchema) -> None:
    """Before presets followed the corpus, quick was everyone's: runs of then are found again."""
    text = "question: Is more better?\nreference: a\narms: {a: {}, b: {model.norm: pre}}\n"
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    study, written = read_study(tmp_path / "mine.yaml")
    quick, small = (
        resolve("mine", study, written, *read_preset(name), tmp_path, schema).arms for name in ("quick", "small")
    )
    assert [arm.config for arm in quick] == [arm.config for arm in small]
