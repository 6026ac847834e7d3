"""A corpus as text for a terminal and as HTML for a notebook."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.shown_path import near
from mmcore.data.overview import ModalityOverview, Overview, ParameterOverview
from mmcore.data.sources.folder import Item
from mmcore.language import later, say, say_of
from mmcore.schema import CorpusSchema
from reports.cards.card import Card, Grid, clipped
from reports.numbers import about, counted
from reports.output.columns import table

MOST_CLASSES = 8
"""Classes that are named; the rest are counted."""
MOST_ROWS = 6
"""Modalities, and targets, that a terminal shows; a notebook shows more, and :meth:`Corpus.overview` has all."""
MOST_LETTERS = 44
"""Letters of a cell."""
MODALITY = (later("modality"), later("items"), later("columns"), later("kinds"), later("rows"))
TARGET = (later("target"), later("kind"), later("known"), later("values"))
MARKED = (later("binary"), later("categorical"), later("continuous"), later("circular"))
"""Kinds of columns, for the languages."""


def headline(schema: CorpusSchema, overview: Overview) -> str:
    """Items, groups, length and step on one line."""
    if schema.step is None:
        length = say("{steps:.0f} steps, rows are steps", steps=overview.length)
    else:
        length = say("{time} at a step of {step:g} s", time=about(overview.length), step=schema.step)
    text = say(
        "{items} in {groups} · {length}",
        items=counted(overview.items, "item"),
        groups=counted(overview.groups, "group"),
        length=length,
    )
    sides = ", ".join(f"{side} {count}" for side, count in overview.splits.items())
    return say("{text} · split given: {sides}", text=text, sides=sides) if sides else text


def modality_rows(overview: Overview) -> list[list[str]]:
    """A line for each modality, under :data:`MODALITY`."""
    return [
        [
            say("{name} (targets)", name=one.name) if one.target else one.name,
            str(one.items) if one.items == overview.items else say("{n} of {all}", n=one.items, all=overview.items),
            str(one.columns),
            ", ".join(f"{n} {kind}" for kind, n in one.kinds.items()) if len(one.kinds) > 1 else next(iter(one.kinds)),
            _rows_of(one),
        ]
        for one in overview.modalities
    ]


def _rows_of(one: ModalityOverview) -> str:
    if one.segments:
        return say("segments")
    return say("steps") if one.rate is None else say("{rate:.4g} a second", rate=one.rate)


def parameter_rows(schema: CorpusSchema, overview: Overview) -> list[list[str]]:
    """A line for each predicted parameter, under :data:`TARGET`."""
    by_item = schema.targets.scope == "item"
    return [[one.parameter.name, _kind(one), _known(one.known, by_item), _values(one)] for one in overview.parameters]


def _known(known: int, by_item: bool) -> str:
    return counted(known, "item") if by_item else counted(known, "row")


def _kind(one: ParameterOverview) -> str:
    return (
        counted(one.parameter.classes or 0, "class", "classes")
        if one.parameter.kind == "categorical"
        else one.parameter.kind
    )


def _values(one: ParameterOverview) -> str:
    if not one.known:
        return say("none")
    if one.low is not None:
        unit = f" {one.parameter.unit}" if one.parameter.unit else ""
        text = say("{low:.3g} to {high:.3g}, mean {mean:.3g}", low=one.low, high=one.high, mean=one.mean)
        return text + unit
    shown = [f"{name}: {count}" for name, count in list(one.classes.items())[:MOST_CLASSES]]
    more = len(one.classes) - len(shown)
    text = ", ".join(shown)
    return say("{names} and {n} more", names=text, n=more) if more > 0 else text


def corpus_text(path: Path, schema: CorpusSchema, overview: Overview) -> str:
    """A corpus for a terminal."""
    tables = (
        (MODALITY, modality_rows(overview), lambda n: say_of(n, "and 1 more modality", "and {n} more modalities")),
        (TARGET, parameter_rows(schema, overview), lambda n: say_of(n, "and 1 more target", "and {n} more targets")),
    )
    return "\n".join(
        [
            say("corpus '{name}' in {folder}", name=clipped(schema.name, MOST_LETTERS), folder=near(path)),
            headline(schema, overview),
            *("\n" + _short_table(*one) for one in tables),
        ]
    )


def _short_table(header: Sequence[str], rows: Sequence[Sequence[str]], rest: Callable[[int], str]) -> str:
    """A table of the first rows; ``rest`` says how many others there are."""
    cells = [[clipped(cell, MOST_LETTERS) for cell in row] for row in rows[:MOST_ROWS]]
    more = len(rows) - MOST_ROWS
    shown = table([say(head) for head in header], cells, left=range(len(header)))
    return f"{shown}\n{rest(more)}" if more > 0 else shown


def short_text(path: Path, schema: CorpusSchema, items: Sequence[Item]) -> str:
    """A large corpus for a terminal, without opening its tables."""
    groups = len({item.group for item in items})
    return "\n".join(
        [
            say("corpus '{name}' in {folder}", name=schema.name, folder=path),
            say(
                "{items} in {groups}; modalities {modalities}; targets from {source}",
                items=counted(len(items), "item"),
                groups=counted(groups, "group"),
                modalities=", ".join(schema.modalities),
                source=schema.targets.from_,
            ),
            say("overview() counts seconds, rows and classes"),
        ]
    )


def corpus_card(path: Path, schema: CorpusSchema, overview: Overview) -> Card:
    """A corpus for a notebook."""
    grids = (
        Grid(tuple(map(say, MODALITY)), tuple(map(tuple, modality_rows(overview))), tuple(range(len(MODALITY)))),
        Grid(tuple(map(say, TARGET)), tuple(map(tuple, parameter_rows(schema, overview))), tuple(range(len(TARGET)))),
    )
    return Card(say("Corpus '{name}'", name=schema.name), headline(schema, overview), grids=grids, notes=(near(path),))
