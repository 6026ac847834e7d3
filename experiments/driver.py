"""A whole study, from its name to its report: plan, train, mirror, summarise.

Usable from Python:

    from experiments.driver import run_study

    outcome = run_study("track_vs_multimodal", home="mlruns")
    print(outcome.summary.comparisons[0])
    print(outcome.report)
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from experiments.analyses import Question, belonging, chosen, remember, still_open
from experiments.home import Home
from experiments.jobs import delete_failed, job_of, mirror_record
from experiments.launchers.local import LocalPool, share_of_cores, thread_note
from experiments.launchers.messages import Finished, GivenUp, Job, Lost, Message, Started, Told
from experiments.mirror import Mirror
from experiments.opening import open_request
from experiments.planning.foresight import prospects
from experiments.planning.plan import Plan, plan, plans_models, plans_training_code, timing_of
from experiments.planning.request import AnyRequest, Options, PlannedRun, Request, trains_itself, variant
from experiments.planning.stages import ANALYSE, PREPARE, REPORT
from experiments.planning.study_stages import analysis_stages, prepare_guess, report_guess
from experiments.progress import Display, Silent
from experiments.results import load_results, log_verdicts
from experiments.rounds import OwnCode, train
from mmcore.analyses import KINDS, AnyAnalysis
from mmcore.data.prepare import prepare, quality_notes
from mmcore.errors import CorpusError, StudyError
from mmcore.task import check_packages
from reports.output.render import write_report
from reports.records.frame import StudyResults
from reports.summary.build import Summary, summarise


@dataclass(frozen=True)
class Outcome:
    """The outcome of a study.

    Args:
        results: every number, as tidy tables.
        summary: the numbers' meaning.
        report: the HTML page.
        failed: runs that failed; they are counted in the report, never dropped.
        mirrored: None, or why the tracking store lacks something.
        unanswered: runs of which an analysis failed; the report says why, the same command tries again.
    """

    results: StudyResults
    summary: Summary
    report: Path
    failed: int
    mirrored: str | None
    unanswered: int = 0


def run_study(
    name: str,
    home: Path | str | None = None,
    options: Options | None = None,
    *,
    display: Display | None = None,
    retry_failed: bool = False,
) -> Outcome:
    """Train the missing runs of a study and write its report; earlier results are reused.

    Args:
        name: a study of the catalogue, or a file.
        home: where everything generated lives; None: ``MMSTUDY_HOME``, else ``./mlruns``.
        options: corpus, preset, repeats, metric, changes, workers, device.
        display: shows progress; None: nothing is shown.
        retry_failed: train failed runs again from the start.

    Raises:
        MMStudyError: bad input; nothing is lost.
        KeyboardInterrupt: interrupted; the same call resumes.
    """
    place = Home.choose(Path(home) if home is not None else None).make()
    options, display = options or Options(), display or Silent()
    _say_threads(options, display)
    request = open_request(name, place, options, lambda event: display.say(getattr(event, "text", "")))
    if trains_itself(request) and not request.place.exists:
        request.place.ensure(lambda event: display.say(getattr(event, "text", "")))
        request = open_request(name, place, options)
    if trains_itself(request):
        for arm in request.study.arms:
            check_packages(arm.config)
    ahead = plan(request, place)
    if plans_models(ahead):
        _warn(ahead.request, ahead, display)
    display.expect(ahead.stages)
    if request.tunes:
        from experiments.tuning.tune import tune

        own = request if trains_itself(request) else None
        tune(request, place, display, lambda: Path() if own is None else _prepare(own, place, display))
        request = open_request(name, place, options)
    return _run(request, place, display, retry_failed)


def _run(request: AnyRequest, place: Home, display: Display, retry_failed: bool) -> Outcome:
    """Train what is missing of a study whose arms are known, and write its report."""
    todo = plan(request, place)
    if retry_failed and todo.count("failed"):
        for run in todo.runs:
            if run.state == "failed":
                delete_failed(run, request, place)
        todo = plan(request, place)

    mirror = Mirror(place, request.study, variant(request), lambda text: display.say(f"warning: {text}"))
    unanswered = 0
    try:
        display.expect(todo.stages)
        if plans_models(todo):
            train(todo, place, mirror, display, _Models(todo.request, place, todo.threads, display))
            unanswered = _analyse(plan(todo.request, place), place, request.study.analyses, display)
        elif plans_training_code(todo):
            train(todo, place, mirror, display, OwnCode(todo.request, place))
    except BaseException:
        mirror.interrupted()
        mirror.close(timeout=30)
        raise
    display.say("writing the report")
    display.begin(REPORT)
    with _timed_report(request, place, todo.threads):
        outcome = report_study(request, place, mirror=mirror)
    mirror.close()
    return Outcome(
        outcome.results,
        outcome.summary,
        outcome.report,
        outcome.failed,
        str(mirror.error) if mirror.error else None,
        unanswered,
    )


def _timed_report(request: AnyRequest, home: Home, threads: int) -> contextlib.AbstractContextManager[None]:
    if not trains_itself(request):
        return contextlib.nullcontext()
    _, stopwatch = timing_of(request, home, threads)
    return stopwatch.taking("report", request.key, report_guess(len(request.study.arms), request.study.repeats))


def _warn(request: Request, todo: Plan, display: Display) -> None:
    """Warn, before hours of training, of comparisons that the study cannot decide and of items that it cuts."""
    if request.tunes or todo.count("to do", "resume"):
        for text in (*prospects(request).warnings, *(request.fit.warnings if request.fit else ())):
            display.say(f"warning: {text}")


def analyse_study(request: Request, home: Home, kinds: Sequence[str] = (), display: Display | None = None) -> Outcome:
    """Analyse the finished runs of a study and write its report; trains nothing.

    Args:
        kinds: of :data:`mmcore.analyses.KINDS`, or ``all``; they belong to the study from now on. None: those that
            the study asks for, in its file or in an earlier call.

    Raises:
        StudyError: no such kind, or none is asked for.
        RecordError: no run of the study is finished.
    """
    wanted = chosen(kinds, request.study) if kinds else belonging(request, home)
    if not wanted:
        raise StudyError(
            f"study '{request.study.name}' asks for no analysis",
            next_step=f"Name some: {', '.join(KINDS)}, or all",
        )
    display = display or Silent()
    _say_threads(request.options, display)
    if kinds:
        remember(request, home, wanted)
    unanswered = _analyse(plan(request, home), home, wanted, display)
    return replace(report_study(request, home), unanswered=unanswered)


def report_study(request: AnyRequest, home: Home, mirror: Mirror | None = None) -> Outcome:
    """Write the report of the results so far; reads records, trains nothing.

    Raises:
        RecordError: no run of the study is finished, or records cannot be mixed.
    """
    results = load_results(plan(request, home), home)
    summary = summarise(results)
    page = write_report(summary, results, home.report(request.key))
    if mirror is not None:
        log_verdicts(mirror, results, summary)
    return Outcome(results, summary, page, len(results.runs) - len(results.done), None)


def sync_study(request: AnyRequest, home: Home, display: Display) -> str | None:
    """Update the tracking store from the records; None, or why it failed."""
    behind = None
    if request.searches:
        from experiments.tuning.tune import sync_searches

        behind = sync_searches(request, home, display)
        if request.tunes:
            return behind
    mirror = Mirror(home, request.study, variant(request), lambda text: display.say(f"warning: {text}"))
    for run in plan(request, home).runs:
        if run.state in ("done", "failed"):
            mirror_record(mirror, home, request, run)
    results = load_results(plan(request, home), home)
    log_verdicts(mirror, results, summarise(results))
    mirror.close()
    return str(mirror.error) if mirror.error else behind


def _say_threads(options: Options, display: Display) -> None:
    note = thread_note(options.threads or 1)
    if note is not None:
        display.say(note)


class _Models:
    """How runs of mmstudy's own models are trained."""

    def __init__(self, request: Request, home: Home, threads: int, display: Display) -> None:
        self._request, self._home, self._threads, self._display = request, home, threads, display
        self._estimator, self._stopwatch = timing_of(request, home, threads)
        self._prepared = Path()

    def pool(self, workers: int, threads: int, gpus: int) -> LocalPool:
        """Workers, which begin to import torch."""
        return LocalPool(workers, threads, self._home.logs, gpus)

    def prepare(self) -> None:
        """Prepare the corpus."""
        self._prepared = _prepare(self._request, self._home, self._display)

    def job(self, run: PlannedRun) -> Job:
        """What a worker is asked to do."""
        return job_of(run, self._request, self._home, self._threads, self._prepared)

    def hear(self, message: Message, run: PlannedRun) -> None:
        """Take the time of a run."""
        self._stopwatch.hear(message, lambda: self._estimator.described(run.config) if run.config.trains else None)

    def plan(self) -> Plan:
        """The study as it stands now."""
        return plan(self._request, self._home)

    @staticmethod
    def order(run: PlannedRun) -> bool:
        """What only tests another run's model comes last, so that no worker has to wait for that one."""
        return not run.config.trains


def _analyse(todo: Plan, home: Home, analyses: Sequence[AnyAnalysis], display: Display) -> int:
    """Answer what is open; the number of runs of which an analysis failed."""
    request, by_run = todo.request, dict[str, list[Question]]()
    for question in still_open(todo, home, analyses):
        by_run.setdefault(question.run.fingerprint or "", []).append(question)
    if not by_run:
        return 0
    workers, threads, gpus = share_of_cores(
        len(by_run), request.options.workers, request.options.device, request.options.threads
    )
    failed = 0
    with LocalPool(workers, threads, home.logs, gpus) as pool:
        prepared = _prepare(request, home, display)
        jobs = [
            replace(job_of(q[0].run, request, home, threads, prepared), analyses=tuple(o.analysis for o in q))
            for q in by_run.values()
        ]
        estimator, stopwatch = timing_of(request, home, threads)
        asks = [(about[0].run, [question.analysis for question in about]) for about in by_run.values()]
        display.expect(analysis_stages(asks, estimator, workers, request))
        display.begin(ANALYSE)

        def on_message(message: Message) -> None:
            nonlocal failed
            about = by_run[message.fingerprint]
            arm, config = about[0].run.arm, about[0].run.config
            label = f"{arm} r{about[0].run.repeat}"
            wanted = [question.analysis for question in about]
            stopwatch.hear(message, lambda: estimator.described_analyses(config, wanted))
            match message:
                case Started():
                    display.started(label, arm)
                case Told(_, event):
                    display.event(label, event)
                case Finished(_, status):
                    failed += status == "failed"
                    kinds = ", ".join(question.analysis.kind for question in about)
                    display.finished(label, f"{kinds}: {status}", status == "failed", arm)
                case Lost(_, deaths, code):
                    display.say(f"{label}: its worker died (exit code {code}, time {deaths}); trying again")
                case GivenUp(_, deaths, log):
                    failed += 1
                    display.finished(label, f"not analysed: took {deaths} workers down with it; see {log}", True, arm)

        pool.run(jobs, on_message)
    return failed


def _prepare(request: Request, home: Home, display: Display) -> Path:
    """The prepared store that all runs of the study share: arms may not differ in alignment."""
    config = request.study.arms[0].config.data
    estimator, stopwatch = timing_of(request, home, 1)
    fresh = not estimator.worksheet.prepared(config)
    display.begin(PREPARE)
    guess = prepare_guess(estimator.worksheet.numbers(config))
    with stopwatch.taking("prepare", "", guess) if fresh else contextlib.nullcontext():
        store = prepare(request.place.folder, config, home.prepared, lambda e: display.say(getattr(e, "text", "")))
    if not fresh:
        # Building the store reports them too; a study that reuses a store must also report them.
        for text in quality_notes(store.items, store.quality):
            display.say(text)
    if store.content != request.content:
        raise CorpusError(
            "the corpus changed while the study was being planned",
            where=str(request.place.folder),
            next_step="Run the same command again",
        )
    return store.path
