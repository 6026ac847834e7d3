"""The page's section "Add a fusion in three steps", followed to the letter on a copy of the sources."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SECTION = (
    (ROOT / "docs" / "extend.md")
    .read_text(encoding="utf-8")
    .split("## Add a fusion in three steps\n")[1]
    .split("\n## ")[0]
)
BLOCKS = re.findall(r"```python\n# (\S+)(.*?)\n(.*?)```", SECTION, flags=re.S)


def insert(path: Path, before: str, text: str) -> None:
    """Put ``text`` in front of the one place that begins with ``before``."""
    content = path.read_text(encoding="utf-8")
    assert content.count(before) == 1, (path, before)
    path.write_text(content.replace(before, text + before), encoding="utf-8")


def replace(path: Path, old: str, new: str) -> None:
    content = path.read_text(encoding="utf-8")
    assert content.count(old) == 1, (path, old)
    path.write_text(content.replace(old, new), encoding="utf-8")


@pytest.mark.slow
def test_three_steps_make_a_fusion_that_keeps_every_promise(tmp_path: Path) -> None:
    for name in ("mmcore", "studies", "tests/contracts"):
        # With what is compiled already, which serves the files that stay as they are; another test may be writing more.
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.pyc.*"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (file, _, module), (config, _, knob), (init, _, arm), (contract, _, promise) = BLOCKS
    assert [file, config, init, contract] == [
        "mmcore/model/fusion/product.py",
        "mmcore/config/model.py",
        "mmcore/model/fusion/__init__.py",
        "tests/contracts/test_fusion_contract.py",
    ]

    (tmp_path / file).write_text(module, encoding="utf-8")

    insert(tmp_path / config, "Fusion = Annotated[", knob + "\n\n")
    assert "`| Product` in the union `Fusion` below it" in SECTION
    replace(tmp_path / config, "    | Decision\n", "    | Decision\n    | Product\n")

    imported, case = arm.strip("\n").split("\n", 1)
    insert(tmp_path / init, "from mmcore.model.layer_sizes import", imported + "\n")
    insert(tmp_path / init, "        case config.Decision", case.strip("\n") + "\n")

    with open(tmp_path / contract, "a", encoding="utf-8") as tests:
        tests.write("\n\n" + promise)

    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")} | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", contract, "-k", "TestProduct"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout
    assert int(passed[1]) > 50

    # And a config can name it.
    code = (
        "import mmcore\n"
        "from mmcore.config import build_config\n"
        f"assert mmcore.__file__.startswith({str(tmp_path)!r})\n"
        "print(build_config({'corpus': '.', 'model': {'fusion': {'kind': 'product'}}}).model.fusion.kind)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "product", done.stderr
