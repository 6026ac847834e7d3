"""Rules of the whole house that no other tool checks."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import mmcore

ROOT = Path(__file__).resolve().parent.parent


@cache
def tracked(pattern: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", pattern],
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


@dataclass(frozen=True)
class Contents:
    """What a file of Python has, of all that the rules look at.

    Args:
        functions, calls: as they stand. defined: names of functions and classes. names: all that it gives to data:
            variables, arguments, fields.
    """

    functions: tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...]
    calls: tuple[ast.Call, ...]
    defined: frozenset[str]
    names: frozenset[str]


@cache
def contents(path: Path) -> Contents:
    """Read once for all rules."""
    functions, calls, defined, names = [], [], set(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                functions.append(node)
                defined.add(node.name)
            case ast.ClassDef():
                defined.add(node.name)
            case ast.Call():
                calls.append(node)
            case ast.Name():
                names.add(node.id)
            case ast.Attribute():
                names.add(node.attr)
            case ast.arg():
                names.add(node.arg)
            case _:
                pass
    return Contents(tuple(functions), tuple(calls), frozenset(defined), frozenset(names))


def product() -> list[Path]:
    """The files of Python that are not tests."""
    return [path for path in tracked("*.py") if ROOT / "tests" not in path.parents]


def test_bootstrap_needs_the_standard_library_only() -> None:
    tree = ast.parse((ROOT / "bootstrap.py").read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_bootstrap_refuses_what_it_does_not_know() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "bootstrap.py"), "everything"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "bootstrap.py study" in done.stdout


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    locked = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    assert {re.split(r"[<>=!~\[]", name)[0].lower() for name in wanted} <= locked
    assert "torch==2.13.0" in lines


def test_what_commands_write_is_not_kept_with_the_code() -> None:
    """A test that forgets where it writes leaves databases, records or archives in the checkout."""
    made = {".csv", ".db", ".json", ".log", ".parquet", ".pt", ".zip"}
    found = [path.relative_to(ROOT) for path in tracked("*") if path.suffix in made]
    assert [path for path in found if path.parts[0] not in ("docs", "tests")] == []
    assert [path for path in tracked("mlruns/*") if path.name != ".gitignore"] == []


def test_no_file_is_a_hall() -> None:
    """Files of about 300 lines, 400 at most; no room without a name of its own."""
    for path in tracked("*.py"):
        assert path.stem not in {"utils", "util", "common", "helpers", "helper", "misc"}, path
        if ROOT / "tests" not in path.parents:
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path


def test_untyped_mappings_stay_rare() -> None:
    """What travels between rooms is typed; torch's states, YAML before its checks and options of libraries are not."""
    untyped = "dict[str, " + "Any]"
    found = {path: path.read_text(encoding="utf-8").count(untyped) for path in tracked("*.py")}
    assert sum(found.values()) < 60, {str(path): count for path, count in found.items() if count}


LONG = {("mmcore/run.py", "_run"), ("studies/resolve.py", "resolve")}
"""The two that read better as one list of steps."""


def test_no_function_is_longer_than_a_screen() -> None:
    """80 lines at most, the docstring included and the signature, which has a line for each argument, not."""
    long = set()
    for path in product():
        for function in contents(path).functions:
            assert function.end_lineno is not None
            if function.end_lineno - function.body[0].lineno + 1 > 80:
                long.add((str(path.relative_to(ROOT)), function.name))
    assert long == LONG


def _dotted(called: ast.expr) -> str:
    """``a.b.c`` of what is called; of anything else than names a text that no rule is about."""
    names = []
    while isinstance(called, ast.Attribute):
        names.append(called.attr)
        called = called.value
    return ".".join([called.id if isinstance(called, ast.Name) else "…", *reversed(names)])


def test_what_pydantic_says_goes_through_one_door() -> None:
    """Its messages begin with "Value error" or "Input should"; mmcore/complaints.py puts them in our words."""
    for path in product():
        if path.name != "complaints.py":
            assert '["msg"]' not in path.read_text(encoding="utf-8"), path


def test_nothing_is_unpickled() -> None:
    """Checkpoints are loaded with ``weights_only``; the one reader of a foreign pickle permits arrays alone."""
    for path in product():
        for call in contents(path).calls:
            text = _dotted(call.func)
            keywords = {k.arg: ast.unparse(k.value) for k in call.keywords} if text.endswith("load") else {}
            if text == "torch.load":
                assert keywords.get("weights_only") == "True", path
            if text in ("np.load", "numpy.load"):
                assert keywords.get("allow_pickle", "False") == "False", path
            assert text not in ("pickle.load", "pickle.loads", "pd.read_pickle", "joblib.load"), path


def test_the_changelog_and_the_version_belong_together() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (\d+\.\d+\.\d+) · \d{4}-\d{2}-\d{2}$", changelog, flags=re.M)
    assert versions[0] == mmcore.__version__


@cache
def _texts(path: Path) -> tuple[str, ...]:
    """Docstrings, messages and comments of a file of Python; a page whole."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return (text,)
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    said = [token.string for token in tokens if token.type in (tokenize.STRING, tokenize.COMMENT)]
    return tuple(re.sub(r"\{[^{}]*\}", "", one) for one in said)


@pytest.mark.parametrize("word", ["knob", "knobs", "twin study", "who does", "the course of a study"])
def test_retired_words_are_not_said(word: str) -> None:
    """The field's words are said instead: hyperparameter, matched study, monitoring."""
    paths = [path for pattern in ("*.py", "*.md") for path in tracked(pattern)]
    paths = [path for path in paths if ROOT / "tests" not in path.parents and path.name != "CHANGELOG.md"]
    assert [path for path in paths if any(re.search(rf"\b{word}\b", text) for text in _texts(path))] == []


@pytest.mark.parametrize("name", ["Asked", "Course", "Knob", "course_of", "divided_twins", "forget", "gather"])
def test_retired_names_are_not_defined(name: str) -> None:
    """Names in code follow the same words: Request, Monitoring, Hyperparameter, duplicates, delete, load."""
    for path in product():
        assert name not in contents(path).defined, path


@pytest.mark.parametrize("name", ["told", "_told", "course"])
def test_data_are_named_by_what_they_are(name: str) -> None:
    """``told`` says only that something was said; text, notes, reason, content or reported say what it is."""
    assert [path for path in product() if name in contents(path).names] == []
