"""A module of the user's inside of ours: built from its own seed, called with what its ``forward`` names.

B batch, T steps, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mmcore.config import Reference
from mmcore.errors import ConfigError, PartError
from mmcore.model.linear import compute_alike
from mmcore.model.precision import full
from mmcore.own_code import arguments, load_class, named_inputs
from mmcore.seeding import seed_of


class OwnPart(nn.Module):
    """Holds a module of the user's.

    The module is made by :meth:`make`, on the CPU, with torch's global generator set by the part's seed: its own
    initial values are kept. In training its global draws (``nn.Dropout``) come from a seed of the step, so a resumed
    run draws what an undisturbed one would have drawn; the global generator is put back afterwards.

    Args:
        part: names the class.
        offered: what its constructor may name.
        inputs: what its ``forward`` may name.

    Raises:
        ConfigError: the class cannot be imported, is no ``torch.nn.Module``, or its signature does not fit.
    """

    def __init__(self, part: Reference, offered: Mapping[str, object], inputs: Sequence[str]) -> None:
        super().__init__()
        self.reference = part.class_
        kind = load_class(part)
        if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
            raise ConfigError(
                f"{part.class_} must be a torch.nn.Module",
                expected="class Name(torch.nn.Module)",
                found=type(kind).__name__ if not isinstance(kind, type) else f"class {kind.__name__}",
            )
        self.own_kind: type[nn.Module] = kind
        self.inputs = named_inputs(kind.forward, f"forward of {part.class_}", ("self", *inputs))
        self._arguments = arguments(kind, part, offered)
        self.part: nn.Module | None = None

    def make(self, seed: int) -> None:
        """Make the module, with initial values of its own. Its linear maps are computed as ours are."""
        with seeded(seed), torch.device("cpu"):
            self.part = self.own_kind(**self._arguments)
        compute_alike(self.part)

    def forward(self, rng: torch.Generator | None, shape: dict[str, int], given: Mapping[str, object]) -> Tensor:
        """What the module makes of its inputs.

        Args:
            rng: present: training; None: evaluation.
            shape: axis name to length that the result must have.
            given: the inputs; those that ``forward`` names are passed on.

        Raises:
            PartError: the result is no tensor of this shape.
        """
        assert self.part is not None, "make comes first"
        named = {name: given[name] for name in self.inputs if name in given}
        self.part.train(rng is not None)
        if rng is None:
            found = self.part(**named)
        else:
            seed = int(torch.randint(2**62, (1,), generator=rng, device=rng.device))
            with seeded(seed, rng.device):
                found = self.part(**named)
        wanted = f"a tensor ({', '.join(shape)}) = {tuple(shape.values())}"
        if not isinstance(found, Tensor):
            raise PartError(f"forward of {self.reference} must return {wanted}", found=type(found).__name__)
        if tuple(found.shape) != tuple(shape.values()):
            raise PartError(f"forward of {self.reference} must return {wanted}", found=str(tuple(found.shape)))
        return full(found)


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Global draws of torch come from a seed; afterwards its generators are as they were."""
    cuda = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        if torch.accelerator.is_available():
            torch.manual_seed(seed)
        else:
            # ``manual_seed`` would keep the seed for cards that may come, with a stack trace, in every step.
            torch.default_generator.manual_seed(seed)
        yield


def make_own_parts(model: nn.Module, repeat: int) -> None:
    """Make every module of the user's within a model, each from a seed of its repeat and its place."""
    for name, module in list(model.named_modules()):
        if isinstance(module, OwnPart):
            module.make(seed_of(repeat, f"initialisation/{name}"))
