"""``mmstudy data``: make, convert, look at and prepare corpora."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmcore.language import later, say, say_of

if TYPE_CHECKING:
    from mmcore.data.importers.sample import Options

data = typer.Typer(help="Make, convert, look at and prepare corpora.", no_args_is_help=True, rich_markup_mode=None)


class Format(StrEnum):
    """How results are printed."""

    text = "text"
    json = "json"


class Size(StrEnum):
    """Sizes of the simulated corpus."""

    quick = "quick"
    seed = "seed"
    noisy = "noisy"


class Kind(StrEnum):
    """What can be converted."""

    smartwatch = "smartwatch"
    seed_layout = "seed-layout"
    csd = "csd"
    mmsa = "mmsa"
    mult = "mult"
    datasets = "datasets"
    numpy = "numpy"
    footage = "footage"


CorpusFolder = Annotated[Path, typer.Argument(metavar="DIR", help="The corpus's folder.")]


@data.command()
def simulate(
    folder: CorpusFolder,
    size: Annotated[
        Size, typer.Option("--size", help="quick; seed: the scale of the seed experiment; noisy: quick with outliers.")
    ] = Size.quick,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Seed of the simulation; a different seed makes a different corpus.")
    ] = 0,
) -> None:
    """Write a simulated corpus, with its ground truth in truth.yaml."""
    from mmcore.data.sources.simulated import simulate as make

    typer.echo(f"wrote {make(folder, size.value, seed)}")


@data.command()
def init(
    raw: Annotated[Path, typer.Argument(metavar="RAW", help="A folder of tables, arrays or subtitles; only read.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The new corpus's folder.")],
    format: Annotated[Format, typer.Option("--format", help="text for people, json for scripts.")] = Format.text,
) -> None:
    """Guess a corpus from a folder of raw files, and say what was guessed and why.

    Reads CSV, TSV, Parquet, Feather, .npy, .npz, JSON Lines, .srt and .vtt. Every guess can be corrected in the
    commented corpus.yaml that it writes. See docs/first_corpus.md.
    """
    from experiments.guess_view import guess_json, guess_text
    from mmcore.data.guess.corpus import guess_corpus
    from mmcore.data.guess.write import write_corpus

    guess = guess_corpus(raw)
    made = write_corpus(guess, out)
    if format is Format.json:
        typer.echo(json.dumps(guess_json(guess, made), indent=1, ensure_ascii=False))
    else:
        typer.echo(guess_text(guess, made))


@data.command()
def check(
    folder: CorpusFolder,
    format: Annotated[Format, typer.Option("--format", help="text for people, json for scripts.")] = Format.text,
) -> None:
    """List every problem in a corpus, each with its file, line or item and the next step.

    Writes nothing. Exit code 1 if there are errors, 0 if there are only warnings or no problems.
    """
    from experiments.check_view import check_json, check_text
    from mmcore.data.checking import check_corpus

    checked = check_corpus(folder)
    if format is Format.json:
        typer.echo(json.dumps(check_json(checked, folder), indent=1, ensure_ascii=False))
    else:
        typer.echo(check_text(checked, folder))
    if checked.errors:
        raise typer.Exit(1)


@data.command("import")
def import_(
    context: typer.Context,
    kind: Annotated[Kind, typer.Argument(help="What to convert.")],
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="The file or folder to convert; smartwatch: the new corpus's folder."),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="The new corpus's folder; seed-layout: default PATH/corpus.")
    ] = None,
    target: Annotated[str | None, typer.Option("--target", help="The column, key or array to predict.")] = None,
    group: Annotated[
        str | None, typer.Option("--group", help="The column, key or array of groups; a split never divides a group.")
    ] = None,
    item: Annotated[
        str | None, typer.Option("--item", help="The column, key or array of item names; csd: segment or video.")
    ] = None,
    sampling_rate: Annotated[
        list[str] | None,
        typer.Option(
            "--sampling-rate", metavar="MODALITY=HZ", help="Rows per second; give the option once for each modality."
        ),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            "--features",
            metavar="LIST",
            help="footage: what to compute: default, or sound, logmel, sight, faces, lite0, FILE.onnx; with commas.",
        ),
    ] = None,
    timelines: Annotated[
        Path | None,
        typer.Option("--timelines", metavar="DIR", help="footage: editing timelines with the names of the videos."),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option("--like", metavar="CORPUS", help="footage: predict what that corpus has as targets."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="footage: processes; default: one for each core.")
    ] = None,
) -> None:
    """Convert existing data into a corpus.

    footage: video and sound files of a folder, from which features are computed; see docs/footage.md.

    csd: computational sequences of CMU-MultimodalSDK. mmsa, mult: their pickles, read without unpickling. datasets: a
    folder of Hugging Face datasets. numpy: an .npz archive or a folder of .npy files. smartwatch: 140 recordings that
    the package seglearn ships. seed-layout: files <video>_features.csv, <video>_visual_features.csv and
    *_sequences.npz.
    """
    from mmcore.data.importers.sample import Options, parse_rates

    options = Options(target, group, item, parse_rates(sampling_rate or []))
    if kind is not Kind.footage and any((features, timelines, like, workers)):
        raise typer.BadParameter(f"{kind.value} takes none of --features, --timelines, --like and --workers")
    match kind:
        case Kind.footage:
            from experiments.cli.footage import import_footage_into
            from mmcore.data.importers.kinds import only_path

            if item is not None or sampling_rate:
                raise typer.BadParameter("footage takes none of --item and --sampling-rate")
            folder, home = only_path(kind.value, paths), context.obj.make()
            lines = import_footage_into(
                folder, out, home, features or "default", timelines, target, like, group, workers
            )
            typer.echo("\n".join(lines))
        case Kind.smartwatch | Kind.seed_layout:
            typer.echo(say("wrote {path}", path=_import_layout(kind, paths, out, options)))
        case _:
            from mmcore.data.importers.kinds import import_kind

            typer.echo("\n".join(import_kind(kind.value, paths, out, options).lines()))


def _import_layout(kind: Kind, paths: list[Path], out: Path | None, options: Options) -> Path:
    """The two kinds whose layout leaves nothing to choose."""
    from mmcore.data.importers.kinds import only_path
    from mmcore.data.importers.sample import Options

    if options != Options():
        raise typer.BadParameter(f"{kind.value} takes none of --target, --group, --item and --sampling-rate")
    path = only_path(kind.value, paths)
    if kind is Kind.smartwatch:
        from mmcore.data.sources.smartwatch import import_smartwatch

        return import_smartwatch(path)
    from mmcore.data.sources.seed_layout import import_seed_layout

    return import_seed_layout(path, out or path / "corpus")


@data.command()
def inspect(
    context: typer.Context,
    folder: CorpusFolder,
    items: Annotated[bool, typer.Option("--items", help="Also print a line for every item and modality.")] = False,
    lag: Annotated[bool, typer.Option("--lag", help="Also estimate the time lag between each two modalities.")] = False,
    format: Annotated[Format, typer.Option("--format", help="text for people, json for scripts.")] = Format.text,
) -> None:
    """Show the contents of a corpus and the quality of its data, by modality, and where something looks wrong."""
    from experiments.cli.quality import lag_lines, quality_text
    from experiments.corpora import prepared_for
    from mmcore.config import DataConfig
    from mmcore.data.lag import lags_of
    from mmcore.data.timing import time_notes
    from mmcore.data.windows import lengths_of
    from mmcore.quality import summarise

    store = prepared_for(folder, DataConfig(), context.obj)
    lags = lags_of(store) if lag else None
    if format is Format.json:
        report: dict[str, object] = {"corpus": store.schema.name, "content": store.content}
        report["lengths"] = asdict(lengths_of(store))
        report |= {name: list(found) for name, found in asdict(store.likenesses).items() if found is not None}
        report |= {
            "modalities": [asdict(line) for line in summarise(store.quality)],
            "times": time_notes(store.quality),
            "items": [asdict(row) for row in store.quality],
        }
        if lags is not None:
            report["lags"] = [asdict(one) for one in lags]
        typer.echo(json.dumps(report, indent=1, ensure_ascii=False))
    else:
        typer.echo(quality_text(store, items))
        if lags is not None:
            typer.echo(
                "\n".join(["", say("lags"), *lag_lines(lags, later("s") if store.schema.step else later("steps"))])
            )


@data.command()
def prepare(context: typer.Context, folder: CorpusFolder) -> None:
    """Build the prepared store of a corpus, as the first run of a study would."""
    from mmcore.config import DataConfig
    from mmcore.data.prepare import prepare as build

    home = context.obj.make()
    store = build(folder, DataConfig(), home.prepared, lambda event: typer.echo(getattr(event, "text", ""), err=True))
    typer.echo(
        say_of(
            len(store.items),
            "prepared 1 item in {folder}",
            "prepared {n} items in {folder}",
            folder=home.prepared / store.key,
        )
    )
