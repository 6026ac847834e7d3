"""YAML read so that every value knows its line: errors can point at what the user wrote.

The rules are those of YAML 1.2's core schema: ``on`` and ``yes`` are text, ``010`` is ten, ``1:30`` and dates are text.
Keys are text as it is written. A file may be nested and repeated only so far, see the limits below.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from mmcore.errors import MMStudyError, not_utf8
from mmcore.files import found_by_system, next_step_of, read_bytes

Place = tuple[str | int, ...]
"""The way to a value: keys and list positions from the root."""

MOST_BYTES = 8 * 2**20
DEEPEST = 64
"""Lists and mappings within one another."""
MOST_VALUES = 100_000
"""Values that aliases may add: nine lists of nine aliases each would be a third of a billion."""
LONGEST_NUMBER = 64
"""Characters of a number."""


class _Loader(yaml.SafeLoader):
    """Safe loading by the rules of YAML 1.2, from a node to plain data."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    yaml_constructors: dict[str | None, Callable[..., Any]] = {}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """As PyYAML; refuses to go too deep."""
        if self._depth > DEEPEST:
            event: Any = self.peek_event()
            raise yaml.constructor.ConstructorError(
                None, None, f"lists and mappings nested too deeply; {DEEPEST} levels are the limit", event.start_mark
            )
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """With keys as they are written."""
        self.flatten_mapping(node)
        return {str(key.value): self.construct_object(value, deep=deep) for key, value in node.value}


_TAG = "tag:yaml.org,2002:"
_SCALARS: dict[str, tuple[str, str]] = {
    "null": (r"~|null|Null|NULL|", "~nN"),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    "merge": (r"<<", "<"),
}
"""Tag to what is read as such, and its first characters. A number without a point is tried as int first."""

PATTERNS = {name: re.compile(rf"^(?:{pattern})$") for name, (pattern, _) in _SCALARS.items()}


def _plain(loader: _Loader, node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise yaml.constructor.ConstructorError(
            None, None, "a list or mapping where one value belongs", node.start_mark
        )
    return str(node.value)


def _wrong(node: yaml.Node, text: str, kind: str) -> yaml.constructor.ConstructorError:
    found = f"'{text[:40]}', which is tagged as a YAML {kind} but is not one"
    return yaml.constructor.ConstructorError(None, None, found, node.start_mark)


def _number(loader: _Loader, node: yaml.Node) -> int | float:
    text, kind = _plain(loader, node), node.tag.removeprefix(_TAG)
    if len(text) > LONGEST_NUMBER:
        found = f"a number of {len(text)} characters; {LONGEST_NUMBER} characters are the limit"
        raise yaml.constructor.ConstructorError(None, None, found, node.start_mark)
    whole = PATTERNS["int"].match(text)
    if kind == "int":
        if not whole:
            raise _wrong(node, text, kind)
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if not whole and not PATTERNS["float"].match(text):
        raise _wrong(node, text, kind)
    said = text.lower()
    if said.endswith((".inf", ".nan")):
        return float(said.replace(".", ""))
    number = float(int(text, 0)) if said[:2] in ("0o", "0x") else float(text)
    if math.isinf(number):
        raise yaml.constructor.ConstructorError(
            None, None, f"{text}, which is too large; 1e308 is the limit", node.start_mark
        )
    return number


def _truth(loader: _Loader, node: yaml.Node) -> bool:
    text = _plain(loader, node)
    if not PATTERNS["bool"].match(text):
        raise _wrong(node, text, "bool")
    return text.lower() == "true"


def _nothing(loader: _Loader, node: yaml.Node) -> None:
    text = _plain(loader, node)
    if not PATTERNS["null"].match(text):
        raise _wrong(node, text, "null")


def _unknown_tag(loader: _Loader, node: yaml.Node) -> None:
    found = f"the tag '{node.tag.replace(_TAG, '!!')[:40]}'; only !!str, !!int, !!float, !!bool, !!null, !!seq and "
    raise yaml.constructor.ConstructorError(None, None, found + "!!map are read", node.start_mark)


for _name, (_, _first) in _SCALARS.items():
    # The empty value has no first character.
    _Loader.add_implicit_resolver(_TAG + _name, PATTERNS[_name], [*_first, *([""] if _name == "null" else [])])
for _tag, _make in {
    "null": _nothing, "bool": _truth, "int": _number, "float": _number, "str": _plain,
    "seq": _Loader.construct_yaml_seq, "map": _Loader.construct_yaml_map,
}.items():  # fmt: skip
    _Loader.add_constructor(_TAG + _tag, _make)
_Loader.yaml_constructors[None] = _unknown_tag


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
        error: missing file, no regular file, broken YAML, another root, a key written twice, a limit that is passed;
            with file and line.
    """
    try:
        text = read_bytes(path, MOST_BYTES).decode("utf-8-sig")
    except OSError as problem:
        raise error(
            "the file cannot be read", found=found_by_system(problem), where=str(path),
            next_step=next_step_of(path, problem),
        ) from None  # fmt: skip
    except UnicodeDecodeError as problem:
        byte, line = not_utf8(problem)
        raise error(
            "the file cannot be read as UTF-8 text",
            found=byte,
            where=f"{path}:{line}",
            next_step="Save it as UTF-8",
        ) from None
    if len(text) <= _SHORT:
        with contextlib.suppress(MMStudyError):
            data, lines = _read_once(text)
            return YamlFile(path, deepcopy(data), dict(lines))
    data, lines = _read(text, error, str(path), numbered=True, rooted=True)
    return YamlFile(path, data, lines)


_SHORT = 2**16
"""Characters of a file that is worth remembering."""


@lru_cache(maxsize=16)
def _read_once(text: str) -> tuple[Any, dict[Place, int]]:
    """A command reads a study and the schema of its corpus several times, a millisecond each time and more.

    Raises:
        MMStudyError: the text is refused; it does not say where it stands, and nothing is remembered.
    """
    return _read(text, MMStudyError, "", numbered=True, rooted=True)


def read_yaml_value(text: str, error: type[MMStudyError], where: str) -> Any:
    """One value as it is given outside a file, such as that of ``--set``; None for no text.

    Args:
        text: a scalar, or a list or mapping in brackets. error: the class to raise. where: for the message.

    Raises:
        error: as :func:`read_yaml`.
    """
    return _read(text, error, where, numbered=False, rooted=False)[0]


def _read(
    text: str, error: type[MMStudyError], where: str, *, numbered: bool, rooted: bool
) -> tuple[Any, dict[Place, int]]:
    def at(line: int) -> str:
        return f"{where}:{line}" if numbered else where

    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            if not rooted:
                return None, {}
            raise error("the file is empty", expected="a mapping", where=at(1))
        if rooted and not isinstance(root, yaml.MappingNode):
            raise error("the file must hold a mapping (key: value)", where=at(1))
        _Limits(error, at).check(root)
        lines = dict(_walk(root, (), error, at))
        return loader.construct_document(root), lines
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        raise error(
            f"this is not valid YAML: {problem.problem}",
            where=at(mark.line + 1 if mark else 1),
            next_step="Check indentation, colons and quotes on this line and the one above"
            if numbered
            else "Quote the value, or close what it opens",
        ) from None
    except yaml.reader.ReaderError as problem:
        raise error(
            "this is not valid YAML",
            found=f"the character #x{ord(text[problem.position]):04x}",
            where=at(text.count(chr(10), 0, problem.position) + 1),
            next_step="Delete it; it may not be seen in an editor",
        ) from None
    finally:
        if loader is not None:
            loader.dispose()


class _Limits:
    """Looks at each node once, however often aliases repeat it."""

    def __init__(self, error: type[MMStudyError], at: Callable[[int], str]) -> None:
        self._error, self._at = error, at
        self._known: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()

    def check(self, root: yaml.Node) -> None:
        """Refuse what holds itself, goes too deep, repeats too much, or has characters that no name can have."""
        size, _ = self._measured(root, 0)
        if size - len(self._known) > MOST_VALUES:
            raise self._error(
                "aliases (*) may not repeat that many values",
                expected=f"at most {MOST_VALUES:,}",
                found=f"{size:,}" if size < 10**15 else "over 10^15",
                where=self._at(root.start_mark.line + 1),
                next_step="Write the values out, or repeat fewer of them",
            )

    def _measured(self, node: yaml.Node, depth: int) -> tuple[int, int]:
        """Values in a node with aliases written out, and levels below it."""
        known = self._known.get(id(node))
        if id(node) in self._open:
            raise self._error(
                "a value must not hold itself",
                found="an alias (*) inside the value of its own anchor (&)",
                where=self._at(node.start_mark.line + 1),
                next_step="Write the inner value out",
            )
        if depth + (known[1] if known else 0) > DEEPEST:
            raise self._error(
                "lists and mappings are nested too deeply",
                expected=f"at most {DEEPEST} levels",
                where=self._at(node.start_mark.line + 1),
                next_step="Flatten it",
            )
        if known:
            return known
        size, below = 1, 0
        if isinstance(node, yaml.ScalarNode):
            self._refuse_unprintable(node)
        else:
            self._open.add(id(node))
            for child in self._children(node):
                more, deeper = self._measured(child, depth + 1)
                size, below = size + more, max(below, deeper + 1)
            self._open.remove(id(node))
        self._known[id(node)] = size, below
        return size, below

    def _children(self, node: yaml.Node) -> Iterator[yaml.Node]:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise self._error(
                        "a key must be text",
                        found="a list or mapping",
                        where=self._at(key.start_mark.line + 1),
                        next_step="Quote the key if it is meant as text",
                    )
                self._refuse_unprintable(key)
                yield value
        else:
            yield from node.value

    def _refuse_unprintable(self, node: yaml.ScalarNode) -> None:
        # Double quotes can spell any character: \0 ends names of files, half a surrogate is no text at all.
        found = _UNPRINTABLE.search(node.value)
        if found:
            raise self._error(
                "text must not have control characters",
                found=f"U+{ord(found[0]):04X}",
                where=self._at(node.start_mark.line + 1),
                next_step="Leave it out",
            )


_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")


def _walk(
    node: yaml.Node, place: Place, error: type[MMStudyError], at: Callable[[int], str]
) -> Iterator[tuple[Place, int]]:
    line = node.start_mark.line + 1
    yield place, line
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen:
                raise error(
                    f"'{name}' is written twice",
                    found=f"first on line {seen[name]}",
                    where=at(line),
                    next_step="Keep one of them",
                )
            seen[name] = line
            yield from _walk(value, (*place, name), error, at)
            yield (*place, name), line
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _walk(value, (*place, index), error, at)
