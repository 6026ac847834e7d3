"""The best model of each arm in MLflow: one for an arm, with the report's numbers; replaced by a better one."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from experiments.tracking import client as mlflow
from experiments.tracking.artifacts import remove_leftovers
from experiments.tracking.client import LoggedModel, LoggedModelOutput, Run
from experiments.tracking.connection import ARM, FINGERPRINT, KEY, KIND, PARENT, REPEAT, STUDY, SUPERSEDED
from experiments.tracking.models import SERVED, Served, log_run_metrics, of_test, write_model
from experiments.tracking.names import LONGEST_TEXT, key_of, short
from experiments.tracking.store import Store
from mmcore import __version__

ARM_RUN, CARD, MODEL = ("mmstudy." + key for key in ("arm_run", "card", "model"))
"""Tags: of a model, the run of its arm and a digest of its card; of an arm's run, its model."""
NOTE = "mlflow.note.content"
CARD_FILE = "MODEL_CARD.md"
_REGISTERED = "mlflow.modelVersions"
"""MLflow's own tag of a logged model that is a version of a registered one."""
_OF_REPORT = ("mmstudy.verdict",)
"""Beginnings of an arm's tags that its model has, too."""


@dataclass(frozen=True)
class ArmModel:
    """What the best model of an arm is made of.

    Args:
        arm: its name. repeat, fingerprint: of the run that trained it.
        facts: what a program must know to use it. card, note: for people, long and short, in Markdown.
        carried: what :func:`mmcore.exporting.carried_run` reads, as JSON.
        files: checkpoint, normalisation and code, by their place in the carried folder.
        columns: that a frame may have besides ``item``. per_item: whether an item has one target.
    """

    arm: str
    repeat: int
    fingerprint: str
    facts: Mapping[str, object]
    card: str
    note: str
    carried: str
    files: Mapping[str, Path]
    columns: Sequence[str]
    per_item: bool

    @cached_property
    def key(self) -> str:
        """A digest of all that predictions rest on; neither the card nor the version of mmstudy is part of it."""
        whole = hashlib.blake2b(digest_size=16)
        facts = {name: value for name, value in self.facts.items() if name != "mmstudy"}
        texts = (self.fingerprint, json.dumps(facts, sort_keys=True), self.carried)
        parts = [text.encode() for text in texts] + [SERVED.read_bytes()]
        parts += [name.encode() + path.read_bytes() for name, path in sorted(self.files.items())]
        for part in parts:
            whole.update(hashlib.blake2b(part).digest())
        return whole.hexdigest()

    def write(self, folder: Path) -> None:
        """Write the folder of the MLflow model, which must not exist; without the card."""
        with tempfile.TemporaryDirectory(prefix="mmstudy-model-") as beside:
            facts, run = Path(beside) / "model.json", Path(beside) / "run"
            facts.write_text(json.dumps(self.facts, indent=1, ensure_ascii=False), encoding="utf-8")
            run.mkdir()
            (run / "run.json").write_text(self.carried, encoding="utf-8")
            for name, path in self.files.items():
                (run / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, run / name)
            needed = [f"mmstudy=={__version__}", f"torch=={version('torch').partition('+')[0]}"]
            write_model(Served({"run": run, "facts": facts}, self.columns, self.per_item, needed), folder)


def log_arm_model(store: Store, experiment: str, study: str, parent: str, model: ArmModel) -> None:
    """Let the store have this model for the arm and no other, with the numbers of the arm and of the run.

    A model that was the best before is deleted, as MLflow deletes: ``mlflow gc`` frees its files. One that is a version
    of a registered model stays, and is marked as superseded.

    Args:
        experiment: the study's. parent: the run of the arm, with the numbers and verdicts of the report.
    """
    client = store.client
    with store.talking("log the model of an arm"), store.lock:
        query = f"tags.`{FINGERPRINT}` = '{model.fingerprint}' and tags.`{PARENT}` = '{parent}'"
        runs = [run for run in store.all_runs(experiment, query) if SUPERSEDED not in run.data.tags]
        if not runs:
            # The run is not mirrored, so the store is behind for another reason, which was said.
            return
        arm, known = client.get_run(parent), client.search_logged_models([experiment], f"tags.`{ARM_RUN}` = '{parent}'")
        there = next((one for one in known if one.tags.get(KEY) == model.key), None)
        if there is None:
            there = _made(store, experiment, study, runs[0], parent, model)
        if str(there.status) != "READY":
            _fill(store, runs[0], there, model)
        _describe(store, runs[0], arm, there, model)
        if arm.data.tags.get(MODEL) != there.model_id:
            client.set_tag(parent, MODEL, there.model_id)
        for other in known:
            if other.model_id != there.model_id:
                _retire(store, other)


def _made(store: Store, experiment: str, study: str, run: Run, parent: str, model: ArmModel) -> LoggedModel:
    tags = {
        KEY: model.key, KIND: "arm", ARM_RUN: parent, STUDY: study, ARM: model.arm, REPEAT: str(model.repeat),
        FINGERPRINT: model.fingerprint,
    }  # fmt: skip
    name = short(key_of(f"{study}-{model.arm}").replace("/", "-"))
    return store.client.create_logged_model(experiment, name, run.info.run_id, tags, run.data.params, "mmstudy")


def _fill(store: Store, run: Run, there: LoggedModel, model: ArmModel) -> None:
    """The files; whatever a killed command left of them is replaced."""
    remove_leftovers(there.artifact_location)
    with tempfile.TemporaryDirectory(prefix="mmstudy-model-") as beside:
        folder = Path(beside) / "model"
        model.write(folder)
        mlflow.describe_model(folder, there.model_id, run.info.run_id, there.artifact_location)
        store.client.log_model_artifacts(there.model_id, str(folder))
    outputs = [] if run.outputs is None else run.outputs.model_outputs
    if all(one.model_id != there.model_id for one in outputs):
        store.client.log_outputs(run.info.run_id, [LoggedModelOutput(there.model_id, step=0)])
    store.client.finalize_logged_model(there.model_id, "READY")


def _describe(store: Store, run: Run, arm: Run, there: LoggedModel, model: ArmModel) -> None:
    """Numbers, verdicts and the card, as far as they are not there."""
    client = store.client
    tags = {name: value for name, value in arm.data.tags.items() if name.startswith(_OF_REPORT)}
    card = hashlib.blake2b(model.card.encode(), digest_size=16).hexdigest()
    if there.tags.get(CARD) != card:
        with tempfile.TemporaryDirectory(prefix="mmstudy-model-") as beside:
            path = Path(beside) / CARD_FILE
            path.write_text(model.card, encoding="utf-8")
            client.log_model_artifact(there.model_id, str(path))
    tags |= {NOTE: model.note[:LONGEST_TEXT], CARD: card}
    if changed := {name: value for name, value in tags.items() if there.tags.get(name) != value}:
        client.set_logged_model_tags(there.model_id, changed)
    if SUPERSEDED in there.tags:
        client.delete_logged_model_tag(there.model_id, SUPERSEDED)
    known = {one.key: one.value for one in sorted(there.metrics or (), key=lambda one: one.step)}
    log_run_metrics(store, run, there.model_id, of_test(run), known)
    means = (name for name in arm.data.metrics if name.endswith(("/mean", "/sd")))
    log_run_metrics(store, arm, there.model_id, means, known)


def _retire(store: Store, model: LoggedModel) -> None:
    """Take a model away that is no longer the arm's best; a registered one is only marked."""
    if SUPERSEDED in model.tags:
        return
    # A server of MLflow marks registered models; a database that is opened directly does not.
    if _REGISTERED not in model.tags and not store.client.search_model_versions(f"run_id = '{model.source_run_id}'"):
        store.client.delete_logged_model(model.model_id)
    else:
        store.client.set_logged_model_tags(model.model_id, {SUPERSEDED: "true"})
