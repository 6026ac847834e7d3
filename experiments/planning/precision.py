"""Whether bf16 makes runs faster on this machine, as far as that is known before a worker starts. Imports no torch."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from experiments.planning.request import Request
from experiments.planning.work import Sides, step, work_of
from mmcore.config import RunConfig
from mmcore.language import say
from mmcore.schema import CorpusSchema
from reports.numbers import listing

_UNITS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Flags of processors that multiply bfloat16 themselves, of x86 and of ARM."""


@cache
def bf16_units(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool | None:
    """Whether this processor multiplies bfloat16 itself; None where the system does not say."""
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    flags = {word for line in lines if line.lower().startswith(("flags", "features")) for word in line.split()}
    return bool(flags & _UNITS) if flags else None


def request_warnings(request: Request, units: bool | None = None) -> tuple[str, ...]:
    """What a plan warns of besides what cannot be decided: items that windows cut, and a precision that slows down.

    Args:
        units: as for :func:`precision_warnings`.
    """
    return (*(request.fit.warnings if request.fit else ()), *precision_warnings(request, units))


def precision_warnings(request: Request, units: bool | None = None) -> tuple[str, ...]:
    """What a plan says where bf16 slows runs down on the processor instead of speeding them up.

    Args:
        request: the study. units: whether the processor multiplies bfloat16 itself; None: what the system says.
    """
    arms = [arm for arm in request.study.arms if arm.config.training.precision == "bf16"]
    if request.options.device != "cpu" or not arms:
        return ()
    names = listing([f"'{arm.name}'" for arm in arms])
    if (bf16_units() if units is None else units) is False:
        return (
            say(
                "this processor has no units for bfloat16: {names} will take longer than with training.precision fp32. "
                "The results are of the same kind. Set fp32 unless another machine trains these arms",
                names=names,
            ),
        )
    slower = [arm.name for arm in arms if gain(arm.config, request.schema) < 1.0]
    if not slower:
        return ()
    small = listing([f"'{name}'" for name in slower])
    return (
        say(
            "training.precision bf16 is slower than fp32 for models as small as {small}: most of a step is no product. "
            "Set fp32, or widen the model",
            small=small,
        ),
    )


def gain(config: RunConfig, schema: CorpusSchema) -> float:
    """How many times as fast a training step is in bf16 as in fp32 by the formula, on one core with bf16 units."""
    nothing = Sides((), (), ())
    work = replace(work_of(config, schema, nothing), precision="fp32")
    return step(work).seconds / step(replace(work, precision="bf16")).seconds
