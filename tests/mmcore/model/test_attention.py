import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmcore.model.attention import MultiheadAttention, attention_mask
from mmcore.trace import Trace

B, T, D, H = 3, 9, 16, 4


def attention_like(oracle: nn.MultiheadAttention, dropout: float = 0.0) -> MultiheadAttention:
    ours = MultiheadAttention(D, H, dropout)
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


def test_attention_dropout_acts_in_training_alone_and_keeps_the_mean() -> None:
    torch.manual_seed(2)
    ours = attention_like(nn.MultiheadAttention(D, H, batch_first=True), dropout=0.3)
    x_BTD, mask, rng = torch.randn(B, T, D), attention_mask(ragged(), False), torch.Generator().manual_seed(0)
    still = ours(x_BTD, mask)
    draws = torch.stack([ours(x_BTD, mask, rng) for _ in range(3000)])
    assert (draws[0] != draws[1]).any()
    error = (draws.mean(0) - still).abs() / (draws.std(0) / 3000**0.5).clamp_min(1e-6)
    assert error.max() < 5
