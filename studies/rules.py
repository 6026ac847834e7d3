"""What a study must obey on the corpus at hand, before anything is trained; errors say file and line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

from mmcore.analyses import ATTENDING, AnyAnalysis, CoalitionsAnalysis, ErrorsAnalysis, applies, refuse_inexact
from mmcore.config import NOT_NUMBERS, Forecast, Overrides, RunConfig, override
from mmcore.config.custom import Custom
from mmcore.errors import ConfigError, StudyError, nearest
from mmcore.fingerprint import fingerprint, identity
from mmcore.limits import MOST_SETTINGS
from mmcore.measures import Metric
from mmcore.schema import CorpusSchema
from mmcore.task import resolve_task
from mmcore.yamlfile import Place, YamlFile
from studies.configs import Where
from studies.resolved import ResolvedArm


def refuse_endless(
    analyses: Sequence[AnyAnalysis], configs: Iterable[RunConfig], schema: CorpusSchema, written: YamlFile
) -> None:
    """Refuse analyses that could only fail once a run is trained.

    Args:
        analyses: of the study, in the order in which they are written. configs: of the runs that will be asked.

    Raises:
        StudyError: all subsets of too many modalities.
    """
    chosen = [(config, schema.chosen(config.model.modalities)) for config in configs]
    listed = isinstance(written.data.get("analyses"), list)
    for index, analysis in enumerate(analyses):
        if not isinstance(analysis, CoalitionsAnalysis):
            continue
        place: Place = ("analyses", index) if listed else ("analyses",)
        asked = [len(modalities) for config, modalities in chosen if applies(analysis, config, modalities)]
        try:
            refuse_inexact(max(asked, default=0), analysis.samples)
        except ConfigError as error:
            raise StudyError(
                error.rule, found=error.found, next_step=error.next_step, where=written.where(place)
            ) from None


def refuse_unknown_columns(analyses: Sequence[AnyAnalysis], columns: Sequence[str], written: YamlFile) -> None:
    """Errors are compared by columns that items.csv has.

    Args:
        analyses: of the study, in the order in which they are written. columns: of items.csv, besides item, group and
            split.

    Raises:
        StudyError: an analysis names another one.
    """
    listed = isinstance(written.data.get("analyses"), list)
    for index, analysis in enumerate(analyses):
        for column in (isinstance(analysis, ErrorsAnalysis) and analysis.columns) or ():
            if column not in columns:
                place: Place = ("analyses", index) if listed else ("analyses",)
                raise StudyError(
                    "errors can be compared by a column of items.csv besides item, group and split",
                    found=f"'{column}'",
                    next_step=nearest(column, list(columns)),
                    where=written.where(place),
                )


def refuse_many(number: int, what: str, most: int, where: str) -> None:
    """Refuse what would take for ever to plan, before it is planned.

    Raises:
        StudyError: ``number`` is above ``most``.
    """
    if number > most:
        raise StudyError(
            f"a study may have at most {most:,} {what}",
            found=f"{number:,}",
            where=where,
            next_step="Take fewer arms or repeats, or make several studies",
        )


def refuse_margin(margin: float | None, metric: Metric, written: YamlFile) -> None:
    """Refuse a margin that no difference could leave, such as one in percent: it would call any two arms equivalent.

    Raises:
        StudyError: the metric has a limit, and ``margin`` is not below it.
    """
    limit = metric.measure.limit
    if margin is None or limit is None or margin < limit:
        return
    raise StudyError(
        f"margin: differences of {metric.name} within the margin count as none, so it must be a small one",
        expected=f"a number below {limit:g}",
        found=f"{margin:g}",
        next_step=f"Write it in the unit of the metric: {margin / 100:g} for {margin:g} points of a hundred",
        where=written.where(("margin",)),
    )


def refuse_machine(overrides: Overrides, where: Where) -> None:
    """A study says what to compare; where and on which device it runs is set on the command line."""
    for name in override({}, overrides):
        if name in NOT_NUMBERS:
            flag = {"repeat": "--repeats"}.get(name, f"--{name}")
            raise StudyError(
                f"'{name}' is a run-time option, not part of a study",
                where=where(name),
                next_step=f"Leave it out, and use {flag} on the command line",
            )


def refuse_twice(overrides: Overrides, where: Where) -> None:
    """Nothing may be set twice at one level: the order of lines would decide, unseen."""
    settings = list(_leaves((), overrides))
    refuse_many(len(settings), "settings in one arm", MOST_SETTINGS, where(""))
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


def refuse_duplicates(arms: Sequence[ResolvedArm], where_of: Callable[[str], Where], matched: bool = False) -> None:
    """No two arms may be one experiment.

    Args:
        arms: of the study.
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


def refuse_idle_differences(
    arms: Sequence[ResolvedArm], schema: CorpusSchema, where_of: Callable[[str], Where]
) -> None:
    """No two arms may differ in settings alone that nothing uses: their scores would be equal, or differ by chance."""
    seen: dict[str, tuple[str, RunConfig]] = {}
    for arm in arms:
        unused = unused_settings(arm.config, schema)
        text = json.dumps(_without(identity(arm.config, "")["config"], unused), sort_keys=True)
        name, other = seen.setdefault(text, (arm.name, arm.config))
        if name != arm.name:
            idle = sorted({*unused, *unused_settings(other, schema)})
            raise StudyError(
                f"arms '{name}' and '{arm.name}' differ in settings alone that nothing uses",
                found=", ".join(path for path in idle if _at(arm.config, path) != _at(other, path)),
                where=where_of(arm.name)(""),
                next_step="Remove one of them, or change what it overrides",
            )


def refuse_keyword(reference: str, base: str, written: YamlFile) -> None:
    """The words ``all`` and ``base`` mean the arm that changes nothing; no other arm may take their place unseen.

    Args:
        reference: names an arm that changes something. base: the arm that changes nothing.

    Raises:
        StudyError: the reference is one of these words.
    """
    if reference in ("all", "base"):
        raise StudyError(
            f"reference '{reference}' names an arm, and is the word for the arm that changes nothing",
            found=f"'{base}' changes nothing",
            where=written.where(("reference",)),
            next_step=f"Name '{base}', or give the arm or modality '{reference}' another name",
        )


def unused_settings(config: RunConfig, schema: CorpusSchema) -> list[str]:
    """Paths of settings that change nothing in this run, as far as config and corpus.yaml tell."""
    model, training = config.model, config.training
    one = len(schema.chosen(model.modalities)) == 1
    kinds = {parameter.kind for parameter in schema.targets.parameters}
    unused = [f"loss.{kind}" for kind in ("binary", "categorical", "continuous") if kind not in kinds]
    if one:
        unused += ["model.fusion", "augmentation.modality_dropout"]
    if len(schema.targets.components) == 1:
        unused += ["loss.weights", "loss.weighting"]
    attends = model.layers or model.layers_before or (not one and model.fusion.kind in ATTENDING)
    # Which of these a class of the user's asks for, its constructor alone says.
    own = any(isinstance(part, Custom) for part in (model.fusion, model.head, *model.embedding.values()))
    if not attends and not own and model.head.kind != "track_tokens":
        unused += ["model.heads", "model.attention_dropout", "model.norm", "model.causal"]
        unused += [] if model.head.kind == "residual" else ["model.feed_forward"]
    if training.patience is not None and training.patience >= training.epochs:
        unused.append("training.patience")
    if config.data.stride is not None and config.data.stride == config.data.window:
        unused.append("data.stride")
    for name, change in config.augmentation:
        if change is not None and not isinstance(change, Custom) and change.probability == 0:
            unused.append(f"augmentation.{name}")
    return unused


def _without(values: Any, paths: Sequence[str], before: str = "") -> Any:
    """Nested values without those at some paths; mappings that this leaves empty are left out, too."""
    if not isinstance(values, dict):
        return values
    kept = {}
    for name, value in values.items():
        path = f"{before}{name}"
        if path not in paths:
            inner = _without(value, paths, f"{path}.")
            if inner != {} or value == {}:
                kept[name] = inner
    return kept


def _at(config: RunConfig, path: str) -> Any:
    value: Any = config
    for step in path.split("."):
        value = getattr(value, step)
    return value


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
"""Settings under ``data`` that change what a model reads, but not what it is scored on."""


def _decides_targets(config: RunConfig, schema: CorpusSchema) -> Overrides:
    task = resolve_task(config, schema)
    alignment = {f"data.{name}": value for name, value in config.data if name not in NOT_TARGETS}
    shares = {f"split.{name}": value for name, value in config.split}
    ahead = {"task.horizon": task.horizon} if isinstance(task, Forecast) else {}
    return {"task.kind": task.kind} | ahead | alignment | shares
