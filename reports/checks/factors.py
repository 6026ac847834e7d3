"""What differs between two arms, counted in ideas rather than in lines of a config."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from mmcore.config import NOT_NUMBERS, ForeignConfig, RunConfig
from studies.resolved import AnyStudy

SIZE = frozenset({"model.width", "model.feed_forward", "model.layers", "model.layers_before"})
"""How large the network is and where its layers are: one idea, however many numbers it takes."""

SIZE_ALONE = frozenset({"model.width", "model.feed_forward", "model.layers", "model.heads"})
"""A comparison that differs in nothing else is about size itself."""

BUDGET = frozenset({"training.epochs", "training.steps_per_epoch", "training.batch", "data.stride"})
"""The length of training. A comparison that differs in nothing else is about that length."""


def settings(one: RunConfig | ForeignConfig, other: RunConfig | ForeignConfig) -> frozenset[str]:
    """Dotted paths at which two configs differ; a part of another kind (``model.fusion``) is one path.

    Example:
        >>> from mmcore.config import build_config
        >>> deep = build_config({"corpus": "c", "model": {"layers": 8, "fusion": {"kind": "low_rank", "rank": 3}}})
        >>> sorted(settings(build_config({"corpus": "c"}), deep))
        ['model.fusion', 'model.layers']
    """
    if isinstance(one, ForeignConfig) and isinstance(other, ForeignConfig):
        names = {*one.settings, *other.settings}
        return frozenset(n for n in names if one.settings.get(n) != other.settings.get(n))
    return frozenset(_differing(one, other, "")) - {*NOT_NUMBERS}


def factors(study: AnyStudy, arm: str, against: str) -> tuple[str, ...]:
    """The ideas in which two arms differ, each by its path.

    Width, feed-forward and layers are one idea; none where the study matches arms by them and something else differs.
    What is tuned for each arm with the same budget is none: it is there so that the arms differ in nothing else.
    """
    paths = settings(study.arm(arm).config, study.arm(against).config)
    paths = frozenset(path for path in paths if not any(_within(path, knob) for knob in _nuisance(study)))
    size, rest = sorted(paths & SIZE), sorted(paths - SIZE)
    if not size or (rest and study.match is not None):
        return tuple(rest)
    return (*rest, " with ".join(size))


def _nuisance(study: AnyStudy) -> set[str]:
    """Paths that are tuned for each arm."""
    searches = () if study.search is None else study.search.searches
    return {path for found in searches for path, knob in found.space.items() if knob.role == "nuisance"}


def _within(path: str, knob: str) -> bool:
    """Whether a difference is the hyperparameter's doing."""
    return path == knob or path.startswith(f"{knob}.")


def _differing(one: Any, other: Any, path: str) -> Iterator[str]:
    if isinstance(one, BaseModel) and type(one) is type(other):
        for name in type(one).model_fields:
            yield from _differing(getattr(one, name), getattr(other, name), f"{path}.{name}" if path else name)
    elif one != other:
        yield path
