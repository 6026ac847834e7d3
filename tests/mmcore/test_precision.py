"""bf16 and tf32: products alone in fewer bits, the same promises, and a run that can be stopped and told apart."""

import pytest
import torch
from torch import nn

from mmcore.config import build_config, override
from mmcore.data.windows import with_window
from mmcore.errors import ConfigError
from mmcore.events import Note, Progress
from mmcore.fingerprint import identity
from mmcore.model import precision
from mmcore.model.precision import numbers_in_words, slow_note, tensor_cores
from mmcore.predicting import open_member
from mmcore.promises.examples import VARIANTS, build, make_batch
from mmcore.promises.models import MODEL_PROMISES
from mmcore.run import run
from mmcore.task import check_precision
from mmcore.trace import Trace
from mmcore.trained import open_trained

FUSIONS = ("add", "concat", "gated", "gated_softmax", "attention", "low_rank", "hierarchical", "cross_modal",
           "bottleneck", "decision")  # fmt: skip
HEADS = ("shared", "residual", "track_tokens")
MEMBERS = [{"fusion": {"kind": kind}} for kind in FUSIONS] + [{"head": {"kind": kind}} for kind in HEADS]
IN_BITS = ("seeded", "absent", "causal", "finite-empty", "gradients")
"""Promises that hold to the bit in any precision, and that rounding or masks in another type could break."""


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: next(iter(member.values()))["kind"])
def test_every_member_keeps_its_promises_in_bf16(member):
    model = build(VARIANTS["learned-absence-causal"] | member | {"positions": "rotary", "norm": "pre"})
    wanted = model(make_batch())
    model.precision = "bf16"
    for promise in MODEL_PROMISES:
        if promise.name in IN_BITS:
            promise.test(model)
    found = model(make_batch())
    assert found.dtype == torch.float32
    assert not torch.equal(found, wanted)
    assert torch.allclose(found, wanted, atol=0.1)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_only_products_are_in_fewer_bits(norm):
    model = build({"norm": norm, "fusion": {"kind": "gated"}, "attention_dropout": 0.1})
    model.precision = "bf16"
    taken = {}

    def watch(name):
        def see(module, given, found):
            taken[name] = (given[0].dtype, found.dtype)

        return see

    for name, module in model.named_modules():
        if isinstance(module, nn.LayerNorm | nn.Linear):
            module.register_forward_hook(watch(name))
    outputs = model(make_batch(), torch.Generator().manual_seed(0))
    outputs.square().sum().backward()
    norms = [dtypes for name, dtypes in taken.items() if "norm" in name]
    maps = [dtypes for name, dtypes in taken.items() if "norm" not in name]
    assert norms
    assert set(norms) == {(torch.float32, torch.float32)}
    assert {out for _, out in maps} == {torch.bfloat16}
    assert {p.dtype for p in model.parameters()} == {p.grad.dtype for p in model.parameters()} == {torch.float32}
    trace = Trace()
    model.look_at_fusion(make_batch(), trace)
    model(make_batch(), trace=trace)
    assert {str(array.dtype) for name, array in trace.arrays.items() if name != "present"} == {"float32"}


def test_dropout_in_bf16_has_the_scale_of_float32():
    from mmcore.model.dropout import dropout, scale_of

    x = torch.ones(4000, dtype=torch.bfloat16)
    kept = dropout(x, 0.1, torch.Generator().manual_seed(0))
    assert set(kept.float().unique().tolist()) == {0.0, float(torch.tensor(scale_of(0.1)).bfloat16())}


def test_the_default_is_no_part_of_a_name():
    plain = {"corpus": "c", "data": {"window": 20}}
    config = build_config(plain)
    named = build_config(override(plain, {"training.precision": "fp32"}))
    assert identity(named, "x") == identity(config, "x")
    bf16 = build_config(override(plain, {"training.precision": "bf16"}))
    assert identity(bf16, "x")["config"]["training"] == {"precision": "bf16"}


class Stop(Exception):
    pass


@pytest.mark.parametrize("kind", ["gradnorm", "pcgrad"])
def test_weightings_by_gradients_train_in_bf16(config, kind, editing_corpus, prepared, tmp_path):
    asked = config(editing_corpus, training__precision="bf16", training__epochs=1, loss__weighting={"kind": kind})
    assert run(asked, tmp_path, prepared=prepared).done


@pytest.mark.usefixtures("each_epoch_saved")
def test_a_run_in_bf16_goes_on_bit_for_bit(
    config, without_time, same_weights, finished, editing_corpus, prepared, tmp_path, monkeypatch
):
    monkeypatch.setattr("mmcore.training.loop.SECONDS_BETWEEN_PROGRESS", 0.0)

    def stop(event):
        if isinstance(event, Progress) and (event.epoch, event.step) == (3, 5):
            raise Stop

    asked = config(editing_corpus, training__precision="bf16")
    whole = run(asked, tmp_path / "whole", prepared=prepared)
    with pytest.raises(Stop):
        run(asked, tmp_path / "cut", stop, prepared)
    resumed = run(asked, tmp_path / "cut", prepared=prepared)
    assert without_time(resumed) == without_time(whole)
    assert same_weights(tmp_path / "cut", tmp_path / "whole")
    assert whole.hardware.precision == "float32, bfloat16 in products"
    assert whole.leakage.forbidden_gradient == 0.0
    # It learned the same corpus, and not by the same numbers.
    assert whole.score() != finished[0].score()
    assert whole.rounding is not None
    assert whole.rounding.metric == "skill"
    assert whole.rounding.reduced == whole.score(split="validation")
    assert 0 < abs(whole.rounding.change) < 0.02
    assert finished[0].rounding is None
    assert whole.score() == pytest.approx(finished[0].score(), abs=0.05)
    # An analysis opens the run in its own precision.
    member = open_member(with_window(asked, prepared), prepared.schema, prepared.content, tmp_path / "whole")
    assert member.model.precision == "bf16", "predictions have the record's scores only in the record's precision"
    losses = open_trained(asked, prepared, tmp_path / "whole").tally().component_losses()
    assert losses == {name: whole.score("loss", name) for name in losses}


@pytest.mark.parametrize(
    ("asked", "device", "next_step"),
    [
        ("tf32", "cpu", "Set training.precision to fp32 or bf16, or use another device"),
        ("tf32", "mps", "Set training.precision to fp32, or use another device"),
        ("bf16", "mps", "Set training.precision to fp32, or use another device"),
    ],
)
def test_what_a_device_cannot_do_is_refused_with_a_way_out(asked, device, next_step):
    with pytest.raises(ConfigError) as refused:
        check_precision(asked, device)
    assert refused.value.next_step == next_step
    assert refused.value.where == "training.precision"


def test_what_works_or_is_not_known_yet_is_not_refused():
    for asked, device in (("fp32", "mps"), ("bf16", "cpu"), ("bf16", "cuda"), ("tf32", "cuda"), ("tf32", "auto")):
        check_precision(asked, device)


def test_a_run_in_tf32_on_the_cpu_is_refused(config, editing_corpus, prepared, tmp_path):
    with pytest.raises(ConfigError, match="tf32 does not work on cpu"):
        run(config(editing_corpus, training__precision="tf32"), tmp_path, prepared=prepared)
    assert not (tmp_path / "checkpoints").exists()


def test_tf32_holds_for_a_run_and_no_longer():
    backend, cuda = torch.backends.cuda.matmul, torch.device("cuda", 0)
    before = backend.fp32_precision
    with tensor_cores("tf32", cuda):
        assert backend.fp32_precision == "tf32"
        assert numbers_in_words("tf32", cuda) == "float32, tf32 in products"
        # As while rounding is probed.
        with tensor_cores("fp32", cuda):
            assert backend.fp32_precision == "ieee"
        assert backend.fp32_precision == "tf32"
    with pytest.raises(Stop), tensor_cores("tf32", cuda):
        raise Stop
    assert backend.fp32_precision == before
    with tensor_cores("tf32", torch.device("cpu")):
        assert backend.fp32_precision == before


def test_a_processor_without_units_for_bf16_is_told(config, editing_corpus, prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "has_bf16_units", lambda device: False)
    cpu = torch.device("cpu")
    assert slow_note("fp32", cpu) is slow_note("tf32", cpu) is None
    events = []
    run(config(editing_corpus, training__precision="bf16", training__epochs=1), tmp_path, events.append, prepared)
    (told,) = [event.text for event in events if isinstance(event, Note) and "bfloat16" in event.text]
    assert told.startswith("this processor has no units for bfloat16: training.precision bf16 is slower here than fp32")
