"""The importers by the name that the command line gives them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmcore.data.importers.sample import Imported, Options
from mmcore.errors import CorpusError, nearest

KINDS = ("csd", "mmsa", "mult", "datasets", "numpy")


def import_kind(kind: str, paths: Sequence[Path], out: Path | None, options: Options) -> Imported:
    """Convert files of a kind into a corpus.

    Args:
        kind: one of :data:`KINDS`.
        paths: what to read: one file or folder; csd: one or more.
        out: the new corpus's folder.
        options: what the user says about the files.

    Raises:
        CorpusError: no folder to write to, a path that is not there, or whatever the importer finds.
    """
    if out is None:
        raise CorpusError(
            "an import needs a folder to write to", next_step="Name a new one: --out DIR", where=str(paths[0])
        )
    for path in paths:
        if not path.exists():
            raise CorpusError(
                "the file or folder to convert must be there",
                found="nothing of that name",
                next_step="Check the path",
                where=str(path),
            )
    match kind:
        case "csd":
            from mmcore.data.importers.csd import import_csd

            return import_csd(paths, out, options)
        case "mmsa":
            from mmcore.data.importers.mmsa import import_mmsa

            return import_mmsa(only_path(kind, paths), out, options)
        case "mult":
            from mmcore.data.importers.mult import import_mult

            return import_mult(only_path(kind, paths), out, options)
        case "datasets":
            from mmcore.data.importers.hugging_face import import_datasets

            return import_datasets(only_path(kind, paths), out, options)
        case "numpy":
            from mmcore.data.importers.arrays import import_numpy

            return import_numpy(only_path(kind, paths), out, options)
        case _:
            raise CorpusError(f"kind '{kind}' is unknown", next_step=nearest(kind, KINDS))


def only_path(kind: str, paths: Sequence[Path]) -> Path:
    """The one path that most kinds take.

    Raises:
        CorpusError: several paths.
    """
    if len(paths) != 1:
        raise CorpusError(
            f"{kind} takes one path",
            found=", ".join(map(str, paths))[:200],
            next_step="Import them one by one, each into a folder of its own",
        )
    return paths[0]
