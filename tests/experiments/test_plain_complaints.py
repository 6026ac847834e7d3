"""What pydantic complains of reaches nobody in its own words, by whichever door a wrong value comes in."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from factories.command import mmstudy
from factories.finished_study import WORDS, project, whole_project

from experiments.home import Home

__all__ = ["project", "whole_project"]

WORDS_OF_PYDANTIC = re.compile(r"Value error|Assertion failed|[Ii]nput should|pydantic|validation error|Traceback")


def edit(path: Path, *keys: str | int, to: object) -> None:
    """Change a value in a file of JSON."""
    whole = json.loads(path.read_bytes())
    place = whole
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = to
    path.write_text(json.dumps(whole, indent=1))


def one(project: Path, pattern: str) -> Path:
    return sorted((project / "mlruns").glob(pattern))[0]


def wrong_record(project: Path) -> tuple[str, ...]:
    record = one(project, "runs/*/record.json")
    edit(record, "parameters", to="many")
    return ("home", "check")


def wrong_answer(project: Path) -> tuple[str, ...]:
    answer = one(project, "runs/*/analyses/*.json")
    edit(answer, "format", to="one")
    return ("home", "check")


def wrong_store(project: Path) -> tuple[str, ...]:
    edit(one(project, "prepared/*/index.json"), "items", to={"many": 1})
    return ("home", "check")


def wrong_report(project: Path) -> tuple[str, ...]:
    report = one(project, "reports/*/report.json")
    edit(report, "comparisons", to=3)
    return ("compare", str(report), str(report))


def wrong_archive(project: Path) -> tuple[str, ...]:
    with zipfile.ZipFile(project / "level.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files["manifest.json"])
    manifest["runs"] = "all"
    with zipfile.ZipFile(project / "level.zip", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, json.dumps(manifest) if name == "manifest.json" else text)
    return ("home", "import", "level.zip", "--home", "other")


def wrong_engine(project: Path) -> tuple[str, ...]:
    (project / "cluster.yaml").write_text("kind: slurm\nminutes: soon\n")
    return ("plan", *WORDS, "--on", "cluster.yaml")


def wrong_kind_of_engine(project: Path) -> tuple[str, ...]:
    (project / "cluster.yaml").write_text("kind: slurmm\n")
    return ("plan", *WORDS, "--on", "cluster.yaml")


def wrong_study(project: Path) -> tuple[str, ...]:
    study = project / "level.yaml"
    study.write_text(study.read_text().replace("repeats: 2", "repeats: 0", 1))
    return ("plan", *WORDS)


def wrong_corpus(project: Path) -> tuple[str, ...]:
    corpus = project / "corpus" / "corpus.yaml"
    corpus.write_text(corpus.read_text().replace("step: 0.1", "step: fast"))
    return ("data", "check", "corpus")


DOORS: dict[str, tuple[Callable[[Path], tuple[str, ...]], str]] = {
    "a choice": (lambda _: ("plan", *WORDS, "--match", "size"), "'size' is not one of 'parameters', 'flops', 'none'"),
    "a number": (lambda _: ("plan", *WORDS, "--workers", "0"), "'--workers': must be at least 1; found '0'"),
    "no number": (lambda _: ("plan", *WORDS, "--workers", "all"), "'--workers': must be a whole number; found 'all'"),
    "an option of judge": (lambda _: ("judge", "a.csv", "--margin", "x"), "'--margin': must be a number; found 'x'"),
    "arguments of a class": (lambda _: ("verify", "a.b:C", "--args", "{1: 2}"), "must be text; found 1"),
    "a setting": (lambda _: ("plan", *WORDS, "--set", "training.epochs=many"), "training.epochs: must be a whole nu"),
    "a study": (wrong_study, "repeats: must be greater than 0; found 0"),
    "a corpus": (wrong_corpus, "'step': must be a number; found 'fast'"),
    "a file of an engine": (wrong_engine, "minutes; expected a whole number; found 'soon'"),
    "the kind of an engine": (wrong_kind_of_engine, "kind; expected a kind of 'local', 'ray', 'slurm'"),
    "a record": (wrong_record, "'parameters' of the record cannot be understood; expected a mapping; found 'many'"),
    "an answer": (wrong_answer, "cannot be understood; expected"),
    "a prepared store": (wrong_store, "items: must be a list"),
    "a report": (wrong_report, "'comparisons' of the report cannot be understood; expected a list; found 3"),
    "an archive": (wrong_archive, "'runs' of the manifest must be a list; found 'all'"),
}


@pytest.mark.parametrize(("harm", "said"), DOORS.values(), ids=DOORS)
def test_a_wrong_value_is_told_of_in_our_words(
    project: Path, harm: Callable[[Path], tuple[str, ...]], said: str
) -> None:
    words = harm(project)
    done = mmstudy(Home.choose(project / "mlruns"), *words)
    text = done.stdout + done.stderr
    assert done.returncode in (1, 2), text
    assert said in text
    assert not WORDS_OF_PYDANTIC.search(text), text
