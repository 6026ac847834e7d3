"""Output of ``mmstudy data init``: guesses with their reasons, open questions, files left out, and the next step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mmcore.data.guess.columns import ColumnGuess
from mmcore.data.guess.corpus import CorpusGuess, Modality
from mmcore.data.guess.targets import TargetGuess
from mmcore.data.guess.times import ASK, Timing
from mmcore.language import say, shown
from mmcore.shell import argument
from reports.lines import padded, wrapped
from reports.numbers import counted

_WIDTH = 110
_SHOWN = 8
"""Columns, items or files that are named; the rest is counted."""


def guess_text(guess: CorpusGuess, folder: Path) -> str:
    """The guess for people."""
    questions = bool(guess.questions)
    lines = [
        say(
            "wrote {folder}: {items}, {modalities}",
            folder=folder,
            items=counted(len(guess.items), "item"),
            modalities=_modalities(guess),
        )
    ]
    lines += ["", say("Guessed")]
    for text in guess.notes:
        head, _, rest = shown(text).partition(": ")
        lines += _entry(head, rest)
    lines += _entry(say("groups"), shown(guess.people.group_reason))
    if guess.people.side:
        lines += _entry(say("sides"), shown(guess.people.side_reason))
    lines += _entry(
        say("step"), say("rows are steps") if guess.step is None else f"{guess.step:g} s", shown(guess.step_reason)
    )
    for modality in guess.modalities:
        lines += _modality(modality, guess)
    if guess.target is not None:
        lines += _target(guess.target, guess)
    if guess.people.conditions:
        names = _some(list(guess.people.conditions))
        lines += _entry(say("conditions"), say("{names}: other columns of one row an item", names=names))
    if guess.questions:
        file = folder / "corpus.yaml"
        lines += ["", say("To fill in: {mark} marks each place in {file}", mark=ASK, file=file)]
        lines += [line for text in guess.questions for line in _point(text)]
    if guess.doubts:
        lines += ["", say("Look at")]
        lines += [line for text in guess.doubts for line in _point(text)]
    if guess.left_out:
        lines += ["", say("Left out")]
        lines += [line for path, why in guess.left_out[: 2 * _SHOWN] for line in _point(f"{shown(path)}: {shown(why)}")]
        if len(guess.left_out) > 2 * _SHOWN:
            lines.append(f"  {say('and {n} more', n=len(guess.left_out) - 2 * _SHOWN)}")
    lines += [
        "",
        say("Next, once {mark} is filled in (any guess can be corrected in corpus.yaml)", mark=ASK)
        if questions
        else say("Next (any guess can be corrected in corpus.yaml)"),
    ]
    lines += [f"  mmstudy data check {argument(folder)}", f"  mmstudy data inspect {argument(folder)}"]
    lines += [f"  mmstudy run modalities --corpus {argument(folder)}"]
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
    held = counted(len(guess.modalities), "modality", "modalities")
    if guess.target:
        return say("{held} ({names}), predicted from {target}", held=held, names=names, target=guess.target.name)
    return say("{held} ({names})", held=held, names=names)


def _modality(modality: Modality, guess: CorpusGuess) -> Iterator[str]:
    yield from _entry(modality.name, _times(modality.timing, guess.step is not None))
    yield from _entry("", _columns(modality.features))
    text = ""
    made = [column.name for column in modality.features if column.name in modality.stream.added]
    if made:
        text = modality.stream.added[made[0]].partition(" of ")[2]
        yield from _entry(
            "",
            say(
                "counted from the column '{column}', which is text: {names}. To use the words themselves, add a table "
                "of sentence embeddings",
                column=text,
                names=_some(made),
            ),
        )  # fmt: skip
    unread = [
        say("{name} ({reason})", name=column.name, reason=shown(column.reason))
        for column in modality.columns
        if column.kind is None and column.name != text
    ]
    if unread:
        yield from _entry("", say("not read: {names}", names=_some(unread, ", ")))
    if modality.missing:
        yield from _entry("", _without(modality.missing))


def _target(target: TargetGuess, guess: CorpusGuess) -> Iterator[str]:
    yield from _entry(target.name, say("predicted, as {reason}", reason=shown(target.reason)))
    yield from _entry("", _columns(target.columns))
    if target.stream is not None and target.scope == "step":
        yield from _entry("", _times(target.stream.timing, guess.step is not None))
    if target.unused:
        yield from _entry("", say("not predicted: {names}", names=_some(target.unused)))
    have = set(guess.people.labels.index) if target.stream is None else set(target.stream.stream.load)
    missing = [item for item in guess.items if item not in have]
    if missing:
        yield from _entry("", _without(missing))


def _times(timing: Timing, timed: bool) -> str:
    if not timed:
        return say("rows are steps")
    if timing.form == "rows":
        text = say("{rate} rows a second", rate=timing.sampling_rate or ASK)
    elif timing.form == "segments":
        text = say("segments from '{start}' to '{end}'", start=timing.columns[0], end=timing.columns[1])
    else:
        text = say("times in '{column}'", column=timing.columns[0])
    if timing.form != "rows" and timing.factor is None:
        return say("{text}, in unit {mark}", text=text, mark=ASK)
    text = say("{text}: {reason}", text=text, reason=shown(timing.reason)) if timing.reason and timing.known else text
    return say("{text}; moved by {offset:g} s", text=text, offset=timing.offset) if timing.offset else text


def _columns(columns: list[ColumnGuess]) -> str:
    parts = []
    for kind in dict.fromkeys(column.kind for column in columns):
        mine = [column for column in columns if column.kind == kind]
        names = [c.name + (f" ({', '.join(c.labels[:_SHOWN])})" if c.labels else "") for c in mine]
        parts.append(f"{kind}: {_some(names)}")
    return say("; ").join(parts)


def _some(names: list[str], between: str = ", ") -> str:
    text, more = between.join(names[:_SHOWN]), len(names) - _SHOWN
    return say("{names} and {n} more", names=text, n=more) if more > 0 else text


def _without(items: Sequence[str]) -> str:
    return say("{items} without it: {names}", items=counted(len(items), "item"), names=_some([*items]))


def _entry(head: str, text: str, reason: str = "") -> list[str]:
    whole = say("{text}: {reason}", text=text, reason=reason) if reason else text
    return wrapped(whole, _WIDTH, f"  {padded(head, 11)} ", " " * 14)


def _point(text: str) -> list[str]:
    return wrapped(shown(text), _WIDTH, "  - ", "    ")
