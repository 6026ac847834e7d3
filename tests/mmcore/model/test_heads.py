import pytest
import torch
from torch import nn

from mmcore.config import ModelConfig, PerTrackHead, SharedHead
from mmcore.model import heads
from mmcore.model.heads.per_track import PerTrackHead as PerTrack
from mmcore.model.heads.shared import SharedHead as Shared

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
    assert isinstance(heads.build_head(ModelConfig(head=SharedHead()), K, O, True), Shared)
    assert isinstance(heads.build_head(ModelConfig(head=PerTrackHead()), K, O, True), PerTrack)


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
