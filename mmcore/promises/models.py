"""What every model promises, whatever it is made of. B batch, T steps, M modalities, K tracks, O outputs per track."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import torch
from torch import Tensor

from mmcore.batch import Batch
from mmcore.language import later
from mmcore.model.multimodal import MultimodalModel
from mmcore.promises.examples import FEATURES, GARBAGE, B, T, cut, make_batch, overwrite
from mmcore.promises.promise import Broken, Promise, finite, same
from mmcore.trace import Trace

ROUNDING = 1e-5
"""How far outputs may be apart where sums are taken over tensors of other sizes."""


def gives_one_output_a_target(model: MultimodalModel) -> None:
    found = model(make_batch())
    wanted = (B, 1 if model.per_item else T, 2, 3)
    if tuple(found.shape) != wanted:
        raise Broken(f"outputs (B, T, K, O) have the shape {tuple(found.shape)}, not {wanted}")


def repeats_itself(model: MultimodalModel) -> None:
    batch = make_batch()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = torch.random.get_rng_state()
        wanted = model(batch)
        if not torch.equal(torch.random.get_rng_state(), state):
            raise Broken("an evaluation draws from torch's global generator")
        same(model(batch), wanted, "the same batch was read twice in evaluation")


def draws_from_its_generator_alone(model: MultimodalModel) -> None:
    batch = make_batch()
    state = torch.random.get_rng_state()
    first = model(batch, torch.Generator().manual_seed(5))
    same(
        model(batch, torch.Generator().manual_seed(5)),
        first,
        "the same batch was read twice in training, with one seed",
    )
    if not torch.equal(torch.random.get_rng_state(), state):
        raise Broken("a training step draws from torch's global generator")


def keeps_nothing_outside_its_state(model: MultimodalModel) -> None:
    batch = make_batch()
    wanted = model(batch)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(1.0)
        model(batch, torch.Generator().manual_seed(1))
    finally:
        model.load_state_dict(state)
    same(model(batch), wanted, "the state was saved, the model changed, and the state loaded again")


def absence_changes_nothing(model: MultimodalModel) -> None:
    batch = make_batch()
    wanted = model(batch)
    finite(wanted, "a third of the places lack a modality")
    for value in GARBAGE:
        found = model(overwrite(batch, ~batch.present_BTM, value))
        same(found, wanted, f"values of absent modalities were replaced by {value}")


def is_finite(model: MultimodalModel) -> None:
    """What the other promises take for granted: without it each would only find NaN again."""
    finite(model(make_batch()), "a third of the places lack a modality")


TELLERS = ("finite-empty", "finite-one", "absent")
"""Promises that say what makes a model's outputs NaN, the plainest case first; the last of them tests all of
:func:`is_finite`."""


def padding_changes_nothing(model: MultimodalModel) -> None:
    batch = make_batch()
    valid_BT = batch.valid_BT
    wanted = model(batch)
    counts = torch.ones(B, 1, dtype=torch.bool) if model.per_item else valid_BT
    padding_BTM = ~valid_BT[..., None].expand_as(batch.present_BTM)
    for value, present in product(GARBAGE, (False, True)):
        noisy = replace(
            overwrite(batch, padding_BTM, value),
            present_BTM=torch.where(padding_BTM, torch.tensor(present), batch.present_BTM),
        )
        found = model(noisy)
        same(found, wanted, f"values at padded steps were replaced by {value}", counts)
        finite(found, f"values at padded steps were replaced by {value}")


def length_of_the_batch_changes_nothing(model: MultimodalModel) -> None:
    batch = make_batch()
    wanted = model(batch)
    for row in range(B):
        alone = cut(batch, row)
        steps = 1 if model.per_item else alone.valid_BT.shape[1]
        same(
            model(alone),
            wanted[row : row + 1, :steps],
            f"row {row} was read alone, without its {T - alone.valid_BT.shape[1]} padded steps",
            tolerance=ROUNDING,
        )


def every_modality_counts(model: MultimodalModel) -> None:
    batch = make_batch()
    wanted = model(batch)
    for m, name in enumerate(FEATURES):
        if name not in model.modalities:
            continue
        one_BTM = torch.zeros_like(batch.present_BTM)
        one_BTM[0, :, m] = True
        changed = model(overwrite(batch, one_BTM, 3.0))
        if torch.allclose(changed[0], wanted[0], atol=1e-4):
            most = float((changed[0] - wanted[0]).detach().abs().max())
            raise Broken(f"all values of {name} in row 0 were set to 3; its outputs changed by {most:.1g} at most")
        same(changed[1:], wanted[1:], f"values of {name} in row 0 alone were set to 3 (rows are counted from row 1)")


def rows_are_independent(model: MultimodalModel) -> None:
    batch = make_batch()
    order = torch.tensor([2, 0, 3, 1])
    shuffled = replace(
        batch,
        values={name: x_BTF[order] for name, x_BTF in batch.values.items()},
        present_BTM=batch.present_BTM[order],
        valid_BT=batch.valid_BT[order],
    )
    wanted = model(batch)
    same(model(shuffled), wanted[order], "rows were put into the order 2, 0, 3, 1", tolerance=1e-6)
    # Nor does another row's content count, not even by rounding.
    other = torch.zeros_like(batch.present_BTM)
    other[2] = True
    found = model(overwrite(batch, other, 3.0))
    same(found, wanted, "all values of row 2 were set to 3", torch.arange(B) != 2)


def nothing_later_is_read(model: MultimodalModel) -> None:
    if not model.causal:
        return
    for t, gradients in gradients_of(model):
        for name, g_BTF in gradients.items():
            later = g_BTF[:, t + 1 :].nan_to_num(nan=torch.inf).abs()
            if later.numel() and bool((later != 0).any()):
                step = t + 1 + int(later.amax((0, 2)).argmax())
                raise Broken(
                    f"in a causal model the output at step {t} depends on {name} at step {step}: its gradient is "
                    f"{float(later.max()):.3g}"
                )


def gradients_of(model: MultimodalModel) -> list[tuple[int, dict[str, Tensor]]]:
    """Steps, and gradients of the outputs there with respect to all values of each modality."""
    batch = replace(
        make_batch(),
        present_BTM=torch.ones(B, T, len(FEATURES), dtype=torch.bool),
        valid_BT=torch.ones(B, T, dtype=torch.bool),
    )
    values = {name: batch.values[name].requires_grad_() for name in model.modalities}
    outputs_BTKO = model(batch)
    direction = torch.randn(outputs_BTKO.shape[2:], generator=torch.Generator().manual_seed(2))
    found = []
    for t in (0, 3, T - 1):
        gradients = torch.autograd.grad(
            (outputs_BTKO[:, t] * direction).sum(),
            list(values.values()),
            retain_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )
        found.append((t, dict(zip(values, gradients, strict=True))))
    return found


def nothing_at_all_stays_finite(model: MultimodalModel) -> None:
    batch = make_batch()
    for valid in (True, False):
        empty = replace(
            overwrite(batch, torch.ones_like(batch.present_BTM), torch.nan),
            present_BTM=torch.zeros_like(batch.present_BTM),
            valid_BT=torch.full((B, T), valid),
        )
        _stays_finite(model, empty, "no modality is there" if valid else "every step is padding")


def one_modality_stays_finite(model: MultimodalModel) -> None:
    batch = make_batch()
    for left in model.modalities:
        others = torch.tensor([name != left for name in FEATURES]).expand_as(batch.present_BTM)
        alone = replace(overwrite(batch, others, torch.nan), present_BTM=~others)
        _stays_finite(model, alone, f"{left} alone is there")


def _stays_finite(model: MultimodalModel, batch: Batch, doing: str) -> None:
    model.zero_grad()
    outputs_BTKO = model(batch, torch.Generator().manual_seed(0))
    finite(outputs_BTKO, doing)
    outputs_BTKO.square().sum().backward()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            finite(parameter.grad.flatten(), doing, f"the gradient of {name}")
    model.zero_grad()


def gradients_reach_what_is_there(model: MultimodalModel) -> None:
    for absent in model.modalities:
        batch = make_batch()
        batch.present_BTM[..., list(FEATURES).index(absent)] = False
        values = {name: batch.values[name].requires_grad_() for name in model.modalities}
        outputs_BTKO = model(batch, torch.Generator().manual_seed(0))
        gradients = torch.autograd.grad(
            outputs_BTKO.square().sum(), list(values.values()), allow_unused=True, materialize_grads=True
        )
        for name, g_BTF in zip(values, gradients, strict=True):
            finite(g_BTF.flatten(), f"{absent} is absent", f"the gradient with respect to {name}")
            if name != absent and len(model.modalities) > 1 and not bool((g_BTF != 0).any()):
                raise Broken(f"{absent} is absent; no gradient reaches {name}, which is there")
            if name == absent and bool((g_BTF != 0).any()):
                raise Broken(f"{absent} is absent; its gradient is {float(g_BTF.abs().max()):.3g}, not 0")


def a_trace_changes_nothing(model: MultimodalModel) -> None:
    batch, trace = make_batch(), Trace()
    same(model(batch, trace=trace), model(batch), "a trace was asked for", tolerance=ROUNDING)
    gates = {name: value for name, value in trace.arrays.items() if name.startswith("gates/")}
    for name, value in gates.items():
        known = torch.from_numpy(value)[~torch.from_numpy(value).isnan()]
        if len(known) and (float(known.min()) < 0 or float(known.max()) > 1):
            raise Broken(
                f"trace {name} must lie in 0 … 1; it reaches {float(known.min()):.3g} … {float(known.max()):.3g}"
            )


MODEL_PROMISES: tuple[Promise[MultimodalModel], ...] = (
    Promise("shape", later("One output for each step, track and parameter."), gives_one_output_a_target),
    Promise("repeatable", later("In evaluation the same batch gives the same bits."), repeats_itself),
    Promise("seeded", later("In training the same seed gives the same bits."), draws_from_its_generator_alone),
    Promise(
        "state", later("All that is learned or counted is in the state that is saved."), keeps_nothing_outside_its_state
    ),
    Promise("absent", later("What stands where a modality is absent changes no bit."), absence_changes_nothing),
    Promise("padding", later("What stands at padded steps changes no bit of a valid step."), padding_changes_nothing),
    Promise("length", later("How many padded steps follow changes nothing."), length_of_the_batch_changes_nothing),
    Promise("reads-all", later("Every modality that is there changes the output."), every_modality_counts),
    Promise("rows", later("Rows of a batch do not see each other."), rows_are_independent),
    Promise("causal", later("With causal, no output depends on a later step."), nothing_later_is_read),
    Promise(
        "finite-empty", later("With nothing to read, outputs and gradients are finite."), nothing_at_all_stays_finite
    ),
    Promise(
        "finite-one", later("With one modality left, outputs and gradients are finite."), one_modality_stays_finite
    ),
    Promise(
        "gradients",
        later("Gradients reach all modalities that are there, and no other."),
        gradients_reach_what_is_there,
    ),
    Promise("trace", later("Asking for a trace changes nothing; gates lie in 0 … 1."), a_trace_changes_nothing),
)
