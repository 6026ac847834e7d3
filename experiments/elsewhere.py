"""What a home keeps of a corpus that is not on this machine: what plans and reports read, without the tables.

    corpora/elsewhere/PLACE/place.json     where the corpus was, and its content key
    corpora/elsewhere/PLACE/corpus/        corpus.yaml and items.csv; all of it where it travelled whole
    corpora/elsewhere/PLACE/prepared/KEY/  index.json, quality.json and columns.json of the prepared store

PLACE is a digest of where the corpus was, as seen from the home. So the same command finds it on another machine.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from experiments.home import Home
from mmcore.files import read_kept

PLACE = "place.json"
STORED = ("index.json", "quality.json", "columns.json")
"""What is kept of a prepared store."""


@dataclass(frozen=True)
class Elsewhere:
    """A corpus that is not here.

    Args:
        root: with what is kept of it.
        content: its content key.
        whole: whether all of the corpus is there, with its tables.
    """

    root: Path
    content: str
    whole: bool

    @property
    def folder(self) -> Path:
        """The corpus; without tables unless it is whole."""
        return self.root / "corpus"

    @property
    def stores(self) -> Path:
        """Its prepared stores, without their arrays."""
        return self.root / "prepared"


@dataclass(frozen=True)
class Place:
    """What place.json holds.

    Args:
        place: where the corpus was; see :meth:`experiments.home.Home.place_of`.
        content: its content key.
        whole: whether all of the corpus travelled.
    """

    place: str
    content: str
    whole: bool


_PLACE = TypeAdapter(Place)


def folder_of(place: str) -> str:
    """The folder for a corpus that was there, from the home."""
    return f"corpora/elsewhere/{hashlib.blake2b(place.encode(), digest_size=8).hexdigest()}"


def place_text(place: Place) -> bytes:
    """The content of place.json."""
    return json.dumps(asdict(place), indent=1).encode()


def read_place(folder: Path) -> Place:
    """Where a corpus was that is not here.

    Raises:
        FileNotFoundError: nothing is kept there.
        RecordError: the file is torn, or this user may not read it.
    """
    step = f"Remove {folder}, and import the study again"
    return read_kept(folder / PLACE, _PLACE, "the note of where a corpus was", step)


def known_of(folder: Path, home: Home) -> Elsewhere | None:
    """What the home keeps of the corpus that was in a folder; None where it knows nothing of it.

    Raises:
        RecordError: the note of it is torn, or this user may not read it.
    """
    for one in (home, *home.earlier):
        kept = home.root / folder_of(one.place_of(folder))
        try:
            place = read_place(kept)
        except FileNotFoundError:
            continue
        return Elsewhere(kept, place.content, place.whole)
    return None
