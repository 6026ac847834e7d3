"""Held gates pass what they are told to, and let go again."""

import numpy as np
import pytest
import torch

from mmcore.config import DataConfig, Forecast, ModelConfig
from mmcore.data.loader import Loader
from mmcore.data.normalisation import fit_normaliser
from mmcore.errors import ConfigError
from mmcore.model.build import build_model
from mmcore.probes.gates.clamping import clamped
from mmcore.probes.removal import without
from mmcore.trace import Trace

SMALL = {"width": 16, "layers": 1, "heads": 2, "feed_forward": 32}
NAMES = ("speech", "noise", "track")
EVERY = pytest.mark.parametrize("fusion", ["gated", "gated_softmax", "hierarchical"])
COMPETING = pytest.mark.parametrize("fusion", ["gated_softmax", "hierarchical"])


@pytest.fixture
def batch(prepared):
    loader = Loader(prepared, fit_normaliser(prepared, range(12)), DataConfig(), Forecast(), NAMES, range(4), 8)
    return next(loader.batches())


def built(prepared, fusion, **model):
    return build_model(ModelConfig(**SMALL, fusion={"kind": fusion}, **model), prepared.schema, True, 0, 100)


@torch.inference_mode()
def predicted(model, batch):
    return model(batch)


@EVERY
def test_a_held_gate_stands_in_the_trace_and_the_others_are_as_they_were(prepared, batch, fusion):
    model, free, held = built(prepared, fusion), Trace(), Trace()
    value_D = torch.linspace(0, 1, 16)
    with torch.inference_mode():
        model(batch, trace=free)
        with clamped(model, {"noise": value_D}):
            model(batch, trace=held)
    # Noise is never alone here, nor is it weighed against anything but what is there.
    there = ~np.isnan(held.arrays["gates/noise"]).any(-1) & (held.arrays["present"].sum(-1) >= 2)
    assert there.any()
    assert (held.arrays["gates/noise"][there] == value_D.numpy()).all()
    # The track is weighed against what passes the gates below.
    for name in ("speech",) if fusion == "hierarchical" else ("speech", "track"):
        same = torch.from_numpy(held.arrays[f"gates/{name}"]), torch.from_numpy(free.arrays[f"gates/{name}"])
        assert torch.equal(*(x.nan_to_num(nan=-1.0) for x in same))


def test_a_gate_held_shut_is_a_modality_that_is_absent(prepared, batch):
    model = built(prepared, "gated")
    with clamped(model, {"speech": torch.tensor(0.0)}):
        shut = predicted(model, batch)
    assert torch.equal(shut, predicted(model, without(batch, ("speech",))))
    assert not torch.equal(shut, predicted(model, batch))


def test_gates_held_open_add_embeddings(prepared, batch):
    model = built(prepared, "gated")
    with clamped(model, {name: torch.tensor(1.0) for name in NAMES}):
        wide = predicted(model, batch)

    class Sum(torch.nn.Module):
        def forward(self, streams, rng=None, trace=None):
            return sum(streams.embedded[1:], streams.embedded[0])

    model.fusion = Sum()
    torch.testing.assert_close(wide, predicted(model, batch))


@COMPETING
def test_one_that_is_alone_passes_whole_though_its_gate_is_held(prepared, batch, fusion):
    model, alone = built(prepared, fusion), without(batch, ("speech", "track"))
    free = predicted(model, alone)
    with clamped(model, {"noise": torch.tensor(0.3)}):
        assert torch.equal(predicted(model, alone), free)
        assert not torch.equal(predicted(model, batch), free)


def test_an_inner_gate_held_shut_keeps_out_all_that_is_behind_it(prepared, batch):
    """With the track's side held open: then it does not matter what was behind the other."""
    model = built(prepared, "hierarchical")
    complete = torch.nonzero(batch.present_BTM.any(1).all(-1))[:, 0]
    assert len(complete)
    with clamped(model, {"(speech|noise)": torch.tensor(0.0), "track": torch.tensor(1.0)}):
        shut = predicted(model, batch)
    gone = predicted(model, without(batch, ("speech", "noise")))
    torch.testing.assert_close(shut[complete], gone[complete])
    assert not torch.allclose(predicted(model, batch)[complete], gone[complete])


@EVERY
def test_gates_are_free_again_even_after_an_error(prepared, batch, fusion):
    model = built(prepared, fusion)
    free = predicted(model, batch)

    def fails():
        with clamped(model, {"speech": torch.tensor(0.5)}):
            with clamped(model, {"noise": torch.tensor(0.0)}):
                pass
            assert set(model.fusion.held) == {"speech"}
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert torch.equal(predicted(model, batch), free)


@EVERY
def test_showing_gates_changes_no_bit_of_what_is_fused(prepared, batch, fusion):
    model, seen = built(prepared, fusion), []
    model.fusion.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.inference_mode():
        model(batch)
        model(batch, trace=Trace())
        model.look_at_fusion(batch, Trace())
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])


@pytest.mark.parametrize("fusion", ["gated", "gated_softmax"])
def test_norms_are_those_of_what_goes_in_and_passes(prepared, batch, fusion):
    model, trace, embedded = built(prepared, fusion), Trace(), []
    model.fusion.register_forward_hook(lambda module, inputs, output: embedded.extend(inputs[0].embedded))
    with torch.inference_mode():
        model(batch, trace=trace)
    for name, e_BTD in zip(NAMES, embedded, strict=True):
        gate_BTD = torch.from_numpy(trace.arrays[f"gates/{name}"])
        there = ~gate_BTD.isnan().any(-1)
        for kind, x_BTD in (("embedding_norm", e_BTD), ("gated_norm", gate_BTD * e_BTD)):
            found = torch.from_numpy(trace.arrays[f"{kind}/{name}"])
            torch.testing.assert_close(found[there], x_BTD[there].norm(dim=-1))
            assert found[~there].isnan().all()


@pytest.mark.parametrize("model", [{"fusion": "concat"}, {"fusion": "gated", "modalities": ("track",)}])
def test_without_gates_there_is_nothing_to_hold(prepared, model):
    with (
        pytest.raises(ConfigError, match="gated, gated_softmax or hierarchical"),
        clamped(built(prepared, **model), {}),
    ):
        pass


def test_an_unknown_modality_is_refused(prepared):
    with pytest.raises(ConfigError, match="smell"), clamped(built(prepared, "gated"), {"smell": torch.tensor(0.0)}):
        pass
