"""The settings of an arm that mmstudy does not train itself: plain values, whose meaning is the user's."""

from __future__ import annotations

from mmcore.config.overrides import Plain
from mmcore.frozen import Frozen


class ForeignConfig(Frozen):
    """What is known of an arm whose scores come from elsewhere."""

    settings: Plain = {}
    """Setting to its value, as the user names them; {} where only scores are known."""
