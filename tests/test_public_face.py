"""``import mmstudy``: what it offers, what it costs, and what it says where a user's own package hides one of ours."""

from __future__ import annotations

import ast
import gc
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mmcore
import mmstudy
import mmstudy_start
from experiments.corpus import Corpus
from experiments.driver import run_study
from mmcore.errors import MMStudyError
from mmstudy_start import PACKAGES, hidden_packages

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


def python(*words: str, cwd: Path, path: str = str(ROOT)) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run([sys.executable, *words], cwd=cwd, env=environment, capture_output=True, text=True)


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode != 0
    return done.stderr.strip().splitlines()[-1]


def test_the_names_are_those_of_the_page_and_each_is_the_real_thing() -> None:
    names = set(mmstudy.__all__) - {"__version__"}
    assert {"Corpus", "Study", "check", "judge", "load", "run_study"} <= names
    assert set(re.findall(r"^\| `mmstudy\.(\w+)", PAGE, flags=re.M)) == names
    assert mmstudy.run_study is run_study
    assert mmstudy.Corpus is Corpus
    assert mmstudy.MMStudyError is MMStudyError
    for name in names:
        assert getattr(mmstudy, name).__doc__, name
    assert names <= set(dir(mmstudy))


def test_type_checkers_see_the_same_names() -> None:
    """They read the imports that never happen; what Python gives comes from the table of places."""
    tree = ast.parse((ROOT / "mmstudy" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    seen = {alias.name: line.module for line in block.body if isinstance(line, ast.ImportFrom) for alias in line.names}
    assert seen == mmstudy._HOMES
    for package in ("mmstudy", *PACKAGES):
        assert (ROOT / package / "py.typed").exists(), package


def test_nothing_else_is_public() -> None:
    with pytest.raises(AttributeError, match=r"no public name 'run_studies'\. Public names: Corpus, .*docs/python\.md"):
        _ = mmstudy.run_studies


def test_the_version_is_one() -> None:
    assert mmstudy.__version__ == mmcore.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", mmstudy.__version__)


def test_importing_it_imports_no_library(tmp_path: Path) -> None:
    code = (
        "import sys, mmstudy; before = set(sys.modules); mmstudy.MMStudyError\n"
        "import json; print(json.dumps([sorted(before), sorted(sys.modules)]))"
    )
    done = python("-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    before, after = (set(names) for names in json.loads(done.stdout))
    heavy = {"torch", "mlflow", "optuna", "matplotlib", "seaborn", "pandas", "numpy", "pydantic", "scipy", "IPython"}
    assert not heavy & before
    assert not heavy & after
    assert not {"experiments", "reports", "studies"} & before


def test_planning_imports_neither_torch_nor_pandas(tmp_path: Path) -> None:
    code = "import sys, experiments.cli.plan_view; print([n for n in ('torch', 'pandas', 'scipy') if n in sys.modules])"
    assert python("-c", code, cwd=tmp_path).stdout.strip() == "[]"


def test_nothing_hides_our_packages_here() -> None:
    assert hidden_packages() == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_folder_of_the_same_name_is_named_with_the_remedy(tmp_path: Path, package: str) -> None:
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").touch()
    said = last_line(python("-c", "import mmstudy", cwd=tmp_path))
    assert said == (
        f"mmstudy_start.HiddenPackageError: Python must find mmstudy's own package '{package}'; expected in {ROOT}; "
        f"found {tmp_path / package}. Rename yours, run from another folder, or start Python with -P: "
        "python -P script.py"
    )


def test_files_hide_as_folders_do_and_all_are_named(tmp_path: Path) -> None:
    (tmp_path / "reports.py").touch()
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "__init__.py").touch()
    (tmp_path / "script.py").write_text("import mmstudy")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    said = last_line(python(str(tmp_path / "script.py"), cwd=elsewhere))
    assert "packages 'reports' and 'experiments'" in said
    assert f"found {tmp_path / 'reports.py'} and {tmp_path / 'experiments'}" in said
    assert python("-P", str(tmp_path / "script.py"), cwd=tmp_path).returncode == 0


def test_what_is_imported_already_and_what_pythonpath_adds_is_found_too(tmp_path: Path) -> None:
    (tmp_path / "studies.py").touch()
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import studies; sys.path.pop(0); import mmstudy"
    (tmp_path / "empty").mkdir()
    assert f"found {tmp_path / 'studies.py'}" in last_line(python("-c", code, cwd=tmp_path / "empty"))
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    said = last_line(python("-P", "-c", "import mmstudy", cwd=tmp_path / "empty", path=path))
    assert said.endswith("Rename yours, or take its folder out of PYTHONPATH")


def test_a_folder_that_hides_nothing_is_no_fault(tmp_path: Path) -> None:
    """Without ``__init__.py`` a folder of results or reports comes after every real package."""
    for package in PACKAGES:
        (tmp_path / package).mkdir()
    assert python("-c", "import mmstudy, reports.numbers", cwd=tmp_path).returncode == 0


EDITABLE = f"""
import importlib.util, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "mmstudy_start":
            return importlib.util.spec_from_file_location(name, {str(ROOT / "mmstudy_start.py")!r})
        if name in {("mmstudy", *PACKAGES)!r}:
            folder = {str(ROOT)!r} + "/" + name
            return importlib.util.spec_from_file_location(
                name, folder + "/__init__.py", submodule_search_locations=[folder]
            )

sys.path[:] = [entry for entry in sys.path if entry != {str(ROOT)!r}]
# The one of this environment, if there is one.
sys.meta_path[:] = [one for one in sys.meta_path if not getattr(one, "__module__", "").startswith("__editable__")]
sys.meta_path.append(Finder())
"""
"""An editable installation as setuptools makes it: a finder that is asked last knows the packages."""


def test_a_folder_that_hides_a_package_of_an_editable_installation_gives_way(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    bare = python("-c", EDITABLE + "import reports.numbers", cwd=tmp_path, path="")
    assert "No module named 'reports.numbers'" in last_line(bare)
    code = EDITABLE + "import mmstudy, reports.numbers; print(reports.numbers.__file__)"
    done = python("-c", code, cwd=tmp_path, path="")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(ROOT / "reports" / "numbers.py")


def test_the_command_is_immune_wherever_it_is_started(tmp_path: Path) -> None:
    """A console script has no current folder on its path, unless PYTHONPATH adds it."""
    (tmp_path / "reports.py").write_text("raise SystemExit('the wrong package')")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "__init__.py").write_text("raise SystemExit('the wrong package')")
    code = "import sys; sys.argv = ['mmstudy', 'list']; from mmstudy_start import main; main()"
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = python("-P", "-c", code, cwd=tmp_path, path=path)
    assert done.returncode == 0, done.stderr
    assert "track_vs_multimodal" in done.stdout


def test_an_installation_without_a_package_says_so(tmp_path: Path) -> None:
    (tmp_path / "mmstudy_start.py").write_bytes((ROOT / "mmstudy_start.py").read_bytes())
    code = "import mmstudy_start; mmstudy_start.main()"
    done = python("-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}", cwd=tmp_path)
    assert "found nothing" in last_line(done)
    assert "pip install --force-reinstall" in last_line(done)


@pytest.mark.parametrize(("before", "during"), [(700, mmstudy_start.NEW_OBJECTS), (50_000, 50_000), (0, 0)])
def test_a_command_looks_for_garbage_seldom_and_never_more_often_than_it_is_told(
    monkeypatch: pytest.MonkeyPatch, before: int, during: int
) -> None:
    found: list[int] = []
    monkeypatch.setattr("experiments.cli.main.main", lambda: found.append(gc.get_threshold()[0]))
    kept = gc.get_threshold()
    try:
        gc.set_threshold(before)
        mmstudy_start.main()
    finally:
        gc.set_threshold(*kept)
    assert found == [during]
