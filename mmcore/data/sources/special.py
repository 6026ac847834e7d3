"""Files that must not be opened as they are: FIFOs, devices, archives that unpack to more than a machine holds."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mmcore.data.sources.arrow_claims import RATIO, SMALL, refuse_arrow_bomb
from mmcore.data.sources.table_files import unreadable
from mmcore.errors import CorpusError
from mmcore.files import refuse_special

TORN = (OSError, ValueError, EOFError, RuntimeError, tokenize.TokenError, SyntaxError, zipfile.BadZipFile, zlib.error)
"""What zipfile and numpy raise for archives and arrays that are torn, encrypted or something else."""
_ARCHIVE_LIMIT = 64 << 30


def refuse_no_file(path: Path) -> None:
    """Let regular files pass.

    Raises:
        CorpusError: it is not there, or it is a folder, a FIFO, a socket or a device.
    """
    try:
        refuse_special(path)
    except OSError as error:
        raise unreadable(path, "file", error) from None


def refuse_bomb(path: Path) -> None:
    """Let archives pass that unpack to something a machine can hold. Whatever is no archive is left to its reader.

    Raises:
        CorpusError: its parts claim too much, by themselves or by the bytes that they are packed in; so do tables of
            Arrow and Feather.
    """
    refuse_no_file(path)
    refuse_arrow_bomb(path)
    try:
        with zipfile.ZipFile(path) as archive:
            claimed = sum(part.file_size for part in archive.infolist())
    except (OSError, zipfile.BadZipFile, ValueError, RuntimeError, NotImplementedError):
        return
    packed = path.stat().st_size
    if claimed > _ARCHIVE_LIMIT or (claimed > SMALL and claimed > RATIO * packed):
        raise CorpusError(
            f"an archive may unpack to at most {_ARCHIVE_LIMIT >> 30} GiB, and to {RATIO} times its size",
            found=f"{claimed / 2**30:,.1f} GiB from {packed:,} bytes",
            next_step="If that is its true content, save it as .npy files",
            where=str(path),
        )


def open_archive(file: BinaryIO) -> np.lib.npyio.NpzFile:
    """The arrays of an .npz archive, without unpickling. The caller closes its file: numpy leaves its own open where
    the archive is torn.

    Raises:
        zipfile.BadZipFile and others of :data:`TORN`: it is torn, or something else, such as an .npy file.
    """
    found = np.load(file, allow_pickle=False)
    if not isinstance(found, np.lib.npyio.NpzFile):
        raise zipfile.BadZipFile("one array, as numpy.save writes it, in place of an archive")
    return found
