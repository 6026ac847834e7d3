"""Parts that are not ours: a class of the user's, named in a config, and how it is told."""

from __future__ import annotations

import json
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field, JsonValue

from mmcore.frozen import Frozen


class Reference(Frozen):
    """Names a class outside of mmstudy. Its source is hashed and joins the fingerprint; see :mod:`mmcore.custom`."""

    model_config = ConfigDict(serialize_by_alias=True)
    whereabouts: ClassVar = ("folder",)

    class_: str = Field(alias="class", min_length=1)
    """The class, as ``package.module:Name``, or the name of an entry point of the group ``mmstudy.parts``."""
    args: dict[str, JsonValue] = {}
    """Arguments of the class's constructor, by name."""
    source: str | None = None
    """Hash of the class's source. mmstudy fills it in; leave it out."""
    folder: str | None = None
    """Folder in which the class is looked for before installed packages. mmstudy fills in the study's folder."""

    def __hash__(self) -> int:
        return hash((type(self), self.class_, json.dumps(self.args, sort_keys=True), self.source))


class Custom(Reference):
    """A class of your own, in any place where a kind can be named."""

    kind: Literal["custom"] = "custom"
