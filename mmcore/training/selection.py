"""Which epoch of a training is scored in the end: the one that is best on validation items, by one metric."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mmcore.measures import Metric
from mmcore.scores import value_of
from mmcore.training.evaluation import Naive, model_rows, skills
from mmcore.training.metrics import mean_of_known, sum_of_known
from mmcore.training.tally import Tally

By = Literal["metric", "loss", "last"]

FROM_LOSSES = ("skill", "relative_skill", "loss", "log_loss")
"""Measures that follow from losses alone: for them a validation pass gathers nothing else."""


@dataclass(frozen=True)
class Validation:
    """What a model does on the validation items after one epoch.

    Args:
        losses: by component. columns: of the epoch's history row. value: what the epoch is chosen by, higher is better.
    """

    losses: dict[str, float]
    columns: dict[str, float]
    value: float


class Selection:
    """The rule of one run, the same for all of its epochs.

    Args:
        metric: by which the epoch is to be chosen.
        naive: the baselines on the validation items.
    """

    def __init__(self, metric: Metric, naive: Naive) -> None:
        self.metric, self.naive = metric, naive
        self.losses = naive.losses()
        self.by: By = self._by()

    @property
    def detailed(self) -> bool:
        """Whether tallies must hold more than losses."""
        return self.metric.measure.name not in FROM_LOSSES

    @property
    def note(self) -> str | None:
        """What the user must hear where the metric cannot choose; None where it can."""
        match self.by:
            case "metric":
                return None
            case "loss" if self.metric.name == "skill":
                why = "no component has a validation skill, for the naive loss is 0"
            case "loss":
                why = f"{self.metric.name} has no value on the validation items"
            case "last":
                return "the validation split has no target that counts: the last epoch is scored"
        return f"{why}: the best epoch is picked by validation loss"

    def judge(self, tally: Tally, epoch: int) -> Validation:
        """What an epoch is worth.

        Args:
            tally: of the model on the validation items; ``detailed`` where :attr:`detailed` is.
            epoch: its number; it stands in for the value where nothing can be measured, so that the last epoch wins.
        """
        losses = tally.component_losses()
        columns = validation_columns(losses, self.losses)
        value = self.value(tally)
        columns.setdefault(self.metric.column, value)
        worth = {"metric": value, "loss": -columns["validation/loss"], "last": float(epoch)}[self.by]
        if self.by == "metric" and not self.metric.measure.higher_is_better:
            worth = -worth
        return Validation(losses, columns, worth)

    def value(self, tally: Tally) -> float:
        """The metric of a model on the validation items; NaN where it has none."""
        return value_of(self.metric, model_rows("validation", tally, self.losses), "validation")

    def _by(self) -> By:
        # Whether a metric has a value is a matter of the targets: the baselines have one where the model will.
        if any(not math.isnan(self.value(tally)) for tally in self.naive.tallies.values()):
            return "metric"
        return "last" if all(math.isnan(value) for value in self.losses.values()) else "loss"


def validation_columns(losses: dict[str, float], naive: dict[str, float]) -> dict[str, float]:
    """Loss and skill of an epoch's history row, whole and by component."""
    skill_of = skills(losses, naive)
    columns = {"validation/loss": sum_of_known([*losses.values()])}
    columns |= {f"validation/loss/{c}": value for c, value in losses.items()}
    columns |= {"validation/skill": mean_of_known([*skill_of.values()])}
    return columns | {f"validation/skill/{c}": value for c, value in skill_of.items()}
