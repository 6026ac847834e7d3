"""Reads ``corpus.yaml``; reports whatever is wrong with file, line and the nearest valid name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from mmcore.complaints import complaint
from mmcore.data.sources.table_files import refuse_outside, unreadable
from mmcore.errors import CorpusError, nearest, quoting
from mmcore.frozen import Frozen
from mmcore.language import number_of
from mmcore.names import nfc
from mmcore.schema import CorpusSchema, Modality, Targets
from mmcore.yamlfile import YamlFile, read_yaml

OPEN = "???"
"""Stands in a ``corpus.yaml`` that was guessed for what only its reader knows."""


def _file(folder: Path) -> YamlFile:
    path = Path(folder) / "corpus.yaml"
    try:
        there = path.is_file()
    except OSError as error:
        raise unreadable(path, "file", error) from None
    if not there:
        raise CorpusError(
            "a corpus folder holds a file corpus.yaml",
            found="none in it" if Path(folder).is_dir() else "a file" if Path(folder).exists() else "no such folder",
            next_step="Name a corpus folder, or make one of raw files: mmstudy data init RAW --out FOLDER",
            where=str(folder),
        )
    refuse_outside(Path(folder), path)
    return read_yaml(path, CorpusError)


@dataclass(frozen=True)
class Declared:
    """What a ``corpus.yaml`` says as far as it is right.

    Args:
        schema: None where something is wrong.
        names: of all modalities, right or wrong.
        modalities, targets, step: the parts that are right by themselves; ``targets`` None where they are not.
        problems: all that is wrong.
    """

    schema: CorpusSchema | None
    names: tuple[str, ...] = ()
    modalities: Mapping[str, Modality] = field(default_factory=dict)
    targets: Targets | None = None
    step: float | None = None
    problems: tuple[CorpusError, ...] = ()


def read_schema(folder: Path) -> CorpusSchema:
    """The contents of ``corpus.yaml``.

    Raises:
        CorpusError: no such file, broken YAML, an unknown key or name, a broken rule; with file, line and the nearest
            valid name. Of several the first.
    """
    file = _file(folder)
    try:
        return CorpusSchema.model_validate(file.data)
    except ValidationError as error:
        raise _problems(error, file)[0] from None


def read_declared(folder: Path) -> Declared:
    """The contents of ``corpus.yaml`` with all that is wrong in it.

    Rules about several parts of it are looked at once each part is right by itself.

    Raises:
        CorpusError: no such file, or it is no YAML.
    """
    file = _file(folder)
    try:
        schema = CorpusSchema.model_validate(file.data)
    except ValidationError as error:
        data = file.data
        modalities = data.get("modalities")
        written = {nfc(str(name)): value for name, value in modalities.items()} if isinstance(modalities, dict) else {}
        named = {name: one for name, value in written.items() if (one := _part(Modality, value)) is not None}
        step = data.get("step")
        timed = float(step) if isinstance(step, int | float) and step > 0 else None
        targets = _part(Targets, data.get("targets"))
        return Declared(None, tuple(written), named, targets, timed, tuple(_problems(error, file)))
    return Declared(schema, tuple(schema.modalities), schema.modalities, schema.targets, schema.step)


def _part(model: Any, value: object) -> Any:
    try:
        return model.model_validate(value)
    except ValidationError:
        return None


def _problems(error: ValidationError, file: YamlFile) -> list[CorpusError]:
    """Everything that is wrong: first what is still open, then misspelt keys, then the rest as in the file."""
    open_places = {place for place in file.lines if _value(file, place) == OPEN}
    problems = [_still_open(place, file) for place in sorted(open_places, key=lambda place: file.lines[place])]
    found = []
    unknown: dict[tuple[str | int, ...], list[str]] = {}
    for one in error.errors():
        loc = tuple(step for step in one["loc"] if isinstance(step, str | int))
        if any(place[: len(loc)] == loc or loc[: len(place)] == place for place in open_places):
            continue
        found.append((one, loc))
        if one["type"] == "extra_forbidden":
            unknown.setdefault(loc[:-1], []).append(str(loc[-1]))
    # A misspelt key is also a missing one; the misspelling is what the reader wrote.
    found = [
        (one, loc)
        for one, loc in found
        if one["type"] != "missing" or not any(_alike(str(loc[-1]), key) for key in unknown.get(loc[:-1], ()))
    ]
    # A list whose only entry is wrong also counts as empty.
    places = [loc for _, loc in found]
    found = [
        (one, loc)
        for one, loc in found
        if one["type"] != "too_short" or not any(loc != place and place[: len(loc)] == loc for place in places)
    ]
    found.sort(key=lambda pair: (pair[0]["type"] != "extra_forbidden", file.lines.get(pair[1], 0)))
    return problems + [_explain(one, list(loc), file) for one, loc in found]


def _alike(name: str, written: str) -> bool:
    return nearest(written, [name]).startswith("Did you mean")


def _value(file: YamlFile, place: tuple[str | int, ...]) -> object:
    value: Any = file.data
    for step in place:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _still_open(place: tuple[str | int, ...], file: YamlFile) -> CorpusError:
    return CorpusError(
        f"'{'.'.join(map(str, place))}' is still to be filled in",
        found=OPEN,
        next_step=f"The comment above it says what is known. Write the value in place of {OPEN}",
        where=file.where(place),
    )


def _explain(first: Any, loc: list[str | int], file: YamlFile) -> CorpusError:
    path = ".".join(str(step) for step in loc)
    where = file.where(loc)
    match first["type"]:
        case "extra_forbidden":
            return CorpusError(
                f"unknown key '{loc[-1]}'" + (f" in {'.'.join(map(str, loc[:-1]))}" if loc[1:] else ""),
                next_step=nearest(str(loc[-1]), _valid_keys(loc[:-1])),
                where=where,
            )
        case "missing":
            return CorpusError(f"'{path}' is missing", next_step=f"Write {loc[-1]}: …", where=where)
        case "literal_error":
            choices = [
                c.strip(" '") for c in str(first.get("ctx", {}).get("expected", "")).replace(" or ", ",").split(",")
            ]
            return CorpusError(
                f"'{path}' is not one of its choices",
                found=repr(first["input"])[:80],
                next_step=nearest(str(first["input"]), choices),
                where=where,
            )
        case "too_short":
            least = number_of(first["ctx"]["min_length"], "entry", "entries")
            return CorpusError(
                f"'{path}' must have {least} or more",
                found=repr(first["input"])[:80],
                where=where,
            )
        case "value_error":
            return CorpusError(complaint(first), where=where)
        case _:
            return CorpusError(
                f"'{path}': {complaint(first)}",
                found=repr(first["input"])[:80],
                next_step=quoting(first["type"], first["input"]),
                where=where,
            )


def _valid_keys(loc: list[str | int]) -> list[str]:
    """The keys that the schema takes at a place: field names, by alias where there is one."""
    annotation: Any = CorpusSchema
    for step in loc:
        model = _model(annotation)
        if model is not None:
            fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
            annotation = fields.get(str(step))
        else:
            arguments = get_args(annotation)
            # dict[str, X] -> X; tuple[X, ...] -> X
            annotation = arguments[-1] if arguments and arguments[-1] is not Ellipsis else next(iter(arguments), None)
    model = _model(annotation)
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _model(annotation: Any) -> type[Frozen] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, Frozen) else None
