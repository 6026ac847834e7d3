"""Placebos against a corpus whose truth is known: a modality that tells nothing is not useful, one that does is."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from experiments.driver import run_study
from experiments.planning.request import Options
from experiments.progress import Silent
from experiments.records import read_record
from reports.sections.modalities.tests import assess

pytestmark = pytest.mark.usefixtures("no_mirror")

STUDY = {
    "question": "What does each modality bring?",
    "preset": None,
    "repeats": 8,
    "margin": 0.05,
    "reference": "all",
    "comparisons": "neighbours",
    "base": {
        "data.window": 20,
        "model": {"width": 16, "layers": 1, "heads": 2, "feed_forward": 16, "dropout": 0.0},
        "training": {"epochs": 8, "batch": 8},
        "training.optimiser": {"kind": "adam", "learning_rate": 0.01},
    },
    "design": {"kind": "placebo"},
}


@pytest.fixture
def noisy_corpus(tmp_path: Path, tiny_corpus: Path) -> Path:
    """The tracks copy the audio; what was measured as noise has nothing to do with them."""
    corpus = tmp_path / "corpus"
    shutil.copytree(tiny_corpus, corpus)
    (corpus / "noise").mkdir()
    rng = np.random.default_rng(5)
    for path in (corpus / "audio").glob("*.parquet"):
        table = pd.read_parquet(path)
        table.assign(level=rng.normal(size=len(table))).to_parquet(corpus / "noise" / path.name)
    schema = yaml.safe_load((corpus / "corpus.yaml").read_text(encoding="utf-8"))
    own = schema["modalities"]
    schema["modalities"] = {"audio": own["audio"], "noise": own["audio"], "track": own["track"]}
    (corpus / "corpus.yaml").write_text(yaml.safe_dump(schema, sort_keys=False), encoding="utf-8")
    return corpus


def test_what_tells_nothing_is_not_useful_and_what_drives_the_tracks_is(tmp_path: Path, noisy_corpus: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    home = tmp_path / "home"
    outcome = run_study(str(path), home, Options(corpus=str(noisy_corpus), workers=2), display=Silent())
    assert outcome.failed == 0
    (dossier,) = assess(outcome.results)
    assert dossier.arm == "all"
    useful = {part.modality: part.useful for part in dossier.parts if part.component is None}
    assert useful["audio"] == "useful"
    # The past of the tracks tells nothing of what comes: every step copies the audio of its own.
    assert useful["noise"] in ("not needed", "not shown")
    assert useful["track"] in ("not needed", "not shown")
    gain = {p.modality: p.placebo.estimate.mean for p in dossier.parts if p.component is None and p.placebo}
    assert gain["audio"] > 0.5
    assert max(abs(gain["noise"]), abs(gain["track"])) < 0.1
    verdicts = {c.reference: c.decision.verdict for c in outcome.summary.primary}
    assert verdicts["placebo audio"] == "better"
    assert "better" not in (verdicts["placebo noise"], verdicts["placebo track"])
    # As many parameters, operations and steps in every arm.
    records = [record for folder in (home / "runs").iterdir() if (record := read_record(folder)) is not None]
    assert len(records) == 32
    told = {(str(r.parameters), str(r.flops), r.steps) for r in records if r.repeat == 0}
    assert len(told) == 1
