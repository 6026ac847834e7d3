"""Whether a repeat means the same thing for every arm, what its items were, and what the scores cannot show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from experiments.scores.columns import Columns
from experiments.scores.no_repeats import FOLDS
from experiments.scores.table import ScoreTable
from experiments.scores.tidy import Tidy
from mmcore.errors import ScoresError
from mmcore.language import say
from reports.numbers import counted, listing, number, prose

SPLITS = (*FOLDS, "split", "partition", "split_id", "split_seed")
"""Columns whose value says which split a run was made on."""


@dataclass(frozen=True)
class Pairing:
    """How arms are compared.

    Args:
        paired, shared, overlap, left_out: see :class:`reports.records.origin.Foreign`.
        why: one sentence. covers: what the verdicts cover, and which variation was never there.
    """

    paired: bool
    shared: bool
    overlap: float
    left_out: float
    why: str
    covers: str


def pairing_of(
    table: ScoreTable,
    tidy: Tidy,
    columns: Columns,
    *,
    paired: bool | None,
    overlap: float | None,
    shared: bool | None,
) -> Pairing:
    """Decide from what was asked, from what the source says, and from the items and splits that the table names.

    Args:
        paired, overlap, shared: as asked; None: to be found.

    Raises:
        ScoresError: pairs of repeats that have no names, an overlap of repeats that are not paired, arms that were
            scored on unlike items, scores by item that are not to be paired, or a source that leaves it open.
    """
    if paired and not tidy.labelled:
        raise ScoresError(
            "repeats that are paired must have names", expected="--repeat COLUMN", where=table.source,
            next_step="Without a column of repeats arms are compared unpaired",
        )  # fmt: skip
    given = table.given
    if "item" in tidy.rows:
        if paired is False:
            raise ScoresError(
                "scores of the same items are paired by item", found="--unpaired", where=table.source,
                next_step="Leave out --unpaired, or give scores without items",
            )  # fmt: skip
        return _by_items(table, tidy, columns, overlap)
    if paired is False and overlap:
        raise ScoresError("an overlap is of paired repeats", found="--unpaired with --overlap", where=table.source)
    if given.undecidable and paired is None and overlap is None:
        raise ScoresError(
            given.undecidable, expected="report.json of the same report beside it, --overlap RATIO, or --unpaired",
            where=table.source, next_step="Judge the report's folder instead: mmstudy judge mlruns/reports/NAME",
        )  # fmt: skip
    found, why = _found(table, tidy, columns)
    if given.paired is not None:
        found, why = given.paired, given.why
    if paired is None and overlap is not None and tidy.labelled:
        found, why = True, say("As asked: --overlap is of paired repeats.")
    if paired is not None:
        found, why = paired, say("As asked ({option}).", option="--paired" if paired else "--unpaired")
    overlaps, how = _overlap(tidy, columns, found, overlap, given.overlap)
    same = bool(shared if shared is not None else given.shared)
    if same:
        # Repeats that test the same items have no Nadeau–Bengio term, and verdicts hold for these items alone.
        _refuse_overlap(table, overlap)
        overlaps, how = 0.0, ""
    return Pairing(found, same, overlaps, 0.0, why, _covers(table, tidy, columns, found, same, how))


def _found(table: ScoreTable, tidy: Tidy, columns: Columns) -> tuple[bool, str]:
    """Whether a column says that a repeat is one split for all arms, and why."""
    if columns.repeat is None:
        return False, say("No column names the repeats, so rows of an arm are its repeats.")
    if columns.repeat.lower() in SPLITS:
        return True, say("Column '{column}' names the split, which is the same for all arms.", column=columns.repeat)
    for name in table.names:
        if name.lower() not in SPLITS or name == columns.score:
            continue
        pairs = set(zip(tidy.rows["label"], map(str, table.cells(name)), strict=True))
        if len(pairs) == tidy.distinct("label") and table.distinct(name) > 1:
            facts = {"column": name, "repeat": columns.repeat}
            return True, say("Column '{column}' says that a '{repeat}' is one split for all arms.", **facts)
    return False, say(
        "Nothing says that a '{repeat}' means the same for every arm, and a number alone pairs nothing; say --paired "
        "if a repeat means the same split for every arm.",
        repeat=columns.repeat,
    )


def _refuse_overlap(table: ScoreTable, overlap: float | None) -> None:
    if overlap:
        raise ScoresError(
            "an overlap is of repeats that test items of their own", expected="repeats with different test items",
            found="--overlap, and the same items in all repeats", where=table.source, next_step="Leave out --overlap",
        )  # fmt: skip


def _none_shared() -> str:
    return say(
        "Repeats are taken to share no training data (--overlap 0); if they do, intervals are too narrow and claims "
        "too frequent."
    )


def _overlap(
    tidy: Tidy, columns: Columns, paired: bool, wanted: float | None, given: float | None
) -> tuple[float, str]:
    """n_test / n_train between repeats, and how it is known in words; empty: nothing need be said."""
    if not paired:
        if not given:
            return 0.0, ""
        return 0.0, say(
            "Splits of different repeats share training data (n_test/n_train = {ratio}), which intervals of unpaired "
            "repeats do not account for: they are too narrow.",
            ratio=number(given),
        )
    if wanted == 0:
        return 0.0, _none_shared()
    if wanted is not None:
        return wanted, say(
            "Splits of different repeats share training data: n_test/n_train = {ratio} (--overlap).",
            ratio=number(wanted),
        )
    if given is not None:
        return given, say(
            "Splits of different repeats share training data: n_test/n_train = {ratio}, as the report says.",
            ratio=number(given),
        ) if given else ""
    if columns.repeat is not None and columns.repeat.lower() in FOLDS:
        folds = tidy.distinct("label")
        if folds > 1:
            return 1 / (folds - 1), say(
                "Folds share training data: with {n} folds n_test/n_train is 1/{others} (Nadeau–Bengio); "
                "another ratio with --overlap.",
                n=folds,
                others=folds - 1,
            )
    return 0.0, say(
        "It is not known how much training data the repeats share. If they were splits of one data set, intervals are "
        "too narrow: give n_test/n_train with --overlap."
    )


def _by_items(table: ScoreTable, tidy: Tidy, columns: Columns, overlap: float | None) -> Pairing:
    """Scores by item say themselves which repeats and arms share their items."""
    sets: dict[str, dict[str, frozenset[str]]] = {}
    cells = [*(["component"] if "component" in tidy.rows else []), "label"]
    for key, rows in tidy.rows.groupby(cells, sort=False):
        named = " of ".join(reversed([str(part) for part in cast(tuple[object, ...], key)]))
        sets[named] = {str(arm): frozenset(part["item"]) for arm, part in rows.groupby("arm", sort=False)}
        _refuse_unlike(table, columns, named, sets[named])
    every = [next(iter(arms.values())) for arms in sets.values()]
    items = len(frozenset().union(*every))
    what = counted(items, "item")
    if "group" in tidy.rows:
        what = say("{items} in {groups}", items=what, groups=counted(tidy.distinct("group"), "group"))
    repeats = tidy.distinct("label")
    by_part = "component" in tidy.rows
    shared = len(set(every)) == 1 if not by_part else _shared_in_parts(tidy)
    if shared:
        _refuse_overlap(table, overlap)
        return Pairing(
            True, True, 0.0, 0.0,
            say(
                "All arms and repeats were scored on the same {items}: pairs are repeats, and the {items} are a second "
                "witness.",
                items=what,
            ),
            _covers(table, tidy, columns, True, True, ""),
        )  # fmt: skip
    apart = sum(map(len, every)) == items and not by_part
    ratio = 1 / (repeats - 1) if apart and repeats > 1 else 0.0
    how = (
        say(
            "Every item is tested in one repeat: with {n} such folds n_test/n_train is 1/{others} (Nadeau–Bengio).",
            n=repeats,
            others=repeats - 1,
        )
        if ratio
        else say(
            "Repeats test different items; how much training data they share is not known. Give n_test/n_train with "
            "--overlap; without it intervals are too narrow."
        )
    )
    if overlap is not None:
        ratio, how = (
            overlap,
            say("Splits share training data: n_test/n_train = {ratio} (--overlap).", ratio=number(overlap))
            if overlap
            else _none_shared(),
        )
    return Pairing(
        True, False, ratio, ratio,
        say("In every repeat all arms were scored on the same items ({items} in all).", items=what),
        _covers(table, tidy, columns, True, False, how),
    )  # fmt: skip


def _shared_in_parts(tidy: Tidy) -> bool:
    """Whether within each data set all repeats have the same items."""
    sets = tidy.rows.groupby(["component", "label"])["item"].agg(frozenset)
    return len(set(zip(sets.index.get_level_values("component"), sets, strict=True))) == tidy.distinct("component")


def _refuse_unlike(table: ScoreTable, columns: Columns, named: str, arms: dict[str, frozenset[str]]) -> None:
    union = frozenset().union(*arms.values())
    lacking = {arm: union - items for arm, items in arms.items() if items != union}
    if lacking:
        arm, items = next(iter(lacking.items()))
        raise ScoresError(
            "arms must be scored on the same items in a repeat",
            found=f"'{arm}' lacks {counted(len(items), 'item')} of {columns.repeat} {named}, e.g. '{min(items)}'"
            + (f"; {counted(len(lacking) - 1, 'more arm')} lack some" if len(lacking) > 1 else ""),
            where=table.source,
            next_step="Score them, or leave these items out for all arms",
        )


def _covers(table: ScoreTable, tidy: Tidy, columns: Columns, paired: bool, shared: bool, how: str) -> str:
    """Which variation the verdicts cover, and which was never there."""
    what = say("rows of each arm") if columns.repeat is None else say("column '{column}'", column=columns.repeat)
    texts = [say("Verdicts cover what varied between the repeats ({what}) and nothing else.", what=what)]
    never = []
    if columns.repeat is None or not _is_split(table, columns):
        if shared and "item" in tidy.rows:
            texts.append(say("Better and worse also hold for other items like these, by the spread between them."))
            never.append(say("another training set"))
        elif shared:
            never.append(say("other test items"))
        elif "item" not in tidy.rows:
            never.append(say("another split into training and test items, if all repeats used one"))
    if "component" not in tidy.rows:
        never.append(say("another data set"))
    else:
        never.append(say("data sets that are not in the table"))
    never.append(say("other settings of the arms, or more tuning of one of them"))
    return prose(*texts, say("The table cannot show: {never}.", never=say("; ").join(never)), how)


def _is_split(table: ScoreTable, columns: Columns) -> bool:
    """Whether the repeats are splits."""
    return columns.repeat is not None and (columns.repeat.lower() in SPLITS or table.given.paired is True)


def named_arms(arms: list[str]) -> str:
    """Arms in a sentence."""
    return listing([f"'{arm}'" for arm in arms])
