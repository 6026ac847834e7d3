"""A trained arm in MLflow: a model folder that can be served, logged beside its run and registered on request."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from experiments.tracking import client as mlflow
from experiments.tracking.client import LoggedModelOutput, Metric, Run
from experiments.tracking.connection import ARM, FINGERPRINT, KEY, PARENT, STUDY, SUPERSEDED
from experiments.tracking.names import LARGEST_BATCH, chunks, key_of, short
from experiments.tracking.store import Store
from experiments.unwarned import unwarned
from mmcore.errors import StoreError

SERVED = Path(__file__).with_name("served.py")
"""The code that travels with a model."""
PACKAGES = ("mlflow", "numpy", "pandas")
"""What :data:`SERVED` needs in any case."""


@dataclass(frozen=True)
class Served:
    """What an MLflow model is made of.

    Args:
        files: ``facts``, what describes it, and either ``model``, an ONNX file, or ``run``, a folder with what a run
            left; others go with them.
        columns: that a frame may have besides ``item``. per_item: whether an item has one target.
        requirements: packages besides :data:`PACKAGES`, with their versions.
    """

    files: Mapping[str, Path]
    columns: Sequence[str]
    per_item: bool
    requirements: Sequence[str]


@dataclass(frozen=True)
class Logged:
    """A model in the tracking store: its id, and its version where it was registered."""

    model: str
    version: str | None


def write_model(served: Served, folder: Path) -> None:
    """Write the folder of an MLflow model with signature and input example; ``folder`` must not exist.

    Nothing of mmstudy is needed where an ONNX file is served: its requirements are those of the code that travels
    with it.
    """
    import numpy as np
    import pandas as pd

    pyfunc, models, types = mlflow.modelling()
    steps = pd.DataFrame({column: np.zeros(4) for column in served.columns}, index=range(4))
    example = pd.concat([pd.DataFrame({"item": ["clip"] * 4}), steps], axis=1)
    names = [("string", "item"), *(("double", column) for column in served.columns)]
    inputs = [types.ColSpec(kind, name, required=name == "item") for kind, name in names]
    outputs = [
        types.ColSpec("string", "item"),
        *([] if served.per_item else [types.ColSpec("long", "step")]),
        types.ColSpec("long", "track"),
        types.ColSpec("string", "parameter"),
        types.ColSpec("double", "value"),
        types.ColSpec("string", "label", required=False),
        types.ColSpec("double", "probability", required=False),
        types.ColSpec("boolean", "counts"),
    ]
    signature = models.ModelSignature(
        types.Schema(inputs), types.Schema(outputs),
        types.ParamSchema([types.ParamSpec("classes", types.DataType.boolean, False)]),
    )  # fmt: skip
    with unwarned(), mlflow.requirements_as_given():
        pyfunc.save_model(
            path=str(folder),
            python_model=str(SERVED),
            artifacts={name: str(path) for name, path in served.files.items()},
            signature=signature,
            input_example=example,
            pip_requirements=[*(f"{package}=={version(package)}" for package in PACKAGES), *served.requirements],
        )
    mlflow.make_portable(folder)


def log_model(store: Store, study: str, fingerprint: str, folder: Path, register: str | None) -> Logged:
    """Log a model folder beside the run that trained it, once; register it where a name is given, once.

    Args:
        study: whose experiment it is. fingerprint: of the run. folder: from :func:`write_model`.
        register: the name of a registered model, which is made where it is missing.

    Raises:
        StoreError: the store does not answer, or has no such run; register names nothing.
    """
    if register is not None and not register.strip():
        raise StoreError("a registered model needs a name", found="an empty one")
    experiment = store.experiment_of(study)
    with store.talking("log a model"), store.lock:
        query = f"tags.`{FINGERPRINT}` = '{fingerprint}'"
        runs = [run for run in store.all_runs(experiment, query) if SUPERSEDED not in run.data.tags]
        if not runs:
            raise StoreError(
                "a model is logged beside its run, which the tracking store lacks",
                where=store.uri,
                next_step=f"Bring it there: mmstudy sync {study}",
            )
        run = runs[0]
        content = hashlib.blake2b((folder / "artifacts" / "model.onnx").read_bytes(), digest_size=16).hexdigest()
        found = store.client.search_logged_models([experiment], f"tags.`{KEY}` = '{content}'", max_results=1)
        if found:
            model = found[0].model_id
        else:
            tags = {KEY: content, STUDY: study, ARM: run.data.tags[ARM], FINGERPRINT: fingerprint}
            name = key_of(f"{study}-{run.data.tags[ARM]}").replace("/", "-")
            made = store.client.create_logged_model(experiment, short(name), run.info.run_id, tags, run.data.params)
            model = made.model_id
            mlflow.describe_model(folder, made.model_id, run.info.run_id, made.artifact_location)
            store.client.log_model_artifacts(model, str(folder))
            log_run_metrics(store, run, model, of_test(run), {})
            store.client.log_outputs(run.info.run_id, [LoggedModelOutput(model, step=0)])
            store.client.set_tag(run.data.tags[PARENT], "mmstudy.exported_model", model)
            store.client.finalize_logged_model(model, "READY")
        return Logged(model, None if register is None else _registered(store, register, model))


def log_run_metrics(store: Store, run: Run, model: str, names: Iterable[str], known: Mapping[str, float]) -> None:
    """Numbers of a run for a model: the same values at the same steps and times, so that none is there twice.

    Args:
        names: of the run's metrics. known: those that the model has, with their last values.
    """
    metrics = []
    for name in (name for name in names if known.get(name) != run.data.metrics[name]):
        last = max(store.client.get_metric_history(run.info.run_id, name), key=lambda metric: metric.step)
        own = {"model_id": model, "run_id": run.info.run_id}
        metrics.append(Metric(last.key, last.value, last.timestamp, last.step, **own))
    for chunk in chunks(metrics, LARGEST_BATCH):
        store.client.log_batch(run.info.run_id, metrics=chunk)


def of_test(run: Run) -> Iterator[str]:
    """The names of a run's scores on test items."""
    return (name for name in run.data.metrics if name.startswith("test/"))


def _registered(store: Store, name: str, model: str) -> str:
    """The version of a registered model that is this one, made where there is none."""
    client = store.client
    if all(one.name != name for one in client.search_registered_models()):
        client.create_registered_model(name)
    for one in client.search_model_versions(f"name = '{name}'"):
        if one.tags.get(KEY) == model:
            return str(one.version)
    logged = client.get_logged_model(model)
    # An address of the kind models:/ would be looked up in the store of MLflow's own settings.
    made = client.create_model_version(
        name, str(logged.artifact_location), logged.source_run_id, {KEY: model}, model_id=model
    )
    return str(made.version)
