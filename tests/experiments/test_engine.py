"""What ``--on`` names."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.launchers.engine import LocalEngine, RayEngine, Resources, SlurmEngine, read_engine
from mmcore.errors import LaunchError


def test_every_engine_has_a_short_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMSTUDY_ON", raising=False)
    assert read_engine(None) == read_engine("local") == LocalEngine()
    assert read_engine("ray") == RayEngine()
    assert read_engine("ray://head:10001") == RayEngine(address="head:10001")
    assert read_engine("slurm") == SlurmEngine()
    monkeypatch.setenv("MMSTUDY_ON", "slurm")
    assert read_engine(None) == SlurmEngine()
    assert read_engine("local") == LocalEngine()


def test_a_file_names_an_engine_with_its_settings(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("kind: ray\naddress: head:10001\nresources: {gpus: 0.25}\n", encoding="utf-8")
    assert read_engine(str(file)) == RayEngine(address="head:10001", resources=Resources(gpus=0.25))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rya", "Did you mean 'ray'?"),
        ("ray://head", "ray://HOST:PORT"),
        ("ray://:10001", "ray://HOST:PORT"),
        ("ray://head:99999", "ray://HOST:PORT"),
        ("nowhere.yaml", "nowhere.yaml"),
    ],
)
def test_another_name_is_refused(text: str, says: str) -> None:
    with pytest.raises(LaunchError, match=says.replace("?", r"\?")):
        read_engine(text)


@pytest.mark.parametrize(
    ("written", "line", "setting"),
    [
        ("kind: rey\n", 1, "kind"),
        ("kind: ray\nadress: head:1\n", 2, "adress"),
        ("kind: slurm\nresources:\n  gpus: -1\n", 3, "resources.gpus"),
        ("kind: slurm\nminutes: soon\n", 2, "minutes"),
    ],
)
def test_a_wrong_setting_is_named_with_its_line(tmp_path: Path, written: str, line: int, setting: str) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(written, encoding="utf-8")
    with pytest.raises(LaunchError) as caught:
        read_engine(str(file))
    assert caught.value.where == f"{file}:{line}"
    assert setting in caught.value.rule
