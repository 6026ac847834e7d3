"""Against the declared truth of the simulated corpus: what damage costs, and where errors are."""

import pytest
import torch

from mmcore.analyses import CorruptionAnalysis, ErrorsAnalysis
from mmcore.config import DataConfig, build_config
from mmcore.data.prepare import prepare
from mmcore.data.sources.simulated import read_truth, simulate
from mmcore.probes.corruption.probe import probe_corruption
from mmcore.probes.error_analysis.probe import probe_errors
from mmcore.run import run
from mmcore.trained import open_trained

pytestmark = pytest.mark.slow

TRAINED = {
    "data": {"window": 50, "stride": 25},
    "model": {"width": 64, "layers": 2, "heads": 4, "feed_forward": 128, "dropout": 0.1},
    "training": {
        "epochs": 8,
        "batch": 8,
        "steps_per_epoch": 100,
        "clip_norm": 5.0,
        "optimiser": {"kind": "adamw", "learning_rate": 3e-3, "weight_decay": 1e-2},
        "schedule": {"kind": "cosine", "warmup_epochs": 1},
    },
}
NOTHING = 0.15
"""Of skill: what the loss of a modality may cost a component that it does not drive; a model that has seen few windows
without the modality is put off by that alone."""


@pytest.fixture(scope="module", params=[0, 1])
def trained(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f"truth{request.param}")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    corpus = simulate(folder / "corpus", "quick", seed=request.param)
    store = prepare(corpus, DataConfig(), folder / "prepared")
    asked = build_config({"corpus": str(corpus), **TRAINED})
    run(asked, folder / "run", prepared=store)
    # An interaction takes more training than a test affords.
    learned = {name: told for name, told in read_truth(corpus).components.items() if not told.together}
    yield open_trained(asked, store, folder / "run"), learned
    torch.set_num_threads(threads)


def test_damage_costs_what_the_truth_says_and_nothing_else(trained):
    model, truth = trained
    found = probe_corruption(model, CorruptionAnalysis(levels=3))
    for name in ("audio", "visual"):
        for kind in ("drop", "gap", "lost"):
            curves = found.modalities[name].curves[kind].scores["skill"].components
            for component, told in truth.items():
                cost = curves[component][0] - curves[component][-1]
                assert (cost > NOTHING) == (name in told.modalities), (name, kind, component, cost)
        # Features that are read, though late or noisy, mislead at least as much as those that are gone.
        curves = found.modalities[name].curves
        assert curves["delay"].scores["skill"].whole[-1] < curves["lost"].scores["skill"].whole[-1]


def test_errors_are_larger_where_what_drives_them_is_absent(trained):
    model, truth = trained
    found = {c.name: {g.group: g for g in c.groups} for c in probe_errors(model, ErrorsAnalysis()).conditions}
    for name in ("audio", "visual"):
        for component, told in truth.items():
            ratio = found[name]["absent"].loss[component] / found[name]["present"].loss[component]
            # In this corpus both are absent together, so whatever content drives suffers from either.
            assert (ratio > 1.3) == bool(told.modalities), (name, component, ratio)
    cut = found["scene_change"]
    # At a cut the asset may change, and its last value says little: hard for the naive predictor, not for the model.
    naive, own = (getattr(cut["yes"], who)["asset"] / getattr(cut["no"], who)["asset"] for who in ("naive", "loss"))
    assert own < naive / 1.5
