"""One pass over a stream's tables: its columns, its times as written, what is constant within items."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mmcore.clock import TIME
from mmcore.data.guess.columns import PLAIN_TEXT, ColumnGuess, guess_all
from mmcore.data.guess.facts import Column, Facts, plain
from mmcore.data.guess.raw import Raw
from mmcore.data.guess.streams import Stream, Streams
from mmcore.data.guess.times import Span, Timing, segment_columns, span_of, time_column
from mmcore.data.guess.words import FRAMES, GROUPS, TEXTS, TIMES, tokens
from mmcore.errors import CorpusError
from mmcore.language import sentence

SEGMENT_END = "segment_end"
"""Column that is added where a table gives the duration of segments: start + duration."""


@dataclass
class Analysed:
    """What is known of one stream.

    Args:
        timing: with its unit still open. facts: of its columns.
        constant: column to item to its only value, for columns that may name groups.
        form: of its files.
        added: columns that the guess adds, with how they are made, as a key: ``words of text``.
    """

    stream: Stream
    facts: Facts
    timing: Timing
    form: str
    constant: dict[str, dict[str, str]] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the stream."""
        return self.stream.name

    def frame(self, item: str) -> pd.DataFrame:
        """The item's rows with the columns that the guess adds and without padding in the numbers of ranges.

        Raises:
            CorpusError: the file cannot be read.
        """
        frame = self.stream.read(item).frame
        for name, rule in self.added.items():
            frame = frame.assign(**{name: _made(frame, rule)})
        renamed = {old: new for block in self.facts.ranges for old, new in block.new_names.items()}
        return frame.rename(columns=renamed)

    def guesses(self, role: Any) -> list[ColumnGuess]:
        """The kinds of its columns besides those of times, names without padding."""
        duties = {*self.timing.columns} - set(self.added)
        guesses = guess_all(self.facts, role, tuple(duties))
        return [self._by_duty(guess) for guess in guesses]

    def _by_duty(self, guess: ColumnGuess) -> ColumnGuess:
        column = self.facts.columns.get(guess.name)
        is_time = column is not None and column.numeric and column.rises and set(tokens(guess.name)) & set(TIMES)
        in_seconds = column is not None and not column.numeric and f"{guess.name}_s" in self.facts.columns
        if in_seconds or (guess.kind is not None and (is_time or guess.name == TIME)):
            return ColumnGuess(guess.name, None, sentence("it seems to hold times too"))
        is_text = column is not None and not column.numeric and set(tokens(guess.name)) & TEXTS
        return ColumnGuess(guess.name, None, sentence(PLAIN_TEXT)) if is_text and guess.kind else guess

    def text_column(self) -> str | None:
        """A column of free text, where the stream has no column that a model could read; else None."""
        guesses = self.guesses("feature")
        texts = [guess.name for guess in guesses if guess.kind is None and guess.reason == sentence(PLAIN_TEXT)]
        return texts[0] if texts and not any(guess.kind for guess in guesses) else None

    def count_words(self) -> None:
        """Where sentences are all that there is: their numbers of words and characters become columns."""
        text = self.text_column()
        if text is None:
            return
        self.added |= {f"{text}_words": f"words of {text}", f"{text}_characters": f"characters of {text}"}
        for item in self.stream.load:
            frame = self.stream.read(item).frame
            made = {name: _made(frame, rule) for name, rule in self.added.items() if name.startswith(text)}
            for name, values in made.items():
                self.facts.columns.setdefault(name, Column()).add(values)
        first = next(iter(self.facts.shapes))
        self.facts.shapes[(*first, *self.added)] = self.facts.shapes.pop(first)


def _made(frame: pd.DataFrame, rule: str) -> pd.Series:
    what, _, source = rule.partition(" of ")
    match what:
        case "words":
            return frame[source].astype("string").str.split().str.len().astype("float64")
        case "characters":
            return frame[source].astype("string").str.len().astype("float64")
        case _:
            start, _, duration = source.partition(" and ")
            starts_T: Any = pd.to_numeric(frame[start], errors="coerce")
            return starts_T + pd.to_numeric(frame[duration], errors="coerce")


def analyse(found: Streams, stream: Stream) -> Analysed | None:
    """Read all of a stream once; None where nothing of it can be read.

    Files that cannot be read, or that lack a usual column, are left out and listed with the reason.
    """
    raws = _readable(found, stream)
    if not raws:
        return None
    _drop_odd(found, stream, raws)
    if not stream.load:
        return None
    first = raws[next(iter(stream.load))]
    names = [str(name) for name in first.columns]
    facts, form = Facts(), first.form
    segments = segment_columns(names) if form != "array" else None
    added: dict[str, str] = {}
    if segments is not None and segments[2]:
        added[SEGMENT_END] = f"end of {segments[0]} and {segments[1]}"
    spans: dict[str, dict[str, Span]] = {}
    rates: set[float] = set()
    constant: dict[str, dict[str, str]] = {}
    lengths: dict[str, Span] = {}
    for item in stream.load:
        raw = stream.read(item)
        facts.add(raw.frame)
        rates |= {raw.sampling_rate} if raw.sampling_rate else set()
        lengths[item] = Span(0.0, 0.0, 0.0, len(raw.frame))
        for name in _candidates(facts):
            span = span_of(raw.frame, (name,)) if name in raw.frame else None
            if span is not None:
                spans.setdefault(name, {})[item] = span
        for name in (name for name in facts.columns if set(tokens(name)) & set(GROUPS) and name in raw.frame):
            column: Any = raw.frame[name]
            if column.nunique() == 1:
                constant.setdefault(name, {})[item] = plain(column.dropna().iloc[0])
    done = Analysed(stream, facts, Timing("rows", spans=lengths), form, constant, added)
    done.timing = _timing(done, segments, spans, lengths, rates)
    return done


def _readable(found: Streams, stream: Stream) -> dict[str, _Head]:
    heads: dict[str, _Head] = {}
    for item in list(stream.load):
        try:
            raw = stream.read(item)
        except CorpusError as error:
            source = stream.drop(item)
            before, colon, after = str(error).partition(": ")
            found.left_out.append((source, (after if colon else before)[:200]))
            continue
        if not len(raw.frame.columns):
            found.left_out.append((stream.drop(item), sentence("it has no column")))
            continue
        heads[item] = _Head(raw)
    shapes = {head.shape for head in heads.values()}
    if len(shapes) > 1 and len({rows for rows, _ in shapes}) == 1 and all(h.form == "array" for h in heads.values()):
        stream.turn()
        found.notes.append(
            sentence("{name}: arrays of features by rows, as only their second axis varies; turned", name=stream.name)
        )
        return {item: _Head(stream.read(item)) for item in stream.load}
    return heads


class _Head:
    """What is kept of a file that was looked at."""

    def __init__(self, raw: Raw) -> None:
        self.columns = tuple(map(str, raw.frame.columns))
        self.shape = raw.frame.shape
        self.form = raw.form


def _drop_odd(found: Streams, stream: Stream, heads: dict[str, _Head]) -> None:
    """Leave out tables that lack a column that most others have."""
    counts: dict[str, int] = {}
    for head in heads.values():
        for name in head.columns:
            counts[name] = counts.get(name, 0) + 1
    usual = {name for name, count in counts.items() if count > len(heads) / 2}
    for item, head in heads.items():
        lacks = sorted(usual - set(head.columns))
        if lacks:
            why = sentence(
                "column '{column}' is missing, which {n} of {all} files of {name} have",
                column=lacks[0], n=counts[lacks[0]], all=len(heads), name=stream.name,
            )  # fmt: skip
            found.left_out.append((stream.drop(item), why))


def _candidates(facts: Facts) -> list[str]:
    """Columns that may hold times: by name, and the first column of numbers that is in no range."""
    numeric = [name for name, column in facts.columns.items() if column.numeric and not column.boolean]
    return list(dict.fromkeys([*(name for name in numeric if set(tokens(name)) & set(TIMES)), *numeric[:1]]))


def _timing(
    done: Analysed,
    segments: tuple[str, str, bool] | None,
    spans: dict[str, dict[str, Span]],
    lengths: dict[str, Span],
    rates: set[float],
) -> Timing:
    columns = done.facts.columns
    if segments is not None:
        pair = (segments[0], SEGMENT_END if segments[2] else segments[1])
        if all(columns[name].numeric for name in segments[:2]):
            return _segments(done, pair, bool(segments[2]))
    candidates = [name for name in spans if name in columns and columns[name].numeric and not columns[name].boolean]
    rising = {name for name in candidates if columns[name].rises}
    counts = {name for name in candidates if columns[name].counts_up}
    chosen = time_column(candidates, rising, counts)
    if chosen is not None:
        name, why = chosen
        frames = bool(set(tokens(name)) & FRAMES)
        return Timing("points", (name,), spans[name], columns[name].whole, reason=why, is_frames=frames)
    if len(rates) == 1:
        return Timing("rows", (), lengths, sampling_rate=f"{rates.pop():.10g}", reason=sentence("the archive says so"))
    return Timing("rows", (), lengths)


def _segments(done: Analysed, pair: tuple[str, str], made: bool) -> Timing:
    spans = {}
    for item in done.stream.load:
        frame = done.stream.read(item).frame
        if made:
            frame = frame.assign(**{SEGMENT_END: _made(frame, done.added[SEGMENT_END])})
        span = span_of(frame, pair)
        if span is not None:
            spans[item] = span
    columns = [done.facts.columns[name] for name in pair if name in done.facts.columns]
    whole = all(column.whole for column in columns)
    if done.form == "subtitles":
        return Timing(
            "segments", pair, spans, whole, 1.0, reason=sentence("subtitles have times in seconds"), by_name=True
        )
    return Timing("segments", pair, spans, whole)
