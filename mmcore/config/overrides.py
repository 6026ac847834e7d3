"""Dotted overrides, and configs from plain values; errors name the path and the nearest valid name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, get_origin

from pydantic import ValidationError

from mmcore.complaints import complaint
from mmcore.config.run import RunConfig
from mmcore.errors import ConfigError, nearest, quoting
from mmcore.frozen import Frozen
from mmcore.language import number_of

Plain = dict[str, Any]
"""A config, or a part of one, as nested plain values: what YAML and JSON hold."""

Overrides = dict[str, Any]
"""Dotted path of a config to its new value."""


def override(base: Plain, overrides: Overrides) -> Plain:
    """A copy of ``base`` with the values of ``{dotted.path: value}``; neither argument is changed.

    A mapping as value is merged into the existing mapping, key by key. Setting ``kind`` to another member of a family
    drops the old member's keys. A model of another kind reads the same modalities as before.

    Example:
        >>> override({"model": {"width": 64}}, {"model.fusion.kind": "add", "training": {"epochs": 3}})
        {'model': {'width': 64, 'fusion': {'kind': 'add'}}, 'training': {'epochs': 3}}
    """
    result = dict(base)
    for path, value in overrides.items():
        head, _, rest = path.partition(".")
        if rest:
            value = {rest: value}
        if isinstance(value, dict):
            old = result.get(head)
            old = old if isinstance(old, dict) else {}
            if _is_another(old, value):
                kept = KEPT if head == "model" else ()
                old = {key: old[key] for key in kept if key in old}
            elif "class" in value:
                # The source of another class was hashed.
                old = {key: one for key, one in old.items() if key != "source"}
            result[head] = override(old, value)
        else:
            result[head] = value
    return result


KEPT = ("modalities", "causal")
"""What a model keeps when it is replaced by one of another kind."""


def _is_another(old: Plain, new: Plain) -> bool:
    """Whether a mapping names another member of a family than the one that it is laid over."""
    if "kind" not in new:
        return False
    # A class of the user's shares no setting with ours, also where ours goes without saying.
    return old.get("kind", new["kind"] if new["kind"] != "custom" else None) != new["kind"]


def flat(values: Mapping[str, Any], prefix: str = "", empty: bool = False) -> Overrides:
    """A nested mapping by dotted paths; lists are values.

    Args:
        empty: keep empty mappings as values; otherwise they are left out, since they set nothing.

    Example:
        >>> flat({"model": {"width": 8, "fusion": {"kind": "add"}}})
        {'model.width': 8, 'model.fusion.kind': 'add'}
    """
    found: Overrides = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and (value or not empty):
            found |= flat(value, f"{prefix}{key}.", empty)
        else:
            found[f"{prefix}{key}"] = value
    return found


def build_config(values: Plain, where: str | None = None) -> RunConfig:
    """A validated config from nested plain values.

    Raises:
        ConfigError: the first broken rule, with the dotted path and the nearest valid name.
    """
    try:
        return RunConfig.model_validate(_with_kinds(values, RunConfig))
    except ValidationError as error:
        raise explain(error, where) from None
    except ConfigError as error:
        place = f"{where}: {error.where}" if where and error.where else where or error.where
        raise ConfigError(
            error.rule, expected=error.expected, found=error.found, next_step=error.next_step, where=place
        ) from None


def _with_kinds(values: Plain, model: type[Frozen]) -> Plain:
    """``values`` with the kinds that are left out. A family's default member is filled in, so that
    ``training.optimiser.learning_rate`` can be set by itself; a family without a default gets the only member that has
    these settings, so that ``task.horizon`` can be set by itself."""
    filled = dict(values)
    parts = _parts(model)
    for name, given in values.items():
        # A search builds thousands of configs, most of whose values are numbers and words.
        if not isinstance(given, dict) or name not in parts:
            continue
        part, kind = parts[name]
        if part is not None:
            if kind is not None and "kind" not in given:
                given = {"kind": kind, **given}
            filled[name] = _with_kinds(given, part) if given.get("kind") == kind else given
        elif "kind" not in given:
            members = [m for m in _models(model.model_fields[name].annotation) if "kind" in m.model_fields]
            owners = [m for m in members if given and set(given) <= set(m.model_fields)]
            if len(owners) == 1:
                filled[name] = {"kind": _kind(owners[0]), **given}
    return filled


@cache
def _parts(model: type[Frozen]) -> dict[str, tuple[type[Frozen] | None, str | None]]:
    """Fields that are configs by default, with the type and kind of the default, and those that are None."""
    found: dict[str, tuple[type[Frozen] | None, str | None]] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.default, Frozen):
            found[name] = type(field.default), getattr(field.default, "kind", None)
        elif field.default is None:
            found[name] = None, None
    return found


def explain(error: ValidationError, where: str | None = None) -> ConfigError:
    """Turn the most useful of pydantic's errors into a ConfigError with the dotted path and the nearest valid name."""
    first = clearest(error)
    path = _path(first["loc"])
    place = f"{where}: {path}" if where and path else where or path or None
    context = first.get("ctx", {})
    match first["type"]:
        case "extra_forbidden":
            return _unknown_key(first["loc"], place)
        case "union_tag_invalid":
            found = str(context.get("tag"))
            choices = [tag.strip(" '") for tag in str(context.get("expected_tags", "")).split(",")]
            return ConfigError(f"kind '{found}' is unknown", where=place, next_step=nearest(found, choices))
        case "union_tag_not_found":
            return ConfigError("a kind must be named", where=place, next_step=_write_kind(_kinds(path)))
        case "model_attributes_type" | "model_type" | "dict_type":
            kinds, found = _kinds(path), first["input"]
            known = f"Write {{kind: {found}}}" if found in kinds else _write_kind(kinds)
            step = known if kinds else "Write {} for nothing at all" if found is None else "Write {key: value, …}"
            return ConfigError("must be a mapping", found=repr(found)[:80], where=place, next_step=step)
        case "tuple_type":
            found = first["input"]
            step = f"Write [{found}]" if isinstance(found, str | int | float) else "Write [one, another]"
            return ConfigError("must be a list", found=repr(found)[:80], where=place, next_step=step)
        case "literal_error":
            found = str(first["input"])
            choices = re.findall(r"'([^']*)'", str(context.get("expected", "")))
            return ConfigError(f"'{found}' is not one of the choices", where=place, next_step=nearest(found, choices))
        case "too_short":
            least = number_of(context["min_length"], "entry", "entries")
            return ConfigError(f"must have {least} or more", found=repr(first["input"])[:80], where=place)
        case "missing":
            return ConfigError("a required value is missing", where=place)
        case "value_error":
            return ConfigError(complaint(first), where=place)
        case _:
            return ConfigError(
                complaint(first),
                found=repr(first["input"])[:80],
                next_step=quoting(first["type"], first["input"]),
                where=place,
            )


def clearest(error: ValidationError) -> Any:
    """The most useful of pydantic's errors: the deepest one about the first value, since pydantic lists an error for
    each member of a union that it tried. For a misspelt key, "unknown key" is chosen over "another key is missing"."""
    errors = error.errors()
    first = errors[0]
    beside = [e for e in errors if e["type"] == "extra_forbidden" and e["loc"][:-1] == first["loc"][:-1]]
    if first["type"] == "missing" and beside:
        return beside[0]
    inside = [e for e in errors if (_path(e["loc"]) + ".").startswith(_path(first["loc"]) + ".")]
    return max(inside, key=lambda e: len(_path(e["loc"])))


def _unknown_key(loc: tuple[int | str, ...], place: str | None) -> ConfigError:
    """The error about an unknown key; it names the kinds of the same family that have such a setting."""
    *parents, key = map(str, loc)
    members = _members(_path(tuple(parents)))
    mine = [m for m in members if parents and m.model_fields.get("kind") and _kind(m) == parents[-1]]
    owners = [_kind(m) for m in members if mine and m not in mine and key in _written(m)]
    valid = list(dict.fromkeys(name for m in mine or members for name in _written(m)))
    if owners:
        rule = f"'{key}' is not a setting of kind {parents[-1]}"
        step = f"It belongs to {', '.join(owners)}: name that kind, or leave it out. Valid: {', '.join(valid)}"
        return ConfigError(rule, where=place, next_step=step)
    return ConfigError(f"unknown key '{key}'", where=place, next_step=nearest(key, valid))


def _write_kind(kinds: list[str]) -> str:
    return "Write {kind: NAME, …}" + (f"; NAME is one of {', '.join(kinds)}" if kinds else "")


def _path(loc: tuple[int | str, ...]) -> str:
    """The dotted path of a location, without the tags that pydantic adds for tagged unions: users never write them."""
    return ".".join(str(step) for step in loc if step not in _TAGS and not _is_type(str(step)))


def _is_type(step: str) -> bool:
    """Whether a step of a location is the name of a union member that pydantic tried, e.g. ``str``."""
    return step in ("str", "constrained-float") or step.partition("[")[0] in (
        "tuple",
        "dict",
        "literal",
        "function-before",
    )


def valid_keys(path: str) -> list[str]:
    """The keys that a config accepts at a dotted path, for a family those of all its members; [] for an unknown
    path."""
    return list(dict.fromkeys(name for model in _members(path) for name in _written(model)))


def _written(model: Any) -> list[str]:
    """The keys of a model, as they are written in a file."""
    own = getattr(model, "own", tuple(model.model_fields))
    return [field.alias or name for name, field in model.model_fields.items() if name in own]


def _members(path: str) -> list[Any]:
    """The models that are possible at a dotted path: one, or all members of a family; [] for an unknown path."""
    models: list[Any] = [RunConfig]
    by_name = False
    for step in path.split(".") if path else []:
        if by_name:
            # A name that the user gives, e.g. of a metric: it leads to the models that the mapping holds.
            by_name = False
            continue
        fields = [m.model_fields[step] for m in models if step in m.model_fields]
        by_name = any(get_origin(field.annotation) is dict for field in fields)
        models = list(dict.fromkeys(m for field in fields for m in _models(field.annotation)))
    return models


def _kind(model: Any) -> str:
    return model.model_fields["kind"].default


def _kinds(path: str) -> list[str]:
    """The kinds of the family at a dotted path; [] if there is no family."""
    return [_kind(m) for m in _members(path) if "kind" in m.model_fields]


def _models(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, Frozen):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models(part)]


def _tags(model: type[Frozen]) -> set[str]:
    """The kinds of all families within a model."""
    tags = set()
    for field in model.model_fields.values():
        for part in _models(field.annotation):
            kind = part.model_fields.get("kind")
            tags |= _tags(part) | ({kind.default} if kind else set())
    return tags


_TAGS = _tags(RunConfig)
