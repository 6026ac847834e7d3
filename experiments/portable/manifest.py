"""What the archive of a study says of itself: ``manifest.json``, the first of its files."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from experiments.elsewhere import Place
from mmcore.complaints import complaint
from mmcore.errors import RecordError

FORMAT = 1
MANIFEST = "manifest.json"
MOST_BYTES = 256 * 2**20
"""Of a manifest."""
MOST_FILES = 5_000_000


@dataclass(frozen=True)
class Packed:
    """A file of an archive.

    Args:
        path: its name in the archive.
        size: in bytes.
        sha256: of its content, in hexadecimal digits.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Requested:
    """The options that the study was exported with, as on the command line.

    Args:
        corpus: where the corpus was, as seen from the home, or ``simulated:SIZE[:SEED]``; None: the study's own.
        preset, repeats, metric, match: None: the study's own.
        changes: dotted path to value.
    """

    corpus: str | None
    preset: str | None
    repeats: str | None
    metric: str | None
    match: str | None
    changes: dict[str, Any]


@dataclass(frozen=True)
class Manifest:
    """What an archive holds.

    Args:
        format: of archives.
        mmstudy: version that wrote it.
        study: the study's name.
        file: where its file was, as seen from the home; None: it is one of the catalogue.
        asked: the options.
        corpus: where its corpus was, and its content key; None of a study with training code of its own.
        runs: fingerprints, in order.
        code: files beside the study's file that belong to it; see :mod:`experiments.portable.code`.
        files: all files but the manifest.
    """

    format: int
    mmstudy: str
    study: str
    file: str | None
    asked: Requested
    corpus: Place | None
    runs: tuple[str, ...]
    code: tuple[str, ...]
    files: tuple[Packed, ...]

    def to_json(self) -> bytes:
        """As it stands in the archive."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2)


_MANIFEST = TypeAdapter(Manifest)
_NO_ARCHIVE = "mmstudy home export writes such archives; copy or export it again"


def parse_manifest(text: bytes, where: str) -> Manifest:
    """The manifest of an archive, once every value in it has the right type and every name is a safe one.

    Raises:
        RecordError: it is torn, of another format, or names files outside the home.
    """
    try:
        said = orjson.loads(text)
    except ValueError as problem:
        raise broken(where, "the manifest must be whole JSON", str(problem)) from None
    found = said.get("format") if isinstance(said, dict) else None
    if found != FORMAT:
        raise RecordError(
            "the archive has another format",
            expected=str(FORMAT),
            found=repr(found)[:40],
            where=where,
            next_step="Import it with the version of mmstudy that wrote it, or a later one",
        )
    try:
        manifest = _MANIFEST.validate_json(text, strict=True)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise broken(where, f"'{place}' of the manifest {complaint(first)}", repr(first["input"])) from None
    _check_names(manifest, where)
    return manifest


def broken(where: str, rule: str, found: str) -> RecordError:
    """An archive that is torn, or was not written by mmstudy."""
    return RecordError(rule, found=found[:200], where=where, next_step=_NO_ARCHIVE)


_FINGERPRINT = r"[0-9a-f]{32}"
_SAFE = r"[^\W_][^\x00-\x1f\x7f/\\:*?\"<>|]{0,199}"
"""A name in a folder: no separator, no drive, no dot at its beginning, no control character."""
_ITEM = r"[^\x00-\x1f\x7f/\\:*?\"<>|]{1,200}"
"""What a modality or an item may be called; see :func:`mmcore.data.sources.items_file.check_item_name`."""
_LAYOUT = re.compile(
    rf"runs/{_FINGERPRINT}/(?:record\.json|config\.json|history\.json|normalisation\.json|items\.csv|error\.txt"
    rf"|output\.log|checkpoints/best\.pt|analyses/{_SAFE}\.json)"
    rf"|study\.yaml|asked\.json|looks\.json|search\.journal"
    rf"|corpus/(?:corpus\.yaml|items\.csv|{_ITEM}/{_ITEM}\.(?:parquet|csv|feather))"
    rf"|prepared/{_FINGERPRINT}/(?:index|quality|columns)\.json"
)
_CODE = re.compile(r"code(?:/\w[^\x00-\x1f\x7f/\\:*?\"<>|]{0,199})+")
"""Beside the study; a name may begin with an underscore there."""


def _check_names(manifest: Manifest, where: str) -> None:
    if not re.fullmatch(_SAFE, manifest.study):
        raise broken(where, "the manifest must name a study", ascii(manifest.study))
    names = [packed.path for packed in manifest.files]
    for packed in manifest.files:
        if not (_LAYOUT.fullmatch(packed.path) or _CODE.fullmatch(packed.path)) or _steps_out(packed.path):
            raise broken(where, "an archive of a study holds only files that a home or a study has", ascii(packed.path))
        if packed.size < 0 or not re.fullmatch(r"[0-9a-f]{64}", packed.sha256):
            raise broken(where, "the manifest must give size and hash of each file", ascii(packed.path))
    if len(set(names)) < len(names):
        raise broken(where, "an archive holds each file once", "a name that is there twice")
    if any(not re.fullmatch(_FINGERPRINT, run) for run in manifest.runs):
        raise broken(where, "runs are named by 32 hexadecimal digits", "another name")
    recorded = {name.split("/")[1] for name in names if name.startswith("runs/") and name.endswith("/record.json")}
    if recorded != set(manifest.runs) or {n.split("/")[1] for n in names if n.startswith("runs/")} != recorded:
        raise broken(where, "each run of an archive has a record", "files of a run without one")
    if {f"code/{name}" for name in manifest.code} != {name for name in names if name.startswith("code/")}:
        raise broken(where, "the manifest must name all code of an archive", "other files of code")
    if manifest.file is not None and ("study.yaml" not in names or not _is_place_of_yaml(manifest.file)):
        raise broken(where, "the manifest must say where the study's file was", ascii(manifest.file))


def _steps_out(name: str) -> bool:
    return PurePosixPath(name).is_absolute() or any(part in ("", ".", "..") for part in name.split("/"))


def _is_place_of_yaml(place: str) -> bool:
    return PurePosixPath(place).suffix in (".yaml", ".yml") and "\\" not in place and "\0" not in place
