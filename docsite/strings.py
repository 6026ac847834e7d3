"""``python -m docsite.strings``: which texts of the code the catalogues of the other languages lack, and the reverse.

``--add`` writes what is missing into the catalogue of its room with an empty translation, and removes what no code
says any more; ``--unsaid FOLDER`` lists sentences in that folder that do not go through ``say``.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment
from jinja2.ext import extract_from_ast
from typer.main import get_command

from experiments.cli.help import help_texts
from experiments.cli.main import app
from mmcore.language import CATALOGUES, COUNTED, LANGUAGES
from studies.study import catalogue, read_study

ROOT = Path(__file__).resolve().parents[1]
SPOKEN = ("mmcore", "studies", "reports", "experiments", "mmstudy")
"""Packages whose sentences are shown to people."""
ROOMS = {
    "reports/sections": "sections",
    "reports/checks": "checks",
    "reports": "report",
    "": "terminal",
}
"""The catalogue of a folder: the first entry that the file lies below."""
WORDS = 3
"""A literal with this many words is a sentence."""
_SAYING = ("say", "sentence", "later", "rich")
_SPEAKS = {COUNTED: (1, COUNTED), "say_of": (2, ""), "sentence_of": (2, "")}
"""Functions whose text is not the first argument: its place, and its context in the catalogue."""


@dataclass(frozen=True)
class Said:
    """A text that the code says. ``context`` is that of gettext; ``place``: file and line, from the root."""

    text: str
    context: str
    file: str
    line: int

    @property
    def room(self) -> str:
        return next(name for folder, name in ROOMS.items() if self.file.startswith(folder))


@cache
def all_said() -> dict[tuple[str, str], Said]:
    """Every text of the packages and templates, of the command's help, and the catalogue's questions.

    By context and text, at its first place.
    """
    found: dict[tuple[str, str], Said] = {}
    for package in SPOKEN:
        for path in sorted((ROOT / package).rglob("*")):
            for said in sorted(_said_in(path), key=lambda said: said.line):
                found.setdefault((said.context, said.text), said)
    for one in help_texts(get_command(app)):
        found.setdefault(("", one.text), Said(one.text, "", Path(one.file).relative_to(ROOT).as_posix(), 1))
    for path in catalogue().values():
        question = read_study(path)[0].question
        found.setdefault(("", question), Said(question, "", path.relative_to(ROOT).as_posix(), 1))
    return found


def _said_in(path: Path) -> Iterator[Said]:
    file = path.relative_to(ROOT).as_posix()
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                at, context = _SPEAKS.get(node.func.id, (0, ""))
                if node.func.id in (*_SPEAKS, *_SAYING) and len(node.args) > at:
                    for text in _texts(node.args[at]):
                        yield Said(text, context, file, node.lineno)
    elif path.suffix in (".html", ".md") and "templates" in path.parts:
        tree = Environment().parse(path.read_text(encoding="utf-8"))
        for line, _, texts in extract_from_ast(tree, gettext_functions=_SAYING):
            for text in (texts,) if isinstance(texts, str) else texts or ():
                if text:
                    yield Said(text, "", file, line)


def _texts(node: ast.expr) -> Iterator[str]:
    """The texts that an argument may be: a literal, or either side of a choice."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)


def unsaid(folder: Path) -> Iterator[tuple[str, int, str]]:
    """File, line and text of each literal of :data:`WORDS` words that no ``say`` holds; errors and docstrings apart.

    A key that is marked by ``later`` elsewhere, as a label or a column's head, is said where it is shown.
    """
    marked = {text for _, text in all_said()}
    for path in sorted(folder.rglob("*.py")) if folder.is_dir() else [folder]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in _not_said(tree):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            text = "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in parts)
            sentence = len([word for word in text.split() if any(letter.isalpha() for letter in word)]) >= WORDS
            if sentence and text not in marked:
                yield path.relative_to(ROOT).as_posix(), node.lineno, text


def _not_said(node: ast.AST) -> Iterator[ast.JoinedStr | ast.Constant]:
    """Literals below a node that are neither said, nor part of an error, nor a docstring."""
    match node:
        case ast.Raise() | ast.Assert():
            return
        case ast.Call(func=ast.Attribute(attr="query")) | ast.keyword(arg="loc"):
            # A condition on a table of pandas; a place in a drawing.
            return
        case ast.Call(func=ast.Name(id=name)) if name in (*_SAYING, *_SPEAKS):
            for value in node.keywords:
                yield from _not_said(value)
            return
        case ast.Call(func=ast.Name(id=name)) if name.endswith("Error"):
            return
        case ast.Expr(value=ast.Constant()) | ast.keyword(arg="help"):
            # A docstring; or the help of a command or option, which its tree says.
            return
        case ast.Compare():
            # What is compared with is a key.
            for part in (node.left, *node.comparators):
                if not isinstance(part, ast.Constant):
                    yield from _not_said(part)
            return
        case ast.JoinedStr():
            yield node
            for value in node.values:
                if isinstance(value, ast.FormattedValue):
                    yield from _not_said(value)
            return
        case ast.Constant(value=str()):
            yield node
        case _:
            pass
    for child in ast.iter_child_nodes(node):
        yield from _not_said(child)


def translated(language: str) -> dict[tuple[str, str], tuple[str, Path]]:
    """Context and English text → translation and file, of all catalogues of a language; empty where it is missing."""
    found: dict[tuple[str, str], tuple[str, Path]] = {}
    for path in sorted((CATALOGUES / language).glob("*.po")):
        for message in _read(path, language):
            if message.id:
                found[(message.context or "", str(message.id))] = (str(message.string), path)
    return found


def _read(path: Path, language: str) -> Catalog:
    if not path.exists():
        return Catalog(locale=language, project="mmstudy", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def update(language: str) -> None:
    """Write each catalogue again: what the code says in the order of the code, translations kept."""
    known, said = translated(language), all_said()
    for room in dict.fromkeys(ROOMS.values()):
        catalogue = Catalog(locale=language, project="mmstudy", fuzzy=False)
        for key, place in said.items():
            if place.room == room:
                catalogue.add(place.text, known.get(key, ("", None))[0], context=place.context or None,
                              auto_comments=[place.file])  # fmt: skip
        with (CATALOGUES / language / f"{room}.po").open("wb") as file:
            write_po(file, catalogue, width=0, omit_header=True, no_location=True, sort_output=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--add", action="store_true")
    parser.add_argument("--unsaid", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    if options.unsaid is not None:
        for file, line, text in unsaid(options.unsaid.resolve()):
            print(f"{file}:{line}: {text}")
        return
    said = all_said()
    for language in (name for name in LANGUAGES if name != "en"):
        if options.add:
            update(language)
        known = translated(language)
        for key, place in said.items():
            if not known.get(key, ("", None))[0]:
                print(f"{language} lacks, {place.file}:{place.line}: {place.text}")
        for key in known.keys() - said.keys():
            print(f"{language} has what no code says: {key[1]}")


if __name__ == "__main__":
    main()
