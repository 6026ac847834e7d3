"""The kinds of cases: each spoils one kind of good input and reads or plans with it, in this process."""

from __future__ import annotations

import builtins
import contextlib
import csv
import dataclasses
import errno
import io
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz.good import CORPUS, STUDIES, STUDY, Good
from benchmarks.fuzz.mutations import BYTES, NAMES, SCALARS, spoil_bytes, spoil_yaml
from benchmarks.fuzz.watch import Silent
from experiments.cli.options import _change
from experiments.cli.text import plan_text
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import Plan, plan, plans_models
from experiments.planning.request import Options
from experiments.records import read_record
from experiments.results import load_results
from experiments.terminal import safe
from mmcore.config import DataConfig
from mmcore.data.checking import check_corpus
from mmcore.data.prepare import prepare
from mmcore.data.sources.class_names import NO_VALUE
from mmcore.data.sources.folder import FolderSource, read_schema
from mmcore.data.sources.tables import Table
from mmcore.errors import CorpusError, MMStudyError, StudyError
from mmcore.files import BrokenFile
from mmcore.yamlfile import read_yaml
from studies.repeats import parse_repeats
from studies.search.space import at

Case = tuple[str, Callable[[], None]]
"""What was done, and the work to do with it."""


def study_case(good: Good, rng: random.Random, number: int) -> Case:
    """A spoilt study file, planned. What is accepted must mean something else than before, or be written otherwise."""
    before = rng.choice(STUDIES)
    text, what = spoil_yaml(before, rng)
    path = good.copy(number) / "level.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")

    def work() -> None:
        found = planned(path, good.home, good.corpus)
        plan_text(found)
        original = path.with_name("before.yaml")
        original.write_text(before, encoding="utf-8")
        mine, its = (read_yaml(file, StudyError).data for file in (path, original))
        for one in (mine, its):
            one.pop("notes", None)  # for readers alone
            if one.get("reference") == "all" and one.get("design"):
                one["reference"] = "base"  # two words for the arm that leaves the base as it is
        if mine != its and meaning(found) == meaning(planned(original, good.home, good.corpus)):
            raise Silent(f"another file, and the same study: {difference(mine, its)}")

    return what, work


def meaning(todo: Plan) -> str:
    """All that a study came to."""
    study = dataclasses.replace(todo.request.study, name="")
    return repr((dataclasses.asdict(study), [run.fingerprint for run in todo.runs]))


def difference(mine: Any, its: Any, at: str = "") -> str:
    """Where two nested values differ first."""
    if isinstance(mine, dict) and isinstance(its, dict):
        key = next(k for k in [*mine, *its] if mine.get(k, ...) != its.get(k, ...))
        return difference(mine.get(key, ...), its.get(key, ...), f"{at}.{key}")
    return f"{at}: {mine!r} for {its!r}"[:200]


def corpus_case(good: Good, rng: random.Random, number: int) -> Case:
    """A spoilt corpus.yaml or items.csv: checked, then planned and prepared."""
    folder = good.copy(number, "corpus")
    if rng.random() < 0.6:
        text, what = spoil_yaml(CORPUS, rng)
        (folder / "corpus" / "corpus.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    else:
        path = folder / "corpus" / "items.csv"
        data, what = spoil_bytes(path.read_bytes(), rng)
        path.write_bytes(data)

    def work() -> None:
        refused: MMStudyError | None = None
        try:
            prepare(folder / "corpus", DataConfig(window=10), folder / "prepared")
        except MMStudyError as error:
            refused = error
        checked = check_corpus(folder / "corpus")
        if refused is None and what.startswith("line"):
            schema = folder / "corpus" / "corpus.yaml"
            mine = read_yaml(schema, CorpusError).data
            its = read_yaml(good.corpus / "corpus.yaml", CorpusError).data
            if mine != its and read_schema(folder / "corpus") == read_schema(good.corpus):
                raise Silent(f"another corpus.yaml, and the same schema: {difference(mine, its)}")
        if refused is not None:
            if not checked.errors and "no item has a single step" not in refused.rule:
                raise Silent(f"data check has no error, but a run is refused: {refused.message}")
            raise refused
        planned(good.study, Home(folder / "home"), folder / "corpus")

    return what, work


def table_case(good: Good, rng: random.Random, number: int) -> Case:
    """A spoilt table. Where it is accepted, a cut must be told of, and numbers must be those of the file."""
    folder = good.copy(number, "corpus") / "corpus"
    path = rng.choice(sorted([*folder.glob("*/*.csv"), *folder.glob("*/*.parquet")]))
    before = path.read_bytes()
    data, what = spoil_bytes(before, rng)
    path.write_bytes(data)
    where = f"{path.parent.name}/{path.name}: {what}"

    def work() -> None:
        source = FolderSource(folder)
        table = source.read(path.stem, path.parent.name)
        assert table is not None
        check_corpus(folder)
        cut = before.startswith(data) and data != before and not data.endswith(b"\n")
        if path.suffix == ".csv" and cut and not any("cut off" in text for text in source.doubts()):
            raise Silent("the table was cut within a row, and nothing tells of it")
        if path.suffix == ".csv":
            refuse_other_numbers(path, table, source.columns(path.parent.name))

    return where, work


def refuse_other_numbers(path: Path, table: Table, columns: list[str]) -> None:
    """What was read, cell by cell, against Python's own reading of the file.

    Raises:
        Silent: a cell has another number.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        head, *rows = [row for row in csv.reader(file) if row]
    assert table.time_T is not None
    cells = [[row[at] if (at := head.index(name)) < len(row) else "" for row in rows] for name in ("time", *columns)]
    read = [table.time_T, *table.values_TF.T]
    for name, texts, values_T in zip(("time", *columns), cells, read, strict=True):
        with np.errstate(over="ignore"):
            expected_T = np.array([number(text) for text in texts]).astype(values_T.dtype)
        expected_T[expected_T == -99] = np.nan
        if len(expected_T) != len(values_T) or not np.array_equal(expected_T, values_T, equal_nan=True):
            raise Silent(f"column '{name}' was read as {values_T[:20]}, and is {texts[:20]}")


def number(text: str) -> float:
    """A cell as a number; NaN for an empty one."""
    if text.strip() in NO_VALUE:
        return np.nan
    truth = {"true": 1.0, "false": 0.0}.get(text.strip().lower())
    return float(text) if truth is None else truth


def option_case(good: Good, rng: random.Random, number: int) -> Case:
    """Options as a command line gives them."""
    paths = [
        "model.width",
        "training.epochs",
        "model.fusion.kind",
        "data.clip",
        "loss.weights.position",
        "model",
        "x",
        "",
        "a..b",
    ]
    value = rng.choice(SCALARS + NAMES)
    match rng.randrange(4):
        case 0 | 1:
            changes = [f"{rng.choice(paths)}={value}" for _ in range(rng.choice([1, 1, 2]))]
            what = f"--set {changes}"

            def make() -> Options:
                return Options(corpus=str(good.corpus), changes=tuple(map(_change, changes)))
        case 2:
            text = rng.choice(
                ["0", "-1", "1e3", "9" * 50, "2..3", "3..2", "2..3/0", "5@1", "1000000", "٣", "", " 1", "2..9999999"]
            )
            what = f"--repeats {text!r}"

            def make() -> Options:
                try:
                    repeats = parse_repeats(text)
                except ValueError as error:
                    # The command turns it into a message about its option.
                    raise MMStudyError(str(error), where="--repeats") from None
                return Options(corpus=str(good.corpus), repeats=repeats)
        case _:
            flag = rng.choice(["corpus", "preset", "metric", "match"])
            what = f"--{flag} {value!r}"

            def make() -> Options:
                usual = Options(corpus=str(good.corpus))
                changed: dict[str, Any] = {"corpus" if flag == "match" else flag: value}
                return dataclasses.replace(usual, **changed)

    def work() -> None:
        options = make()
        todo = planned(good.study, good.home, None, options)
        plan_text(todo)
        base = next(arm.config for arm in todo.request.study.arms if arm.name == "both").model_dump(mode="json")
        for path, value in options.changes:
            found = at(base, path)
            if found is None and path.startswith("loss.weights."):
                # The weight of a component that is not listed.
                found = 1.0
            if not isinstance(value, dict | list | None) and found != value and float_of(found) != float_of(value):
                raise Silent(f"{path} was set to {value!r} and is {found!r}")

    return what[:120], work


def float_of(value: Any) -> float:
    """A number as a number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def home_case(good: Good, rng: random.Random, number: int) -> Case:
    """A file of the home with another content; a record of another run is never taken for the run's own."""
    folder = good.copy(number, "home")
    home = Home(folder / "home")
    files = sorted(path for path in home.root.rglob("*") if path.is_file() and path.suffix != ".lock")
    path = rng.choice(files)
    before = path.read_bytes()
    records = sorted(home.runs.glob("*/record.json"))
    if path.name == "record.json" and rng.random() < 0.3:
        data, what = rng.choice([other for other in records if other != path]).read_bytes(), "the record of another run"
    else:
        data, what = spoil_bytes(before, rng)
    path.write_bytes(data)

    def work() -> None:
        todo = planned(good.study, home, good.corpus)
        plan_text(todo)
        if path.name == "record.json" and what.startswith("the record of"):
            with contextlib.suppress(BrokenFile):
                read_record(path.parent)
                raise Silent("the record of another run counts as the run's own")
        load_results(todo, home)

    return f"{path.relative_to(home.root)}: {what}", work


def name_case(good: Good, rng: random.Random, number: int) -> Case:
    """A name of an arm, an item, a group, a modality, a component, a study or a home."""
    name, folder = rng.choice(NAMES), good.copy(number, "corpus")
    quoted = '"' + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in name) + '"'
    corpus, study, home = folder / "corpus", folder / "level.yaml", Home(folder / "home")
    text, schema = STUDY, CORPUS
    kind = rng.choice(["arm", "item", "group", "modality", "component", "parameter", "study", "home", "question"])
    match kind:
        case "arm":
            text = text.replace("  wide:", f"  {quoted}:")
        case "question":
            text = text.replace("Does the level help?", quoted)
        case "modality":
            schema = schema.replace("  audio:\n", f"  {quoted}:\n")
            with contextlib.suppress(OSError, ValueError):
                (corpus / "audio").rename(corpus / name)
        case "component":
            schema, text = (
                schema.replace("component: position", f"component: {quoted}"),
                text.replace("{position:", f"{{{quoted}:"),
            )
        case "parameter":
            schema = schema.replace("{name: c,", f"{{name: {quoted},")
        case "item" | "group":
            lines = (corpus / "items.csv").read_text().splitlines()
            cells = lines[1].split(",")
            cells[("item", "group").index(kind)] = '"' + name.replace('"', '""') + '"'
            lines[1] = ",".join(cells)
            (corpus / "items.csv").write_text("\n".join(lines) + "\n", encoding="utf-8", errors="surrogatepass")
        case "study":
            with contextlib.suppress(OSError, ValueError):
                study = folder / f"{name}.yaml"
                study.write_text(text, encoding="utf-8")
        case _:
            return f"{kind} {name[:40]!r}", lambda: _in_home(study, folder / name, corpus)
    if kind != "study":
        study.write_text(text, encoding="utf-8")
    (corpus / "corpus.yaml").write_text(schema, encoding="utf-8")

    def work() -> None:
        shown = plan_text(planned(study, home, corpus))
        if "\x1b" in safe(shown) or "\u202e" in safe(shown):
            raise Silent("a control character reaches the terminal")
        prepare(corpus, DataConfig(window=10), folder / "prepared")

    return f"{kind} {name[:40]!r}", work


def _in_home(study: Path, home: Path, corpus: Path) -> None:
    study.write_text(STUDY, encoding="utf-8")
    todo = planned(study, Home.choose(home), corpus)
    prepare(corpus, todo.request.study.arms[0].config.data, Home.choose(home).make().prepared)


def permission_case(good: Good, rng: random.Random, number: int) -> Case:
    """A file or folder that this user may not read, a FIFO, a device, a loop of links, a folder in a file's place."""
    folder = good.copy(number, "corpus", "home", "level.yaml")
    home, corpus, study = Home(folder / "home"), folder / "corpus", folder / "level.yaml"
    path = rng.choice(
        sorted(p for p in folder.rglob("*") if p.suffix != ".lock" and p.name not in (".gitignore", "home", "corpus"))
    )
    kind = rng.choice(["denied", "denied", "fifo", "device", "loop", "folder", "file", "gone"])
    if kind != "denied":
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "loop":
            path.symlink_to(path)
        case "folder":
            path.mkdir()
        case "file":
            path.write_bytes(rng.choice(BYTES))
        case _:
            pass

    def work() -> None:
        with denied(path) if kind == "denied" else contextlib.nullcontext():
            try:
                todo = planned(study, home, corpus)
                load_results(todo, home)
                prepare(corpus, DataConfig(window=10), home.prepared)
            except MMStudyError as error:
                if kind == "denied" and any(word in error.message for word in ("emove", "elete", "broken")):
                    raise Silent(f"what may only not be read is to be removed: {error.message}") from None
                raise

    return f"{path.relative_to(folder)}: {kind}", work


@contextlib.contextmanager
def denied(target: Path) -> Iterator[None]:
    """Let the system refuse a path, also to the superuser, who may read all."""

    def refusing(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any = ".", *rest: Any, **named: Any) -> Any:
            if not isinstance(path, int) and Path(os.fsdecode(path)) == target:
                raise PermissionError(errno.EACCES, "Permission denied", str(target))
            return real(path, *rest, **named)

        return call

    places = [(builtins, "open"), (io, "open"), (os, "open"), (os, "listdir"), (os, "scandir")]
    before = [(module, name, getattr(module, name)) for module, name in places]
    try:
        for module, name, real in before:
            setattr(module, name, refusing(real))
        yield
    finally:
        for module, name, real in before:
            setattr(module, name, real)


def planned(study: Path, home: Home, corpus: Path | None, options: Options | None = None) -> Plan:
    """A study's plan; numbers of its runs are finite."""
    todo = plan(open_request(str(study), home, options or Options(corpus=str(corpus))), home)
    assert plans_models(todo)
    if not np.isfinite(todo.seconds):
        raise Silent("the plan has no finite time")
    return todo


KINDS: dict[str, Callable[[Good, random.Random, int], Case]] = {
    "study": study_case, "corpus": corpus_case, "tables": table_case, "options": option_case, "home": home_case,
    "names": name_case, "permissions": permission_case,
}  # fmt: skip
