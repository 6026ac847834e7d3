"""Columns without a single value in the whole corpus: an extractor that failed, or a column of another name.

N grid steps of all items, F columns.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmcore.data.prepared import Prepared
from mmcore.language import say
from mmcore.schema import CorpusSchema

NAMED = 5
"""Columns that are named; the rest are counted."""
_ROWS = 4096
"""Rows that are looked at together."""


def unknown_in(prepared: Prepared) -> list[str]:
    """Sentences about columns of a store that no item has a value of; [] where all is well.

    A modality that no item has a table of is left out: items of which none has it are a case of their own.
    """
    there = {row.modality for row in prepared.quality if not row.missing}
    known = {name: known_columns(values_NF) for name, values_NF in prepared.values.items() if name in there}
    return list(unknown_notes(prepared.schema, known).values())


def known_columns(values_NF: np.ndarray) -> np.ndarray:
    """Which columns (F,) have a value at any step."""
    known_F = np.zeros(values_NF.shape[1], bool)
    for first in range(0, len(values_NF), _ROWS):
        open_ = np.flatnonzero(~known_F)
        if not len(open_):
            break
        known_F[open_] = ~np.isnan(np.asarray(values_NF[first : first + _ROWS])[:, open_]).all(axis=0)
    return known_F


def unknown_notes(schema: CorpusSchema, known: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Modality to a sentence about its columns that no item has a value of.

    Args:
        known: which columns (F,) of a modality have a value; of other modalities nothing is said.
    """
    notes = {}
    for name, known_F in known.items():
        modality = schema.modalities[name]
        missing = [column for column, there in zip(modality.columns, known_F, strict=True) if not there]
        if not missing:
            continue
        names = ", ".join(missing[:NAMED])
        notes[name] = (
            say("{modality}: column {names} has no value in any item", modality=name, names=names)
            if len(missing) == 1
            else say(
                "{modality}: {n} of {all} columns have no value in any item: {names}",
                modality=name,
                n=len(missing),
                all=len(modality.columns),
                names=names + (", …" if len(missing) > NAMED else ""),
            )
        )
    return notes
