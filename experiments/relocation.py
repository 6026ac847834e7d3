"""A home that was moved or copied: MLflow's database follows it. SQLite alone, no mlflow."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from experiments.home import Home

_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Columns in which MLflow keeps absolute addresses of artifacts; a database of an earlier MLflow lacks some."""


def follow(home: Home) -> None:
    """Let the addresses of artifacts in the default database lie in this home, wherever it was before.

    MLflow keeps absolute addresses. Without this, new artifacts of a copied home would go into the original, and a
    moved one would make its old folder again. The caller holds the lock of the store.

    Raises:
        sqlite3.Error: the database is unreadable.
    """
    here = home.artifacts.as_uri()
    with contextlib.closing(sqlite3.connect(home.root / "mlflow.db", timeout=30)) as database, database:
        there = _before(database)
        if there in (None, here):
            return
        for table, column in _LOCATIONS:
            with contextlib.suppress(sqlite3.OperationalError):
                database.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                    (here, len(there) + 1, len(there) + 1, there + "/"),
                )


def addresses(database: sqlite3.Connection, home: Home) -> str | None:
    """The place, other than this home's, to which addresses of artifacts still lead; None where there is none.

    The database is only read.
    """
    here, there = home.artifacts.as_uri(), _before(database)
    if there in (None, here):
        return None
    for table, column in _LOCATIONS:
        with contextlib.suppress(sqlite3.OperationalError):
            query = f"SELECT 1 FROM {table} WHERE substr({column}, 1, ?) = ? LIMIT 1"
            if database.execute(query, (len(there) + 1, there + "/")).fetchone():
                return there
    return None


def _before(database: sqlite3.Connection) -> str | None:
    """Where the artifacts were when the database was made or last followed: MLflow's own first experiment says so."""
    found = database.execute("SELECT artifact_location FROM experiments WHERE experiment_id = 0").fetchone()
    return None if found is None else str(found[0]).removesuffix("/0")


def shown(path: Path) -> str:
    """A path as a report shows it: from the folder of the command where it lies inside, else the whole of it.

    So a folder that holds a study and its home says the same wherever it lies.
    """
    here, whole = Path.cwd(), path.resolve()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole)
