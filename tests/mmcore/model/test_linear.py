"""Linear maps by oneDNN: the values and slopes of torch's own, and torch's own wherever somebody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, vmap
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from mmcore.model import linear as module
from mmcore.model.linear import SMALLEST, Linear, compute_alike, linear

Asked = list[tuple[int, ...]]
needs_onednn = pytest.mark.skipif(not module._has_onednn(), reason="this torch gives no linear map to MKL")


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """The shapes of the left factors that oneDNN was given, in turn."""
    found: Asked = []
    product = module._product

    def noted(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        found.append(tuple(x.shape))
        return product(x, weight, bias)

    module._has_onednn()
    monkeypatch.setattr(module, "_product", noted)
    return found


def strided(x: Tensor) -> Tensor:
    """The same numbers, steps before rows in memory."""
    return x.transpose(0, 1).contiguous().transpose(0, 1)


FORMS: dict[str, tuple[tuple[int, ...], Callable[[Tensor], Tensor]]] = {
    "rows": ((400, 64), lambda x: x),
    "windows": ((8, 50, 64), lambda x: x),
    "tracks": ((4, 20, 5, 64), lambda x: x),
    "steps first in memory": ((8, 50, 64), strided),
    "every second feature": ((8, 50, 128), lambda x: x[..., ::2]),
    "one window for all": ((1, 50, 64), lambda x: x.expand(8, 50, 64)),
}


@needs_onednn
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_values_and_slopes_are_those_of_twice_the_precision(asked: Asked, form: str, with_bias: bool) -> None:
    """So near that a factor that is transposed, read in another order or left out cannot pass."""
    shape, view = FORMS[form]
    x, weight, bias = view(drawn(*shape)), drawn(96, 64), drawn(96)
    slope = drawn(*x.shape[:-1], 96)

    def of(dtype: torch.dtype, map_: Callable[..., Tensor]) -> list[Tensor]:
        given = [view(drawn(*shape).to(dtype)).requires_grad_(), weight.to(dtype).requires_grad_()]
        given += [bias.to(dtype).requires_grad_()] * with_bias
        made = map_(*given)
        return [made.detach(), *torch.autograd.grad(made, given, slope.to(dtype))]

    exact = of(torch.float64, F.linear)
    for one, true in zip(of(torch.float32, linear), exact, strict=True):
        assert one.shape == true.shape
        assert one.dtype == torch.float32
        torch.testing.assert_close(one.double(), true, rtol=0, atol=1e-6 * float(true.abs().max()) * 4)
    assert len(asked) == 3, "the map, and the slopes of its two factors"
    with torch.no_grad():
        alone = linear(x.float(), weight.float(), bias.float() if with_bias else None)
    torch.testing.assert_close(alone.double(), exact[0], rtol=0, atol=4e-6 * float(exact[0].abs().max()))
    assert len(asked) == 4


@needs_onednn
@pytest.mark.parametrize("needed", [(True, False, False), (False, True, False), (False, False, True)])
def test_only_the_slopes_that_are_needed_are_computed(asked: Asked, needed: tuple[bool, bool, bool]) -> None:
    given = [drawn(400, 64).float(), drawn(96, 64).float(), drawn(96).float()]
    for one, wanted in zip(given, needed, strict=True):
        one.requires_grad_(wanted)
    linear(*given).sum().backward()
    assert [one.grad is not None for one in given] == [*needed]
    assert len(asked) == 1 + needed[0] + needed[1]


def test_a_slope_that_is_one_number_for_all_counts_for_each(asked: Asked) -> None:
    """``sum`` hands back a slope of one number without steps in memory."""
    x, layer = drawn(400, 64).float().requires_grad_(), Linear(64, 96)
    layer(x).sum().backward()
    torch.testing.assert_close(x.grad, layer.weight.detach().sum(0).expand(400, 64))
    assert layer.weight.grad is not None
    assert layer.bias.grad is not None
    torch.testing.assert_close(layer.weight.grad, x.detach().sum(0).expand(96, 64))
    assert layer.bias.grad.tolist() == [400.0] * 96


def test_it_can_be_differentiated_twice(asked: Asked) -> None:
    """A norm of a gradient, as penalties and balances of losses have it."""
    x, weight = drawn(400, 64).float().requires_grad_(), drawn(96, 64).float().requires_grad_()

    def second(map_: Callable[..., Tensor]) -> Tensor:
        (slope,) = torch.autograd.grad(map_(x, weight).square().sum(), [x], create_graph=True)
        (found,) = torch.autograd.grad(slope.square().sum(), [weight])
        return found

    expected = second(F.linear)
    torch.testing.assert_close(second(linear), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


@needs_onednn
@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_nan_and_inf_spread_as_far_as_in_torch(asked: Asked, wrong: float) -> None:
    x, weight = drawn(400, 64).float(), drawn(96, 64).float()
    x[7, 3] = wrong
    weight[5, 9] = wrong
    found = linear(x, weight)
    assert asked
    assert torch.equal(found.isfinite(), F.linear(x, weight).isfinite())
    assert (~found.isfinite()).sum() == 400 + 96 - 1


class _Watching(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


class _Noting(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


@contextmanager
def without_onednn() -> Iterator[None]:
    torch.backends.mkldnn.enabled = False
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = True


WATCHED: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "bf16": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "functions are watched": _Watching,
    "operators are watched": _Noting,
    "operators are counted": lambda: FlopCounterMode(display=False),
    "the user wants no oneDNN": without_onednn,
}


@pytest.mark.parametrize("how", WATCHED)
def test_torch_computes_where_somebody_watches(asked: Asked, how: str) -> None:
    x, layer = drawn(400, 64).float(), Linear(64, 96)
    with WATCHED[how](), torch.no_grad():
        found, expected = layer(x), F.linear(x, layer.weight, layer.bias)
    assert torch.equal(found, expected)
    assert found.dtype == expected.dtype
    assert not asked


def test_many_models_at_once_are_torchs_own(asked: Asked) -> None:
    layer, x = Linear(64, 96), drawn(3, 400, 64).float()
    weights = {name: torch.stack([value.detach()] * 3) for name, value in layer.named_parameters()}
    found = vmap(lambda own, rows: functional_call(layer, own, (rows,)))(weights, x)
    assert not asked
    torch.testing.assert_close(found, F.linear(x, layer.weight, layer.bias))


def test_a_small_product_double_precision_and_no_rows_are_torchs_own(asked: Asked) -> None:
    layer = Linear(64, 64)
    rows = SMALLEST // 64 // 64
    for x in (torch.zeros(rows - 1, 64), torch.zeros(0, 64)):
        assert torch.equal(layer(x), F.linear(x, layer.weight, layer.bias))
    linear(drawn(rows, 64), drawn(64, 64))
    assert not asked
    layer(torch.zeros(rows, 64))
    assert bool(asked) is module._has_onednn()


def test_shapes_that_do_not_fit_are_refused_in_torchs_words(asked: Asked) -> None:
    wrong = (
        (torch.zeros(96, 63), None),
        (torch.zeros(96, 64), torch.zeros(95)),
        (torch.zeros(64), torch.zeros(96)),
        (torch.zeros(2, 96, 64), None),
        (torch.tensor(1.0), None),
    )
    for weight, bias in wrong:
        with pytest.raises(RuntimeError) as theirs:
            F.linear(torch.zeros(400, 64), weight, bias)
        with pytest.raises(RuntimeError) as ours:
            linear(torch.zeros(400, 64), weight, bias)
        assert str(ours.value) == str(theirs.value)
    assert not asked


def test_forms_that_torch_alone_takes_are_its_own(asked: Asked) -> None:
    """One row of weights, and a bias that is the same for all."""
    x = drawn(400, 64).float()
    row, bias = drawn(64).float(), drawn(1, 96).float()
    assert torch.equal(linear(x.repeat(64, 1), row), F.linear(x.repeat(64, 1), row))
    weight = drawn(96, 64).float()
    assert torch.equal(linear(x, weight, bias), F.linear(x, weight, bias))
    assert not asked


@pytest.mark.parametrize("trouble", [AttributeError("gone"), TypeError("another signature"), "another result"])
def test_an_operator_that_is_not_as_we_know_it_is_not_used(
    monkeypatch: pytest.MonkeyPatch, trouble: Exception | str
) -> None:
    def other(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if isinstance(trouble, Exception):
            raise trouble
        return F.linear(x, weight)

    monkeypatch.setattr(module, "_product", other)
    assert not module._has_onednn.__wrapped__()


def test_a_layer_is_torchs_layer_in_all_but_its_kernel() -> None:
    ours, theirs = Linear(64, 96), torch.nn.Linear(64, 96)
    theirs.load_state_dict(ours.state_dict())
    assert isinstance(ours, torch.nn.Linear)
    assert str(ours) == str(theirs)
    x = drawn(400, 64).float()
    torch.testing.assert_close(ours(x), theirs(x))


class _Own(torch.nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * 2


def test_linear_maps_of_other_modules_are_computed_alike_but_for_classes_of_their_own(asked: Asked) -> None:
    plain = torch.nn.Sequential(torch.nn.Linear(64, 96), torch.nn.ReLU(), torch.nn.ModuleList([_Own(64, 64)])[0])
    before = plain.state_dict()
    compute_alike(plain)
    assert [type(part) for part in plain] == [Linear, torch.nn.ReLU, _Own]
    assert list(plain.state_dict()) == list(before)
    plain[0](drawn(400, 64).float())
    assert bool(asked) is module._has_onednn()
    compute_alike(plain[0])
    assert type(plain[0]) is Linear
