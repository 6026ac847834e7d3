"""What fusions promise that look at one step at a time, and what each of them is."""

from __future__ import annotations

import math
from typing import ClassVar, TypeVar

import pytest
import torch
from contracts.model_contract import FEATURES, SCHEMA, B, FusionContract, T, streams_of, variant  # noqa: F401 a fixture
from torch import Tensor, nn

from mmcore.config import ModelConfig
from mmcore.errors import ConfigError
from mmcore.model.embedding import key_of
from mmcore.model.fusion import build_fusion
from mmcore.model.fusion.attention import AttentionFusion
from mmcore.model.fusion.gated_softmax import GatedSoftmaxFusion
from mmcore.model.fusion.hierarchical import BimodalUnit, HierarchicalFusion
from mmcore.model.fusion.low_rank import LowRankFusion
from mmcore.model.initialisation import initialise
from mmcore.model.streams import Streams
from mmcore.trace import Trace

D, H, R = 8, 2, 3
NAMES = tuple(FEATURES)
Module = TypeVar("Module", bound=nn.Module)


def shaken(module: Module) -> Module:
    """With every parameter away from zeros and ones."""
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.0, 0.5, generator=rng)
    return module


def holes(M: int) -> Tensor:
    """Every pattern of absence among M modalities, one after the other over all steps; the first has none of them."""
    pattern_BT = torch.arange(B * T).reshape(B, T) % 2**M
    return torch.stack([(pattern_BT >> m) % 2 == 1 for m in range(M)], -1)


def random_streams(M: int = 3, usable_BTM: Tensor | None = None, width: int = D) -> Streams:
    rng = torch.Generator().manual_seed(1)
    embedded = [torch.randn(B, T, width, generator=rng).requires_grad_() for _ in range(M)]
    return streams_of(embedded, usable_BTM)


def with_ones(e_BTD: Tensor) -> Tensor:
    return torch.cat([e_BTD, torch.ones(B, T, 1)], -1)


class TestGatedSoftmax(FusionContract):
    made_of: ClassVar = {"fusion": {"kind": "gated_softmax"}}

    def test_the_formula_and_its_gates(self) -> None:
        fusion, usable_BTM, trace = shaken(GatedSoftmaxFusion(NAMES, D)), holes(3), Trace()
        streams = random_streams(3, usable_BTM)
        found = fusion(streams, trace=trace)
        linears = [fusion.gates[key_of(name)] for name in NAMES]
        shown_BTMD = torch.stack([torch.from_numpy(trace.arrays[f"gates/{name}"]) for name in NAMES], 2)
        for b in range(B):
            for t in range(T):
                there = usable_BTM[b, t].nonzero().flatten().tolist()
                assert shown_BTMD[b, t][~usable_BTM[b, t]].isnan().all()
                if not there:
                    assert (found[b, t] == 0).all()
                    continue
                powers = {m: linears[m](streams.embedded[m][b, t]).exp() for m in there}
                total = sum(powers.values())
                wanted = sum(powers[m] / total * streams.embedded[m][b, t] for m in there)
                torch.testing.assert_close(found[b, t], wanted, atol=1e-6, rtol=1e-5)
                torch.testing.assert_close(shown_BTMD[b, t, there].sum(0), torch.ones(D))
                for m in there:
                    torch.testing.assert_close(shown_BTMD[b, t, m], powers[m] / total)

    def test_one_modality_alone_passes_unchanged(self) -> None:
        only = torch.tensor([False, True, False]).expand(B, T, 3)
        streams, trace = random_streams(3, only), Trace()
        assert torch.equal(shaken(GatedSoftmaxFusion(NAMES, D))(streams, trace=trace), streams.embedded[1])
        assert (trace.arrays["gates/visual"] == 1).all()

    def test_with_nothing_to_read_gradients_are_finite(self) -> None:
        fusion, streams = shaken(GatedSoftmaxFusion(NAMES, D)), random_streams(3, torch.zeros(B, T, 3).bool())
        fused_BTD = fusion(streams)
        (fused_BTD + 1).square().sum().backward()
        assert (fused_BTD == 0).all()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in fusion.parameters())

    def test_two_modalities_are_gated_by_the_bimodal_units_z(self) -> None:
        fusion, streams, trace = shaken(GatedSoftmaxFusion(NAMES[:2], D)), random_streams(2), Trace()
        fusion(streams, trace=trace)
        one, two = (fusion.gates[key_of(name)] for name in NAMES[:2])
        W_z = torch.cat([one.weight, -two.weight], 1)
        z_BTD = (torch.cat(streams.embedded, -1) @ W_z.T + one.bias - two.bias).sigmoid()
        torch.testing.assert_close(torch.from_numpy(trace.arrays["gates/audio"]), z_BTD.detach())
        torch.testing.assert_close(torch.from_numpy(trace.arrays["gates/visual"]), 1 - z_BTD.detach())


class TestAttention(FusionContract):
    made_of: ClassVar = {"fusion": {"kind": "attention"}, "attention_dropout": 0.1}

    def test_equals_torchs_attention_over_the_modalities_of_each_step(self) -> None:
        fusion, usable_BTM, trace = shaken(AttentionFusion(NAMES, D, H, 0.0)), holes(3), Trace()
        streams = random_streams(3, usable_BTM)
        oracle, ours = nn.MultiheadAttention(D, H, batch_first=True), fusion.attention
        with torch.no_grad():
            oracle.in_proj_weight.copy_(ours.in_weight)
            oracle.in_proj_bias.copy_(ours.in_bias)
            oracle.out_proj.weight.copy_(ours.out_weight)
            oracle.out_proj.bias.copy_(ours.out_bias)
        found, traced = fusion(streams), fusion(streams, trace=trace)
        weights_BTHM = torch.from_numpy(trace.arrays["modality_attention"])
        assert weights_BTHM.shape == (B, T, H, 3)
        for b in range(B):
            for t in range(T):
                usable_M = usable_BTM[b, t]
                if not usable_M.any():
                    assert torch.equal(found[b, t], ours.out_bias)
                    assert weights_BTHM[b, t].isnan().all()
                    continue
                tokens = [streams.embedded[m][b, t] + fusion.kinds[key_of(NAMES[m])].weight[0] for m in range(3)]
                memory_1MD, query_11D = torch.stack(tokens)[None], fusion.query_D[None, None]
                wanted, weights = oracle(
                    query_11D, memory_1MD, memory_1MD, key_padding_mask=~usable_M[None], average_attn_weights=False
                )
                torch.testing.assert_close(found[b, t], wanted[0, 0], atol=1e-5, rtol=1e-5)
                torch.testing.assert_close(traced[b, t], wanted[0, 0], atol=1e-5, rtol=1e-5)
                torch.testing.assert_close(weights_BTHM[b, t], weights[0, :, 0].detach(), atol=1e-6, rtol=1e-5)
                assert (weights_BTHM[b, t][:, ~usable_M] == 0).all()

    def test_a_step_without_modalities_depends_on_no_data(self) -> None:
        fusion, streams = shaken(AttentionFusion(NAMES, D, H, 0.0)), random_streams(3, torch.zeros(B, T, 3).bool())
        for e_BTD in streams.embedded:
            e_BTD.retain_grad()
        fusion(streams).square().sum().backward()
        assert all((e_BTD.grad == 0).all() for e_BTD in streams.embedded)
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in fusion.parameters())

    def test_weights_are_dropped_out_in_training_alone(self) -> None:
        fusion, streams = shaken(AttentionFusion(NAMES, D, H, 0.5)), random_streams()
        still = fusion(streams)
        assert torch.equal(fusion(streams), still)
        assert not torch.allclose(fusion(streams, torch.Generator().manual_seed(0)), still)

    @pytest.mark.parametrize("width", [64, 256])
    def test_what_comes_out_begins_as_large_as_a_token(self, width: int) -> None:
        fusion = AttentionFusion(NAMES, width, H, 0.0)
        initialise(fusion, 0)
        only = torch.tensor([True, False, False]).expand(B, T, 3)
        streams = random_streams(3, only, width)
        token_BTD = streams.embedded[0] + fusion.kinds[key_of(NAMES[0])].weight
        assert fusion(streams).std().item() == pytest.approx(token_BTD.std().item(), rel=0.25)


def unit(parameters: dict[str, Tensor], a_BTD: Tensor, b_BTD: Tensor) -> Tensor:
    """The bimodal unit as the paper writes it."""
    h_a, h_b = torch.tanh(a_BTD @ parameters["first.weight"].T), torch.tanh(b_BTD @ parameters["second.weight"].T)
    z = torch.sigmoid(torch.cat([a_BTD, b_BTD], -1) @ parameters["gate.weight"].T)
    return z * h_a + (1 - z) * h_b


class TestHierarchical(FusionContract):
    made_of: ClassVar = {"fusion": {"kind": "hierarchical"}}

    def test_the_formula_of_a_pair_and_what_stands_where_one_is_missing(self) -> None:
        node, usable_BTM = shaken(BimodalUnit(D)), holes(2)
        streams = random_streams(2, usable_BTM)
        a_BTD, b_BTD = streams.embedded
        a_BT, b_BT = usable_BTM.unbind(-1)
        h_BTD, z_BTD = node(a_BTD, b_BTD, a_BT, b_BT)
        wanted = unit(dict(node.named_parameters()), a_BTD, b_BTD)
        torch.testing.assert_close(h_BTD[a_BT & b_BT], wanted[a_BT & b_BT])
        torch.testing.assert_close(h_BTD[a_BT & ~b_BT], torch.tanh(node.first(a_BTD[a_BT & ~b_BT])))
        torch.testing.assert_close(h_BTD[b_BT & ~a_BT], torch.tanh(node.second(b_BTD[b_BT & ~a_BT])))
        assert (h_BTD[~a_BT & ~b_BT] == 0).all()
        assert (z_BTD[a_BT & ~b_BT] == 1).all()
        assert (z_BTD[b_BT & ~a_BT] == 0).all()

    @pytest.mark.parametrize(
        ("order", "inner", "outer"),
        [
            (None, "audio|visual", "(audio|visual)|track"),
            ([["audio", "visual"], "track"], "audio|visual", "(audio|visual)|track"),
            (["track", ["visual", "audio"]], "visual|audio", "track|(visual|audio)"),
            (["track", "audio", "visual"], "track|audio", "(track|audio)|visual"),
        ],
    )
    def test_units_are_put_together_as_the_order_says(self, order: list | None, inner: str, outer: str) -> None:
        config = ModelConfig.model_validate(
            {"width": D, "heads": H, "fusion": {"kind": "hierarchical", "order": order}}
        )
        fusion = build_fusion(config, NAMES)
        assert isinstance(fusion, HierarchicalFusion)
        shaken(fusion)
        usable_BTM, trace = holes(3), Trace()
        streams = random_streams(3, usable_BTM)
        found = fusion(streams, trace=trace)
        lower, upper = f"({inner})", outer.replace(f"({inner})", "").strip("|")
        kinds = ("gates", "embedding_norm", "gated_norm")
        gates = {f"{kind}/{gate}" for kind in kinds for gate in (*inner.split("|"), lower, upper)}
        assert set(trace.arrays) == gates | {f"pairs/{inner}", f"pairs/{outer}"}

        parameters = {name: dict(fusion.units[key_of(name)].named_parameters()) for name in (inner, outer)}
        of, usable = (
            dict(zip(NAMES, streams.embedded, strict=True)),
            dict(zip(NAMES, usable_BTM.unbind(-1), strict=True)),
        )
        left, right = inner.split("|")
        pair_BTD = unit(parameters[inner], of[left], of[right])
        alone = next(name for name in NAMES if name not in (left, right))
        sides = (of[alone], pair_BTD) if outer.startswith(alone) else (pair_BTD, of[alone])
        full_BT = usable_BTM.all(-1)
        torch.testing.assert_close(found[full_BT], unit(parameters[outer], *sides)[full_BT], atol=1e-6, rtol=1e-5)

        # Alone, the third passes through the outer unit only; and the inner result through it where the third is not.
        way = {True: "first.weight", False: "second.weight"}
        only_BT = usable[alone] & (usable_BTM.sum(-1) == 1)
        through = parameters[outer][way[outer.startswith(alone)]]
        torch.testing.assert_close(found[only_BT], torch.tanh(of[alone] @ through.T)[only_BT])
        without_BT = ~usable[alone] & usable[left] & usable[right]
        through = parameters[outer][way[not outer.startswith(alone)]]
        torch.testing.assert_close(found[without_BT], torch.tanh(pair_BTD @ through.T)[without_BT])

        both = {inner: usable[left] & usable[right], outer: (usable[left] | usable[right]) & usable[alone]}
        pairs = {inner: inner.split("|"), outer: (lower, upper) if outer.endswith(upper) else (upper, lower)}
        inputs = {inner: (of[left], of[right]), outer: sides}
        for name, both_BT in both.items():
            shown = [{kind: torch.from_numpy(trace.arrays[f"{kind}/{gate}"]) for kind in kinds} for gate in pairs[name]]
            full_BT = both_BT if name == inner else both_BT & usable[left] & usable[right]
            for way, x_BTD, one in zip(("first", "second"), inputs[name], shown, strict=True):
                g_BTD, h_BTD = one["gates"], torch.tanh(x_BTD @ parameters[name][f"{way}.weight"].T)
                assert ((g_BTD > 0) & (g_BTD < 1))[both_BT].all()
                torch.testing.assert_close(one["embedding_norm"][full_BT], h_BTD.norm(dim=-1)[full_BT])
                torch.testing.assert_close(one["gated_norm"][full_BT], (g_BTD * h_BTD).norm(dim=-1)[full_BT])
                assert all(x[~both_BT].isnan().all() for x in one.values())
            z_BTD = torch.sigmoid(torch.cat(inputs[name], -1) @ parameters[name]["gate.weight"].T)
            torch.testing.assert_close(shown[0]["gates"][full_BT], z_BTD[full_BT])
            mean_BT = torch.from_numpy(trace.arrays[f"pairs/{name}"])
            torch.testing.assert_close(mean_BT[full_BT], z_BTD.mean(-1)[full_BT])
            assert mean_BT[~both_BT].isnan().all()
            torch.testing.assert_close(
                (shown[0]["gates"] + shown[1]["gates"])[both_BT], torch.ones(D).expand_as(z_BTD)[both_BT]
            )

    @pytest.mark.parametrize("order", [["audio", "visual"], ["audio", ["visual", "audio"], "track"], ["a", "b", "c"]])
    def test_an_order_that_does_not_fit_is_refused(self, order: list) -> None:
        config = ModelConfig.model_validate({"fusion": {"kind": "hierarchical", "order": order}})
        with pytest.raises(ConfigError, match="must name each modality that the model reads once"):
            build_fusion(config, NAMES)


class TestLowRank(FusionContract):
    made_of: ClassVar = {"fusion": {"kind": "low_rank", "rank": 2}}

    @pytest.mark.parametrize("there", [(0, 1, 2), (0, 2), (1,)])
    def test_equals_the_outer_product_contracted_with_the_whole_tensor(self, there: tuple[int, ...]) -> None:
        fusion = shaken(LowRankFusion(NAMES, D, R))
        streams = random_streams(3, torch.tensor([m in there for m in range(3)]).expand(B, T, 3))
        w_R, b_D = fusion.weights_R, fusion.bias_D
        letters, whole, outer = "ijk"[: len(there)], w_R[:, None], torch.ones(B, T)
        for m, letter in zip(there, letters, strict=True):
            factor = fusion.factors[key_of(NAMES[m])]
            # (R, D + 1, D): rows for the features, and one for the appended 1.
            factor_RID = torch.cat([factor.weight.view(R, D, D).transpose(1, 2), factor.one.view(R, 1, D)], 1)
            before = letters[: letters.index(letter)]
            whole = torch.einsum(
                f"r{before}d,r{letter}d->r{before}{letter}d", whole.expand(*whole.shape[:-1], D), factor_RID
            )
            outer = torch.einsum(f"bt{before},bt{letter}->bt{before}{letter}", outer, with_ones(streams.embedded[m]))
        wanted = torch.einsum(f"bt{letters},{letters}d->btd", outer, whole.sum(0)) + b_D
        torch.testing.assert_close(fusion(streams), wanted, atol=1e-4, rtol=1e-4)

    def test_a_step_without_modalities_is_all_factors_neutral(self) -> None:
        fusion, streams = shaken(LowRankFusion(NAMES, D, R)), random_streams(3, torch.zeros(B, T, 3).bool())
        wanted = (fusion.weights_R.sum() + fusion.bias_D).expand(B, T, D)
        torch.testing.assert_close(fusion(streams), wanted)
        initialise(fusion, 0)
        assert fusion(streams).abs().max() < 1e-6

    @pytest.mark.parametrize("width", [64, 256])
    @pytest.mark.parametrize("rank", [1, 4, 16])
    def test_outputs_and_gradients_begin_at_order_one(self, width: int, rank: int) -> None:
        fusion, streams = LowRankFusion(NAMES, width, rank), random_streams(3, width=width)
        initialise(fusion, 0)
        fused_BTD = fusion(streams)
        assert fused_BTD.std().item() == pytest.approx(math.sqrt((4 / 3) ** 3 - 1), rel=0.1)
        gradients = torch.autograd.grad(fused_BTD.square().sum() / 2, streams.embedded)
        assert all(0.5 < g_BTD.std() < 2.5 for g_BTD in gradients)
