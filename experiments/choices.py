"""What a call from Python may change on a study: keywords, checked before anything is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from numbers import Integral
from typing import Any, Literal, TypedDict, cast

from experiments.launchers.engine import read_engine
from experiments.planning.request import Options
from mmcore.errors import StudyError, nearest
from studies.repeats import AnyRepeats, Counted, Sequential, parse_repeats


class Choices(TypedDict, total=False):
    """Keywords of ``run_study``, ``load`` and ``check``; one that is left out, or None, leaves the study's own choice.

    Keys:
        corpus: a folder, a :class:`experiments.corpus.Corpus`, or ``simulated:SIZE[:SEED]``.
        preset: a preset's name, or ``auto``.
        repeats: a number, or text as on the command line: ``"6..30"``, ``"10@100"``.
        metric: a measure, or ``COMPONENT/MEASURE``.
        changes: dotted path to value, laid over the study's base: ``{"training.epochs": 5}``.
        match: bring all arms to the reference's size: ``parameters``, ``flops`` or ``none``.
        workers: worker processes. threads: CPU threads of each run. device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        storage: address of a database for searches.
        pack: runs of one shape to train as one batch at most: a number, or ``auto`` with a graphics card.
        on: ``local``, ``ray``, ``ray://HOST:PORT``, ``slurm`` or a launcher file; None: ``MMSTUDY_ON``, else local.
    """

    corpus: str | os.PathLike[str] | None
    preset: str | None
    repeats: int | str | Counted | Sequential | None
    metric: str | None
    changes: Mapping[str, Any] | None
    match: Literal["parameters", "flops", "none"] | None
    workers: int | None
    threads: int | None
    device: Literal["auto", "cpu", "cuda", "mps"] | None
    storage: str | None
    pack: int | Literal["auto"] | None
    on: str | os.PathLike[str] | None


def options_from(choices: Mapping[str, object], options: Options | None = None) -> Options:
    """The options that a call's keywords come to.

    Args:
        options: given whole instead of by keywords.

    Raises:
        StudyError: an unknown keyword, a value that it cannot have, or keywords beside ``options``.
    """
    given = {name: value for name, value in choices.items() if value is not None}
    for name in choices:
        if name not in Choices.__annotations__:
            known = [*Choices.__annotations__]
            raise StudyError(f"'{name}' is no keyword of this call", next_step=nearest(name, known))
    if options is not None and given:
        raise StudyError(
            "a call takes options or keywords, not both", found=", ".join(given), next_step="Leave options out"
        )
    if options is not None:
        return options
    for name in ("preset", "metric", "storage"):
        _require(name, given, "text", isinstance(given.get(name, ""), str))
    place = isinstance(given.get("corpus", ""), str | os.PathLike)
    _require("corpus", given, "a folder, a Corpus or simulated:SIZE", place)
    for name in ("workers", "threads"):
        _require(name, given, "a whole number from 1", _counts(given.get(name, 1)))
    for name, allowed in (("device", ("auto", "cpu", "cuda", "mps")), ("match", ("parameters", "flops", "none"))):
        _require(name, given, " or ".join(allowed), given.get(name, allowed[0]) in allowed)
    changes = given.get("changes", {})
    plain = isinstance(changes, Mapping) and all(isinstance(path, str) for path in changes)
    _require("changes", given, "a mapping of dotted path to value, such as {'training.epochs': 5}", plain)
    made: dict[str, Any] = dict(given)
    _require("on", given, "text or a path", isinstance(given.get("on", ""), str | os.PathLike))
    made["changes"] = tuple(cast(Mapping[str, Any], changes).items())
    made["engine"] = read_engine(os.fspath(made.pop("on")) if "on" in made else None)
    if "repeats" in made:
        made["repeats"] = _repeats(made["repeats"])
    return Options(**made)


def _counts(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1


def _repeats(value: object) -> AnyRepeats:
    if isinstance(value, Counted | Sequential):
        return value
    if isinstance(value, bool) or not isinstance(value, Integral | str):
        raise StudyError("repeats takes a number or text such as '6..30'", found=repr(value))
    try:
        return parse_repeats(str(value))
    except ValueError as problem:
        raise StudyError(str(problem), where="repeats") from None


def _require(name: str, given: Mapping[str, object], expected: str, holds: bool) -> None:
    if not holds:
        raise StudyError(f"{name} cannot have this value", expected=expected, found=repr(given[name])[:80])
