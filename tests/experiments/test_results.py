"""What goes from verdicts back to the tracking store."""

import math
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from experiments.cli.options import _change
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.request import Options
from experiments.results import aggregates, rebuild_command


def test_aggregates_are_over_the_repeats_that_have_a_value() -> None:
    found = aggregates("test/skill", [1.0, math.nan, 3.0])
    assert found == {"test/skill/mean": 2.0, "test/skill/sd": pytest.approx(math.sqrt(2))}


def test_one_value_has_no_deviation_and_none_has_nothing() -> None:
    assert aggregates("a", [1.0]) == {"a/mean": 1.0}
    assert aggregates("a", [math.nan]) == {}


def test_the_rebuild_command_leads_to_the_same_study(
    home: Home, tiny_study: Path, tiny_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = (("training.epochs", 3), ("model.fusion.kind", "add"))
    options = Options(corpus=str(tiny_corpus), repeats=3, metric="loss", changes=changes)
    request = open_request(str(tiny_study), home, options)
    words = shlex.split(rebuild_command(request, home))
    assert words[:5] == ["mmstudy", "--home", str(home.root), "report", str(tiny_study)]
    told = dict(zip(words[5::2], words[6::2], strict=True))
    assert (told["--corpus"], told["--repeats"], told["--metric"]) == (str(tiny_corpus), "3", "loss")
    sets = [_change(value) for flag, value in pairwise(words) if flag == "--set"]
    assert (
        open_request(str(tiny_study), home, Options(str(tiny_corpus), None, 3, "loss", tuple(sets))).key == request.key
    )
    monkeypatch.setenv("MMSTUDY_HOME", str(home.root))
    assert shlex.split(rebuild_command(request, home))[1] == "report"
