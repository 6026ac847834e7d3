"""What a study's searches would do now, and what they will cost at most. Writes nothing, imports no Optuna."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from experiments.planning.estimate import Estimate
from experiments.planning.request import AnyConfig, AnyRequest, schema_of
from experiments.planning.search_cost import ENOUGH, PRUNING, one_training, share_trained
from experiments.planning.stages import Part
from mmcore.language import say
from studies.search.resolved import TUNED, ResolvedSearch
from studies.search.results import SearchResult
from studies.search.space import Choice, Int, LogUniform, Simplex, Space, Uniform


@dataclass(frozen=True)
class PlannedSearch:
    """One search of a plan.

    Args:
        arm: the arm that is tuned; ``tuned`` for the scientific hyperparameters.
        hyperparameters: path to its range or choices, in words.
        done: trials that have ended.
        left: largest number of trials still to do; the smallest number for a budget in epochs with pruning.
        epochs: largest number of epochs still to train; pruning and reuse save some.
        trials: expected number of trials still to do.
        spent: expected number of epochs still to train, after pruning.
        trial: expected time of a trial on one worker.
        confirmed: runs of the arms that the search is still to find.
    """

    arm: str
    hyperparameters: dict[str, str]
    done: int
    left: int
    epochs: int
    trials: int
    spent: int
    trial: Estimate
    confirmed: tuple[Part, ...]

    @property
    def seconds(self) -> float:
        """Expected seconds on one worker."""
        return self.trials * self.trial.seconds


def planned_searches(request: AnyRequest, estimate: Callable[[AnyConfig], Estimate]) -> tuple[PlannedSearch, ...]:
    """The searches of a study, () where it has none.

    Args:
        request: the study, with the results of its searches so far.
        estimate: gives the time of one training.
    """
    search = request.study.search
    if search is None:
        return ()
    return tuple(_planned(one, request, estimate) for one in _found(search, request))


def _found(search: ResolvedSearch, request: AnyRequest) -> tuple[SearchResult, ...]:
    """The result of each search so far; an empty result for a search that has not started."""
    return request.searches or tuple(SearchResult(search, arm) for arm in search.searches)


def _planned(one: SearchResult, request: AnyRequest, estimate: Callable[[AnyConfig], Estimate]) -> PlannedSearch:
    search, arm, done, left = one.search, one.setup, len(one.ended), _left(one)
    full = search.epochs_full(arm)
    share = share_trained(search, arm, done, one.epochs, done + left)
    epochs, trials = left * full, left
    if left and search.budget.epochs is not None:
        # A budget in epochs is always used up: if trials are pruned or short, there are more of them.
        epochs = search.budget.epochs - one.epochs
        if search.sampler != "grid":
            trials = max(left, round(epochs / (share * full)))
    training = one_training(search, arm, schema_of(request), estimate) if request.tunes else Estimate(0.0, 1.0)
    unsure = 1.0 if search.pruner == "none" or done >= ENOUGH else PRUNING
    new = arm.arm == TUNED and request.tunes
    return PlannedSearch(
        arm.arm,
        in_words(arm.space),
        done,
        left,
        epochs,
        trials,
        min(epochs, round(trials * share * full)),
        Estimate(training.seconds * search.repeats * share, training.factor * unsure),
        (Part(TUNED, search.best * len(request.study.numbers), training),) if new else (),
    )


def trials_at_most(request: AnyRequest) -> int:
    """Largest number of trials that a study's searches still do; 0 without a search."""
    search = request.study.search
    if search is None:
        return 0
    return sum(_left(one) for one in _found(search, request))


def _left(one: SearchResult) -> int:
    """Trials left at most."""
    search, done = one.search, len(one.ended)
    if one.complete:
        return 0
    most = (
        search.budget.trials - done
        if search.budget.trials is not None
        else ((search.budget.epochs or 0) - one.epochs) // search.epochs_full(one.setup)
    )
    return max(0, min(most, len(one.setup.cells()) - done) if search.sampler == "grid" else most)


def in_words(space: Space) -> dict[str, str]:
    """Each hyperparameter's path with its range or choices.

    Example:
        >>> in_words({"model.layers": Int(low=1, high=4)})
        {'model.layers': '1 to 4'}
    """
    by_path = {}
    for path, knob in space.items():
        match knob:
            case Choice():
                text = say(" or ").join(str(value) for value in knob.values)
            case Uniform():
                text = say("{low:g} to {high:g}", low=knob.low, high=knob.high)
            case LogUniform():
                text = say("{low:g} to {high:g}, by order of magnitude", low=knob.low, high=knob.high)
            case Int():
                text = (
                    say("{low} to {high} in steps of {step}", low=knob.low, high=knob.high, step=knob.step)
                    if knob.step > 1
                    else say("{low} to {high}", low=knob.low, high=knob.high)
                )
            case Simplex():
                text = say("proportions of {components}", components=", ".join(knob.components or ()))
        if knob.when:
            when = [say("{key} is {value}", key=key, value=value) for key, value in knob.when.items()]
            text = say("{text} where {when}", text=text, when=say(" and ").join(when))
        by_path[path] = text
    return by_path
