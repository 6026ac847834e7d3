"""One recording under two names: groups cannot keep unknown copies on one side of a split.

I items, F raw features, N grid steps of all items, S steps of one item at which a modality is present.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from mmcore.data.prepared import Prepared
from mmcore.data.splits import Split


def divided_duplicates(prepared: Prepared, split: Split) -> list[tuple[str, str]]:
    """Test items of which a copy is on the training or validation side.

    A copy has the same values, to the bit, in all steps of a modality. A modality whose values never change counts
    for nothing: two silences are no copy. Reads every item, hence for use after the test items were read anyway.

    Returns:
        (test item, its copy) by name, for each such test item, in the order of the corpus; the first copy alone.

    Example:
        >>> divided_twins(prepared, split)                                  # doctest: +SKIP
        [('talk_final', 'talk_final_2')]
    """
    known: dict[bytes, str] = {}
    for index in (*split.train, *split.validation):
        for digest in _digests(prepared, index):
            known.setdefault(digest, prepared.items[index].name)
    found = []
    for index in split.test:
        copies = (known[digest] for digest in _digests(prepared, index) if digest in known)
        copy = next(copies, None)
        if copy is not None:
            found.append((prepared.items[index].name, copy))
    return found


def _digests(prepared: Prepared, index: int) -> Iterator[bytes]:
    """One for each modality of an item that moves."""
    item = prepared.items[index]
    rows = slice(item.offset, item.offset + item.steps)
    for m, (name, values_NF) in enumerate(prepared.values.items()):
        x_SF = np.ascontiguousarray(np.asarray(values_NF[rows])[np.asarray(prepared.present[rows, m])])
        # NaN is no movement either: compared as bits, it equals itself.
        bits_SF = x_SF.view(np.uint8)
        if len(x_SF) > 1 and (bits_SF[1:] != bits_SF[:-1]).any():
            yield hashlib.blake2b(x_SF.data, digest_size=16, key=name.encode()[:64]).digest()
