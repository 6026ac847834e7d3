"""A study on a corpus with one target for each item: whole items by default, and a word where they are cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from factories.command import mmstudy
from factories.corpora import LENGTHS, write_actions

from experiments.cli.plan_view import plan_json
from experiments.cli.text import plan_text
from experiments.driver import run_study
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.planning.request import Options, Request
from experiments.progress import Silent
from experiments.records import read_record
from mmcore.fingerprint import fingerprint

pytestmark = pytest.mark.usefixtures("no_mirror")


@pytest.fixture
def actions(tmp_path: Path) -> Path:
    return write_actions(tmp_path / "actions")


def opened(corpus: Path, home: Home, **options: Any) -> Request:
    return open_request("modalities", home, Options(corpus=str(corpus), **options))


def test_with_a_corpus_alone_windows_hold_the_longest_item(actions: Path, home: Home) -> None:
    request = opened(actions, home)
    assert {arm.config.data.window for arm in request.study.arms} == {125}
    assert {arm.config.data.stride for arm in request.study.arms} == {None}
    assert request.fit is not None
    assert (request.fit.window, request.fit.cut, request.fit.warnings) == (125, 0, ())
    text = plan_text(plan(request, home))
    assert "window   125 steps; items have 41 to 125 (median 59)" in text
    assert "preset   small (chosen for 12 items; --preset names another)" in text
    assert "are cut" not in text


def test_what_a_user_sets_wins_and_cut_items_are_told(actions: Path, home: Home) -> None:
    request = opened(actions, home, changes=(("data.window", 50),))
    assert {arm.config.data.window for arm in request.study.arms} == {50}
    told = "9 of 12 items are longer than the window of 50 steps and are cut; the longest has 125"
    found = plan(request, home)
    assert f"warning: {told}" in plan_text(found)
    assert "Set data.window=125, or a step above 0.1 s" in plan_text(found)
    values = json.loads(json.dumps(plan_json(found)))
    assert (values["window"], values["preset"], values["preset_chosen_for_items"]) == (50, "small", 12)
    assert values["lengths"] == {"items": 12, "shortest": 41, "median": 59.0, "longest": 125, "cut": 9}
    assert values["warnings"][0].startswith(told)


def test_where_each_step_has_a_target_nothing_is_prepared_and_nothing_told(tmp_path: Path, home: Home) -> None:
    request = opened(write_actions(tmp_path / "steps", scope="step"), home)
    assert request.fit is None
    assert not home.prepared.exists()
    found = plan(request, home)
    assert "window " not in plan_text(found)
    assert plan_json(found)["lengths"] is None
    assert plan_json(found)["warnings"] == []


def test_the_corpus_is_prepared_once_and_that_is_said(actions: Path, home: Home) -> None:
    notes: list[str] = []
    for _ in range(2):
        open_request(
            "modalities", home, Options(corpus=str(actions)), lambda event: notes.append(getattr(event, "text", ""))
        )
    assert notes == ["preparing the corpus, since windows depend on the lengths of its items"]
    assert len([*home.prepared.glob("*/index.json")]) == 1


def test_a_named_preset_stays_and_a_simulated_corpus_has_its_own(actions: Path, home: Home) -> None:
    named = opened(actions, home, preset="medium")
    assert (named.study.preset, named.sized_by) == ("medium", None)
    assert "preset   medium\n" in plan_text(plan(named, home))
    simulated = open_request("modalities", home, Options())
    assert (simulated.study.preset, simulated.sized_by) == ("quick", None)
    assert simulated.study.arms[0].config.data.window == 50
    again = open_request("modalities", home, Options(corpus="simulated:quick"))
    assert [arm.config for arm in again.study.arms] == [arm.config for arm in simulated.study.arms]


def test_arms_of_unlike_windows_are_each_told(actions: Path, home: Home, tmp_path: Path) -> None:
    study = tmp_path / "mine.yaml"
    arms = "{whole: {}, short: {data.window: 50}, same: {data.window: 125, model.width: 32}}"
    study.write_text(f"question: Is whole better?\nreference: whole\nrepeats: 2\narms: {arms}\n", encoding="utf-8")
    request = open_request(str(study), home, Options(corpus=str(actions)))
    assert [arm.config.data.window for arm in request.study.arms] == [125, 50, 125]
    assert request.fit is not None
    assert (request.fit.window, request.fit.cut, len(request.fit.warnings)) == (125, 0, 1)
    twins = study.with_name("twins.yaml")
    twins.write_text(study.read_text(encoding="utf-8").replace(", model.width: 32", ""), encoding="utf-8")
    with pytest.raises(Exception, match="arms 'whole' and 'same' are the same experiment"):
        open_request(str(twins), home, Options(corpus=str(actions)))


def test_matching_counts_flops_of_the_whole_window(actions: Path, home: Home) -> None:
    request = opened(actions, home, match="flops")
    wide = opened(actions, home, match="flops", changes=(("data.window", 60),))
    sizes = [next(arm.size for arm in one.study.arms if arm.name == one.study.reference) for one in (request, wide)]
    assert sizes[0] is not None
    assert sizes[1] is not None
    assert sizes[0].cost > 1.5 * sizes[1].cost


class Heard(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def test_a_run_warns_before_it_trains_and_its_report_checks(actions: Path, home: Home, tmp_path: Path) -> None:
    study = tmp_path / "mine.yaml"
    study.write_text(
        "question: Does the foot help?\nreference: both\nrepeats: 2\n"
        "base: {model: {width: 8, layers: 1, heads: 2, feed_forward: 8}, training: {epochs: 1}, data.window: 50}\n"
        "arms: {both: {}, hand: {model.modalities: [hand]}}\n",
        encoding="utf-8",
    )
    heard = Heard()
    outcome = run_study(str(study), home.root, Options(corpus=str(actions), workers=1), display=heard)
    assert any(text.startswith("warning: 9 of 12 items are longer than the window of 50 steps") for text in heard.said)
    assert windows(home) == {50}
    check = next(check for check in outcome.summary.checks if check.code == "ABL042")
    assert check.outcome == "warning"
    assert check.text == "The longest item has 125 steps; a window of 50 steps cuts 9 of 12 items."


def windows(home: Home) -> set[int | None]:
    """Of the configs in all records."""
    return {record.config.data.window for folder in home.runs.iterdir() if (record := read_record(folder)) is not None}


def test_a_plan_names_the_runs_that_a_run_leaves(actions: Path, home: Home) -> None:
    """The window in a plan's fingerprints is the one that a record has."""
    request = opened(actions, home)
    assert request.content is not None
    config = request.study.arms[0].config
    found = plan(request, home)
    assert found.runs[0].fingerprint == fingerprint(config, request.content)


def test_inspect_shows_lengths_and_what_the_default_would_cut(actions: Path, tmp_path: Path, home: Home) -> None:
    text = mmstudy(home, "data", "inspect", actions).stdout
    assert "length of an item: 41 to 125 (median 59) steps, 4.1 to 12.5 s" in text
    assert "are cut" not in text
    lengths = json.loads(mmstudy(home, "data", "inspect", actions, "--format", "json").stdout)["lengths"]
    assert lengths == {"items": 12, "shortest": 41, "median": 59.0, "longest": 125}
    long = write_actions(tmp_path / "long", (1_200, *LENGTHS))
    text = mmstudy(home, "data", "inspect", long).stdout
    assert "1 of 13 items are longer than the window of 1,000 steps and are cut" in text


def test_the_command_keeps_json_whole_while_it_prepares(actions: Path, home: Home) -> None:
    done = mmstudy(home, "plan", "modalities", "--corpus", actions, "--format", "json")
    assert json.loads(done.stdout)["window"] == 125
    assert "preparing the corpus" in done.stderr


def test_inspect_names_columns_that_are_alike(tmp_path: Path, home: Home) -> None:
    alike = write_actions(tmp_path / "alike", copied=True)
    text = mmstudy(home, "data", "inspect", alike).stdout
    assert "columns that are alike\n  foot.y and hand.x are the same but for unit and sign" in text
    told = json.loads(mmstudy(home, "data", "inspect", alike, "--format", "json").stdout)
    assert told["alike"] == [{"one": "foot", "other": "hand", "columns": [["y", "x"]], "count": 1}]
    assert told["copies"] == []
    assert "alike" not in mmstudy(home, "data", "inspect", write_actions(tmp_path / "own")).stdout
