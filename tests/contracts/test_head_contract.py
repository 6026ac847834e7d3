"""What every head promises. A new head joins with one class of one line and inherits every promise."""

from __future__ import annotations

from typing import ClassVar

from contracts.model_contract import HeadContract, variant  # noqa: F401 a fixture


class TestShared(HeadContract):
    made_of: ClassVar = {"head": {"kind": "shared"}}


class TestPerTrack(HeadContract):
    made_of: ClassVar = {"head": {"kind": "per_track"}}


class TestResidual(HeadContract):
    made_of: ClassVar = {"head": {"kind": "residual", "blocks": 2}}


class TestTrackTokens(HeadContract):
    made_of: ClassVar = {"head": {"kind": "track_tokens", "layers": 2}}


class TestCustomHead(HeadContract):
    made_of: ClassVar = {"head": {"kind": "custom", "class": "contracts.own_contract_parts:Flat"}}
