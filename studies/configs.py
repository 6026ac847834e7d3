"""From overrides to a config that is checked against the corpus, and from a path to the line that set it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmcore.config import Hierarchical, Plain, RunConfig, build_config
from mmcore.custom import sealed
from mmcore.errors import ConfigError, StudyError
from mmcore.schema import CorpusSchema
from mmcore.task import check_names, refuse_unusable, resolve_causal, resolve_task
from mmcore.yamlfile import Place, YamlFile

Where = Callable[[str], str]
"""From a config path to the place where it was written."""


def config_of(values: Plain, corpus: str, schema: CorpusSchema, where: Where, folder: Path | None = None) -> RunConfig:
    """The config of nested values, checked against the corpus, with one spelling for one meaning.

    Args:
        folder: in which classes of the user's are looked for first; None: the current folder.

    Raises:
        StudyError: unknown path, wrong type, unknown modality or component; a custom part that cannot be found.
    """
    try:
        config = sealed(build_config({**values, "corpus": corpus}), folder)
        chosen = schema.chosen(config.model.modalities)
        resolve_causal(config, resolve_task(config, schema))
        check_names(config, schema)
        refuse_unusable(config.loss, schema.targets)
        if isinstance(config.model.fusion, Hierarchical) and len(chosen) > 1:
            config.model.fusion.tree(chosen)
    except ConfigError as error:
        path = error.where or ""
        rule = f"{path}: {error.rule}" if path and not error.rule.startswith(f"{path}.") else error.rule
        raise StudyError(
            rule, expected=error.expected, found=error.found, next_step=error.next_step, where=where(path)
        ) from None
    weights = {config.loss.weights.get(component, 1.0) for component in schema.targets.components}
    if len(weights) == 1:
        # Equal weights are no weights: only their proportions count.
        config = config.model_copy(update={"loss": config.loss.model_copy(update={"weights": {}})})
    if config.model.modalities is not None:
        # One spelling for one meaning: all modalities is None, others stand in the corpus's order; so runs are shared.
        full = len(chosen) == len(schema.modalities)
        model = config.model.model_copy(update={"modalities": None if full else chosen})
        config = config.model_copy(update={"model": model})
    if config.data.placebo:
        data = config.data.model_copy(update={"placebo": schema.chosen(config.data.placebo)})
        config = config.model_copy(update={"data": data})
    return config


def pointer(written: YamlFile, *roots: Place) -> Where:
    """A function from a config path to the ``file:line`` under one of the roots where an override set it."""
    places: dict[str, Place] = {}
    for root in roots:
        for place in written.lines:
            if place[: len(root)] == root and len(place) > len(root):
                places.setdefault(".".join(str(step) for step in place[len(root) :]), place)

    def where(path: str) -> str:
        """The written override that is the path, a part of the way to it, or lies below it."""
        for known, place in sorted(places.items(), key=lambda entry: -len(entry[0])):
            if path == known or path.startswith(known + "."):
                return written.where(place)
        for known, place in places.items():
            if path and known.startswith(path + "."):
                return written.where(place)
        return written.where(roots[0])

    return where
