"""The record of a run: what it was, and everything that it found. No torch.

A run makes one (:func:`mmcore.run.run`), ``experiments/records.py`` writes and reads it, and
``reports/records/frame.py`` turns the records of a study into tables. A field that records of earlier versions lack has
a default, which stands for "not measured".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Literal

from pydantic import Field

from mmcore.config import RunConfig
from mmcore.errors import TrainingDiverged
from mmcore.frozen import Number
from mmcore.measures import Metric

Drawn = Literal["each_repeat", "once", "corpus"]
"""How the test side of a split came about: by chance in each repeat; by chance, but once for all repeats; as the corpus
says, which fixes train as well."""


# Rows --------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Score:
    """One number of one run.

    Args:
        split: ``train``, ``validation`` or ``test``.
        items: ``all``, or ``complete`` for the items that have every modality of the corpus.
        metric: a name of :data:`mmcore.measures.MEASURES`.
        component: a loss component; None for the whole.
        value: NaN where there is nothing to measure, e.g. no complete item or a target that never varies.
        parameter: set where a measure has a value for each parameter (``mae``), else None.
        baseline: the naive predictor that was scored (``persistence``, ``constant``, ``majority``, ``prior``);
            None: the model.
    """

    split: str
    items: str
    metric: str
    component: str | None
    value: Number
    parameter: str | None = None
    baseline: str | None = None


def value_of(metric: Metric, scores: Iterable[Score], split: str) -> float:
    """The model's value on all items of a split, the mean over parameters where a measure has values for these alone.

    NaN where there is none.
    """
    wanted = (split, "all", metric.measure.name, metric.component, None)
    by_parameter = {
        s.parameter: s.value for s in scores if (s.split, s.items, s.metric, s.component, s.baseline) == wanted
    }
    if None in by_parameter or not by_parameter:
        return by_parameter.get(None, math.nan)
    return sum(by_parameter.values()) / len(by_parameter)


@dataclass(frozen=True, slots=True)
class ItemLoss:
    """One component on one test item.

    Args:
        complete: whether the item has every modality. loss: mean over the item's counted targets; NaN where there is
            none. count: counted targets. naive_loss: of the baseline that is the better one on the whole test side.
    """

    item: str
    group: str
    complete: bool
    component: str
    loss: Number
    count: int
    naive_loss: Number


Cell = tuple[int, int, int]
"""Of a confusion matrix: true class, predicted class, count."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One parameter on one test item, from which every measure but average precision can be recomputed on any resample
    of items.

    Args:
        count: counted targets, 1 or more. loss: mean over them. naive_loss: the same of the baseline that is the better
            one for the component on the whole test side. error: mean absolute error in original units; None for
            classes. cells: non-empty ones; None for continuous parameters.
    """

    item: str
    parameter: str
    component: str
    count: int
    loss: Number
    naive_loss: Number
    error: float | None
    cells: tuple[Cell, ...] | None


@dataclass(frozen=True, slots=True)
class Reliability:
    """Confidence against accuracy of one component's class predictions on the test side.

    Args:
        bin: 0 … 14, of equal width on 0 … 1. count: predictions in it. confidence, accuracy: their means.
    """

    component: str
    bin: int
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class NaiveClasses:
    """The class that naive predictors name for a parameter, by track; see
    :func:`mmcore.training.baselines.naive_classes`."""

    parameter: str
    component: str
    classes: tuple[int, ...]


# Facts -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Failure:
    """Why a run ended without a result: class and message of the exception; epoch, step and component where training
    diverged, None elsewhere."""

    error: str = "error"
    message: str = ""
    epoch: int | None = None
    step: int | None = None
    component: str | None = None

    def __str__(self) -> str:
        return f"{self.error}: {self.message}"


@dataclass(frozen=True)
class Alike:
    """Columns of two modalities that say the same.

    Args:
        one, other: the modalities. columns: the first few pairs. count: of all pairs.
    """

    one: str
    other: str
    columns: tuple[tuple[str, str], ...]
    count: int


@dataclass(frozen=True)
class Copied:
    """An input column that says what a target says.

    Args:
        target: its column, or ``column = class``. lag: the smallest at which the input at step t + lag says the target
            at step t; 0 for scope item, where means over an item are compared.
    """

    target: str
    modality: str
    column: str
    lag: int
    correlation: float


@dataclass(frozen=True)
class Likenesses:
    """What :func:`mmcore.data.alike.examine_columns` found; None in a store from before it was looked for."""

    alike: tuple[Alike, ...] | None = None
    copies: tuple[Copied, ...] | None = None


@dataclass(frozen=True)
class Lengths:
    """Steps of a corpus's items; those without a step are left out.

    Args:
        items: how many there are. shortest, median, longest: in steps.
    """

    items: int
    shortest: int
    median: float
    longest: int


@dataclass(frozen=True)
class CorpusFacts:
    """The corpus of a run; all empty where the run failed before it was opened.

    Args:
        content: its content key. task: kind of the task. leaky: whether the task asks for what the model reads.
        units: parameter to unit. missing: modality to the number of items without it. scope: whether there is a
            target a step or one an item. alike, copies: see :class:`Likenesses`. Records of earlier versions lack the
            last four.
    """

    name: str = ""
    content: str = ""
    path: str = ""
    modalities: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    tracks: int = 0
    task: str = ""
    leaky: bool = False
    units: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)
    scope: Literal["step", "item"] | None = None
    lengths: Lengths | None = None
    alike: tuple[Alike, ...] | None = None
    copies: tuple[Copied, ...] | None = None


@dataclass(frozen=True)
class Labels:
    """What there is to predict of one parameter on one side of a split.

    Args:
        count: counted targets. classes: class to its count; None for continuous parameters. constant: all are equal;
            False where there is none.
    """

    count: int
    classes: Mapping[str, int] | None
    constant: bool


@dataclass(frozen=True)
class Side:
    """One side of a split.

    Args:
        cut: items that are longer than the window; None where each step has a target. missing: modality to the number
            of items without it. labels: by parameter; None where test items were not read. All None in records from
            before they were counted.
    """

    items: int
    groups: int
    windows: int
    cut: int | None = None
    missing: Mapping[str, int] | None = None
    labels: Mapping[str, Labels] | None = None


SIDES = ("train", "validation", "test")


@dataclass(frozen=True)
class SplitFacts:
    """The split of a run; all None where the run failed before it was drawn.

    Args:
        drawn: how the test side came about. divided_groups: number of groups with items on several sides.
        twins: (test item, its copy on another side); None where test items were not read.
        given: in records of earlier versions in the place of ``drawn``: whether the corpus says which item is where.
    """

    train: Side | None = None
    validation: Side | None = None
    test: Side | None = None
    drawn: Drawn | None = None
    divided_groups: int | None = None
    twins: tuple[tuple[str, str], ...] | None = None
    given: Annotated[bool, Field(exclude=True)] = False

    @property
    def sides(self) -> dict[str, Side]:
        """The sides that there are, by name."""
        named = {name: getattr(self, name) for name in SIDES}
        return {name: side for name, side in named.items() if side is not None}

    def groups(self, side: str) -> int:
        """Number of groups on a side.

        Raises:
            KeyError: the side was not drawn.
        """
        return self.sides[side].groups

    @property
    def all_groups(self) -> int:
        """Sum over the sides."""
        return sum(side.groups for side in self.sides.values())

    @property
    def came_about(self) -> Drawn | None:
        """``drawn``, also of records of earlier versions; None where no split was drawn."""
        return self.drawn or (drawn_of(self.given) if self.sides else None)


def drawn_of(given: bool) -> Drawn:
    """How the test side of a split came about, by what earlier versions said: whether the corpus fixed it."""
    return "corpus" if given else "each_repeat"


@dataclass(frozen=True)
class Leakage:
    """What :mod:`mmcore.probes.leakage` found.

    Args:
        forbidden_gradient: largest absolute gradient of a prediction with respect to a later input, over all windows
            and features; NaN counts as the largest float32. Anything but 0.0 is a leak. None: nothing is forbidden.
        copy_skill: the highest skill over the components of a predictor that copies the target's own features, see
            :mod:`mmcore.skill`: of squared error or the share of wrong classes, where the naive predictor is the better
            of persistence and the best constant on the windows themselves. At most 0 for a sound forecast (up to the
            rounding of the store); 1 where the answer is in the input. None: the model does not read these features
            of the item, or no naive predictor ever errs.
        windows: number of windows probed; None if they were not counted.
    """

    forbidden_gradient: float | None = None
    copy_skill: float | None = None
    windows: int | None = None


@dataclass(frozen=True)
class Chosen:
    """How the scored epoch was chosen; all None where none was.

    Args:
        metric: by which it was to be chosen. by: by what it was: ``metric``; ``loss`` or ``last`` where the metric has
            no value on the validation items. test_windows_read: windows of test items that the run had read through
            :class:`mmcore.scoring.Data` then. Records of earlier versions have the last alone: skill chose.
    """

    metric: str | None = None
    by: str | None = None
    test_windows_read: int | None = None


@dataclass(frozen=True)
class GateUse:
    """A gate on validation windows: its mean opening, and the share of its values that are stuck; see
    :func:`mmcore.probes.gates.saturation.probe_saturation`."""

    mean: float
    saturated: float


@dataclass(frozen=True)
class Hardware:
    """What the model was really trained or tested on: a device by its kind and name, and the type of its numbers with
    torch's precision of matrix products. None where no model was made."""

    device: str | None = None
    precision: str | None = None


@dataclass(frozen=True)
class Environment:
    """What a run was made with; see :func:`experiments.environment.environment`.

    Args:
        commit, dirty: of the code; None outside a git checkout. packages: name to version, None where it is not
            installed. device: as the config has it. threads: that the run was given.
    """

    mmstudy: str | None = None
    commit: str | None = None
    dirty: bool | None = None
    python: str | None = None
    torch: str | None = None
    platform: str | None = None
    packages: Mapping[str, str | None] = field(default_factory=dict)
    command: str | None = None
    device: str | None = None
    threads: int | None = None


# The whole ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Head:
    """What stands first in a record, for readers that look at every run of a study.

    Args:
        fingerprint: the run's identity, 32 hexadecimal digits.
        failure: why the run failed; None where it is done.
        epochs: epochs trained. best_epoch: the epoch whose checkpoint was scored. stopped_early: by patience.
        steps: optimiser steps. seconds: training and scoring together, over all sessions of a resumed run.
    """

    fingerprint: str
    repeat: int
    status: Literal["done", "failed"]
    failure: Failure | None
    epochs: int
    best_epoch: int
    stopped_early: bool
    steps: int
    seconds: float

    @property
    def done(self) -> bool:
        """Whether it has a result."""
        return self.status == "done"

    @property
    def why(self) -> str:
        """Why it failed; empty where it is done."""
        return "" if self.failure is None else self.failure.message

    @property
    def is_final(self) -> bool:
        """Whether this is its last word: it is done, or its training diverged, which would happen again.

        Whatever else ended a run (a full disk, no memory, a worker that died) is kept and shown as a failure, too, but
        the next call of the same command tries again.
        """
        return self.done or (self.failure is not None and self.failure.error == TrainingDiverged.__name__)


@dataclass(frozen=True, kw_only=True)
class Run(Head):
    """A run without its rows.

    Args:
        config: the whole config, defaults included.
        parameters: number of trained parameters by part: ``total, embedding, fusion, encoder, head``; {} where no model
            was made.
        flops: floating-point operations of one forward pass over one window, by the same parts.
        numerics: version of the numerics.
        gates: by name; {} for a fusion without gates and for a failed run, None in records from before they were
            measured.
        study, arm: for which the run was trained. started, finished: times in ISO format. All of them are empty until
            the record is kept.
    """

    config: RunConfig
    corpus: CorpusFacts
    split: SplitFacts
    parameters: Mapping[str, int]
    flops: Mapping[str, int]
    numerics: int
    leakage: Leakage = Leakage()
    selection: Chosen = Chosen()
    gates: Mapping[str, GateUse] | None = None
    hardware: Hardware = Hardware()
    study: str = ""
    arm: str = ""
    environment: Environment = Environment()
    started: str = ""
    finished: str = ""

    @property
    def name(self) -> str:
        """The run in words."""
        return f"arm '{self.arm}', repeat {self.repeat}"

    @property
    def device(self) -> str | None:
        """What it was trained on; in records of earlier versions, what it was to be trained on."""
        return self.hardware.device or self.environment.device

    def reused_from(self, study: str) -> str | None:
        """The study for which it was trained, where that is another one; else None."""
        return None if self.study in ("", study) else self.study


@dataclass(frozen=True, kw_only=True)
class Record(Run):
    """Everything a run has to say: :class:`Run`, and its rows.

    Args:
        scores: of the model and of the naive baselines.
        history: one flat row an epoch: ``epoch, steps, seconds, learning_rate, gradient_norm (mean),
            gradient_norm_max, clipped (share of steps), train/loss, train/loss/COMPONENT, validation/loss,
            validation/loss/COMPONENT, validation/skill, validation/skill/COMPONENT``, and the metric that chooses the
            epoch as ``validation/MEASURE`` or ``validation/MEASURE/COMPONENT``; where the weighting of losses is not
            fixed, also ``weight/COMPONENT``, the mean weight of the epoch's steps. Losses are plain ones, whatever is
            minimised.
        items: one row for each scored test item and component.
        outcomes: one row for each scored test item and parameter with a counted target.
        calibration: () where nothing is a class.
        naive_classes: one row for each parameter with classes.

    Records of earlier versions lack the last three.
    """

    scores: tuple[Score, ...]
    history: tuple[Mapping[str, Number], ...]
    items: tuple[ItemLoss, ...]
    outcomes: tuple[Outcome, ...] = ()
    calibration: tuple[Reliability, ...] = ()
    naive_classes: tuple[NaiveClasses, ...] = ()

    @property
    def run(self) -> Run:
        """The same without its rows."""
        return Run(**{each.name: getattr(self, each.name) for each in fields(Run)})

    def score(
        self, metric: str = "skill", component: str | None = None, split: str = "test", items: str = "all"
    ) -> float:
        """One number of the model.

        Raises:
            KeyError: the run has no such score; lists those it has.
        """
        for s in self.scores:
            if (s.split, s.items, s.metric, s.component, s.baseline, s.parameter) == (
                split, items, metric, component, None, None
            ):  # fmt: skip
                return s.value
        have = sorted({f"{s.component}/{s.metric}" if s.component else s.metric for s in self.scores if not s.baseline})
        raise KeyError(f"no score '{metric}' for component {component}, split '{split}'; there are {', '.join(have)}")
