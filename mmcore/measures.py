"""The measures a run reports: name, direction and meaning, each declared once.

A score row names a measure and a component: ``{"metric": "f1", "component": "active", …}``. Component None is the
whole: the mean over components (``skill``, ``accuracy`` …) or their sum (``loss``). A study picks its metric as
``skill`` (the whole) or ``active/f1`` (one component).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mmcore.errors import ConfigError, nearest
from mmcore.language import later
from mmcore.schema import Targets


@dataclass(frozen=True)
class Measure:
    """One measure.

    Args:
        name: as in score rows.
        higher_is_better: its direction.
        title: for tables and axes.
        meaning: one plain sentence for a reader who knows no statistics.
        unit: ``""`` for pure numbers; ``"original"`` for the parameter's own unit.
        kinds: the kinds of parameters that it can be computed for.
        whole: how components combine into one number; None where they cannot (different units).
        limit: no value lies further from 0; None: there is no such limit.
    """

    name: str
    higher_is_better: bool
    title: str
    meaning: str
    unit: str = ""
    kinds: tuple[str, ...] = ("continuous", "binary", "categorical")
    whole: Literal["mean", "sum"] | None = "mean"
    limit: float | None = None


_CLASSES = ("binary", "categorical")

MEASURES: dict[str, Measure] = {
    m.name: m
    for m in (
        Measure(
            "skill",
            True,
            later("skill"),
            later(
                "How the model's loss compares with that of the better of two naive predictions: 1 is perfect, 0 is "
                "no better, −1 is infinitely worse. Above 0 it is the share of the naive loss that the model removes; "
                "below 0, minus the share of its own loss that the naive prediction would remove."
            ),
            limit=1,
        ),
        Measure(
            "relative_skill",
            True,
            later("relative skill"),
            later(
                "1 − loss ÷ naive loss. The same as skill above 0; below 0 it has no limit, so one component on which "
                "the naive prediction is nearly exact can outweigh all others in the mean."
            ),
        ),
        Measure(
            "loss",
            False,
            later("loss"),
            later("The loss under fixed weights of 1, whatever weights trained the model."),
            whole="sum",
        ),
        Measure(
            "f1",
            True,
            later("F1"),
            later("Harmonic mean of precision and recall at a threshold of one half."),
            kinds=("binary",),
            limit=1,
        ),
        Measure(
            "average_precision",
            True,
            later("average precision"),
            later("Area under the precision-recall curve: how well the predicted probabilities rank the true cases."),
            kinds=("binary",),
            limit=1,
        ),
        Measure(
            "accuracy",
            True,
            later("accuracy"),
            later("Share of predictions that name the right class."),
            kinds=_CLASSES,
            limit=1,
        ),
        Measure(
            "balanced_accuracy",
            True,
            later("balanced accuracy"),
            later("Share of right predictions, each class counting the same however rare it is."),
            kinds=_CLASSES,
            limit=1,
        ),
        Measure(
            "macro_f1",
            True,
            later("macro-F1"),
            later("F1 of each class, averaged so that every class counts the same."),
            kinds=_CLASSES,
            limit=1,
        ),
        Measure(
            "log_loss",
            False,
            later("log loss"),
            later(
                "Mean of −ln p, with p the probability that the model gave to the right class: 0 is perfect, and being "
                "sure and wrong costs most."
            ),
            kinds=_CLASSES,
        ),
        Measure(
            "mae",
            False,
            later("mean absolute error"),
            later("Mean distance between prediction and truth, in the parameter's own unit."),
            unit="original",
            kinds=("continuous",),
            whole=None,
        ),
    )
}


@dataclass(frozen=True)
class Metric:
    """A study's yardstick: a measure of the whole (component None) or of one component."""

    measure: Measure
    component: str | None

    @property
    def name(self) -> str:
        """As written in a study: ``skill`` or ``active/f1``."""
        return self.measure.name if self.component is None else f"{self.component}/{self.measure.name}"

    @property
    def column(self) -> str:
        """As a column of a run's history, which has it for validation items: ``validation/f1/active``."""
        return f"validation/{self.measure.name}" + (f"/{self.component}" if self.component else "")


def parse_metric(text: str, own: Mapping[str, Measure] | None = None) -> Metric:
    """Read ``skill`` or ``active/f1``.

    Args:
        own: measures of the user's, by name.

    Raises:
        ConfigError: unknown measure (with the nearest valid name), or a measure that has no value for the whole.

    Example:
        >>> parse_metric("active/f1").component
        'active'
    """
    component, _, name = text.rpartition("/")
    known = MEASURES | dict(own or {})
    if name not in known:
        raise ConfigError(f"metric '{text}' names an unknown measure", next_step=nearest(name, list(known)))
    measure = known[name]
    if not component and measure.whole is None:
        raise ConfigError(
            f"metric '{text}' has no value over all components because their units differ",
            next_step=f"Name a component: COMPONENT/{name}",
        )
    return Metric(measure, component or None)


def refuse_unmeasured(metric: Metric, targets: Targets, called: str | None = None) -> None:
    """Whether runs on these targets will have a value for a metric.

    Args:
        metric: a measure of the whole, or of one component.
        targets: what is predicted.
        called: how the message calls it; None: ``metric 'NAME'``.

    Raises:
        ConfigError: an unknown component, or one without a parameter of a kind that the measure is made for.
    """
    called = called or f"metric '{metric.name}'"
    components = list(targets.components)
    if metric.component is not None and metric.component not in components:
        raise ConfigError(f"{called} names an unknown component", next_step=nearest(metric.component, components))
    kinds = sorted({p.kind for p in targets.parameters if metric.component in (None, p.component)})
    if not set(kinds) & set(metric.measure.kinds):
        raise ConfigError(
            f"{called} has no value here",
            expected=f"a component with {' or '.join(metric.measure.kinds)} parameters",
            found=", ".join(kinds),
            next_step="Measures: " + ", ".join(f"{m.name} ({', '.join(m.kinds)})" for m in MEASURES.values()),
        )
