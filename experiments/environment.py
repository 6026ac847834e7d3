"""What a run was trained with: commit, versions, machine. Read without importing the heavy libraries."""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import mmcore
from mmcore.facts import Environment

PACKAGES = ("torch", "numpy", "pandas", "pyarrow", "pydantic", "mlflow", "optuna", "scipy", "statsmodels")


@cache
def environment() -> Environment:
    """Commit, whether the packages had uncommitted changes, Python, platform, processor and package versions.

    Outside a git checkout commit and dirty are None.
    """
    commit, dirty = _git()
    return Environment(
        mmstudy=mmcore.__version__,
        commit=commit,
        dirty=dirty,
        python=platform.python_version(),
        torch=_version("torch"),
        platform=f"{platform.system()} {platform.machine()}",
        packages={name: _version(name) for name in PACKAGES},
        command=" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        processor=_processor(),
    )


@cache
def environment_of(folder: Path, files: tuple[str, ...]) -> Environment:
    """The environment of training code of the user's own: commit and changes are those of its files.

    Args:
        folder: where the training code is. files: its source files, relative to the folder or absolute.
    """
    try:
        commit = _ask(folder, "rev-parse", "HEAD")
        dirty = bool(_ask(folder, "status", "--porcelain", "--", *files)) if files else None
    except (OSError, subprocess.SubprocessError):
        commit = dirty = None
    return replace(environment(), commit=commit, dirty=dirty)


def _processor() -> str | None:
    """The kind of processor, whose sums may round in their own way."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or None
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git() -> tuple[str | None, bool | None]:
    source = Path(mmcore.__file__).resolve().parent
    try:
        root = _ask(source, "rev-parse", "--show-toplevel")
        if Path(root).resolve() != source.parent:
            return None, None  # installed inside another project's checkout: its commit says nothing about our code
        # Only the code counts: a changed README says nothing about what ran.
        packages = [str(source.parent / name) for name in ("mmcore", "studies", "reports", "experiments")]
        return _ask(source, "rev-parse", "HEAD"), bool(_ask(source, "status", "--porcelain", "--", *packages))
    except (OSError, subprocess.SubprocessError):
        return None, None


def _ask(folder: Path, *arguments: str) -> str:
    answer = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=20
    )
    return answer.stdout.strip()
