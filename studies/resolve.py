"""From a study as written to one with every choice made; each override is checked and its errors point at its line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmcore.config import DataConfig, Overrides, Plain, RunConfig, override
from mmcore.errors import ConfigError, StudyError, nearest
from mmcore.fingerprint import fingerprint
from mmcore.limits import MOST_ARMS, MOST_RUNS
from mmcore.measures import Metric, parse_metric, refuse_unmeasured
from mmcore.schema import CorpusSchema
from mmcore.task import default_metric, default_window, resolve_task
from mmcore.yamlfile import Place, YamlFile
from studies.configs import Where, config_of, pointer
from studies.design import Reads, arms_of, neighbours, same_conditions
from studies.matching import Count, Match, Size, fitted, off, scaling
from studies.pairs import Pairs, pairs_of
from studies.repeats import AnyRepeats, Counted, Sequential, settled
from studies.resolve_search import found_names, refuse_with_search, resolve_search
from studies.resolved import ResolvedArm, ResolvedStudy
from studies.rules import (
    refuse_duplicates,
    refuse_endless,
    refuse_idle_differences,
    refuse_keyword,
    refuse_machine,
    refuse_many,
    refuse_margin,
    refuse_twice,
    refuse_unlike,
)
from studies.search.block import baselines
from studies.search.resolved import ResolvedSearch
from studies.study import CATALOGUE, Preset, Study


def resolve(
    name: str,
    study: Study,
    written: YamlFile,
    preset: Preset | None,
    preset_file: YamlFile | None,
    corpus: Path,
    schema: CorpusSchema,
    *,
    changes: Overrides | None = None,
    repeats: AnyRepeats | None = None,
    metric: str | None = None,
    match: Literal["parameters", "flops", "none"] | None = None,
    preset_name: str | None = None,
    count: Count | None = None,
    lengths: Callable[[DataConfig], Sequence[int]] | None = None,
) -> ResolvedStudy:
    """Lay preset, base, command-line changes and arms over the defaults, in this order, and check each step.

    A study with a search draws its test groups once (``split.test_drawn``), unless one of these says otherwise.

    Args:
        name: the study's name.
        study, written: from :func:`studies.study.read_study`.
        preset, preset_file, preset_name: from :func:`studies.study.read_preset`, or None.
        corpus: the corpus's folder.
        schema: the corpus's schema; arms may name only its modalities.
        changes: dotted path to value, from ``--set``.
        repeats: from the command line; None: the study's, then the preset's.
        metric: from the command line: judges anew what was trained, and chooses no epoch; None: the study's, or the
            task's own where it names none (:func:`mmcore.task.default_metric`).
        match: from the command line; None: the study's; ``none``: arms keep their sizes.
        count: what a model costs; called only where arms are matched, and needed there.
        lengths: steps of each item under these alignment settings, see :func:`mmcore.task.default_window`; called only
            where an arm names no window and each item has one target, and needed there.

    Raises:
        StudyError: unknown path, wrong type, unknown modality, duplicate arms, missing reference; file and line.
    """
    values: Plain = {}
    folder = _code_folder(written.path)
    layers: list[tuple[Overrides, Where]] = []
    if study.search is not None:
        # What is found must be confirmed on items that had no part in the search.
        layers.append(({"split": {"test_drawn": "once"}}, pointer(written, ("search",))))
    if preset is not None and preset_file is not None:
        layers.append((preset.base, pointer(preset_file, ("base",))))
        key, overrides = preset.of(schema.targets.scope)
        layers.append((overrides, pointer(preset_file, (key,))))
    layers.append((study.base, pointer(written, ("base",))))
    layers.append((changes or {}, lambda path: "--set"))
    for overrides, where in layers:
        refuse_machine(overrides, where)
        refuse_twice(overrides, where)
        values = override(values, overrides)
        config_of(values, str(corpus), schema, where, folder)
    root = config_of(values, str(corpus), schema, pointer(written, ("base",)), folder)
    task = resolve_task(root, schema)
    usual = default_metric(task, schema)
    own = usual if study.metric is None else _metric(study.metric, root, schema, written.where(("metric",)))
    # The epoch is chosen by what the study judges, unless base, preset or an arm says otherwise on purpose.
    values = override({"training": {"select": own.name}}, values)

    def config(overrides: Overrides, where: Where) -> RunConfig:
        refuse_machine(overrides, where)
        refuse_twice(overrides, where)
        made = config_of(override(values, overrides), str(corpus), schema, where, folder)
        # One spelling for one meaning: the task's own metric is None, so runs are shared with those of other studies.
        select = None if made.training.select == usual.name else made.training.select
        made = made.model_copy(update={"training": made.training.model_copy(update={"select": select})})
        return _with_window(made, schema, lengths)

    wanted = _wanted(study, written, schema, config)

    def where_of(arm: str) -> Where:
        known = wanted.get(arm) or wanted[arm.removesuffix(MATCHED)]
        return pointer(written, *known.places)

    refuse_many(len(wanted), "arms", MOST_ARMS, written.where(("design",) if study.design else ("arms",)))
    arms = tuple(ResolvedArm(a.name, a.overrides, config(a.overrides, where_of(a.name))) for a in wanted.values())
    refuse_duplicates(arms, where_of)
    refuse_idle_differences(arms, schema, where_of)
    refuse_unlike(arms, schema, where_of)
    reference = _reference(study, arms, config({}, pointer(written, ("base",))), written)
    rule = _rule(study.match, match)
    if rule is not None:
        if count is None:
            raise ValueError("arms cannot be matched without a way to count their cost")
        arms = _matched(arms, reference, rule, count)
        refuse_duplicates(arms, where_of, matched=True)
        for double in (arm for arm in arms if [a.name for a in arms].count(arm.name) > 1):
            raise StudyError(
                f"arm name '{double.name}' is taken by the matched duplicate of another arm",
                where=where_of(double.name)(""),
                next_step="Give the arm another name",
            )
    base = [config({}, pointer(written, ("base",)))] if study.search else []
    refuse_endless(study.analyses, [*(arm.config for arm in arms), *base], schema, written)
    refuse_margin(study.margin, own, written)
    yardstick = own if metric is None else _metric(metric, root, schema, "--metric")
    chosen = settled(repeats, study.repeats, preset.repeats if preset else None)
    if chosen is None:
        raise StudyError(
            "the number of repeats is not set", where=written.where(), next_step="Add repeats: N, or a preset"
        )
    most = chosen.max if isinstance(chosen, Sequential) else chosen.count
    refuse_many(len(arms) * most, "runs", MOST_RUNS, "--repeats" if repeats else written.where(("repeats",)))
    search = None
    if study.search is not None:
        search = resolve_search(study.search, arms, config({}, pointer(written, ("base",))), schema, written, own)
        refuse_with_search(study, search, rule, written)
    return ResolvedStudy(
        name=name,
        question=study.question,
        metric=yardstick,
        arms=arms,
        reference=reference,
        pairs=_pairs(study, arms, found_names(search), reference, schema, written),
        repeats=most,
        sequential=chosen if isinstance(chosen, Sequential) else None,
        alpha=study.alpha,
        # A margin is in units of the study's own metric; for another one it means nothing.
        margin=study.margin if yardstick == own else None,
        preset=preset_name,
        changes=dict(changes or {}),
        match=rule,
        analyses=study.analyses,
        search=search,
        first_repeat=first_repeat(chosen, search, written, on_command_line=repeats),
    )


def _code_folder(study: Path) -> Path:
    """Where custom parts lie: beside the study; for a study of the catalogue in the current folder."""
    return Path.cwd() if study.parent == CATALOGUE else study.parent


def _with_window(
    config: RunConfig, schema: CorpusSchema, lengths: Callable[[DataConfig], Sequence[int]] | None
) -> RunConfig:
    """The config with a number for a window."""
    if config.data.window is not None:
        return config

    def known() -> Sequence[int]:
        if lengths is None:
            raise ValueError("a window cannot hold the longest item without a way to look up lengths")
        return lengths(config.data)

    data = config.data.model_copy(update={"window": default_window(schema, known)})
    return config.model_copy(update={"data": data})


def first_repeat(
    chosen: Counted | Sequential, search: ResolvedSearch | None, written: YamlFile, on_command_line: AnyRepeats | None
) -> int:
    """The number of the first repeat: those that a search has used for its choice cannot confirm it."""
    used = search.repeats if search else 0
    if chosen.first is None:
        return used
    if chosen.first < used:
        asked = isinstance(on_command_line, Counted | Sequential) and on_command_line.first is not None
        place: Place = ("repeats", "first") if isinstance(written.data.get("repeats"), dict) else ("repeats",)
        raise StudyError(
            "the repeats that confirm the result of a search must not be among the repeats that it was tuned on",
            expected=f"a first repeat from {used} on, since trials use repeat{_span(used)}",
            found=str(chosen.first),
            where="--repeats" if asked else written.where(place),
            next_step=f"Start at {used} or above, or leave the first repeat out",
        )
    return chosen.first


def _span(used: int) -> str:
    return " 0" if used == 1 else f"s 0 to {used - 1}"


# Arms ----------------------------------------------------------------------------------------------------------------
MATCHED = ", matched"
"""What is added to an arm's name where it also stands as written."""


@dataclass(frozen=True)
class _Wanted:
    """An arm as its study or its design has it, and the places in the file where it is written."""

    name: str
    overrides: Overrides
    places: tuple[Place, ...]


def _wanted(
    study: Study, written: YamlFile, schema: CorpusSchema, config: Callable[[Overrides, Where], RunConfig]
) -> dict[str, _Wanted]:
    """The arms of the designs, then those that are written out; an arm that two rules make alike is one arm.

    So is the base itself, whatever rules call it: it has the name that the first of them gives.
    """
    base = config({}, pointer(written, ("base",)))
    modalities = schema.chosen(base.model.modalities)
    wanted: dict[str, _Wanted] = {}
    listed = isinstance(written.data.get("design"), list)
    for index, rule in enumerate(study.design):
        at: Place = ("design", index) if listed else ("design",)

        def is_base(overrides: Overrides, at: Place = at) -> bool:
            return _alike(config(overrides, pointer(written, (*at, "factors"))), base)

        try:
            made = arms_of(rule, modalities, is_base)
        except StudyError as error:
            if error.where is not None:
                raise
            raise StudyError(
                error.rule, found=error.found, next_step=error.next_step, where=written.where(at)
            ) from None
        has_base = any(not known.overrides for known in wanted.values())
        for arm in made:
            if has_base and not arm.overrides and arm.name not in wanted:
                continue
            places = tuple((*at, *place) for place in arm.places)
            known = wanted.setdefault(arm.name, _Wanted(arm.name, arm.overrides, places))
            if known.overrides != arm.overrides:
                raise StudyError(
                    f"the design makes arm '{arm.name}' twice, with different overrides",
                    where=written.where(places[0]),
                    next_step="Change one of the rules, or write the arms themselves",
                )
    for arm, overrides in study.arms.items():
        if arm in wanted:
            raise StudyError(f"the design already makes arm '{arm}'", where=written.where(("arms", arm)))
        wanted[arm] = _Wanted(arm, overrides, (("arms", arm),))
    place = pointer(written, ("search",))
    for arm, overrides in (baselines(study.search) if study.search else {}).items():
        if not any(_alike(config(overrides, place), config(known.overrides, place)) for known in wanted.values()):
            wanted[arm] = _Wanted(arm, overrides, (("search", "confirm"),))
    return wanted


def _alike(one: RunConfig, other: RunConfig) -> bool:
    """Whether two configs mean the same experiment."""
    return fingerprint(one, "") == fingerprint(other, "")


def _rule(own: Match | None, asked: Literal["parameters", "flops", "none"] | None) -> Match | None:
    """The study's rule, as the command line changes it."""
    match asked:
        case None:
            return own
        case "none":
            return None
        case by:
            return Match(by=by) if own is None else own.model_copy(update={"by": by})


def _matched(arms: tuple[ResolvedArm, ...], reference: str, rule: Match, count: Count) -> tuple[ResolvedArm, ...]:
    """Every arm at the reference's size; with ``unmatched`` also as written, where that is another one."""
    target = count(next(arm.config for arm in arms if arm.name == reference), rule.by)
    result = []

    def sized(name: str, overrides: Overrides, config: RunConfig, kept: bool = False) -> ResolvedArm:
        cost = count(config, rule.by)
        within = None if kept else off(cost, target) <= rule.tolerance
        return ResolvedArm(name, overrides, config, Size(cost, cost / target, within))

    for arm in arms:
        config = arm.config if arm.name == reference else fitted(arm.config, target, rule, count)
        scaled = scaling(arm.config, config)
        if scaled and rule.unmatched:
            result.append(sized(arm.name, arm.overrides, arm.config, kept=True))
        name = arm.name + MATCHED if scaled and rule.unmatched else arm.name
        result.append(sized(name, arm.overrides | scaled, config))
    return tuple(result)


def _reference(study: Study, arms: tuple[ResolvedArm, ...], base: RunConfig, written: YamlFile) -> str:
    """The reference's name. With a design, ``all`` and ``base`` also mean the arm that leaves the base as it is."""
    names = [arm.name for arm in arms]
    if study.reference in names:
        named = next(arm.config for arm in arms if arm.name == study.reference)
        others = [arm.name for arm in arms if _alike(arm.config, base) and arm.name != study.reference]
        if study.design and others and not _alike(named, base):
            refuse_keyword(study.reference, others[0], written)
        return study.reference
    if study.reference in ("all", "base") and study.design:
        for arm in arms:
            if _alike(arm.config, base):
                return arm.name
    raise StudyError(
        f"reference '{study.reference}' is no arm",
        where=written.where(("reference",)),
        next_step=nearest(study.reference, names),
    )


def _metric(text: str, base: RunConfig, schema: CorpusSchema, where: str) -> Metric:
    """The yardstick, once it is certain that runs on this corpus will have a value for it."""
    try:
        metric = parse_metric(text, base.measures)
        refuse_unmeasured(metric, schema.targets)
    except ConfigError as error:
        raise StudyError(
            error.rule, expected=error.expected, found=error.found, next_step=error.next_step, where=where
        ) from None
    return metric


def _reads(config: RunConfig, schema: CorpusSchema) -> Reads:
    return Reads(frozenset(schema.chosen(config.model.modalities)), frozenset(config.data.placebo))


def _pairs(
    study: Study,
    arms: tuple[ResolvedArm, ...],
    found: list[str],
    reference: str,
    schema: CorpusSchema,
    written: YamlFile,
) -> tuple[tuple[str, str], ...]:
    """The comparisons; ``found`` are names of arms that the study's search will find, the first to be named."""

    def by_modality(kind: Literal["neighbours", "conditions"]) -> Pairs:
        if kind == "neighbours":
            return neighbours({arm.name: _reads(arm.config, schema) for arm in arms})
        return same_conditions({arm.name: frozenset(arm.config.evaluation.without) for arm in arms})

    return pairs_of(study, [*found, *(arm.name for arm in arms)], reference, written, by_modality)
