"""A corpus as text for a terminal and as HTML for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.shown_path import near
from mmcore.data.overview import ModalityOverview, Overview, ParameterOverview
from mmcore.data.sources.folder import Item
from mmcore.schema import CorpusSchema
from reports.cards.card import Card, Grid, clipped, remainder
from reports.numbers import about, counted
from reports.output.columns import table

MOST_CLASSES = 8
"""Classes that are named; the rest are counted."""
MOST_ROWS = 6
"""Modalities, and targets, that a terminal shows; a notebook shows more, and :meth:`Corpus.overview` has all."""
MOST_LETTERS = 44
"""Letters of a cell."""
MODALITY = ("modality", "items", "columns", "kinds", "rows")
TARGET = ("target", "kind", "known", "values")


def headline(schema: CorpusSchema, overview: Overview) -> str:
    """Items, groups, length and step on one line."""
    if schema.step is None:
        length = f"{overview.length:.0f} steps, rows are steps"
    else:
        length = f"{about(overview.length)} at a step of {schema.step:g} s"
    sides = ", ".join(f"{side} {count}" for side, count in overview.splits.items())
    parts = [counted(overview.items, "item"), f"in {counted(overview.groups, 'group')}", f"· {length}"]
    return " ".join(parts) + (f" · split given: {sides}" if sides else "")


def modality_rows(overview: Overview) -> list[list[str]]:
    """A line for each modality, under :data:`MODALITY`."""
    return [
        [
            one.name + (" (targets)" if one.target else ""),
            str(one.items) if one.items == overview.items else f"{one.items} of {overview.items}",
            str(one.columns),
            ", ".join(f"{n} {kind}" for kind, n in one.kinds.items()) if len(one.kinds) > 1 else next(iter(one.kinds)),
            _rows_of(one),
        ]
        for one in overview.modalities
    ]


def _rows_of(one: ModalityOverview) -> str:
    if one.segments:
        return "segments"
    return "steps" if one.rate is None else f"{one.rate:.4g} a second"


def parameter_rows(schema: CorpusSchema, overview: Overview) -> list[list[str]]:
    """A line for each predicted parameter, under :data:`TARGET`."""
    scope = "items" if schema.targets.scope == "item" else "rows"
    return [[one.parameter.name, _kind(one), f"{one.known} {scope}", _values(one)] for one in overview.parameters]


def _kind(one: ParameterOverview) -> str:
    return f"{one.parameter.classes} classes" if one.parameter.kind == "categorical" else one.parameter.kind


def _values(one: ParameterOverview) -> str:
    if not one.known:
        return "none"
    if one.low is not None:
        unit = f" {one.parameter.unit}" if one.parameter.unit else ""
        return f"{one.low:.3g} to {one.high:.3g}, mean {one.mean:.3g}{unit}"
    shown = [f"{name}: {count}" for name, count in list(one.classes.items())[:MOST_CLASSES]]
    more = len(one.classes) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def corpus_text(path: Path, schema: CorpusSchema, overview: Overview) -> str:
    """A corpus for a terminal."""
    tables = ((MODALITY, modality_rows(overview), "modalities"), (TARGET, parameter_rows(schema, overview), "targets"))
    return "\n".join(
        [
            f"corpus '{clipped(schema.name, MOST_LETTERS)}' in {near(path)}",
            headline(schema, overview),
            *("\n" + _short_table(*one) for one in tables),
        ]
    )


def _short_table(header: Sequence[str], rows: Sequence[Sequence[str]], what: str) -> str:
    cells = [[clipped(cell, MOST_LETTERS) for cell in row] for row in rows[:MOST_ROWS]]
    more = remainder(rows, MOST_ROWS, what)
    return table(header, cells, left=range(len(header))) + (f"\n{more}" if more else "")


def short_text(path: Path, schema: CorpusSchema, items: Sequence[Item]) -> str:
    """A large corpus for a terminal, without opening its tables."""
    groups = len({item.group for item in items})
    return "\n".join(
        [
            f"corpus '{schema.name}' in {path}",
            f"{counted(len(items), 'item')} in {counted(groups, 'group')}; modalities {', '.join(schema.modalities)}; "
            f"targets from {schema.targets.from_}",
            "overview() counts seconds, rows and classes",
        ]
    )


def corpus_card(path: Path, schema: CorpusSchema, overview: Overview) -> Card:
    """A corpus for a notebook."""
    grids = (
        Grid(MODALITY, tuple(map(tuple, modality_rows(overview))), tuple(range(len(MODALITY)))),
        Grid(TARGET, tuple(map(tuple, parameter_rows(schema, overview))), tuple(range(len(TARGET)))),
    )
    return Card(f"Corpus '{schema.name}'", headline(schema, overview), grids=grids, notes=(near(path),))
