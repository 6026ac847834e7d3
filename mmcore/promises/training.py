"""What weightings and augmentations of the user's promise. T positions, M modalities, P parameters, C components."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmcore.config import Custom
from mmcore.data.custom_augmentation import CustomAugmentation
from mmcore.language import later
from mmcore.promises.examples import FEATURES, SEED, T
from mmcore.promises.promise import Broken, Promise, same
from mmcore.training.weighting.base import Components, Step
from mmcore.training.weighting.custom import CustomWeighting

NAMES = ("position", "active", "size")


@dataclass(frozen=True)
class WeightingSubject:
    """A weighting, made anew for each test."""

    part: Custom

    def made(self, start: tuple[float, ...] = (1.0, 1.0, 1.0)) -> CustomWeighting:
        components = Components(NAMES, torch.arange(len(NAMES)), torch.tensor(start))
        return CustomWeighting(components, self.part, SEED)


def steps(weighting: CustomWeighting, epochs: range, without: int | None = None) -> list[Tensor]:
    """Weights over some epochs of two steps; ``without``: a component without targets."""
    found = []
    for epoch in epochs:
        for index in (1, 2):
            rng = torch.Generator().manual_seed(10 * epoch + index)
            loss_P, count_P = torch.rand(len(NAMES), generator=rng) + 0.1, torch.ones(len(NAMES))
            if without is not None:
                loss_P[without], count_P[without] = 0.0, 0.0
            found.append(weighting.weights(Step(loss_P.requires_grad_(), count_P, epoch, index, 0.01)))
        weighting.state()
    return found


def weights_are_weights(subject: WeightingSubject) -> None:
    for weight_C in steps(subject.made(), range(1, 4)):
        if weight_C.requires_grad:
            raise Broken("the weights have a gradient")


def missing_targets_break_nothing(subject: WeightingSubject) -> None:
    for missing, name in enumerate(NAMES):
        for weight_C in steps(subject.made(), range(1, 4), missing):
            if not bool(torch.isfinite(weight_C).all()):
                raise Broken(f"component {name} has no target in a batch; weights are {weight_C.tolist()}")


def weighting_repeats_itself(subject: WeightingSubject) -> None:
    found = []
    for seed in (0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            found.append(torch.stack(steps(subject.made(), range(1, 4))))
    same(found[1], found[0], "the same losses were weighted again, with another state of torch's global generator")


def weighting_is_saved(subject: WeightingSubject) -> None:
    whole, cut = subject.made(), subject.made()
    steps(cut, range(1, 3))
    wanted = steps(whole, range(1, 5))[4:]
    resumed = subject.made()
    resumed.load_state(copy.deepcopy(cut.state()))
    found = steps(resumed, range(3, 5))
    doing = "the state was saved after epoch 2 and loaded (has the class state_dict and load_state_dict?)"
    same(torch.stack(found), torch.stack(wanted), doing)


WEIGHTING_PROMISES: tuple[Promise[WeightingSubject], ...] = (
    Promise("weights", later("One weight for each component, at least 0, without a gradient."), weights_are_weights),
    Promise("no-targets", later("A component without targets breaks nothing."), missing_targets_break_nothing),
    Promise("repeatable", later("The same losses give the same bits."), weighting_repeats_itself),
    Promise("state", later("Saved and loaded, it goes on as if nothing had been."), weighting_is_saved),
)


@dataclass(frozen=True)
class AugmentationSubject:
    """An augmentation, made anew for each test."""

    part: Custom

    def changed(self, seed: int, hidden: str | None = None) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """A window after the change."""
        rng = np.random.default_rng(SEED)
        values = {name: rng.standard_normal((T, F)).astype(np.float32) for name, F in FEATURES.items()}
        present_TM = np.ones((T, len(FEATURES)), bool)
        if hidden is not None:
            present_TM[:, list(FEATURES).index(hidden)] = False
            values[hidden][:] = 0.0
        CustomAugmentation(self.part, tuple(FEATURES)).change(values, present_TM, np.random.default_rng(seed), 1)
        return values, present_TM


def augmentation_draws_from_its_generator(subject: AugmentationSubject) -> None:
    found = []
    for seed in (0, 1):
        np.random.seed(seed)  # noqa: NPY002 what must not count
        torch.manual_seed(seed)
        found.append(subject.changed(5))
    (one, one_TM), (two, two_TM) = found
    for name in FEATURES:
        if not np.array_equal(one[name], two[name]):
            raise Broken(f"the same window with the same rng was changed twice; values of {name} differ")
    if not np.array_equal(one_TM, two_TM):
        raise Broken("the same window with the same rng was changed twice; what is present differs")


def augmentation_changes_something(subject: AugmentationSubject) -> None:
    first, first_TM = subject.changed(0)
    for seed in range(1, 50):
        values, present_TM = subject.changed(seed)
        if not np.array_equal(first_TM, present_TM) or any(not np.array_equal(first[n], values[n]) for n in FEATURES):
            return
    raise Broken("50 seeds gave the same window 50 times")


def augmentation_bears_absence(subject: AugmentationSubject) -> None:
    for hidden in FEATURES:
        for seed in range(5):
            subject.changed(seed, hidden)


AUGMENTATION_PROMISES: tuple[Promise[AugmentationSubject], ...] = (
    Promise("seeded", later("All draws come from rng."), augmentation_draws_from_its_generator),
    Promise("random", later("Another draw gives another window."), augmentation_changes_something),
    Promise("absent", later("An absent modality breaks nothing; values stay finite."), augmentation_bears_absence),
)
