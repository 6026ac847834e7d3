"""XML with line numbers, read within limits: no entities of its own, no endless depth, no outside files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from mmcore.errors import CorpusError
from mmcore.files import read_bytes, unopened

MOST_BYTES = 256 * 2**20
"""A timeline of several thousand clips has some 50 MB."""
DEEPEST = 200
"""Elements within one another; a nested sequence takes about eight."""
MOST_ELEMENTS = 20_000_000
AGAIN = "Export the timeline from its program again"


@dataclass(eq=False)
class Node:
    """An element: its name, attributes, own text, children, and the line on which it begins."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: list[Node] = field(default_factory=list)
    text: str = ""

    def get(self, name: str, default: str = "") -> str:
        """An attribute."""
        return self.attributes.get(name, default)

    def child(self, *path: str) -> Node | None:
        """The first descendant along these names."""
        here: Node | None = self
        for tag in path:
            here = next((one for one in here.children if one.tag == tag), None) if here else None
        return here

    def all(self, *tags: str) -> list[Node]:
        """Children of these names."""
        return [one for one in self.children if one.tag in tags]

    def value(self, *path: str) -> str:
        """Text of a descendant; "" where it is absent."""
        found = self.child(*path)
        return "" if found is None else found.text.strip()

    def walk(self) -> Iterator[Node]:
        """This one and all below it, in the order of the file."""
        yield self
        for one in self.children:
            yield from one.walk()


def read_tree(path: Path) -> Node:
    """The root of an XML file.

    Raises:
        CorpusError: the file cannot be opened, is no XML, or breaks a limit; says on which line.
    """
    return parse_tree(read_content(path), str(path))


def read_content(path: Path) -> bytes:
    """The bytes of a timeline's file.

    Raises:
        CorpusError: it cannot be opened, or is larger than the limit.
    """
    try:
        return read_bytes(path, MOST_BYTES)
    except OSError as problem:
        raise unopened(CorpusError, "a timeline's file", path, problem) from None


def parse_tree(content: bytes, where: str) -> Node:
    """As :func:`read_tree`, of bytes."""
    parser = expat.ParserCreate()
    # Neither entities nor another file's text may enter: either could grow without end.
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    top: list[Node] = []
    open_: list[Node] = []
    count = 0

    def refuse(rule: str, found: str) -> CorpusError:
        return CorpusError(rule, found=found, where=f"{where}:{parser.CurrentLineNumber}", next_step=AGAIN)

    def begin(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if len(open_) >= DEEPEST or count > MOST_ELEMENTS:
            raise refuse(
                f"a timeline may have {DEEPEST} elements within one another and {MOST_ELEMENTS:,} in all", "more"
            )
        node = Node(tag.rpartition(":")[2], attributes, parser.CurrentLineNumber)
        (open_[-1].children if open_ else top).append(node)
        open_.append(node)

    def finish(_tag: str) -> None:
        open_.pop()

    def text(part: str) -> None:
        open_[-1].text += part

    def entity(name: str, *_: object) -> None:
        raise refuse("a timeline's file may declare no entities: they can grow without end", f"entity '{name}'")

    parser.StartElementHandler, parser.EndElementHandler = begin, finish
    parser.CharacterDataHandler, parser.EntityDeclHandler = text, entity
    parser.buffer_text = True
    try:
        parser.Parse(content, True)
    except expat.ExpatError as problem:
        raise CorpusError(
            "a timeline of this kind must be whole XML",
            found=expat.ErrorString(problem.code),
            where=f"{where}:{problem.lineno}",
            next_step=AGAIN,
        ) from None
    return top[0]
