"""Dotted overrides, and configs from plain values; errors name the path and the nearest valid name."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from mmcore.config.run import RunConfig
from mmcore.errors import ConfigError, nearest, quoting
from mmcore.frozen import Frozen


def override(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """``base`` with ``{dotted.path: value}`` laid over it; neither is changed.

    A mapping as value is laid over the mapping that is there, key by key. Setting ``kind`` to another member of a
    family drops the old member's keys.

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
            if "kind" in value and "kind" in old and old["kind"] != value["kind"]:
                old = {}
            result[head] = override(old, value)
        else:
            result[head] = value
    return result


def build_config(values: dict[str, Any], where: str | None = None) -> RunConfig:
    """A validated config from nested plain values.

    Raises:
        ConfigError: the first broken rule, with the dotted path and the nearest valid name.
    """
    try:
        return RunConfig.model_validate(_with_kinds(values, RunConfig))
    except ValidationError as error:
        raise explain(error, where) from None


def _with_kinds(values: dict[str, Any], model: type[Frozen]) -> dict[str, Any]:
    """``values`` with the default member's kind where a family's settings are given without one, so that
    ``training.optimiser.learning_rate`` can be set by itself."""
    filled = dict(values)
    for name, field in model.model_fields.items():
        given, default = values.get(name), field.default
        if isinstance(given, dict) and isinstance(default, Frozen):
            kind = getattr(default, "kind", None)
            if kind is None:
                filled[name] = _with_kinds(given, type(default))
            elif "kind" not in given:
                filled[name] = {"kind": kind, **given}
    return filled


def explain(error: ValidationError, where: str | None = None) -> ConfigError:
    """Turn pydantic's first complaint into one of ours, with the dotted path and the nearest valid name."""
    first = error.errors()[0]
    # A tagged union puts its tag into the location; a reader of the config never wrote that step.
    path = ".".join(str(step) for step in first["loc"] if step not in _TAGS and not _is_type(str(step)))
    place = f"{where}: {path}" if where and path else where or path or None
    match first["type"]:
        case "extra_forbidden":
            parent, _, key = path.rpartition(".")
            return ConfigError(f"unknown key '{key}'", where=place, next_step=nearest(key, valid_keys(parent, error)))
        case "union_tag_invalid":
            context = first.get("ctx", {})
            found = str(context.get("tag"))
            choices = [tag.strip(" '") for tag in str(context.get("expected_tags", "")).split(",")]
            return ConfigError(f"kind '{found}' is unknown", where=place, next_step=nearest(found, choices))
        case "union_tag_not_found":
            return ConfigError("a kind must be named", where=place, next_step="Write {kind: NAME, …}")
        case "missing":
            return ConfigError("a required value is missing", where=place)
        case "value_error":
            return ConfigError(first["msg"].removeprefix("Value error, "), where=place)
        case _:
            return ConfigError(
                first["msg"][:1].lower() + first["msg"][1:],
                found=repr(first["input"])[:80],
                next_step=quoting(first["type"], first["input"]),
                where=place,
            )


def _is_type(step: str) -> bool:
    """Whether a step of a location names the member of a union that was tried, e.g. ``str``."""
    return step in ("str", "constrained-float") or step.partition("[")[0] in ("tuple", "dict")


def valid_keys(path: str, error: ValidationError | None = None) -> list[str]:
    """The keys that a config takes at a dotted path (all members of a family together); [] where there is none."""
    models: list[Any] = [RunConfig]
    for step in path.split(".") if path else []:
        models = [
            m for model in models if step in model.model_fields for m in _models(model.model_fields[step].annotation)
        ]
    return list(dict.fromkeys(name for model in models for name in model.model_fields))


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
