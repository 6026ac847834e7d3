"""What a side of the split lacks is refused, or told and recorded."""

import numpy as np
import pandas as pd
import pytest

from mmcore.config import SplitConfig
from mmcore.data.prepare import prepare
from mmcore.data.splits import draw_split
from mmcore.data.strata import strata_of
from mmcore.errors import ConfigError, SplitError
from mmcore.events import Note
from mmcore.run import run

SIDES = ["train"] * 6 + ["validation"] * 3 + ["test"] * 3
STEPS = 24


@pytest.fixture
def corpus_with(corpus_writer, tmp_path):
    """Two sensors and a class per step; ``lacks`` names sides without audio, ``labels`` gives a side's classes."""

    def write(lacks=(), labels=None, no_labels=(), sides=SIDES):
        rng = np.random.default_rng(0)
        names = [f"clip{i:02d}" for i in range(len(sides))]
        schema = {
            "format": 1,
            "name": "sides",
            "modalities": {"audio": {"features": [{"name": "level"}]}, "video": {"features": [{"name": "motion"}]}},
            "targets": {
                "from": "mood",
                "parameters": [
                    {
                        "name": "mood",
                        "kind": "categorical",
                        "classes": 3,
                        "component": "mood",
                        "labels": ["sad", "calm", "glad"],
                    }
                ],
            },
        }
        tables = {"audio": {}, "video": {}, "mood": {}}
        for name, side in zip(names, sides, strict=True):
            classes = (labels or {}).get(side, (0, 1, 2))
            if side not in lacks:
                tables["audio"][name] = pd.DataFrame({"level": rng.standard_normal(STEPS)})
            tables["video"][name] = pd.DataFrame({"motion": rng.standard_normal(STEPS)})
            if side not in no_labels:
                tables["mood"][name] = pd.DataFrame({"mood": rng.choice(classes, STEPS).astype(float)})
        listing = pd.DataFrame({"item": names, "group": names, "split": sides})
        return corpus_writer(tmp_path / "sides", schema, tables, listing)

    return write


def test_each_side_is_recorded_with_what_it_lacks_and_holds(config, corpus_with, tmp_path):
    corpus = corpus_with(lacks=("test",), labels={"validation": (0, 1)})
    notes = []
    result = run(config(corpus, training__epochs=1), tmp_path / "run", notes.append)
    assert [side.missing for side in result.split.sides.values()] == [
        {"audio": 0, "video": 0}, {"audio": 0, "video": 0}, {"audio": 3, "video": 0}
    ]  # fmt: skip
    validation = result.split.validation.labels["mood"]
    assert (validation.count, validation.classes["glad"], validation.constant) == (3 * STEPS, 0, False)
    assert sum(result.split.test.labels["mood"].classes.values()) == 3 * STEPS
    unread = run(config(corpus, training__epochs=1, evaluation__test=False), tmp_path / "unread")
    assert unread.split.test.labels is None


def test_a_model_that_reads_only_what_was_never_trained_is_refused(config, corpus_with, tmp_path):
    corpus = corpus_with(lacks=("train",))
    with pytest.raises(SplitError, match=r"expected audio in at least one training item; found none of them in all 6"):
        run(config(corpus, model__modalities=["audio"]), tmp_path / "audio")
    # Nor may a test take away the one modality that was trained.
    with pytest.raises(SplitError, match="must read a modality that it was trained on"):
        run(config(corpus, evaluation__without=["video"]), tmp_path / "without")
    notes = []
    assert run(config(corpus, training__epochs=1), tmp_path / "both", notes.append).status == "done"
    assert any("'audio' is absent from all 6 training items" in n.text for n in notes if isinstance(n, Note))


def test_no_label_in_training_is_refused_and_none_in_validation_is_told(config, corpus_with, tmp_path):
    corpus = corpus_with(no_labels=("train",))
    with pytest.raises(SplitError, match=r"none in 6 items \(clip00, clip01"):
        run(config(corpus), tmp_path / "run")


def test_no_label_in_validation_is_told(config, corpus_with, tmp_path):
    notes = []
    result = run(config(corpus_with(no_labels=("validation",)), training__epochs=1), tmp_path / "run", notes.append)
    assert any("no validation item has a target" in n.text for n in notes if isinstance(n, Note))
    assert result.split.validation.labels["mood"].count == 0


# Stratified splits -------------------------------------------------------------------------------------------------
@pytest.fixture
def unequal(corpus_writer, tmp_path):
    """40 items: every fourth has class 1, and items.csv tells the studio; 8 groups of one item share studio B."""
    names = [f"clip{i:02d}" for i in range(40)]
    schema = {
        "format": 1,
        "name": "unequal",
        "modalities": {"audio": {"features": [{"name": "level"}]}},
        "targets": {
            "from": "mood",
            "scope": "item",
            "parameters": [
                {"name": "mood", "kind": "binary", "component": "mood"},
                {"name": "age", "component": "age"},
            ],
        },
    }
    rng = np.random.default_rng(0)
    tables = {
        "audio": {name: pd.DataFrame({"level": rng.standard_normal(5)}) for name in names},
        "mood": {name: pd.DataFrame({"mood": [float(i % 4 == 0)], "age": [1.0 * i]}) for i, name in enumerate(names)},
    }
    studio = ["B" if i % 5 == 0 else "A" for i in range(40)]
    listing = pd.DataFrame({"item": names, "group": names, "studio": studio})
    return prepare(corpus_writer(tmp_path / "unequal", schema, tables, listing), config_of(), tmp_path / "cache")


def config_of():
    from mmcore.config import DataConfig

    return DataConfig()


def shares(prepared, split, rare):
    return [sum(rare(prepared, i) for i in side) for side in (split.train, split.validation, split.test)]


@pytest.mark.parametrize("drawn", ["each_repeat", "once"])
@pytest.mark.parametrize(
    ("name", "rare", "count"),
    [
        ("mood", lambda prepared, i: prepared.target[i, 0, 0] == 1, 10),
        ("studio", lambda prepared, i: prepared.items[i].metadata["studio"] == "B", 8),
    ],
)
def test_every_side_gets_its_share_of_a_stratum(unequal, name, rare, count, drawn):
    config = SplitConfig(stratify=name, test_drawn=drawn)
    tests = set()
    for repeat in range(20):
        split = draw_split(unequal.items, config, repeat, strata_of(unequal, config))
        assert split == draw_split(unequal.items, config, repeat, strata_of(unequal, config))
        assert [len(s) for s in (split.train, split.validation, split.test)] == [24, 8, 8]
        for found, share in zip(shares(unequal, split, rare), (0.6, 0.2, 0.2), strict=True):
            assert abs(found - share * count) <= 1.5
        tests.add(split.test)
    assert len(tests) == (20 if drawn == "each_repeat" else 1)


def test_every_group_is_as_likely_to_be_tested(unequal):
    config = SplitConfig(stratify="mood")
    strata = strata_of(unequal, config)
    tested = np.zeros(40)
    for repeat in range(400):
        tested[list(draw_split(unequal.items, config, repeat, strata).test)] += 1
    # Four standard deviations of a count of 400 draws at one fifth.
    assert np.abs(tested - 80).max() < 4 * 8


def test_without_stratify_nothing_changes(unequal):
    assert strata_of(unequal, SplitConfig()) is None
    assert draw_split(unequal.items, SplitConfig(), 3) == draw_split(unequal.items, SplitConfig(), 3, None)


@pytest.mark.parametrize("name", ["studo", "age"])
def test_what_cannot_be_stratified_by_is_refused(unequal, name):
    with pytest.raises(ConfigError, match=r"expected studio or mood; found '\w+'"):
        strata_of(unequal, SplitConfig(stratify=name))
