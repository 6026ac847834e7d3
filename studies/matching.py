"""Arms of one size: what is left to compare when no arm may win by being larger.

An arm's width and feed-forward width are scaled by one factor until it costs what the reference costs. The order:

1. width, on the grid that its heads and positions allow, with feed_forward in the same proportion;
2. feed_forward alone, any number, takes up what the grid of the width leaves;
3. where even the smallest width costs too much, encoder layers are taken away, one at a time, down to 1;
4. a whole model of the user's is left as it is: only its author knows what makes it larger;
5. where nothing comes within the tolerance, the nearest that was found stands, and plan and report say so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from mmcore.config import CustomModel, Overrides, RunConfig
from mmcore.frozen import Frozen

By = Literal["parameters", "flops"]


class Match(Frozen):
    """Whether and how arms are brought to one size."""

    by: By
    """Trained parameters, or floating-point operations of one forward pass over one window."""
    tolerance: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.02
    """An arm counts as matched within ± this share of the reference's."""
    unmatched: bool = False
    """Whether an arm that had to be scaled is also kept as written, beside ``NAME, matched``."""


Count = Callable[[RunConfig, By], int]
"""What a model costs. Counting needs the model itself, which studies do not know: the caller brings it."""


@dataclass(frozen=True)
class Size:
    """What an arm costs beside the reference, in a study that matches.

    Args:
        cost: its parameters or FLOPs, as the study's rule says.
        ratio: that, divided by the reference's.
        within: whether that is within the tolerance; None for an arm kept as written beside its matched
            duplicate.
    """

    cost: int
    ratio: float
    within: bool | None


def off(cost: int, target: int) -> float:
    """By how much a cost misses its target, as a share of it."""
    return abs(cost - target) / target


def fitted(config: RunConfig, target: int, match: Match, count: Count) -> RunConfig:
    """The arm at the size whose cost is nearest to the target; unchanged where it is within the tolerance already.

    Args:
        config: the arm as written.
        target: the reference's cost, above 0.
        match: the rule.
        count: cost of a model.
    """

    def cost(config: RunConfig) -> int:
        return count(config, match.by)

    if isinstance(config.model, CustomModel):
        # Only its author knows which of its arguments make it larger.
        return config
    best, gap = config, off(cost(config), target)
    layers = config.model.layers
    while gap > match.tolerance:
        found, too_large = _nearest(_with(config, layers=layers), target, match.tolerance, cost)
        if off(cost(found), target) < gap:
            best, gap = found, off(cost(found), target)
        if not too_large or layers <= 1:
            break
        layers -= 1
    return best


def scaling(before: RunConfig, after: RunConfig) -> Overrides:
    """What matching changed, as overrides."""
    return {
        f"model.{name}": getattr(after.model, name)
        for name in ("width", "feed_forward", "layers")
        if getattr(after.model, name) != getattr(before.model, name)
    }


def _nearest(
    config: RunConfig, target: int, tolerance: float, cost: Callable[[RunConfig], int]
) -> tuple[RunConfig, bool]:
    """The best width, and whether even the smallest costs too much.

    The first guess stands if feed_forward then takes up the rest without leaving its proportion to the width by more
    than a quarter. Else, of the two widths around the target, the one within the tolerance that keeps it best.
    """
    grid, model = _grid(config), config.model

    def scaled(units: int) -> RunConfig:
        width = units * grid
        return _with(config, width=width, feed_forward=max(1, round(model.feed_forward * width / model.width)))

    def bent(units: int, filled: RunConfig) -> float:
        return abs(math.log(filled.model.feed_forward / scaled(units).model.feed_forward))

    # Cost grows roughly with the square of the width, so the first guess is close and the walk is short.
    units = max(1, round(model.width / grid * math.sqrt(target / cost(config))))
    found = _filled(scaled(units), target, cost)
    if off(cost(found), target) <= tolerance and bent(units, found) <= math.log(1.25):
        return found, False
    while units > 1 and cost(scaled(units)) > target:
        units -= 1
    while cost(scaled(units + 1)) <= target:
        units += 1
    around = {u: _filled(scaled(u), target, cost) for u in (units, units + 1)}
    within = {u: filled for u, filled in around.items() if off(cost(filled), target) <= tolerance}
    if within:
        return min(within.items(), key=lambda pair: bent(*pair))[1], False
    found = min(around.values(), key=lambda filled: off(cost(filled), target))
    return found, units == 1 and cost(found) > target


def _filled(config: RunConfig, target: int, cost: Callable[[RunConfig], int]) -> RunConfig:
    """The same width with the feed-forward width that hits the target: cost is linear in it."""
    now = config.model.feed_forward
    per_unit = cost(_with(config, feed_forward=now + 1)) - cost(config)
    if per_unit == 0:  # no layer has a feed-forward block
        return config
    return _with(config, feed_forward=max(1, now + round((target - cost(config)) / per_unit)))


def _grid(config: RunConfig) -> int:
    """Steps of the width that heads and positions allow."""
    model = config.model
    match model.positions:
        case "rotary":
            return 2 * model.heads
        case "sinusoidal":
            return math.lcm(2, model.heads)
        case "learned":
            return model.heads


def _with(config: RunConfig, **sizes: int) -> RunConfig:
    """The config with other sizes of the model; they are on the grid, so nothing has to be checked anew."""
    return config.model_copy(update={"model": config.model.model_copy(update=sizes)})
