"""The benchmark that shows what the refused objective would have done."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from factories.corpora import with_a_second_target
from factories.records import a_record, changed

from benchmarks.naive_objective import WeightedLoss, main
from mmcore.measures import parse_metric
from mmcore.record import Record
from mmcore.scores import Score

pytestmark = pytest.mark.usefixtures("no_mirror")


def record(**losses: float) -> Record:
    def score(component: str | None, value: float, **other: str) -> Score:
        place = {"split": "validation", "items": "all", "metric": "loss"} | other
        return Score(component=component, value=value, **place)

    others = [
        score(None, 100.0),
        score("active", 100.0, split="test"),
        score("active", 100.0, baseline="constant"),
        score("active", 100.0, metric="skill"),
    ]
    scores = [*others, *(score(name, value) for name, value in losses.items())]
    return changed(a_record(scores=scores), "config.loss.weights", {"active": 3.0, "scale": 0.1})


def test_the_weighted_loss_adds_up_what_was_minimised() -> None:
    objective = WeightedLoss("weighted_loss", parse_metric("loss"))
    assert not objective.maximise
    assert objective.of(record(active=0.5, scale=2.0, rotation=4.0)) == pytest.approx(1.5 + 0.2 + 4.0)
    assert math.isnan(objective.of(record(active=0.5, scale=math.nan)))


@pytest.mark.slow
def test_the_refused_search_runs_to_a_verdict_and_goes_on_where_it_was(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = with_a_second_target(tiny_corpus, tmp_path / "two")
    words = ["--corpus", str(corpus), "--trials", "2", "--repeats", "2", "--epochs", "1"]
    words += ["--home", str(tmp_path / "home")]
    monkeypatch.setattr("sys.argv", ["naive_objective", *words])
    main()
    first = capsys.readouterr()
    main()
    second = capsys.readouterr()
    assert first.out == second.out
    for name in ("naive proportions", "naive free", "tuned"):
        assert name in first.out
    assert "weighted validation loss" in first.out
    assert "trial" in first.err
    assert "trial" not in second.err, "nothing is trained twice"
