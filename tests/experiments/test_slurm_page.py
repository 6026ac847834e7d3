"""The page about Slurm: its launcher file can be read and names every setting, and its commands do what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from factories.launcher_contract import table
from factories.slurm_cluster import SlurmCluster, slurm_cluster

from experiments.home import Home
from experiments.launchers.engine import SlurmEngine, read_engine

__all__ = ["slurm_cluster"]

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "slurm.md").read_text(encoding="utf-8")
(LAUNCHER,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.S)
COMMANDS = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.S)
INSTALL = "pip install 'mmstudy[slurm]'\n"
STUDY = """\
question: Does the audio help?
preset: quick
repeats: 1
reference: track
base:
  model: {width: 8, layers: 1, heads: 2, feed_forward: 8}
  training: {epochs: 2}
arms:
  both: {}
  track: {model.modalities: [track]}
"""


def test_its_launcher_file_names_every_setting(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(LAUNCHER, encoding="utf-8")
    engine = read_engine(str(file))
    assert isinstance(engine, SlurmEngine)
    for name in SlurmEngine.model_fields:
        assert re.search(rf"\b{name}\b", PAGE), name


@pytest.mark.cluster
def test_its_commands_do_what_it_says(slurm_cluster: SlurmCluster, tmp_path: Path) -> None:
    """On a cluster that has what the launcher file asks for: a partition, a feature, and cards that are mere files."""
    at_once, from_a_file = COMMANDS
    assert at_once.startswith(INSTALL)
    said = [run(block.removeprefix(INSTALL), tmp_path / name) for name, block in (("a", at_once), ("b", from_a_file))]
    assert "to do" in said[0]
    assert "2 of 2 runs are there already" in said[1], "the last command finds what the one before has trained"
    for folder in ("a", "b"):
        assert table(Home(tmp_path / folder / "mlruns"))
        assert list((tmp_path / folder / "mlruns" / "logs" / "slurm").glob("*/worker-*"))
    assert table(Home(tmp_path / "a" / "mlruns")) == table(Home(tmp_path / "b" / "mlruns"))


def run(commands: str, folder: Path) -> str:
    """What the commands print, in a folder that has the study and the launcher file."""
    folder.mkdir()
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    (folder / "cluster.yaml").write_text(LAUNCHER, encoding="utf-8")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", commands], capture_output=True, text=True, cwd=folder, env=os.environ | {"PATH": path}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
