"""Rows that are no repeats: the steps of one training, and the sides of one split.

Taken for repeats, they would give a verdict with a p, of one training an arm.
"""

from __future__ import annotations

from collections.abc import Sequence

from experiments.scores.table import ScoreTable
from mmcore.errors import ScoresError
from reports.numbers import listing

STEPS = ("epoch", "step", "global_step", "iteration", "iter", "training_step", "train_step")
"""Columns, in lower case, that count how far a training is; a column of repeats is hardly called so."""
SIDES = ("train", "training", "val", "valid", "validation", "dev", "development", "eval", "test", "testing", "holdout")
"""Names of sides, in lower case, also with more behind them: ``test_ood``."""
FOLDS = ("fold", "cv_fold", "cv", "kfold")
"""Columns of folds, in lower case."""
_SIDE_COLUMNS = ("split", "side", "set", "subset", "partition", "phase", "mode", "stage")
NAMED = 5


def counts_steps(name: str) -> bool:
    """Whether a column's name says that it counts steps of a training."""
    return name.lower() in STEPS


def holds_sides(table: ScoreTable, name: str) -> bool:
    """Whether the cells of a column are sides of a split, such as train and test."""
    if name.lower() not in _SIDE_COLUMNS:
        return False
    return all(str(cell).strip().lower().replace("_", " ").split(" ")[0] in SIDES for cell in table.cells(name))


def refuse_no_repeats(table: ScoreTable, within: Sequence[str], repeat: str | None, used: Sequence[str | None]) -> None:
    """Refuse a table whose rows of an arm are steps of a training, or sides of a split.

    Args:
        within: the columns of arms and, where there is one, of data sets.
        repeat: the column of repeats; None where there is none, so that each row is one.
        used: all columns that have a part. What tells rows of one repeat apart is for :func:`what_differs`.

    Raises:
        ScoresError: with what to do.
    """
    if repeat is not None and holds_sides(table, repeat):
        raise _sides(table, repeat)
    if repeat is not None:
        return
    for name in table.names:
        if name in used or table.distinct(name) < 2:
            continue
        if holds_sides(table, name):
            raise _sides(table, name)
        if counts_steps(name) and _curve(table, within, name):
            raise _steps(table, name, alone=True)


def what_differs(table: ScoreTable, repeat: str | None, free: Sequence[str]) -> ScoresError | None:
    """Why rows of one repeat are several, where a column without a part says it: steps, sides, or folds.

    Args:
        repeat: the column of repeats. free: the columns without a part.
    """
    steps = next((name for name in free if counts_steps(name)), None)
    if steps is not None:
        return _steps(table, steps, alone=False)
    sides = next((name for name in free if holds_sides(table, name)), None)
    if sides is not None:
        return _sides(table, sides)
    if repeat is None:
        return None
    if repeat.lower() in FOLDS:
        other = next((name for name in free if name.lower() in ("repeat", "rep", "seed", "run", "trial")), None)
        return None if other is None else _folds(table, repeat, other)
    fold = next((name for name in free if name.lower() in FOLDS), None)
    return None if fold is None else _folds(table, fold, repeat)


def refuse_folds_as_items(table: ScoreTable, item: str | None) -> None:
    """Refuse folds as test items: a fold is a set of them, and the folds of another repeat are other sets.

    Raises:
        ScoresError: the column of items is one of folds.
    """
    if item is not None and item.lower() in FOLDS:
        raise ScoresError(
            "a fold is a split of the data, not a test item",
            found=f"--item {item}",
            where=table.source,
            next_step=f"Say --repeat {item}, with one score of each arm in a fold",
        )


def _folds(table: ScoreTable, fold: str, other: str) -> ScoresError:
    share = 1 / (table.distinct(fold) - 1) if table.distinct(fold) > 1 else 1.0
    return ScoresError(
        "an arm may have one score in a repeat, which is one split of the data",
        found=f"column '{fold}' within column '{other}'",
        where=table.source,
        next_step=f"Where each {other} draws folds of its own, name each pair of {other} and {fold} in one column "
        f"split, and judge with --repeat split --overlap {share:.3g}. Where all use the same folds, average to one "
        f"score of an arm in a {fold}",
    )


def _curve(table: ScoreTable, within: Sequence[str], name: str) -> bool:
    """Whether an arm has each step once on a data set: a curve. The last epochs of many trainings rarely differ so."""
    steps: dict[tuple[str, ...], list[str]] = {}
    keys = list(zip(*(map(str, table.cells(column)) for column in within), strict=True))
    for place, step in enumerate(table.cells(name)):
        steps.setdefault(keys[place], []).append(str(step))
    return all(len(found) == len(set(found)) and len(found) > 1 for found in steps.values())


def _steps(table: ScoreTable, name: str, *, alone: bool) -> ScoresError:
    """``alone``: no other column numbers the repeats, so this one might."""
    otherwise = f". If every row is a training of its own, say so: --repeat {name}" if alone else ""
    return ScoresError(
        "a repeat is a training of its own, with one score",
        found=f"column '{name}', which counts the steps of a training",
        where=table.source,
        next_step=f"Keep the last row of each training; the best one by test data is too good{otherwise}",
    )


def _sides(table: ScoreTable, name: str) -> ScoresError:
    sides = list(dict.fromkeys(str(cell).strip() for cell in table.cells(name)))
    return ScoresError(
        "arms are compared on one side of a split, such as the test side",
        found=f"column '{name}' with {listing(sides[:NAMED])}",
        where=table.source,
        next_step=f"Keep the rows of the test side, or judge each side by itself with --by {name}",
    )
