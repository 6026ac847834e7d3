"""What is predicted: a table of labels, label columns of one row an item, or a question."""

from __future__ import annotations

from dataclasses import dataclass

from mmcore.data.guess.analyse import Analysed
from mmcore.data.guess.columns import ColumnGuess, guess_columns
from mmcore.data.guess.people import People
from mmcore.data.guess.words import GROUPS, LABELS, holds, tokens
from mmcore.language import sentence

_SUREST = ("labels", "label", "targets", "target")


@dataclass(frozen=True)
class TargetGuess:
    """What is predicted.

    Args:
        name: of the folder of its tables.
        scope: one target a step, or one an item.
        columns: the parameters. unused: columns of the table that are not predicted.
        stream: where its rows are; None for labels of items in a describing table.
        reason: why.
    """

    name: str
    scope: str
    columns: list[ColumnGuess]
    unused: list[str]
    stream: Analysed | None
    reason: str


def label_streams(streams: dict[str, Analysed]) -> list[str]:
    """Streams whose names say that they are labels, the surest first."""
    found = [name for name in streams if holds(name, LABELS)]
    return sorted(found, key=lambda name: _SUREST.index(name.lower()) if name.lower() in _SUREST else len(_SUREST))


def find_targets(streams: dict[str, Analysed], people: People) -> TargetGuess | None:
    """The most likely targets; None where nothing says what is predicted.

    A table named labels, targets, annotations …; else columns so named in a table of one row an item; else columns so
    named in a stream. Never a column for its values alone.
    """
    tables = label_streams(streams)
    if tables:
        stream = streams[tables[0]]
        columns, unused = _columns(stream.guesses("target"))
        if columns:
            scope, why = _scope(stream)
            return TargetGuess(
                stream.name, scope, columns, unused, stream, sentence("the name says so; {why}", why=why)
            )
    if len(people.labels):
        columns, unused = _columns(guess_columns(people.labels.reset_index(drop=True), "target"))
        if columns:
            why = sentence(
                "columns of {labels_source} are so named; one row an item", labels_source=people.labels_source
            )
            return TargetGuess("labels", "item", columns, unused, None, why)
    for name, stream in streams.items():
        columns = [c for c in _columns(stream.guesses("target"))[0] if set(tokens(c.name)) & LABELS]
        if columns:
            scope, why = _scope(stream)
            reason = sentence("columns of {name} are so named, and are not read as features; {why}", name=name, why=why)
            return TargetGuess(f"{name}_labels", scope, columns, [], stream, reason)
    return None


def _columns(guesses: list[ColumnGuess]) -> tuple[list[ColumnGuess], list[str]]:
    usable = [guess for guess in guesses if guess.kind in ("continuous", "binary", "categorical") and guess.width == 1]
    # The annotator and the annotator's confidence are not labels.
    usable = [g for g in usable if not set(tokens(g.name)) & {*GROUPS, "annotator", "rater", "confidence", "notes"}]
    named = [guess for guess in usable if set(tokens(guess.name)) & LABELS]
    chosen = named or usable
    return chosen, [guess.name for guess in guesses if guess not in chosen]


def _scope(stream: Analysed) -> tuple[str, str]:
    rows = [span.rows for span in stream.timing.spans.values()]
    if stream.timing.form == "rows" and all(count == 1 for count in rows):
        return "item", sentence("one row an item")
    match stream.timing.form:
        case "segments":
            return "step", sentence("one row a segment")
        case _:
            return "step", sentence("one row a time")
