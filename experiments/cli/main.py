"""The command ``mmstudy``; its help names the exit codes."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from experiments.cli.compare import compare
from experiments.cli.data import Format, data
from experiments.cli.doctor import doctor, print_version
from experiments.cli.export import export
from experiments.cli.help import SpokenGroup, built, use_language
from experiments.cli.home import home
from experiments.cli.judge import judge
from experiments.cli.options import (
    CorpusOption,
    Device,
    DeviceOption,
    FormatOption,
    MatchOption,
    MetricOption,
    MlflowMetricsOption,
    OnOption,
    PackOption,
    PresetOption,
    QuietOption,
    RepeatsOption,
    SetOption,
    StrictOption,
    StudyArgument,
    ThreadsOption,
    VerboseOption,
    WorkersOption,
    aside,
    level_of,
    options_of,
    own_options_first,
    use_metrics,
)
from experiments.cli.predict import predict
from experiments.cli.report import check, print_json, report, tell
from experiments.cli.status import status
from experiments.cli.timeline import timeline
from experiments.cli.tracking import sync, ui
from experiments.cli.verify import verify
from experiments.home import Home
from experiments.planning.checked import check_texts
from experiments.terminal import INTERRUPTED, guarded
from experiments.upkeep.locks import at_work
from mmcore.errors import MMStudyError
from mmcore.language import language, say
from mmcore.names import refuse_torn_text

app = typer.Typer(
    cls=SpokenGroup,
    help="Ablation studies for multimodal sequence models, with verdicts that hold up.\n\n"
    "STUDY is a name from `mmstudy list`, or the path of a YAML file. "
    "Exit codes: 0 done; 1 done, but runs failed or, with --strict, checks warn; 2 bad input; 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(data, name="data")
app.add_typer(home, name="home")
app.command()(doctor)


@app.callback()
def _home(
    context: typer.Context,
    home: Annotated[
        str | None,
        typer.Option(
            "--home", metavar="DIR", help="Folder for everything that is generated; default MMSTUDY_HOME or ./mlruns."
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="URL",
            help="Database for searches, e.g. postgresql://…; default MMSTUDY_STORAGE, else a file in the home.",
        ),
    ] = None,
    lang: Annotated[
        str | None,
        typer.Option(
            "--lang",
            metavar="en|ja",
            help="Language of all output and of reports; default MMSTUDY_LANG, else the locale's.",
            is_eager=True,
            callback=use_language,
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=print_version)
    ] = False,
) -> None:
    language()  # One that MMSTUDY_LANG names in vain is refused before any work.
    check_texts({"home": home, "storage": storage})
    if storage is not None:
        os.environ["MMSTUDY_STORAGE"] = storage
    context.obj = Home.choose(None if home is None else Path(home))
    context.with_resource(at_work(context.obj, context.invoked_subcommand))


@app.command("list")
def list_(format: FormatOption = Format.text) -> None:
    """List the studies that come with mmstudy."""
    from studies.study import catalogue, read_study

    studies = [(name, *read_study(path)) for name, path in catalogue().items()]
    if format is Format.json:
        print_json(
            [{"study": n, "question": s.question, "preset": s.preset, "file": str(w.path)} for n, s, w in studies]
        )
        return
    width = max(len(name) for name, *_ in studies)
    for name, study, _ in studies:
        typer.echo(f"{name:<{width}}  {say(study.question)}")


@app.command()
def plan(
    context: typer.Context,
    study: StudyArgument,
    corpus: CorpusOption = None,
    preset: PresetOption = None,
    repeats: RepeatsOption = None,
    metric: MetricOption = None,
    match: MatchOption = None,
    set_: SetOption = None,
    workers: WorkersOption = None,
    threads: ThreadsOption = None,
    device: DeviceOption = Device.cpu,
    on: OnOption = None,
    pack: PackOption = None,
    format: FormatOption = Format.text,
) -> None:
    """Show the arms, and the runs to do, reuse and resume with an estimated time. Trains nothing.

    Writes nothing, except that a corpus with one target for each item is prepared first: the window depends on lengths.
    """
    from experiments.cli.plan_view import plan_json
    from experiments.cli.text import plan_text
    from experiments.opening import open_request
    from experiments.planning.feasible import refuse_impossible, refuse_missing
    from experiments.planning.plan import plan as planned

    options = options_of(corpus, preset, repeats, metric, match, set_, workers, device, threads, on, pack)
    request = open_request(study, context.obj, options, aside)
    refuse_impossible(request)
    found = planned(request, context.obj)
    refuse_missing(found)
    if format is Format.json:
        print_json(plan_json(found, context.obj))
    else:
        typer.echo(plan_text(found, home=context.obj))


@app.command()
def describe(
    context: typer.Context,
    study: StudyArgument,
    corpus: CorpusOption = None,
    preset: PresetOption = None,
    metric: MetricOption = None,
    match: MatchOption = None,
    set_: SetOption = None,
    format: FormatOption = Format.text,
) -> None:
    """Build each arm's model; show parameters and FLOPs per part."""
    from experiments.cli.text import describe_text
    from experiments.describe import describe as build
    from experiments.opening import open_request, with_own_models

    options = options_of(corpus, preset, None, metric, match, set_, None, Device.cpu)
    request = with_own_models(open_request(study, context.obj, options), "describe")
    arms = build(request)
    if format is Format.json:
        window = request.study.arms[0].config.data.steps
        print_json({"study": request.study.name, "window": window, "arms": [asdict(arm) for arm in arms]})
    else:
        typer.echo(describe_text(request, arms))


@app.command()
def run(
    context: typer.Context,
    study: StudyArgument,
    corpus: CorpusOption = None,
    preset: PresetOption = None,
    repeats: RepeatsOption = None,
    metric: MetricOption = None,
    match: MatchOption = None,
    set_: SetOption = None,
    workers: WorkersOption = None,
    threads: ThreadsOption = None,
    device: DeviceOption = Device.cpu,
    on: OnOption = None,
    pack: PackOption = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Train failed runs again.")] = False,
    strict: StrictOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    mlflow_metrics: MlflowMetricsOption = None,
    format: FormatOption = Format.text,
) -> None:
    """Train the missing runs of a study, log every run to MLflow, and write the report.

    Finished runs of this or another study are reused. Ctrl-C is safe: the same command resumes. If the study tunes, the
    search runs first; the same command in a second shell helps with it.
    """
    from experiments.driver import run_study
    from experiments.progress import Screen

    use_metrics(mlflow_metrics)
    options = options_of(corpus, preset, repeats, metric, match, set_, workers, device, threads, on, pack)
    try:
        with Screen(level=level_of(quiet, verbose)) as screen:
            outcome = run_study(study, context.obj.root, options, display=screen, retry_failed=retry_failed)
    except KeyboardInterrupt:
        _interrupted()
    if outcome.mirrored:
        typer.echo(say("MLflow is behind; when it answers again: {command}", command=f"mmstudy sync {study}"), err=True)
    tell(outcome, format, strict, quiet)


app.command()(report)
app.command()(check)
app.command()(status)
app.command()(sync)
app.command()(ui)
app.command()(compare)
app.command()(judge)
app.command()(verify)
app.command()(predict)
app.command()(export)
app.command()(timeline)


@app.command()
def analyse(
    context: typer.Context,
    study: StudyArgument,
    kinds: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KIND]", help="gates, attention, coalitions, corruption, errors or all."),
    ] = None,
    corpus: CorpusOption = None,
    preset: PresetOption = None,
    repeats: RepeatsOption = None,
    metric: MetricOption = None,
    match: MatchOption = None,
    set_: SetOption = None,
    workers: WorkersOption = None,
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    on: OnOption = None,
    format: FormatOption = Format.text,
) -> None:
    """Analyse the finished runs of a study and write its report; trains nothing.

    Without KIND: the analyses that the study lists under `analyses`, and those requested here before. Once requested, a
    KIND stays in the study's report. Answers are kept; only missing ones are computed.
    """
    from experiments.driver import analyse_study, log_report
    from experiments.opening import open_request, with_own_models
    from experiments.progress import Screen

    options = options_of(corpus, preset, repeats, metric, match, set_, workers, Device.cpu, threads, on)
    request = with_own_models(open_request(study, context.obj, options), "analyse")
    try:
        with Screen(level=level_of(quiet, verbose)) as screen:
            outcome = analyse_study(request, context.obj, kinds or (), screen)
            log_report(request, context.obj, outcome, screen)
    except KeyboardInterrupt:
        _interrupted()
    tell(outcome, format, strict=False, quiet=quiet)


def _interrupted() -> NoReturn:
    typer.echo(say(INTERRUPTED), err=True)
    raise typer.Exit(130) from None


def main() -> None:
    """Entry point."""
    # The interpreter looks through all objects before it ends, for a second where drawing and tracking are imported.
    atexit.register(gc.freeze)
    guarded(lambda: built(app)(args=own_options_first(_arguments()), standalone_mode=True))


def _arguments() -> list[str]:
    for word in sys.argv[1:]:
        refuse_torn_text(word, "an argument", MMStudyError)
    return sys.argv[1:]


if __name__ == "__main__":
    main()
