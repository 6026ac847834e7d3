import pytest
import torch

from mmcore.model.dropout import add_dropped, dropout, dropped_lanes, keep_mask, scale_of


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_every_lane_drops_at_the_rate(rate: float) -> None:
    # Four lanes share one draw; a 63-bit draw would leave the last one without its sign bit.
    lanes = 4
    n = 200_000
    mask = keep_mask(torch.empty(n * lanes), rate, seeded(0))
    kept = mask.view(n, lanes).mean(0)
    standard_error = (rate * (1 - rate) / n) ** 0.5
    assert (kept - (1 - rate)).abs().max() < 4.5 * standard_error


def test_neighbours_are_dropped_independently() -> None:
    mask = keep_mask(torch.empty(400_000), 0.3, seeded(1)) - 0.7
    for distance in (1, 2, 3, 4, 8):
        correlation = (mask[:-distance] * mask[distance:]).mean() / (0.3 * 0.7)
        assert abs(correlation) < 4.5 / 400_000**0.5


@pytest.mark.parametrize("rate", [0.1, 0.25, 1 / 3, 0.999, 0.9999999])
def test_the_expectation_is_exact(rate: float) -> None:
    kept_share = 1 - dropped_lanes(rate) / 65536
    assert kept_share > 0
    assert kept_share * scale_of(rate) == pytest.approx(1.0, abs=1e-15)
    assert abs((1 - kept_share) - rate) <= 0.5 / 65536 + 1e-5


def test_kept_elements_carry_the_scale_and_nothing_else() -> None:
    x = torch.randn(37, 11)
    y = dropout(x, 0.25, seeded(3))
    kept = y != 0
    assert 0 < kept.sum() < x.numel()
    assert torch.equal(y[kept], x[kept] * scale_of(0.25))


def test_the_gradient_passes_where_the_value_passed() -> None:
    x = torch.randn(50, 7, requires_grad=True)
    y = dropout(x, 0.4, seeded(4))
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, (y != 0) * scale_of(0.4))


def test_equal_seeds_draw_equally_and_others_do_not() -> None:
    x = torch.ones(1000)
    assert torch.equal(dropout(x, 0.5, seeded(5)), dropout(x, 0.5, seeded(5)))
    assert not torch.equal(dropout(x, 0.5, seeded(5)), dropout(x, 0.5, seeded(6)))
    rng = seeded(5)
    assert not torch.equal(dropout(x, 0.5, rng), dropout(x, 0.5, rng))


def test_the_global_generator_is_not_touched() -> None:
    before = torch.random.get_rng_state()
    dropout(torch.ones(100), 0.5, seeded(0))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_without_a_generator_or_a_rate_nothing_is_dropped() -> None:
    x = torch.randn(5)
    assert dropout(x, 0.5, None) is x
    assert dropout(x, 0.0, seeded(0)) is x
    assert torch.equal(add_dropped(x, x, 0.5, None), x + x)
    assert torch.equal(add_dropped(x, x, 0.0, seeded(0)), x + x)


def test_adding_a_dropped_branch_equals_both_steps() -> None:
    x, branch = torch.randn(2, 9, 13)
    x.requires_grad_()
    branch.requires_grad_()
    fused = add_dropped(x, branch, 0.3, seeded(7))
    plain = x + dropout(branch, 0.3, seeded(7))
    torch.testing.assert_close(fused, plain)
    for ours, theirs in zip(
        torch.autograd.grad(fused.square().sum(), (x, branch)),
        torch.autograd.grad(plain.square().sum(), (x, branch)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("shape", [(0,), (1,), (3,), (2, 0, 4), (5, 1, 3)])
def test_any_number_of_elements_will_do(shape: tuple[int, ...]) -> None:
    assert dropout(torch.ones(shape), 0.5, seeded(0)).shape == shape


def test_a_transposed_tensor_keeps_its_places() -> None:
    x = torch.arange(12.0).view(3, 4).t() + 1
    y = dropout(x, 0.5, seeded(2))
    assert torch.equal(y[y != 0], (x * 2)[y != 0])


def test_the_type_of_the_tensor_is_kept() -> None:
    for dtype in (torch.float64, torch.bfloat16):
        assert dropout(torch.ones(8, dtype=dtype), 0.5, seeded(0)).dtype == dtype


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_the_rate_holds_too() -> None:
    rng = torch.Generator("cuda").manual_seed(0)
    mask = keep_mask(torch.empty(1_000_000, device="cuda"), 0.1, rng)
    assert abs(mask.mean().item() - 0.9) < 4.5 * (0.09 / 1e6) ** 0.5
