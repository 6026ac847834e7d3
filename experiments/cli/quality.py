"""What ``mmstudy data inspect`` prints: a corpus, the quality of its data, and time lags between modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from experiments.cli.text import lengths_text
from mmcore.config import DataConfig
from mmcore.data.windows import cut_text, lengths_of, window_of
from mmcore.language import counted, later, say, say_of
from reports.output.columns import table

if TYPE_CHECKING:
    from mmcore.data.lag import Lag
    from mmcore.data.prepared import Prepared
    from mmcore.quality import QualityRow


def quality_text(store: Prepared, items: bool = False) -> str:
    """A corpus and its data's quality, for people; with ``items`` a line for every item and modality."""
    from mmcore.quality import summarise

    schema = store.schema
    groups = len({item.group for item in store.items})
    steps = sum(item.steps for item in store.items)
    facts = {
        "name": schema.name,
        "items": counted(len(store.items), "item"),
        "groups": counted(groups, "group"),
        "steps": steps,
        "step": schema.step,
    }
    lines = [
        say("corpus {name}: {items} in {groups}, {steps:,} steps of {step:g} s", **facts)
        if schema.step
        else say("corpus {name}: {items} in {groups}, {steps:,} steps", **facts),
        _lengths(store),
        say(
            "targets: {tracks} × {parameters} from {source}, scope {scope}; components {components}",
            tracks=schema.targets.tracks,
            parameters=len(schema.targets.parameters),
            source=schema.targets.from_,
            scope=schema.targets.scope,
            components=", ".join(schema.targets.components),
        ),
        say("content {digest}", digest=store.content),
        "",
    ]
    lines += _quality_table([asdict(line) for line in summarise(store.quality)], leave_out=("examples",))
    if items:
        hidden = ("constant_names", "loud_values", "warnings", "apart", "equal_times_pooled")
        lines += ["", *_quality_table([asdict(row) for row in store.quality], leave_out=hidden)]
    from mmcore.data.alike import likeness_notes
    from mmcore.data.timing import time_notes
    from mmcore.data.unknown import unknown_in

    notes = time_notes(store.quality)
    if notes:
        lines += ["", say("times"), *(f"  {text}" for text in notes)]
    unknown = unknown_in(store)
    if unknown:
        lines += ["", say("columns without a value"), *(f"  {text}" for text in unknown)]
    cut = cut_text(store, window_of(DataConfig(), store))
    if cut is not None:
        lines += ["", say("windows"), f"  {cut}"]
    likenesses = likeness_notes(store)
    if likenesses:
        lines += ["", say("columns that are alike"), *(f"  {text}" for text in likenesses[:_MOST_REMARKS])]
        if len(likenesses) > _MOST_REMARKS:
            more = len(likenesses) - _MOST_REMARKS
            lines.append(f"  {say('… and {n} more; --format json shows all', n=more)}")
    remarks = [
        say("{item}, {modality}: {text}", item=row.item, modality=row.modality, text=text)
        for row in store.quality
        for text in _remarks(row)
    ]
    if remarks:
        shown = remarks if items else remarks[:_MOST_REMARKS]
        lines += ["", say("worth a look"), *(f"  {text}" for text in shown)]
        if len(remarks) > len(shown):
            lines.append(f"  {say('… and {n} more; --items shows all', n=len(remarks) - len(shown))}")
    return "\n".join(lines)


def lag_lines(lags: Sequence[Lag], unit: str) -> list[str]:
    """How late each modality is against each other, a sentence per pair."""
    lines = []
    for one in lags:
        pair = say("{one} and {other}", one=one.modality, other=one.against)
        sure = say(
            "{deviations:.0f} standard deviations above other lags; {agree} of {items} items agree",
            deviations=one.deviations,
            agree=one.agree,
            items=one.items,
        )
        match one.verdict:
            case "lag":
                late, than = (one.modality, one.against) if one.seconds > 0 else (one.against, one.modality)
                text = say(
                    "{late} is {shift:g} {unit} later than {than}: correlation of changes {correlation:.2f}, "
                    "{at_zero:.2f} without a lag ({sure}). If they should be aligned, subtract {shift:g} from offset "
                    "of {late} in corpus.yaml",
                    late=late,
                    shift=abs(one.seconds),
                    unit=say(unit),
                    than=than,
                    correlation=one.correlation,
                    at_zero=one.at_zero,
                    sure=sure,
                )
            case "none":
                text = say(
                    "{pair}: no lag (correlation of changes {correlation:.2f}, {sure})",
                    pair=pair,
                    correlation=one.correlation,
                    sure=sure,
                )
            case _:
                text = say(
                    "{pair}: lag unknown; they change together no more than by chance ({sure})", pair=pair, sure=sure
                )
        lines.append(f"  {text}")
    return lines or [f"  {say('no item has two modalities that change')}"]


def _lengths(store: Prepared) -> str:
    """Lengths of items in steps, and on the clock unless rows are steps."""
    step, lengths = store.schema.step, lengths_of(store)
    steps = lengths_text(lengths)
    if step is None and lengths.shortest == lengths.longest:
        return say("length of every item: {steps:,} steps", steps=lengths.longest)
    if step is None:
        return say("length of an item: {lengths} steps", lengths=steps)
    low, high = lengths.shortest * step, lengths.longest * step
    if lengths.shortest == lengths.longest:
        return say("length of every item: {steps:,} steps, {seconds:.4g} s", steps=lengths.longest, seconds=high)
    return say("length of an item: {lengths} steps, {low:.4g} to {high:.4g} s", lengths=steps, low=low, high=high)


_MOST_REMARKS = 12


def _remarks(row: QualityRow) -> list[str]:
    """What a person should know of an item's stream, beyond counts of missing cells."""
    texts = list(row.warnings)
    if row.constant_columns and row.rows > 1:
        names = ", ".join(row.constant_names) + (", …" if row.constant_columns > len(row.constant_names) else "")
        one = row.constant_columns == 1
        texts.append(
            say("column {names} never changes", names=names)
            if one
            else say("{n} columns never change: {names}", n=row.constant_columns, names=names)
        )
    faults = (
        (row.non_monotonic, say_of(row.non_monotonic, "1 row goes back in time", "{n} rows go back in time")),
        (row.duplicate_times, say_of(row.duplicate_times, "1 row repeats a time", "{n} rows repeat a time")),
        (
            row.no_time,
            say_of(row.no_time, "1 row has no time and is left out", "{n} rows have no time and are left out"),
        ),
        (
            row.empty_segments,
            say_of(
                row.empty_segments,
                "1 segment does not end after its start and is left out",
                "{n} segments do not end after their start and are left out",
            ),
        ),
        (
            row.overlaps,
            say_of(
                row.overlaps,
                "1 segment starts before an earlier one has ended; the one that started last is read",
                "{n} segments start before an earlier one has ended; the one that started last is read",
            ),
        ),
    )
    texts += [text for count, text in faults if count]
    return texts


_TITLES = {
    "rows": later("rows read"),
    "pooled": later("rows a step"),
    "seconds_outside": later("s outside"),
    "seconds_absent": later("s absent"),
    "apart": later("never meet"),
    "item": later("item"),
    "modality": later("modality"),
    "items": later("items"),
    "missing": later("missing"),
    "used": later("rows used"),
    "steps": later("steps"),
    "coverage": later("coverage"),
    "interpolated": later("interpolated"),
    "largest_gap": later("largest gap"),
    "constant_columns": later("constant columns"),
    "non_monotonic": later("non monotonic"),
    "duplicate_times": later("duplicate times"),
    "no_time": later("no time"),
    "empty_segments": later("empty segments"),
    "overlaps": later("overlaps"),
    "extra_columns": later("extra columns"),
    "loud": later("loud"),
    "warnings": later("warnings"),
    "rows_used": later("rows used"),
}
"""Columns of the quality report, as they are called on a terminal; nan and inf are called so everywhere."""


def _quality_table(rows: Sequence[Mapping[str, object]], leave_out: Sequence[str]) -> list[str]:
    if not rows:
        return []
    rare = [head for head in ("empty_segments", "overlaps") if not any(row.get(head) for row in rows)]
    heads = [head for head in rows[0] if head not in (*leave_out, *rare)]
    named = sum(head in ("item", "modality") for head in heads)
    titles = [say(_TITLES.get(head, head.replace("_", " "))) for head in heads]
    return [table(titles, [[_cell(row[head]) for head in heads] for row in rows], left=range(named))]


def _cell(value: object) -> str:
    match value:
        case float():
            return f"{value:.4g}"
        case list() | tuple():
            return ", ".join(str(entry) for entry in value) or "-"
        case None:
            return "-"
        case _:
            return str(value)
