"""Steps of one training and sides of one split are no repeats: judged as such, they would make verdicts of nothing."""

import pytest

from experiments.score_sources import read_scores
from experiments.scores.columns import Wanted, columns_of
from experiments.scores.tidy import tidy_scores
from mmcore.errors import ScoresError


def tidied(path, text, **asked):
    path.write_text(text, encoding="utf-8")
    table, columns = columns_of(read_scores(path), Wanted(**asked))
    return tidy_scores(table, columns), columns


def table(head, rows):
    return head + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)


def curve(column, seeds=None):
    """Two arms, each trained once or for each seed, with a score after every epoch."""
    head = f"model,{'seed,' * bool(seeds)}{column},accuracy"
    runs = [(arm, *([seed] if seeds else [])) for arm in "ab" for seed in (seeds or [0])]
    return table(head, [(*run, epoch, 0.5 + 0.01 * epoch) for run in runs for epoch in range(30)])


@pytest.mark.parametrize("column", ["epoch", "iteration", "step", "global_step", "Epoch"])
def test_the_epochs_of_one_training_are_no_repeats(tmp_path, column):
    with pytest.raises(ScoresError) as refused:
        tidied(tmp_path / "s.csv", curve(column))
    assert refused.value.rule == "a repeat is a training of its own, with one score"
    assert f"column '{column}'" in str(refused.value)
    assert "Keep the last row of each training" in refused.value.next_step
    assert f"--repeat {column}" in refused.value.next_step


def test_the_epochs_of_each_seed_are_no_items_and_no_data_sets(tmp_path):
    """They are rows that stand several times, and no option of the command would make them right."""
    with pytest.raises(ScoresError, match="counts the steps of a training") as refused:
        tidied(tmp_path / "s.csv", curve("epoch", seeds=range(5)))
    assert "Keep the last row of each training" in refused.value.next_step
    assert "--" not in refused.value.next_step


def test_the_epochs_of_one_training_on_each_data_set_are_no_repeats(tmp_path):
    rows = [(arm, part, epoch, 0.5) for arm in "ab" for part in ("x", "y") for epoch in range(9)]
    with pytest.raises(ScoresError, match="column 'epoch'"):
        tidied(tmp_path / "s.csv", table("model,dataset,epoch,accuracy", rows))


def test_a_column_of_steps_may_be_called_the_repeat(tmp_path):
    """The iterations of a bootstrap, say: the user knows."""
    tidy, _ = tidied(tmp_path / "s.csv", curve("iteration"), repeat="iteration")
    assert len(tidy.rows) == 60


def test_the_epoch_at_which_each_training_ended_is_a_fact_of_it(tmp_path):
    ended = [(arm, epoch, 0.5 + 0.01 * k) for arm in "ab" for k, epoch in enumerate([17, 30, 30, 22, 30])]
    tidy, columns = tidied(tmp_path / "s.csv", table("model,epoch,accuracy", ended))
    assert columns.repeat is None
    assert len(tidy.rows) == 10
    seeds = [(arm, seed, 12 + seed % 3, 0.5 + 0.01 * seed) for arm in "ab" for seed in range(5)]
    tidy, columns = tidied(tmp_path / "t.csv", table("model,seed,epoch,accuracy", seeds))
    assert columns.repeat == "seed"


SIDES = ("train", "val", "test")


@pytest.mark.parametrize("column", ["split", "phase", "Subset"])
def test_the_sides_of_a_split_are_no_repeats(tmp_path, column):
    rows = [(arm, side, 0.5 + 0.1 * k) for arm in "ab" for k, side in enumerate(SIDES)]
    with pytest.raises(ScoresError) as refused:
        tidied(tmp_path / "s.csv", table(f"model,{column},accuracy", rows))
    assert f"found column '{column}' with train, val and test" in str(refused.value)
    assert "Keep the rows of the test side" in refused.value.next_step


def test_the_sides_of_each_seed_are_told_apart_from_copies(tmp_path):
    rows = [(arm, seed, side, 0.5) for arm in "ab" for seed in range(6) for side in ("train", "Test", "test_ood")]
    text = table("model,seed,split,accuracy", rows)
    with pytest.raises(ScoresError, match="one side of a split"):
        tidied(tmp_path / "s.csv", text)
    # Each side by itself is what the user may ask for.
    tidy, _ = tidied(tmp_path / "s.csv", text, by="split")
    assert tidy.distinct("component") == 3


def test_splits_with_numbers_and_one_side_alone_are_read_as_ever(tmp_path):
    numbered = table("model,split,accuracy", [(arm, split, 0.5) for arm in "ab" for split in range(5)])
    assert tidied(tmp_path / "s.csv", numbered)[1].repeat == "split"
    one = table("model,seed,split,accuracy", [(arm, seed, "test", 0.5) for arm in "ab" for seed in range(5)])
    assert tidied(tmp_path / "t.csv", one)[1].repeat == "seed"
    alone = table("model,split,accuracy", [(arm, "test", 0.5 + 0.01 * k) for arm in "ab" for k in range(5)])
    assert tidied(tmp_path / "u.csv", alone)[1].repeat is None


@pytest.mark.parametrize(("first", "asked"), [("repeat", {}), ("seed", {}), ("seed", {"repeat": "fold"})])
def test_folds_within_repeats_are_no_items(tmp_path, first, asked):
    """The folds of another repeat are other sets of items: as items they would be witnesses of what nobody saw."""
    rows = [(arm, k, fold, 0.5) for arm in "ab" for k in range(3) for fold in range(5)]
    text = table(f"model,{first},fold,accuracy", rows)
    with pytest.raises(ScoresError) as refused:
        tidied(tmp_path / "s.csv", text, **asked)
    assert f"column 'fold' within column '{first}'" in str(refused.value)
    assert "--repeat split --overlap 0.25." in refused.value.next_step
    assert "average to one score of an arm in a fold" in refused.value.next_step
    assert "--item" not in refused.value.next_step
    with pytest.raises(ScoresError, match="a fold is a split of the data, not a test item"):
        tidied(tmp_path / "s.csv", text, repeat=first, item="fold")


def test_what_the_advice_says_about_folds_within_repeats_works(tmp_path):
    rows = [(arm, f"{k}/{fold}", 0.5) for arm in "ab" for k in range(3) for fold in range(5)]
    tidy, columns = tidied(tmp_path / "s.csv", table("model,split,accuracy", rows))
    assert (columns.repeat, tidy.distinct("label")) == ("split", 15)
