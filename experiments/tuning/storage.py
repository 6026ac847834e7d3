"""The storage of searches: one Optuna study for each arm.

Storage is Optuna's journal file in the home, for the processes of one machine; or a database by URL (``--storage``,
``MMSTUDY_STORAGE``; PostgreSQL with the extra ``postgres``), for several machines.
"""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import optuna
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from experiments.home import Home
from experiments.tuning.notes import StoredStudy
from mmcore.atomic import room_in
from mmcore.errors import StoreError, StudyError
from mmcore.files import BrokenFile, found_by_system, next_step_of, set_aside
from mmcore.language import say
from studies.search.resolved import Identity, digest

optuna.logging.set_verbosity(optuna.logging.ERROR)

IDENTITY = "mmstudy"
"""Attribute of a search: what its trials have in common."""

_SECRET = ("password", "passwd", "pwd", "odbc_connect")
"""An option of an address whose name has one of these parts holds a password."""


class _Lock(JournalFileOpenLock):
    """A lock on the journal for the processes of one machine; it also repairs the journal.

    The lock ends with its process, so a killed process leaves no lock behind (Optuna's own lock files stay, and delay
    others for half a minute). A line that a killed process did not finish would make the journal unreadable for ever:
    it is cut off before the next line is written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), grace_period=None)
        self._path = path
        # Not "….lock": Optuna's own lock has this name, and a dashboard may take it.
        self._lock = FileLock(path.with_suffix(".guard"))
        self._threads = threading.Lock()

    def acquire(self) -> bool:
        self._threads.acquire()
        try:
            self._lock.acquire()
            _cut_torn_line(self._path)
        except BaseException:
            self._lock.release(force=True)
            self._threads.release()
            raise
        return True

    def release(self) -> None:
        self._lock.release()
        self._threads.release()


def _cut_torn_line(path: Path) -> None:
    """Leave whole lines only; the caller holds the lock."""
    try:
        with open(path, "r+b") as file:
            size = end = file.seek(0, os.SEEK_END)
            while end:
                start = max(0, end - 4096)
                file.seek(start)
                newline = file.read(end - start).rfind(b"\n")
                if newline >= 0:
                    end = start + newline + 1
                    break
                end = start
            if end < size:
                file.truncate(end)
    except FileNotFoundError:
        return


def storage_url(given: str | None = None) -> str | None:
    """The database to use, from the command line or ``MMSTUDY_STORAGE``; None: the journal in the home."""
    return given or os.environ.get("MMSTUDY_STORAGE") or None


def place_of(home: Home, key: str, url: str | None) -> str:
    """Where a study's searches are, without the password of a database."""
    return hide_password(url) if url else str(home.journal(key))


def hide_password(url: str) -> str:
    """An address without its password, which may be before the host or in the options."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        found = make_url(url)
    except ArgumentError:
        return f"{url.partition(':')[0]}:***" if ":" in url else url
    secret = [key for key in found.query if any(word in key.lower() for word in _SECRET)]
    if found.password is None and not secret:
        return url
    # What stands before the last @ belongs to a password that was not escaped.
    host = found.host.rpartition("@")[2] if found.host else None
    found = found.set(host=host).update_query_dict(dict.fromkeys(secret, "***"))
    return found.render_as_string(hide_password=True).replace("=%2A%2A%2A", "=***")


def study_name(key: str, arm: str) -> str:
    """The name of an arm's search in Optuna."""
    return f"{key}/{arm}"


def open_storage(home: Home, key: str, url: str | None) -> contextlib.AbstractContextManager[BaseStorage]:
    """The storage of a study's searches, created if missing; connections to a database are closed at the end.

    Raises:
        StoreError: it does not answer, now or as long as it is open, or needs a package that is not installed.
        BrokenFile: it is a journal that is not whole.
    """
    return _opened(home, key, url, _journal)


def read_storage(home: Home, key: str, url: str | None) -> contextlib.AbstractContextManager[BaseStorage]:
    """As :func:`open_storage`, for reading: the home stays as it is, and may be one that nobody may write to."""
    return _opened(home, key, url, _journal_to_read)


@contextlib.contextmanager
def _opened(home: Home, key: str, url: str | None, journal: Callable[[Path], JournalStorage]) -> Iterator[BaseStorage]:
    place = place_of(home, key, url)
    with _talking("be opened", place):
        storage = _whole(home.journal(key), journal) if url is None else _database(home, url)
    with room_in(home.journal(key)) if url is None else _answering(place):
        try:
            yield storage
        finally:
            if isinstance(storage, RDBStorage):
                storage.remove_session()
                storage.engine.dispose()


def _whole(path: Path, journal: Callable[[Path], JournalStorage]) -> JournalStorage:
    try:
        return journal(path)
    except OSError:
        raise
    except Exception as problem:
        # Whatever Optuna makes of lines that it did not write.
        raise BrokenFile(
            "the journal of a search must be whole",
            path,
            expected=None,
            found=_first_line(problem),
            next_step="mmstudy run STUDY sets this file aside and goes through the search again; its runs are reused",
        ) from None


def set_journal_aside(home: Home, key: str) -> str | None:
    """Rename a broken journal, and say so in one line; None where it is whole, or whole by now.

    The search then begins again: it proposes the same settings, whose finished runs are reused.
    """
    path = home.journal(key)
    # Not the journal's own lock: that one is taken to read it.
    with FileLock(path.with_suffix(".aside.lock")):
        try:
            _whole(path, _journal)
        except BrokenFile as broken:
            kept = set_aside(path)
            return say(
                "{rule} (found {found}); it is kept as {kept}, and the search is gone through again",
                rule=broken.rule,
                found=broken.found,
                kept=kept,
            )
    return None


def _journal(path: Path) -> JournalStorage:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _Lock(path)
    lock.acquire()
    lock.release()
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def _journal_to_read(path: Path) -> JournalStorage:
    """A journal whose last line may still be written, or was cut off: readers go without it and need no lock."""
    return JournalStorage(JournalFileBackend(str(path)))


def _database(home: Home, url: str) -> RDBStorage:
    if home.read_only:
        return RDBStorage(with_driver(url))
    # Several processes that create a fresh database at once break it; those of one home take turns.
    home.make()
    with FileLock(home.root / "search.lock"):
        return RDBStorage(with_driver(url))


def with_driver(url: str) -> str:
    """A PostgreSQL address; if it names no driver, the one of the extra ``postgres`` is added."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    return url


@contextlib.contextmanager
def _talking(what: str, place: str) -> Iterator[None]:
    try:
        yield
    except (StudyError, StoreError, BrokenFile):
        raise
    except ImportError as problem:
        raise StoreError(
            f"the storage of the search needs the package '{problem.name}'",
            where=place,
            next_step="For PostgreSQL: pip install 'mmstudy[postgres]'",
        ) from None
    except OSError as problem:
        step = next_step_of(Path(problem.filename or place), problem)
        raise StoreError(
            f"the storage of the search could not {what}",
            found=found_by_system(problem),
            where=place,
            next_step=f"{step}; then repeat the command",
        ) from problem
    except Exception as problem:
        raise StoreError(
            f"the storage of the search could not {what}",
            found=_first_line(problem),
            where=place,
            next_step="Repair it, or rename it: the search then starts again, and finished runs are reused",
        ) from problem


@contextlib.contextmanager
def _answering(place: str) -> Iterator[None]:
    """Turn errors of an open database into StoreError; other errors pass unchanged."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as problem:
        raise StoreError(
            "the storage of the search stopped answering",
            # Optuna's own words say only that something went wrong.
            found=_first_line(problem.__cause__ or problem),
            where=place,
            next_step="Check that the database is running, then repeat the command; finished runs are kept and reused",
        ) from problem


def _first_line(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {(str(problem).splitlines() or [''])[0]}"[:300]


def open_study(
    storage: BaseStorage,
    name: str,
    identity: Identity,
    directions: Sequence[Literal["minimize", "maximize"]],
) -> StoredStudy:
    """The search of that name: the existing one, or a new one.

    Args:
        identity: what all its trials must have in common; see :meth:`studies.search.resolved.ResolvedSearch.identity`.

    Raises:
        StudyError: the existing search has other settings; the message says which.
    """
    optuna.create_study(storage=storage, study_name=name, directions=directions, load_if_exists=True)
    study = StoredStudy(name, storage)
    if IDENTITY not in study.user_attrs:
        study.set_user_attr(IDENTITY, identity)
    check_identity(study, identity)
    return study


def describe(study: StoredStudy, objectives: Sequence[str], facts: Mapping[str, str | None]) -> None:
    """Let dashboards name a search's objectives and show what it belongs to.

    Args:
        objectives: names, in the order of the directions. facts: attributes of the search; those that are None are left
            out. They describe it for people: nothing reads them, and a later version or copy writes its own.
    """
    if study.metric_names != [*objectives]:
        with warnings.catch_warnings():
            # Experimental since 2023; a version without it fails here, in a test of ours.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names([*objectives])
    known = study.user_attrs
    for name, value in facts.items():
        if value is not None and known.get(name) != value:
            study.set_user_attr(name, value)


def check_identity(study: StoredStudy, identity: Identity) -> None:
    """Refuse a search that was started with other settings.

    Raises:
        StudyError: the settings differ; the message says which.
    """
    known = study.user_attrs.get(IDENTITY, identity)
    if digest(known) != digest(identity):
        raise StudyError(
            f"the search '{study.study_name}' was started with other settings, and their trials cannot be mixed",
            expected=_differences(known, identity)[0],
            found=_differences(known, identity)[1],
            next_step="Undo the change, or give the study file another name; to start over, rename the storage",
        )


def find_study(storage: BaseStorage, name: str) -> StoredStudy | None:
    """The search of that name, for reading; None if it has not started."""
    try:
        return StoredStudy(name, storage)
    except KeyError:
        return None


def _differences(known: Mapping[str, object], identity: Mapping[str, object], path: str = "") -> tuple[str, str]:
    """The differences between two identities: the old and the new values."""
    was, now = [], []
    for key in sorted({*known, *identity}):
        old, new = known.get(key), identity.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            inner = _differences(old, new, f"{path}{key}: ")
            was.append(inner[0])
            now.append(inner[1])
        else:
            was.append(f"{path}{key} {old}")
            now.append(f"{path}{key} {new}")
    return "; ".join(was)[:300], "; ".join(now)[:300]
