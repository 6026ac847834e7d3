"""A wheel of mmstudy, installed in a fresh environment far from the checkout, runs the first study."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pydantic
import pytest
from factories.once import made_once

import mmcore

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("mmstudy", "mmcore", "studies", "reports", "experiments")
SHRUNK = (
    "--repeats=1", "--workers=1", "--set=data.window=20", "--set=training.epochs=1", "--set=model.width=8",
    "--set=model.feed_forward=8", "--set=model.layers=1", "--set=model.heads=2",
)  # fmt: skip


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def call(*words: str | Path, cwd: Path, **environment: str) -> str:
    """Standard output of a command that knows nothing of the checkout."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MMSTUDY", "MLFLOW", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=clean | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what is tracked, so that nothing is left in the checkout."""

    def build(folder: Path) -> None:
        source = folder / "source"
        for name in tracked():
            if name.partition("/")[0] not in ("tests", "docs", "benchmarks"):
                path = source / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes((ROOT / name).read_bytes())
        # No isolation: the environment of the tests has what pyproject.toml asks for, and nothing is downloaded.
        site = Path(pydantic.__file__).parent.parent
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source]
        call(*build, cwd=folder, PYTHONPATH=str(site))

    (found,) = made_once(tmp_path_factory, "wheel", build).glob("*.whl")
    return found


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; other libraries come from the environment of the tests."""

    def install(folder: Path) -> None:
        site = Path(pydantic.__file__).parent.parent
        call(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
        pip = [sys.executable, "-m", "pip", "--python", folder / "venv" / "bin" / "python", "install", "-q"]
        call(*pip, "--no-deps", "--no-index", "--disable-pip-version-check", wheel, cwd=folder, PYTHONPATH=str(site))
        (own,) = (folder / "venv" / "lib").glob("python*/site-packages")
        # Only after the installation: pip must not see another mmstudy there.
        (own / "libraries.pth").write_text(f"{site}\n")

    return made_once(tmp_path_factory, "installed", install) / "venv"


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        (entry,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        commands = archive.read(entry).decode()
    assert names == {name for name in tracked() if name.partition("/")[0] in PACKAGES} | {"mmstudy_start.py"}
    for kind in ("studies/catalogue/", "studies/presets/", "reports/templates/", "mmstudy/py.typed"):
        assert any(name.startswith(kind) for name in names), kind
    assert "mmstudy = mmstudy_start:main" in commands
    assert wheel.name == f"mmstudy-{mmcore.__version__}-py3-none-any.whl"


@pytest.mark.slow
def test_a_fresh_installation_runs_the_first_study(installed: Path, tmp_path: Path) -> None:
    """In a folder of a user who has an ``experiments`` and a ``studies.py`` of their own."""
    (tmp_path / "experiments").mkdir()
    for name in ("experiments/__init__.py", "studies.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong package')")
    bin_ = installed / "bin"
    said = call(bin_ / "mmstudy", "run", "track_vs_multimodal", *SHRUNK, cwd=tmp_path)
    assert "Too few repeats: nothing can be said about" in said
    (page,) = (tmp_path / "mlruns" / "reports").glob("*/report.html")
    assert f"Report: {page}" in said

    code = (
        # Before it ends the interpreter would look through all objects, for a second.
        "import atexit, gc, json, mmstudy\n"
        "atexit.register(gc.freeze)\n"
        "changes = {'data.window': 20, 'training.epochs': 1, 'model.width': 8, 'model.feed_forward': 8,"
        " 'model.layers': 1, 'model.heads': 2}\n"
        "outcome = mmstudy.load(None, 'track_vs_multimodal', repeats=1, changes=changes)\n"
        "print(json.dumps([mmstudy.__file__, mmstudy.__version__, outcome.summary.repeats, repr(outcome)]))"
    )
    told = json.loads(call(bin_ / "python", "-P", "-c", code, cwd=tmp_path))
    assert Path(told[0]).is_relative_to(installed)
    assert told[1:3] == [mmcore.__version__, 1]
    assert told[3].endswith(f"Report: mlruns/reports/{page.parent.name}/report.html")
