"""What the verbs of ``mmstudy`` have in common: the arguments and options that lay choices over a study."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from experiments.cli.data import Format
from mmcore.errors import StudyError
from mmcore.events import Event, Note
from mmcore.yamlfile import read_yaml_value
from studies.repeats import AnyRepeats, parse_repeats

if TYPE_CHECKING:
    from experiments.planning.request import Options
    from experiments.progress import Level


class Device(StrEnum):
    """Where to train."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class Matching(StrEnum):
    """Whether arms are brought to the reference's size, and by what."""

    parameters = "parameters"
    flops = "flops"
    none = "none"


class MlflowMetrics(StrEnum):
    """Which numbers become metrics in MLflow."""

    main = "main"
    all = "all"


StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="Catalogue name or path of a study file.")]
CorpusOption = Annotated[
    str | None,
    typer.Option(
        "--corpus", metavar="DIR", help="Corpus folder, or simulated:SIZE[:SEED] with SIZE quick, seed or noisy."
    ),
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME",
        help="Sizes: quick, seed, small, medium or large; default auto: quick for a simulated corpus, else chosen by "
        "number of items.",
    ),
]


def _repeats(text: str) -> AnyRepeats:
    try:
        return parse_repeats(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


RepeatsOption = Annotated[
    Any,
    typer.Option(
        "--repeats",
        parser=_repeats,
        metavar="N|MIN..MAX[@FIRST]",
        help="Paired repeats of every arm; with MIN..MAX they are added until comparisons are decided. @FIRST numbers "
        "them from FIRST on: 10@100 trains repeats 100 to 109, on splits and seeds that repeats 0 to 9 do not share.",
    ),
]
MetricOption = Annotated[
    str | None,
    typer.Option("--metric", help="Metric to compare arms by: skill, loss, accuracy …, or COMPONENT/MEASURE."),
]
MatchOption = Annotated[
    Matching | None,
    typer.Option("--match", help="Scale arms to the reference's size, or not; default as in the study."),
]
NumericsOption = Annotated[
    int | None,
    typer.Option("--numerics", metavar="N", help="Report on the runs that an earlier version of the numerics trained."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE", help="Override a config value for all arms; the option may be repeated."
    ),
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Worker processes; default: as many as the cores allow.")
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        metavar="N",
        help="CPU threads of each run; default 1, whatever OMP_NUM_THREADS says. Another number rounds differently.",
    ),
]
OnOption = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="ENGINE",
        help="Where to train: local, ray, ray://HOST:PORT, slurm, or a YAML file with their settings; default: "
        "MMSTUDY_ON, else local.",
    ),
]


def _pack(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter("auto, or a number of runs") from None


PackOption = Annotated[
    Any,
    typer.Option(
        "--pack",
        parser=_pack,
        metavar="N|auto",
        help="Train N runs as one batch, repeats and arms whose models have equal shapes: on a graphics card about as "
        "many kernels as for one. auto: as many as the card holds, and none without a card. Results differ by rounding "
        "alone.",
    ),
]
DeviceOption = Annotated[Device, typer.Option("--device", help="Where to train.")]
StrictOption = Annotated[bool, typer.Option("--strict", help="Exit code 1 when any check warns.")]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only warnings, failures and the path of the report.")
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print a line for each stage, epoch and job, too.")
]
MlflowMetricsOption = Annotated[
    MlflowMetrics | None,
    typer.Option(
        "--mlflow-metrics",
        help="Numbers that become metrics in MLflow: main, at most 60 names, or all; default MMSTUDY_MLFLOW_METRICS, "
        "else main. Artifacts have all of them.",
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="text for people, json for scripts.")]


def options_of(
    corpus: str | None,
    preset: str | None,
    repeats: AnyRepeats | None,
    metric: str | None,
    match: Matching | None,
    changes: list[str] | None,
    workers: int | None,
    device: Device,
    threads: int | None = None,
    on: str | None = None,
    pack: int | Literal["auto"] | None = None,
) -> Options:
    from experiments.launchers.engine import read_engine
    from experiments.planning.request import Options

    return Options(
        corpus=corpus,
        preset=preset,
        repeats=repeats,
        metric=metric,
        match=None if match is None else match.value,
        changes=tuple(_change(text) for text in changes or ()),
        workers=workers,
        device=device.value,
        threads=threads,
        engine=read_engine(on),
        pack=pack,
    )


def level_of(quiet: bool, verbose: bool) -> Level:
    """How much a command says.

    Raises:
        StudyError: both are wanted.
    """
    if quiet and verbose:
        raise StudyError("--quiet and --verbose exclude each other", next_step="Leave out one of them")
    return "quiet" if quiet else "verbose" if verbose else "usual"


def use_metrics(choice: MlflowMetrics | None) -> None:
    """Let the option stand for the environment variable, which it overrules."""
    if choice is not None:
        os.environ["MMSTUDY_MLFLOW_METRICS"] = choice.value


def _change(text: str) -> tuple[str, Any]:
    path, sign, value = text.partition("=")
    path = path.strip()
    if not sign or not path:
        found = repr(text)[:80]
        step = "For example --set training.epochs=5"
        raise StudyError("--set takes PATH=VALUE", found=found, next_step=step, where="--set")
    if not value.strip():
        step = f"Write --set {path}=null for none"
        raise StudyError("--set takes PATH=VALUE", found="no value", where=f"--set {path}", next_step=step)
    return path, read_yaml_value(value, StudyError, f"--set {path}")


def aside(event: Event) -> None:
    """A note on standard error, so that JSON on standard output stays whole."""
    if isinstance(event, Note):
        typer.echo(event.text, err=True)


OF_MMSTUDY = ("--home", "--storage", "--lang")
"""Options of mmstudy itself, which every verb takes."""


def own_options_first(words: Sequence[str]) -> list[str]:
    """``run STUDY --home DIR`` as ``--home DIR run STUDY``: options of mmstudy itself may stand behind the command."""
    first: list[str] = []
    rest: list[str] = []
    at = 0
    while at < len(words):
        option, equals, _ = words[at].partition("=")
        value = words[at + 1] if at + 1 < len(words) else "--"
        if option in OF_MMSTUDY and equals:
            first.append(words[at])
        elif option in OF_MMSTUDY and not value.startswith("--"):
            first += [option, value]
            at += 1
        else:
            # One without a value stays, and is told of as such.
            rest.append(words[at])
        at += 1
    return first + rest
