"""The dossier against corpora whose truth is declared, from the first training to the last word.

On two repeats nothing can be shown beyond chance, so numbers are held against the declaration; words are, with seven
repeats, on a corpus of a minute; benchmarks/dossier_truth.py holds words against the declaration on the simulated one.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from experiments.driver import run_study
from experiments.planning.request import Options
from mmcore.data.sources.simulated import read_truth, simulate
from reports.sections.modalities.dossier import Dossier
from reports.sections.modalities.tests import assess

pytestmark = pytest.mark.usefixtures("no_mirror")

SMALL = {
    "data": {"window": 50, "stride": 25},
    "model": {"width": 32, "layers": 1, "heads": 2, "feed_forward": 64, "dropout": 0.0},
    "training": {"epochs": 8, "batch": 8, "steps_per_epoch": 100, "clip_norm": 5.0},
    "training.optimiser": {"kind": "adamw", "learning_rate": 0.01, "weight_decay": 0.01},
    "training.schedule": {"kind": "cosine", "warmup_epochs": 1, "floor": 1e-5},
    # A pure product has no slope to start from: with a weight of its own it is found in a third of the epochs.
    "loss.weights": {"active": 1.0, "asset": 1.0, "scale": 6.0, "position": 1.0, "rotation": 0.2, "crop": 1.0},
}
HELPS, NOTHING = 0.08, 0.06
"""Skill gained or lost: more than the one is something, less than the other is nothing."""


def said(dossier: Dossier) -> set[str | None]:
    """Every word of a dossier: of two repeats none may claim anything, whatever the means look like."""
    of_parts = {word for part in dossier.parts for word in (part.useful, part.used, part.disagreement)}
    return of_parts | {pair.word for pair in dossier.pairs}


def request(folder: Path, corpus: Path, base: dict, design: dict, reference: str, repeats: int, **more):
    """The dossier of a study with this design, all of it computed here."""
    study = {
        "question": "What does each modality bring?", "preset": None, "repeats": repeats, "reference": reference,
        "base": base, "design": design, "analyses": ["coalitions"], **more,
    }  # fmt: skip
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    outcome = run_study(str(path), folder / "home", Options(corpus=str(corpus), workers=2))
    assert (outcome.failed, outcome.unanswered) == (0, 0)
    (dossier,) = assess(outcome.results)
    return dossier


# The simulated corpus ------------------------------------------------------------------------------------------------
@pytest.mark.rendered
@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.simulation) for seed in (2, 3))])
def test_the_declared_truth_is_recovered(tmp_path: Path, seed: int):
    corpus = simulate(tmp_path / "corpus", "quick", seed)
    truth = read_truth(corpus)
    dossier = request(tmp_path, corpus, SMALL, {"kind": "modality_lattice"}, "audio+visual+track", repeats=2)
    for component, told in truth.components.items():
        needed = {*told.modalities, *(["track"] if told.history else [])}
        for name in dossier.modalities:
            part = dossier.part(name, component)
            assert part.gain is not None
            assert part.drop is not None
            gain, drop = part.gain.estimate.mean, part.drop.estimate.mean
            if name in needed:
                assert gain > HELPS, f"{name} is useful for {component}"
                assert drop > HELPS, f"{name} is used for {component}"
            else:
                assert gain < NOTHING, f"{name} is of no use for {component}"
                assert drop < NOTHING, f"{name} is not used for {component}"
        (pair,) = [p for p in dossier.pairs if (p.one, p.other, p.component) == ("audio", "visual", component)]
        assert pair.retrained is not None
        assert (pair.retrained.estimate.mean > 0.3) == told.together, f"audio and visual for {component}"
        (additive,) = [a for a in dossier.additive if a.component == component]
        assert (additive.gap.estimate.mean > 0.3) == told.together, f"interaction for {component}"
        assert (additive.gap.sign, additive.gap.none) == (0, False)
    assert said(dossier) == {"not shown", None}, "None: no disagreement"


@pytest.mark.slow
def test_audio_permuted_between_items_is_of_no_use(tmp_path: Path):
    """The audio of each item is that of the next one that has any; everything else is as it was."""
    corpus = simulate(tmp_path / "corpus", "quick", 1)
    files = sorted((corpus / "audio").glob("*.parquet"))
    tables = [pd.read_parquet(path) for path in files]
    for path, table in zip(files, [*tables[1:], tables[0]], strict=True):
        table.to_parquet(path, index=False)
    dossier = request(tmp_path, corpus, SMALL, {"kind": "leave_one_out"}, "all", repeats=2)
    for component in (None, *read_truth(corpus).components):
        part = dossier.part("audio", component)
        assert part.gain is not None
        assert part.drop is not None
        assert part.gain.estimate.mean < 0.03
        assert part.drop.estimate.mean < 0.03
    assert said(dossier) <= {"not shown", None}
    kept = dossier.part("visual", "position").gain
    assert kept is not None
    assert kept.estimate.mean > HELPS


# A corpus of a minute ------------------------------------------------------------------------------------------------
TINY = {
    "data.window": 20,
    "model": {"width": 16, "layers": 1, "heads": 2, "feed_forward": 16, "dropout": 0.0},
    "training": {"epochs": 10, "batch": 8},
    "training.optimiser": {"kind": "adam", "learning_rate": 0.01},
}


@pytest.mark.slow
def test_a_modality_under_a_second_name_is_called_redundant(tmp_path: Path, tiny_corpus: Path):
    corpus = tmp_path / "corpus"
    shutil.copytree(tiny_corpus, corpus)
    shutil.copytree(corpus / "audio", corpus / "echo")
    schema = yaml.safe_load((corpus / "corpus.yaml").read_text())
    modalities = schema["modalities"]
    schema["modalities"] = {"audio": modalities["audio"], "echo": modalities["audio"], "track": modalities["track"]}
    (corpus / "corpus.yaml").write_text(yaml.safe_dump(schema, sort_keys=False))
    base = {**TINY, "model.modalities": ["audio", "echo"]}
    dossier = request(tmp_path, corpus, base, {"kind": "modality_lattice"}, "audio+echo", repeats=8, margin=0.05)
    assert [dossier.part(name, None).useful for name in ("audio", "echo")] == ["redundant", "redundant"]
    (pair,) = dossier.pairs
    assert pair.word == "overlap"
    assert not said(dossier) & {"useful", "harmful", "misleading", "hinder"}, "what contradicts a copy"
    (page,) = (tmp_path / "home" / "reports").glob("*/report.html")
    assert "is redundant: it helps, but not beyond what the others bring as well" in page.read_text(encoding="utf-8")
