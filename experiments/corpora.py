"""Which corpus a study reads: a folder, or a simulated corpus that is made on first use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from filelock import FileLock

from experiments.home import Home
from mmcore.atomic import room_in
from mmcore.data.sources.folder import Item, content_key, read_items, read_schema
from mmcore.data.sources.simulated import Size, simulate, simulated_items, simulated_schema
from mmcore.errors import CorpusError, nearest
from mmcore.events import Note, OnEvent, ignore
from mmcore.schema import CorpusSchema


@dataclass(frozen=True)
class CorpusPlace:
    """Where a corpus is, or will be.

    Args:
        folder: its folder.
        simulated: size and seed of a simulated corpus; None: a folder of the user's.
    """

    folder: Path
    simulated: tuple[Size, int] | None

    @property
    def exists(self) -> bool:
        """Whether it can be read now."""
        return (self.folder / "corpus.yaml").exists()

    def schema(self) -> CorpusSchema:
        """Its schema, known for a simulated corpus before it is made.

        Raises:
            CorpusError: no corpus there, or a broken one.
        """
        if self.simulated is not None and not self.exists:
            return simulated_schema(self.simulated[0])
        return read_schema(self.folder)

    def content(self) -> str | None:
        """Its content key; None for a simulated corpus that is not made yet."""
        return content_key(self.folder) if self.exists else None

    def ensure(self, on_event: OnEvent = ignore) -> Path:
        """Its folder; a simulated corpus is made if need be, by one process at a time."""
        if self.simulated is not None and not self.exists:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder.with_suffix(".lock")):
                if not self.exists:
                    size, seed = self.simulated
                    on_event(Note(f"simulating the {size} corpus (seed {seed}) in {self.folder}"))
                    with room_in(self.folder):
                        simulate(self.folder, size, seed)
        return self.folder


def locate(spec: str, home: Home) -> CorpusPlace:
    """Read ``simulated:SIZE[:SEED]`` or a folder.

    Raises:
        CorpusError: unknown size, or no folder with a corpus.yaml.
    """
    if spec == "simulated" or spec.startswith("simulated:"):
        found = re.fullmatch(r"simulated(?::(\w+))?(?::(\d+))?", spec)
        sizes = list(get_args(Size))
        size = (found[1] or "quick") if found else spec
        if found is None or size not in sizes:
            raise CorpusError(f"'{spec}' names no simulated corpus", next_step=nearest(size, sizes))
        seed = int(found[2] or 0)
        return CorpusPlace(home.corpora / f"simulated-{size}-{seed}", (cast(Size, size), seed))
    folder = Path(spec).resolve()
    place = CorpusPlace(folder, None)
    if not place.exists:
        raise CorpusError(
            "a corpus is a folder with a corpus.yaml",
            found="no such folder" if not folder.exists() else "a folder without one",
            where=str(folder),
            next_step="Make one with mmstudy data import or data simulate, or name simulated:quick",
        )
    return place


def items_of(place: CorpusPlace) -> tuple[Item, ...]:
    """The items of a corpus; those of a simulated one are known before it is made."""
    if place.exists or place.simulated is None:
        return read_items(place.folder / "items.csv")
    return tuple(Item(name, name, None, {}) for name in simulated_items(*place.simulated))
