"""The settings of an arm that mmstudy does not train itself: plain values, whose meaning is the user's."""

from __future__ import annotations

from collections.abc import Mapping

from mmcore.config.overrides import Plain
from mmcore.frozen import Frozen
from mmcore.measures import Measure


class ForeignConfig(Frozen):
    """What is known of an arm whose scores come from elsewhere."""

    settings: Plain = {}
    """Setting to its value, as the user names them; {} where only scores are known."""

    @property
    def measures(self) -> Mapping[str, Measure]:
        """Measures of its own: none, since what scores mean is the user's."""
        return {}
