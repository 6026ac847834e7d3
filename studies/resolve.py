"""From a study as written to one with every choice made; each override is checked and its errors point at its line."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

from mmcore.config import NOT_NUMBERS, Forecast, Hierarchical, RunConfig, build_config, override
from mmcore.errors import ConfigError, StudyError, nearest
from mmcore.fingerprint import identity
from mmcore.measures import MEASURES, Metric, parse_metric
from mmcore.schema import CorpusSchema
from mmcore.task import resolve_causal, resolve_task
from mmcore.yamlfile import Place, YamlFile
from studies.design import arms_of, neighbours
from studies.resolved import ResolvedArm, ResolvedStudy
from studies.study import Preset, Study


def resolve(
    name: str,
    study: Study,
    written: YamlFile,
    preset: Preset | None,
    preset_file: YamlFile | None,
    corpus: Path,
    schema: CorpusSchema,
    *,
    changes: dict[str, Any] | None = None,
    repeats: int | None = None,
    metric: str | None = None,
    preset_name: str | None = None,
) -> ResolvedStudy:
    """Lay preset, base, command-line changes and arms over the defaults, in this order, and check each step.

    Args:
        name: the study's name.
        study, written: from :func:`studies.study.read_study`.
        preset, preset_file, preset_name: from :func:`studies.study.read_preset`, or None.
        corpus: the corpus's folder.
        schema: the corpus's schema; arms may name only its modalities.
        changes: dotted path to value, from ``--set``.
        repeats, metric: from the command line; None: the study's, then the preset's.

    Raises:
        StudyError: unknown path, wrong type, unknown modality, duplicate arms, missing reference; file and line.
    """
    values: dict[str, Any] = {}
    layers: list[tuple[dict[str, Any], Callable[[str], str]]] = []
    if preset is not None and preset_file is not None:
        layers.append((preset.base, _pointer(preset_file, ("base",))))
    layers.append((study.base, _pointer(written, ("base",))))
    layers.append((changes or {}, lambda path: "--set"))
    for overrides, where in layers:
        _refuse_machine(overrides, where)
        values = override(values, overrides)
        _config(values, corpus, schema, where)

    wanted: dict[str, dict[str, Any]] = {}
    if study.design is not None:
        wanted |= arms_of(study.design, tuple(schema.modalities))
    for arm, overrides in study.arms.items():
        if arm in wanted:
            raise StudyError(f"arm '{arm}' is made by the design already", where=written.where(("arms", arm)))
        wanted[arm] = overrides
    for arm, overrides in wanted.items():
        _refuse_machine(overrides, _pointer(written, ("arms", arm)))
    arms = tuple(
        ResolvedArm(
            arm, overrides, _config(override(values, overrides), corpus, schema, _pointer(written, ("arms", arm)))
        )
        for arm, overrides in wanted.items()
    )
    _refuse_twins(arms, written)
    _refuse_unlike(arms, schema, written)
    reference = _reference(study, arms, schema, written)
    yardstick = _metric(metric or study.metric, schema, "--metric" if metric else written.where(("metric",)))
    own = yardstick == parse_metric(study.metric)
    chosen = repeats or study.repeats or (preset.repeats if preset else None)
    if chosen is None:
        raise StudyError(
            "the number of repeats is not set", where=written.where(), next_step="Add repeats: N, or a preset"
        )
    return ResolvedStudy(
        name=name,
        question=study.question,
        metric=yardstick,
        arms=arms,
        reference=reference,
        pairs=_pairs(study, arms, reference, schema, written),
        repeats=chosen,
        alpha=study.alpha,
        # A margin is in units of the study's own metric; for another one it means nothing.
        margin=study.margin if own else None,
        preset=preset_name,
        changes=dict(changes or {}),
    )


def _config(values: dict[str, Any], corpus: Path, schema: CorpusSchema, where: Callable[[str], str]) -> RunConfig:
    """The config of nested values, checked against the corpus; errors say where the path was written."""
    try:
        config = build_config({**values, "corpus": str(corpus)})
        chosen = schema.chosen(config.model.modalities)
        resolve_causal(config, resolve_task(config, schema))
        if isinstance(config.model.fusion, Hierarchical) and len(chosen) > 1:
            config.model.fusion.tree(chosen)
    except ConfigError as error:
        path = error.where or ""
        rule = f"{path}: {error.rule}" if path else error.rule
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
    if config.model.modalities is not None:
        # One spelling for one meaning: all modalities is None, others stand in the corpus's order; so runs are shared.
        full = len(chosen) == len(schema.modalities)
        model = config.model.model_copy(update={"modalities": None if full else chosen})
        config = config.model_copy(update={"model": model})
    return config


def _pointer(written: YamlFile, root: Place) -> Callable[[str], str]:
    """A function from a config path to the ``file:line`` under ``root`` where an override set it."""
    places: dict[str, Place] = {}
    for place in written.lines:
        if place[: len(root)] == root and len(place) > len(root):
            places[".".join(str(step) for step in place[len(root) :])] = place

    def where(path: str) -> str:
        """The written override that is the path, a part of the way to it, or lies below it."""
        for known, place in sorted(places.items(), key=lambda entry: -len(entry[0])):
            if path == known or path.startswith(known + "."):
                return written.where(place)
        for known, place in places.items():
            if path and known.startswith(path + "."):
                return written.where(place)
        return written.where(root)

    return where


def _refuse_machine(overrides: dict[str, Any], where: Callable[[str], str]) -> None:
    """A study says what is asked; where it runs, and on what, is said on the command line."""
    for name in override({}, overrides):
        if name in NOT_NUMBERS:
            flag = {"repeat": "--repeats", "threads": "--workers"}.get(name, f"--{name}")
            raise StudyError(
                f"'{name}' is no part of what a study asks",
                where=where(name),
                next_step=f"Leave it out, and use {flag} on the command line",
            )


def _refuse_twins(arms: tuple[ResolvedArm, ...], written: YamlFile) -> None:
    for one, other in combinations(arms, 2):
        if identity(one.config, "") == identity(other.config, ""):
            raise StudyError(
                f"arms '{one.name}' and '{other.name}' are the same experiment",
                where=written.where(("arms", other.name)),
                next_step="Remove one of them, or change what it overrides",
            )


def _refuse_unlike(arms: tuple[ResolvedArm, ...], schema: CorpusSchema, written: YamlFile) -> None:
    """Arms are compared on the same targets of the same items: what decides those must be equal in all of them."""
    first = arms[0]
    for arm in arms[1:]:
        for path, value in _decides_targets(arm.config, schema).items():
            wanted = _decides_targets(first.config, schema).get(path)
            if value != wanted:
                raise StudyError(
                    f"{path} decides what arms are scored on and must be equal in all of them",
                    expected=f"{wanted}, as in arm '{first.name}'",
                    found=f"{value} in arm '{arm.name}'",
                    where=_pointer(written, ("arms", arm.name))(path),
                    next_step="Set it in base, or make it a study of its own",
                )


def _decides_targets(config: RunConfig, schema: CorpusSchema) -> dict[str, Any]:
    task = resolve_task(config, schema)
    alignment = {f"data.{name}": value for name, value in config.data if name not in ("window", "stride", "clip")}
    shares = {f"split.{name}": value for name, value in config.split}
    ahead = {"task.horizon": task.horizon} if isinstance(task, Forecast) else {}
    return {"task.kind": task.kind} | ahead | alignment | shares


def _reference(study: Study, arms: tuple[ResolvedArm, ...], schema: CorpusSchema, written: YamlFile) -> str:
    names = [arm.name for arm in arms]
    if study.reference in names:
        return study.reference
    if study.reference == "all" and study.design is not None:
        return "+".join(schema.modalities)
    raise StudyError(
        f"reference '{study.reference}' is no arm",
        where=written.where(("reference",)),
        next_step=nearest(study.reference, names),
    )


def _metric(text: str, schema: CorpusSchema, where: str) -> Metric:
    """The yardstick, once it is certain that runs on this corpus will have a value for it."""
    try:
        metric = parse_metric(text)
    except ConfigError as error:
        raise StudyError(error.rule, next_step=error.next_step, where=where) from None
    components = list(schema.targets.components)
    if metric.component is not None and metric.component not in components:
        raise StudyError(
            f"metric '{text}' names an unknown component",
            where=where,
            next_step=nearest(metric.component, components),
        )
    members = [p for p in schema.targets.parameters if metric.component in (None, p.component)]
    kinds = sorted({p.kind for p in members})
    if not set(kinds) & set(metric.measure.kinds):
        raise StudyError(
            f"metric '{text}' has no value here",
            expected=f"a component with {' or '.join(metric.measure.kinds)} parameters",
            found=", ".join(kinds),
            where=where,
            next_step="Measures: " + ", ".join(f"{m.name} ({', '.join(m.kinds)})" for m in MEASURES.values()),
        )
    return metric


def _pairs(
    study: Study, arms: tuple[ResolvedArm, ...], reference: str, schema: CorpusSchema, written: YamlFile
) -> tuple[tuple[str, str], ...]:
    names = [arm.name for arm in arms]
    match study.comparisons:
        case "reference":
            pairs = tuple((name, reference) for name in names if name != reference)
        case "pairs":
            pairs = tuple(combinations(names, 2))
        case "neighbours":
            pairs = neighbours({arm.name: frozenset(schema.chosen(arm.config.model.modalities)) for arm in arms})
        case listed:
            for index, pair in enumerate(listed):
                for name in pair:
                    if name not in names:
                        raise StudyError(
                            f"comparison names the unknown arm '{name}'",
                            where=written.where(("comparisons", index)),
                            next_step=nearest(name, names),
                        )
                if pair[0] == pair[1]:
                    raise StudyError(
                        f"arm '{pair[0]}' is compared with itself", where=written.where(("comparisons", index))
                    )
            pairs = listed
    if not pairs:
        raise StudyError("there is nothing to compare", expected="at least two arms", where=written.where(("arms",)))
    return pairs
