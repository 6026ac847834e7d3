"""A modality that is taken away is one that was never there."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmcore.config import DataConfig, Forecast
from mmcore.data.loader import Loader
from mmcore.data.normalisation import Normaliser, fit_normaliser
from mmcore.errors import CheckpointError, ConfigError
from mmcore.events import EpochDone
from mmcore.fingerprint import training_fingerprint
from mmcore.probes.removal import removing, without
from mmcore.run import run
from mmcore.scoring import Data
from mmcore.trained import load_trained


def test_what_is_removed_is_absent_everywhere_and_the_rest_untouched(prepared):
    normaliser = fit_normaliser(prepared, range(12))
    loader = Loader(prepared, normaliser, DataConfig(window=20), Forecast(), ("speech", "noise", "track"), range(6), 8)
    batch = next(loader.batches())
    before = batch.present_BTM.clone()
    less = without(batch, ("noise",)).check()
    assert not less.present_BTM[..., 1].any()
    assert not less.values["noise"].any()
    assert batch.values["noise"].any()
    assert torch.equal(batch.present_BTM, before)
    for m, name in ((0, "speech"), (2, "track")):
        assert torch.equal(less.values[name], batch.values[name])
        assert torch.equal(less.present_BTM[..., m], before[..., m])


def test_where_nothing_is_removed_the_predictor_is_itself():
    assert removing((), torch.sigmoid) is torch.sigmoid


def test_a_run_is_scored_without_the_modality_and_trained_with_it(
    config, same_weights, finished, editing_corpus, prepared, tmp_path
):
    result, folder, _ = finished
    deaf = config(editing_corpus, evaluation__without=["speech"])
    events = []
    tested = run(deaf, tmp_path / "tested", events.append, prepared, folder)
    assert events == []
    assert not (tmp_path / "tested" / "checkpoints").exists()
    assert tested.fingerprint != result.fingerprint == training_fingerprint(deaf, prepared.content)
    assert (tested.history, tested.best_epoch, tested.steps) == (result.history, result.best_epoch, result.steps)
    assert [s for s in tested.scores if s.baseline] == [s for s in result.scores if s.baseline]
    for split in ("validation", "test"):
        assert tested.score("skill", split=split) < result.score("skill", split=split)

    # In one go, and by hand: the trained model on items that lack the modality.
    alone = run(deaf, tmp_path / "alone", events.append, prepared)
    assert [e.epoch for e in events if isinstance(e, EpochDone)] == [1, 2, 3, 4]
    assert same_weights(tmp_path / "alone", folder)
    assert (alone.scores, alone.items, alone.fingerprint) == (tested.scores, tested.items, tested.fingerprint)
    model = load_trained(deaf, prepared, folder)
    names = [item.name for item in prepared.items]
    test = sorted({names.index(row.item) for row in result.items})
    present = np.array(prepared.present)
    present[:, list(prepared.schema.modalities).index("speech")] = False
    normaliser = Normaliser.from_json((folder / "normalisation.json").read_text())
    lacking = replace(prepared, present=present)
    data = Data(config(editing_corpus), lacking, (), normaliser, Forecast(), events.append)
    tally = data.tally(model, data.loader("test", test))
    assert tally.component_losses() == {c: tested.score("loss", c) for c in ("active", "asset", "position")}


def test_only_a_finished_training_is_tested(config, finished, editing_corpus, prepared, tmp_path):
    deaf = config(editing_corpus, evaluation__without=["speech"])
    with pytest.raises(CheckpointError, match="only a training that is finished"):
        run(deaf, tmp_path / "run", prepared=prepared, trained=tmp_path / "nobody")
    other = config(editing_corpus, evaluation__without=["speech"], model__width=8)
    with pytest.raises(CheckpointError, match="must belong to the run that reads it"):
        run(other, tmp_path / "run", prepared=prepared, trained=finished[1])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"evaluation__without": ["speach"]}, "Did you mean 'speech'"),
        ({"evaluation__without": ["speech", "noise", "track"]}, "must be left; expected some of speech, noise, track"),
        ({"evaluation__without": ["noise"], "model__modalities": ["track", "speech"]}, "the model does not read noise"),
        ({"evaluation__without": ["track"], "model__modalities": ["track"]}, "must be left"),
        ({"augmentation": {"modality_dropout": {"rate": {"nois": 0.5}}}}, "Did you mean 'noise'"),
    ],
)
def test_what_cannot_be_taken_away_is_refused_before_any_work(
    config, editing_corpus, prepared, tmp_path, overrides, message
):
    with pytest.raises(ConfigError, match=message):
        run(config(editing_corpus, **overrides), tmp_path / "run", prepared=prepared)
    assert not (tmp_path / "run").exists()
