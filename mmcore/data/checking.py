"""All problems of a corpus at once, by the reader's own rules; a run would stop at the first one.

S grid steps, K tracks, P parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Literal

import numpy as np

from mmcore.config import DataConfig, SplitConfig
from mmcore.data.gridding import on_grid
from mmcore.data.sources.folder import FolderSource, read_modality, read_targets
from mmcore.data.sources.items_file import Item, read_items
from mmcore.data.sources.look_alikes import cut_notes, group_notes
from mmcore.data.sources.schema_file import Declared, read_declared
from mmcore.data.sources.table_files import no_table, strangers, table_paths
from mmcore.data.splits import draw_split
from mmcore.data.timing import time_notes
from mmcore.data.unknown import unknown_notes
from mmcore.errors import CorpusError, SplitError, nearest
from mmcore.language import number_of
from mmcore.quality import QualityRow
from mmcore.schema import CorpusSchema, Targets


@dataclass(frozen=True)
class Problem:
    """One problem of a corpus.

    Args:
        level: ``error``: a run would stop, or learn nothing; ``warning``: a run continues, but loses something.
        rule, expected, found, next_step, where: as of :class:`mmcore.errors.MMStudyError`.
    """

    level: Literal["error", "warning"]
    rule: str
    where: str | None = None
    expected: str | None = None
    found: str | None = None
    next_step: str | None = None

    @property
    def message(self) -> str:
        """The whole text on one line."""
        return CorpusError(
            self.rule, expected=self.expected, found=self.found, next_step=self.next_step, where=self.where
        ).message


@dataclass
class Checked:
    """The contents of a corpus and its problems.

    Args:
        items, modalities: how many; 0 where that could not be read.
        tables: how many were read.
        skipped: what was not checked, and why; None: everything was checked.
    """

    items: int = 0
    modalities: int = 0
    tables: int = 0
    skipped: str | None = None
    problems: list[Problem] = field(default_factory=list)

    def tell(self, error: CorpusError | SplitError) -> None:
        """Note an error."""
        self.problems.append(Problem("error", error.rule, error.where, error.expected, error.found, error.next_step))

    def warn(self, rule: str, where: str | None = None, found: str | None = None, next_step: str | None = None) -> None:
        """Note a problem that does not stop a run."""
        self.problems.append(Problem("warning", rule, where, None, found, next_step))

    @property
    def errors(self) -> int:
        """How many problems are errors."""
        return sum(problem.level == "error" for problem in self.problems)


def check_corpus(folder: Path) -> Checked:
    """Read all of a corpus and collect its problems; writes nothing.

    Args:
        folder: holds ``corpus.yaml``.

    Returns:
        All problems: of ``corpus.yaml``, of ``items.csv``, of every table of every item, then of what they are together
        (times that never meet, targets nowhere, a single class, sides). What needs a part that is wrong is left out,
        and ``skipped`` says so.

    Raises:
        CorpusError: no such file, or ``corpus.yaml`` is no YAML: nothing can be looked at.
    """
    folder = Path(folder)
    checked = Checked()
    declared = read_declared(folder)
    for problem in declared.problems:
        checked.tell(problem)
    checked.modalities = len(declared.modalities)
    try:
        items = read_items(folder / "items.csv", checked.tell)
    except CorpusError as error:
        checked.tell(error)
        items = ()
    checked.items = len(items)
    if not items:
        checked.skipped = "tables, since items.csv names no item"
        return checked
    for text in group_notes(item.group for item in items):
        checked.warn(text, str(folder / "items.csv"), next_step="Write a group in one way, if it is one")
    sound = _check_tables(checked, folder, declared, items)
    if declared.schema is None:
        checked.skipped = "times and targets together, and modalities that corpus.yaml gets wrong, until it is right"
    else:
        _check_together(checked, folder, declared.schema, items, sound)
    try:
        draw_split(items, SplitConfig(), 0)
    except SplitError as error:
        checked.tell(error)
    return checked


ABSENT = "the model is told where the modality is absent"
UNTAUGHT = "nothing is learned from an item without targets, and it is in no score"


# Tables --------------------------------------------------------------------------------------------------------------
def _check_tables(checked: Checked, folder: Path, declared: Declared, items: tuple[Item, ...]) -> set[str]:
    """Read every table; the items all of whose tables are right."""
    names = [item.name for item in items]
    sound = set(names)
    timed = declared.step is not None
    targets = declared.targets
    own = targets is not None and targets.from_ not in declared.names
    folders = [*declared.modalities, *([targets.from_] if targets is not None and own else [])]
    for name in folders:
        paths = table_paths(folder, name, names, checked.tell)
        if not paths:
            checked.tell(no_table(folder, name))
            continue
        _check_missing(checked, folder, name, names, paths, name in declared.modalities)
        for text in cut_notes(paths.values(), folder):
            checked.warn(
                text, str(folder / name), next_step="Compare them with the originals, or end them with a line break"
            )
        for item, path in paths.items():
            before = len(checked.problems)
            try:
                if name in declared.modalities:
                    read_modality(path, declared.modalities[name], timed, checked.tell)
                elif targets is not None:
                    read_targets(path, targets, _columns(targets), timed, checked.tell)
            except CorpusError as error:
                checked.tell(error)
            checked.tables += 1
            if len(checked.problems) > before:
                sound.discard(item)
    return sound


def _columns(targets: Targets) -> tuple[tuple[str, ...], ...]:
    """As :meth:`mmcore.schema.CorpusSchema.target_columns` for a table of its own."""
    if targets.tracks == 1:
        return (tuple(p.name for p in targets.parameters),)
    return tuple(tuple(f"{p.name}_{k}" for p in targets.parameters) for k in range(targets.tracks))


def _check_missing(
    checked: Checked, folder: Path, name: str, items: list[str], paths: Mapping[str, Path], read: bool
) -> None:
    """Warn of items without a table, and of tables without an item; ``read``: the table is a modality's."""
    lacking = [item for item in items if item not in paths]
    if lacking:
        checked.warn(
            f"{len(lacking)} of {len(items)} items {'lacks' if len(lacking) == 1 else 'lack'} a table of '{name}'",
            str(folder / name),
            _some(lacking),
            f"Add the files, or leave it so: {ABSENT if read else UNTAUGHT}",
        )
    for stranger in strangers(folder, name, items):
        stem = stranger.rpartition(".")[0]
        checked.warn(
            f"'{stem}' is not an item of items.csv, so its table is not read",
            str(folder / name / stranger),
            next_step=nearest(stem, lacking).partition(" Valid:")[0] if _near(stem, lacking) else None,
        )


def _some(items: list[str]) -> str:
    return ", ".join(items[:8]) + (", …" if len(items) > 8 else "")


def _near(name: str, items: list[str]) -> bool:
    return nearest(name, items).startswith("Did you mean")


# Together ------------------------------------------------------------------------------------------------------------
def _check_together(
    checked: Checked, folder: Path, schema: CorpusSchema, items: tuple[Item, ...], sound: set[str]
) -> None:
    try:
        source = FolderSource(folder)
    except CorpusError:
        # Told already: it is raised by the rules that were looked at one by one.
        checked.skipped = "times and targets together, until the errors above are fixed"
        return
    quality: list[QualityRow] = []
    labels: list[np.ndarray] = []
    known = {name: np.zeros(len(modality.columns), bool) for name, modality in schema.modalities.items()}
    steps = longest = 0
    for item in items:
        if item.name not in sound:
            continue
        try:
            one = on_grid(source, item.name, DataConfig())
        except CorpusError as error:
            checked.tell(error)
            continue
        quality.extend(one.quality)
        labels.append(_counted(schema.targets, one.target_SKP))
        for name, values_SF in one.values.items():
            known[name] |= ~np.isnan(values_SF).all(axis=0)
        steps += one.steps
        longest = max(longest, one.steps)
    if len(sound) < len(items):
        left = number_of(len(items) - len(sound), "item")
        checked.skipped = f"times and targets of {left} with errors in their tables"
    if not labels:
        return
    if longest == 1 and schema.step is not None and any(row.rows > 2 for row in quality):
        checked.warn(
            "no item is longer than one step, so models cannot see how anything changes",
            str(folder / "corpus.yaml"),
            f"a step of {schema.step:g} s",
            "Make it shorter: step is in seconds",
        )
    if not steps:
        checked.tell(
            CorpusError(
                "no item has a single step",
                expected="rows with a time in the reference modality, in the targets or in any stream",
                next_step="Look at the times: mmstudy data inspect",
                where=str(folder),
            )
        )
    _check_times(checked, folder, schema, quality)
    if len(sound) == len(items):
        # A modality without any value is told already, with its items.
        some = {name: known_F for name, known_F in known.items() if known_F.any()}
        for name, text in unknown_notes(schema, some).items():
            checked.warn(
                text,
                str(folder / name),
                next_step="Compute it again, or take it out of corpus.yaml: models read nothing there",
            )
    _check_labels(checked, folder, schema, np.concatenate(labels))


def _counted(targets: Targets, target_SKP: np.ndarray) -> np.ndarray:
    """Targets (S × K, P), NaN where there is none and where ``when`` is not 1."""
    names = [p.name for p in targets.parameters]
    values_SKP = target_SKP.copy()
    for at, parameter in enumerate(targets.parameters):
        if parameter.when is not None:
            values_SKP[:, :, at][target_SKP[:, :, names.index(parameter.when)] != 1] = np.nan
    return values_SKP.reshape(-1, len(names))


_TIMES: tuple[tuple[Callable[[QualityRow], int], str, str], ...] = (
    (attrgetter("non_monotonic"), "times run backwards", "they are sorted when they are read"),
    (attrgetter("no_time"), "rows have no time", "they are not read"),
    (attrgetter("empty_segments"), "segments do not end after their start", "they are not read"),
)


def _check_empty(checked: Checked, folder: Path, schema: CorpusSchema, have: Sequence[QualityRow]) -> None:
    """Tables that are there and say nothing: no row, empty cells alone, or segments between the steps."""
    empty = [row.item for row in have if row.steps and not row.coverage and not row.apart]
    if empty:
        name = have[0].modality
        checked.warn(
            f"{len(empty)} of {checked.items} items {'has' if len(empty) == 1 else 'have'} a table of '{name}' in "
            "which no step has a value",
            str(folder / name),
            _some(empty),
            f"Fill it, or leave it so: {ABSENT if name in schema.modalities else UNTAUGHT}",
        )


def _check_times(checked: Checked, folder: Path, schema: CorpusSchema, quality: Sequence[QualityRow]) -> None:
    for count_of, what, consequence in _TIMES:
        for name in dict.fromkeys(row.modality for row in quality):
            bad = [row for row in quality if row.modality == name and count_of(row)]
            if bad:
                count = sum(count_of(row) for row in bad)
                examples = ", ".join(f"{row.item}: {count_of(row)}" for row in bad[:5])
                examples += ", …" if len(bad) > 5 else ""
                checked.warn(
                    f"{name}: {what} at {number_of(count, 'place')} in {number_of(len(bad), 'item')}; {consequence}",
                    str(folder / name),
                    examples,
                )
    for name in dict.fromkeys(row.modality for row in quality):
        have = [row for row in quality if row.modality == name and not row.missing]
        apart = [row for row in have if row.apart]
        if have and len(apart) == len(have):
            checked.tell(
                CorpusError(
                    f"the times of '{name}' never meet those of the other streams",
                    found=f"{apart[0].item}: {apart[0].apart}",
                    next_step=f"Correct rate or offset of '{name}' in corpus.yaml",
                    where=str(folder / name),
                )
            )
        _check_empty(checked, folder, schema, have)
    never = {problem.where for problem in checked.problems if problem.level == "error"}
    for text in time_notes([row for row in quality if str(folder / row.modality) not in never]):
        checked.warn(text, str(folder))
    empty = [row.item for row in quality if not row.steps]
    for item in dict.fromkeys(empty):
        checked.warn(f"item '{item}' has no step and is left out", str(folder))


def _check_labels(checked: Checked, folder: Path, schema: CorpusSchema, values_NP: np.ndarray) -> None:
    where = str(folder / schema.targets.from_)
    columns = [column_N[~np.isnan(column_N)] for column_N in values_NP.T]
    any_varies = any(len(known_N) and known_N.min() < known_N.max() for known_N in columns)
    for at, parameter in enumerate(schema.targets.parameters):
        known_N = columns[at]
        name = parameter.name
        if not len(known_N):
            checked.tell(
                CorpusError(
                    f"there is no target '{name}' anywhere",
                    found="empty cells, or times at which no step is",
                    next_step="Fill the column, or take the parameter out of corpus.yaml",
                    where=where,
                )
            )
            continue
        if known_N.min() == known_N.max():
            value = known_N[0]
            shown = parameter.labels[int(value)] if parameter.labels else f"{value:g}"
            found = f"'{shown}' in all {len(known_N)} places"
            if any_varies:
                # Edits that nobody ever rotated or cropped still have scales and positions to learn.
                checked.warn(
                    f"the target '{name}' never varies",
                    where,
                    found,
                    next_step="Check the column: there is nothing to learn in it",
                )
                continue
            checked.tell(
                CorpusError(
                    f"the target '{name}' must vary, or another one",
                    found=found,
                    next_step="Check the column: there is nothing to learn",
                    where=where,
                )
            )
        elif parameter.kind != "continuous":
            names = parameter.labels or tuple(str(code) for code in range(parameter.outputs))
            unseen = [names[code] for code in range(parameter.outputs) if not (known_N == code).any()]
            if unseen:
                checked.warn(
                    f"no item has the class {' or '.join(repr(one) for one in unseen)} of '{name}'",
                    where,
                    next_step="Take it out of corpus.yaml if there is none",
                )
