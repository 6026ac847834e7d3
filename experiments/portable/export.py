"""Writing a study with its runs as one file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import mmcore
from experiments.corpora import prepared_for
from experiments.earlier_looks import write_note
from experiments.elsewhere import STORED, Place
from experiments.examine import is_torn
from experiments.home import Home
from experiments.planning.plan import AnyPlan, plan
from experiments.planning.request import AnyConfig, AnyRequest, PlannedRun, Request, trains_itself
from experiments.portable.archive import Enclosed, write_archive
from experiments.portable.code import code_of
from experiments.portable.manifest import FORMAT, Manifest, Requested
from experiments.records import ANSWERS, RECORD, is_locked, read_record
from mmcore.config import RunConfig
from mmcore.data.prepared import store_path
from mmcore.data.sources.folder import content_key, read_items, read_schema
from mmcore.data.sources.table_files import table_names, table_paths
from mmcore.errors import CorpusError, RecordError, StoreError
from mmcore.events import OnEvent, ignore
from mmcore.fingerprint import training_fingerprint
from studies.study import CATALOGUE

USUALLY = 256 * 2**20
"""Bytes of all checkpoints up to which they travel unless it is said otherwise."""
_FILES = ("config.json", "history.json", "normalisation.json", "items.csv", "error.txt", "output.log")


@dataclass(frozen=True)
class Exported:
    """An archive that was written.

    Args:
        path: where it is.
        size: in bytes.
        runs: that it holds, and those of the study that are not finished.
        checkpoints: how many it holds, and their bytes; and whether there were more.
        corpus: whether it holds the corpus; None of a study without one.
        code: names of files of code.
    """

    path: Path
    size: int
    runs: int
    unfinished: int
    checkpoints: int
    checkpoint_bytes: int
    left_out: bool
    corpus: bool | None
    code: tuple[str, ...]


def export_study(
    request: AnyRequest,
    home: Home,
    path: Path,
    *,
    checkpoints: bool | None = None,
    corpus: bool = False,
    on_event: OnEvent = ignore,
) -> Exported:
    """Write a study with its finished runs, the answers of their analyses and its searches as one file.

    Args:
        request: the study, opened.
        path: of the new archive.
        checkpoints: whether the weights that were scored travel, which analyses need; None: if they have at most
            :data:`USUALLY` bytes together.
        corpus: whether the corpus travels. Without it a report can be written elsewhere, but nothing trained.

    Raises:
        StoreError: there is something at ``path`` already.
        RecordError: no run is finished, or a record is broken.
        StudyError, CorpusError: the study's code or corpus cannot travel.
    """
    if os.path.lexists(path):
        raise StoreError(
            "an export overwrites nothing",
            found="a file or folder of that name",
            where=str(path),
            next_step="Choose another name, or move that one away",
        )
    todo = plan(request, home)
    names = _runs(todo, home)
    if not names:
        raise RecordError(
            f"study '{request.study.name}' has no finished run yet, so there is nothing to export",
            where=str(home.runs),
            next_step="mmstudy run trains its runs",
        )
    weights = [best for name in names if (best := _checkpoint(home, name)).is_file()]
    weight = sum(best.stat().st_size for best in weights)
    sent = weights if checkpoints or (checkpoints is None and weight <= USUALLY) else []
    code = code_of(request)
    with tempfile.TemporaryDirectory() as scratch:
        manifest = write_archive(
            path,
            _manifest(request, home, names, code, corpus),
            _enclosed(todo, home, names, code, sent, corpus, Path(scratch), on_event),
        )
    done = {run.fingerprint for run in todo.runs} & {*names}
    return Exported(
        path, path.stat().st_size, len(names), len(todo.runs) - len(done), len(sent),
        weight if sent else 0, len(sent) < len(weights), corpus if manifest.corpus else None, manifest.code,
    )  # fmt: skip


def _runs(todo: AnyPlan, home: Home) -> list[str]:
    """Fingerprints of finished runs, those that train for others and those of trials among them; each record whole."""
    request = todo.request
    names = [name for run in (*todo.runs, *todo.later) for name in _with_training(run, request)]
    if request.searches:
        from experiments.tuning.travel import runs_of

        names += runs_of(request)
    finished = [name for name in dict.fromkeys(names) if not is_locked(home.run(name))]
    return sorted(name for name in finished if read_record(home.run(name)) is not None)


def _with_training(run: PlannedRun[AnyConfig], request: AnyRequest) -> Iterator[str]:
    if run.fingerprint is not None:
        yield run.fingerprint
        if isinstance(run.config, RunConfig):
            yield training_fingerprint(run.config, request.content or "")


def _checkpoint(home: Home, name: str) -> Path:
    return home.run(name) / "checkpoints" / "best.pt"


def _manifest(request: AnyRequest, home: Home, names: Sequence[str], code: dict[str, Path], corpus: bool) -> Manifest:
    options = request.options
    own = request.file.parent != CATALOGUE
    place = None
    if trains_itself(request):
        assert request.content is not None, "a study with finished runs has a corpus"
        place = Place(home.place_of(request.place.folder), request.content, corpus)
    given = None if options.corpus is None else str(options.corpus)
    if place is not None and given is not None and not given.startswith("simulated"):
        given = place.place
    return Manifest(
        format=FORMAT,
        mmstudy=mmcore.__version__,
        study=request.study.name,
        file=home.place_of(request.file) if own else None,
        asked=Requested(
            given,
            options.preset,
            None if options.repeats is None else str(options.repeats),
            options.metric,
            options.match,
            dict(options.changes),
        ),
        corpus=place,
        runs=tuple(names),
        code=tuple(code),
        files=(),
    )


def _enclosed(
    todo: AnyPlan,
    home: Home,
    names: Sequence[str],
    code: dict[str, Path],
    weights: Sequence[Path],
    corpus: bool,
    scratch: Path,
    on_event: OnEvent,
) -> Iterator[Enclosed]:
    request = todo.request
    if request.file.parent != CATALOGUE:
        yield Enclosed("study.yaml", request.file)
    yield from (Enclosed(f"code/{name}", path) for name, path in code.items())
    if trains_itself(request):
        yield from _corpus(request, home, corpus, on_event)
    asked = home.request(request.search_key)
    if asked.is_file():
        yield Enclosed("asked.json", asked)
    if write_note(todo, home, looks := scratch / "looks.json"):
        yield Enclosed("looks.json", looks)
    if request.searches:
        from experiments.tuning.travel import send

        send(request, home, journal := scratch / "search.journal")
        if journal.is_file():
            yield Enclosed("search.journal", journal)
    for name in names:
        folder = home.run(name)
        yield from (Enclosed(f"runs/{name}/{file}", folder / file) for file in _FILES if (folder / file).is_file())
        for answer in sorted((folder / ANSWERS).glob("*.json")):
            if not is_torn(answer):
                yield Enclosed(f"runs/{name}/{ANSWERS}/{answer.name}", answer)
        if (best := _checkpoint(home, name)) in weights:
            yield Enclosed(f"runs/{name}/checkpoints/best.pt", best)
        yield Enclosed(f"runs/{name}/{RECORD}", folder / RECORD)


def _corpus(request: Request, home: Home, whole: bool, on_event: OnEvent) -> Iterator[Enclosed]:
    """What plans and reports read of a corpus; with ``whole`` its tables, too."""
    place, config = request.place, request.study.arms[0].config.data
    store = store_path(request.content or "", config, place.stores(home))
    if place.elsewhere is None and not (store / "index.json").is_file():
        store = prepared_for(place.folder, config, home, on_event).path
    yield from (Enclosed(f"prepared/{store.name}/{n}", store / n) for n in STORED if (store / n).is_file())
    folder = place.ensure() if whole else place.folder if place.elsewhere is None else place.elsewhere.folder
    for name in ("corpus.yaml", "items.csv"):
        yield Enclosed(f"corpus/{name}", folder / name)
    if not whole:
        return
    items = [item.name for item in read_items(folder / "items.csv")]
    for table in table_names(read_schema(folder)):
        for item, path in table_paths(folder, table, items).items():
            yield Enclosed(f"corpus/{table}/{item}{path.suffix}", path)
    if content_key(folder) != request.content:
        raise CorpusError(
            "the corpus changed while it was exported", where=str(folder), next_step="Run the same command again"
        )
