"""YAML 1.2's rules, keys as they are written, and limits that no file of use reaches."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from mmcore.data.sources.writing import write_yaml
from mmcore.errors import StudyError
from mmcore.yamlfile import read_yaml, read_yaml_value

ROWS: list[tuple[str, Any]] = [
    ("on", "on"), ("off", "off"), ("yes", "yes"), ("No", "No"), ("y", "y"), ("true", True), ("False", False),
    ("010", 10), ("0o10", 8), ("0x1F", 31), ("-7", -7), ("+7", 7), ("1_000", "1_000"), ("1:30", "1:30"),
    ("12:30:45", "12:30:45"), ("2026-01-01", "2026-01-01"), ("2026-13-45", "2026-13-45"), ("0b11", "0b11"),
    ("1e-4", 1e-4), ("1.", 1.0), (".5", 0.5), ("1.0e3", 1000.0), ("6E5", 6e5), ("e5x", "e5x"), ("~", None),
    ("null", None), ("Null", None), ("", None), ("=", "="), (".inf", float("inf")), ("-.INF", float("-inf")),
    ('"on"', "on"), ("'1'", "1"), ("!!str 1", "1"), ("!!int 3", 3), ("!!float 3", 3.0), ("!!bool true", True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), ROWS)
def test_a_value_means_what_yaml_1_2_says(tmp_path: Path, text: str, value: Any) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"a: {text}\n")
    read = read_yaml(path, StudyError).data["a"]
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize("key", ["on", "yes", "no", "1", "010", "1.50", "true", "null", "~", "2026-01-01", "1e3"])
def test_a_key_is_what_is_written(tmp_path: Path, key: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"loss:\n  weights: {{{key}: 2.0}}\n")
    file = read_yaml(path, StudyError)
    assert file.data == {"loss": {"weights": {key: 2.0}}}
    assert file.where(("loss", "weights", key)) == f"{path}:2"


def bomb(depth: int = 9, width: int = 9) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * width)}]" for i in range(1, depth)]
    return "\n".join(lines) + "\n"


REFUSED = [
    (bomb(), "100,000"),
    ("x: &x {a: 1, b: 2}\n" + "".join(f"y{i}: &y{i} {{<<: *x, k: [*x, *x]}}\n" for i in range(3)) + bomb(), "100,000"),
    ("a: " + "[" * 2000 + "]" * 2000, "64"),
    ("a: " + "{b: " * 2000 + "1" + "}" * 2000, "64"),
    ("\n".join("  " * i + "a:" for i in range(200)), "64"),
    ("- " * 300 + "1", "64"),
    ("a: " + "9" * 400, "64 characters"),
    ("a: 0." + "3" * 400, "64 characters"),
    ("a: 1e999", "too large"),
    ("? [a, b]\n: 1", "key must be text"),
    ("{a: 1}: 2", "key must be text"),
    ("a: !!binary aGVsbG8=", "tag"),
    ("a: !!set {b, c}", "tag"),
    ("a: !!timestamp 2026-01-01", "tag"),
    ("a: !!omap [b: 1]", "tag"),
    ("a: !!python/name:os.system", "tag"),
    ("a: !mine b", "tag"),
    ("a: !!int x", "YAML int"),
    ("a: !!bool maybe", "YAML bool"),
    ('a: "b\\0c"', "U+0000"),
    ('a: "b\\ud800c"', "U+D800"),
    ('a: "b\\ec"', "U+001B"),
    ('"k\\0": b', "U+0000"),
    ("a: b\n---\nc: d\n", "not valid YAML"),
    ("a: *b", "not valid YAML"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_what_no_study_needs_is_refused_in_a_second_with_its_limit(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(StudyError) as caught:
        read_yaml(path, StudyError)
    assert time.process_time() - began < 1
    assert words in caught.value.message
    assert caught.value.message.startswith(f"{path}:")
    with pytest.raises(StudyError) as caught:
        read_yaml_value(text, StudyError, "--set a")
    assert caught.value.message.startswith("--set a:")


def test_a_file_too_large_or_no_file_at_all_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    with open(path, "wb") as file:
        file.truncate(9 * 2**20)
    with pytest.raises(StudyError, match="8,388,608 are the limit"):
        read_yaml(path, StudyError)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StudyError, match="a FIFO instead of a file"):
        read_yaml(path, StudyError)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(StudyError, match="a device instead of a file"):
        read_yaml(path, StudyError)
    with pytest.raises(StudyError, match="a folder"):
        read_yaml(tmp_path, StudyError)


def test_a_merge_key_still_merges(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: &x {b: 1, 010: 2}\nc: {<<: *x, b: 3}\n")
    assert read_yaml(path, StudyError).data["c"] == {"b": 3, "010": 2}


@pytest.mark.parametrize("text", [row[0] for row in ROWS if row[0]] + ["1e3", "0o7", "a: b", "é", "x\ny", "- a", "#"])
def test_every_text_that_is_written_is_read_again(tmp_path: Path, text: str) -> None:
    write_yaml(tmp_path / "a.yaml", {"name": text, text: [text], "number": 1e-5, "none": None, "true": True})
    data = read_yaml(tmp_path / "a.yaml", StudyError).data
    assert data == {"name": text, text: [text], "number": 1e-5, "none": None, "true": True}
