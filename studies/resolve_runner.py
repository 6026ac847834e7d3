"""From a study with training code of the user's own to one with every choice made; no corpus is needed."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from mmcore.config import ForeignConfig, Overrides, Plain, flat
from mmcore.errors import StudyError, nearest
from mmcore.limits import MOST_ARMS, MOST_RUNS
from mmcore.measures import Measure, Metric
from mmcore.yamlfile import Place, YamlFile
from studies.configs import Where, pointer
from studies.design import Design, Factorial, LeaveOneOut, OneFactor, arms_of
from studies.pairs import Pairs, pairs_of
from studies.repeats import AnyRepeats, Sequential, settled
from studies.resolve import first_repeat
from studies.resolve_runner_search import resolve_runner_search
from studies.resolve_search import found_names
from studies.resolved import ResolvedArm, ResolvedStudy
from studies.rules import refuse_many, refuse_twice
from studies.runner import GIVEN, AnyRunner, CommandRunner, higher_is_better, refuse_command
from studies.study import AUTO, Study


def resolve_runner(
    name: str,
    study: Study,
    written: YamlFile,
    *,
    changes: Overrides | None = None,
    repeats: AnyRepeats | None = None,
    metric: str | None = None,
) -> ResolvedStudy[ForeignConfig]:
    """Lay command-line changes and arms over the base, in this order, and check each step.

    Args:
        name: the study's name.
        study, written: from :func:`studies.study.read_study`; the study has a runner.
        changes: dotted name to value, from ``--set``.
        repeats: from the command line; None: the study's.
        metric: from the command line: judges anew what was trained; None: the study's.

    Raises:
        StudyError: what only mmstudy's own training knows, an unknown setting, a command that hears of no repeat or
            not of every setting, arms that are alike; file and line.
    """
    runner = study.runner
    assert runner is not None
    _refuse_unknowable(study, written)
    base = _laid({}, study.base, pointer(written, ("base",)), first=True)
    base = _laid(base, changes or {}, lambda path: "--set")
    _refuse_names(base, pointer(written, ("base",)))
    if isinstance(runner, CommandRunner):
        refuse_command(runner, base, written.where(("runner", "command")))
    _refuse_epochs(runner, base, written)
    arms = tuple(_arms(study, base, written))
    reference = _reference(study, arms, base, written)
    chosen = settled(repeats, study.repeats, None)
    if chosen is None:
        raise StudyError(
            "the number of repeats is not set",
            where=written.where(),
            next_step="Add repeats: 10, or say it on the command line: --repeats 10",
        )
    most = chosen.max if isinstance(chosen, Sequential) else chosen.count
    refuse_many(len(arms), "arms", MOST_ARMS, written.where(("design",) if study.design else ("arms",)))
    refuse_many(len(arms) * most, "runs", MOST_RUNS, "--repeats" if repeats else written.where(("repeats",)))
    own = _metric(study.metric, runner, written, written.where(("metric",)))
    search = None
    if study.search is not None:
        search = resolve_runner_search(study.search, arms, ForeignConfig(settings=base), runner, written, own)
    names = [*found_names(search), *(arm.name for arm in arms)]
    yardstick = own if metric is None else _metric(metric, runner, written, "--metric")
    return ResolvedStudy(
        name=name,
        question=study.question,
        metric=yardstick,
        arms=arms,
        reference=reference,
        pairs=pairs_of(study, names, reference, written, _by_modality(written)),
        repeats=most,
        sequential=chosen if isinstance(chosen, Sequential) else None,
        alpha=study.alpha,
        margin=study.margin if yardstick == own else None,
        preset=None,
        changes=dict(changes or {}),
        search=search,
        first_repeat=first_repeat(chosen, search, written, on_command_line=repeats),
    )


# What cannot be asked ------------------------------------------------------------------------------------------------
def _refuse_unknowable(study: Study, written: YamlFile) -> None:
    """Keys of a study that speak of mmstudy's own models and corpora."""
    given = {
        "corpus": study.corpus,
        "preset": None if study.preset == AUTO else study.preset,
        "match": study.match,
        "analyses": study.analyses,
    }
    why = {
        "corpus": "the training code reads its own data",
        "preset": "presets are sizes of mmstudy's own models",
        "match": "mmstudy does not know how large these models are",
        "analyses": "mmstudy cannot look into these models",
    }
    for key, value in given.items():
        if value:
            raise StudyError(
                f"a study with a runner cannot have '{key}': {why[key]}",
                where=written.where((key,)),
                next_step="Leave it out",
            )


def refuse_options(named: Mapping[str, object]) -> None:
    """Options of the command line that speak of mmstudy's own models and corpora.

    Args:
        named: option to its value; None where it is not given.

    Raises:
        StudyError: one that is given.
    """
    for option, value in named.items():
        if value is not None:
            raise StudyError(
                f"{option} is about models that mmstudy trains, and this study has a runner of its own",
                found=f"{option} {value}",
                next_step="Leave it out",
            )


def _refuse_names(settings: Mapping[str, Any], where: Where) -> None:
    for name in settings:
        if name in GIVEN:
            raise StudyError(
                f"a setting cannot be called '{name}': as a placeholder that is the {GIVEN[name]}",
                where=where(name),
                next_step="Give the setting another name",
            )


def _refuse_epochs(runner: AnyRunner, settings: Mapping[str, Any], written: YamlFile) -> None:
    if not isinstance(runner.max_epochs, str):
        return
    value = settings.get(runner.max_epochs)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise StudyError(
            "max_epochs must be a number from 1, or a setting of base that holds one",
            found=f"'{runner.max_epochs}'" + (f", which is {value!r}" if runner.max_epochs in settings else ""),
            where=written.where(("runner", "max_epochs")),
            next_step=nearest(runner.max_epochs, list(settings)),
        )


# Settings ------------------------------------------------------------------------------------------------------------
def _laid(settings: Mapping[str, Any], overrides: Overrides, where: Where, first: bool = False) -> Plain:
    """Settings by dotted name with overrides on top.

    Args:
        first: these are the base's own, so any name will do.

    Raises:
        StudyError: a setting that the base does not have.
    """
    refuse_twice(overrides, where)
    mine = flat(overrides)
    for name in mine:
        if name not in settings and not first:
            raise StudyError(
                f"'{name}' is not a setting of base",
                expected="every setting in base, with the value that it has where no arm changes it",
                where=where(name),
                next_step=_nearest(name, list(settings)),
            )
    return {**settings, **{name: _plain(value) for name, value in mine.items()}}


def _plain(value: Any) -> Any:
    """A value as JSON has it: YAML reads 2026-01-31 as a date."""
    match value:
        case list() | tuple():
            return [_plain(one) for one in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


def _nearest(name: str, known: list[str]) -> str:
    """The closest setting, also by its last step: ``widht`` is close to ``model.width``."""
    short = {one.rpartition(".")[2]: one for one in reversed(known)}
    close = difflib.get_close_matches(name.rpartition(".")[2], short, n=1, cutoff=0.6)
    step = f"Did you mean '{short[close[0]]}'? Valid: {', '.join(known)}" if close else nearest(name, known)
    return f"{step}. A new setting must be added to base" if known else "Write it in base"


# Arms ----------------------------------------------------------------------------------------------------------------
def _arms(study: Study, base: Mapping[str, Any], written: YamlFile) -> Iterator[ResolvedArm[ForeignConfig]]:
    """The arms of the designs, then those that are written out; an arm that two rules make alike is one arm."""
    seen: dict[str, tuple[Overrides, Plain]] = {}
    for overrides, name, where in _named(study, base, written):
        settings = _laid(base, overrides, where)
        if name in seen:
            if seen[name][0] != overrides or not study.design or name in study.arms:
                raise StudyError(f"there are two arms called '{name}'", where=where(""), next_step="Rename one of them")
            continue
        same = next((other for other, (_, known) in seen.items() if known == settings), None)
        if same is not None:
            if not overrides and name not in study.arms:
                continue  # the base, which another rule has named already
            raise StudyError(
                f"arms '{same}' and '{name}' are the same experiment",
                where=where(""),
                next_step="Remove one of them, or change what it overrides",
            )
        seen[name] = (overrides, settings)
        yield ResolvedArm(name, overrides, ForeignConfig(settings=settings))


def _named(study: Study, base: Mapping[str, Any], written: YamlFile) -> Iterator[tuple[Overrides, str, Where]]:
    listed = isinstance(written.data.get("design"), list)
    for index, rule in enumerate(study.design):
        at: Place = ("design", index) if listed else ("design",)
        _refuse_design(rule, written.where(at))

        def is_base(overrides: Overrides, at: Place = at) -> bool:
            return _laid(base, overrides, pointer(written, (*at, "factors"))) == base

        try:
            made = arms_of(rule, (), is_base)
        except StudyError as error:
            if error.where is not None:
                raise
            raise StudyError(
                error.rule, found=error.found, next_step=error.next_step, where=written.where(at)
            ) from None
        for arm in made:
            yield arm.overrides, arm.name, pointer(written, *((*at, *place) for place in arm.places))
    for name, overrides in study.arms.items():
        yield overrides, name, pointer(written, ("arms", name))


def _refuse_design(rule: Design, where: str) -> None:
    """Designs that only lay overrides fit any training code; others need the modalities of a corpus."""
    match rule:
        case OneFactor() | Factorial():
            return
        case LeaveOneOut(parts=parts) if parts is not None:
            return
        case _:
            more = " without parts" if isinstance(rule, LeaveOneOut) else ""
            raise StudyError(
                f"design {rule.kind}{more} makes arms from the modalities of a corpus, not known for a runner",
                where=where,
                next_step="Use one_factor, factorial, or leave_one_out with parts; or write the arms yourself",
            )


def _reference(
    study: Study, arms: Sequence[ResolvedArm[ForeignConfig]], base: Mapping[str, Any], written: YamlFile
) -> str:
    """The reference's name. With a design, ``all`` and ``base`` also mean the arm that leaves the base as it is."""
    names = [arm.name for arm in arms]
    if study.reference in names:
        return study.reference
    if study.reference in ("all", "base") and study.design:
        for arm in arms:
            if arm.config.settings == base:
                return arm.name
    raise StudyError(
        f"reference '{study.reference}' is no arm",
        where=written.where(("reference",)),
        next_step=nearest(study.reference, names),
    )


def _by_modality(written: YamlFile) -> Callable[[Literal["neighbours", "conditions"]], Pairs]:
    def refuse(kind: Literal["neighbours", "conditions"]) -> Pairs:
        raise StudyError(
            f"comparisons: {kind} needs the modalities of a corpus, which are not known for a runner",
            where=written.where(("comparisons",)),
            next_step="Use reference or pairs, or list the comparisons",
        )

    return refuse


def _metric(name: str | None, runner: AnyRunner, written: YamlFile, where: str) -> Metric:
    if name is None:
        raise StudyError(
            "a study with a runner must name the score by which its arms are judged",
            where=written.where(),
            next_step="Add metric: accuracy, or the name of another score that the training code reports",
        )
    component, _, measure = name.rpartition("/")
    if not measure or component in ("train", "validation", "test"):
        raise StudyError(
            f"metric '{name}' must be the name of a score of test items",
            expected="MEASURE or COMPONENT/MEASURE",
            where=where,
            next_step=f"Write {measure or 'accuracy'}",
        )
    own = Measure(
        measure,
        higher_is_better(runner, measure, where),
        title=measure.replace("_", " "),
        meaning="As the training code computes it.",
        whole=None,
    )
    return Metric(own, component or None)
