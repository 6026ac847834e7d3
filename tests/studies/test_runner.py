"""Studies with training code of the user's own: what is read, and what is refused at the door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from factories.training_code import COMMAND, STUDY

from mmcore.errors import StudyError
from studies.resolve_runner import resolve_runner
from studies.runner import CommandRunner, filled, higher_is_better, placeholders, words_of
from studies.study import read_study


def resolved(folder: Path, text: str = STUDY, **options: Any):
    path = folder / "gate.yaml"
    path.write_text(text, encoding="utf-8")
    study, written = read_study(path)
    return resolve_runner("gate", study, written, **options)


def test_arms_are_the_base_with_overrides(tmp_path: Path) -> None:
    study = resolved(tmp_path)
    assert [(arm.name, arm.config.settings) for arm in study.arms] == [
        ("gated", {"lr": 0.001, "fusion": "gated"}),
        ("concat", {"lr": 0.001, "fusion": "concat"}),
    ]
    assert study.pairs == (("gated", "concat"),)
    assert (study.metric.name, study.metric.measure.higher_is_better, study.repeats) == ("accuracy", True, 8)
    assert not study.native


def test_settings_may_be_nested_and_an_override_changes_one_of_them(tmp_path: Path) -> None:
    text = STUDY.replace("{lr: 1e-3, fusion: gated}", "{optimiser: {kind: sgd, lr: 0.1}, fusion: gated}")
    text = text.replace("{lr}", "{optimiser.lr} {optimiser.kind}").replace("concat}", "concat, optimiser.kind: adam}")
    first, second = resolved(tmp_path, text).arms
    assert first.config.settings == {"optimiser.kind": "sgd", "optimiser.lr": 0.1, "fusion": "gated"}
    # No kind is special here: the learning rate stays.
    assert second.config.settings == {"optimiser.kind": "adam", "optimiser.lr": 0.1, "fusion": "concat"}


def test_designs_that_lay_overrides_make_arms(tmp_path: Path) -> None:
    text = STUDY.replace(
        "arms:\n  gated: {}\n  concat: {fusion: concat}\n",
        "design: {kind: one_factor, factors: {lr: [1e-3, 1e-2], fusion: [gated, concat]}}\n",
    ).replace("reference: concat", "reference: base")
    assert [arm.name for arm in resolved(tmp_path, text).arms] == ["base", "lr=0.01", "fusion=concat"]
    grid = text.replace("one_factor", "factorial")
    assert [arm.name for arm in resolved(tmp_path, grid).arms] == [
        "lr=0.001, fusion=gated", "lr=0.001, fusion=concat", "lr=0.01, fusion=gated", "lr=0.01, fusion=concat",
    ]  # fmt: skip
    assert resolved(tmp_path, grid).reference == "lr=0.001, fusion=gated"


def test_the_command_line_changes_repeats_metric_and_settings(tmp_path: Path) -> None:
    study = resolved(tmp_path, repeats=3, metric="loss", changes={"lr": 0.5})
    assert (study.repeats, study.metric.name, study.metric.measure.higher_is_better) == (3, "loss", False)
    assert {arm.config.settings["lr"] for arm in study.arms} == {0.5}


def test_a_value_with_spaces_stays_one_word_and_nothing_reaches_a_shell() -> None:
    runner = CommandRunner(command="train --name {name} --json '{{\"a\": {n}}}'")
    assert words_of(runner, {"name": "a b; rm -rf x", "n": "3"}) == [
        "train", "--name", "a b; rm -rf x", "--json", '{"a": 3}',
    ]  # fmt: skip
    shell = CommandRunner(command="cd src && train {name}", shell=True)
    assert words_of(shell, {"name": "a b; rm -rf x"}) == ["cd src && train 'a b; rm -rf x'"]


def test_braces() -> None:
    assert list(placeholders("{a} {{b}} {c.d}")) == ["a", "c.d"]
    assert filled("{{{a}}}", {"a": "1"}) == "{1}"
    with pytest.raises(ValueError, match="character 3 has no partner"):
        list(placeholders("a {b"))


@pytest.mark.parametrize(
    ("name", "higher"),
    [("accuracy", True), ("val_f1", True), ("log_loss", False), ("rmse", False), ("word-error-rate", False)],
)
def test_the_direction_of_usual_scores_is_known(name: str, higher: bool) -> None:
    assert higher_is_better(CommandRunner(command="x"), name, "") is higher


def test_a_study_says_the_direction_of_any_other_score(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="higher or a lower stickiness is better"):
        resolved(tmp_path, STUDY.replace("metric: accuracy", "metric: stickiness"))
    for written, higher in (("true", False), ("false", True), ("[loss, stickiness]", False), ("[loss]", True)):
        text = STUDY.replace("metric: accuracy", "metric: stickiness")
        text = text.replace("runner:\n", f"runner:\n  lower_is_better: {written}\n")
        assert resolved(tmp_path, text).metric.measure.higher_is_better is higher


def change(old: str, new: str) -> str:
    assert old in STUDY
    return STUDY.replace(old, new)


REFUSED = {
    "unknown placeholder": (
        change("{fusion}", "{fussion}"), 3,
        "the command names the unknown placeholder {fussion}; expected a setting of base, or one of {repeat}, "
        "{workdir}, {config}, {python}. Did you mean 'fusion'? Valid: lr, fusion, repeat, workdir, config, python",
    ),
    "no repeat": (
        change("{repeat}", "1"), 3,
        "the command does not use {repeat}, so all repeats of an arm would be the same run. "
        "Add {repeat} to the command, such as --seed {repeat}",
    ),
    "setting unheard": (
        change(" --fusion {fusion}", ""), 3,
        "the command never hears of the setting 'fusion', so arms that change it would be alike; expected each setting "
        "of base as a placeholder, or {config} for all of them in a file. Add {fusion} to the command, or remove the "
        "setting from base",
    ),
    "open quote": (
        change("--lr {lr}", "--lr '{lr}"), 3,
        "the command cannot be divided into words; found no closing quotation. Close each quote; write {{ and }} for "
        "plain braces",
    ),
    "lone brace": (
        change("--lr {lr}", "--lr {lr"), 3,
        "the command cannot be divided into words; found the brace '{' at character 24 has no partner. Close each "
        "quote; write {{ and }} for plain braces",
    ),
    "arm key": (
        change("{fusion: concat}", "{fussion: concat}"), 7,
        "'fussion' is not a setting of base; expected every setting in base, with the value that it has where no arm "
        "changes it. Did you mean 'fusion'? Valid: lr, fusion. A new setting must be added to base",
    ),
    "arms alike": (
        change("{fusion: concat}", "{fusion: gated}"), 7,
        "arms 'gated' and 'concat' are the same experiment. Remove one of them, or change what it overrides",
    ),
    "reserved name": (
        change("base: {lr: 1e-3,", "base: {repeat: 1, lr: 1e-3,"), 4,
        "a setting cannot be called 'repeat': as a placeholder that is the number of the repeat, to be used as the "
        "seed. Give the setting another name",
    ),
    "command and function": (
        change("runner:\n", 'runner:\n  function: "a:b"\n'), 2, "runner: name a command or a function, not both",
    ),
    "neither": (change("command", "comand"), 3, "runner.comand: unknown key 'comand'. Did you mean 'command'?"),
    "function's path": (
        change(f'command: "{COMMAND}"', 'function: "my_pkg.train"'), 3,
        "runner.function: must be package.module:name; found 'my_pkg.train'",
    ),
    "scores elsewhere": (
        change("runner:\n", 'runner:\n  scores: "../scores.json"\n'), 3,
        "runner.scores: must be a path within the run's workdir; found '../scores.json'",
    ),
    "timeout": (change("runner:\n", "runner:\n  timeout: 0\n"), 3, "runner.timeout: must be greater than 0"),
    "split without share": (
        change("runner:\n", "runner:\n  split: by_repeat\n"), 2,
        "runner: split: by_repeat needs test_share, the share of the items that a repeat tests (such as 0.2): repeats "
        "then share training items, and intervals must allow for it",
    ),
    "share without split": (
        change("runner:\n", "runner:\n  test_share: 0.2\n"), 2,
        "runner: test_share belongs to split: by_repeat or split: shared",
    ),
    "epochs": (
        change("runner:\n", "runner:\n  max_epochs: epoch\n"), 3,
        "max_epochs must be a number from 1, or a setting of base that holds one; found 'epoch'. Valid: lr, fusion",
    ),
    "no metric": (
        change("metric: accuracy\n", ""), 1,
        "a study with a runner must name the score by which its arms are judged. Add metric: accuracy, or the name of "
        "another score that the training code reports",
    ),
    "metric of a side": (
        change("metric: accuracy", "metric: validation/accuracy"), 10,
        "metric 'validation/accuracy' must be the name of a score of test items; expected MEASURE or "
        "COMPONENT/MEASURE. Write accuracy",
    ),
    "no repeats": (
        change("repeats: 8\n", ""), 1,
        "the number of repeats is not set. Add repeats: 10, or say it on the command line: --repeats 10",
    ),
    "corpus": (
        STUDY + "corpus: data/mosi\n", 11,
        "a study with a runner cannot have 'corpus': the training code reads its own data. Leave it out",
    ),
    "preset": (
        STUDY + "preset: small\n", 11,
        "a study with a runner cannot have 'preset': presets are sizes of mmstudy's own models. Leave it out",
    ),
    "match": (
        STUDY + "match: parameters\n", 11,
        "a study with a runner cannot have 'match': mmstudy does not know how large these models are. Leave it out",
    ),
    "analyses": (
        STUDY + "analyses: [gates]\n", 11,
        "a study with a runner cannot have 'analyses': mmstudy cannot look into these models. Leave it out",
    ),
    "lattice": (
        STUDY + "design: {kind: modality_lattice}\n", 11,
        "design modality_lattice makes arms from the modalities of a corpus, not known for a runner. Use one_factor, "
        "factorial, or leave_one_out with parts; or write the arms yourself",
    ),
    "left out": (
        STUDY + "design: {kind: leave_one_out}\n", 11,
        "design leave_one_out without parts makes arms from the modalities of a corpus, not known for a runner. Use "
        "one_factor, factorial, or leave_one_out with parts; or write the arms yourself",
    ),
    "neighbours": (
        STUDY + "comparisons: neighbours\n", 11,
        "comparisons: neighbours needs the modalities of a corpus, which are not known for a runner. Use reference or "
        "pairs, or list the comparisons",
    ),
    "reference": (change("reference: concat", "reference: conkat"), 8, "reference 'conkat' is no arm. Did you mean"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_with_file_line_and_way_out(tmp_path: Path, name: str) -> None:
    text, line, message = REFUSED[name]
    with pytest.raises(StudyError) as caught:
        resolved(tmp_path, text)
    place, _, rest = caught.value.message.partition(": ")
    assert place == f"{tmp_path / 'gate.yaml'}:{line}"
    assert rest.startswith(message)


def test_a_repeat_may_reach_a_command_through_its_settings_file(tmp_path: Path) -> None:
    text = change(COMMAND, "train.py --config {config}")
    with pytest.raises(StudyError, match=r"write seed: \"\{repeat\}\" in base"):
        resolved(tmp_path, text)
    text = text.replace("base: {", 'base: {seed: "{repeat}", ')
    assert resolved(tmp_path, text).arms[0].config.settings["seed"] == "{repeat}"
