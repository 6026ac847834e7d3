"""Writes a guess as a corpus folder: a commented ``corpus.yaml``, ``items.csv``, tables with raw columns untouched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from mmcore.data.guess.columns import ColumnGuess
from mmcore.data.guess.corpus import CorpusGuess, Modality
from mmcore.data.guess.times import ASK, Timing
from mmcore.data.sources.writing import new_corpus, write_items
from mmcore.errors import CorpusError

_WIDTH = 100
_ROOM = 34
"""Column at which comments beside short lines start."""


def write_corpus(guess: CorpusGuess, folder: Path) -> Path:
    """Write the corpus; it appears whole or not at all.

    Args:
        folder: new or empty; the raw folder is only read.

    Raises:
        CorpusError: ``folder`` holds something or lies in the raw folder; a raw file changed and can no longer be read.
    """
    if folder.resolve().is_relative_to(guess.raw.resolve()):
        raise CorpusError(
            "the corpus must lie outside the raw folder, which is never changed",
            next_step="Name another folder",
            where=str(folder),
        )
    with new_corpus(folder) as partial:
        (partial / "corpus.yaml").write_bytes(("\n".join(yaml_lines(guess)) + "\n").encode())
        _write_items(guess, partial)
        streams = {modality.name: modality.stream for modality in guess.modalities}
        target = guess.target
        if target is not None and target.stream is not None:
            streams[target.name] = target.stream
        for name, stream in streams.items():
            for item in guess.items:
                if item in stream.stream.load:
                    _write_frame(partial / name / f"{item}.parquet", stream.frame(item))
        if target is not None and target.stream is None:
            for item in guess.items:
                if item in guess.people.labels.index:
                    _write_frame(partial / target.name / f"{item}.parquet", guess.people.labels.loc[[item]])
    return folder


def _write_frame(path: Path, frame: pd.DataFrame) -> None:
    path.parent.mkdir(exist_ok=True)
    frame.reset_index(drop=True).to_parquet(path, index=False, compression="zstd")


def _write_items(guess: CorpusGuess, folder: Path) -> None:
    people = guess.people
    header = ["item", "group", *(["split"] if people.side else []), *people.conditions]
    rows = []
    for item in guess.items:
        row = [item, people.group.get(item, "")]
        row += [people.side[item]] if people.side else []
        rows.append(row + [cells.get(item, "") for cells in people.conditions.values()])
    write_items(folder, header, rows)


# corpus.yaml ---------------------------------------------------------------------------------------------------------
def yaml_lines(guess: CorpusGuess) -> list[str]:
    """The lines of ``corpus.yaml``; every guess has its reason in a comment beside or above it."""
    return [
        f"# Guessed by: mmstudy data init {guess.raw}",
        "# Each guess has its reason beside it. Correct what is wrong here; the tables hold the raw columns.",
        *([f"# Fill in each {ASK} first."] if any(ASK in line for line in _body(guess)) else []),
        "# Then: mmstudy data check DIR",
        *_body(guess),
    ]


def _body(guess: CorpusGuess) -> list[str]:
    lines = ["format: 1", f"name: {_text(guess.name)}"]
    step = "null" if guess.step is None else f"{guess.step:g}"
    lines += [_beside(f"step: {step}", f"{'' if guess.step is None else 'seconds; '}{guess.step_reason}")]
    lines += ["modalities:"]
    for modality in guess.modalities:
        lines += _modality(modality, guess)
    lines += _targets(guess)
    return lines


def _modality(modality: Modality, guess: CorpusGuess) -> Iterator[str]:
    have = len(guess.items) - len(modality.missing)
    yield _beside(f"  {_text(modality.name)}:", f"{have} of {len(guess.items)} items")
    yield from _times(modality.timing, "    ", guess.step is not None)
    missing = sorted({value for column in modality.features for value in column.missing_values})
    if missing:
        yield _beside(f"    missing_values: [{', '.join(map(_number, missing))}]", "far from all other values")
    yield "    features:"
    for column in modality.features:
        yield from _feature(column)
    for column in modality.columns:
        if column.kind is None:
            yield from _comment(f"'{column.name}' is not read: {column.reason}", "      ")
    for name, rule in modality.stream.added.items():
        if any(column.name == name for column in modality.features):
            yield from _comment(f"'{name}' was made: the number of {rule}", "      ")


def _feature(column: ColumnGuess) -> Iterator[str]:
    parts = [f"name: {_text(column.name)}"]
    if column.kind != "continuous":
        parts.append(f"kind: {column.kind}")
    if column.labels:
        parts.append(f"labels: [{', '.join(map(_text, column.labels))}]")
    yield _beside("      - {" + ", ".join(parts) + "}", f"{column.kind}: {column.reason}")


def _times(timing: Timing, indent: str, timed: bool) -> Iterator[str]:
    if not timed:
        return
    if timing.form == "rows":
        reason = timing.reason or "its files have no times"
        yield from _comment(f"rows a second: {reason}", indent)
        yield f"{indent}sampling_rate: {timing.sampling_rate or ASK}"
        return
    if timing.form == "segments":
        yield f"{indent}start: {_text(timing.columns[0])}"
        yield f"{indent}end: {_text(timing.columns[1])}"
    else:
        yield f"{indent}time: {_text(timing.columns[0])}"
    if timing.factor is None:
        yield from _comment(timing.question or timing.reason, indent)
        yield f"{indent}rate: {ASK}"
    elif timing.factor == 1.0:
        yield from _comment(f"times: {timing.reason}", indent)
    else:
        yield from _comment(f"times: {timing.reason}", indent)
        yield f"{indent}rate: {_factor(timing)}"
    if timing.offset:
        yield _beside(f"{indent}offset: {timing.offset:g}", "seconds added to every time")


def _factor(timing: Timing) -> str:
    assert timing.factor is not None
    if timing.is_frames:
        return f"1/{1 / timing.factor:.6g}"
    return {1e-3: "0.001", 1e-6: "0.000001", 1e-9: "0.000000001"}.get(timing.factor, repr(timing.factor))


def _targets(guess: CorpusGuess) -> Iterator[str]:
    target = guess.target
    if target is None:
        yield from _comment(next(text for text in guess.questions if text.startswith("targets")), "")
        yield from _comment(
            "Put one table an item into a folder labels/, or name a modality whose columns are forecast, and write for "
            "example:",
            "",
        )
        yield "#   targets:"
        yield "#     from: labels"
        yield "#     parameters: [{name: COLUMN, kind: categorical, labels: [a, b], component: COLUMN}]"
        yield f"targets: {ASK}"
        return
    yield "targets:"
    yield _beside(f"  from: {_text(target.name)}", f"as {target.reason}")
    yield f"  scope: {target.scope}"
    if target.stream is not None and target.scope == "step":
        yield from _times(target.stream.timing, "  ", guess.step is not None)
    missing = sorted({value for column in target.columns for value in column.missing_values})
    if missing:
        yield _beside(f"  missing_values: [{', '.join(map(_number, missing))}]", "far from all other values")
    yield "  parameters:"
    for column in target.columns:
        yield from _parameter(column)
    if target.unused:
        yield from _comment("not predicted: " + ", ".join(target.unused), "    ")


def _parameter(column: ColumnGuess) -> Iterator[str]:
    parts = [f"name: {_text(column.name)}"]
    if column.kind != "continuous":
        parts.append(f"kind: {column.kind}")
    if column.labels:
        parts.append(f"labels: [{', '.join(map(_text, column.labels))}]")
    elif column.classes:
        parts.append(f"classes: {column.classes}")
    parts.append(f"component: {_text(column.name)}")
    yield _beside("    - {" + ", ".join(parts) + "}", f"{column.kind}: {column.reason}")


def _beside(line: str, comment: str) -> str:
    return f"{line:<{_ROOM}} # {comment}" if len(line) < _ROOM else f"{line}  # {comment}"


def _comment(text: str, indent: str) -> Iterator[str]:
    line = f"{indent}#"
    for word in text.split():
        if len(line) + len(word) + 1 > _WIDTH and not line.endswith("#"):
            yield line
            line = f"{indent}#"
        line += f" {word}"
    yield line


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e15 else f"{value:.0e}"


def _text(value: str) -> str:
    """A scalar of YAML that reads back as this text: quoted where it could be read as something else."""
    plain = re.fullmatch(r"[^\W\d][\w.-]*(?: [\w.-]+)*", value)
    if plain and value.lower() not in ("true", "false", "yes", "no", "on", "off", "null", "y", "n"):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
