import pytest
import torch
from torch import nn

from mmcore.model.encoder import Encoder
from mmcore.model.layer_sizes import LayerSizes

B, T, D, H, L, W = 4, 8, 16, 4, 2, 24


def copied(oracle: nn.TransformerEncoder, norm: str, causal: bool) -> Encoder:
    """Our encoder with the weights of torch's."""
    ours = Encoder(LayerSizes(D, H, W, 0.1, 0.1, norm), L, causal)  # pyright: ignore[reportArgumentType]
    names = {
        "attention.in_weight": "self_attn.in_proj_weight",
        "attention.in_bias": "self_attn.in_proj_bias",
        "attention.out_weight": "self_attn.out_proj.weight",
        "attention.out_bias": "self_attn.out_proj.bias",
        "widen": "linear1",
        "narrow": "linear2",
        "attention_norm": "norm1",
        "feed_forward_norm": "norm2",
        "final_norm": "norm",
    }
    theirs = oracle.state_dict()
    state = {}
    for name in ours.state_dict():
        source = name
        for mine, other in names.items():
            source = source.replace(mine, other)
        state[name] = theirs.pop(source)
    assert not theirs, "torch's encoder has parameters that ours lacks"
    ours.load_state_dict(state)
    return ours


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("causal", [False, True])
def test_equals_torchs_encoder_in_value_and_gradient(norm: str, causal: bool) -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(D, H, W, dropout=0.0, batch_first=True, norm_first=norm == "pre")
    final = nn.LayerNorm(D) if norm == "pre" else None
    oracle = nn.TransformerEncoder(layer, L, norm=final, enable_nested_tensor=False)
    with torch.no_grad():
        for parameter in oracle.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    ours = copied(oracle, norm, causal)
    valid_BT = torch.arange(T) < torch.tensor([T, 5, 2, 1])[:, None]
    future = torch.ones(T, T, dtype=torch.bool).triu(1) if causal else None
    a_BTD = torch.randn(B, T, D, requires_grad=True)
    b_BTD = a_BTD.detach().clone().requires_grad_()
    found = ours(a_BTD, valid_BT)[valid_BT]
    wanted = oracle(b_BTD, mask=future, src_key_padding_mask=~valid_BT)[valid_BT]
    torch.testing.assert_close(found, wanted, atol=2e-6, rtol=1e-5)
    found.square().sum().backward()
    wanted.square().sum().backward()
    torch.testing.assert_close(a_BTD.grad, b_BTD.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_nothing_of_a_branch_is_left_when_all_of_it_is_dropped(norm: str) -> None:
    # With a rate near 1 hardly anything of a branch is left: pre-norm then passes its input through.
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(D, H, W, batch_first=True, norm_first=norm == "pre")
    final = nn.LayerNorm(D) if norm == "pre" else None
    ours = copied(nn.TransformerEncoder(layer, L, norm=final, enable_nested_tensor=False), norm, False)
    for one in ours.layers:
        one.dropout = 1 - 1e-9
    x_BTD, valid_BT = torch.randn(B, T, D), torch.ones(B, T, dtype=torch.bool)
    passed = ours(x_BTD, valid_BT, torch.Generator().manual_seed(0))
    untouched = nn.functional.layer_norm(x_BTD, (D,))
    same = torch.isclose(passed, untouched, atol=1e-4).float().mean()
    assert same > 0.95
    assert not torch.allclose(ours(x_BTD, valid_BT), untouched, atol=1e-1)
