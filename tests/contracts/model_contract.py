"""What every model promises, whatever it is made of: inherited by the contracts of fusions and of heads."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from mmcore.config import Plain
from mmcore.model.cost import count_flops, count_parameters
from mmcore.model.embedding import key_of
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.streams import Streams
from mmcore.promises.examples import FEATURES, GARBAGE, SCHEMA, VARIANTS, B, T, build, make_batch, overwrite
from mmcore.promises.models import MODEL_PROMISES, gradients_of
from mmcore.trace import Trace

__all__ = ["FEATURES", "SCHEMA", "B", "FusionContract", "HeadContract", "T", "make_batch", "overwrite", "streams_of"]
PROMISES = {promise.name: promise for promise in MODEL_PROMISES}


def streams_of(embedded: list[Tensor], usable_BTM: Tensor | None = None, causal: bool = False) -> Streams:
    """Streams of random vectors, all of them usable unless said otherwise."""
    B, T, _ = embedded[0].shape
    if usable_BTM is None:
        usable_BTM = torch.ones(B, T, len(embedded), dtype=torch.bool)
    streams = Streams(tuple(FEATURES)[: len(embedded)], embedded, usable_BTM, usable_BTM.any(-1), causal)
    return streams.having(embedded)


@pytest.fixture(params=list(VARIANTS))
def variant(request: pytest.FixtureRequest) -> Plain:
    return VARIANTS[request.param]


class ModelContract:
    """Inherit, say what the model is made of, and every promise is tested."""

    made_of: ClassVar[Plain]

    @pytest.fixture
    def model(self, variant: Plain) -> MultimodalModel:
        return build(self.made_of | variant)

    @pytest.mark.parametrize("promise", list(PROMISES))
    def test_every_promise_is_kept(self, model: MultimodalModel, promise: str) -> None:
        PROMISES[promise].test(model)

    def test_outputs_depend_on_their_own_and_on_earlier_steps(self, model: MultimodalModel) -> None:
        for t, gradients in gradients_of(model):
            for g_BTF in gradients.values():
                assert (g_BTF[:, t] != 0).any()
                assert t == 0 or (g_BTF[:, :t] != 0).any()
                assert model.causal or t == T - 1 or (g_BTF[:, t + 1 :] != 0).any()

    @pytest.mark.parametrize("modalities", [("visual",), ("track", "audio"), tuple(FEATURES)])
    def test_any_number_of_modalities(self, modalities: tuple[str, ...], variant: Plain) -> None:
        batch = make_batch()
        model = build(self.made_of | variant, modalities)
        assert model(batch).shape == (B, T, 2, 3)
        assert model.fusion is None or len(modalities) > 1
        counts = count_parameters(model)
        assert counts["total"] == sum(p.numel() for p in model.parameters())
        assert all(n > 0 for n in (counts["embedding"], counts["encoder"], counts["head"]))
        assert count_flops(model, T)["total"] > 0

    def test_targets_of_items(self, variant: Plain) -> None:
        batch = make_batch()
        model = build(self.made_of | variant | {"scope": "item"})
        wanted = model(batch)
        assert wanted.shape == (B, 1, 2, 3)
        absent_BTM = ~batch.present_BTM | ~batch.valid_BT[..., None]
        for value in GARBAGE:
            assert torch.equal(model(overwrite(batch, absent_BTM, value)), wanted)

    @pytest.mark.parametrize("absent", list(FEATURES))
    def test_gradients_reach_every_present_modality_and_none_that_is_absent(
        self, model: MultimodalModel, absent: str
    ) -> None:
        batch = make_batch()
        m = list(FEATURES).index(absent)
        batch.present_BTM[..., m] = False
        batch.values[absent].fill_(torch.nan)
        model(batch, torch.Generator().manual_seed(0)).square().sum().backward()
        for name in FEATURES:
            for parameter in model.embedding.linears[key_of(name)].parameters():
                gradient = parameter.grad
                assert gradient is not None
                assert torch.isfinite(gradient).all()
                assert (gradient != 0).any() == (name != absent)

    def test_a_trace_shows(self, model: MultimodalModel) -> None:
        batch = make_batch()
        trace = Trace()
        model(batch, trace=trace)
        usable_BTM = batch.present_BTM & batch.valid_BT[..., None]
        assert torch.equal(torch.from_numpy(trace.arrays["present"]), usable_BTM)
        over_time = {k: torch.from_numpy(v) for k, v in trace.arrays.items() if v.shape[-2:] == (T, T)}
        assert over_time
        for weights_BHTT in over_time.values():
            totals = weights_BHTT.sum(-1)
            # NaN: a query that may look at nothing.
            torch.testing.assert_close(totals[~totals.isnan()], torch.ones(int((~totals.isnan()).sum())))
            queries_at_steps = weights_BHTT.transpose(1, 2)[batch.valid_BT]
            keys_are_padding = ~batch.valid_BT[:, None].expand(B, T, T)[batch.valid_BT]
            at_padding = queries_at_steps.transpose(1, 2)[keys_are_padding]
            assert (at_padding.isnan() | (at_padding == 0)).all()
            if model.causal:
                assert (weights_BHTT.nan_to_num().triu(1) == 0).all()

    def test_training_draws_from_its_generator(self, model: MultimodalModel) -> None:
        batch = make_batch()
        first = model(batch, torch.Generator().manual_seed(5))
        assert not torch.equal(model(batch, torch.Generator().manual_seed(6)), first)
        assert not torch.equal(first, model(batch))

    def test_module_mode_changes_nothing(self, model: MultimodalModel) -> None:
        batch = make_batch()
        assert torch.equal(model.train()(batch), model.eval()(batch))


class FusionContract(ModelContract):
    """Inherit, name the fusion, and every promise is tested."""


class HeadContract(ModelContract):
    """Inherit, name the head, and every promise is tested."""
