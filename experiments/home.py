"""The home: one folder for everything that is generated, ``./mlruns`` by default."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


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
        """The given folder, else ``MMSTUDY_HOME``, else ``./mlruns``; always absolute."""
        return cls(Path(given or os.environ.get("MMSTUDY_HOME") or "mlruns").resolve())

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
        return f"sqlite:///{(self.root / 'mlflow.db').as_posix()}"

    @property
    def artifacts(self) -> Path:
        """MLflow's artifacts."""
        return self.root / "artifacts"

    def report(self, study: str) -> Path:
        """The folder of a study's report."""
        return self.root / "reports" / study

    def make(self) -> Home:
        """Itself, once the folder exists and keeps its contents out of version control."""
        self.root.mkdir(parents=True, exist_ok=True)
        ignore = self.root / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n!.gitignore\n", encoding="utf-8")
        return self
