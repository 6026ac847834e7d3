"""The page about many machines: its launcher files can be read, and no setting is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments.launchers.engine import KINDS, LocalEngine, RayEngine, Resources, read_engine

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "many_machines.md").read_text(encoding="utf-8")
FILES = re.findall(r"```yaml\n(kind:.*?)```", PAGE, flags=re.S)


@pytest.mark.parametrize("text", FILES)
def test_its_launcher_files_can_be_read(text: str, tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(text, encoding="utf-8")
    assert f"kind: {read_engine(str(file)).kind}\n" in text


def test_it_explains_every_engine_and_every_setting() -> None:
    for kind in KINDS:
        assert f"| `{kind}` |" in PAGE
    for settings in (LocalEngine, RayEngine, Resources):
        for name in settings.model_fields:
            assert re.search(rf"^\s*{name}:", PAGE, flags=re.M), name
