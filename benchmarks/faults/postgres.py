"""A PostgreSQL server of one's own, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


def binary(name: str) -> str | None:
    """A program of the server; None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


def installed() -> bool:
    """Whether this machine has a server."""
    return binary("initdb") is not None and binary("pg_ctl") is not None


@dataclass(frozen=True)
class Server:
    """A running server, which listens on a socket in its folder.

    Args:
        folder: of its own.
    """

    folder: Path

    @property
    def url(self) -> str:
        """Of its first database."""
        return self.database("postgres")

    def database(self, name: str) -> str:
        """The address of a database."""
        return f"postgresql://mmstudy@/{name}?host={self.folder}"

    def create(self, name: str) -> str:
        """Make a database; returns its address."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0'.encode())
        return self.database(name)

    def drop(self, name: str) -> None:
        """Remove a database and end its connections."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())

    def restart(self, how: str = "fast") -> None:
        """Restart it; ``immediate`` is as a crash."""
        self._control("-m", how, "restart")

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._control("start")

    def stop(self) -> None:
        """Stop it at once."""
        self._control("-m", "immediate", "stop")

    def _control(self, *words: str) -> None:
        options = f"-c listen_addresses='' -c fsync=off -c shared_buffers=8MB -k {self.folder}"
        given = ["-D", str(self.folder / "data"), "-o", options, "-l", str(self.folder / "log"), "-w", "-s"]
        control = binary("pg_ctl")
        assert control is not None
        subprocess.run([*_user(), control, *given, *words], check=True, cwd=self.folder, stdout=subprocess.DEVNULL)


def _user() -> list[str]:
    """The server refuses to run as root."""
    return ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []


@contextmanager
def served() -> Iterator[Server]:
    """A server that ends with this block."""
    initdb = binary("initdb")
    assert initdb is not None
    folder = Path(tempfile.mkdtemp(prefix="mmstudy-postgres-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    server = Server(folder)
    words = [*_user(), initdb, "-D", str(folder / "data"), "-A", "trust", "-U", "mmstudy", "--no-sync"]
    try:
        subprocess.run(words, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        server.start()
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.stop()
        shutil.rmtree(folder)
