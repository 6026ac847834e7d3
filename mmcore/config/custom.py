"""Parts that are not ours: a class of the user's, named in a config, and how it is told."""

from __future__ import annotations

import json
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field, JsonValue

from mmcore.frozen import Frozen
from mmcore.measures import Measure


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
    """Folder in which the class is looked for before installed packages, relative to the study's folder, which it is if
    it is left out."""

    def __hash__(self) -> int:
        return hash((type(self), self.class_, json.dumps(self.args, sort_keys=True), self.source))


class Custom(Reference):
    """A class of your own, in any place where a kind can be named."""

    kind: Literal["custom"] = "custom"


Kind = Literal["continuous", "binary", "categorical"]


class CustomMetric(Custom):
    """A measure of your own: from what was predicted and what is true to one number."""

    whereabouts: ClassVar = ("folder", "title", "meaning")

    higher_is_better: bool
    """Its direction."""
    kinds: tuple[Kind, ...] = ("continuous", "binary", "categorical")
    """Kinds of parameters that it is computed for."""
    original_units: bool = False
    """Whether continuous parameters are handed over in their own units. It then has values for components only, since
    the units of components may differ. False: in standard deviations of the parameter on training items."""
    title: str | None = None
    """For tables and axes; None: its name."""
    meaning: str = "A measure of your own."
    """One sentence for readers of a report."""

    def measure(self, name: str) -> Measure:
        """The measure under the name that the config gives it."""
        return Measure(
            name,
            self.higher_is_better,
            self.title or name,
            self.meaning,
            unit="original" if self.original_units else "",
            kinds=self.kinds,
            whole=None if self.original_units else "mean",
        )
