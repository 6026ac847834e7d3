"""The whole guess: from a folder of raw files to everything that a corpus says."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from mmcore.data.guess.analyse import Analysed, analyse
from mmcore.data.guess.columns import ColumnGuess
from mmcore.data.guess.layout import find_layout
from mmcore.data.guess.people import People, describe
from mmcore.data.guess.rates import lengths_of, resolve_rates
from mmcore.data.guess.streams import find_streams
from mmcore.data.guess.targets import TargetGuess, find_targets, label_streams
from mmcore.data.guess.times import Timing, resolve_units
from mmcore.data.guess.words import LABELS, common, tokens
from mmcore.errors import CorpusError
from mmcore.language import sentence

STEP = 0.1
"""Seconds of a step where streams are at least as fast."""
SHORT = 3.0
"""Seconds of the usual item below which a step of 0.1 s leaves too few steps."""


@dataclass(frozen=True)
class Modality:
    """One modality: its stream, its times, its columns.

    Args:
        columns: in file order, with those that are left out.
        missing: items that have no file of it.
    """

    stream: Analysed
    columns: list[ColumnGuess]
    missing: list[str]

    @property
    def name(self) -> str:
        """Of the modality."""
        return self.stream.name

    @property
    def timing(self) -> Timing:
        """Of its rows."""
        return self.stream.timing

    @property
    def features(self) -> list[ColumnGuess]:
        """The columns that a model reads."""
        return [column for column in self.columns if column.kind is not None]


@dataclass
class CorpusGuess:
    """Everything that a corpus says, with reasons.

    Args:
        raw: the folder that was looked at. name: of the corpus.
        step: seconds; None where rows are steps. step_reason: why.
        target: None where nothing says what is predicted.
        questions: what only the reader knows, each a sentence; corpus.yaml holds ``???`` for each of them.
        doubts: what the reader should look at.
        notes: how files were read. left_out: files that are in no table, with the reason.
    """

    raw: Path
    name: str
    items: list[str]
    people: People
    modalities: list[Modality]
    target: TargetGuess | None
    step: float | None
    step_reason: str
    questions: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


def guess_corpus(raw: Path) -> CorpusGuess:
    """Look at a folder of raw files.

    Args:
        raw: is only read.

    Returns:
        The guess. What the files do not show is a question in it, never an error.

    Raises:
        CorpusError: no folder, no file of rows, no item or no modality in it.
    """
    raw = Path(raw)
    layout = find_layout(raw)
    found = find_streams(raw, layout)
    streams: dict[str, Analysed] = {}
    for stream in found.streams.values():
        one = analyse(found, stream)
        if one is not None:
            streams[one.name] = one
    items = found.items
    if not streams:
        why = f"{found.left_out[0][0]}: {found.left_out[0][1]}" if found.left_out else None
        raise CorpusError(
            "no table of the folder can be given to an item",
            expected="files MODALITY/ITEM.csv, ITEM/MODALITY.csv or ITEM_MODALITY.csv, or tables with an item column",
            found=why,
            where=str(raw),
        )
    side = {item: layout.side[item] for item in items if item in layout.side}
    constant = {name: one.constant for name, one in streams.items() if one.constant}
    people = describe(items, found.describing, constant, side)
    timings = resolve_rates(resolve_units({name: one.timing for name, one in streams.items()}))
    for name, one in streams.items():
        one.timing = timings[name]
    target = find_targets(streams, people)
    name = unicodedata.normalize("NFC", raw.resolve().name) or "corpus"
    guess = CorpusGuess(raw, name, items, people, [], target, STEP, "", notes=found.notes, left_out=found.left_out)
    guess.doubts = [*found.doubts, *people.doubts]
    _set_modalities(guess, streams)
    _set_step(guess)
    _set_offsets(guess)
    _set_questions(guess)
    return guess


def _set_modalities(guess: CorpusGuess, streams: dict[str, Analysed]) -> None:
    target = guess.target
    labels = label_streams(streams)
    for name, stream in streams.items():
        if name in labels:
            if target is None or target.stream is not stream:
                guess.left_out.append(
                    (f"{name}/", sentence("its name says labels, and a model must not read what it predicts"))
                )
            continue
        stream.count_words()
        columns = stream.guesses("feature")
        if target is not None and target.stream is stream:
            columns = [_not_read(column) if set(tokens(column.name)) & LABELS else column for column in columns]
        modality = Modality(stream, columns, [item for item in guess.items if item not in stream.stream.load])
        if not modality.features:
            guess.left_out.append((f"{name}/", sentence("none of its columns can be read: {why}", why=_why(columns))))
            continue
        guess.modalities.append(modality)
    if not guess.modalities:
        raise CorpusError(
            "a corpus needs a modality that a model can read",
            found="; ".join(f"{path}: {why}" for path, why in guess.left_out[:3]) or "labels alone",
            where=str(guess.raw),
        )
    used = {item for modality in guess.modalities for item in modality.stream.stream.load}
    bare = [item for item in guess.items if item not in used]
    if bare:
        guess.doubts.append(
            sentence("items: {items} have labels and no modality; left out of items.csv", items=common(bare))
        )
        guess.items = [item for item in guess.items if item in used]
        for at, modality in enumerate(guess.modalities):
            guess.modalities[at] = replace(modality, missing=[i for i in modality.missing if i in used])


def _why(columns: list[ColumnGuess]) -> str:
    return common([sentence("'{name}': {reason}", name=column.name, reason=column.reason) for column in columns], 3)


def _not_read(column: ColumnGuess) -> ColumnGuess:
    return replace(column, kind=None, reason=sentence("it is what is predicted"), doubt=None)


def _clocks(guess: CorpusGuess) -> dict[str, Timing]:
    found = {modality.name: modality.timing for modality in guess.modalities}
    if guess.target is not None and guess.target.stream is not None and guess.target.scope == "step":
        found[guess.target.name] = guess.target.stream.timing
    return found


def _set_step(guess: CorpusGuess) -> None:
    clocks = _clocks(guess)
    if all(timing.form == "rows" and not timing.known for timing in clocks.values()):
        rows: dict[str, set[int]] = {}
        for timing in clocks.values():
            for item, span in timing.spans.items():
                rows.setdefault(item, set()).add(span.rows)
        if all(len(counts) == 1 for counts in rows.values()):
            guess.step = None
            guess.step_reason = sentence(
                "no file has times, and all files of an item have as many rows: rows are steps"
            )
            return
    dense = {
        name: median(span.step for span in timing.spans.values()) * (timing.factor or 1.0)
        for name, timing in clocks.items()
        if timing.form == "points" and timing.known and timing.spans
    }
    for name, timing in clocks.items():
        if timing.form == "rows" and timing.known:
            lengths = lengths_of(timing)
            dense[name] = median(lengths[item] / timing.spans[item].rows for item in lengths if timing.spans[item].rows)
    dense = {name: step for name, step in dense.items() if step > 0}
    known = {name: lengths_of(timing) for name, timing in clocks.items() if timing.known}
    usual = median(max((of.get(item, 0.0) for of in known.values()), default=0.0) for item in guess.items)
    slowest = max(dense, key=lambda name: dense[name]) if dense else None
    if slowest is None:
        guess.step_reason = sentence("the default, as no stream is dense")
    elif dense[slowest] > STEP:
        guess.step = float(f"{dense[slowest]:.3g}")
        guess.step_reason = sentence("rows of {slowest}, the slowest dense stream, are so far apart", slowest=slowest)
    elif usual < SHORT:
        guess.step = float(f"{dense[slowest]:.3g}")
        guess.step_reason = sentence(
            "items are {usual:.2g} s long, so every row of {slowest} counts", usual=usual, slowest=slowest
        )
    else:
        guess.step_reason = sentence(
            "the default; rows of {slowest}, the slowest dense stream, are {step:.3g} s apart",
            slowest=slowest,
            step=dense[slowest],
        )


def _set_offsets(guess: CorpusGuess) -> None:
    """A stream that starts after all others have ended, by as much in every item, has a clock with another zero."""
    clocks = {name: timing for name, timing in _clocks(guess).items() if timing.known}
    streams = {modality.name: modality.stream for modality in guess.modalities}
    if guess.target is not None and guess.target.stream is not None:
        streams[guess.target.name] = guess.target.stream
    starts = {
        name: {item: (0.0 if t.form == "rows" else span.first * (t.factor or 1.0)) for item, span in t.spans.items()}
        for name, t in clocks.items()
    }
    ends = {
        name: {item: starts[name][item] + length for item, length in lengths_of(t).items()}
        for name, t in clocks.items()
    }
    for name, timing in clocks.items():
        shifts = []
        for item, start in starts[name].items():
            others = [other for other in clocks if other != name and item in starts[other]]
            if others and start > max(ends[other][item] for other in others):
                shifts.append(start - min(starts[other][item] for other in others))
        if timing.form == "rows" or not shifts or len(shifts) < 0.9 * len(starts[name]):
            continue
        middle = median(shifts)
        if max(shifts) - min(shifts) <= max(1.0, 0.001 * middle):
            shift = round(middle) if middle >= 100 else round(middle, 2)
            delay = sentence(
                "{name} starts {middle:.6g} s after the other streams of its items", name=name, middle=middle
            )
            reason = sentence("{first}; {second}", first=timing.reason, second=delay)
            streams[name].timing = replace(timing, offset=-float(shift), reason=reason)
        else:
            guess.doubts.append(
                sentence(
                    "{name} starts {middle:.6g} s after the other streams of its items, by another time in each "
                    "item ({low:.6g} to {high:.6g} s). One offset cannot correct it: subtract each item's start in "
                    "the raw files",
                    name=name,
                    middle=middle,
                    low=min(shifts),
                    high=max(shifts),
                )
            )


def _set_questions(guess: CorpusGuess) -> None:
    if guess.step is not None:
        asked = [timing.question for timing in _clocks(guess).values() if timing.question]
        guess.questions.extend(text for text in asked if text not in guess.questions)
    if guess.target is None:
        choices = [f"{m.name}: {column.name}" for m in guess.modalities for column in m.features if column.width == 1]
        guess.questions.append(
            sentence(
                "targets: what is predicted? No table or column is called label, target, annotation or the like. "
                "Columns that could be: {names}.",
                names=common(choices, 6),
            )
            if choices
            else sentence(
                "targets: what is predicted? No table or column is called label, target, annotation or the like."
            )
        )
    for modality in guess.modalities:
        guess.doubts.extend(
            sentence("{name}: {doubt}", name=modality.name, doubt=c.doubt) for c in modality.columns if c.doubt
        )
    for column in guess.target.columns if guess.target else ():
        if column.doubt:
            name = guess.target.name if guess.target else ""
            guess.doubts.append(sentence("{name}: {doubt}", name=name, doubt=column.doubt))
