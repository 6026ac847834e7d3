"""The only importer of mlflow: its client, set up for mmstudy, and the database of a home."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from experiments.home import Home, sqlite_uri
from experiments.unwarned import unwarned
from mmcore.errors import StoreError

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "1")
# A server that is away should cost seconds, not the minutes of MLflow's default retries.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
# Bars of files that are copied within a second, in the middle of what the command prints.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# Lines about each run that a server closes would stand in the middle of --format json.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

# Mlflow's dependencies announce their own deprecations on import; nothing a user of mmstudy can act on.
with unwarned():
    from mlflow.entities import (
        Dataset,
        DatasetInput,
        InputTag,
        LoggedModel,
        LoggedModelOutput,
        Metric,
        Param,
        Run,
        RunTag,
        ViewType,
    )
    from mlflow.store.artifact.artifact_repo import ArtifactRepository
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from mlflow.tracking import MlflowClient

__all__ = [
    "ArtifactRepository",
    "Dataset",
    "DatasetInput",
    "InputTag",
    "LoggedModel",
    "LoggedModelOutput",
    "Metric",
    "MlflowClient",
    "Param",
    "Run",
    "RunTag",
    "ViewType",
    "client_of",
    "create_database",
    "describe_model",
    "get_artifact_repository",
    "make_portable",
    "modelling",
    "requirements_as_given",
    "talking",
    "tracking_uri",
]

# What goes wrong is raised as well: a log of it would stand on the terminal, with pages of traceback.
logging.getLogger("mlflow").setLevel(logging.CRITICAL)
logging.getLogger("alembic").setLevel(logging.ERROR)


def tracking_uri(home: Home) -> str:
    """``MLFLOW_TRACKING_URI`` if set, else SQLite inside the home."""
    return os.environ.get("MLFLOW_TRACKING_URI") or home.mlflow_uri


def client_of(uri: str) -> MlflowClient:
    """A client of any tracking store, for reading what others logged."""
    return MlflowClient(uri)


def create_database(home: Home) -> None:
    """Make the default database whole or not at all: one that a killed process left half-migrated never opens again.

    The caller holds a lock, since several processes that create a fresh store at once break it, too.
    """
    path = home.root / "mlflow.db"
    if path.exists():
        return
    for leftover in home.root.glob("mlflow.db.partial*"):
        leftover.unlink()
    partial = home.root / f"mlflow.db.partial-{os.getpid()}"
    store = SqlAlchemyStore(sqlite_uri(partial), home.artifacts.as_uri())
    store.engine.dispose()
    os.replace(partial, path)


@contextmanager
def talking(uri: str, what: str) -> Iterator[None]:
    """Turn whatever goes wrong with a tracking store into a StoreError that says what it could not do."""
    try:
        yield
    except StoreError:
        raise
    except Exception as problem:
        away = "Runs go on and keep their records; when the store is back, mmstudy sync STUDY catches up"
        torn = (
            "Runs go on and keep their records; rename this file, and mmstudy sync STUDY makes a new one from them, "
            "without what you wrote in MLflow yourself"
        )
        raise StoreError(
            f"the tracking store could not {what}",
            found=f"{type(problem).__name__}: {str(problem).splitlines()[0] if str(problem) else ''}"[:300],
            where=uri,
            next_step=torn if _is_torn(problem) else away,
        ) from problem


def _is_torn(problem: BaseException) -> bool:
    """Whether an error comes from a file of SQLite that is damaged: waiting does not bring it back."""
    waiting: list[BaseException | None] = [problem]
    seen: set[int] = set()
    while waiting:
        error = waiting.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return True
        waiting += [error.__cause__, error.__context__]
    return False


def modelling() -> tuple[ModuleType, ModuleType, ModuleType]:
    """MLflow's modules for models: ``pyfunc``, ``models`` and ``types``; they take a second to import."""
    with unwarned():
        import mlflow.models
        import mlflow.pyfunc
        import mlflow.types
    return mlflow.pyfunc, mlflow.models, mlflow.types


@contextmanager
def requirements_as_given() -> Iterator[None]:
    """Let MLflow write a model's requirements without comparing them with all installed packages.

    They are the versions of what is installed. To compare them MLflow reads the lists of files of every package, which
    takes a second; a version of MLflow without this name does so again, and no more.
    """
    from mlflow.utils import requirements_utils

    name = "_MODULES_TO_PACKAGES"
    before = getattr(requirements_utils, name, None)
    setattr(requirements_utils, name, {})
    try:
        yield
    finally:
        setattr(requirements_utils, name, before)


def make_portable(folder: Path) -> None:
    """Take places of this machine out of a model's own file: where its parts came from, which nobody reads again."""
    from mlflow.models import Model

    described = Model.load(str(folder / "MLmodel"))
    flavour = described.flavors["python_function"]
    flavour["model_code_path"] = Path(flavour["model_code_path"]).name
    for artifact in flavour["artifacts"].values():
        artifact["uri"] = artifact["path"]
    described.save(str(folder / "MLmodel"))


def describe_model(folder: Path, model: str, run: str, place: str) -> None:
    """Write into a model's own file which model of a store it is: its id, its run and where its files lie."""
    from mlflow.models import Model

    described = Model.load(str(folder / "MLmodel"))
    described.model_id = described.model_uuid = model
    described.run_id, described.artifact_path = run, place
    described.save(str(folder / "MLmodel"))
