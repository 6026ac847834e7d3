"""When rows were measured, where files say nothing of times: rows are steps, or the user gives rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmcore.data.importers.sample import Options
from mmcore.data.sources.written import WrittenClock
from mmcore.errors import CorpusError, nearest
from mmcore.language import sentence

STEP = 0.1
"""Seconds per step where rates are given; a stream that is faster is pooled."""


@dataclass(frozen=True)
class RowClock:
    """The keys of time of corpus.yaml.

    Args:
        step: seconds; None where rows are steps.
        keys: by modality.
        rates: as the user wrote them.
        notes: what was assumed.
    """

    step: float | None
    keys: Mapping[str, WrittenClock]
    rates: Mapping[str, str]
    notes: tuple[str, ...]

    def of_labels(self, target: str, scope: str) -> WrittenClock:
        """The keys of the table of labels."""
        return {"sampling_rate": number(self.rates[target])} if scope == "step" and self.step is not None else {}


def clock_of(modalities: Sequence[str], options: Options, where: str, labels: str | None = None) -> RowClock:
    """The clock of modalities that have no times.

    Args:
        modalities: their names.
        options: rates for all of them, or for none.
        where: the file, for messages.
        labels: the name of labels per step, which need a rate as well; None: one label per item.

    Raises:
        CorpusError: rates for some only, or for what is not there.
    """
    if not options.rates:
        return RowClock(None, {}, {}, (sentence("rows are steps; --sampling-rate MODALITY=HZ for each gives seconds"),))
    there = [*modalities, *([labels] if labels else [])]
    for name in options.rates:
        if name not in there:
            raise CorpusError(
                f"--sampling-rate names '{name}', which is not there", next_step=nearest(name, there), where=where
            )
    bare = [name for name in there if name not in options.rates]
    if bare:
        raise CorpusError(
            "either all modalities have a rate, or none",
            found=f"none for {', '.join(bare)}",
            next_step="Add " + " ".join(f"--sampling-rate {name}=HZ" for name in bare),
            where=where,
        )
    keys: dict[str, WrittenClock] = {name: {"sampling_rate": number(options.rates[name])} for name in modalities}
    return RowClock(STEP, keys, options.rates, (sentence("step {step} s", step=STEP),))


def number(rate: str) -> float | str:
    """A rate as corpus.yaml has it: a fraction stays one."""
    return rate if "/" in rate else float(rate)


def same_rows(rows: Mapping[str, int], item: str, where: str) -> None:
    """Refuse modalities of different length where rows are steps.

    Raises:
        CorpusError: two modalities that are there have different numbers of rows.
    """
    there = {name: count for name, count in rows.items() if count}
    if len(set(there.values())) > 1:
        raise CorpusError(
            "without rates, rows are steps, so all modalities of an item must have equally many",
            found=", ".join(f"{count} rows of {name}" for name, count in there.items()) + f" in item '{item}'",
            next_step="Give their rates: " + " ".join(f"--sampling-rate {name}=HZ" for name in there),
            where=where,
        )
