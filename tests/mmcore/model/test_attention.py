import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmcore.model import attention
from mmcore.model.attention import MultiheadAttention, attention_mask, rotate
from mmcore.trace import Trace

B, T, D, H = 3, 9, 16, 4


def attention_like(oracle: nn.MultiheadAttention, dropout: float = 0.0, rotary: bool = False) -> MultiheadAttention:
    ours = MultiheadAttention(D, H, dropout, rotary)
    with torch.no_grad():
        ours.in_weight.copy_(oracle.in_proj_weight)
        ours.in_bias.copy_(torch.randn(3 * D))
        oracle.in_proj_bias.copy_(ours.in_bias)
        ours.out_weight.copy_(oracle.out_proj.weight)
        ours.out_bias.copy_(torch.randn(D))
        oracle.out_proj.bias.copy_(ours.out_bias)
    return ours


def ragged() -> torch.Tensor:
    return torch.arange(T) < torch.tensor([T, 5, 1])[:, None]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("explicit", [False, True])
def test_equals_torchs_multihead_attention(causal: bool, explicit: bool) -> None:
    torch.manual_seed(0)
    oracle = nn.MultiheadAttention(D, H, batch_first=True)
    ours = attention_like(oracle)
    x_BTD, valid_BT = torch.randn(B, T, D), ragged()
    future = torch.ones(T, T, dtype=torch.bool).triu(1) if causal else None
    wanted, weights = oracle(
        x_BTD, x_BTD, x_BTD, key_padding_mask=~valid_BT, attn_mask=future, average_attn_weights=False
    )
    trace = Trace() if explicit else None
    found = ours(x_BTD, attention_mask(valid_BT, causal), trace=trace)
    torch.testing.assert_close(found[valid_BT], wanted[valid_BT], atol=1e-6, rtol=1e-5)
    if trace is not None:
        shown = torch.from_numpy(trace.arrays["attention"]).transpose(1, 2)
        torch.testing.assert_close(shown[valid_BT], weights.transpose(1, 2)[valid_BT], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_fused_and_explicit_weights_agree_in_value_and_gradient(causal: bool) -> None:
    torch.manual_seed(1)
    ours = attention_like(nn.MultiheadAttention(D, H, batch_first=True))
    mask = attention_mask(ragged(), causal)
    x_BTD = torch.randn(B, T, D, requires_grad=True)
    inputs = [x_BTD, *ours.parameters()]
    fused, explicit = ours(x_BTD, mask), ours(x_BTD, mask, trace=Trace())
    torch.testing.assert_close(fused, explicit, atol=1e-6, rtol=1e-5)
    for a, b in zip(
        torch.autograd.grad(fused.square().sum(), inputs),
        torch.autograd.grad(explicit.square().sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_the_mask_lets_each_query_see_valid_keys_and_itself() -> None:
    valid_BT = torch.tensor([[True, True, False], [False, False, False]])
    seen = attention_mask(valid_BT, causal=False)[:, 0] == 0
    assert seen.tolist() == [
        [[True, True, False], [True, True, False], [True, True, True]],
        [[True, False, False], [False, True, False], [False, False, True]],
    ]
    seen = attention_mask(valid_BT, causal=True)[:, 0] == 0
    assert seen[0].tolist() == [[True, False, False], [True, True, False], [True, True, True]]


def test_a_row_of_padding_alone_stays_finite_in_value_and_gradient() -> None:
    ours = attention_like(nn.MultiheadAttention(D, H, batch_first=True))
    x_BTD = torch.randn(2, T, D, requires_grad=True)
    out = ours(x_BTD, attention_mask(torch.zeros(2, T, dtype=torch.bool), causal=True))
    out.sum().backward()
    assert torch.isfinite(out).all()
    assert x_BTD.grad is not None
    assert torch.isfinite(x_BTD.grad).all()


def test_the_fused_kernel_is_used_unless_weights_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    fused = F.scaled_dot_product_attention
    monkeypatch.setattr(F, "scaled_dot_product_attention", lambda *a, **k: calls.append(1) or fused(*a, **k))
    x_BTD, mask, rng = torch.randn(B, T, D), attention_mask(ragged(), False), torch.Generator()
    plain = attention_like(nn.MultiheadAttention(D, H))
    dropping = attention_like(nn.MultiheadAttention(D, H), dropout=0.5)
    plain(x_BTD, mask)
    plain(x_BTD, mask, rng)
    dropping(x_BTD, mask)
    assert len(calls) == 3
    plain(x_BTD, mask, trace=Trace())
    dropping(x_BTD, mask, rng)
    assert len(calls) == 3


def test_in_bf16_the_fused_kernel_is_left_to_long_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    fused = F.scaled_dot_product_attention
    monkeypatch.setattr(
        F, "scaled_dot_product_attention", lambda q, *a, **k: calls.append(q.shape[2]) or fused(q, *a, **k)
    )
    monkeypatch.setattr(attention, "LARGEST", 12 * 12)
    ours = attention_like(nn.MultiheadAttention(D, H))
    for steps in (11, 12, 13):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            ours(torch.randn(B, steps, D), attention_mask(torch.ones(B, steps, dtype=torch.bool), False))
    assert calls == [13]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours(torch.randn(B, 13, D), None, memory_BSD=torch.randn(B, 11, D))
    assert calls == [13]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("rotary", [False, True])
def test_in_bf16_parts_are_as_exact_as_the_fused_kernel(
    monkeypatch: pytest.MonkeyPatch, causal: bool, rotary: bool
) -> None:
    """Against float64: neither values nor slopes are further off than the fused kernel's, up to a quarter."""
    torch.manual_seed(4)
    ours = attention_like(nn.MultiheadAttention(D, H, batch_first=True), rotary=rotary)
    mask, valid_BT = attention_mask(ragged(), causal), ragged()
    x_BTD, slope_BTD = 3 * torch.randn(B, T, D), torch.randn(B, T, D) * valid_BT[..., None]

    def of(precision: torch.dtype, limit: int) -> list[torch.Tensor]:
        monkeypatch.setattr(attention, "LARGEST", limit)
        exact = precision == torch.float64
        layer = copy.deepcopy(ours).double() if exact else ours
        x = (x_BTD.double() if exact else x_BTD).clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=not exact):
            made = layer(x, mask.double() if exact else mask)
        slopes = torch.autograd.grad(made, [x, *layer.parameters()], slope_BTD.to(made.dtype))
        return [made[valid_BT].detach().double(), *(one.double() for one in slopes)]

    true, parts, fused = of(torch.float64, 0), of(torch.bfloat16, 1 << 16), of(torch.bfloat16, 0)
    for t, p, f in zip(true, parts, fused, strict=True):
        off, allowed = (p - t).norm() / t.norm(), (f - t).norm() / t.norm()
        assert 0 < off < 1.25 * allowed + 1e-3
        assert off < 0.05


def test_attention_dropout_acts_in_training_alone_and_keeps_the_mean() -> None:
    torch.manual_seed(2)
    ours = attention_like(nn.MultiheadAttention(D, H, batch_first=True), dropout=0.3)
    x_BTD, mask, rng = torch.randn(B, T, D), attention_mask(ragged(), False), torch.Generator().manual_seed(0)
    still = ours(x_BTD, mask)
    draws = torch.stack([ours(x_BTD, mask, rng) for _ in range(3000)])
    assert (draws[0] != draws[1]).any()
    error = (draws.mean(0) - still).abs() / (draws.std(0) / 3000**0.5).clamp_min(1e-6)
    assert error.max() < 5


@pytest.mark.parametrize("explicit", [False, True])
def test_with_a_memory_it_equals_torchs_multihead_attention(explicit: bool) -> None:
    torch.manual_seed(0)
    oracle = nn.MultiheadAttention(D, H, batch_first=True)
    ours = attention_like(oracle)
    S = 5
    x_BTD, memory_BSD = torch.randn(B, T, D), torch.randn(B, S, D)
    usable_BS = torch.tensor([[True] * S, [False, True, False, True, False], [False] * 4 + [True]])
    wanted, weights = oracle(x_BTD, memory_BSD, memory_BSD, key_padding_mask=~usable_BS, average_attn_weights=False)
    mask = torch.zeros(B, 1, 1, S).masked_fill_(~usable_BS[:, None, None], -torch.inf)
    trace = Trace() if explicit else None
    found = ours(x_BTD, mask, trace=trace, memory_BSD=memory_BSD)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)
    if trace is not None:
        torch.testing.assert_close(torch.from_numpy(trace.arrays["attention"]), weights, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("explicit", [False, True])
@pytest.mark.parametrize("garbage", [0.0, 1e30])
def test_a_query_without_any_key_gets_the_bias_alone(explicit: bool, garbage: float) -> None:
    ours = attention_like(nn.MultiheadAttention(D, H, batch_first=True))
    x_BTD = torch.randn(B, T, D, requires_grad=True)
    usable_BT = torch.arange(T) >= torch.tensor([0, 4, T])[:, None]
    memory_BTD = torch.randn(B, T, D).masked_fill_(~usable_BT[..., None], garbage).requires_grad_()
    trace = Trace() if explicit else None
    found = ours(x_BTD, attention_mask(usable_BT, causal=True, itself=False), trace=trace, memory_BSD=memory_BTD)
    # Row 0 sees from its first step on, row 1 from its fifth, row 2 nothing.
    blind_BT = torch.arange(T) < torch.tensor([0, 4, T])[:, None]
    assert torch.equal(found[blind_BT], ours.out_bias.expand(int(blind_BT.sum()), D))
    assert not torch.isclose(found[~blind_BT], ours.out_bias).all(-1).any()
    found.square().sum().backward()
    for inputs in (x_BTD, memory_BTD, *ours.parameters()):
        assert inputs.grad is not None
        assert torch.isfinite(inputs.grad).all()
    assert x_BTD.grad is not None
    assert (x_BTD.grad[blind_BT] == 0).all()
    if trace is not None:
        shown = torch.from_numpy(trace.arrays["attention"]).transpose(1, 2)
        assert shown[blind_BT].isnan().all()
        assert not shown[~blind_BT].isnan().any()


def test_without_the_diagonal_a_query_may_be_left_with_nothing() -> None:
    valid_BT = torch.tensor([[False, True, False], [False, False, False]])
    seen = attention_mask(valid_BT, causal=False, itself=False)[:, 0] == 0
    assert seen.tolist() == [[[False, True, False]] * 3, [[False] * 3] * 3]
    seen = attention_mask(valid_BT, causal=True, itself=False)[:, 0] == 0
    assert seen[0].tolist() == [[False] * 3, [False, True, False], [False, True, False]]


def test_the_mask_knows_the_steps_of_its_elements() -> None:
    seen = (
        attention_mask(torch.tensor([[True, True, True, False]]), True, steps_T=torch.tensor([0, 1, 0, 1]))[0, 0] == 0
    )
    assert seen.tolist() == [
        [True, False, True, False],
        [True, True, True, False],
        [True, False, True, False],
        [True, True, True, True],
    ]


@pytest.mark.parametrize("steps", [None, [3, 0, 0, 250, 7]])
def test_rotation_turns_each_pair_of_features_by_the_angle_of_its_step(steps: list[int] | None) -> None:
    torch.manual_seed(0)
    x_BHTd = torch.randn(2, 3, 5, 8, dtype=torch.float64)
    found = rotate(x_BHTd, None if steps is None else torch.tensor(steps))
    for t, step in enumerate(steps or range(5)):
        for i in range(4):
            turn = torch.polar(torch.tensor(1.0).double(), torch.tensor(step / 10000 ** (2 * i / 8)).double())
            turned = torch.complex(x_BHTd[:, :, t, i], x_BHTd[:, :, t, i + 4]) * turn
            torch.testing.assert_close(found[:, :, t, i], turned.real)
            torch.testing.assert_close(found[:, :, t, i + 4], turned.imag)


def test_rotated_products_depend_on_the_distance_alone() -> None:
    torch.manual_seed(0)
    q_d, k_d = torch.randn(2, 1, 1, 1, 8, dtype=torch.float64)
    q_Td, k_Td = (rotate(x.expand(1, 1, 30, 8))[0, 0] for x in (q_d, k_d))
    products_TT = q_Td @ k_Td.T
    for distance in range(-29, 30):
        diagonal = products_TT.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))
    assert products_TT[0].std() > 0.1
    torch.testing.assert_close(q_Td.norm(dim=-1), q_d.norm().expand(30))


@pytest.mark.parametrize("memory", [False, True])
def test_rotary_attention_follows_the_formula(memory: bool) -> None:
    torch.manual_seed(0)
    ours = attention_like(nn.MultiheadAttention(D, H, batch_first=True), rotary=True)
    x_BTD, steps_T = torch.randn(B, T, D), torch.randint(0, 40, (T,))
    source = torch.randn(B, 6, D) if memory else x_BTD
    found = ours(x_BTD, None, memory_BSD=source if memory else None, steps_T=steps_T)
    project: Callable = F.linear
    q, k, v = (
        project(z, weight, bias).unflatten(-1, (H, -1)).transpose(1, 2)
        for z, weight, bias in zip((x_BTD, source, source), ours.in_weight.chunk(3), ours.in_bias.chunk(3), strict=True)
    )
    scores = rotate(q, steps_T) @ rotate(k, None if memory else steps_T).mT / (D // H) ** 0.5
    mixed = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
    torch.testing.assert_close(found, F.linear(mixed, ours.out_weight, ours.out_bias), atol=1e-6, rtol=1e-5)
