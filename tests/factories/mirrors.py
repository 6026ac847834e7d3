"""A study, a run that begins and the folder of a finished run, for tests of the tracking store."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from factories.records import a_record
from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient

from experiments.mirror import Mirror
from experiments.records import Begun
from mmcore.config import RunConfig
from mmcore.measures import parse_metric
from studies.resolved import ResolvedArm, ResolvedStudy


def begun_of(**changes: Any) -> Begun:
    record = a_record()
    begun = Begun(
        study=record.study, arm=record.arm, repeat=record.repeat, fingerprint=record.fingerprint, config=record.config,
        corpus="tiny", content="c" * 32, path="/corpora/tiny", environment=record.environment, source="level.yaml",
    )  # fmt: skip
    return replace(begun, **changes)


def study_of(*arms: str) -> ResolvedStudy:
    config = RunConfig(corpus="c")
    return ResolvedStudy(
        name="level",
        question="Does the level help?",
        metric=parse_metric("skill"),
        arms=tuple(ResolvedArm(name, {"model.width": 8}, config) for name in arms),
        reference=arms[0],
        pairs=(),
        repeats=2,
        alpha=0.05,
        margin=None,
        preset=None,
        changes={},
    )


def workdir_of(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    for name in ("record.json", "config.json", "history.json"):
        (folder / name).write_text("{}")
    (folder / "checkpoints" / "best.pt").write_bytes(b"weights")
    return folder


def heard(mirror: Mirror) -> Mirror:
    """The mirror, once its thread has done all that it was told so far."""
    done = threading.Event()
    mirror._tasks.put(done.set)
    assert done.wait(300)
    return mirror


def told(mirror: Mirror) -> Mirror:
    mirror.close(timeout=300)
    assert mirror.error is None, mirror.error
    return mirror


def repeats_of(client: MlflowClient, study: str = "level") -> list[Any]:
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], "tags.`mmstudy.kind` = 'repeat'", ViewType.ALL))
