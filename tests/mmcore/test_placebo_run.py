"""A run with a placebo: the same model on the same targets, and nothing to learn from the placebo."""

import pytest
import torch

from mmcore.analyses import CorruptionAnalysis
from mmcore.config import build_config
from mmcore.data.placebo import with_placebos
from mmcore.data.prepared import open_prepared
from mmcore.errors import ConfigError
from mmcore.fingerprint import fingerprint
from mmcore.probes.coalitions.masking import Donors
from mmcore.probes.corruption.probe import _Probe, probe_corruption
from mmcore.run import run
from mmcore.task import check_names
from mmcore.trained import open_trained


@pytest.fixture(scope="module")
def arms(config, editing_corpus, prepared, tmp_path_factory):
    """Config, folder and result of the model that reads everything, and of those with one placebo."""
    folder = tmp_path_factory.mktemp("placebo")
    configs = {
        name: config(editing_corpus, data__placebo=names, training__epochs=10, model__dropout=0.0)
        for name, names in (("own", []), ("speech", ["speech"]), ("noise", ["noise"]), ("track", ["track"]))
    }
    return {name: (c, folder / name, run(c, folder / name, prepared=prepared)) for name, c in configs.items()}


def test_parameters_operations_targets_and_baselines_are_the_same(arms):
    _, _, own = arms["own"]
    for name in ("speech", "noise", "track"):
        _, _, told = arms[name]
        assert (told.parameters, told.flops, told.steps) == (own.parameters, own.flops, own.steps)
        assert (told.split, told.corpus) == (own.split, own.corpus)
        assert told.fingerprint != own.fingerprint
        rows = [[(r.item, r.component, r.count, r.naive_loss) for r in x.items] for x in (told, own)]
        assert rows[0] == rows[1]
        naive = [[s for s in x.scores if s.baseline is not None] for x in (told, own)]
        assert naive[0] == naive[1]
        assert naive[0]


def test_what_drives_the_edits_is_missed_and_the_rest_is_not(arms):
    skill = {name: result.score("skill") for name, (_, _, result) in arms.items()}
    assert skill["own"] > 0.8
    # Every edit copies the speech of its own step, which nothing else tells.
    assert skill["speech"] < 0.15
    assert skill["noise"] > 0.8
    assert skill["track"] > 0.8


def test_a_placebo_of_the_tracks_cannot_be_copied_and_leaks_nothing(arms):
    for name in ("own", "track"):
        assert arms[name][2].leakage.forbidden_gradient == 0.0
    # Another item's tracks may be right by luck; for that no forecast is called leaky.
    assert arms["own"][2].leakage.copy_skill <= 1e-6
    assert arms["track"][2].leakage.copy_skill is None


def test_an_opened_run_and_its_probes_read_what_it_was_trained_on(arms, prepared):
    config, folder, result = arms["speech"]
    trained = open_trained(config, prepared, folder)
    tallied = trained.tally().component_losses()
    assert tallied == {c: pytest.approx(result.score("loss", c)) for c in ("active", "asset", "position")}
    # Few items: the sample of the probe is all test windows.
    answer = probe_corruption(trained, CorruptionAnalysis(levels=2))
    clean = answer.clean
    assert set(answer.modalities) == {"noise", "track"}, "damage to a placebo is damage to nothing"
    assert clean["skill"].whole == pytest.approx(result.score("skill"), abs=1e-5)
    donors = Donors(trained, 2)
    assert set(donors.loaders["speech"].prepared.placebos) == {"speech"}


def test_late_values_of_a_placebo_are_the_donors(arms, prepared):
    """Damage reads what lay before the window: of the stream that the model reads, not of the item's own."""
    config, folder, _ = arms["speech"]
    damage = _Probe(open_trained(config, prepared, folder), CorruptionAnalysis(levels=2)).damage
    late = damage.delayed("speech", 1)
    now_BTF, late_BTF = damage.batch.values["speech"], late.values["speech"]
    there_BT = late.valid_BT[:, 1:]
    assert there_BT.any()
    assert torch.equal(late_BTF[:, 1:][there_BT], now_BTF[:, :-1][there_BT])


def test_the_store_on_disk_is_not_touched(arms, prepared):
    assert prepared.placebos == {}
    assert open_prepared(prepared.path).placebos == {}
    config = arms["speech"][0]
    trained = open_trained(config, prepared, arms["speech"][1])
    again = with_placebos(prepared, ("speech",), trained.split, config.repeat).placebos["speech"]
    assert trained.prepared.placebos["speech"].donor_I.tolist() == again.donor_I.tolist()


def test_the_order_of_the_names_does_not_change_the_run():
    def named(*names: str) -> str:
        values = {"corpus": "c", "data": {"window": 50, "placebo": list(names)}}
        return fingerprint(build_config(values), "0" * 32)

    assert named("a", "b") == named("b", "a")
    assert len({named("a", "b"), named("a"), named("b"), named()}) == 4
    assert named() == fingerprint(build_config({"corpus": "c", "data": {"window": 50}}), "0" * 32)


@pytest.mark.parametrize(
    ("names", "modalities", "says"),
    [
        (["nosie"], None, "modality 'nosie' is not in corpus"),
        (["noise"], ["speech", "track"], "the model does not read noise, so a placebo of it would change nothing"),
        (["noise", "speech", "track"], None, "one of the modalities that the model reads must be the item's own"),
        (["speech"], ["speech"], "one of the modalities that the model reads must be the item's own"),
    ],
)
def test_names_are_checked(config, editing_corpus, prepared, names, modalities, says):
    asked = config(editing_corpus, data__placebo=names, model__modalities=modalities)
    with pytest.raises(ConfigError, match=says) as caught:
        check_names(asked, prepared.schema)
    assert caught.value.where == "data.placebo"


def test_a_name_given_twice_is_refused():
    with pytest.raises(ConfigError, match="no modality twice"):
        build_config({"corpus": "c", "data": {"placebo": ["a", "a"]}})
