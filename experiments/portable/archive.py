"""The archive of a study: a zip file, written whole or not at all, and read without trust in it."""

from __future__ import annotations

import errno
import hashlib
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from experiments.portable.manifest import MANIFEST, MOST_BYTES, MOST_FILES, Manifest, Packed, broken, parse_manifest
from mmcore.atomic import room_in, write_atomically
from mmcore.errors import RecordError
from mmcore.files import open_file, unopened

_PART = 1 << 20
_MOST = 1 << 42
"""Bytes that an archive may unpack to: 4 TiB."""
_RATIO, _SMALL = 200, 1 << 30
"""Bytes that may come out of one byte, and those that are let pass in any case."""


@dataclass(frozen=True)
class Enclosed:
    """A file for an archive: a path on the disk, or its content."""

    name: str
    source: Path | bytes


def write_archive(path: Path, manifest: Manifest, files: Iterable[Enclosed]) -> Manifest:
    """Write an archive; the files in the manifest are those given.

    Raises:
        OSError: names the file that cannot be read, or ``path``; nothing is left behind.
    """
    whole: list[Manifest] = []

    def write(out: IO[bytes]) -> None:
        packed: list[Packed] = []
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for one in files:
                packed.append(_pack(archive, one))
            done = replace(manifest, files=tuple(packed))
            archive.writestr(_entry(MANIFEST), done.to_json())
            whole.append(done)

    with room_in(path.parent):
        write_atomically(path, write)
    return whole[0]


def _entry(name: str) -> zipfile.ZipInfo:
    """Without times, so that they do not tell two exports of one study apart."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    # Weights and Parquet are compressed already.
    entry.compress_type = zipfile.ZIP_STORED if name.endswith((".pt", ".parquet")) else zipfile.ZIP_DEFLATED
    return entry


def _pack(archive: zipfile.ZipFile, one: Enclosed) -> Packed:
    digest, size = hashlib.sha256(), 0
    with archive.open(_entry(one.name), "w", force_zip64=True) as out:
        for part in _parts(one.source):
            out.write(part)
            digest.update(part)
            size += len(part)
    return Packed(one.name, size, digest.hexdigest())


def _parts(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with open_file(source) as file:
        while part := file.read(_PART):
            yield part


@dataclass(frozen=True)
class Archive:
    """An archive whose claims were checked; its files were not read yet.

    Args:
        path: where it is.
        manifest: what it says of itself.
    """

    path: Path
    manifest: Manifest
    _zip: zipfile.ZipFile

    def unpack(self, folder: Path) -> None:
        """Write all files into an empty folder, by their names, once their hashes are right.

        Raises:
            RecordError: a file is torn, or not the one that the manifest names.
            MMStudyError: the disk is full.
        """
        with room_in(folder), _reading(self.path):
            for packed in self.manifest.files:
                self._unpack(packed, folder / packed.path)

    def _unpack(self, packed: Packed, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        with self._zip.open(packed.path) as file, place.open("xb") as out:
            while part := file.read(_PART):
                size += len(part)
                if size > packed.size:
                    break
                out.write(part)
                digest.update(part)
        if size != packed.size or digest.hexdigest() != packed.sha256:
            rule = "a file of an archive must be the one that was exported: its hash differs"
            raise broken(f"{self.path}:{packed.path}", rule, digest.hexdigest())


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open an archive and check what it claims before anything is unpacked.

    Raises:
        RecordError: it is torn, no archive of a study, claims too much, or holds names that lead elsewhere.
    """
    try:
        file = open_file(path)
    except OSError as problem:
        raise unopened(RecordError, "the archive", path, problem) from None
    with file:
        with _reading(path):
            archive = zipfile.ZipFile(file)
        with archive:
            _check_claims(archive, path)
            with _reading(path):
                text = archive.read(MANIFEST)
            manifest = parse_manifest(text, f"{path}:{MANIFEST}")
            _check_files(archive, manifest, path)
            yield Archive(path, manifest, archive)


def _check_claims(archive: zipfile.ZipFile, path: Path) -> None:
    entries = archive.infolist()
    where, whole = str(path), path.stat().st_size
    if len(entries) > MOST_FILES:
        raise broken(where, f"an archive holds at most {MOST_FILES:,} files", f"{len(entries):,}")
    for entry in entries:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or not entry.filename or entry.filename.endswith("/"):
            raise broken(where, "an archive of a study holds plain files only", ascii(entry.filename)[:100])
        if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            rule = "files of an archive are stored or deflated, without a password"
            raise broken(where, rule, ascii(entry.filename)[:100])
    claimed, packed = (sum(getattr(e, size) for e in entries) for size in ("file_size", "compress_size"))
    # Parts that lie over one another let a small file claim any size.
    if packed > whole or claimed > _MOST or (claimed > _SMALL and claimed > _RATIO * whole):
        raise RecordError(
            f"an archive may unpack to at most {_MOST >> 40} TiB, and to {_RATIO} times its size",
            found=f"{claimed / 2**30:,.1f} GiB from {whole:,} bytes",
            where=where,
            next_step="mmstudy home export writes no such archive: do not use it",
        )
    sizes = [entry.file_size for entry in entries if entry.filename == MANIFEST]
    if len(sizes) != 1 or sizes[0] > MOST_BYTES:
        found = "none" if not sizes else f"{len(sizes)} of {max(sizes):,} bytes"
        raise broken(where, f"the archive of a study has one {MANIFEST}", found)


def _check_files(archive: zipfile.ZipFile, manifest: Manifest, path: Path) -> None:
    claimed = sorted((entry.filename, entry.file_size) for entry in archive.infolist() if entry.filename != MANIFEST)
    said = sorted((packed.path, packed.size) for packed in manifest.files)
    if claimed != said:
        odd = next(iter(sorted({*claimed} ^ {*said})), ("a name that is there twice", 0))
        raise broken(
            str(path), "an archive holds the files that its manifest names, and no others", ascii(odd[0])[:100]
        )


def refuse_without_room(manifest: Manifest, folder: Path) -> None:
    """Refuse an archive that the disk cannot hold.

    Raises:
        RecordError: names what is needed and what is free.
    """
    needed, free = sum(packed.size for packed in manifest.files), shutil.disk_usage(folder).free
    if needed > free:
        raise RecordError(
            "there must be room for what the archive holds",
            expected=f"{needed:,} bytes",
            found=f"{free:,} free",
            where=str(folder),
            next_step="Make room, or name another home with --home",
        )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        # zipfile seeks where the archive says; a name is there where the disk is at fault.
        if problem.errno != errno.EINVAL or problem.filename is not None:
            raise
        raise broken(str(path), "the file must be a whole zip archive", f"OSError: {problem}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as problem:
        raise broken(
            str(path), "the file must be a whole zip archive", f"{type(problem).__name__}: {problem}"
        ) from None
