"""The home: one folder for everything that is generated, ``./mlruns`` by default."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from mmcore.errors import StoreError
from mmcore.files import read_kept
from mmcore.names import refuse_torn_text


def sqlite_uri(path: Path) -> str:
    """The address of a SQLite database; ``?``, ``%`` and ``#`` in its path would otherwise end or change the path.

    Example:
        >>> sqlite_uri(Path("/a?b/mlflow.db"))
        'sqlite+pysqlite:////a%3Fb/mlflow.db'
    """
    plain = path.as_posix()
    quoted = plain.replace("%", "%25").replace("?", "%3F").replace("#", "%23")
    # MLflow makes the folder of a path that begins with sqlite:/// as it is quoted; by another prefix it does not.
    return f"sqlite:///{plain}" if quoted == plain else f"sqlite+pysqlite:///{quoted}"


@dataclass(frozen=True)
class Home:
    """The folder of all results and its rooms.

    Args:
        root: the folder; made when first written to.

    Example:
        >>> Home(Path("mlruns")).run("ab").name
        'ab'
    """

    root: Path

    @classmethod
    def choose(cls, given: Path | None = None) -> Home:
        """The given folder, else ``MMSTUDY_HOME``, else ``./mlruns``; always absolute.

        Raises:
            StoreError: a part of the path is a file, or the path has a character that no path can have.
        """
        root = Path(given or os.environ.get("MMSTUDY_HOME") or "mlruns")
        try:
            refuse_torn_text(root.absolute(), "the path of the home", StoreError)
            root = root.resolve()
            for part in (root, *root.parents):
                if part.exists():
                    if not part.is_dir():
                        raise StoreError(
                            "the home must be a folder",
                            found="a file" if part == root else f"the file {part} on the way to it",
                            next_step="Name another folder with --home or MMSTUDY_HOME",
                            where=str(root),
                        )
                    break
        except ValueError as error:
            raise StoreError("the home must be a folder", found=str(error), where=ascii(str(root))) from None
        return cls(root)

    @property
    def runs(self) -> Path:
        """One folder a run, named by fingerprint: the truth."""
        return self.root / "runs"

    def run(self, fingerprint: str) -> Path:
        """The folder of one run."""
        return self.runs / fingerprint

    @property
    def prepared(self) -> Path:
        """Prepared stores, shared by all runs."""
        return self.root / "prepared"

    @property
    def corpora(self) -> Path:
        """Simulated corpora, and those made from data in memory."""
        return self.root / "corpora"

    @property
    def footage(self) -> Path:
        """Features that were computed of footage, by the content of its files."""
        return self.root / "footage"

    @property
    def timings(self) -> Path:
        """What work has taken, for estimates; see experiments/planning/timings.py."""
        return self.root / "timings.jsonl"

    @property
    def logs(self) -> Path:
        """What workers write to their standard error."""
        return self.root / "logs"

    def request(self, study: str) -> Path:
        """What was asked of a study on the command line and belongs to it from then on."""
        return self.root / "asked" / f"{study}.json"

    @property
    def mlflow_uri(self) -> str:
        """The default tracking store: SQLite inside the home."""
        return sqlite_uri(self.root / "mlflow.db")

    @property
    def artifacts(self) -> Path:
        """MLflow's artifacts."""
        return self.root / "artifacts"

    def report(self, study: str) -> Path:
        """The folder of a study's report."""
        return self.root / "reports" / study

    def looks(self, key: str) -> Path:
        """Earlier looks at a study, as they came with it from another home; here reports say them."""
        return self.root / "looks" / f"{key}.json"

    def journal(self, key: str) -> Path:
        """The default storage of a study's searches."""
        return self.root / "search" / f"{key}.journal"

    def knows(self, key: str) -> bool:
        """Whether anything was done under the key of a study: a report, a search, or analyses that were asked."""
        return any(path.exists() for path in (self.report(key), self.journal(key), self.request(key)))

    def place_of(self, path: Path, earlier: Home | None = None) -> str:
        """A path from the home, or from the folder that holds the home, where it lies inside; else the whole of it.

        Args:
            path: of a study, or of a corpus.
            earlier: one of :attr:`earlier`, for the name that a path outside the home had there.

        A folder that is moved with its home keeps these names.

        Example:
            >>> Home(Path("/project/mlruns")).place_of(Path("/project/studies/level.yaml"))
            '../studies/level.yaml'
        """
        whole = path.resolve()
        was = earlier or self
        for folder, name in ((self.root, ""), (was.root, ""), (was.root.parent, "../")):
            if whole.is_relative_to(folder):
                return name + whole.relative_to(folder).as_posix()
        return str(whole)

    @property
    def moves(self) -> Path:
        """Where the home was before; written by ``mmstudy home move``."""
        return self.root / "moved.json"

    @property
    def earlier(self) -> tuple[Home, ...]:
        """The home at the places where it was before, the first of them first; () where it was never moved.

        Raises:
            RecordError: the list of them is torn, or this user may not read it.
        """
        step = f"Rename it to {self.moves.name}.broken; searches of studies outside the home then begin anew"
        try:
            roots = read_kept(self.moves, _MOVES, "the list of the home's earlier places", step)
        except FileNotFoundError:
            return ()
        return tuple(Home(Path(root)) for root in roots)

    def first_place_of(self, path: Path) -> Path:
        """A path, or for one in the home the path that it had where the home was made."""
        whole = path.resolve()
        if not self.earlier or not whole.is_relative_to(self.root):
            return whole
        return self.earlier[0].root / whole.relative_to(self.root)

    @property
    def read_only(self) -> bool:
        """Whether the folder is there and this user may not write to it."""
        return self.root.is_dir() and not os.access(self.root, os.W_OK)

    def make(self, otherwise: str = "Name another folder with --home DIR or MMSTUDY_HOME") -> Home:
        """Itself, once the folder exists and keeps its contents out of version control.

        Args:
            otherwise: what to do where the folder may only be read.

        Raises:
            StoreError: it may only be read.
        """
        if self.read_only:
            raise StoreError(
                "this needs a home to write to", found="one that you may only read", where=str(self.root),
                next_step=otherwise,
            )  # fmt: skip
        self.root.mkdir(parents=True, exist_ok=True)
        ignore = self.root / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n!.gitignore\n", encoding="utf-8")
        return self


_MOVES = TypeAdapter(tuple[str, ...])

OWN_COPY = (
    "Name a home of your own with --home DIR; mmstudy home export STUDY FILE.zip here and mmstudy home import FILE.zip "
    "there take along what is finished"
)
"""What to do in a home that may only be read: for commands that add to a study."""
