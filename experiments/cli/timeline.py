"""``mmstudy timeline``: what a trained arm predicts, as a timeline that an editing program opens."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.options import (
    CorpusOption,
    Device,
    MatchOption,
    MetricOption,
    PresetOption,
    RepeatsOption,
    SetOption,
    StudyArgument,
    options_of,
)
from experiments.cli.predict import which

if TYPE_CHECKING:
    from experiments.timelines.edits import Cutting, Edit
    from experiments.trained_arm import Which

RATE = 30
"""Frames a second of an edit without footage."""


def _models(text: str) -> Any:
    return which(text)


def _rate(text: str) -> Fraction:
    top, _, bottom = text.partition("/")
    try:
        found = Fraction(top) / Fraction(bottom or "1")
    except (ValueError, ZeroDivisionError):
        found = Fraction(0)
    if not 1 <= found <= 1000:
        raise typer.BadParameter("expected frames a second, such as 25, 29.97 or 30000/1001")
    return found


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text)
    if found is None or not int(found[1]) or not int(found[2]):
        raise typer.BadParameter("expected WIDTHxHEIGHT in pixels, such as 1920x1080")
    return int(found[1]), int(found[2])


def timeline(
    context: typer.Context,
    study: StudyArgument,
    arm: Annotated[str, typer.Argument(metavar="ARM", help="The arm whose models predict.")],
    new: Annotated[
        Path, typer.Argument(metavar="NEW", help="Folder of a corpus like that of the training; targets may be absent.")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The file: .otio, .xml (Premiere), .fcpxml or .edl.")
    ],
    item: Annotated[
        str | None, typer.Option("--item", metavar="NAME", help="Which item of NEW; needed if it has several.")
    ] = None,
    video: Annotated[
        Path | None, typer.Option("--video", metavar="FILE", help="The item's footage, which the clips then show.")
    ] = None,
    target_seconds: Annotated[
        float | None,
        typer.Option("--target-seconds", metavar="S", help="Choose the threshold so that about S seconds are kept."),
    ] = None,
    threshold: Annotated[
        float, typer.Option("--threshold", min=0, max=1, help="Probability from which on a track is seen.")
    ] = 0.5,
    release: Annotated[
        float, typer.Option("--release", min=0, max=1, help="It is seen until below this part of the threshold.")
    ] = 0.8,
    shortest: Annotated[
        float,
        typer.Option("--shortest", metavar="S", min=0, help="Seconds of the shortest clip, and of the shortest gap."),
    ] = 0.5,
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance", metavar="F", min=0, help="How far keyframes may be from predictions; 2: twice as far."
        ),
    ] = 1.0,
    close: Annotated[
        bool, typer.Option("--close-gaps", help="Take out the times in which no track shows anything.")
    ] = False,
    sound: Annotated[
        bool, typer.Option("--sound/--no-sound", help="Write the sound of --video, linked to the clips.")
    ] = True,
    fps: Annotated[
        Any,
        typer.Option("--fps", parser=_rate, metavar="R", help="Frames a second; default as --video, else 30."),
    ] = None,
    size: Annotated[
        Any,
        typer.Option(
            "--size", parser=_size, metavar="WxH", help="Pixels of the frame; default as --video, else 1920x1080."
        ),
    ] = None,
    models: Annotated[
        Any, typer.Option("--models", parser=_models, metavar="all|best|N", help="As for mmstudy predict.")
    ] = "all",
    corpus: CorpusOption = None,
    preset: PresetOption = None,
    repeats: RepeatsOption = None,
    metric: MetricOption = None,
    match: MatchOption = None,
    set_: SetOption = None,
) -> None:
    """Predict for an item, and write the predicted tracks as a timeline for an editing program.

    Clips have keyframes for what moves, and a marker each that says how sure the models are. Give the options with
    which the study was run: they say which runs are its own.
    """
    from experiments.timelines.edits import Cutting, Footage, close_gaps, edit_of
    from experiments.timelines.forecast import forecast_of, never_moved
    from experiments.timelines.numbers import rate_of
    from experiments.timelines.placed import HEIGHT, WIDTH
    from experiments.timelines.writing import check_target, write_timeline
    from experiments.trained_arm import trained_arm
    from mmcore.errors import CorpusError
    from mmcore.language import say

    check_target(out)
    cutting = Cutting(threshold, release, shortest, tolerance, target_seconds)
    if video is not None and not video.is_file():
        raise CorpusError("the footage must be a file", found="none", where=str(video), next_step="Check --video")
    own = None if video is None or (fps and size) else _shape(video)
    width, height = size or (own[1:] if own else (WIDTH, HEIGHT))
    channels = 0 if video is None or not sound else _channels(video)
    footage = Footage(rate_of(float(fps or (own[0] if own else RATE))), width, height, video, channels)
    options = options_of(corpus, preset, repeats, metric, match, set_, None, Device.cpu)
    opened = trained_arm(study, context.obj, options, arm)
    chosen: Which = models
    still = never_moved(opened.members(chosen), opened.schema)
    forecast = forecast_of(opened.predict(new, chosen), opened.schema, item, still)
    edit = edit_of(forecast, cutting, footage)
    shown = close_gaps(edit.timeline) if close else edit.timeline
    left_out = write_timeline(shown, out)
    typer.echo(str(out))
    typer.echo(_summary(edit, cutting))
    for line in (*edit.timeline.left_out, *left_out):
        typer.echo(say("note: {line}", line=line))


def _shape(video: Path) -> tuple[Fraction, int, int] | None:
    """Rate and frame of the footage; None, with a note, where it has no pictures or nothing here can open it."""
    from mmcore.language import say

    try:
        from experiments.footage.media import shape_of
    except ImportError:
        typer.echo(say("note: without mmstudy[footage] the frame and the rate of --video are not known"), err=True)
        return None
    return shape_of(video)


def _channels(video: Path) -> int:
    """Of the footage's sound; 0, with a note, where nothing here can open it."""
    from mmcore.language import say

    try:
        from experiments.footage.media import survey
    except ImportError:
        typer.echo(say("note: without mmstudy[footage] the sound of --video is not known"), err=True)
        return 0
    return survey(video).channels


def _summary(edit: Edit, cutting: Cutting) -> str:
    from mmcore.language import say
    from reports.numbers import counted

    tracks = [track for track in edit.timeline.tracks if track.clips]
    clips = sum(len(track.clips) for track in tracks)
    parts = [
        say(
            "{clips} on {tracks}; {kept} s of {total} s are kept, at a threshold of {threshold}",
            clips=counted(clips, "clip"),
            tracks=counted(len(tracks), "track"),
            kept=f"{edit.kept:.1f}",
            total=f"{edit.total:.1f}",
            threshold=f"{edit.threshold:.3g}",
        )
    ]
    if cutting.target is not None:
        parts.append(say("{seconds} s were requested", seconds=f"{cutting.target:g}"))
    if not clips:
        parts.append(
            say(
                "The highest probability of a track is {highest}: lower --threshold, or give --target-seconds",
                highest=f"{edit.highest:.3g}",
            )
        )
    return "\n".join(parts)
