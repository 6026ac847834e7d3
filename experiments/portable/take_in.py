"""Taking the archive of a study into a home: nothing is placed before all of it is known to be right."""

from __future__ import annotations

import filecmp
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout

from experiments.elsewhere import PLACE, folder_of, place_text
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.planning.request import AnyRequest, Options, read_request
from experiments.portable.archive import Archive, opened, refuse_without_room
from experiments.portable.manifest import Manifest
from experiments.records import LOCK, RECORD, read_record
from experiments.shown_path import near
from mmcore.atomic import room_in
from mmcore.data.sources.folder import content_key
from mmcore.errors import RecordError, StudyError
from mmcore.language import number_of
from studies.repeats import parse_repeats
from studies.study import read_study

IMPORTING = ".import-"
"""How the folders begin in which archives are unpacked, in the home."""
IMPORT_LOCK = "import.lock"


@dataclass(frozen=True)
class Imported:
    """What an import has done.

    Args:
        request: the study, opened in this home.
        study: its file; None: it is one of the catalogue.
        placed, known: runs that are new here, and those that were here already.
        done, planned: of the study's runs as this version plans them.
        searches: that were copied.
        code: files of code that were placed or were there already.
        corpus: whether the corpus came along.
    """

    request: AnyRequest
    study: Path | None
    placed: int
    known: int
    done: int
    planned: int
    searches: int
    code: tuple[Path, ...]
    corpus: bool


def import_study(path: Path, home: Home, *, with_code: bool = False) -> Imported:
    """Take the archive of a study into a home.

    The archive is unpacked into a folder of its own and checked whole. Files that are there already with the same bytes
    are left; with other bytes the import is refused, and changes nothing. A run's record is placed last, so a run is
    there wholly or not at all. After an interruption the same call goes on.

    Args:
        path: the archive.
        home: made where it is missing.
        with_code: whether code may be placed beside the study's file, for studies with parts or training code of their
            own. Commands on such a study run this code.

    Raises:
        RecordError: the archive is broken or claims too much; the home holds something else in place of a file.
        StudyError: the archive brings code and ``with_code`` is not given, or its study cannot be read.
    """
    with opened(path) as archive:
        if archive.manifest.code and not with_code:
            raise _brings_code(archive)
        home.make("Name a home of your own with --home DIR")
        refuse_without_room(archive.manifest, home.root)
        with _alone(home), _scratch(home) as scratch:
            archive.unpack(scratch)
            _check(scratch, archive)
            return _take(scratch, archive, home)


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    """One import at a time; what killed ones left is removed."""
    try:
        with FileLock(home.root / IMPORT_LOCK, timeout=0):
            for leftover in home.root.glob(f"{IMPORTING}*"):
                shutil.rmtree(leftover, ignore_errors=True)
            yield
    except Timeout:
        raise RecordError(
            "one archive at a time is imported into a home",
            found="another import at work",
            where=str(home.root),
            next_step="Wait until it ends, then run the same command again",
        ) from None


@contextmanager
def _scratch(home: Home) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=IMPORTING, dir=home.root, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _brings_code(archive: Archive) -> StudyError:
    names = ", ".join(archive.manifest.code[:5])
    return StudyError(
        "an archive with code is imported only if you say so, since commands on its study run this code",
        found=f"{number_of(len(archive.manifest.code), 'file')}: {names}"[:200],
        where=str(archive.path),
        next_step="Read the files in its folder code/, then import with --with-code if you trust them",
    )


def _check(scratch: Path, archive: Archive) -> None:
    """Read what was unpacked, as later commands will: records belong to their folders, the corpus to its key."""
    manifest = archive.manifest
    for name in manifest.runs:
        try:
            read_record(scratch / "runs" / name)
        except RecordError as problem:
            raise RecordError(
                problem.rule,
                expected=problem.expected,
                found=problem.found,
                where=f"{archive.path}:runs/{name}/{RECORD}",
                next_step="Export the study again",
            ) from None
    if (scratch / "study.yaml").exists():
        read_study(scratch / "study.yaml")
    place = manifest.corpus
    if place is not None and place.whole and content_key(scratch / "corpus") != place.content:
        raise RecordError(
            "the corpus of an archive must be the one that its runs were trained on",
            expected=f"content key {place.content}",
            found=content_key(scratch / "corpus"),
            where=str(archive.path),
            next_step="Export the study again",
        )


def _take(scratch: Path, archive: Archive, home: Home) -> Imported:
    manifest = archive.manifest
    study = None if manifest.file is None else _study_place(manifest.file, home)
    name = manifest.study if study is None else near(study)
    runs, others, code = _places(scratch, manifest, home, study)
    for moves in (others, *runs.values()):
        for source, target in moves.items():
            _refuse_other(source, target, archive)
    with room_in(home.root):
        _move(others)
        options = _options(manifest, home)
        request = read_request(name, home, options)
        searches = _searches(scratch, request, home, archive)
        placed = [run for run, moves in runs.items() if _place_run(home.run(run), moves, archive)]
    request = open_request(name, home, options)
    planned = plan(request, home)
    return Imported(
        request,
        study,
        len(placed),
        len(runs) - len(placed),
        planned.count("done") + planned.count("failed"),
        len(planned.runs),
        searches,
        code,
        bool(manifest.corpus and manifest.corpus.whole),
    )


def _places(
    scratch: Path, manifest: Manifest, home: Home, study: Path | None
) -> tuple[dict[str, dict[Path, Path]], dict[Path, Path], tuple[Path, ...]]:
    """Where each file goes: those of runs, then all others; and where the code goes. Each record is its run's last."""
    runs: dict[str, dict[Path, Path]] = {name: {} for name in manifest.runs}
    others: dict[Path, Path] = {}
    code: list[Path] = []
    about = None if manifest.corpus is None else home.root / folder_of(manifest.corpus.place)
    for packed in sorted(manifest.files, key=lambda packed: (packed.path.endswith(f"/{RECORD}"), packed.path)):
        source, (room, *rest) = scratch / packed.path, packed.path.split("/")
        match room:
            case "runs":
                runs[rest[0]][source] = home.run(rest[0]).joinpath(*rest[1:])
            case "corpus" | "prepared" if about is not None:
                others[source] = about.joinpath(room, *rest)
            case "study.yaml" if study is not None:
                others[source] = study
            case "code" if study is not None:
                others[source] = study.parent.joinpath(*rest)
                code.append(others[source])
            case _:
                pass
    if manifest.corpus is not None and about is not None:
        note = scratch / PLACE
        note.write_bytes(place_text(manifest.corpus))
        others[note] = about / PLACE
    return runs, others, tuple(code)


def _study_place(place: str, home: Home) -> Path:
    """Where the study's file goes: as it was seen from the home; one from elsewhere goes beside the home."""
    for start, root in (("../", home.root.parent), ("", home.root)):
        rest = PurePosixPath(place.removeprefix(start))
        if place.startswith(start) and not rest.is_absolute() and ".." not in rest.parts and ":" not in place:
            return root / rest
    return home.root.parent / PurePosixPath(place).name


def _refuse_other(source: Path, target: Path, archive: Archive) -> None:
    if os.path.lexists(target) and not (target.is_file() and filecmp.cmp(source, target, shallow=False)):
        raise RecordError(
            "an import overwrites nothing: the file here differs from that of the archive",
            expected=f"the same bytes as {archive.path}:{source.name}",
            found="other bytes, perhaps of a training of your own" if target.is_file() else "no file",
            where=str(target),
            next_step="Import the archive into another home: --home DIR",
        )


def _move(moves: dict[Path, Path]) -> int:
    """Place files that are not there yet, each in one step."""
    placed = 0
    for source, target in moves.items():
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(source, _beside(target))
            os.replace(_beside(target), target)
            placed += 1
    return placed


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}-import.tmp")


def _place_run(folder: Path, moves: dict[Path, Path], archive: Archive) -> bool:
    """Place a run, its record last; whether it is new here.

    Raises:
        RecordError: a process trains it now, or has done so meanwhile.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK, timeout=0):
            for source, target in moves.items():
                _refuse_other(source, target, archive)
            new = not (folder / RECORD).exists()
            _move(moves)
            return new
    except Timeout:
        raise RecordError(
            "a run of the archive is being trained here",
            found="a process at work on it",
            where=str(folder),
            next_step="Wait until it ends, or import the archive into another home: --home DIR",
        ) from None


def _options(manifest: Manifest, home: Home) -> Options:
    asked = manifest.asked
    corpus = asked.corpus
    if corpus is not None and not corpus.startswith("simulated"):
        inside, root = ("../", home.root.parent) if corpus.startswith("../") else ("", home.root)
        corpus = near(root / corpus.removeprefix(inside))
    try:
        repeats = None if asked.repeats is None else parse_repeats(asked.repeats)
    except ValueError as problem:
        raise StudyError("the archive must name its repeats", found=str(problem)[:100]) from None
    match asked.match:
        case "parameters" | "flops" | "none" | None:
            match_ = asked.match
        case _:
            raise StudyError("the archive must say how arms are matched", found=repr(asked.match)[:40])
    return Options(
        corpus=corpus,
        preset=asked.preset,
        repeats=repeats,
        metric=asked.metric,
        match=match_,
        changes=tuple(asked.changes.items()),
    )


def _searches(scratch: Path, request: AnyRequest, home: Home, archive: Archive) -> int:
    """Take over a study's searches, its requested analyses and its earlier looks. Gives how many searches are new."""
    notes = {scratch / "asked.json": home.request(request.search_key), scratch / "looks.json": home.looks(request.key)}
    for note, target in notes.items():
        if note.exists():
            _refuse_other(note, target, archive)
            _move({note: target})
    if not (scratch / "search.journal").exists():
        return 0
    from experiments.tuning.travel import receive

    return receive(request, home, scratch / "search.journal")
