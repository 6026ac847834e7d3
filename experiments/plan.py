"""From a study to the runs to do, to reuse and to resume, and what they will cost. Writes nothing, imports no torch."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock, Timeout

from experiments.corpora import CorpusPlace, locate
from experiments.costs import Costs
from experiments.estimate import Estimate, Estimator
from experiments.home import Home
from experiments.launchers.local import share_of_cores
from experiments.records import epochs_trained, is_final, read_head
from experiments.search_plan import PlannedSearch, planned_searches, trials_at_most
from experiments.stages import Outlook, Stage, outlook, stages_of
from experiments.timings import Stopwatch
from experiments.trial import LOCK
from mmcore.config import RunConfig
from mmcore.errors import StudyError
from mmcore.fingerprint import fingerprint, training_fingerprint
from mmcore.schema import CorpusSchema
from mmcore.yamlfile import YamlFile
from studies.repeats import AnyRepeats
from studies.resolve import resolve
from studies.resolved import ResolvedStudy
from studies.study import CATALOGUE, Preset, find_study, read_preset, read_study

if TYPE_CHECKING:
    from reports.course import Course

State = Literal["done", "failed", "resume", "to do", "running"]


@dataclass(frozen=True)
class Options:
    """What a command line may change on a study.

    Args:
        corpus: a folder, a :class:`experiments.corpus.Corpus` or ``simulated:SIZE[:SEED]``; None: the study's, then the
            preset's.
        preset: a preset's name; None: the study's.
        repeats, metric: None: the study's.
        changes: dotted path to value, laid over the study's base.
        workers: worker processes; None: as many as the cores can serve.
        threads: CPU threads of each run; None: one.
        device: where to train.
        match: ``parameters``, ``flops`` or ``none``; None: the study's.
        storage: address of a database for searches; None: ``MMSTUDY_STORAGE``, else a file in the home.
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

    def __post_init__(self) -> None:
        if self.corpus is not None:
            # As text, since it is shown in the command that rebuilds a report.
            object.__setattr__(self, "corpus", os.fspath(self.corpus))


@dataclass(frozen=True)
class Asked:
    """A study opened for work: resolved, with its corpus.

    Args:
        study: with every choice made.
        file: the study's file.
        place: where the corpus is.
        schema: the corpus's schema.
        content: the corpus's content key; None while a simulated corpus is not made.
        key: name of this study on this corpus with these options, for report folders; a catalogue study's name alone
            where nothing was changed.
        search_key: name of its searches in their storage: ``key`` without metric and repeats, which change no trial.
        options: as given.
        searches: what the study's searches have found so far, see search_results.py; () where it has none, or none has
            begun. Once all are complete, the study has the arms that they found.
    """

    study: ResolvedStudy
    file: Path
    place: CorpusPlace
    schema: CorpusSchema
    content: str | None
    key: str
    search_key: str
    options: Options
    searches: tuple[dict[str, Any], ...] = ()

    @property
    def tunes(self) -> bool:
        """Whether a search comes first; until it is complete its arms are not known."""
        return self.study.search is not None and not (self.searches and all(s["complete"] for s in self.searches))


@dataclass(frozen=True)
class PlannedRun:
    """One run of a plan.

    Args:
        arm, repeat: which it is.
        config: its whole config.
        fingerprint: its identity; None while the corpus is not made.
        state: done (its record is reused), failed (kept, not retried), resume, to do, running (in another process).
        epochs: epochs trained already, of a run to resume.
        seconds: estimated seconds still to train, on one worker.
        factor: the truth is likely between seconds ÷ factor and seconds × factor.
    """

    arm: str
    repeat: int
    config: RunConfig
    fingerprint: str | None
    state: State
    epochs: int
    seconds: float
    factor: float = 1.0


@dataclass(frozen=True)
class Plan:
    """What a study would do now.

    Args:
        asked: the study.
        runs: all its runs, by repeat, then arm: so that comparisons become possible early. Of a sequential study those
            that its rule has asked for so far.
        workers, threads: how the machine is shared out.
        outlook: estimated time of the whole command: searches, these runs, analyses and the report.
        stages: the same, one after the other.
        basis: what the estimate rests on.
        course: how far a sequential study is; None where repeats are fixed.
        later: runs that a sequential study asks for as well, should it go on to its last repeat.
        outlook_at_most: estimated time with those.
        searches: what comes before these runs; () where the study tunes nothing.
    """

    asked: Asked
    runs: tuple[PlannedRun, ...]
    workers: int
    threads: int
    outlook: Outlook
    stages: tuple[Stage, ...]
    basis: str
    course: Course | None = None
    later: tuple[PlannedRun, ...] = ()
    outlook_at_most: Outlook | None = None
    searches: tuple[PlannedSearch, ...] = ()

    @property
    def seconds(self) -> float:
        """Estimated time of the whole command."""
        return self.outlook.seconds

    @property
    def seconds_at_most(self) -> float:
        """The same with the runs that a sequential study may ask for later."""
        return (self.outlook_at_most or self.outlook).seconds

    def count(self, *states: State) -> int:
        """Number of runs in any of the states."""
        return sum(run.state in states for run in self.runs)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``--format json``."""
        from experiments.plan_view import as_dict

        return as_dict(self)


def ask(name: str, home: Home, options: Options) -> Asked:
    """Open a study: find it, read it, lay the options over it, find its corpus.

    Raises:
        StudyError, CorpusError: what is wrong, with file and line.
    """
    path = find_study(name)
    study, written = read_study(path)
    preset_name = options.preset or study.preset
    preset, preset_file = _preset(preset_name, None if options.preset else written) if preset_name else (None, None)
    spec = str(options.corpus or study.corpus or (preset.corpus if preset else "simulated:quick"))
    place = locate(spec, home)
    schema = place.schema()
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
        preset_name=preset_name,
        count=Costs(schema),
    )
    key, search_key = _key(path, place, options), _key(path, place, replace(options, metric=None, repeats=None))
    asked = Asked(resolved, path, place, schema, place.content(), key, search_key, options)
    if resolved.search is None:
        return asked
    # Optuna is for studies that search; others need not wait for its import.
    from experiments.search_results import looked_up

    return looked_up(asked, home)


def _preset(name: str, written: YamlFile | None) -> tuple[Preset, YamlFile]:
    """A preset; where a study names one that is not there, the error tells its line."""
    try:
        return read_preset(name)
    except StudyError as error:
        if written is None or error.where is not None:
            raise
        raise StudyError(error.rule, next_step=error.next_step, where=written.where(("preset",))) from None


def _key(path: Path, place: CorpusPlace, options: Options) -> str:
    """The study's name; with a digest wherever the same name could mean something else."""
    own = path.parent != CATALOGUE
    changed = [options.preset, options.repeats, options.metric, options.changes]
    if options.match is not None:
        changed.append({"match": options.match})
    if not own and options.corpus is None and not any(changed):
        return path.stem
    told = json.dumps([str(path.resolve()) if own else None, str(place.folder), changed], default=str)
    corpus = "" if options.corpus is None else f"-{place.folder.name}"
    return f"{path.stem}{corpus}-{hashlib.blake2b(told.encode(), digest_size=3).hexdigest()}"


def variant(asked: Asked) -> str:
    """Tells the same study on another corpus, or with other settings, apart within its experiment."""
    return _on(asked.key, asked)


def search_variant(asked: Asked) -> str:
    """The same for its searches."""
    return _on(asked.search_key, asked)


def _on(key: str, asked: Asked) -> str:
    return f"{key}@{(asked.content or 'none')[:12]}"


def plan(asked: Asked, home: Home) -> Plan:
    """Look at what is there and say what is left to do.

    Raises:
        RecordError: a record is unreadable; in a sequential study also where records cannot be mixed.
    """
    study = asked.study
    runs: list[PlannedRun] = []
    records: list[tuple[RunConfig, dict[str, Any] | None]] = []
    for repeat in study.numbers:
        for arm in study.arms:
            config = arm.config.model_copy(update={"repeat": repeat, "device": asked.options.device})
            name = None if asked.content is None else fingerprint(config, asked.content)
            state, epochs, record = ("to do", 0, None) if name is None else _look(home.run(name))
            if config.trains and state in ("done", "failed"):
                records.append((config, record))
            runs.append(PlannedRun(arm.name, repeat, config, name, state, epochs, 0.0))
    course, now, later = _divide(study, runs, home)
    jobs = sum(run.state in OPEN for run in (*now, *later)) + trials_at_most(asked)
    workers, threads, _ = share_of_cores(
        max(1, jobs), asked.options.workers, asked.options.device, asked.options.threads
    )
    estimator = estimator_of(asked, home, threads, workers)
    for config, record in records:
        estimator.learn(config, record)
    estimated = _estimated(runs, asked, home, estimator)
    now, later = (tuple(estimated[run.arm, run.repeat] for run in part) for part in (now, later))
    searches = planned_searches(asked, estimator)

    def stages(asked_for: tuple[PlannedRun, ...]) -> tuple[Stage, ...]:
        open_runs = [run for run in asked_for if run.state in OPEN]
        analysed = [run for run in asked_for if run.state in OPEN or _lacks_answers(run, study, home)]
        return stages_of(asked, estimator, searches, open_runs, analysed, workers)

    ahead = stages(now)
    most = outlook(stages((*now, *later)))
    return Plan(asked, now, workers, threads, outlook(ahead), ahead, estimator.basis, course, later, most, searches)


OPEN: tuple[State, ...] = ("to do", "resume", "running")
"""States of runs that this command would train, or wait for."""


def estimator_of(asked: Asked, home: Home, threads: int, workers: int = 1) -> Estimator:
    """What estimates times of a study's work."""
    return Estimator(home, asked.place, asked.schema, asked.content, asked.options.device, threads, workers)


def timing_of(asked: Asked, home: Home, threads: int) -> tuple[Estimator, Stopwatch]:
    """The estimator of a study's work, and what takes the time of it for estimates to come."""
    return estimator_of(asked, home, threads), Stopwatch(home, asked.options.device, threads)


def _lacks_answers(run: PlannedRun, study: ResolvedStudy, home: Home) -> bool:
    """Whether a finished run lacks the answer to an analysis of the study."""
    if run.state != "done" or run.fingerprint is None or not study.analyses:
        return False
    from experiments.analyses import answer_path

    return any(not answer_path(home.run(run.fingerprint), one).exists() for one in study.analyses)


def _divide(
    study: ResolvedStudy, runs: list[PlannedRun], home: Home
) -> tuple[Course | None, tuple[PlannedRun, ...], tuple[PlannedRun, ...]]:
    """The runs that a sequential study asks for now and may ask for later; of any other study all of them are now."""
    if study.sequential is None:
        return None, tuple(runs), ()
    from experiments.rounds import follow, may_follow  # needs the statistics, which other plans do without

    course = follow(study, runs, home)
    later = may_follow(study, course)
    return (
        course,
        tuple(run for run in runs if (run.arm, run.repeat) in course.asked),
        tuple(run for run in runs if (run.arm, run.repeat) in later),
    )


def _estimated(
    runs: list[PlannedRun], asked: Asked, home: Home, estimator: Estimator
) -> dict[tuple[str, int], PlannedRun]:
    """The runs with the time that each still takes; a training that several share is counted once."""
    trained = {training_fingerprint(run.config, asked.content or "") for run in runs if run.config.trains}
    found = {}
    for run in runs:
        one = Estimate(0.0, 1.0)
        if run.state in OPEN and run.config.trains:
            one = estimator.training(run.config, run.config.training.epochs - run.epochs)
        elif run.state in OPEN:
            one = estimator.testing(run.config)
            name = training_fingerprint(run.config, asked.content or "")
            if name not in trained and _look(home.run(name))[0] != "done":
                trained.add(name)
                one = one + estimator.training(run.config)
        found[run.arm, run.repeat] = replace(run, seconds=one.seconds, factor=one.factor)
    return found


def _look(folder: Path) -> tuple[State, int, dict[str, Any] | None]:
    """State of a run, epochs that are trained already, and the head of its record."""
    record = read_head(folder)
    if record is not None and is_final(record):
        return ("done" if record["status"] == "done" else "failed"), 0, record
    epochs = epochs_trained(folder)
    if is_locked(folder):
        return "running", epochs, record
    return ("resume" if epochs else "to do"), epochs, record


def is_locked(folder: Path) -> bool:
    """Whether a process trains the run right now; looks without leaving a file."""
    path = folder / LOCK
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
