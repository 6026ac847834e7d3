"""Neither test items nor later steps can reach what they must not."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

import mmcore.run as run_module
import mmcore.scoring
from mmcore.config import DataConfig, Forecast, ModelConfig
from mmcore.config.model import Fusion, Head
from mmcore.data.loader import Loader
from mmcore.data.normalisation import fit_normaliser
from mmcore.data.prepare import prepare
from mmcore.events import EpochDone
from mmcore.model.build import build_model
from mmcore.probes.leakage import forbidden_gradient
from mmcore.run import run
from mmcore.trained import load_trained


# Test items --------------------------------------------------------------------------------
def test_test_items_are_not_read_before_the_choice_is_made(config, editing_corpus, prepared, tmp_path, monkeypatch):
    """A spy on every loader: those with test items come after the last epoch."""
    told = []

    class Spy(Loader):
        def __init__(self, prepared, normaliser, data, task, modalities, items, *rest):
            told.append(frozenset(items))
            super().__init__(prepared, normaliser, data, task, modalities, items, *rest)

    monkeypatch.setattr(mmcore.scoring, "Loader", Spy)
    result = run(config(editing_corpus), tmp_path, lambda e: told.append(e), prepared)
    names = [item.name for item in prepared.items]
    test = {names.index(row.item) for row in result.items}
    last_epoch = max(i for i, e in enumerate(told) if isinstance(e, EpochDone))
    touched = [i for i, e in enumerate(told) if isinstance(e, frozenset) and e & test]
    assert touched
    assert min(touched) > last_epoch


def test_test_items_change_nothing_but_their_own_scores(
    config, same_weights, finished, editing_corpus, prepared, tmp_path
):
    result, folder, _ = finished
    names = [item.name for item in prepared.items]
    values = {name: np.array(array) for name, array in prepared.values.items()}
    target = np.array(prepared.target)
    for name in {row.item for row in result.items}:
        item = prepared.items[names.index(name)]
        rows = slice(item.offset, item.offset + item.steps)
        for array in values.values():
            array[rows] = 7.0
        target[rows, :, 2] = -1000.0
    changed = run(config(editing_corpus), tmp_path, prepared=replace(prepared, values=values, target=target))
    assert same_weights(tmp_path, folder)
    assert [s for s in changed.scores if s.split == "validation"] == [
        s for s in result.scores if s.split == "validation"
    ]
    assert changed.score("loss") != result.score("loss")
    for name in ("normalisation.json",):
        assert (tmp_path / name).read_text() == (folder / name).read_text()


# Time --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("horizon", "lookahead"), [(1, None), (3, 1), (2, 0)])
def test_a_forecast_cannot_see_what_lies_later(config, editing_corpus, prepared, tmp_path, horizon, lookahead):
    """Through the whole way, store to outputs: later rows of an item change nothing, and earlier ones do."""
    task = {"kind": "forecast", "horizon": horizon, "content_lookahead": lookahead}
    configured = config(editing_corpus, task=task, training__epochs=1, data__window=60)
    run(configured, tmp_path, prepared=prepared)
    model = load_trained(configured, prepared, tmp_path)
    ahead = horizon if lookahead is None else lookahead
    item = prepared.items[2]
    step = 30

    def predict(store):
        normaliser = fit_normaliser(prepared, range(12))
        loader = Loader(store, normaliser, configured.data, configured.task, model.modalities, [2], 1)
        with torch.no_grad():
            return model(next(iter(loader.batches())))[0, : step + 1]

    def changed(name, first):
        values = {n: np.array(array) for n, array in prepared.values.items()}
        values[name][item.offset + first : item.offset + item.steps] += 3.0
        target = np.array(prepared.target)
        target[item.offset + step + 1 : item.offset + item.steps] = 1.0
        return replace(prepared, values=values, target=target)

    clean = predict(prepared)
    assert torch.equal(predict(changed("track", step + 1)), clean)
    assert not torch.equal(predict(changed("track", step)), clean)
    for content in ("speech", "noise"):
        assert torch.equal(predict(changed(content, step + ahead + 1)), clean)
        assert not torch.equal(predict(changed(content, step + ahead)), clean)


@pytest.mark.parametrize("length", [2.5, 0.4], ids=["longer than a step", "pooled"])
def test_a_forecast_from_the_file_on_cannot_see_segments_that_start_later(
    config, editing_corpus, corpus_writer, tmp_path, length
):
    """Speech in segments: their cells, and the ends of those in force, change nothing at or before a step."""
    schema = yaml.safe_load((editing_corpus / "corpus.yaml").read_text())
    schema["step"] = 1.0
    schema["modalities"]["speech"] |= {"start": "from", "end": "to"}
    items = pd.read_csv(editing_corpus / "items.csv")
    step, item = 30, "clip02"

    def written(name, bent):
        rng = np.random.default_rng(0)
        tables = {"speech": {}, "noise": {}, "track": {}}
        for modality in ("noise", "track"):
            for path in (editing_corpus / modality).iterdir():
                tables[modality][path.stem] = pd.read_parquet(path)
        for one in items["item"]:
            start = np.arange(0, 60, length)
            table = pd.DataFrame({"from": start, "to": start + length, "level": rng.standard_normal(len(start))})
            if bent and one == item:
                table.loc[table["from"] > step, "level"] += 3.0
                table.loc[table["to"] > step, "to"] += 0.1
            tables["speech"][one] = table
        return prepare(corpus_writer(tmp_path / name, schema, tables, items), data, tmp_path / "prepared")

    data = DataConfig(window=60, interpolation="last")
    clean, changed = written("clean", False), written("changed", True)
    task = {"kind": "forecast", "horizon": 1, "content_lookahead": 0}
    asked = config(tmp_path / "clean", task=task, training__epochs=1, data=data.model_dump())
    result = run(asked, tmp_path / "run", prepared=clean)
    assert result.leakage.forbidden_gradient == 0.0
    model = load_trained(asked, clean, tmp_path / "run")
    normaliser = fit_normaliser(clean, range(12))

    def predict(store):
        loader = Loader(store, normaliser, data, asked.task, model.modalities, [2], 1)
        with torch.no_grad():
            return model(next(iter(loader.batches())))[0]

    one, other = predict(clean), predict(changed)
    assert torch.equal(one[: step + 1], other[: step + 1])
    assert not torch.equal(one[step + 1 : step + 5], other[step + 1 : step + 5])


def test_the_gradient_of_a_forecast_with_respect_to_later_inputs_is_exactly_zero(
    config, finished, editing_corpus, prepared
):
    model = load_trained(config(editing_corpus), prepared, finished[1])
    task = run_module.resolve_task(config(editing_corpus), prepared.schema)
    normaliser = fit_normaliser(prepared, range(12))
    loader = Loader(prepared, normaliser, DataConfig(window=20), task, model.modalities, range(6), 4)
    for batch in loader.batches():
        for x_BTF in batch.values.values():
            x_BTF.requires_grad_()
        step = 9
        model(batch)[:, step].abs().sum().backward()
        for x_BTF in batch.values.values():
            assert x_BTF.grad[:, step + 1 :].abs().max() == 0
            assert x_BTF.grad[:, : step + 1].abs().max() > 0


# Every part that a config can ask for ------------------------------------------------------------------------------
# What a class of the user's may read is what `mmstudy verify` tests.
FUSIONS, HEADS = (
    [kind for member in get_args(get_args(u)[0]) if (kind := member.model_fields["kind"].default) != "custom"]
    for u in (Fusion, Head)
)
TASKS = [Forecast(), Forecast(horizon=3), Forecast(horizon=3, content_lookahead=0), Forecast(content_lookahead=2)]


@pytest.fixture(scope="module")
def handfuls(prepared):
    """Eight windows for each task, from the real loader."""
    normaliser = fit_normaliser(prepared, range(12))
    modalities = tuple(prepared.schema.modalities)
    loaders = [Loader(prepared, normaliser, DataConfig(window=12), task, modalities, range(6), 8) for task in TASKS]
    return [next(loader.batches(np.arange(0, 24, 3))) for loader in loaders]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("change", [{}, {"layers_before": 1, "layers": 0, "absence": "learned"}], ids=["early", "late"])
def test_no_part_lets_a_forecast_see_what_lies_later(prepared, handfuls, fusion, head, change):
    sizes = {"width": 8, "layers": 1, "heads": 2, "feed_forward": 8}
    parts = ModelConfig.model_validate({**sizes, "fusion": {"kind": fusion}, "head": {"kind": head}, **change})
    model = build_model(parts, prepared.schema, True, 0, 12)
    assert [forbidden_gradient(model, batch) for batch in handfuls] == [0.0] * len(TASKS)
    # The same without the causal mask is caught, so the probe is not blind to this part.
    assert forbidden_gradient(build_model(parts, prepared.schema, False, 0, 12), handfuls[0]) > 0
