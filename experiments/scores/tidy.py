"""From a table with known columns to one row a score; whatever cannot be judged is refused with its line."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from experiments.scores.columns import Columns
from experiments.scores.no_repeats import refuse_folds_as_items, refuse_no_repeats, what_differs
from experiments.scores.numbers import MISSING, number_of
from experiments.scores.table import ScoreTable
from mmcore.errors import ScoresError
from reports.numbers import counted, listing

NAMED = 5
"""Lines that a message names."""


@dataclass(frozen=True)
class Tidy:
    """Scores, one a row.

    Args:
        rows: columns ``arm, label, value`` and, where the table has them, ``component, item, group``. ``label`` is the
            user's name of the repeat, or the row's number within its arm.
        labelled: whether the table names its repeats.
        notes: what was found on the way, one sentence each.
    """

    rows: pd.DataFrame
    labelled: bool
    notes: tuple[str, ...] = ()

    def distinct(self, name: str) -> int:
        """How many different names a column holds."""
        return len(set(self.rows[name]))

    @property
    def arms(self) -> list[str]:
        """Names of the arms, in the order of the table."""
        return list(dict.fromkeys(self.rows["arm"]))


def tidy_scores(table: ScoreTable, columns: Columns) -> Tidy:
    """Check every cell and bring the table into one form.

    A score that is NaN or infinite stays as such: it is counted and named in the report (ABL030, ABL043).

    Raises:
        ScoresError: a score that is no number, a cell without a name, rows that stand twice, an item in two groups,
            fewer than two arms, or rows that are no repeats.
    """
    used = (columns.arm, columns.by, columns.score, columns.repeat, columns.item, columns.group)
    refuse_no_repeats(table, [name for name in used[:2] if name is not None], columns.repeat, used)
    refuse_folds_as_items(table, columns.item)
    rows = pd.DataFrame({"arm": _names(table, columns.arm, "--arm")})
    for role, name in (("component", columns.by), ("item", columns.item), ("group", columns.group)):
        if name is not None:
            rows[role] = _names(table, name, role)
    if columns.group is not None and columns.item is None:
        rows["item"] = rows["group"]
    rows["value"] = _values(table, columns.score)
    within = ["arm", *(["component"] if "component" in rows else [])]
    if columns.repeat is not None:
        rows["label"] = _names(table, columns.repeat, "--repeat")
    elif "item" in rows:
        raise ScoresError(
            "scores by item need a column that names the repeat", expected="--repeat COLUMN", where=table.source,
            next_step="Where each arm was trained once, nothing can be said about chance: train it again",
        )  # fmt: skip
    else:
        rows["label"] = rows.groupby(within).cumcount().astype(str)
    _refuse_again(table, rows, [*within, "label", *(["item"] if "item" in rows else [])], columns)
    if "component" in rows:
        # Items of two data sets may have the same names and are others all the same.
        for part in {"item", "group"} & set(rows):
            rows[part] = [f"{whole}/{name}" for whole, name in zip(rows["component"], rows[part], strict=True)]
    if "group" in rows:
        _refuse_divided(rows, table)
    arms = rows["arm"].unique()
    if len(arms) < 2:
        raise ScoresError(
            "there must be two arms to compare", found=f"only '{arms[0]}' in column '{columns.arm}'",
            where=table.source, next_step="Name the column that tells the models apart with --arm",
        )  # fmt: skip
    return Tidy(rows, columns.repeat is not None)


def _names(table: ScoreTable, column: str, what: str) -> list[str]:
    names: list[str] = []
    for place, cell in enumerate(table.cells(column)):
        text = _text(cell)
        if not text or (text.lower() in MISSING and text.lower() != "none"):
            raise ScoresError(
                f"every row must say its '{column}'", found=f"an empty cell ({what})", where=table.at(place),
                next_step="Fill it, or remove the row",
            )  # fmt: skip
        names.append(text)
    return names


def _text(cell: object) -> str:
    """A name as text; a whole number without a decimal point, as pandas makes one of a column with a gap."""
    if isinstance(cell, float):
        if math.isnan(cell):
            return ""
        return str(int(cell)) if cell.is_integer() else str(cell)
    return "" if cell is None or cell is pd.NA or cell is pd.NaT else str(cell).strip()


def _values(table: ScoreTable, column: str) -> list[float]:
    values: list[float] = []
    wrong: list[int] = []
    for place, cell in enumerate(table.cells(column)):
        value = number_of(cell)
        if value is None:
            wrong.append(place)
        values.append(math.nan if value is None else value)
    if wrong:
        first = wrong[0]
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise ScoresError(
            f"every score in column '{column}' must be a number",
            expected="a number with a point, or nothing where there is no score",
            found=f"{str(table.cells(column)[first])!r}{more}",
            where=table.at(first),
            next_step="Correct it, or leave the cell empty: an empty one is counted and reported",
        )
    if not any(math.isfinite(value) for value in values):
        raise ScoresError(f"column '{column}' must hold numbers", found="none that is finite", where=table.source)
    return values


def _refuse_again(table: ScoreTable, rows: pd.DataFrame, cells: list[str], columns: Columns) -> None:
    keys = list(zip(*(rows[cell] for cell in cells), strict=True))
    times = Counter(keys)
    again = [place for place, key in enumerate(keys) if times[key] > 1]
    if not again:
        return
    first = again[0]
    same = [place for place in again if keys[place] == keys[first]]
    where = _places(table, same)
    listed = ", ".join(
        f"{getattr(columns, name)} {keys[first][cells.index(role)]}"
        for name, role in (("arm", "arm"), ("by", "component"), ("repeat", "label"), ("item", "item"))
        if role in cells and getattr(columns, name) is not None
    )
    kept = {columns.arm, columns.repeat, columns.by, columns.item, columns.group, columns.score}
    free = [name for name in table.names if name not in kept and table.distinct(name) > 1]
    if (why := what_differs(table, columns.repeat, free)) is not None:
        raise why
    hint = f"; {'column' if len(free) == 1 else 'columns'} {listing(free[:NAMED])} may do so" if free else ""
    raise ScoresError(
        f"an arm may have one score in a repeat{', data set' * bool(columns.by)}{' and item' * bool(columns.item)}",
        found=f"{counted(len(again), 'row')} that share theirs; first: {listed} ({where})",
        where=table.source,
        next_step=f"Remove the copies, or name what tells the rows apart with --by, --item or --repeat{hint}",
    )  # fmt: skip


def _places(table: ScoreTable, places: Sequence[int]) -> str:
    if table.line is None:
        return f"{table.unit}s {listing([str(place + 1) for place in places[:NAMED]])}"
    return f"{table.unit}s {listing([str(table.line[place]) for place in places[:NAMED]])}"


def _refuse_divided(rows: pd.DataFrame, table: ScoreTable) -> None:
    groups: dict[str, list[str]] = {}
    for item, group in dict.fromkeys(zip(rows["item"], rows["group"], strict=True)):
        groups.setdefault(item, []).append(group)
    divided = next((item for item, found in groups.items() if len(found) > 1), None)
    if divided is not None:
        found = listing([f"'{group}'" for group in sorted(groups[divided])[:NAMED]])
        raise ScoresError("an item must belong to one group", found=f"item '{divided}' in {found}", where=table.source)
