"""Test a class of the user's against the promises of its family, and say which one is broken, with an example."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import ValidationError
from torch import nn

from mmcore.config import Custom, CustomMetric, Plain
from mmcore.config.overrides import explain
from mmcore.custom import sealed
from mmcore.errors import ConfigError, MMStudyError, PartError
from mmcore.language import say
from mmcore.own_code import frames_of, load_class, parameters_of
from mmcore.promises.examples import FEATURES, SEED, SIZES, VARIANTS, B, T, build
from mmcore.promises.models import MODEL_PROMISES, TELLERS, is_finite
from mmcore.promises.promise import Broken, Promise
from mmcore.promises.scores import LOSS_PROMISES, METRIC_PROMISES, LossSubject, MetricSubject, N
from mmcore.promises.training import (
    AUGMENTATION_PROMISES,
    WEIGHTING_PROMISES,
    AugmentationSubject,
    WeightingSubject,
)
from mmcore.training.threads import with_threads

Family = Literal[
    "fusion", "encoder", "head", "embedding", "model", "loss", "metric", "weighting", "augmentation"
]  # fmt: skip
FAMILIES: tuple[Family, ...] = get_args(Family)
AnyCustom = TypeVar("AnyCustom", Custom, CustomMetric)


@dataclass(frozen=True)
class Kept:
    """One promise, tested.

    Args:
        name, says: of the promise. broken: what was found instead, with numbers; None: it is kept. variant: the model
            or parameter on which it broke. tested: how many variants were tested. A variant that breaks the first
            promise is not tested on the others: they would only say the same again. Nor is one whose outputs are NaN,
            but on the promise that says why.
    """

    name: str
    says: str
    broken: str | None
    variant: str | None
    tested: int


@dataclass(frozen=True)
class Verified:
    """What became of all promises.

    Args:
        part: ``package.module:Name``. family: whose promises were tested. sizes: of the examples. seed: of all draws.
        seconds: that it took.
    """

    part: str
    family: Family
    sizes: str
    seed: int
    promises: tuple[Kept, ...]
    seconds: float

    @property
    def broken(self) -> int:
        """How many promises are broken."""
        return sum(promise.broken is not None for promise in self.promises)


def verify(
    written: str,
    family: Family | None = None,
    args: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    *,
    causal: bool = True,
    scope: Literal["step", "item"] | None = None,
    higher_is_better: bool | None = None,
    kinds: tuple[str, ...] | None = None,
) -> Verified:
    """Test every promise of a family in every variant; a broken one is told with the first variant that breaks it.

    Args:
        written: ``package.module:Name``, or the name of an entry point.
        family: None: guessed from what the class names.
        args: of the constructor.
        folder: looked in first; None: the current folder.
        causal: whether models that may not read later steps are among the variants.
        scope: whether models are tested with a target for each step, or one for each item; None: both.
        higher_is_better: direction of a metric; None: the promise about it is left out.
        kinds: kinds of parameters for losses and metrics; None: all that the class can be called with.

    Raises:
        ConfigError: the class cannot be found, imported or made, or its family cannot be guessed.

    Example:
        >>> verify("my_pkg.fusion:Mine").broken    # doctest: +SKIP
        0
    """
    clock = time.perf_counter()
    part = sealed(_custom(Custom, {"class": written, "args": dict(args or {})}), folder)
    family = family or guess_family(part)
    with with_threads(1):
        promises = tuple(_tested(part, family, causal, scope, higher_is_better, kinds))
    return Verified(part.class_, family, _sizes(family), SEED, promises, time.perf_counter() - clock)


def _custom(kind: type[AnyCustom], values: Plain) -> AnyCustom:
    try:
        return kind.model_validate(values)
    except ValidationError as problem:
        raise explain(problem) from None


def guess_family(part: Custom) -> Family:
    """The family whose inputs a class names.

    Raises:
        ConfigError: it could be of several.
    """
    kind = load_class(part)
    module = isinstance(kind, type) and issubclass(kind, nn.Module)
    start = [*parameters_of(kind)]
    names = [*parameters_of(kind.forward if module else vars(kind).get("__call__", kind))]
    if module:
        if {"embedded", "streams"} & {*names}:
            return "fusion"
        if {"values", "batch"} & {*names}:
            return "model"
        if "h" in names:
            return "head"
        if "x" in names:
            return "embedding" if "usable" in names or {"features", "modality"} & {*start} else "encoder"
    elif "losses" in names or "counted" in names:
        return "weighting"
    elif "values" in names:
        return "augmentation"
    raise ConfigError(
        f"the family of {part.class_} cannot be guessed",
        expected=f"one of {', '.join(FAMILIES)}",
        found=f"it names {', '.join(name for name in names if name != 'self') or 'nothing'}",
        next_step="Name it: --family loss",
    )


def _tested(
    part: Custom,
    family: Family,
    causal: bool,
    scope: Literal["step", "item"] | None,
    higher_is_better: bool | None,
    kinds: tuple[str, ...] | None,
) -> Iterator[Kept]:
    match family:
        case "loss":
            subjects = {kind: partial(LossSubject, part, kind) for kind in kinds or ("continuous",)}
            yield from _each(LOSS_PROMISES, subjects)
        case "metric":
            direction = bool(higher_is_better)
            metric = _custom(CustomMetric, {**part.model_dump(), "higher_is_better": direction})
            subjects = {k: partial(MetricSubject, metric, k) for k in kinds or ("continuous",)}
            promises = METRIC_PROMISES if higher_is_better is not None else METRIC_PROMISES[:-1]
            yield from _each(promises, subjects)
        case "weighting":
            yield from _each(WEIGHTING_PROMISES, {"three components": partial(WeightingSubject, part)})
        case "augmentation":
            yield from _each(AUGMENTATION_PROMISES, {"one window": partial(AugmentationSubject, part)})
        case _:
            models = {name: partial(build, plain) for name, plain in _models(part, family, causal, scope)}
            yield from _each(MODEL_PROMISES, models, Promise("", "", is_finite), TELLERS)


def _sizes(family: Family) -> str:
    """How large the examples are, in words."""
    if family in ("loss", "metric"):
        return say("{n} targets of one parameter", n=N)
    facts = {"rows": B, "steps": T, "modalities": len(FEATURES), "width": SIZES["width"]}
    if family in ("model", "weighting", "augmentation"):
        return say("{rows} rows, {steps} steps, {modalities} modalities", **facts)
    return say("{rows} rows, {steps} steps, {modalities} modalities, width {width}", **facts)


def _models(
    part: Custom, family: Family, causal: bool, scope: Literal["step", "item"] | None
) -> Iterator[tuple[str, Plain]]:
    own: Plain = part.model_dump(by_alias=True)
    if family == "model":
        variants: dict[str, Plain] = {"free": {}, "causal": {"causal": True}, "one target an item": {"scope": "item"}}
    else:
        variants = {**VARIANTS, "one target an item": {"scope": "item"}}
    for name, variant in variants.items():
        fits = scope is None or variant.get("scope", "step") == scope
        if fits and (causal or not variant.get("causal")):
            match family:
                case "model":
                    yield name, own | variant
                case "embedding":
                    yield name, variant | {"embedding": {"audio": own}}
                case _:
                    yield name, variant | {family: own}


def _each(
    promises: tuple[Promise[Any], ...],
    subjects: Mapping[str, Callable[[], Any]],
    granted: Promise[Any] | None = None,
    tellers: Sequence[str] = (),
) -> Iterator[Kept]:
    """Every promise in every variant, each on a subject of its own; variants that break the first one in that alone.

    Args:
        granted: what all but the first take for granted; None: nothing. A variant without it is tested on one promise.
        tellers: names of promises that say why it does not hold; the first that a variant breaks is that one.
    """
    first = {name: _broken(promises[0], make) for name, make in subjects.items()}
    variant = next((name for name, broken in first.items() if broken is not None), None)
    yield Kept(promises[0].name, promises[0].says, None if variant is None else first[variant], variant, len(subjects))
    usable = {name: make for name, make in subjects.items() if first[name] is None}
    by_name = {promise.name: promise for promise in promises}
    lost = {
        name: next(((one, text) for one in tellers if (text := _broken(by_name[one], make)) is not None), None)
        for name, make in usable.items()
        if granted is not None and _broken(granted, make) is not None
    }
    for promise in promises[1:]:
        tested = [name for name in usable if (cause := lost.get(name)) is None or cause[0] == promise.name]
        found = ((name, cause[1] if (cause := lost.get(name)) else _broken(promise, usable[name])) for name in tested)
        variant, broken = next((one for one in found if one[1] is not None), (None, None))
        yield Kept(promise.name, promise.says, broken, variant, len(tested))


def _broken(promise: Promise[Any], make: Callable[[], Any]) -> str | None:
    try:
        promise.test(make())
    except Broken as broken:
        return broken.found
    except PartError as error:
        return error.message
    except MMStudyError:
        raise
    except Exception as error:
        frames = frames_of(error)
        at = f" (at {frames[-1]})" if frames else ""
        return f"{type(error).__name__}: {error}{at}"
    return None
