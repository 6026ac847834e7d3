"""Reading YAML with lines."""

from pathlib import Path

import pytest

from mmcore.errors import CorpusError, StudyError
from mmcore.yamlfile import read_yaml


def written(folder: Path, text: str) -> Path:
    path = folder / "a.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_values_know_their_lines(tmp_path: Path) -> None:
    file = read_yaml(written(tmp_path, "a: 1\nb:\n  c: [x, y]\n  d:\n    - 1\n    - 2\n"), StudyError)
    assert file.data == {"a": 1, "b": {"c": ["x", "y"], "d": [1, 2]}}
    assert file.where(("b", "c")) == f"{file.path}:3"
    assert file.where(("b", "d", 1)) == f"{file.path}:6"


def test_a_place_that_was_not_written_points_at_its_nearest_parent(tmp_path: Path) -> None:
    file = read_yaml(written(tmp_path, "a: 1\nb:\n  c: 2\n"), StudyError)
    assert file.where(("b", "missing", "deeper")) == f"{file.path}:2"


def test_exponents_without_a_point_are_numbers(tmp_path: Path) -> None:
    file = read_yaml(written(tmp_path, "rate: 1e-4\nname: e5x\n"), StudyError)
    assert file.data == {"rate": 1e-4, "name": "e5x"}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "not valid YAML"),
        ("a: 1\n\tb: 2\n", 2, "not valid YAML: found character"),
        ("a: 1\nb: 2\na: 3\n", 3, "'a' is written twice"),
        ("x:\n  one: {k: 1}\n  one: {k: 2}\n", 3, "first on line 2"),
        ("- 1\n- 2\n", 1, "mapping"),
        ("", 1, "empty"),
        ("a: 1\nb: x\x07y\n", 2, "not valid YAML; found the character #x0007"),
        ("a: 1\nday: !!timestamp 2026-13-45\n", 2, "the tag '!!timestamp'"),
        ("a: 1\nb: !!bool maybe\n", 2, "YAML bool"),
        ("a: [1, 2]\nb:\n  - !!int 1x\n", 3, "YAML int"),
        ("a: 1\narms: &x {a: *x}\n", 2, "must not hold itself"),
        ("a: 1\nlist: &x [1, *x]\n", 2, "must not hold itself"),
        ("a: " + "[" * 3000 + "]" * 3000, 1, "nested too deeply"),
    ],
)
def test_broken_files_name_line_and_rule(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(StudyError) as caught:
        read_yaml(path, StudyError)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_an_anchor_may_be_used_many_times(tmp_path: Path) -> None:
    file = read_yaml(written(tmp_path, "a: &x {b: 1}\nc: *x\nd: [*x, *x]\n"), StudyError)
    assert file.data == {"a": {"b": 1}, "c": {"b": 1}, "d": [{"b": 1}, {"b": 1}]}


def test_a_missing_file_is_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="cannot be read"):
        read_yaml(tmp_path / "none.yaml", StudyError)


def test_python_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError):
        read_yaml(written(tmp_path, "a: !!python/object/apply:os.system ['true']\n"), StudyError)


def test_what_was_read_before_is_the_readers_own_and_names_its_own_file(tmp_path: Path) -> None:
    text = "a: &list [1, 2]\nb: {c: *list}\n"
    first = read_yaml(written(tmp_path, text), StudyError)
    first.data["a"].append(3)
    first.data["b"] = None
    (tmp_path / "other").mkdir()
    second = read_yaml(written(tmp_path / "other", text), CorpusError)
    assert second.data == {"a": [1, 2], "b": {"c": [1, 2]}}
    assert second.where(("b", "c")) == f"{tmp_path / 'other' / 'a.yaml'}:2"
    # What is refused is refused each time, with the class and the place that were asked for.
    for folder, error in ((tmp_path, StudyError), (tmp_path / "other", CorpusError)):
        for _ in range(2):
            with pytest.raises(error, match="'a' is written twice") as caught:
                read_yaml(written(folder, "a: 1\na: 2\n"), error)
            assert caught.value.where == f"{folder / 'a.yaml'}:2"
