"""What fusions promise in which steps look at one another, and what each of them is."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from contracts.model_contract import FEATURES, B, FusionContract, T, streams_of, variant  # noqa: F401 a fixture
from torch import Tensor, nn

from mmcore.model.embedding import key_of
from mmcore.model.fusion.bottleneck import BottleneckFusion
from mmcore.model.fusion.cross_modal import CrossModalFusion, CrossModalLayer
from mmcore.model.layer_sizes import LayerSizes
from mmcore.trace import Trace

D, H, W = 16, 4, 24
NAMES = tuple(FEATURES)


def shaken(module: nn.Module) -> nn.Module:
    """With all parameters away from zeros and ones, but norms near one, so that what is different stays so."""
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=rng) * 0.3 + name.endswith("norm.weight"))
    return module


def random_streams(M: int, usable_BTM: Tensor | None = None, causal: bool = False):
    rng = torch.Generator().manual_seed(1)
    return streams_of(list(torch.randn(M, B, T, D, generator=rng)), usable_BTM, causal)


def halves() -> Tensor:
    """Two modalities that are never there at the same step: one up to step 3, the other from then on."""
    early_BT = (torch.arange(T) < 3).expand(B, T)
    return torch.stack((early_BT, ~early_BT), -1)


def reads(fused_BTD: Tensor, steps: slice, source_BTD: Tensor) -> bool:
    """Whether what came out at some steps depends on a source."""
    direction = torch.randn(D, generator=torch.Generator().manual_seed(2))
    (gradient,) = torch.autograd.grad((fused_BTD[:, steps] * direction).sum(), source_BTD, retain_graph=True)
    return bool((gradient != 0).any())


class TestCrossModal(FusionContract):
    made_of: ClassVar = {"fusion": {"kind": "cross_modal", "layers": 2}}

    @pytest.mark.parametrize("causal", [False, True])
    def test_a_layer_equals_the_formula_with_torchs_attention(self, causal: bool) -> None:
        layer = CrossModalLayer(LayerSizes(D, H, W, 0.1, 0.1))
        shaken(layer)
        oracle = nn.MultiheadAttention(D, H, batch_first=True)
        ours = layer.attention
        with torch.no_grad():
            oracle.in_proj_weight.copy_(ours.in_weight)
            oracle.in_proj_bias.copy_(ours.in_bias)
            oracle.out_proj.weight.copy_(ours.out_weight)
            oracle.out_proj.bias.copy_(ours.out_bias)
        usable_BTM = torch.rand(B, T, 2, generator=torch.Generator().manual_seed(3)) < 0.6
        usable_BTM[:, 0] = True
        streams = random_streams(2, usable_BTM, causal)
        z_BTD, source_BTD = streams.embedded
        future = torch.ones(T, T, dtype=torch.bool).triu(1) if causal else None
        keys_BTD = layer.source_norm(source_BTD)
        read_BTD, weights = oracle(
            layer.target_norm(z_BTD),
            keys_BTD,
            keys_BTD,
            key_padding_mask=~streams.usable(1),
            attn_mask=future,
            average_attn_weights=False,
        )
        middle_BTD = z_BTD + read_BTD
        fed_BTD = layer.narrow(torch.relu(layer.widen(layer.feed_forward_norm(middle_BTD))))
        trace = Trace()
        found = layer(z_BTD, source_BTD, streams.cross_mask(1), None, trace, "weights")
        torch.testing.assert_close(found, middle_BTD + fed_BTD, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(torch.from_numpy(trace.arrays["weights"]), weights, atol=1e-6, rtol=1e-5)

    def test_every_layer_reads_the_original_source_and_the_results_are_mixed(self) -> None:
        fusion = CrossModalFusion(NAMES, LayerSizes(D, H, W), 2)
        shaken(fusion)
        streams = random_streams(3, torch.rand(B, T, 3, generator=torch.Generator().manual_seed(3)) < 0.6)
        wanted = fusion.mix.bias.expand(B, T, D)
        blocks = iter(fusion.mix.weight.split(D, dim=1))
        for a, target in enumerate(NAMES):
            for b, source in enumerate(NAMES):
                if a != b:
                    first, second = fusion.pairs[key_of(target)][key_of(source)]
                    mask, e_BTD = streams.cross_mask(b), streams.embedded[b]
                    z_BTD = first(streams.embedded[a], e_BTD, mask, None, None, "")
                    z_BTD = second(z_BTD, e_BTD, mask, None, None, "")
                    wanted = wanted + (z_BTD * streams.usable(a)[..., None]) @ next(blocks).T
        torch.testing.assert_close(fusion(streams), wanted, atol=1e-4, rtol=1e-4)

    @pytest.mark.parametrize("causal", [False, True])
    def test_it_shows_where_each_modality_looks(self, causal: bool) -> None:
        fusion = CrossModalFusion(NAMES[:2], LayerSizes(D, H, W), 1)
        shaken(fusion)
        trace = Trace()
        fusion(random_streams(2, halves(), causal), trace=trace)
        assert set(trace.arrays) == {"cross_attention/audio/visual/0", "cross_attention/visual/audio/0"}
        early = torch.from_numpy(trace.arrays["cross_attention/visual/audio/0"])
        late = torch.from_numpy(trace.arrays["cross_attention/audio/visual/0"])
        assert ((early > 0) == (torch.arange(T) < 3) & (torch.ones(T, T).tril().bool() | (not causal))).all()
        # No step before the third finds anything of a modality that begins there.
        assert late[:, :, :3].isnan().all() == causal
        assert (late[..., :3].nan_to_num() == 0).all()

    def test_one_modality_reaches_the_other_over_time(self) -> None:
        fusion = CrossModalFusion(NAMES[:2], LayerSizes(D, H, W), 1)
        shaken(fusion)
        streams = random_streams(2, halves())
        late_BTD = streams.embedded[1].requires_grad_()
        assert reads(fusion(streams), slice(0, 3), late_BTD)


class TestBottleneck(FusionContract):
    made_of: ClassVar = {"fusion": {"kind": "bottleneck", "layers": 2, "tokens": 2}}

    @staticmethod
    def fusion(layers: int, M: int = 2, tokens: int = 2, **values) -> BottleneckFusion:
        sizes = replace(LayerSizes(D, H, W, norm="pre"), **values)
        fusion = BottleneckFusion(NAMES[:M], sizes, layers, tokens)
        shaken(fusion)
        return fusion

    @pytest.mark.parametrize("norm", ["post", "pre"])
    @pytest.mark.parametrize("rotary", [False, True])
    def test_what_one_modality_knows_reaches_another_through_the_tokens_alone(self, norm: str, rotary: bool) -> None:
        # The two are never there at the same step, so that what comes out at a step is the state of one of them.
        streams = random_streams(2, halves())
        late_BTD = streams.embedded[1].requires_grad_()
        early = slice(0, 3)
        one, two = (self.fusion(n, norm=norm, rotary=rotary) for n in (1, 2))
        assert reads(one(streams), slice(3, T), late_BTD)
        assert not reads(one(streams), early, late_BTD)
        assert reads(two(streams), early, late_BTD)

        class Silent(nn.Module):
            """A layer that proposes the tokens that it was given."""

            def __init__(self, layer: nn.Module) -> None:
                super().__init__()
                self.layer = layer

            def forward(self, x_BSD, *rest):
                return torch.cat((self.layer(x_BSD, *rest)[:, :T], x_BSD[:, T:]), 1)

        first = two.layers[0]
        first[key_of(NAMES[1])] = Silent(first[key_of(NAMES[1])])
        assert not reads(two(streams), early, late_BTD)

    def test_the_formula(self) -> None:
        # Written step by step, for one row and a causal model in which each step sees the steps up to its own.
        fusion = self.fusion(2, M=3, tokens=1)
        usable_BTM = torch.rand(B, T, 3, generator=torch.Generator().manual_seed(3)) < 0.5
        row, last = 2, T - 1
        usable_BTM[row, 2] = False
        valid_T = torch.arange(T) < last
        usable_BTM &= valid_T[:, None]
        usable_TM = usable_BTM[row]
        # Some steps exist without any modality, and their tokens are looked at; the last one does not exist.
        streams = replace(random_streams(3, usable_BTM, causal=True), valid_BT=valid_T.expand(B, T))
        z = [e[row] for e in streams.embedded]
        b_TD = fusion.positions(torch.zeros(1, T, D))[0] + fusion.tokens_ND[0]
        for layer in fusion.layers:
            new_z, proposals = [], []
            for m, module in enumerate(layer.values()):
                seen = torch.zeros(2 * T, 2 * T, dtype=torch.bool)
                for q in range(2 * T):
                    for k in range(2 * T):
                        usable = usable_TM[k, m] if k < T else valid_T[k - T]
                        seen[q, k] = (usable and k % T <= q % T) or q == k
                mask = torch.where(seen, 0.0, -torch.inf)[None, None]
                out = module(torch.cat((z[m], b_TD))[None], mask, None, None, "")[0]
                new_z.append(torch.where(usable_TM[:, m, None], out[:T], 0.0))
                proposals.append(out[T:])
            for t in range(T):
                using = [p[t] for m, p in enumerate(proposals) if usable_TM[t, m]]
                if using:
                    b_TD = torch.cat((b_TD[:t], torch.stack(using).mean(0)[None], b_TD[t + 1 :]))
            z = new_z
        found = fusion(streams)[row]
        for t in range(T):
            using = [x[t] for m, x in enumerate(z) if usable_TM[t, m]]
            wanted = torch.stack(using).mean(0) if using else torch.zeros(D)
            torch.testing.assert_close(found[t], wanted, atol=1e-5, rtol=1e-5)

    def test_it_shows_whole_attention(self) -> None:
        trace = Trace()
        self.fusion(2, tokens=3)(random_streams(2, causal=True), trace=trace)
        assert set(trace.arrays) == {f"bottleneck/{name}/{i}" for name in NAMES[:2] for i in range(2)}
        step_S = torch.cat((torch.arange(T), torch.arange(3 * T) // 3))
        for weights in trace.arrays.values():
            assert weights.shape == (B, H, 4 * T, 4 * T)
            assert ((torch.from_numpy(weights) > 0) == (step_S[None, :] <= step_S[:, None])).all()

    def test_rotary_tokens_turn_with_their_step(self) -> None:
        # Products of rotated queries and keys know distances alone: a window that begins later gives the same.
        fusion = self.fusion(2, rotary=True)
        streams = random_streams(2)
        usable_BTM = streams.usable_BTM.clone()
        usable_BTM[:, :2] = False
        later = streams_of(streams.embedded, usable_BTM)
        shifted = streams_of([e[:, 2:] for e in streams.embedded])
        torch.testing.assert_close(fusion(later)[:, 2:], fusion(shifted), atol=1e-4, rtol=1e-4)
        plain = self.fusion(2, rotary=False)
        assert not torch.allclose(plain(later)[:, 2:], plain(shifted), atol=1e-3)
