"""What a study's searches would do now, and what they will cost at most. Writes nothing, imports no Optuna."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.planning.estimate import Estimate, Estimator
from experiments.planning.request import Request
from experiments.planning.search_cost import ENOUGH, PRUNING, one_training, share_trained
from experiments.planning.stages import Part
from studies.search.resolved import TUNED, ResolvedSearch
from studies.search.results import SearchResult
from studies.search.space import Choice, Int, LogUniform, Simplex, Space, Uniform


@dataclass(frozen=True)
class PlannedSearch:
    """One search of a plan.

    Args:
        arm: who is tuned; ``tuned`` for the scientific hyperparameters.
        hyperparameters: path to what is drawn, in words.
        done: trials that have ended.
        left: trials still to do at most; at least, where a budget in epochs and pruning go together.
        epochs: epochs still to train at most; pruning and reuse save some.
        trials: trials still to do, as expected.
        spent: epochs still to train, as expected after pruning.
        trial: time of a trial on one worker, as expected.
        confirmed: runs of what it is yet to find, which no arm of the study stands for.
    """

    arm: str
    knobs: dict[str, str]
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


def planned_searches(request: Request, estimator: Estimator) -> tuple[PlannedSearch, ...]:
    """The searches of a study, () where it has none.

    Args:
        asked: the study, with what its searches have found so far.
        estimator: gives the time of one training.
    """
    search = request.study.search
    if search is None:
        return ()
    return tuple(_planned(one, request, estimator) for one in _found(search, request))


def _found(search: ResolvedSearch, request: Request) -> tuple[SearchResult, ...]:
    """What each search came to so far; of those that have not begun, nothing."""
    return request.searches or tuple(SearchResult(search, arm) for arm in search.searches)


def _planned(one: SearchResult, request: Request, estimator: Estimator) -> PlannedSearch:
    search, arm, done, left = one.search, one.setup, len(one.ended), _left(one)
    full = search.epochs_full(arm)
    share = share_trained(search, arm, done, one.epochs, done + left)
    epochs, trials = left * full, left
    if left and search.budget.epochs is not None:
        # Where trials are pruned or short, a budget in epochs is used up all the same: by more of them.
        epochs = search.budget.epochs - one.epochs
        if search.sampler != "grid":
            trials = max(left, round(epochs / (share * full)))
    training = one_training(search, arm, request.schema, estimator) if request.tunes else Estimate(0.0, 1.0)
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


def trials_at_most(request: Request) -> int:
    """Trials that a study's searches still do at most; 0 where it has none."""
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
    """Path to what is drawn.

    Example:
        >>> in_words({"model.layers": Int(low=1, high=4)})
        {'model.layers': '1 to 4'}
    """
    told = {}
    for path, knob in space.items():
        match knob:
            case Choice():
                text = " or ".join(str(value) for value in knob.values)
            case Uniform():
                text = f"{knob.low:g} to {knob.high:g}"
            case LogUniform():
                text = f"{knob.low:g} to {knob.high:g}, by order of magnitude"
            case Int():
                text = f"{knob.low} to {knob.high}" + (f" in steps of {knob.step}" if knob.step > 1 else "")
            case Simplex():
                text = f"proportions of {', '.join(knob.components or ())}"
        if knob.when:
            text += " where " + " and ".join(f"{key} is {value}" for key, value in knob.when.items())
        told[path] = text
    return told
