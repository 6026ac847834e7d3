"""Where a home may be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.home import Home
from experiments.tracking.store import Store
from mmcore.errors import StoreError


@pytest.mark.parametrize("name", ["a b", "a%20b", "pct%", "a#b", "q?x=1", "q?mode=memory", "é音", "a&b;c=d"])
@pytest.mark.usefixtures("database_from_nothing")
def test_everything_lies_in_the_home_whatever_its_name(tmp_path: Path, name: str) -> None:
    home = Home(tmp_path / "all" / name)
    store = Store(home)
    experiment = store.experiment("s", "q?")
    run = store.client.create_run(experiment).info.run_id
    (tmp_path / "x.txt").write_text("x")
    store.client.log_artifact(run, str(tmp_path / "x.txt"))
    assert os.listdir(tmp_path / "all") == [name], "no database and no folder beside it"
    assert (home.root / "mlflow.db").is_file()
    assert [path.read_text() for path in home.artifacts.rglob("x.txt")] == ["x"]


def test_a_file_or_nothing_is_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"the home must be a folder; found a file\. Name another folder"):
        Home.choose(tmp_path / "file")
    with pytest.raises(StoreError, match=r"on the way to it"):
        Home.choose(tmp_path / "file" / "deeper" / "home")
    with pytest.raises(StoreError, match="must be a folder"):
        Home.choose(Path("a\0b"))
    monkeypatch.chdir(tmp_path)
    for words in (["--home", "", "list"], ["--home", "file", "plan", "fusion"]):
        done = subprocess.run([sys.executable, "-m", "experiments.cli", *words], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr
        assert "emove" not in done.stderr
