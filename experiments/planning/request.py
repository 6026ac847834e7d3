"""What is requested: a study with its corpus, or with training code of its own, and options. Imports no torch and no
Optuna.

Writes nothing, with one exception: opening a study on a corpus with one target for each item prepares the corpus.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeAlias

from typing_extensions import TypeIs

from experiments.corpora import CorpusPlace, items_of, locate
from experiments.foreign.source import OwnTraining, runner_digest, source_of
from experiments.home import Home
from experiments.launchers.engine import Engine, LocalEngine
from experiments.planning.checked import check_changes, check_numbers, check_pack, check_texts
from experiments.planning.costs import Costs
from experiments.planning.windows import Fit, Ruler
from mmcore.analyses import ErrorsAnalysis
from mmcore.config import ForeignConfig, RunConfig
from mmcore.errors import StudyError
from mmcore.events import OnEvent, ignore
from mmcore.schema import CorpusSchema
from mmcore.yamlfile import YamlFile
from studies.repeats import AnyRepeats
from studies.resolve import resolve
from studies.resolve_runner import refuse_options, resolve_runner
from studies.resolved import Config, ResolvedStudy
from studies.rules import refuse_unknown_columns
from studies.runner import AnyRunner
from studies.search.results import SearchResult
from studies.study import AUTO, CATALOGUE, Preset, Study, find_study, preset_for, read_preset, read_study

State = Literal["done", "failed", "resume", "to do", "running"]

OPEN: tuple[State, ...] = ("to do", "resume", "running")
"""States of runs that this command would train, or wait for."""


_LOCAL = LocalEngine()


@dataclass(frozen=True)
class Options:
    """What a command line may change on a study.

    Args:
        corpus: a folder, a :class:`experiments.corpus.Corpus` or ``simulated:SIZE[:SEED]``; None: the study's, then the
            preset's.
        preset: a preset's name, or ``auto``; None: the study's.
        repeats, metric: None: the study's.
        changes: dotted path to value, laid over the study's base.
        workers: worker processes; None: as many as the cores can serve.
        threads: CPU threads of each run; None: one.
        device: where to train.
        match: ``parameters``, ``flops`` or ``none``; None: the study's.
        storage: address of a database for searches; None: ``MMSTUDY_STORAGE``, else a file in the home.
        engine: on what the runs are trained.
        pack: runs of one shape that are trained as one batch at most; ``auto``: as many as a graphics card holds, and
            none without one; None: none.

    Raises:
        StudyError: an empty text, a number out of bounds, a path that is set twice, a value that no file can hold.
    """

    corpus: str | os.PathLike[str] | None = None
    preset: str | None = None
    repeats: AnyRepeats | None = None
    metric: str | None = None
    changes: tuple[tuple[str, Any], ...] = ()
    workers: int | None = None
    threads: int | None = None
    device: str = "cpu"
    match: Literal["parameters", "flops", "none"] | None = None
    storage: str | None = None
    engine: Engine = _LOCAL
    pack: int | Literal["auto"] | None = None

    def __post_init__(self) -> None:
        if self.corpus is not None:
            # As text, since it is shown in the command that rebuilds a report.
            object.__setattr__(self, "corpus", os.fspath(self.corpus))
        named = {"corpus": self.corpus, "preset": self.preset, "metric": self.metric, "storage": self.storage}
        check_texts({flag: None if value is None else str(value) for flag, value in named.items()})
        check_numbers(self.repeats, self.workers, self.threads)
        check_pack(self.pack)
        check_changes(self.changes)


@dataclass(frozen=True)
class OnCorpus:
    """What a study is about whose models mmstudy trains.

    Args:
        place: where the corpus is.
        schema: the corpus's schema.
        fit: how its windows fit its items; None where each step has a target.
        sized_by: the number of items by which its preset was chosen; None: study or options name the preset.
    """

    place: CorpusPlace
    schema: CorpusSchema
    fit: Fit | None = None
    sized_by: int | None = None


@dataclass(frozen=True, repr=False)
class Request(Generic[Config]):
    """A study with its corpus or training code and options, with every choice made.

    Args:
        study: with every choice made.
        file: the study's file.
        subject: the corpus, or the training code.
        content: the corpus's content key, or the digest of runner and training code; None while a simulated corpus is
            not made.
        key: name of this study on this corpus with these options, for report folders; a catalogue study's name alone
            where nothing was changed.
        search_key: name of its searches in their storage: ``key`` without metric and repeats, which change no trial.
        options: as given.
        searches: what the study's searches have found so far; () where it has none, or none has begun. Once all are
            complete, the study has the arms that they found.
    """

    study: ResolvedStudy[Config]
    file: Path
    subject: OnCorpus | OwnTraining
    content: str | None
    key: str
    search_key: str
    options: Options
    searches: tuple[SearchResult, ...] = ()

    def __repr__(self) -> str:
        return f"<study '{self.study.name}' ({self.key})>"

    @property
    def tunes(self) -> bool:
        """Whether a search comes first; until it is complete its arms are not known."""
        return self.study.search is not None and not (self.searches and all(one.complete for one in self.searches))

    @property
    def _corpus(self) -> OnCorpus:
        assert isinstance(self.subject, OnCorpus), "a study with training code of its own has no corpus"
        return self.subject

    @property
    def place(self) -> CorpusPlace:
        """Where the corpus is; only of a study that mmstudy trains, see :func:`trains_itself`."""
        return self._corpus.place

    @property
    def schema(self) -> CorpusSchema:
        """The corpus's schema; only of a study that mmstudy trains."""
        return self._corpus.schema

    @property
    def fit(self) -> Fit | None:
        """How windows fit the items; only of a study that mmstudy trains."""
        return self._corpus.fit

    @property
    def sized_by(self) -> int | None:
        """The number of items by which the preset was chosen; only of a study that mmstudy trains."""
        return self._corpus.sized_by

    @property
    def training(self) -> OwnTraining:
        """The training code; only of a study that has its own."""
        assert isinstance(self.subject, OwnTraining), "mmstudy trains this study itself"
        return self.subject


AnyConfig: TypeAlias = RunConfig | ForeignConfig
"""Of a run that mmstudy trains, or of one of other training code."""

AnyRequest: TypeAlias = Request[AnyConfig]
"""A study that mmstudy trains, or one with training code of its own."""


def trains_itself(request: AnyRequest) -> TypeIs[Request[RunConfig]]:
    """Whether mmstudy trains the study's models itself."""
    return isinstance(request.subject, OnCorpus)


def has_runner(request: AnyRequest) -> TypeIs[Request[ForeignConfig]]:
    """Whether the study has training code of its own."""
    return isinstance(request.subject, OwnTraining)


@dataclass(frozen=True, repr=False)
class PlannedRun(Generic[Config]):
    """One run of a plan.

    Args:
        arm, repeat: which it is.
        config: its whole config.
        fingerprint: its identity; None while the corpus is not made.
        state: done (its record is reused), failed (kept, not retried), resume, to do, running (in another process).
        epochs: epochs trained already, of a run to resume.
        seconds: estimated seconds still to train, on one worker.
        factor: the truth is likely between seconds ÷ factor and seconds × factor.
        broken: what is wrong with its record, where that is torn or of another run; it is then to be trained again.
        failure: why its last attempt failed; None or empty where none did.
    """

    arm: str
    repeat: int
    config: Config
    fingerprint: str | None
    state: State
    epochs: int
    seconds: float
    factor: float = 1.0
    broken: str | None = None
    failure: str | None = None

    @property
    def failed_before(self) -> bool:
        """Whether it is open again since it failed for a reason that may be gone."""
        return bool(self.failure) and self.state in ("to do", "resume")

    def __repr__(self) -> str:
        return f"<run of '{self.arm}', repeat {self.repeat}: {self.state}>"


def schema_of(request: AnyRequest) -> CorpusSchema | None:
    """The corpus's schema; None for training code of the user's own."""
    return request.schema if trains_itself(request) else None


def read_request(name: str, home: Home, options: Options, on_event: OnEvent = ignore) -> AnyRequest:
    """Find and read a study, apply the options, and find its corpus or training code. The results of its searches are
    not looked up.

    If each item has one target and the corpus is not prepared yet, it is prepared: windows depend on the items'
    lengths.

    Raises:
        StudyError, CorpusError: what is wrong, with file and line.
    """
    path = find_study(name)
    study, written = read_study(path)
    if study.runner is not None:
        return _with_runner(path, study, study.runner, written, home, options)
    return _on_corpus(path, study, written, home, options, on_event)


def _with_runner(
    path: Path, study: Study, runner: AnyRunner, written: YamlFile, home: Home, options: Options
) -> Request[ForeignConfig]:
    refuse_options({"--corpus": options.corpus, "--preset": options.preset, "--match": options.match})
    resolved = resolve_runner(
        path.stem, study, written, changes=dict(options.changes), repeats=options.repeats, metric=options.metric
    )
    source = source_of(runner, path.parent, written.where(("runner",)))
    content = runner_digest(runner, source)
    # Trials of other code are another search.
    search_key = f"{_key(path, path.parent, replace(options, metric=None, repeats=None), home)}-{content[:6]}"
    key = _key(path, path.parent, options, home)
    return Request(resolved, path, OwnTraining(runner, source), content, key, search_key, options)


def _on_corpus(
    path: Path, study: Study, written: YamlFile, home: Home, options: Options, on_event: OnEvent
) -> Request[RunConfig]:
    named = options.preset or study.preset
    chosen = options.corpus or study.corpus
    spec = None if chosen is None else str(chosen)
    sized_by = None
    if named == AUTO:
        place = locate(spec or "simulated:quick", home)
        sized_by = None if place.simulated else len(items_of(place))
        named = preset_for(sized_by)
    preset, preset_file = _preset(named, None if options.preset else written) if named else (None, None)
    place = locate(spec or (preset and preset.corpus) or "simulated:quick", home)
    schema = place.schema()
    ruler = Ruler(place, schema, home, on_event)
    resolved = resolve(
        path.stem,
        study,
        written,
        preset,
        preset_file,
        place.folder,
        schema,
        changes=dict(options.changes),
        repeats=options.repeats,
        metric=options.metric,
        match=options.match,
        preset_name=named,
        count=Costs(schema),
        lengths=ruler.lengths,
    )
    if any(isinstance(one, ErrorsAnalysis) and one.columns for one in resolved.analyses):
        refuse_unknown_columns(resolved.analyses, [*items_of(place)[0].metadata], written)
    unjudged = replace(options, metric=None, repeats=None)
    key, search_key = (_key(path, place.folder, chosen, home) for chosen in (options, unjudged))
    fit = ruler.fit(resolved)
    subject = OnCorpus(place, schema, fit, sized_by)
    return Request(resolved, path, subject, place.content(), key, search_key, options)


def _preset(name: str, written: YamlFile | None) -> tuple[Preset, YamlFile]:
    """A preset; if a study names an unknown one, the error gives the line of the study file."""
    try:
        return read_preset(name)
    except StudyError as error:
        if error.where is not None:
            raise
        where = "--preset" if written is None else written.where(("preset",))
        raise StudyError(error.rule, next_step=error.next_step, where=where) from None


def _key(path: Path, folder: Path, options: Options, home: Home) -> str:
    """The study's name, with a digest if the same name could also mean another study.

    Args:
        folder: of the corpus; of training code, the study's own.
    """
    own = path.parent != CATALOGUE
    changed = [options.preset, options.repeats, options.metric, options.changes]
    if options.match is not None:
        changed.append({"match": options.match})
    if not own and options.corpus is None and not any(changed):
        return path.stem
    corpus = "" if options.corpus is None else f"-{folder.name}"

    def named(name_of: Callable[[Path], str]) -> str:
        said = json.dumps([name_of(path) if own else None, name_of(folder), changed], default=str)
        return f"{path.stem}{corpus}-{hashlib.blake2b(said.encode(), digest_size=3).hexdigest()}"

    # Earlier versions named by whole paths. What they began goes on under its name, in the home or in a database.
    whole, now = named(lambda path: str(home.first_place_of(path))), named(home.place_of)
    if options.storage or os.environ.get("MMSTUDY_STORAGE"):
        return whole
    # A home that was moved away from its studies goes on under the names that they had.
    before = [named(lambda path, one=one: home.place_of(path, one)) for one in home.earlier]
    return next((name for name in (whole, now, *before) if home.knows(name)), now)


def variant(request: AnyRequest) -> str:
    """A name that differs for the same study on another corpus or with other settings, within its experiment."""
    return _on(request.key, request)


def search_variant(request: AnyRequest) -> str:
    """A name that differs for the searches of the same study on another corpus or with other settings."""
    return _on(request.search_key, request)


def _on(key: str, request: AnyRequest) -> str:
    return f"{key}@{(request.content or 'none')[:12]}"
