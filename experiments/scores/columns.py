"""Which column of a table holds what: as asked, else guessed by name; and tables that are wide made long."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from experiments.scores.no_repeats import counts_steps, holds_sides
from experiments.scores.numbers import looks_numeric
from experiments.scores.table import ScoreTable
from mmcore.errors import ScoresError, nearest
from mmcore.language import say
from reports.numbers import listing

ARM = (
    "arm", "model", "method", "system", "algorithm", "variant", "approach", "classifier", "estimator", "learner",
    "architecture", "config", "condition",
)  # fmt: skip
REPEAT = (
    "repeat", "seed", "fold", "run", "split", "replicate", "rep", "random_seed", "random_state", "cv_fold", "trial",
    "iteration",
)  # fmt: skip
BY = ("dataset", "data_set", "data", "benchmark", "task", "corpus")
ITEM = ("item", "sample", "example", "clip", "utterance", "image", "recording", "document", "question")
GROUP = ("group", "video", "speaker", "subject", "patient", "session")
HIGHER = (
    "score", "accuracy", "acc", "balanced_accuracy", "f1", "macro_f1", "micro_f1", "auc", "auroc", "roc_auc", "auprc",
    "map", "average_precision", "precision", "recall", "r2", "bleu", "rouge", "iou", "miou", "dice", "ndcg", "mrr",
    "psnr", "ssim", "skill", "reward", "return", "metric", "value", "result",
)  # fmt: skip
LOWER = (
    "loss", "error", "rmse", "mse", "mae", "mape", "perplexity", "ppl", "wer", "cer", "eer", "fid", "log_loss", "nll",
    "error_rate", "bpc", "brier",
)  # fmt: skip
"""Names of measures of which less is better, by which a column of scores is found."""
LOWER_WORDS = frozenset((
    *LOWER, "losses", "errors", "err", "smape", "der", "kid", "ece", "entropy", "divergence", "kl", "distance", "cost",
    "time", "runtime", "latency", "duration", "seconds", "regret", "deviation", "misclassified", "misclassification",
))  # fmt: skip
"""Words in a measure's name which say that less is better: its direction is never taken for granted."""
NEUTRAL = ("metric", "value", "result", "return")
"""Usual names of scores that say nothing of their direction."""
ROLES = {"arm": ARM, "repeat": REPEAT, "by": BY, "item": ITEM, "group": GROUP}
OPTIONS = {"arm": "--arm", "repeat": "--repeat", "score": "--score", "by": "--by", "item": "--item", "group": "--group"}
_NUMBERED = re.compile(r"^(?:(seed|fold|run|repeat|rep|split|trial|r|s)[ _-]?)?(\d+)$", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """Names of columns; None: the table has none of that kind.

    Args:
        guessed: how columns that were not asked for were found, one sentence each.
        named: whether the table says what its scores are; a wide one does not.
    """

    arm: str
    score: str
    repeat: str | None = None
    by: str | None = None
    item: str | None = None
    group: str | None = None
    guessed: tuple[str, ...] = field(default=())
    named: bool = True


@dataclass(frozen=True)
class Wanted:
    """Names of columns as a user gave them; None: to be guessed."""

    arm: str | None = None
    repeat: str | None = None
    score: str | None = None
    by: str | None = None
    item: str | None = None
    group: str | None = None


def columns_of(table: ScoreTable, asked: Wanted) -> tuple[ScoreTable, Columns]:
    """The table, long, with the columns that hold its parts.

    Raises:
        ScoresError: a column that is asked for is not there, two parts are in one column, or a part that is needed
            cannot be guessed.
    """
    asked = _from_source(table, asked)
    for role, name in vars(asked).items():
        if name is not None and name not in table.names:
            raise ScoresError(
                f"the column of {OPTIONS[role]} is not in the table",
                found=f"'{name}'", where=table.source, next_step=nearest(name, table.names),
            )  # fmt: skip
    used: dict[str, str] = {}
    for role, name in vars(asked).items():
        if name is not None and name in used:
            raise ScoresError(
                "a column can hold one thing only",
                found=f"'{name}' for {OPTIONS[used[name]]} and {OPTIONS[role]}", where=table.source,
            )  # fmt: skip
        if name is not None:
            used[name] = role
    wide = _wide(table, asked)
    if wide is not None:
        table, asked, guess_text = wide
        found = _long(table, asked)
        return table, replace(found, guessed=(guess_text, *found.guessed), named=False)
    return table, _long(table, asked)


def _from_source(table: ScoreTable, asked: Wanted) -> Wanted:
    given = table.given
    return replace(
        asked,
        arm=asked.arm or given.arm,
        repeat=asked.repeat or given.repeat,
        score=asked.score or given.score,
    )


def _long(table: ScoreTable, asked: Wanted) -> Columns:
    found: dict[str, str | None] = dict(vars(asked))
    guesses: list[str] = []

    def free() -> list[str]:
        return [name for name in table.names if name not in found.values()]

    def guess(role: str, names: Sequence[str]) -> None:
        if found[role] is None and (name := _named(free(), names)) is not None:
            found[role] = name
            guesses.append(f"{OPTIONS[role]} {name}")

    guess("arm", ARM)
    guess("repeat", [name for name in REPEAT if not _no_repeat(table, free(), name)])
    guess("score", (*HIGHER, *LOWER))
    if found["score"] is None:
        numeric = [name for name in free() if looks_numeric(table.cells(name))]
        if len(numeric) != 1:
            raise ScoresError(
                "it must be clear which column holds the scores",
                expected="--score COLUMN", found=", ".join(numeric) or "no column of numbers", where=table.source,
                next_step=_how_to_name(numeric, found),
            )  # fmt: skip
        found["score"] = numeric[0]
        guesses.append(f"--score {numeric[0]}")
    if found["arm"] is None:
        words = [name for name in free() if not looks_numeric(table.cells(name)) and table.distinct(name) > 1]
        if len(words) != 1:
            raise ScoresError(
                "it must be clear which column names what is compared",
                expected="--arm COLUMN", found=", ".join(words) or "no column of names", where=table.source,
                next_step=f"For example --arm {words[0]}" if words else "Add a column such as model",
            )  # fmt: skip
        found["arm"] = words[0]
        guesses.append(f"--arm {words[0]}")
    if found["by"] is None and (name := _named(free(), BY)) is not None and table.distinct(name) > 1:
        found["by"] = name
        guesses.append(f"--by {name}")
    cells = [name for name in (found["arm"], found["repeat"], found["by"]) if name is not None]
    if found["repeat"] is not None and bool(np.any(table.rows.duplicated(cells))):
        # Several rows of a run are its items, if a column says so.
        guess("item", ITEM)
    if found["item"] is not None:
        guess("group", GROUP)
    guessed = (say("Columns were guessed: {guesses}.", guesses=" ".join(guesses)),) if guesses else ()
    measures = [name for name in free() if (is_error(name) or is_gain(name)) and looks_numeric(table.cells(name))]
    if asked.score is None and measures:
        guessed += (say("Other columns of scores are not judged: {names} (--score).", names=listing(measures)),)
    # The first two were found or refused above.
    arm, score = str(found["arm"]), str(found["score"])
    return Columns(arm, score, found["repeat"], found["by"], found["item"], found["group"], guessed)


def _how_to_name(numeric: list[str], found: Mapping[str, str | None]) -> str:
    """What to do about several columns of numbers: they may be one score each, or parts of a wide table."""
    if not numeric:
        return "Add a column of scores"
    if len(numeric) > 1 and found["arm"] is None and found["by"] is None:
        return (
            f"For example --score {numeric[0]}. If the columns are models, name the column of repeats, such as seed; a "
            "table with one score of each model on each data set has no repeats, so it shows nothing about one data set"
        )
    if len(numeric) > 1:
        return f"For example --score {numeric[0]}. If the columns are repeats, call them seed0, seed1, …"
    return f"For example --score {numeric[0]}"


def _named(columns: Collection[str], names: Sequence[str]) -> str | None:
    """The column whose name comes first among the usual ones."""
    plain = {_plain(column): column for column in reversed(list(columns))}
    return next((plain[name] for name in names if name in plain), None)


def _no_repeat(table: ScoreTable, columns: Collection[str], name: str) -> bool:
    """Whether the column of this usual name counts steps of a training, or holds sides of a split."""
    column = _named(columns, [name])
    return column is not None and (counts_steps(name) or holds_sides(table, column))


def _plain(column: str) -> str:
    """``Test Accuracy`` as ``accuracy``: how usual names are looked up."""
    text = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")
    return re.sub(r"^(test|final|best|params|tags|metrics|config)_", "", text)


def is_error(column: str) -> bool:
    """Whether a measure's name says that less is better.

    Example:
        >>> is_error("test_rmse"), is_error("error_pct"), is_error("accuracy")
        (True, True, False)
    """
    return not LOWER_WORDS.isdisjoint(_plain(column).split("_"))


def is_gain(column: str) -> bool:
    """Whether a measure's name says that more is better. Of a name that says neither, nothing is known.

    Example:
        >>> is_gain("val_acc"), is_gain("kappa")
        (True, False)
    """
    plain = _plain(column)
    words = set(HIGHER) - set(NEUTRAL)
    return plain in words or not words.isdisjoint(plain.split("_"))


def _wide(table: ScoreTable, asked: Wanted) -> tuple[ScoreTable, Wanted, str] | None:
    """A wide table made long: a column for each repeat, or one for each arm; None where it is long."""
    names = table.names
    left = [name for name in names if name not in vars(asked).values()]
    if asked.score is not None or _named(left, (*HIGHER, *LOWER)) is not None:
        return None
    arm = asked.arm or _named(left, ARM)
    repeat = asked.repeat or _named([name for name in left if name != arm], REPEAT)
    numbers = [name for name in left if name not in (arm, repeat) and looks_numeric(table.cells(name))]
    numbered = [name for name in numbers if _NUMBERED.match(name)]
    if arm is not None and asked.repeat is None and repeat is None and len(numbered) > 1:
        kinds = {match[1].lower() for name in numbered if (match := _NUMBERED.match(name)) and match[1]}
        into = kinds.pop() if len(kinds) == 1 else "repeat"
        into = {"r": "repeat", "s": "seed", "rep": "repeat"}.get(into, into)
        table = _melted(table, numbered, into, "score")
        said = say(
            "The table is wide: its columns {first} to {last} are repeats.", first=numbered[0], last=numbered[-1]
        )
        return table, replace(asked, arm=arm, repeat=into, score="score"), said
    if arm is None and repeat is not None and len(numbers) > 1:
        table = _melted(table, numbers, "arm", "score")
        said = say("The table is wide: its columns {names} are arms.", names=", ".join(numbers))
        return table, replace(asked, arm="arm", repeat=repeat, score="score"), said
    return None


def _melted(table: ScoreTable, values: list[str], name: str, score: str) -> ScoreTable:
    rows = table.rows.assign(**{_PLACE: range(len(table.rows))})
    kept = [column for column in rows.columns if column not in values]
    # Column by column, so that arms and repeats keep the order of the table.
    long = rows.melt(kept, values, var_name=name, value_name=score)
    if name != "arm":
        long = long.sort_values(_PLACE, kind="stable", ignore_index=True)
        long[name] = [_NUMBERED.sub(r"\2", str(value)) for value in long[name]]
    places = long.pop(_PLACE).tolist()
    line = None if table.line is None else tuple(table.line[place] for place in places)
    return replace(table, rows=long, line=line)


_PLACE = "mmstudy: place in the table"
