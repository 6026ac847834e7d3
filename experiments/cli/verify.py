"""``mmstudy verify``: does a class of your own keep the promises of its family?"""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from experiments.cli.data import Format
from mmcore.errors import ConfigError
from mmcore.language import say
from reports.lines import padded
from reports.numbers import counted

if TYPE_CHECKING:
    from mmcore.promises.verify import Verified


class FamilyName(StrEnum):
    """Where a class can stand."""

    fusion = "fusion"
    encoder = "encoder"
    head = "head"
    embedding = "embedding"
    model = "model"
    loss = "loss"
    metric = "metric"
    weighting = "weighting"
    augmentation = "augmentation"


class KindName(StrEnum):
    """Kinds of parameters."""

    continuous = "continuous"
    binary = "binary"
    categorical = "categorical"


class Scope(StrEnum):
    """What a target belongs to."""

    step = "step"
    item = "item"


def verify(
    part: Annotated[str, typer.Argument(metavar="CLASS", help="The class, as package.module:Name, or an entry point.")],
    family: Annotated[
        FamilyName | None, typer.Option("--family", help="Where it stands; default: guessed from what it names.")
    ] = None,
    args: Annotated[
        str | None, typer.Option("--args", metavar="YAML", help="Arguments of its constructor, e.g. '{scale: 2}'.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="DIR", help="Where the class lies; default: the current folder.")
    ] = None,
    causal: Annotated[
        bool,
        typer.Option("--causal/--no-causal", help="Whether it must also serve forecasts, which read no later step."),
    ] = True,
    scope: Annotated[
        Scope | None, typer.Option("--scope", help="Targets that a model serves, of a step or an item; default: both.")
    ] = None,
    higher_is_better: Annotated[
        bool | None, typer.Option("--higher-is-better/--lower-is-better", help="Direction of a metric.")
    ] = None,
    kind: Annotated[
        list[KindName] | None,
        typer.Option("--kind", help="Kinds of parameters for a loss or metric; default: continuous."),
    ] = None,
    format: Annotated[Format, typer.Option("--format", help="text for people, json for scripts.")] = Format.text,
) -> None:
    """Test a class of your own against the promises of its family, and show an example for each one that is broken.

    Trains nothing and needs no corpus. Exit codes: 0 all promises are kept; 1 one is broken; 2 bad input.
    """
    from mmcore.own_code import as_config_errors
    from mmcore.promises.verify import verify as verified

    given = _arguments(args)
    with as_config_errors("it is made"):
        found = verified(
            part,
            None if family is None else family.value,
            given,
            folder,
            causal=causal,
            scope=None if scope is None else scope.value,
            higher_is_better=higher_is_better,
            kinds=tuple(one.value for one in kind) if kind else None,
        )
    if format is Format.json:
        typer.echo(json.dumps({**asdict(found), "broken": found.broken}, indent=1))
    else:
        typer.echo(verified_text(found))
    if found.broken:
        raise typer.Exit(1)


def _arguments(text: str | None) -> dict[str, Any]:
    """A mapping in YAML, of which JSON is a part."""
    try:
        given = {} if text is None else yaml.safe_load(text)
    except yaml.YAMLError:
        given = None
    if not isinstance(given, dict):
        raise ConfigError(
            "--args takes a mapping", expected="'{name: value}'", found=text, next_step="Quote it for the shell"
        )
    return given


def verified_text(found: Verified) -> str:
    """A line for each promise; below a broken one what was found."""
    lines = [say("{part} as {family}", part=found.part, family=found.family), ""]
    width = max(len(promise.name) for promise in found.promises)
    before: dict[str, str] = {}
    for promise in found.promises:
        mark = say("BROKEN") if promise.broken is not None else say("kept") if promise.tested else say("open")
        lines.append(f"{padded(mark, 6)}  {promise.name:<{width}}  {say(promise.says)}")
        if promise.broken is not None:
            same = before.setdefault(promise.broken, promise.name)
            text = (
                say("found ({variant}): {broken}", variant=promise.variant, broken=promise.broken)
                if same == promise.name
                else say("found ({variant}): the same as for {name}", variant=promise.variant, name=same)
            )
            lines.append(f"{'':8}{'':<{width}}  {text}")
    count, of = sum(p.broken is None and p.tested > 0 for p in found.promises), len(found.promises)
    text = say(
        "{n} of {all} promises kept; examples of {sizes}, seed {seed}",
        n=count,
        all=of,
        sizes=found.sizes,
        seed=found.seed,
    )
    lines += ["", text]
    if still := sum(not promise.tested for promise in found.promises):
        promises = counted(still, "promise")
        lines.append(say("open: {promises}, tested once what is broken is put right", promises=promises))
    return "\n".join(lines)
