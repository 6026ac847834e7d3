import pytest
import torch
from torch import nn

from mmcore.config import model as config
from mmcore.model import heads
from mmcore.model.heads.per_track import PerTrackHead as PerTrack
from mmcore.model.heads.residual import ResidualHead as Residual
from mmcore.model.heads.shared import SharedHead as Shared
from mmcore.model.heads.track_tokens import TrackTokensHead as TrackTokens
from mmcore.model.layer_sizes import LayerSizes
from mmcore.trace import Trace

B, T, D, K, O = 3, 5, 8, 4, 6  # noqa: E741 the legend's name for outputs
VALID = torch.ones(B, T, dtype=torch.bool)


def test_shared_equals_the_form_that_runs_once_per_track() -> None:
    torch.manual_seed(0)
    head = Shared(D, K, O)
    h_BTD = torch.randn(B, T, D, requires_grad=True)
    inputs = [h_BTD, *head.parameters()]
    found = head(h_BTD, VALID)
    naive = torch.stack([head.output(head.hidden(h_BTD + head.track.weight[k])) for k in range(K)], dim=2)
    torch.testing.assert_close(found, naive, atol=1e-6, rtol=1e-5)
    weighting = torch.randn(B, T, K, O)
    for a, b in zip(
        torch.autograd.grad((found * weighting).sum(), inputs),
        torch.autograd.grad((naive * weighting).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_shared_gives_all_tracks_one_curve_and_per_track_does_not() -> None:
    torch.manual_seed(0)
    h_BTD = torch.randn(B, T, D)
    shared = Shared(D, K, O)(h_BTD, VALID).diff(dim=1)
    own = PerTrack(D, K, O)(h_BTD, VALID).diff(dim=1)
    assert (shared - shared[:, :, :1]).abs().max() < 1e-5
    assert (own - own[:, :, :1])[:, :, 1:].abs().min() > 1e-5


def test_per_track_equals_one_linear_for_each_track() -> None:
    torch.manual_seed(0)
    head = PerTrack(D, K, O)
    h_BTD = torch.randn(B, T, D)
    found = head(h_BTD, VALID)
    for k in range(K):
        rows = slice(k * O, (k + 1) * O)
        wanted = nn.functional.linear(head.hidden(h_BTD), head.output.weight[rows], head.output.bias[rows])
        torch.testing.assert_close(found[:, :, k], wanted)


def test_the_config_picks_the_head() -> None:
    kinds = {"shared": Shared, "per_track": PerTrack, "residual": Residual, "track_tokens": TrackTokens}
    for kind, wanted in kinds.items():
        model = config.ModelConfig.model_validate({"head": {"kind": kind}})
        assert isinstance(heads.build_head(model, K, O, True), wanted)


def test_residual_follows_the_formula() -> None:
    torch.manual_seed(0)
    head = Residual(D, K, O, blocks=2, dropout=0.5)
    h_BTD = torch.randn(B, T, D)
    wanted = h_BTD
    for block in head.blocks:
        wanted = wanted + block.narrow(nn.functional.gelu(block.widen(nn.functional.layer_norm(wanted, (D,)))))
    wanted = (wanted @ head.output.weight.T + head.output.bias).view(B, T, K, O)
    torch.testing.assert_close(head(h_BTD, VALID), wanted, atol=1e-6, rtol=1e-5)


def track_tokens(norm: str = "post", causal: bool = False, layers: int = 2, rotary: bool = False) -> TrackTokens:
    sizes = LayerSizes(D, 2, 12, 0.1, 0.1, norm, rotary)  # pyright: ignore[reportArgumentType]
    head = TrackTokens(sizes, K, O, layers, causal)
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in head.named_parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=rng) * 0.3 + name.endswith("norm.weight"))
    return head


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("causal", [False, True])
def test_track_tokens_equal_torchs_decoder_over_all_tokens(norm: str, causal: bool) -> None:
    head = track_tokens(norm, causal)
    layer = nn.TransformerDecoderLayer(D, 2, 12, dropout=0.0, batch_first=True, norm_first=norm == "pre")
    oracle = nn.TransformerDecoder(layer, 2, norm=nn.LayerNorm(D) if norm == "pre" else None)
    names = {
        "between_tracks_norm": "norm1",
        "over_time_norm": "norm2",
        "feed_forward_norm": "norm3",
        "final_norm": "norm",
        "between_tracks": "self_attn",
        "over_time": "multihead_attn",
        "in_weight": "in_proj_weight",
        "in_bias": "in_proj_bias",
        "out_weight": "out_proj.weight",
        "out_bias": "out_proj.bias",
        "widen": "linear1",
        "narrow": "linear2",
    }
    state = {}
    for name, parameter in head.state_dict().items():
        if not name.startswith(("track.", "output.")):
            for mine, theirs in names.items():
                name = name.replace(mine, theirs)
            state[name] = parameter
    oracle.load_state_dict(state)
    h_BTD, valid_BT = torch.randn(B, T, D), torch.arange(T) < torch.tensor([T, 3, 1])[:, None]
    step = torch.arange(T).repeat_interleave(K)
    tokens = (h_BTD[:, :, None] + head.track.weight).flatten(1, 2)
    wanted = oracle(
        tokens,
        h_BTD,
        tgt_mask=step[:, None] != step[None, :],
        memory_mask=(torch.arange(T)[None, :] > step[:, None]) if causal else None,
        memory_key_padding_mask=~valid_BT,
    )
    wanted = head.output(wanted).view(B, T, K, O)
    torch.testing.assert_close(head(h_BTD, valid_BT)[valid_BT], wanted[valid_BT], atol=1e-5, rtol=1e-5)


def test_track_tokens_move_in_their_own_ways() -> None:
    torch.manual_seed(0)
    curves = track_tokens()(torch.randn(B, T, D), VALID).diff(dim=1)
    assert (curves - curves[:, :, :1])[:, :, 1:].abs().amax((0, 1, 3)).min() > 1e-2


def test_track_tokens_differ_by_their_embedding_alone() -> None:
    head = track_tokens()
    h_BTD = torch.randn(B, T, D)
    wanted = head(h_BTD, VALID)
    order = torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        head.track.weight.copy_(head.track.weight[order])
    torch.testing.assert_close(head(h_BTD, VALID), wanted[:, :, order], atol=1e-5, rtol=1e-5)


def test_track_tokens_that_may_look_at_no_step_stay_finite_and_show_it() -> None:
    head, trace = track_tokens(causal=True, layers=1), Trace()
    valid_BT = torch.arange(T) >= torch.tensor([0, 2, T])[:, None]
    h_BTD = torch.randn(B, T, D, requires_grad=True)
    outputs_BTKO = head(h_BTD, valid_BT, trace=trace, name="of")
    assert torch.isfinite(outputs_BTKO).all()
    outputs_BTKO.square().sum().backward()
    assert h_BTD.grad is not None
    assert torch.isfinite(h_BTD.grad).all()
    assert trace.arrays["of/0/between_tracks"].shape == (B * T, 2, K, K)
    over_time = torch.from_numpy(trace.arrays["of/0/over_time"]).view(B, 2, T, K, T)
    blind_BT = torch.arange(T) < torch.tensor([0, 2, T])[:, None]
    assert torch.equal(over_time.isnan().all(-1).all(-1).all(1), blind_BT)
    assert torch.equal(over_time.isnan().any(-1).any(-1).any(1), blind_BT)


def test_rotary_track_tokens_know_the_distance_in_steps() -> None:
    # A window that begins two steps later gives the same, since only distances count.
    head = track_tokens(rotary=True)
    h_BTD = torch.randn(B, T, D)
    late_BT = (torch.arange(T) >= 2).expand(B, T)
    torch.testing.assert_close(head(h_BTD, late_BT)[:, 2:], head(h_BTD[:, 2:], VALID[:, 2:]), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(head(h_BTD, VALID), track_tokens(rotary=False)(h_BTD, VALID), atol=1e-2)


@pytest.mark.parametrize("steps", [1, 3, 5])
def test_the_mean_counts_valid_steps_alone(steps: int) -> None:
    h_BTD = torch.randn(B, T, D)
    valid_BT = (torch.arange(T) < steps).expand(B, T)
    torch.testing.assert_close(heads.mean_over_steps(h_BTD, valid_BT), h_BTD[:, :steps].mean(1, keepdim=True))


def test_the_mean_of_no_step_is_zero() -> None:
    h_BTD = torch.randn(B, T, D, requires_grad=True)
    pooled = heads.mean_over_steps(h_BTD, torch.zeros(B, T, dtype=torch.bool))
    pooled.sum().backward()
    assert torch.equal(pooled, torch.zeros(B, 1, D))
    assert h_BTD.grad is not None
    assert torch.equal(h_BTD.grad, torch.zeros_like(h_BTD))
