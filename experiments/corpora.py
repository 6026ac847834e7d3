"""Which corpus a study reads: a folder, or a simulated corpus that is made on first use.

A study that came from another machine may have left its corpus there: the home then keeps what plans and reports read
of it, see :mod:`experiments.elsewhere`.
"""

from __future__ import annotations

import atexit
import re
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast, get_args

from filelock import FileLock

from experiments.elsewhere import Elsewhere, known_of
from experiments.home import Home
from mmcore.atomic import room_in
from mmcore.config import DataConfig
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared, store_path
from mmcore.data.sources.folder import Item, content_key, read_items, read_schema
from mmcore.data.sources.simulated import Size, simulate, simulated_items, simulated_schema
from mmcore.errors import CorpusError, nearest
from mmcore.events import Note, OnEvent, ignore
from mmcore.language import say
from mmcore.names import refuse_torn_text
from mmcore.schema import CorpusSchema


@dataclass(frozen=True)
class CorpusPlace:
    """Where a corpus is, or will be.

    Args:
        folder: its folder.
        simulated: size and seed of a simulated corpus; None: a folder of the user's.
        elsewhere: what the home keeps of it where it is not here; None: it is here, or was never made.
    """

    folder: Path
    simulated: tuple[Size, int] | None
    elsewhere: Elsewhere | None = None

    @property
    def exists(self) -> bool:
        """Whether it can be read now."""
        return (self.folder / "corpus.yaml").exists()

    def schema(self) -> CorpusSchema:
        """Its schema, known for a simulated corpus before it is made.

        Raises:
            CorpusError: no corpus there, or a broken one.
        """
        if self.elsewhere is not None:
            return read_schema(self.elsewhere.folder)
        if self.simulated is not None and not self.exists:
            return simulated_schema(self.simulated[0])
        return read_schema(self.folder)

    def content(self) -> str | None:
        """Its content key; None for a simulated corpus that is not made yet."""
        if self.elsewhere is not None:
            return self.elsewhere.content
        return content_key(self.folder) if self.exists else None

    def stores(self, home: Home) -> Path:
        """Where its prepared stores lie; of a corpus that is not here they have no arrays."""
        return home.prepared if self.elsewhere is None else self.elsewhere.stores

    def ensure(self, on_event: OnEvent = ignore) -> Path:
        """The folder with its tables; a simulated corpus is made if need be, by one process at a time.

        Raises:
            CorpusError: the corpus did not travel with its study, or has other content here.
        """
        if self.elsewhere is not None and self.elsewhere.whole:
            return self._with_content(self.elsewhere.folder, self.elsewhere.content)
        if self.elsewhere is not None and self.simulated is None:
            raise CorpusError(
                "the corpus of this study is on another machine: reports work without it, training and analyses do not",
                expected=f"a corpus with content key {self.elsewhere.content}",
                found="no such folder",
                where=str(self.folder),
                next_step="Copy the corpus to this folder, or export the study again with --corpus",
            )
        if self.simulated is not None and not self.exists:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder.with_suffix(".lock")):
                if not self.exists:
                    size, seed = self.simulated
                    on_event(
                        Note(
                            say(
                                "simulating the {size} corpus (seed {seed}) in {folder}",
                                size=size,
                                seed=seed,
                                folder=self.folder,
                            )
                        )
                    )
                    with room_in(self.folder):
                        simulate(self.folder, size, seed)
        return self.folder if self.elsewhere is None else self._with_content(self.folder, self.elsewhere.content)

    @staticmethod
    def _with_content(folder: Path, content: str) -> Path:
        if (found := content_key(folder)) != content:
            raise CorpusError(
                "the corpus must have the content that the runs of this study were trained on",
                expected=f"content key {content}",
                found=found,
                where=str(folder),
                next_step="Remove this folder, export the study again with --corpus, and import that",
            )
        return folder


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
        return _place(home.corpora / f"simulated-{size}-{seed}", (cast(Size, size), seed), home)
    refuse_torn_text(Path(spec).absolute(), "the path of a corpus", CorpusError)
    folder = Path(spec).resolve()
    place = _place(folder, None, home)
    if not place.exists and place.elsewhere is None:
        raise CorpusError(
            "a corpus is a folder with a corpus.yaml",
            found="no such folder" if not folder.exists() else "a folder without one",
            where=str(folder),
            next_step="Make one with mmstudy data import or data simulate, or name simulated:quick",
        )
    return place


def _place(folder: Path, simulated: tuple[Size, int] | None, home: Home) -> CorpusPlace:
    place = CorpusPlace(folder, simulated)
    return place if place.exists else CorpusPlace(folder, simulated, known_of(folder, home))


def items_of(place: CorpusPlace) -> tuple[Item, ...]:
    """The items of a corpus; those of a simulated one are known before it is made."""
    if place.elsewhere is not None:
        return read_items(place.elsewhere.folder / "items.csv")
    if place.exists or place.simulated is None:
        return read_items(place.folder / "items.csv")
    return tuple(Item(name, name, None, {}) for name in simulated_items(*place.simulated))


def prepared_for(folder: Path, config: DataConfig, home: Home, on_event: OnEvent = ignore) -> Prepared:
    """The prepared store of a corpus for a command that only reads: in the home, and made there where it is missing.

    In a home that may only be read, a missing one is made in a temporary folder, which ends with this process.

    Raises:
        CorpusError: as :func:`mmcore.data.prepare.prepare`.
    """
    if not home.read_only:
        return prepare(folder, config, home.make().prepared, on_event)
    there = store_path(content_key(folder), config, home.prepared).exists()
    return prepare(folder, config, home.prepared if there else _passing(), on_event)


@cache
def _passing() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="mmstudy-prepared-")
    atexit.register(folder.cleanup)
    return Path(folder.name)
