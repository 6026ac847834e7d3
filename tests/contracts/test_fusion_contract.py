"""What every way of fusing promises. A new fusion joins with one class of one line and inherits every promise."""

from __future__ import annotations

import math
from typing import ClassVar

import pytest
import torch
from contracts.model_contract import FEATURES, B, ModelContract, T, make_batch, variant  # noqa: F401 a fixture
from torch import Tensor

from mmcore.model.embedding import key_of
from mmcore.model.fusion.add import AddFusion
from mmcore.model.fusion.concat import ConcatFusion
from mmcore.model.fusion.gated import GatedFusion
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.streams import Streams
from mmcore.trace import Trace


class FusionContract(ModelContract):
    """Inherit, name the fusion, and every promise is tested."""


def streams_of(embedded: list[Tensor], usable_BTM: Tensor | None = None, causal: bool = False) -> Streams:
    """Streams of random vectors, all of them usable unless said otherwise."""
    B, T, _ = embedded[0].shape
    if usable_BTM is None:
        usable_BTM = torch.ones(B, T, len(embedded), dtype=torch.bool)
    streams = Streams(tuple(FEATURES)[: len(embedded)], embedded, usable_BTM, usable_BTM.any(-1), causal)
    return streams.having(embedded)


class TestGated(FusionContract):
    made_of: ClassVar = {"fusion": {"kind": "gated"}}

    def test_gates_are_shown_where_something_passes(self, model: MultimodalModel) -> None:
        batch, trace = make_batch(), Trace()
        model(batch, trace=trace)
        usable_BTM = batch.valid_BT[..., None].expand_as(batch.present_BTM)
        if not model.embedding.absent:
            usable_BTM = usable_BTM & batch.present_BTM
        for m, name in enumerate(FEATURES):
            gates_BTD = torch.from_numpy(trace.arrays[f"gates/{name}"])
            shown = gates_BTD[usable_BTM[..., m]]
            assert ((shown > 0) & (shown < 1)).all()
            assert gates_BTD[~usable_BTM[..., m]].isnan().all()

    def test_the_formula(self) -> None:
        fusion, embedded = GatedFusion(tuple(FEATURES), 16), list(torch.randn(3, B, T, 16))
        p = fusion.state_dict()
        wanted = torch.zeros(B, T, 16)
        for name, e_BTD in zip(FEATURES, embedded, strict=True):
            key = f"gates.{key_of(name)}"
            wanted += torch.sigmoid(e_BTD @ p[f"{key}.weight"].T + p[f"{key}.bias"]) * e_BTD
        torch.testing.assert_close(fusion(streams_of(embedded)), wanted)


class TestConcat(FusionContract):
    made_of: ClassVar = {"fusion": {"kind": "concat"}}

    def test_the_formula(self) -> None:
        fusion, embedded = ConcatFusion(tuple(FEATURES), 16), list(torch.randn(3, B, T, 16))
        blocks = fusion.mix.weight.split(16, dim=1)
        wanted = fusion.mix.bias.expand(B, T, 16)
        for block, e_BTD in zip(blocks, embedded, strict=True):
            wanted = wanted + e_BTD @ block.T
        torch.testing.assert_close(fusion(streams_of(embedded)), wanted, atol=1e-5, rtol=1e-5)


class TestAdd(FusionContract):
    made_of: ClassVar = {"fusion": {"kind": "add"}}

    def test_the_formula_and_its_weights(self) -> None:
        fusion, embedded, trace = AddFusion(tuple(FEATURES)), list(torch.randn(3, B, T, 16)), Trace()
        with torch.no_grad():
            fusion.weights_M.copy_(torch.tensor([0.0, 1.0, -2.0]))
        found = fusion(streams_of(embedded), trace=trace)
        shares = [math.exp(w) / (1 + math.e + math.exp(-2)) for w in (0, 1, -2)]
        assert trace.arrays["weights"].tolist() == pytest.approx(shares)
        torch.testing.assert_close(found, shares[0] * embedded[0] + shares[1] * embedded[1] + shares[2] * embedded[2])


class TestDecision(FusionContract):
    made_of: ClassVar = {"fusion": {"kind": "decision"}}
