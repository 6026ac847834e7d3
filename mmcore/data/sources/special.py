"""Files that must not be opened as they are: FIFOs, devices, archives that unpack to more than a machine holds."""

from __future__ import annotations

import zipfile
from pathlib import Path

from mmcore.data.sources.arrow_claims import RATIO, SMALL, refuse_arrow_bomb
from mmcore.data.sources.table_files import unreadable
from mmcore.errors import CorpusError
from mmcore.files import refuse_special

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
