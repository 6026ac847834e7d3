"""A whole study, from its name to its report: plan, train, mirror, summarise.

Usable from Python:

    import mmstudy

    outcome = mmstudy.run_study("track_vs_multimodal", home="mlruns")
    print(outcome)
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from filelock import FileLock

from experiments.analyses import Question, belonging, chosen, remember, still_open
from experiments.choices import Choices, options_from
from experiments.earlier_looks import keep_look, looks_warning
from experiments.home import OWN_COPY, Home
from experiments.jobs import delete_failed, job_of, mirror_record
from experiments.launchers.choose import share
from experiments.launchers.kept import KeptPool
from experiments.launchers.local import thread_note
from experiments.launchers.messages import Finished, GivenUp, Lost, Message, Started, Told
from experiments.mirror import Mirror
from experiments.model_runs import ModelRuns
from experiments.notebook import usual_display
from experiments.opening import open_or_mend, open_request
from experiments.outcome import Outcome
from experiments.planning.feasible import missing_elsewhere, refuse_impossible, refuse_missing
from experiments.planning.foresight import prospects
from experiments.planning.memory import needed_by
from experiments.planning.packs import packing_note
from experiments.planning.plan import AnyPlan, Plan, plan, plans_models, plans_training_code, timing_of
from experiments.planning.precision import request_warnings
from experiments.planning.request import AnyRequest, Options, Request, trains_itself, variant
from experiments.planning.stages import ANALYSE, PREPARE, REPORT, SYNC
from experiments.planning.study_stages import analysis_stages, prepare_guess, report_guess
from experiments.progress import WARNING, Display, Silent, without_threads
from experiments.records import put_aside
from experiments.report_place import place_for
from experiments.results import load_results, log_verdicts
from experiments.rounds import OwnCode, busy_in, train
from experiments.study_file import study_name
from mmcore.analyses import KINDS, AnyAnalysis
from mmcore.atomic import remove_leftovers, room_in
from mmcore.data.prepare import prepare, quality_notes
from mmcore.data.prepared import BrokenStore, open_prepared, store_path
from mmcore.errors import CorpusError, StudyError
from mmcore.files import BrokenFile
from mmcore.language import in_one_language, say, shown
from reports.output.drawing import Figures
from reports.output.render import write_report
from reports.summary.build import summarise
from studies.study import Study


def run_study(
    study: str | os.PathLike[str] | Study,
    home: Path | str | None = None,
    options: Options | None = None,
    *,
    display: Display | None = None,
    retry_failed: bool = False,
    **choices: Unpack[Choices],
) -> Outcome:
    """Train the missing runs of a study and write its report; earlier results are reused.

    Args:
        study: a study of the catalogue by its name, a file, or a :class:`studies.study.Study`.
        home: where everything generated lives; None: ``MMSTUDY_HOME``, else ``./mlruns``.
        options: the choices as one object, in place of keywords.
        display: shows progress; None: a notebook shows a bar, anything else shows nothing.
        retry_failed: train failed runs again from the start.
        choices: corpus, preset, repeats, metric, changes, match, workers, threads, device, storage; see
            :class:`Choices`.

    Raises:
        MMStudyError: bad input; nothing is lost.
        KeyboardInterrupt: interrupted; the same call resumes.
    """
    place = Home.choose(Path(home) if home is not None else None).make(OWN_COPY)
    options, name = options_from(choices, options), study_name(study, place)
    if display is None:
        with usual_display() as display:
            return run_study(name, home, options, display=display, retry_failed=retry_failed)
    _say_threads(options, display)
    request = open_or_mend(name, place, options, display.say)
    if trains_itself(request) and not request.place.exists and request.place.elsewhere is None:
        request.place.ensure(lambda event: display.say(getattr(event, "text", "")))
        request = open_request(name, place, options)
    refuse_impossible(request)
    if (note := packing_note(request)) is not None:
        display.say(note)
    ahead = _planned(request, place, display)
    refuse_missing(ahead)
    for text in missing_elsewhere(ahead):
        display.say(WARNING + text)
    if plans_models(ahead):
        _warn(ahead.request, ahead, display)
    for text in looks_warning(ahead, place):
        display.say(WARNING + text)
    display.expect(ahead.stages)
    if request.tunes:
        from experiments.tuning.tune import tune

        own = request if trains_itself(request) else None
        tune(request, place, display, lambda: Path() if own is None else _prepare(own, place, display))
        request = open_request(name, place, options)
        return _run(request, place, display, retry_failed)
    if not request.searches:
        return _run(request, place, display, retry_failed)
    from experiments.tuning.tune import settle_searches

    # Of an earlier call, whose tracking store was away or which was killed.
    mirror = settle_searches(request, place, display)
    outcome = _run(request, place, display, retry_failed)
    mirror.close()
    return outcome


def _run(request: AnyRequest, place: Home, display: Display, retry_failed: bool) -> Outcome:
    """Train what is missing of a study whose arms are known, and write its report."""
    todo = _planned(request, place, display)
    if retry_failed and todo.count("failed"):
        for run in todo.runs:
            if run.state == "failed":
                delete_failed(run, request, place)
        todo = _planned(request, place, display)

    mirror = Mirror(place, request.study, variant(request), lambda text: display.say(WARNING + text))
    unanswered = 0
    try:
        display.expect(todo.stages)
        if plans_models(todo):
            with KeptPool(request.options.engine, place, busy_in(place)) as kept:
                train(todo, place, mirror, display, _models(todo.request, place, todo.threads, display, kept))
                unanswered = _analyse(plan(todo.request, place), place, request.study.analyses, display, kept)
        elif plans_training_code(todo):
            train(todo, place, mirror, display, OwnCode(todo.request, place))
        display.say(say("writing the report"))
        display.begin(REPORT)
        with _timed_report(request, place, todo.threads):
            outcome = report_study(request, place, mirror, display)
    except BaseException:
        mirror.abandon()
        raise
    mirror.close()
    return Outcome(
        outcome.results,
        outcome.summary,
        outcome.report,
        outcome.failed,
        str(mirror.error) if mirror.error else None,
        unanswered,
    )


def _planned(request: AnyRequest, home: Home, display: Display) -> AnyPlan:
    """The plan; a broken record that it needs whole is set aside first, so that its run is trained again."""
    while True:
        try:
            return plan(request, home)
        except BrokenFile as broken:
            display.say(put_aside(broken))


def _timed_report(request: AnyRequest, home: Home, threads: int) -> contextlib.AbstractContextManager[None]:
    if not trains_itself(request):
        return contextlib.nullcontext()
    _, stopwatch = timing_of(request, home, threads)
    return stopwatch.taking("report", request.key, report_guess(len(request.study.arms), request.study.repeats))


def _warn(request: Request, todo: Plan, display: Display) -> None:
    """Warn, before hours of training, of comparisons that the study cannot decide and of items that it cuts."""
    if request.tunes or todo.count("to do", "resume"):
        for text in (*todo.warnings, *prospects(request).warnings, *request_warnings(request)):
            display.say(WARNING + text)


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
    home.make(OWN_COPY)
    display = display or Silent()
    _say_threads(request.options, display)
    if kinds:
        remember(request, home, wanted)
    with KeptPool(request.options.engine, home, busy_in(home)) as kept:
        unanswered = _analyse(plan(request, home), home, wanted, display, kept)
    display.say(say("writing the report"))
    display.begin(REPORT)
    return replace(report_study(request, home), unanswered=unanswered)


@in_one_language
def report_study(
    request: AnyRequest,
    home: Home,
    mirror: Mirror | None = None,
    display: Display | None = None,
    out: Path | None = None,
) -> Outcome:
    """Write the report of the results so far, each file of it whole; reads records, trains nothing.

    Args:
        mirror, display: of this command; their threads pause for the moment in which this process is copied.
        out: a folder for the report, of which the home keeps a note alone, where it may be written to. None: the
            home's own.

    Raises:
        RecordError: no run of the study is finished, or records cannot be mixed.
        StoreError: as :func:`experiments.report_place.place_for`.
    """
    folder = place_for(out, home, request.key)
    todo = plan(request, home)
    results = load_results(todo, home)
    summary = summarise(results)
    with without_threads(display or Silent()), mirror.paused() if mirror is not None else contextlib.nullcontext():
        figures = Figures(summary, results)
    with figures, room_in(folder):
        if mirror is not None:
            log_verdicts(mirror, results, summary)
            # Brings the tracking library along, which a report does without.
            from experiments.best_models import best_models

            mirror.modelled(best_models(todo, results, summary, home))
        folder.mkdir(parents=True, exist_ok=True)
        if out is not None:
            page = write_report(summary, results, folder, figures)
            keep_look(folder, home, request.key)
        else:
            # Two commands that write one report at once would leave a mixture of both.
            with FileLock(home.root / "report.lock"):
                for part in (folder, *(path for path in folder.iterdir() if path.is_dir())):
                    remove_leftovers(part)
                page = write_report(summary, results, folder, figures)
    if mirror is not None:
        mirror.reported(folder)
    return Outcome(results, summary, page, len(results.runs) - len(results.done), None)


def log_report(request: AnyRequest, home: Home, outcome: Outcome, display: Display) -> None:
    """Bring a report that was written without training to the tracking store, where the home has one or it is named."""
    if not (os.environ.get("MLFLOW_TRACKING_URI") or (home.root / "mlflow.db").exists()):
        return
    mirror = Mirror(home, request.study, variant(request), lambda text: display.say(WARNING + text))
    log_verdicts(mirror, outcome.results, outcome.summary)
    mirror.reported(outcome.report.parent)
    mirror.close()


def sync_study(request: AnyRequest, home: Home, display: Display) -> str | None:
    """Update the tracking store from the records; None, or why it failed."""
    behind = None
    home.make(OWN_COPY)
    display.begin(SYNC)
    if request.searches:
        from experiments.tuning.tune import sync_searches

        behind = sync_searches(request, home, display)
        if request.tunes:
            return behind
    mirror = Mirror(home, request.study, variant(request), lambda text: display.say(WARNING + text))
    todo = plan(request, home)
    for run in todo.runs:
        if run.state in ("done", "failed"):
            mirror_record(mirror, home, request, run)
    results = load_results(todo, home)
    summary = summarise(results, with_sections=False)
    log_verdicts(mirror, results, summary)
    if (home.report(request.key) / "report.html").is_file():
        mirror.reported(home.report(request.key))
    from experiments.best_models import best_models

    mirror.modelled(best_models(todo, results, summary, home))
    mirror.close()
    return str(mirror.error) if mirror.error else behind


def _say_threads(options: Options, display: Display) -> None:
    note = thread_note(options.threads or 1)
    if note is not None:
        display.say(note)


def _models(request: Request, home: Home, threads: int, display: Display, kept: KeptPool) -> ModelRuns:
    return ModelRuns(
        request,
        home,
        threads,
        display.say,
        kept,
        prepare=lambda: _prepare(request, home, display),
        mend=lambda: _mend_store(request, home, display),
    )


def _analyse(todo: Plan, home: Home, analyses: Sequence[AnyAnalysis], display: Display, kept: KeptPool) -> int:
    """Answer what is open; the number of runs of which an analysis failed."""
    request, by_run = todo.request, dict[str, list[Question]]()
    for question in still_open(todo, home, analyses):
        by_run.setdefault(question.run.fingerprint or "", []).append(question)
    if not by_run:
        return 0
    options = request.options
    of_each = share(options.engine, len(by_run), options.workers, options.device, options.threads, needed_by(request))
    workers, threads = of_each.workers, of_each.threads
    failed = 0
    with kept.opened(of_each) as pool:
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
                    display.finished(label, f"{kinds}: {say(status)}", status == "failed", arm)
                case Lost():
                    display.say(say("{run}: {text}; trying again", run=label, text=shown(message.text)))
                case GivenUp():
                    failed += 1
                    display.finished(label, say("not analysed: {text}", text=shown(message.text)), True, arm)

        pool.say = display.say
        pool.run(jobs, on_message)
    return failed


def _mend_store(request: Request, home: Home, display: Display) -> None:
    """Where no run needs the prepared store, the report still reads its quality: make a broken one again."""
    store = store_path(request.content or "", request.study.arms[0].config.data, home.prepared)
    if store.exists():
        try:
            open_prepared(store)
        except BrokenStore:
            _prepare(request, home, display)


def _prepare(request: Request, home: Home, display: Display) -> Path:
    """The prepared store that all runs of the study share: arms may not differ in alignment."""
    folder = request.place.ensure(lambda event: display.say(getattr(event, "text", "")))
    config = request.study.arms[0].config.data
    estimator, stopwatch = timing_of(request, home, 1)
    fresh = not estimator.worksheet.prepared(config)
    display.begin(PREPARE)
    guess = prepare_guess(estimator.worksheet.numbers(config))
    with stopwatch.taking("prepare", "", guess) if fresh else contextlib.nullcontext():
        store = prepare(folder, config, home.prepared, lambda e: display.say(getattr(e, "text", "")))
    if not fresh:
        # Building the store reports them too; a study that reuses a store must also report them.
        for text in quality_notes(store):
            display.say(text)
    if store.content != request.content:
        raise CorpusError(
            "the corpus changed while the study was being planned",
            where=str(request.place.folder),
            next_step="Run the same command again",
        )
    return store.path
