"""Plans and runs say what a study cannot decide, before anything is trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from experiments.cli.main import app
from experiments.cli.plan_view import plan_json
from experiments.cli.text import plan_text
from experiments.driver import run_study
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.foresight import prospects
from experiments.planning.plan import plan
from experiments.planning.request import Options
from experiments.progress import Silent

pytestmark = pytest.mark.usefixtures("no_mirror")


def corpus(tiny: Path, folder: Path, **columns: list[str]) -> Path:
    """The tiny corpus with other columns in its ``items.csv``."""
    shutil.copytree(tiny, folder)
    items = pd.read_csv(folder / "items.csv", dtype=str).assign(**columns)
    items.to_csv(folder / "items.csv", index=False)
    return folder


def test_a_plan_says_that_two_repeats_decide_nothing(tiny_study: Path, tiny_corpus: Path, home: Home) -> None:
    found = plan(open_request(str(tiny_study), home, Options(corpus=str(tiny_corpus))), home)
    assert "warning: 2 repeats cannot show which arm is better, whatever the result: 1 comparison" in plan_text(found)
    told = plan_json(found)["verdicts"]
    assert (told["can_decide"], told["needed_repeats"], told["test_groups"]) == (False, 6, 2)
    assert told["claims"] == "new items"
    assert json.dumps(told)


def test_the_command_warns_and_refuses_nothing(
    tiny_study: Path, tiny_corpus: Path, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        app(["--home", str(home.root), "plan", str(tiny_study), "--corpus", str(tiny_corpus), "--format", "json"])
    assert not end.value.code
    assert json.loads(capsys.readouterr().out)["verdicts"]["can_decide"] is False


def test_a_split_column_with_one_test_group_is_told(
    tiny_study: Path, tiny_corpus: Path, home: Home, tmp_path: Path
) -> None:
    one = corpus(tiny_corpus, tmp_path / "one", split=["train"] * 11 + ["test"])
    found = prospects(open_request(str(tiny_study), home, Options(corpus=str(one), repeats=8)))
    assert (found.claims, found.test_groups) == ("these items only", 1)
    assert [text for text in found.warnings if "for these items only, not for new ones" in text]


def test_a_search_shares_its_test_groups(tiny_study: Path, tiny_corpus: Path, home: Home) -> None:
    with tiny_study.open("a", encoding="utf-8") as file:
        file.write("search:\n  space: {model.dropout: {kind: uniform, low: 0, high: 0.5}}\n  budget: {trials: 2}\n")
    found = prospects(open_request(str(tiny_study), home, Options(corpus=str(tiny_corpus), repeats=8)))
    assert found.test_groups == 2
    assert "All repeats test the same 2 groups" in found.warnings[-1]


@pytest.mark.parametrize(("groups", "told"), [(4, "The corpus has 4 groups"), (2, "No run can be trained")])
def test_too_few_groups_are_told_in_plain_words(
    tiny_study: Path, tiny_corpus: Path, home: Home, tmp_path: Path, groups: int, told: str
) -> None:
    few = corpus(tiny_corpus, tmp_path / "few", group=[f"g{i % groups}" for i in range(12)])
    found = plan(open_request(str(tiny_study), home, Options(corpus=str(few), repeats=8)), home)
    assert told in plan_text(found)


def test_a_simulated_corpus_is_known_before_it_is_made(home: Home) -> None:
    found = prospects(open_request("track_vs_multimodal", home, Options()))
    assert (found.can_decide, found.test_groups, found.warnings) == (True, 12, ())
    assert not home.root.exists()


class Heard(Silent):
    """Keeps what is said, and how many runs had begun by then."""

    def __init__(self) -> None:
        self.runs = 0
        self.said: list[tuple[int, str]] = []

    def started(self, name: str, group: str = "") -> None:
        self.runs += 1

    def say(self, text: str) -> None:
        self.said.append((self.runs, text))


def test_a_run_says_it_once_and_before_anything_is_trained(tiny_study: Path, tiny_corpus: Path, home: Home) -> None:
    for expected in ([0], []):  # the second call has nothing to train: its report says what there is to say
        display = Heard()
        run_study(str(tiny_study), home.root, Options(corpus=str(tiny_corpus), workers=1), display=display)
        assert [runs for runs, text in display.said if "cannot show which arm is better" in text] == expected
