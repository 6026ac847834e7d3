"""The identity of a run: 128 bits over what changes its numbers.

Config without defaults, corpus content, repeat, numerics version. Device, workers, paths and names stay out, so two
studies that share an arm share its runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypedDict

from mmcore.config import NOT_NUMBERS, USUAL_WINDOW, EvaluationConfig, ForeignConfig, Plain, RunConfig
from mmcore.custom import custom_parts
from mmcore.errors import ConfigError
from mmcore.frozen import without_defaults

NUMERICS = 4
"""Version of the numerics. Raise it with every change that makes an unchanged config give other numbers."""
_named = NUMERICS
"""The version of which runs are named at this moment."""


def numerics() -> int:
    """The version of the numerics whose runs are looked for: :data:`NUMERICS`, or what :func:`runs_of` asks for."""
    return _named


@contextmanager
def runs_of(version: int | None) -> Iterator[None]:
    """Name runs as a version of the numerics did, so that what it trained is found.

    It holds for the process, and is for reading alone: what is trained within would be taken for that version's.

    Args:
        version: at least 1, at most :data:`NUMERICS`; None: this.

    Raises:
        ConfigError: there is no such version.
    """
    global _named
    version = NUMERICS if version is None else version
    if not 1 <= version <= NUMERICS:
        raise ConfigError(
            "there is no such version of the numerics", expected=f"1 to {NUMERICS}", found=str(version),
            next_step=f"This version of mmstudy trains with version {NUMERICS}",
        )  # fmt: skip
    before, _named = _named, version
    try:
        yield
    finally:
        _named = before


def fingerprint(config: RunConfig, content: str) -> str:
    """32 hexadecimal digits that name a run.

    Args:
        config: the whole config; paths and machine settings in it are ignored.
        content: the corpus's content key, see :func:`mmcore.data.sources.folder.content_key`.

    Raises:
        ConfigError: ``data.window`` is None: two corpora's None are different numbers; a custom part's source is not
            hashed yet.
    """
    return _digest(identity(config, content))


def fingerprint_read(config: RunConfig, content: str) -> str:
    """:func:`fingerprint` of a config that was read from a file and is forgotten soon: nothing of it is kept."""
    return _digest(_identity(config, content, _made_values(config)))


def _digest(of: Identity) -> str:
    text = json.dumps(of, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def training_fingerprint(config: RunConfig, content: str) -> str:
    """The name of the run that trains for this one: runs that differ in how they are tested alone share it.

    It is the run's own :func:`fingerprint` where the test is the default one.
    """
    return fingerprint(config.model_copy(update={"evaluation": _USUAL_TEST}), content)


_USUAL_TEST = EvaluationConfig()


def foreign_fingerprint(config: ForeignConfig, repeat: int, content: str) -> str:
    """32 hexadecimal digits that name a run of training code of the user's own.

    Args:
        config: its settings.
        repeat: number of the repeat.
        content: the digest of the command or function and of its source files.
    """
    parts = {"settings": config.settings, "repeat": repeat, "training code": content}
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def name_of(config: RunConfig | ForeignConfig, repeat: int, content: str) -> str:
    """32 hexadecimal digits that name a run of one repeat, whoever trains it."""
    if isinstance(config, ForeignConfig):
        return foreign_fingerprint(config, repeat, content)
    return fingerprint(config.model_copy(update={"repeat": repeat}), content)


class Identity(TypedDict):
    """The plain data that a run's name is made of."""

    config: Plain
    """Without defaults and without what changes no number."""
    corpus: str
    """The corpus's content key."""
    repeat: int
    numerics: int


def identity(config: RunConfig, content: str) -> Identity:
    """The plain data that :func:`fingerprint` hashes, for finding out why two runs differ."""
    return _identity(config, content, _values(config))


def _identity(config: RunConfig, content: str, values: Plain) -> Identity:
    return {"config": values, "corpus": content, "repeat": config.repeat, "numerics": _named}


_known: dict[tuple[int, ...], tuple[Plain, RunConfig]] = {}
"""By the objects that a config is made of: what it says of its numbers, and the config, so that no other object gets
the place of one of these. Repeats of an arm are made of the same objects, and a plan asks for thousands of them."""
_MOST = 4096


def _values(config: RunConfig) -> Plain:
    """The config without defaults and without what changes no number."""
    parts = tuple([id(getattr(config, name)) for name in _NUMBERS])
    if parts not in _known:
        if len(_known) >= _MOST:
            _known.clear()
        _known[parts] = _made_values(config), config
    return _known[parts][0]


_NUMBERS = tuple(name for name in RunConfig.model_fields if name not in NOT_NUMBERS)


def _made_values(config: RunConfig) -> Plain:
    for path, part in custom_parts(config).items():
        if part.source is None:
            raise ConfigError(
                f"the source of {part.class_} must be hashed before a run has a name",
                next_step="Call mmcore.custom.sealed(config, folder) first",
                where=path,
            )
    if config.data.steps == USUAL_WINDOW:
        # It was the default before the window could be None; runs keep the names that they had then.
        config = config.model_copy(update={"data": config.data.model_copy(update={"window": None})})
    values = {k: v for k, v in without_defaults(config).items() if k not in NOT_NUMBERS}
    modalities = values.get("model", {}).get("modalities")
    if modalities is not None:
        # A set in meaning: the order in which a study writes the names changes nothing.
        values["model"] = {**values["model"], "modalities": sorted(modalities)}
    if config.data.placebo:
        values["data"] = {**values["data"], "placebo": sorted(config.data.placebo)}
    if config.evaluation.without:
        values["evaluation"] = {**values["evaluation"], "without": sorted(set(config.evaluation.without))}
    return values
