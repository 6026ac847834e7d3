"""From a study to the runs to do, to reuse and to resume, and what they will cost. Writes nothing, imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock, Timeout

from experiments.corpora import CorpusPlace, locate
from experiments.costs import Costs
from experiments.estimate import SECONDS_TO_TEST, Estimator
from experiments.home import Home
from experiments.launchers.local import share_of_cores
from experiments.records import epochs_trained, is_final, read_head
from experiments.search_plan import PlannedSearch, as_dict, planned_searches
from experiments.trial import LOCK
from mmcore.config import RunConfig
from mmcore.errors import StudyError
from mmcore.fingerprint import fingerprint, training_fingerprint
from mmcore.schema import CorpusSchema
from mmcore.yamlfile import YamlFile
from studies.repeats import Sequential
from studies.resolve import resolve
from studies.resolved import ResolvedArm, ResolvedStudy
from studies.study import CATALOGUE, Preset, find_study, read_preset, read_study

if TYPE_CHECKING:
    from reports.course import Course

State = Literal["done", "failed", "resume", "to do", "running"]


@dataclass(frozen=True)
class Options:
    """What a command line may change on a study.

    Args:
        corpus: a folder or ``simulated:SIZE[:SEED]``; None: the study's, then the preset's.
        preset: a preset's name; None: the study's.
        repeats, metric: None: the study's.
        changes: dotted path to value, laid over the study's base.
        workers: worker processes; None: as many as the cores can serve.
        threads: CPU threads of each run; None: one.
        device: where to train.
        match: ``parameters``, ``flops`` or ``none``; None: the study's.
        storage: address of a database for searches; None: ``MMSTUDY_STORAGE``, else a file in the home.
    """

    corpus: str | None = None
    preset: str | None = None
    repeats: int | Sequential | None = None
    metric: str | None = None
    changes: tuple[tuple[str, Any], ...] = ()
    workers: int | None = None
    threads: int | None = None
    device: str = "cpu"
    match: Literal["parameters", "flops", "none"] | None = None
    storage: str | None = None


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
    """

    arm: str
    repeat: int
    config: RunConfig
    fingerprint: str | None
    state: State
    epochs: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What a study would do now.

    Args:
        asked: the study.
        runs: all its runs, by repeat, then arm: so that comparisons become possible early. Of a sequential study those
            that its rule has asked for so far.
        workers, threads: how the machine is shared out.
        seconds: estimated time from start to end of these runs.
        basis: what the estimate rests on.
        course: how far a sequential study is; None where repeats are fixed.
        later: runs that a sequential study asks for as well, should it go on to its last repeat.
        seconds_at_most: estimated time with those.
        searches: what comes before these runs; () where the study tunes nothing.
    """

    asked: Asked
    runs: tuple[PlannedRun, ...]
    workers: int
    threads: int
    seconds: float
    basis: str
    course: Course | None = None
    later: tuple[PlannedRun, ...] = ()
    seconds_at_most: float = 0.0
    searches: tuple[PlannedSearch, ...] = ()

    def count(self, *states: State) -> int:
        """Number of runs in any of the states."""
        return sum(run.state in states for run in self.runs)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``--format json``."""
        study, costs = self.asked.study, Costs(self.asked.schema)
        states = Counter(run.state for run in self.runs)
        return {
            "study": study.name,
            "question": study.question,
            "preset": study.preset,
            "corpus": {"path": str(self.asked.place.folder), "content": self.asked.content},
            "metric": study.metric.name,
            "reference": study.reference,
            "comparisons": [list(pair) for pair in study.pairs],
            "repeats": study.repeats,
            "match": None if study.match is None else study.match.model_dump(),
            "arms": [_arm(arm, costs) for arm in study.arms],
            "runs": {state: states.get(state, 0) for state in ("to do", "resume", "running", "done", "failed")},
            "workers": self.workers,
            "threads": self.threads,
            "seconds": round(self.seconds, 1),
            "basis": self.basis,
            "fingerprints": [
                {"arm": r.arm, "repeat": r.repeat, "fingerprint": r.fingerprint, "state": r.state} for r in self.runs
            ],
            "sequential": self._sequential(),
            "search": as_dict(self.searches, self.asked),
        }

    def _sequential(self) -> dict[str, Any] | None:
        course, rule = self.course, self.asked.study.sequential
        if course is None or rule is None:
            return None
        return {
            "min": rule.min,
            "max": rule.max,
            "step": rule.step,
            "looks": list(course.taken),
            "waiting": course.waiting,
            "open": [list(pair) for pair in course.open],
            "runs_at_most": len(self.runs) + len(self.later),
            "seconds_at_most": round(self.seconds_at_most, 1),
        }


def _arm(arm: ResolvedArm, costs: Costs) -> dict[str, Any]:
    told = {"name": arm.name, "overrides": arm.overrides}
    if arm.size is None:
        return told
    counts = {"parameters": costs(arm.config, "parameters"), "flops": costs(arm.config, "flops")}
    return told | counts | {"ratio": arm.size.ratio, "within": arm.size.within}


def ask(name: str, home: Home, options: Options) -> Asked:
    """Open a study: find it, read it, lay the options over it, find its corpus.

    Raises:
        StudyError, CorpusError: what is wrong, with file and line.
    """
    path = find_study(name)
    study, written = read_study(path)
    preset_name = options.preset or study.preset
    preset, preset_file = _preset(preset_name, None if options.preset else written) if preset_name else (None, None)
    spec = options.corpus or study.corpus or (preset.corpus if preset else "simulated:quick")
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
    estimator = Estimator(home, asked.place, asked.schema)
    runs: list[PlannedRun] = []
    for repeat in study.numbers:
        for arm in study.arms:
            config = arm.config.model_copy(update={"repeat": repeat, "device": asked.options.device})
            name = None if asked.content is None else fingerprint(config, asked.content)
            state, epochs, record = ("to do", 0, None) if name is None else _look(home.run(name))
            if config.trains and state in ("done", "failed"):
                estimator.learn(arm.name, record)
            runs.append(PlannedRun(arm.name, repeat, config, name, state, epochs, 0.0))
    trained = {training_fingerprint(r.config, asked.content or "") for r in runs if r.config.trains}
    estimated = []
    for run in runs:
        seconds = _seconds(run, asked, home, estimator, trained)
        estimated.append(PlannedRun(run.arm, run.repeat, run.config, run.fingerprint, run.state, run.epochs, seconds))
    course, now, later = _divide(study, estimated, home)
    left = [run for run in now if run.state in ("to do", "resume")]
    ahead = [run for run in later if run.state in ("to do", "resume")]
    searches = planned_searches(asked, estimator.seconds)
    trials = sum(one.left for one in searches)
    open_jobs = max(1, len(left) + len(ahead) + trials)
    workers, threads, _ = share_of_cores(open_jobs, asked.options.workers, asked.options.device, asked.options.threads)
    start = 10.0 if left else 0.0  # importing libraries in the workers, statistics and figures at the end
    total = sum(run.seconds for run in left) / workers + start
    most = total + sum(run.seconds for run in ahead) / workers
    return Plan(asked, now, workers, threads, total, estimator.basis, course, later, most, searches)


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


def _seconds(run: PlannedRun, asked: Asked, home: Home, estimator: Estimator, trained: set[str]) -> float:
    """Seconds still to go; ``trained`` names the trainings that are counted elsewhere, and grows."""
    if run.state not in ("to do", "resume"):
        return 0.0
    if run.config.trains:
        return (1 - run.epochs / run.config.training.epochs) * estimator.seconds(run.arm, run.config)
    name = training_fingerprint(run.config, asked.content or "")
    if name in trained or _look(home.run(name))[0] == "done":
        return SECONDS_TO_TEST
    trained.add(name)
    return SECONDS_TO_TEST + estimator.seconds(run.arm, run.config)


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
