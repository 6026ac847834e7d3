"""In which settings arms differ, which they share, and how many items each repeat trained and tested on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from mmcore.config import ForeignConfig, RunConfig
from mmcore.facts import SIDES
from mmcore.language import later, say
from reports.model.setup import RepeatSizes, Setting, Setup, SideSize
from reports.records.frame import StudyResults

ELSEWHERE = ("corpus", "repeat", "device", "threads")
"""Settings that are no part of an arm: the report names corpus and machine, and every arm has every repeat."""

MISSING = "\0"
"""Stands for a setting that an arm does not have."""


def setup_of(results: StudyResults) -> Setup:
    """Settings by arm and sizes by repeat; both empty where nothing is known of them."""
    study = results.study
    every = {arm.name: settings_of(arm.config) for arm in study.arms}
    paths = list(dict.fromkeys(path for settings in every.values() for path in settings))
    usual = every.get(study.reference, {})
    differing, common = [], []
    for path in paths:
        values = [settings.get(path, MISSING) for settings in every.values()]
        if len(set(values)) == 1:
            common.append((path, values[0]))
        else:
            differs = tuple(value != usual.get(path, MISSING) for value in values)
            differing.append(Setting(path, tuple(map(_shown, values)), differs))
    sides, sizes = _sizes(results)
    return Setup(tuple(every), tuple(differing), tuple(common), sides, sizes)


def settings_of(config: RunConfig | ForeignConfig) -> dict[str, str]:
    """A config as text by dotted path, defaults included; :data:`NOT_SET` for what is left open.

    Settings of other code are as they were written.
    """
    if isinstance(config, ForeignConfig):
        return dict(_flat(config.settings))
    return dict(_flat(config.model_dump(mode="json", exclude=set(ELSEWHERE))))


NOT_SET = later("default")
"""Stands for a setting that is left open."""
_OPEN = {"model.modalities": later("all")}
"""What a setting that is left open means, where a reader would misread its default."""


def _flat(settings: Mapping[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        match value:
            case Mapping() if value:
                yield from _flat(value, f"{above}{name}.")
            case Mapping():
                yield f"{above}{name}", say(NOT_SET)
            case _:
                path = f"{above}{name}"
                yield path, say(_OPEN.get(path, NOT_SET)) if value is None else _text(value)


def _text(value: object) -> str:
    match value:
        case bool():
            return say("yes") if value else say("no")
        case str():
            return value
        case float():
            return f"{value:g}"
        case Sequence() if all(isinstance(one, str | int | float) for one in value):
            return ", ".join(map(_text, value)) or say("none")
        case _:
            return json.dumps(value, ensure_ascii=False, default=str)


def _shown(value: str) -> str | None:
    return None if value == MISSING else value


def _sizes(results: StudyResults) -> tuple[tuple[str, ...], tuple[RepeatSizes, ...]]:
    splits = {run.repeat: run.split for run in reversed(results.done) if run.split.sides}
    sides = tuple(name for name in SIDES if any(name in split.sides for split in splits.values()))
    if results.foreign is not None or not sides:
        return (), ()
    rows = []
    for repeat, split in sorted(splits.items()):
        known = [split.sides[name] for name in sides if name in split.sides]
        if len(known) == len(sides):
            rows.append(RepeatSizes(repeat, tuple(SideSize(one.items, one.groups, one.windows) for one in known)))
    return sides, tuple(rows)
