"""YAML read so that every value knows its line: errors can point at what the user wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mmcore.errors import MMStudyError

Place = tuple[str | int, ...]
"""The way to a value: keys and list positions from the root."""


class _Loader(yaml.SafeLoader):
    """Safe loading; numbers such as ``1e-4`` are numbers, as in YAML 1.2 (YAML 1.1 wants ``1.0e-4``)."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """As PyYAML, but a value that has the looks of a type and is none of it (``2026-13-45``) knows its line."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError) as problem:
            shown = f"'{str(node.value)[:40]}'" if isinstance(node, yaml.ScalarNode) else "a value"
            kind = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                None, None, f"{shown}, which looks like a YAML {kind} but is not one ({problem})", node.start_mark
            ) from None


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d[\d_]*)(?:\.\d*)?[eE][-+]?\d+$"),
    list("-+0123456789"),
)


@dataclass(frozen=True)
class YamlFile:
    """A file's plain data and the line of each of its values.

    Args:
        path: the file.
        data: mappings, lists, strings, numbers, booleans, None.
        lines: place to line, counted from 1.
    """

    path: Path
    data: dict[str, Any]
    lines: dict[Place, int]

    def where(self, place: Sequence[str | int] = ()) -> str:
        """``file:line`` of a place, or of the nearest part of the way to it that was written."""
        steps = tuple(place)
        while steps and steps not in self.lines:
            steps = steps[:-1]
        return f"{self.path}:{self.lines.get(steps, 1)}"


def read_yaml(path: Path, error: type[MMStudyError]) -> YamlFile:
    """Read a YAML file whose root is a mapping with text keys, none of them written twice.

    Args:
        path: the file.
        error: the class to raise, so that a broken study is a StudyError and a broken corpus a CorpusError.

    Raises:
        error: missing file, broken YAML, another root, a key written twice; with file and line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise error("the file cannot be read as UTF-8 text", found=str(problem), where=str(path)) from None
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            raise error("the file is empty", expected="a mapping", where=f"{path}:1")
        if not isinstance(root, yaml.MappingNode):
            raise error("the file must hold a mapping (key: value)", where=f"{path}:1")
        lines = dict(_walk(root, (), path, error))
        data = loader.construct_document(root)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line = mark.line + 1 if mark else 1
        raise error(
            "this is not valid YAML",
            found=problem.problem,
            where=f"{path}:{line}",
            next_step="Check indentation, colons and quotes on this line and the one above",
        ) from None
    except yaml.reader.ReaderError as problem:
        raise error(
            "this is not valid YAML",
            found=f"the character #x{ord(text[problem.position]):04x}",
            where=f"{path}:{text.count(chr(10), 0, problem.position) + 1}",
            next_step="Delete it; it may not be seen in an editor",
        ) from None
    except RecursionError:
        raise error("the file is nested too deeply to be read", where=f"{path}:1", next_step="Flatten it") from None
    finally:
        if loader is not None:
            loader.dispose()
    return YamlFile(path, data, lines)


def _walk(
    node: yaml.Node, place: Place, path: Path, error: type[MMStudyError], around: tuple[yaml.Node, ...] = ()
) -> Iterator[tuple[Place, int]]:
    line = node.start_mark.line + 1
    if any(node is outer for outer in around):
        raise error(
            "a value must not hold itself",
            found="an alias (*) inside the value of its own anchor (&)",
            where=f"{path}:{line}",
            next_step="Write the inner value out",
        )
    yield place, line
    around = (*around, node)
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen:
                raise error(
                    f"'{name}' is written twice",
                    found=f"first on line {seen[name]}",
                    where=f"{path}:{line}",
                    next_step="Keep one of them",
                )
            seen[name] = line
            yield from _walk(value, (*place, name), path, error, around)
            yield (*place, name), line
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _walk(value, (*place, index), path, error, around)
