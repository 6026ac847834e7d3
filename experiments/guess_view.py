"""Output of ``mmstudy data init``: guesses with their reasons, open questions, files left out, and the next step."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from mmcore.data.guess.columns import ColumnGuess
from mmcore.data.guess.corpus import CorpusGuess, Modality
from mmcore.data.guess.targets import TargetGuess
from mmcore.data.guess.times import ASK, Timing
from reports.numbers import counted

_WIDTH = 110
_SHOWN = 8
"""Columns, items or files that are named; the rest is counted."""


def guess_text(guess: CorpusGuess, folder: Path) -> str:
    """The guess for people."""
    questions = bool(guess.questions)
    lines = [f"wrote {folder}: {counted(len(guess.items), 'item')}, {_modalities(guess)}"]
    lines += ["", "Guessed"]
    for text in guess.notes:
        head, _, rest = text.partition(": ")
        lines += _entry(head, rest)
    lines += _entry("groups", guess.people.group_reason)
    if guess.people.side:
        lines += _entry("sides", guess.people.side_reason)
    lines += _entry("step", "rows are steps" if guess.step is None else f"{guess.step:g} s", guess.step_reason)
    for modality in guess.modalities:
        lines += _modality(modality, guess)
    if guess.target is not None:
        lines += _target(guess.target, guess)
    if guess.people.conditions:
        lines += _entry("conditions", f"{_some(list(guess.people.conditions))}: other columns of one row an item")
    if guess.questions:
        lines += ["", f"To fill in: {ASK} marks each place in {folder / 'corpus.yaml'}"]
        lines += [line for text in guess.questions for line in _point(text)]
    if guess.doubts:
        lines += ["", "Look at"]
        lines += [line for text in guess.doubts for line in _point(text)]
    if guess.left_out:
        lines += ["", "Left out"]
        lines += [line for path, why in guess.left_out[: 2 * _SHOWN] for line in _point(f"{path}: {why}")]
        if len(guess.left_out) > 2 * _SHOWN:
            lines.append(f"  and {len(guess.left_out) - 2 * _SHOWN} more")
    first = f", once {ASK} is filled in" if questions else ""
    lines += ["", f"Next{first} (any guess can be corrected in corpus.yaml)"]
    lines += [f"  mmstudy data check {folder}", f"  mmstudy data inspect {folder}"]
    lines += [f"  mmstudy run modalities --corpus {folder}"]
    return "\n".join(lines)


def guess_json(guess: CorpusGuess, folder: Path) -> dict[str, object]:
    """The guess as data for JSON."""
    modalities = [
        {
            "name": modality.name,
            "items": len(guess.items) - len(modality.missing),
            "missing": modality.missing,
            **_times_json(modality.timing, guess),
            "columns": [_column_json(column) for column in modality.columns],
        }
        for modality in guess.modalities
    ]
    target = guess.target
    targets = None
    if target is not None:
        clock = {} if target.stream is None or target.scope == "item" else _times_json(target.stream.timing, guess)
        targets = {"from": target.name, "scope": target.scope, "reason": target.reason, **clock}
        targets["parameters"] = [_column_json(column) for column in target.columns]
    return {
        "corpus": str(folder),
        "items": guess.items,
        "groups": guess.people.group_reason,
        "sides": guess.people.side_reason or None,
        "conditions": list(guess.people.conditions),
        "step": guess.step,
        "step_reason": guess.step_reason,
        "modalities": modalities,
        "targets": targets,
        "questions": guess.questions,
        "doubts": guess.doubts,
        "files": guess.notes,
        "left_out": [{"path": path, "reason": why} for path, why in guess.left_out],
    }


def _times_json(timing: Timing, guess: CorpusGuess) -> dict[str, object]:
    if guess.step is None:
        return {"times": None}
    times: dict[str, object] = {"columns": list(timing.columns), "seconds_per_unit": timing.factor}
    times |= {"sampling_rate": timing.sampling_rate, "offset": timing.offset, "reason": timing.reason}
    return {"times": times}


def _column_json(column: ColumnGuess) -> dict[str, object]:
    return {
        "name": column.name,
        "kind": column.kind,
        "labels": list(column.labels) if column.labels else None,
        "classes": column.classes,
        "missing_values": list(column.missing_values),
        "reason": column.reason,
    }


def _modalities(guess: CorpusGuess) -> str:
    names = ", ".join(modality.name for modality in guess.modalities)
    predicted = f", predicted from {guess.target.name}" if guess.target else ""
    one = "modality" if len(guess.modalities) == 1 else "modalities"
    return f"{len(guess.modalities)} {one} ({names}){predicted}"


def _modality(modality: Modality, guess: CorpusGuess) -> Iterator[str]:
    yield from _entry(modality.name, _times(modality.timing, guess.step is not None))
    yield from _entry("", _columns(modality.features))
    text = ""
    made = [column.name for column in modality.features if column.name in modality.stream.added]
    if made:
        text = modality.stream.added[made[0]].partition(" of ")[2]
        yield from _entry(
            "", f"counted from the column '{text}', which is text: {_some(made)}. To use the words themselves, add a "
            "table of sentence embeddings"
        )  # fmt: skip
    unread = [
        f"{column.name} ({column.reason})" for column in modality.columns if column.kind is None and column.name != text
    ]
    if unread:
        yield from _entry("", f"not read: {_some(unread, ', ')}")
    if modality.missing:
        yield from _entry("", f"{counted(len(modality.missing), 'item')} without it: {_some(modality.missing)}")


def _target(target: TargetGuess, guess: CorpusGuess) -> Iterator[str]:
    yield from _entry(target.name, f"predicted, as {target.reason}")
    yield from _entry("", _columns(target.columns))
    if target.stream is not None and target.scope == "step":
        yield from _entry("", _times(target.stream.timing, guess.step is not None))
    if target.unused:
        yield from _entry("", f"not predicted: {_some(target.unused)}")
    have = set(guess.people.labels.index) if target.stream is None else set(target.stream.stream.load)
    missing = [item for item in guess.items if item not in have]
    if missing:
        yield from _entry("", f"{counted(len(missing), 'item')} without it: {_some(missing)}")


def _times(timing: Timing, timed: bool) -> str:
    if not timed:
        return "rows are steps"
    if timing.form == "rows":
        text = f"{timing.sampling_rate or ASK} rows a second"
    elif timing.form == "segments":
        text = f"segments from '{timing.columns[0]}' to '{timing.columns[1]}'"
    else:
        text = f"times in '{timing.columns[0]}'"
    if timing.form != "rows" and timing.factor is None:
        return f"{text}, in unit {ASK}"
    shift = f"; moved by {timing.offset:g} s" if timing.offset else ""
    return text + (f": {timing.reason}" if timing.reason and timing.known else "") + shift


def _columns(columns: list[ColumnGuess]) -> str:
    parts = []
    for kind in dict.fromkeys(column.kind for column in columns):
        mine = [column for column in columns if column.kind == kind]
        names = [c.name + (f" ({', '.join(c.labels[:_SHOWN])})" if c.labels else "") for c in mine]
        parts.append(f"{kind}: {_some(names)}")
    return "; ".join(parts)


def _some(names: list[str], between: str = ", ") -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return between.join(names[:_SHOWN]) + more


def _entry(head: str, text: str, reason: str = "") -> list[str]:
    whole = f"{text}: {reason}" if reason else text
    return textwrap.wrap(
        whole, _WIDTH, initial_indent=f"  {head:<11} ", subsequent_indent=" " * 14, break_on_hyphens=False
    )


def _point(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False)
