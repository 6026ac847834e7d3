"""The plain losses per parameter and component, masked, without a loop over tracks: what scores and reports use.

Each parameter's loss is the sum over its counted targets divided by their number: cross-entropy for binary (as two
classes) and categorical parameters, squared error in normalised units for continuous ones. A component is the sum
of its parameters; the total is the sum of the components.

B batch, T steps, K tracks, P parameters, O outputs per track.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from mmcore.batch import Batch
from mmcore.schema import Targets
from mmcore.shapes import check_shape


@dataclass(frozen=True)
class Layout:
    """Where each parameter stands in the outputs.

    Args:
        first: each parameter's first output.
        continuous, binary, categorical: indices of the parameters by kind.
        gates: (binary parameter, parameters that count only where it is true), for each ``when``.
        membership: for each component, the indices of its parameters.
    """

    targets: Targets
    first: tuple[int, ...]
    continuous: tuple[int, ...]
    binary: tuple[int, ...]
    categorical: tuple[int, ...]
    gates: tuple[tuple[int, tuple[int, ...]], ...]
    membership: dict[str, tuple[int, ...]]

    @cached_property
    def cuts(self) -> tuple[list[int], list[int], dict[int, int]]:
        """How outputs are split into pieces: their sizes; which pieces hold continuous parameters, neighbours together;
        and for each parameter with classes its piece, for a binary one that of "false", before that of "true".
        """
        sizes: list[int] = []
        runs: list[int] = []
        classes: dict[int, int] = {}
        for p in range(len(self.first)):
            if p in self.continuous and p - 1 in self.continuous:
                sizes[-1] += 1
            elif p in self.continuous:
                runs.append(len(sizes))
                sizes.append(1)
            else:
                classes[p] = len(sizes)
                sizes += [1, 1] if p in self.binary else [self.classes(p)]
        return sizes, runs, classes

    @cached_property
    def order(self) -> list[int]:
        """Place of each parameter once they are put together kind by kind."""
        by_kind = [*self.continuous, *self.binary, *self.categorical]
        return [by_kind.index(p) for p in range(len(by_kind))]

    def classes(self, p: int) -> int:
        """Number of classes of a binary or categorical parameter."""
        return self.targets.parameters[p].outputs


def layout_of(targets: Targets) -> Layout:
    """The layout that follows from the declared targets."""
    parameters = targets.parameters
    first, at = [], 0
    for parameter in parameters:
        first.append(at)
        at += parameter.outputs
    names = [p.name for p in parameters]
    gates = dict.fromkeys(p.when for p in parameters if p.when is not None)

    def having(attribute: str, value: str) -> tuple[int, ...]:
        return tuple(i for i, p in enumerate(parameters) if getattr(p, attribute) == value)

    return Layout(
        targets,
        first=tuple(first),
        continuous=having("kind", "continuous"),
        binary=having("kind", "binary"),
        categorical=having("kind", "categorical"),
        gates=tuple((names.index(gate), having("when", gate)) for gate in gates),
        membership={component: having("component", component) for component in targets.components},
    )


def counted_targets(batch: Batch, layout: Layout) -> Tensor:
    """Targets that count, (B, T, K, P) bool: they exist and, under ``when``, the binary parameter is truly on.

    Where the binary parameter itself is unknown, what depends on it does not count.
    """
    counted_BTKP = batch.target_valid_BTKP
    for gate, dependents in layout.gates:
        on_BTK1 = (batch.target_BTKP[..., gate : gate + 1] > 0.5) & batch.target_valid_BTKP[..., gate : gate + 1]
        counted_BTKP = counted_BTKP & (on_BTK1 | _free(dependents, counted_BTKP.shape[-1], counted_BTKP.device))
    return counted_BTKP


@lru_cache(maxsize=64)
def _free(dependents: tuple[int, ...], P: int, device: torch.device) -> Tensor:
    """Which parameters do not depend on a binary one, (P,); made once. Nothing writes to it."""
    # Not an inference tensor, wherever it is asked for first: losses with a gradient use it, too.
    with torch.inference_mode(False):
        free_P = torch.ones(P, dtype=torch.bool, device=device)
        free_P[list(dependents)] = False
        return free_P


@lru_cache(maxsize=256)
def _index(indices: tuple[int, ...], device: torch.device) -> Tensor:
    """The indices on the device; made once. Nothing writes to it."""
    with torch.inference_mode(False):
        return torch.tensor(indices, device=device)


def columns(x: Tensor, indices: Sequence[int]) -> Tensor:
    """Columns of the last axis: a view where they stand side by side."""
    first = indices[0]
    if list(indices) == list(range(first, first + len(indices))):
        return x[..., first : first + len(indices)]
    return x.index_select(-1, _index(tuple(indices), x.device))


def binary_logits(outputs_BTKO: Tensor, layout: Layout) -> Tensor:
    """Log-odds of "true" for the binary parameters, (B, T, K, number of them)."""
    zero = [layout.first[p] for p in layout.binary]
    return columns(outputs_BTKO, [i + 1 for i in zero]) - columns(outputs_BTKO, zero)


def row_losses(
    outputs_BTKO: Tensor, batch: Batch, layout: Layout, dtype: torch.dtype | None = None
) -> tuple[Tensor, Tensor]:
    """Sum of losses and number of counted targets per row and parameter: (B, P) each; differentiable.

    Outputs at targets that do not count are replaced before anything is computed from them, so that not even NaN
    or Inf there reaches a loss or a gradient.

    Args:
        dtype: number type of the sums; None: that of the outputs.
    """
    check_shape(
        "outputs_BTKO",
        outputs_BTKO,
        **dict(zip("BTK", batch.target_BTKP.shape, strict=False)),
        O=layout.targets.outputs,
    )
    counted_BTKP = counted_targets(batch, layout)
    dtype = dtype or outputs_BTKO.dtype
    continuous, logit_BTKY, logits = _taken_apart(outputs_BTKO, layout)
    parts = []
    if layout.continuous:
        error = continuous - columns(batch.target_BTKP, layout.continuous)
        error = error.masked_fill(~columns(counted_BTKP, layout.continuous), 0.0)
        parts.append(error.square().sum((1, 2), dtype=dtype))
    if layout.binary:
        counted = columns(counted_BTKP, layout.binary)
        logit = logit_BTKY.masked_fill(~counted, 0.0)
        truth = columns(batch.target_BTKP, layout.binary).to(logit.dtype)
        loss = F.binary_cross_entropy_with_logits(logit, truth, weight=counted.to(logit.dtype), reduction="none")
        parts.append(loss.sum((1, 2), dtype=dtype))
    for p in layout.categorical:
        counted_BTK = counted_BTKP[..., p]
        logits_BTKC = logits[p]
        # With the few classes first and the many targets innermost, the softmax runs eight times as fast on a CPU.
        logits_BCTK = logits_BTKC.masked_fill(~counted_BTK[..., None], 0.0).movedim(-1, 1).contiguous()
        code_BTK = batch.target_BTKP[..., p].long().masked_fill(~counted_BTK, _IGNORED)
        loss_BTK = F.cross_entropy(logits_BCTK, code_BTK, ignore_index=_IGNORED, reduction="none")
        parts.append(loss_BTK.sum((1, 2), dtype=dtype)[:, None])
    sums_BP = columns(torch.cat(parts, 1), layout.order)
    return sums_BP, counted_BTKP.sum((1, 2), dtype=dtype)


_IGNORED = -100


def _taken_apart(outputs_BTKO: Tensor, layout: Layout) -> tuple[Tensor, Tensor, dict[int, Tensor]]:
    """Outputs of the continuous parameters, log-odds of the binary ones, and logits of each categorical one.

    The outputs are split once, so that their gradient is put together once. A slice for each parameter would make a
    gradient as large as all outputs, of zeros but for the slice, and then add these.
    """
    sizes, runs, first = layout.cuts
    pieces = outputs_BTKO.split(sizes, dim=-1)
    continuous = _beside(outputs_BTKO, [pieces[i] for i in runs])
    true_BTKY = _beside(outputs_BTKO, [pieces[first[p] + 1] for p in layout.binary])
    false_BTKY = _beside(outputs_BTKO, [pieces[first[p]] for p in layout.binary])
    return continuous, true_BTKY - false_BTKY, {p: pieces[first[p]] for p in layout.categorical}


def _beside(outputs_BTKO: Tensor, pieces: Sequence[Tensor]) -> Tensor:
    """Pieces of the outputs side by side, itself where there is one."""
    if len(pieces) == 1:
        return pieces[0]
    return torch.cat(list(pieces), -1) if pieces else outputs_BTKO[..., :0]


def parameter_losses(sums_P: Tensor, counts_P: Tensor) -> Tensor:
    """Mean loss per parameter; exactly 0 where nothing counts."""
    return sums_P / counts_P.clamp(min=1)


def component_losses(outputs_BTKO: Tensor, batch: Batch, targets: Targets) -> dict[str, Tensor]:
    """The loss of each component over a batch: differentiable scalars, 0 with zero gradient where nothing counts.

    Shape: outputs (B, T, K, O), T = 1 for scope item.

    Raises:
        ShapeError: the outputs do not fit the batch or the targets.

    Source: the seed experiment: cross-entropy for classes; squared error over active tracks only, divided by their
        number, summed over the parameters of a component.
    """
    layout = layout_of(targets)
    sums_BP, counts_BP = row_losses(outputs_BTKO, batch, layout)
    loss_P = parameter_losses(sums_BP.sum(0), counts_BP.sum(0))
    return {name: loss_P[list(members)].sum() for name, members in layout.membership.items()}
