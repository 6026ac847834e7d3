"""Where the tables of a corpus folder lie, and what is reported where one is missing or cannot be opened."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from mmcore.data.sources.problems import Tell, stop
from mmcore.errors import CorpusError, nearest, not_utf8
from mmcore.files import found_by_system, next_step_of
from mmcore.names import nfc
from mmcore.schema import CorpusSchema

SUFFIXES = (".parquet", ".csv", ".feather")
"""The forms of a table, by the suffix of its file."""


def table_names(schema: CorpusSchema) -> list[str]:
    """The folders that hold tables: every modality, and the targets where they are a table of their own."""
    return [*schema.modalities] + ([] if schema.targets_are_features else [schema.targets.from_])


def table_paths(folder: Path, name: str, items: Iterable[str], tell: Tell = stop) -> dict[str, Path]:
    """Item name to its file; items without one are left out. Names are compared in NFC.

    Args:
        folder: the corpus. name: of the modality or target table. items: names.
        tell: see :mod:`mmcore.data.sources.problems`; an item with a fault has no table.

    Raises:
        CorpusError: an item has two tables, a table is a folder, the folder cannot be read, or a link leads out of the
            corpus.
    """
    place = _inside(folder, name)
    refuse_outside(folder, place)
    present: dict[str, list[str]] = {}
    for entry in _listing(place):
        present.setdefault(nfc(entry), []).append(entry)
    paths: dict[str, Path] = {}
    shouted = {
        stem + suffix.lower(): entry
        for entry in present
        for stem, dot, ending in [entry.rpartition(".")]
        if (suffix := dot + ending).lower() in SUFFIXES and suffix not in SUFFIXES
    }
    for item in items:
        found = [entry for suffix in SUFFIXES for entry in present.get(item + suffix, ())]
        if len(found) > 1:
            tell(
                CorpusError(
                    f"item '{item}' has two tables of '{name}'",
                    found=" and ".join(found),
                    next_step="Keep one of them",
                    where=str(place),
                )
            )
        elif not found and (wrong := next((shouted[item + s] for s in SUFFIXES if item + s in shouted), None)):
            tell(
                CorpusError(
                    "the name of a table ends in lower-case letters, on every system",
                    expected=" or ".join(SUFFIXES),
                    found=f"'{wrong}'",
                    next_step=f"Rename it to {item}{Path(wrong).suffix.lower()}",
                    where=str(place / present[wrong][0]),
                )
            )
        elif found:
            path = place / found[0]
            if os.path.isdir(path):
                tell(
                    CorpusError(
                        "a table must be a file",
                        found="a folder",
                        next_step="Move it away, or put the table in its place",
                        where=str(path),
                    )
                )
            else:
                if os.path.islink(path):
                    refuse_outside(folder, path)
                paths[item] = path
    return paths


def refuse_outside(folder: Path, path: Path) -> None:
    """Let files of a corpus pass that lie in its folder, also by a link.

    Raises:
        CorpusError: a link leads out of the folder, to a file that is perhaps none of the corpus's business.
    """
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise CorpusError(
            "a file of a corpus must lie in its folder",
            found="a link that leads out of it",
            next_step="Copy the file there, or name the folder that holds the files",
            where=str(path),
        )


def strangers(folder: Path, name: str, items: Iterable[str]) -> list[str]:
    """Files in the folder of a modality or target table that could be tables and belong to no item."""
    known = {item + suffix for item in items for suffix in SUFFIXES}
    return [entry for entry in _listing(_inside(folder, name)) if entry.endswith(SUFFIXES) and nfc(entry) not in known]


def _inside(folder: Path, name: str) -> Path:
    """The folder of a modality, however its name is written on the disk."""
    if name.isascii() or (folder / name).exists():
        return folder / name
    return folder / next((entry for entry in _listing(folder) if nfc(entry) == name), name)


def _listing(folder: Path) -> list[str]:
    """Names in a folder, sorted; none where there is no such folder."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise unreadable(folder, "folder", error) from None


def is_empty(folder: Path) -> bool:
    """Whether a folder is there and holds nothing."""
    return folder.is_dir() and not _listing(folder)


def no_table(folder: Path, name: str, optional: bool = False) -> CorpusError:
    """No item has a table of that name: says what lies there instead.

    Args:
        optional: the items may lack it if its folder is empty.
    """
    others = _listing(folder / name)
    if os.path.isdir(folder / name):
        found = f"{len(others)} other files, such as '{others[0]}'" if others else "an empty folder"
        next_step = "Name each table after its item, as items.csv has it" if others else "Put the tables there"
    else:
        found = "no such folder"
        next_step = nearest(name, [entry for entry in _listing(folder) if os.path.isdir(folder / entry)])
    if optional:
        next_step += f". To predict without '{name}', make an empty folder of that name"
    return CorpusError(
        f"no item has a table of '{name}'",
        expected=f"files {name}/ITEM.parquet, .feather or .csv for the items of items.csv",
        found=found,
        next_step=next_step,
        where=str(folder / name),
    )


def unreadable(path: Path, what: str, error: OSError) -> CorpusError:
    """A file or folder that the system does not open."""
    return CorpusError(
        f"the {what} cannot be read",
        found=found_by_system(error),
        next_step=next_step_of(path, error),
        where=str(path),
    )


def no_utf8(path: Path, error: UnicodeDecodeError) -> CorpusError:
    """A text file in another encoding; the error is that of the whole file."""
    byte, line = not_utf8(error)
    return CorpusError("the file must be UTF-8 text", found=byte, next_step="Save it as UTF-8", where=f"{path}:{line}")
