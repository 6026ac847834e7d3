"""The benchmark of analyses adds up what was really measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.bench_analyses import main

STUDY = """\
question: What does a level cost?
reference: both
base:
  model: {width: 16, layers: 1, heads: 2, feed_forward: 32}
  training.epochs: 2
  data.window: 20
arms:
  both: {}
  track: {model.modalities: [track]}
analyses: [errors, gates]
"""


def test_seconds_of_training_and_of_every_kind_of_question(
    tmp_path: Path, tiny_corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "level.yaml"
    study.write_text(STUDY, encoding="utf-8")
    home = tmp_path / "home"
    words = [str(study), "--home", str(home), "--corpus", str(tiny_corpus), "--repeats", "1", "--workers", "1"]
    main([*words, "--format", "json"])
    told = json.loads(capsys.readouterr().out)[str(study)]
    records = [json.loads(path.read_text()) for path in home.glob("runs/*/record.json")]
    assert len(records) == 2
    assert told["training"] == pytest.approx(sum(record["seconds"] for record in records))
    for kind, runs in {"errors": 2, "gates": 1}.items():  # a single modality has no gate
        answers = [json.loads(path.read_text()) for path in home.glob(f"runs/*/analyses/{kind}-*.json")]
        assert len(answers) == runs
        assert told[kind] == pytest.approx(sum(answer["seconds"] for answer in answers))
    assert set(told) == {"training", "errors", "gates"}

    main(words)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 3 + 1
    both = told["errors"] + told["gates"]
    assert lines[-1].split()[-1] == f"{both / told['training']:.1%}"
