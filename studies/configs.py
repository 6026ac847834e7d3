"""What a study's overrides must obey, on the corpus at hand; errors say file and line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

from mmcore.config import NOT_NUMBERS, Forecast, Hierarchical, RunConfig, build_config, override
from mmcore.errors import ConfigError, StudyError, nearest
from mmcore.fingerprint import fingerprint
from mmcore.schema import CorpusSchema
from mmcore.task import check_names, resolve_causal, resolve_task
from mmcore.yamlfile import Place, YamlFile
from studies.resolved import ResolvedArm

Where = Callable[[str], str]
"""From a config path to the place where it was written."""


def config_of(values: dict[str, Any], corpus: str, schema: CorpusSchema, where: Where) -> RunConfig:
    """The config of nested values, checked against the corpus, with one spelling for one meaning.

    Raises:
        StudyError: unknown path, wrong type, unknown modality or component.
    """
    try:
        config = build_config({**values, "corpus": corpus})
        chosen = schema.chosen(config.model.modalities)
        resolve_causal(config, resolve_task(config, schema))
        check_names(config, schema)
        if isinstance(config.model.fusion, Hierarchical) and len(chosen) > 1:
            config.model.fusion.tree(chosen)
    except ConfigError as error:
        path = error.where or ""
        rule = f"{path}: {error.rule}" if path and not error.rule.startswith(f"{path}.") else error.rule
        raise StudyError(
            rule, expected=error.expected, found=error.found, next_step=error.next_step, where=where(path)
        ) from None
    for component in config.loss.weights:
        if component not in schema.targets.components:
            raise StudyError(
                f"loss.weights names the unknown component '{component}'",
                next_step=nearest(component, list(schema.targets.components)),
                where=where(f"loss.weights.{component}"),
            )
    weights = {config.loss.weights.get(component, 1.0) for component in schema.targets.components}
    if weights == {0.0}:
        raise StudyError(
            "loss.weights: at least one loss component needs a weight above 0",
            found="0 for all of them",
            next_step="Raise a weight, or leave it out to count 1",
            where=where("loss.weights"),
        )
    if len(weights) == 1:
        # Equal weights are no weights: only their proportions count.
        config = config.model_copy(update={"loss": config.loss.model_copy(update={"weights": {}})})
    if config.model.modalities is not None:
        # One spelling for one meaning: all modalities is None, others stand in the corpus's order; so runs are shared.
        full = len(chosen) == len(schema.modalities)
        model = config.model.model_copy(update={"modalities": None if full else chosen})
        config = config.model_copy(update={"model": model})
    if config.data.placebo:
        data = config.data.model_copy(update={"placebo": schema.chosen(config.data.placebo)})
        config = config.model_copy(update={"data": data})
    return config


def pointer(written: YamlFile, *roots: Place) -> Where:
    """A function from a config path to the ``file:line`` under one of the roots where an override set it."""
    places: dict[str, Place] = {}
    for root in roots:
        for place in written.lines:
            if place[: len(root)] == root and len(place) > len(root):
                places.setdefault(".".join(str(step) for step in place[len(root) :]), place)

    def where(path: str) -> str:
        """The written override that is the path, a part of the way to it, or lies below it."""
        for known, place in sorted(places.items(), key=lambda entry: -len(entry[0])):
            if path == known or path.startswith(known + "."):
                return written.where(place)
        for known, place in places.items():
            if path and known.startswith(path + "."):
                return written.where(place)
        return written.where(roots[0])

    return where


def refuse_machine(overrides: dict[str, Any], where: Where) -> None:
    """A study says what is asked; where it runs, and on what, is said on the command line."""
    for name in override({}, overrides):
        if name in NOT_NUMBERS:
            flag = {"repeat": "--repeats"}.get(name, f"--{name}")
            raise StudyError(
                f"'{name}' is no part of what a study asks",
                where=where(name),
                next_step=f"Leave it out, and use {flag} on the command line",
            )


def refuse_twice(overrides: dict[str, Any], where: Where) -> None:
    """Nothing may be set twice at one level: the order of lines would decide, unseen."""
    settings = list(_leaves((), overrides))
    for one, other in combinations(settings, 2):
        first, second = ".".join(one), ".".join(other)
        if f"{second}.".startswith(f"{first}."[: len(second) + 1]):
            # A part of the way may be shared: the same path can be written dotted and as mappings within it.
            shared = next(at for at, (mine, its) in enumerate(zip(one, other, strict=False)) if mine != its)
            within = f", both within '{'.'.join(one[:shared])}'" if shared else ""
            raise StudyError(
                f"'{min(first, second, key=len)}' is set twice",
                found=f"by '{one[shared]}' and by '{other[shared]}'{within}",
                where=where(".".join(other[: shared + 1])),
                next_step="Keep one of them",
            )


def _leaves(written: tuple[str, ...], value: Any) -> Iterator[tuple[str, ...]]:
    """The keys, as they are written, on the way to each value that is no mapping."""
    if isinstance(value, dict) and (value or not written):
        for name, inner in value.items():
            yield from _leaves((*written, str(name)), inner)
    else:
        yield written


def refuse_twins(arms: Sequence[ResolvedArm], where_of: Callable[[str], Where], matched: bool = False) -> None:
    """No two arms may be one experiment.

    Args:
        arms: to be told apart.
        where_of: an arm's name to where it was written.
        matched: whether the arms have been brought to one size, which may be what made them alike.
    """
    seen: dict[str, str] = {}
    for arm in arms:
        known = seen.setdefault(fingerprint(arm.config, ""), arm.name)
        if known != arm.name:
            raise StudyError(
                f"arms '{known}' and '{arm.name}' are the same experiment"
                + (" once they are matched" if matched else ""),
                where=where_of(arm.name)(""),
                next_step="Remove one of them, or change what it overrides",
            )


def refuse_unlike(arms: Sequence[ResolvedArm], schema: CorpusSchema, where_of: Callable[[str], Where]) -> None:
    """Arms are compared on the same targets of the same items: what decides those must be equal in all of them."""
    first = arms[0]
    wanted = _decides_targets(first.config, schema)
    for arm in arms[1:]:
        for path, value in _decides_targets(arm.config, schema).items():
            if value != wanted.get(path):
                raise StudyError(
                    f"{path} decides what arms are scored on and must be equal in all of them",
                    expected=f"{wanted.get(path)}, as in arm '{first.name}'",
                    found=f"{value} in arm '{arm.name}'",
                    where=where_of(arm.name)(path),
                    next_step="Set it in base, or make it a study of its own",
                )


NOT_TARGETS = ("window", "stride", "clip", "placebo")
"""Settings under ``data`` that change what a model reads, and nothing of what it is scored on."""


def _decides_targets(config: RunConfig, schema: CorpusSchema) -> dict[str, Any]:
    task = resolve_task(config, schema)
    alignment = {f"data.{name}": value for name, value in config.data if name not in NOT_TARGETS}
    shares = {f"split.{name}": value for name, value in config.split}
    ahead = {"task.horizon": task.horizon} if isinstance(task, Forecast) else {}
    return {"task.kind": task.kind} | ahead | alignment | shares
