"""Whether a study's models fit this machine: what cannot is refused before a worker dies of it. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable

import psutil

from experiments.planning.request import AnyRequest, Request, trains_itself
from experiments.planning.work import Sides, work_of
from mmcore.config import RunConfig
from mmcore.errors import StudyError
from mmcore.schema import CorpusSchema

_COPIES = 4
"""Of each trained number: itself, its gradient, and two moments of the optimiser."""
_BYTES = 4
"""Of a number."""


def bytes_needed(config: RunConfig, schema: CorpusSchema) -> float:
    """Memory that training takes at least: the trained numbers with their gradients and moments, and one batch of
    windows through the model."""
    work = work_of(config, schema, Sides((), (), ()))
    return _BYTES * (_COPIES * work.parameters + work.numbers * config.training.batch)


def needed_by(request: AnyRequest) -> Callable[[], float]:
    """Bytes that the largest run of a study takes at least, computed when asked for; 0 where other code trains."""

    def needed() -> float:
        if not trains_itself(request):
            return 0.0
        return max(bytes_needed(arm.config, request.schema) for arm in request.study.arms)

    return needed


def refuse_too_large(request: Request) -> None:
    """Refuse models that this machine's memory cannot hold. Those of a graphics card are not looked at.

    Raises:
        StudyError: names the arm, the memory it needs and the memory that is there.
    """
    if request.options.device != "cpu":
        return
    there = psutil.virtual_memory().total
    for arm in request.study.arms:
        needed = bytes_needed(arm.config, request.schema)
        if needed > there:
            raise StudyError(
                f"arm '{arm.name}' does not fit into the memory of this machine",
                expected=f"at most {there / 2**30:,.0f} GiB",
                found=f"{needed / 2**30:,.0f} GiB for its parameters and one batch",
                next_step="Lower model.width, model.feed_forward, model.layers, data.window or training.batch",
                where=str(request.file),
            )
