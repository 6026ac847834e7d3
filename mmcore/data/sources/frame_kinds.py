"""What the columns of a modality are: kinds, class names, and the features of corpus.yaml that stand for them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, get_args

import numpy as np

from mmcore.data.sources.class_names import ClassNames
from mmcore.data.sources.frame_tables import Cells
from mmcore.data.sources.given import Data, Faults, TargetData, plain, suggest
from mmcore.data.sources.written import WrittenFeature, WrittenParameter
from mmcore.errors import nearest
from mmcore.schema import Kind

MOST_CLASSES = 1000
"""Class names that one column may have: a column of free text is no class."""
_NUMBERED = re.compile(r"(.*?)(0|[1-9]\d*)(\D*)", re.DOTALL)


@dataclass(frozen=True)
class Column:
    """A column of a modality, over all items.

    Args:
        kind: decides how it is aligned and normalised.
        labels: class names, in the order of their codes; None where it has none.
        classes: how many classes a categorical column has; None otherwise.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...] | None = None
    classes: int | None = None


def kind_of(name: str, column: str, cells: Mapping[str, Cells], data: Data, faults: Faults) -> Column:
    """The kind of a column, from what was said, else from its type.

    - text or a pandas categorical: categorical, with its class names
    - booleans, or numbers that are 0 and 1 alone (and both occur): binary
    - all other numbers: continuous. Whole numbers in a modality are counts as often as codes, so codes must be said.
    - whole numbers as targets: categorical where they are exactly the codes 0 … C−1, as scikit-learn and PyTorch write
      classes; any other whole numbers must be said, since a wrong guess would change what is learned

    Args:
        name: of the modality or targets. cells: item to its cells.
        data: what was said.
        faults: receives contradictions.
    """
    forms = {one.form for one in cells.values()} - {"empty"}
    said = _said(data.kinds, column)
    labels = data.labels.get(column)
    if labels is not None:
        labels = tuple(plain(label).strip() for label in labels)
    if said is not None and said not in get_args(Kind):
        faults.add(f"kind '{said}' is unknown", name=name, next_step=nearest(said, list(get_args(Kind))))
        said = None
    if "text" in forms and len(forms) > 1:
        faults.add(
            f"column '{column}' must hold numbers in all items, or text in all items",
            name=name,
            item=next(item for item, one in cells.items() if one.form == "text"),
            found=f"text here, {', '.join(sorted(forms - {'text'}))} elsewhere",
            next_step="Convert it with pd.to_numeric or .astype(str)",
        )
        return Column(column, "continuous")
    if "text" in forms:
        return _of_text(name, column, cells, said, labels, faults)
    if labels is not None and said in ("continuous", "embedding"):
        faults.add(
            f"column '{column}' is declared as {said}, so it has no class names", name=name,
            next_step="Leave labels out, or choose the kind categorical",
        )  # fmt: skip
    if said in ("continuous", "embedding"):
        return Column(column, said)
    if said is None and labels is None and forms == {"float"} and not _zero_one(cells, data.missing_values):
        return Column(column, "continuous")
    known = _known(cells, data.missing_values)
    guess = "categorical" if labels is not None else None
    if forms == {"bool"} or np.array_equal(known, (0, 1)):
        guess = "binary"
    kind = said or guess or _of_numbers(name, column, forms, known, data, faults)
    if kind == "categorical":
        return _of_codes(name, column, known, labels, faults)
    if kind == "binary":
        odd = known[~np.isin(known, (0, 1))]
        if len(odd):
            faults.add(f"column '{column}' is binary, so it must hold 0 and 1", name=name, found=f"{odd[0]:g}")
        return Column(column, "binary", labels)
    return Column(column, kind)


def _said(kinds: Kind | Mapping[str, Kind] | None, column: str) -> Kind | None:
    return kinds.get(column) if isinstance(kinds, Mapping) else kinds


def _zero_one(cells: Mapping[str, Cells], missing: Sequence[float]) -> bool:
    """Whether no cell is another number; usually the first table is enough to know."""
    allowed = np.array([0, 1, *missing], np.float64)
    return all((np.isin(one.values_T, allowed) | np.isnan(one.values_T)).all() for one in cells.values())


def _known(cells: Mapping[str, Cells], missing: Sequence[float]) -> np.ndarray:
    """The distinct numbers of all items, but for NaN and those that stand for no value."""
    parts = [np.unique(one.values_T) for one in cells.values() if one.form != "empty"]
    known = np.unique(np.concatenate(parts).astype(np.float64)) if parts else np.empty(0)
    return known[~np.isnan(known) & ~np.isin(known, np.array(missing, np.float64))]


def _of_numbers(name: str, column: str, forms: set[str], known: np.ndarray, data: Data, faults: Faults) -> Kind:
    if not isinstance(data, TargetData) or forms != {"int"} or len(known) < 2:
        return "continuous"
    if np.array_equal(known, np.arange(len(known))):
        return "categorical"
    faults.add(
        f"target '{column}' holds whole numbers, which may be classes or a quantity",
        name=name,
        found=", ".join(f"{value:g}" for value in known[:8]) + (", …" if len(known) > 8 else ""),
        next_step=f'Set its kind: kinds={{"{column}": "continuous"}}, or turn classes into text first: .astype(str)',
    )
    return "continuous"


def _of_text(
    name: str,
    column: str,
    cells: Mapping[str, Cells],
    said: Kind | None,
    labels: tuple[str, ...] | None,
    faults: Faults,
) -> Column:
    if said in ("continuous", "embedding"):
        faults.add(
            f"column '{column}' is declared as {said}, so it must hold numbers",
            name=name,
            found=f"text such as {_first_text(cells)!r}",
            next_step="Convert it with pd.to_numeric",
        )
        return Column(column, "continuous")
    seen: dict[str, str] = {}
    for item, one in cells.items():
        for label in set(one.values_T) - {None} if one.form == "text" else ():
            seen.setdefault(label, item)
    labels = labels or _levels(cells) or tuple(sorted(seen))
    for label in sorted(set(seen) - set(labels)):
        faults.add(
            f"column '{column}' must hold the class names that labels lists",
            name=name,
            item=seen[label],
            found=repr(label),
            next_step=suggest(label, labels),
        )
    if len(labels) > MOST_CLASSES:
        faults.add(
            f"column '{column}' looks like free text, not like classes",
            name=name,
            expected=f"at most {MOST_CLASSES} names",
            found=f"{len(labels)}, such as {labels[0]!r}",
            next_step="Turn text into numbers first (an embedding), or leave the column out",
        )
    if said == "binary":
        if len(labels) != 2:
            faults.add(f"column '{column}' is binary, so it must have two names", name=name, found=f"{len(labels)}")
        return Column(column, "binary", labels)
    return Column(column, "categorical", labels, len(labels))


def _first_text(cells: Mapping[str, Cells]) -> Any:
    return next(cell for one in cells.values() if one.form == "text" for cell in one.values_T if cell is not None)


def _levels(cells: Mapping[str, Cells]) -> tuple[str, ...] | None:
    """The levels of a pandas categorical, where all items have the same."""
    levels = {one.levels for one in cells.values() if one.form == "text"}
    return levels.pop() if len(levels) == 1 else None


def _of_codes(name: str, column: str, known: np.ndarray, labels: tuple[str, ...] | None, faults: Faults) -> Column:
    codes = known
    if labels is not None:
        # Names that are numbers (ratings 1 to 5) are found by their value; a number that is no name becomes -1.
        codes, _ = ClassNames(column, labels).of_numbers(known)
    odd = known[(codes < 0) | (codes != np.floor(codes)) | (codes >= (len(labels) if labels else np.inf))]
    if len(odd):
        faults.add(
            f"column '{column}' is categorical, so it must hold names or codes of its classes",
            name=name,
            expected=f"codes 0 … {len(labels) - 1} of {', '.join(labels)}"[:120] if labels else "codes from 0",
            found=f"{odd[0]:g}",
            next_step="Turn the classes into text: .astype(str)",
        )
        return Column(column, "categorical", labels, 1)
    return Column(column, "categorical", labels, len(labels) if labels else int(codes[-1]) + 1 if len(codes) else 1)


# corpus.yaml -------------------------------------------------------------------------------------------------------
def features_of(name: str, columns: Sequence[Column], data: Data, faults: Faults) -> list[WrittenFeature]:
    """The features of a modality as corpus.yaml has them; numbered columns of one kind are one range.

    Args:
        columns: in the order of the table.
        faults: receives columns of embeddings that stand alone: an embedding is brought to unit length, which leaves
            of a single number no more than its sign.
    """
    features: list[WrittenFeature] = []
    for first, last in _runs(columns, data):
        column = columns[first]
        text = column.name
        if last > first:
            parts, end = _NUMBERED.fullmatch(column.name), _NUMBERED.fullmatch(columns[last].name)
            assert parts is not None
            assert end is not None
            text = f"{parts[1]}{{{parts[2]}..{end[2]}}}{parts[3]}"
        elif column.kind == "embedding":
            faults.add(
                f"column '{column.name}' alone is not an embedding",
                name=name,
                expected="columns that are numbered consecutively, such as clip_0 … clip_511",
                next_step="Number them in the order of the embedding, or choose another kind",
            )
        feature: WrittenFeature = {"name": text}
        if column.kind != "continuous":
            feature["kind"] = column.kind
        if column.labels is not None:
            feature["labels"] = list(column.labels)
        features.append({**feature, **_options(column.name, data)})
    return features


class _Options(TypedDict, total=False):
    unit: str
    resample: str


class _Classes(TypedDict, total=False):
    labels: list[str]
    classes: int


def _options(column: str, data: Data) -> _Options:
    options: _Options = {}
    if unit := data.units.get(column):
        options["unit"] = unit
    if resample := data.resample.get(column) if isinstance(data.resample, Mapping) else data.resample:
        options["resample"] = resample
    return options


def _runs(columns: Sequence[Column], data: Data) -> list[tuple[int, int]]:
    """First and last index of each run of columns that one range can stand for."""
    runs: list[tuple[int, int]] = []
    for at, column in enumerate(columns):
        if runs and _follows(columns[at - 1], column, data):
            runs[-1] = (runs[-1][0], at)
        else:
            runs.append((at, at))
    return runs


def _follows(before: Column, column: Column, data: Data) -> bool:
    if before.kind != column.kind or before.labels != column.labels:
        return False
    if _options(before.name, data) != _options(column.name, data):
        return False
    one, two = _NUMBERED.fullmatch(before.name), _NUMBERED.fullmatch(column.name)
    return bool(one and two and (one[1], one[3]) == (two[1], two[3]) and int(two[2]) == int(one[2]) + 1)


def parameters_of(columns: Sequence[Column], data: TargetData) -> list[WrittenParameter]:
    """The parameters of the targets as corpus.yaml has them."""
    parameters: list[WrittenParameter] = []
    for column in columns:
        classes: _Classes = {}
        if column.labels is not None:
            classes["labels"] = list(column.labels)
        elif column.classes is not None:
            classes["classes"] = column.classes
        component = data.components.get(column.name, column.name)
        parameter: WrittenParameter = {"name": column.name, "kind": column.kind, **classes, "component": component}
        if column.name in data.when:
            parameter["when"] = data.when[column.name]
        parameters.append({**parameter, **_options(column.name, data)})
    return parameters
