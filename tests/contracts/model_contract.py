"""What every model promises, whatever it is made of: inherited by the contracts of fusions and of heads."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from mmcore.batch import Batch
from mmcore.config import ModelConfig, Plain
from mmcore.model.build import build_model
from mmcore.model.cost import count_flops, count_parameters
from mmcore.model.embedding import key_of
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.streams import Streams
from mmcore.schema import CorpusSchema
from mmcore.trace import Trace

B, T = 4, 7
FEATURES = {"audio": 3, "visual": 5, "track": 4}
GARBAGE = (torch.nan, torch.inf, -torch.inf, 1e30, 3.0)
SCHEMA = CorpusSchema.model_validate(
    {
        "format": 1,
        "name": "contract",
        "modalities": {name: {"features": [{"name": f"f_{{0..{F - 1}}}"}]} for name, F in FEATURES.items()},
        "targets": {
            "from": "labels",
            "tracks": 2,
            "parameters": [
                {"name": "active", "kind": "binary", "component": "active"},
                {"name": "x", "component": "position"},
            ],
        },
    }
)


def make_batch() -> Batch:
    """Random values, a third of the places absent, ragged ends, one row without any modality, one full row."""
    rng = torch.Generator().manual_seed(0)
    present_BTM = torch.rand(B, T, len(FEATURES), generator=rng) < 0.67
    present_BTM[1] = False
    present_BTM[0] = True
    nothing = torch.zeros(B, T, 2, 2)
    return Batch(
        values={name: torch.randn(B, T, F, generator=rng) for name, F in FEATURES.items()},
        present_BTM=present_BTM,
        valid_BT=torch.arange(T) < torch.tensor([T, 5, 3, 4])[:, None],
        target_BTKP=nothing,
        target_valid_BTKP=nothing.bool(),
        previous_BTKP=nothing,
        previous_valid_BTKP=nothing.bool(),
        item_B=torch.arange(B),
        start_B=torch.zeros(B, dtype=torch.int64),
    ).check()


def overwrite(batch: Batch, where_BTM: Tensor, value: float) -> Batch:
    values = {
        name: x_BTF.masked_fill(where_BTM[..., m, None], value) for m, (name, x_BTF) in enumerate(batch.values.items())
    }
    return replace(batch, values=values)


def build(made_of: Plain, modalities: tuple[str, ...] | None = None) -> MultimodalModel:
    """A small model; ``causal`` and ``scope`` stand for what task and corpus decide."""
    made_of = dict(made_of)
    causal, scope = made_of.pop("causal", False), made_of.pop("scope", "step")
    sizes = {"width": 16, "layers": 2, "heads": 2, "feed_forward": 24, "dropout": 0.2, "modalities": modalities}
    schema = SCHEMA.model_copy(update={"targets": SCHEMA.targets.model_copy(update={"scope": scope})})
    model = build_model(ModelConfig.model_validate(sizes | made_of), schema, causal, repeat=0, window=T)
    # Away from the initial zeros and ones, so that no bias is silent by chance.
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=rng) * 0.05)
    return model


VARIANTS = {
    "post-free": {},
    "pre-causal": {"norm": "pre", "causal": True},
    "learned-absence-causal": {"absence": "learned", "causal": True, "time_features": True},
    "mid-rotary": {"layers_before": 1, "layers": 1, "positions": "rotary", "norm": "pre"},
    "late-causal": {"layers_before": 2, "layers": 0, "causal": True, "positions": "learned"},
}
"""Norm, direction, placement, absence and positions, mixed so that each meets every member of a family."""


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

    def test_what_is_absent_cannot_change_a_bit(self, model: MultimodalModel) -> None:
        batch = make_batch()
        wanted = model(batch)
        assert torch.isfinite(wanted).all()
        for value in GARBAGE:
            assert torch.equal(model(overwrite(batch, ~batch.present_BTM, value)), wanted)

    def test_what_is_present_can(self, model: MultimodalModel) -> None:
        batch = make_batch()
        wanted = model(batch)
        for m in range(len(FEATURES)):
            one_BTM = torch.zeros_like(batch.present_BTM)
            one_BTM[0, :, m] = True
            changed = model(overwrite(batch, one_BTM, 3.0))
            assert not torch.allclose(changed[0], wanted[0], atol=1e-4)
            assert torch.equal(changed[1:], wanted[1:])

    def test_padding_cannot_change_a_bit_of_a_valid_step(self, model: MultimodalModel) -> None:
        batch = make_batch()
        valid_BT = batch.valid_BT
        wanted = model(batch)
        padding_BTM = ~valid_BT[..., None].expand_as(batch.present_BTM)
        for value, present in product(GARBAGE, (False, True)):
            noisy = replace(
                overwrite(batch, padding_BTM, value),
                present_BTM=torch.where(padding_BTM, torch.tensor(present), batch.present_BTM),
            )
            found = model(noisy)
            assert torch.equal(found[valid_BT], wanted[valid_BT])
            assert torch.isfinite(found).all()

    def test_rows_are_independent(self, model: MultimodalModel) -> None:
        batch = make_batch()
        order = torch.tensor([2, 0, 3, 1])
        shuffled = replace(
            batch,
            values={name: x_BTF[order] for name, x_BTF in batch.values.items()},
            present_BTM=batch.present_BTM[order],
            valid_BT=batch.valid_BT[order],
        )
        torch.testing.assert_close(model(shuffled), model(batch)[order], atol=1e-6, rtol=1e-6)
        # Nor does another row's content count, not even by rounding.
        other = torch.zeros_like(batch.present_BTM)
        other[2] = True
        rows = [0, 1, 3]
        assert torch.equal(model(overwrite(batch, other, 3.0))[rows], model(batch)[rows])

    def test_a_causal_output_does_not_depend_on_what_comes_later(self, model: MultimodalModel) -> None:
        batch = replace(
            make_batch(),
            present_BTM=torch.ones(B, T, len(FEATURES), dtype=torch.bool),
            valid_BT=torch.ones(B, T, dtype=torch.bool),
        )
        for x_BTF in batch.values.values():
            x_BTF.requires_grad_()
        outputs_BTKO = model(batch)
        direction = torch.randn(outputs_BTKO.shape[2:], generator=torch.Generator().manual_seed(2))
        for t in (0, 3, T - 1):
            gradients = torch.autograd.grad(
                (outputs_BTKO[:, t] * direction).sum(), list(batch.values.values()), retain_graph=True
            )
            for g_BTF in gradients:
                later, earlier = g_BTF[:, t + 1 :], g_BTF[:, :t]
                assert (g_BTF[:, t] != 0).any()
                assert t == 0 or (earlier != 0).any()
                if model.causal:
                    assert (later == 0).all()
                else:
                    assert t == T - 1 or (later != 0).any()

    def test_with_nothing_at_all_outputs_and_gradients_stay_finite(self, model: MultimodalModel) -> None:
        batch = make_batch()
        for valid in (True, False):
            empty = replace(
                overwrite(batch, torch.ones_like(batch.present_BTM), torch.nan),
                present_BTM=torch.zeros_like(batch.present_BTM),
                valid_BT=torch.full((B, T), valid),
            )
            outputs_BTKO = model(empty, torch.Generator().manual_seed(0))
            assert torch.isfinite(outputs_BTKO).all()
            model.zero_grad()
            outputs_BTKO.square().sum().backward()
            assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)

    @pytest.mark.parametrize("left", list(FEATURES))
    def test_with_one_modality_left_outputs_and_gradients_stay_finite(self, model: MultimodalModel, left: str) -> None:
        batch = make_batch()
        others = torch.tensor([name != left for name in FEATURES]).expand_as(batch.present_BTM)
        alone = replace(overwrite(batch, others, torch.nan), present_BTM=~others)
        outputs_BTKO = model(alone, torch.Generator().manual_seed(0))
        assert torch.isfinite(outputs_BTKO).all()
        outputs_BTKO.square().sum().backward()
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)

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

    def test_a_trace_shows_and_does_not_change(self, model: MultimodalModel) -> None:
        batch = make_batch()
        trace = Trace()
        torch.testing.assert_close(model(batch, trace=trace), model(batch), atol=1e-6, rtol=1e-5)
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

    def test_training_draws_from_its_generator_alone(self, model: MultimodalModel) -> None:
        batch = make_batch()
        state = torch.random.get_rng_state()
        still = model(batch)
        assert torch.equal(model(batch), still)
        first = model(batch, torch.Generator().manual_seed(5))
        assert torch.equal(model(batch, torch.Generator().manual_seed(5)), first)
        assert not torch.equal(model(batch, torch.Generator().manual_seed(6)), first)
        assert not torch.equal(first, still)
        assert torch.equal(torch.random.get_rng_state(), state)

    def test_module_mode_changes_nothing(self, model: MultimodalModel) -> None:
        batch = make_batch()
        assert torch.equal(model.train()(batch), model.eval()(batch))


class FusionContract(ModelContract):
    """Inherit, name the fusion, and every promise is tested."""


class HeadContract(ModelContract):
    """Inherit, name the head, and every promise is tested."""
