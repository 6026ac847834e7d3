"""How much work a run is: windows, optimiser steps and multiply-adds, counted without torch.

Counts are exact where they can be (windows, steps) and close where they need not be exact (a model's products: within
a few percent of :func:`mmcore.model.cost.count_flops` for the usual parts). :func:`training` and its neighbours turn
them into seconds on one core of one machine; :mod:`experiments.planning.estimate` corrects these by what was measured
here.

M modalities, T steps of a window, D width, K tracks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from mmcore.analyses import (
    AnyAnalysis,
    AttentionAnalysis,
    CoalitionsAnalysis,
    CorruptionAnalysis,
    ErrorsAnalysis,
    GatesAnalysis,
)
from mmcore.config import (
    AttentionPooling,
    Bottleneck,
    CrossModal,
    Decision,
    GradNorm,
    Hierarchical,
    LowRank,
    ModelConfig,
    PCGrad,
    Precision,
    ResidualHead,
    RunConfig,
    SharedHead,
    TrackTokensHead,
)
from mmcore.config.data import Forecast
from mmcore.schema import CorpusSchema


@dataclass(frozen=True)
class Sides:
    """Steps of the items on each side of a split."""

    train: Sequence[int]
    validation: Sequence[int]
    test: Sequence[int]


@dataclass(frozen=True)
class Work:
    """What a run does.

    Args:
        epochs: at most; patience may end it earlier.
        steps: optimiser steps of an epoch.
        batch: windows of a step.
        validation, test: windows that are scored after each epoch, and once.
        layers: layers on the way, each counted once for every stream that it runs over.
        products: multiply-adds of one window, forward.
        numbers: numbers that one window's forward pass leaves, which dropout, norms and activations go through.
        parameters: trained numbers.
        backward: passes back for each step: more where losses are weighted by their gradients.
        precision: in which products are computed.
    """

    epochs: int
    steps: int
    batch: int
    validation: int
    test: int
    layers: float
    products: float
    numbers: float
    parameters: float
    backward: float = 1.0
    precision: Precision = "fp32"


def work_of(config: RunConfig, schema: CorpusSchema, sides: Sides) -> Work:
    """The work of a run from its start.

    Args:
        config: any; its modalities must be the corpus's.
        schema: gives features, tracks and outputs.
        sides: of the run's split.
    """
    window, stride = config.data.steps, config.data.stride or config.data.steps
    ahead = config.task.horizon if isinstance(config.task, Forecast) else 0
    training = config.training
    batches = ceil(_windows(sides.train, window, stride, ahead) / training.batch)
    layers, products, numbers, parameters = _model(config.model, schema, window)
    return Work(
        epochs=training.epochs,
        steps=min(batches, training.steps_per_epoch or batches),
        batch=training.batch,
        validation=_windows(sides.validation, window, window, ahead),
        test=_windows(sides.test, window, window, ahead) if config.evaluation.test else 0,
        layers=layers,
        products=products,
        numbers=numbers,
        parameters=parameters,
        backward=_backward(config, schema),
        precision=training.precision,
    )


def _windows(items: Sequence[int], window: int, stride: int, ahead: int) -> int:
    """As :class:`mmcore.data.loader.Loader` cuts them, gaps aside."""
    positions = [steps - ahead for steps in items if steps > ahead]
    return sum(min(1 + max(0, ceil((p - window) / stride)), ceil(p / stride)) for p in positions)


def _backward(config: RunConfig, schema: CorpusSchema) -> float:
    match config.loss.weighting:
        case GradNorm() | PCGrad():
            return 1.0 + 0.35 * len(schema.targets.components)
        case _:
            return 1.0


def _model(model: ModelConfig, schema: CorpusSchema, T: int) -> tuple[float, float, float, float]:
    """Layers, multiply-adds and numbers of one window, and parameters."""
    names = schema.chosen(model.modalities)
    columns = sum(len(schema.modalities[name].columns) for name in names)
    M, D, targets = len(names), model.width, schema.targets
    fused = model.fusion if M > 1 else None
    late = M if isinstance(fused, Decision) else 1
    layer = 4 * D**2 + 2 * D * model.feed_forward
    plain = model.layers_before * M + model.layers * late
    # (layers, steps that each runs over)
    runs = [(plain, T)]
    match fused:
        case CrossModal():
            runs.append((fused.layers * M * (M - 1), T))
        case Bottleneck():
            runs.append((fused.layers * M, T * (1 + fused.tokens)))
        case _:
            pass
    head, head_layers = _head(model, targets.tracks, targets.outputs)
    around = columns * D + (M * D**2 if fused is not None else 0) + late * head
    products = T * around + sum(n * (steps * layer + 2 * steps**2 * D) for n, steps in runs)
    numbers = T * D * (M + late) + sum(
        n * steps * (6 * D + 2 * model.feed_forward + model.heads * steps) for n, steps in runs
    )
    if head_layers:
        numbers += late * head_layers * T * targets.tracks * (6 * D + 2 * model.feed_forward)
    return (
        sum(n for n, _ in runs) + late * head_layers + _SMALL.get(type(fused), 0.0),
        products,
        numbers,
        around + sum(n for n, _ in runs) * layer,
    )


_SMALL = {AttentionPooling: 2.5, Hierarchical: 2.5, LowRank: 2.5, Decision: 4.0}
"""What some fusions add to a step beyond their products, in layers: many small operations."""


def _head(model: ModelConfig, tracks: int, outputs: int) -> tuple[float, int]:
    """Multiply-adds of a step, and layers."""
    D = model.width
    last = D * tracks * outputs
    match model.head:
        case SharedHead():
            return D**2 + D * outputs * tracks, 0
        case ResidualHead():
            return last + D**2 + model.head.blocks * 2 * D * model.feed_forward, 0
        case TrackTokensHead():
            return last + model.head.layers * tracks * (6 * D**2 + 2 * D * model.feed_forward), 2 * model.head.layers
        case _:
            return last + D**2, 0


FORMULA = 2
"""Version of the formula below: times are compared only with guesses of the same version."""


# Seconds on one core of the machine of the fit -----------------------------------------------------------------------
@dataclass(frozen=True)
class Guess:
    """Seconds, by what they are spent on: small operations one after another, and products.

    Args:
        calls, products: seconds of each.
    """

    calls: float
    products: float

    @property
    def seconds(self) -> float:
        """Both together."""
        return self.calls + self.products

    def __add__(self, other: Guess) -> Guess:
        return Guess(self.calls + other.calls, self.products + other.products)

    def __mul__(self, times: float) -> Guess:
        return Guess(self.calls * times, self.products * times)


START = 4.0
"""Until workers have imported their libraries."""

# Least squares on relative error over steps and scorings of 24 configs, width 16 to 256, by CPU time (AMD EPYC, torch
# 2.13, one thread, products by oneDNN; python -m benchmarks.recorded_times): all are within 43 %.
_STEP = 1.2e-3
_LAYER = 6.0e-4
_PRODUCT = 7.0e-12
_NUMBER = 3.6e-9
_PARAMETER = 1.3e-9
_SCORED_LAYER = 1.2e-4
_SCORED = 2.1e-3
_SCORED_NUMBER = 0.9e-9
_EPOCH = 0.03
"""Checkpoints, history and the tracking store, once an epoch."""
_RUN = 0.3
"""Opening the data, fitting normalisation and baselines, writing the record."""


# bf16 against fp32 in one process, in turns, the same 16 configs (the same machine, which has bf16 units): products
# take a seventh, and all else about as long. All are within 34 %.
_BF16_CALLS = 1.05
_BF16_PRODUCTS = 0.14


def step(work: Work) -> Guess:
    """One optimiser step."""
    calls = _STEP + work.backward * (_LAYER * work.layers + _NUMBER * work.numbers * work.batch)
    products = 3 * _PRODUCT * work.products * work.batch * work.backward
    return _in_precision(work, Guess(calls + _PARAMETER * work.parameters, products))


def scoring(work: Work, windows: int) -> Guess:
    """One pass over windows without training."""
    batches = ceil(windows / work.batch)
    calls = _SCORED + _SCORED_LAYER * work.layers * batches + _SCORED_NUMBER * work.numbers * windows
    return _in_precision(work, Guess(calls, _PRODUCT * work.products * windows))


def _in_precision(work: Work, guess: Guess) -> Guess:
    match work.precision:
        case "bf16":
            return Guess(guess.calls * _BF16_CALLS, guess.products * _BF16_PRODUCTS)
        case "fp32" | "tf32":
            # How much tf32 saves on a graphics card was not measured.
            return guess


def training(work: Work, epochs: float | None = None) -> Guess:
    """A whole run: its epochs (None: all), then validation and test items once more."""
    epoch = step(work) * work.steps + scoring(work, work.validation) + Guess(_EPOCH, 0.0)
    return epoch * (work.epochs if epochs is None else epochs) + testing(work)


def testing(work: Work) -> Guess:
    """Opening the data and scoring a model that is trained: validation and test items, and a handful for probes."""
    return scoring(work, work.validation) + scoring(work, work.test) + Guess(_RUN, 0.0)


def analysing(work: Work, analyses: Sequence[AnyAnalysis], modalities: int) -> Guess:
    """Opening a trained run and answering analyses of it."""
    once = scoring(work, max(1, work.test))
    return once * sum(_passes(one, modalities) for one in analyses) + Guess(_RUN, 0.0)


def _passes(analysis: AnyAnalysis, modalities: int) -> float:
    """Passes over the test items that take as long as an analysis, as measured at the quick preset's size."""
    match analysis:
        case GatesAnalysis():
            return 12.0 * modalities
        case AttentionAnalysis():
            return 25.0
        case CoalitionsAnalysis():
            absences = len(analysis.absences) + ("permuted" in analysis.absences) * (analysis.draws - 1)
            subsets = 2**modalities if analysis.samples is None else analysis.samples * modalities
            return 0.6 * absences * subsets
        case CorruptionAnalysis():
            return 1.0 * modalities * analysis.levels + 5.0
        case ErrorsAnalysis():
            return 5.0
