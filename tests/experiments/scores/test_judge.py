"""The judge: pairing, directions, options, exports of studies, and the command."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from factories.command import mmstudy

from experiments.home import Home
from experiments.judge import judge
from mmcore.errors import ScoresError


def made(arms, repeats=8, repeat="seed", noise=0.01, shared=0.0, seed=0, score="accuracy"):
    """Scores by arm and repeat, with a part that all arms of a repeat share."""
    rng = np.random.default_rng(seed)
    common = shared * rng.normal(size=repeats)
    rows = [(a, r, level + common[r] + noise * rng.normal()) for a, level in arms.items() for r in range(repeats)]
    return pd.DataFrame(rows, columns=["model", repeat, score])


TWO = {"mlp": 0.8, "cnn": 0.85}


def verdicts(found):
    return [(v.arm, v.verdict) for v in found.verdicts]


def test_seeds_pair_nothing_unless_it_is_said(tmp_path):
    frame = made({"mlp": 0.80, "cnn": 0.81}, shared=0.1, noise=0.002)
    alone = judge(frame, out=tmp_path / "a")
    assert verdicts(alone) == [("cnn", "undecided")]
    assert "Compared unpaired: Nothing says that a 'seed' means the same for every arm" in alone.notes[-1]
    asked = judge(frame, paired=True, out=tmp_path / "b")
    assert verdicts(asked) == [("cnn", "better")]
    assert asked.notes[-1] == "Compared repeat by repeat: As asked (--paired)."


def test_folds_are_paired_and_their_overlap_is_known(tmp_path):
    found = judge(made(TWO, repeats=10, repeat="fold"), out=tmp_path)
    assert {c.paired.overlap for c in found.summary.comparisons} == {1 / 9}
    assert found.summary.paired
    assert "with 10 folds n_test/n_train is 1/9" in found.summary.covers
    asked = judge(made(TWO, repeats=10, repeat="fold"), overlap=0.25, out=tmp_path)
    assert {c.paired.overlap for c in asked.summary.comparisons} == {0.25}


def test_a_column_of_splits_pairs_seeds(tmp_path):
    frame = made(TWO)
    found = judge(frame.assign(split=frame["seed"] + 100), score="accuracy", repeat="seed", out=tmp_path)
    assert found.summary.paired
    assert "Column 'split' says that a 'seed' is one split for all arms" in found.notes[-1]
    assert "It is not known how much training data the repeats share" in found.summary.covers
    # One split for all seeds says nothing about pairs.
    one = judge(frame.assign(split=7), score="accuracy", repeat="seed", out=tmp_path)
    assert not one.summary.paired


def by_item(repeats=8, items=20, effect=0.05, own=False):
    rng = np.random.default_rng(1)
    gain = effect + 0.02 * rng.normal(size=items * (repeats if own else 1))
    rows = []
    for arm in ("mlp", "cnn"):
        for r in range(repeats):
            for i in range(items):
                at = r * items + i if own else i
                rows.append((arm, r, f"clip{at}", 0.8 + (arm == "cnn") * gain[at] + 0.005 * rng.normal()))
    return pd.DataFrame(rows, columns=["model", "seed", "clip", "accuracy"])


def test_shared_items_are_a_second_witness_and_pair_the_repeats(tmp_path):
    found = judge(by_item(), out=tmp_path)
    assert verdicts(found) == [("cnn", "better")]
    (comparison,) = found.summary.comparisons
    assert comparison.paired.shared
    assert comparison.paired.new_items is not None
    assert comparison.paired.new_items.groups == pytest.approx(20)
    assert "All arms and repeats were scored on the same 20 items" in found.notes[-1]


def test_few_items_decide_for_these_items_only(tmp_path):
    found = judge(by_item(items=2, effect=0.02), out=tmp_path)
    assert verdicts(found) == [("cnn", "better on these items")]


def test_data_sets_with_items_are_judged_item_by_item(tmp_path):
    """Both data sets name their clips alike, and a clip's video is another in each of them."""
    parts = [by_item(items=12).assign(dataset="x"), by_item(items=2, effect=0.02).assign(dataset="y")]
    frame = pd.concat(parts, ignore_index=True)
    frame = frame.assign(video=frame["dataset"].map({"x": "v", "y": "w"}) + frame["clip"])
    found = judge(frame, out=tmp_path)
    assert {c.component: (c.verdict, c.tested) for c in found.summary.comparisons} == {
        "x": ("better", "12 test items"),
        "y": ("better on these items", "2 test items"),
    }
    assert found.summary.across is not None
    assert "hold on the tested items alone count as better or worse" in found.summary.across.limits


def test_an_overlap_is_of_paired_repeats(tmp_path):
    found = judge(made(TWO), overlap=0.25, out=tmp_path)
    assert found.summary.paired
    assert found.notes[-1] == "Compared repeat by repeat: As asked: --overlap is of paired repeats."
    with pytest.raises(ScoresError, match="an overlap is of paired repeats; found --unpaired with --overlap"):
        judge(made(TWO), overlap=0.25, paired=False, out=tmp_path)


def test_no_overlap_is_claimed_where_all_repeats_tested_the_same_items(tmp_path):
    """The interval is then without Nadeau and Bengio's term, so the report may not say that it has it."""
    found = judge(made(TWO, repeats=10, repeat="fold"), shared_items=True, out=tmp_path)
    assert {c.paired.overlap for c in found.summary.comparisons} == {0.0}
    assert "Nadeau" not in found.summary.covers
    for frame, shared in ((made(TWO), True), (by_item(), None)):
        with pytest.raises(ScoresError, match="an overlap is of repeats that test items of their own"):
            judge(frame, overlap=0.25, paired=True, shared_items=shared, out=tmp_path)


def test_an_overlap_of_0_that_was_asked_for_is_said(tmp_path):
    found = judge(made(TWO, repeats=10, repeat="fold"), overlap=0, out=tmp_path)
    assert {c.paired.overlap for c in found.summary.comparisons} == {0.0}
    assert "taken to share no training data (--overlap 0); if they do, intervals are too narrow" in found.summary.covers
    items = judge(by_item(repeats=6, own=True), overlap=0, out=tmp_path)
    assert "taken to share no training data (--overlap 0)" in items.summary.covers


def test_many_cells_that_are_no_numbers_are_counted(tmp_path):
    frame = made(TWO).astype({"accuracy": str})
    frame.loc[:7, "accuracy"] = "80%"
    with pytest.raises(ScoresError, match="found '80%', and 7 more\\. "):
        judge(frame, out=tmp_path)
    frame.loc[1:, "accuracy"] = "0.5"
    with pytest.raises(ScoresError, match="found '80%'\\. "):
        judge(frame, out=tmp_path)


def test_latex_names_no_runs_that_nobody_knows(tmp_path):
    judge(made(TWO), out=tmp_path)
    assert "% runs of" not in (tmp_path / "report.tex").read_text(encoding="utf-8")


def test_undecided_scores_are_not_told_to_use_options_of_studies(tmp_path):
    found = judge(made({"mlp": 0.80, "cnn": 0.803}, noise=0.02, seed=2), out=tmp_path)
    (verdict,) = found.verdicts
    assert verdict.verdict == "undecided"
    assert "--repeats" not in verdict.not_shown
    assert "more repeats of each arm would decide it" in verdict.not_shown


def test_items_of_their_own_in_each_repeat_are_folds(tmp_path):
    found = judge(by_item(repeats=6, own=True), out=tmp_path)
    (comparison,) = found.summary.comparisons
    assert not comparison.paired.shared
    assert comparison.paired.overlap == pytest.approx(1 / 5)


def test_unlike_items_are_refused(tmp_path):
    frame = by_item().query("not (model == 'cnn' and seed == 3 and clip == 'clip7')")
    with pytest.raises(ScoresError, match="found 'cnn' lacks 1 item of seed 3"):
        judge(frame, out=tmp_path)
    with pytest.raises(ScoresError, match="scores of the same items are paired by item; found --unpaired"):
        judge(by_item(), paired=False, out=tmp_path)


def test_items_that_are_said_to_be_shared_limit_the_verdict(tmp_path):
    found = judge(made(TWO), paired=True, shared_items=True, out=tmp_path)
    assert verdicts(found) == [("cnn", "better on these items")]


def test_a_pair_needs_names(tmp_path):
    with pytest.raises(ScoresError, match="repeats that are paired must have names; expected --repeat COLUMN"):
        judge(made(TWO).drop(columns="seed"), paired=True, out=tmp_path)


def test_a_score_called_an_error_needs_its_direction(tmp_path):
    frame = made(TWO, score="rmse")
    with pytest.raises(ScoresError, match="whether a low score is good; expected --lower-is-better or"):
        judge(frame, out=tmp_path)
    assert verdicts(judge(frame, lower_is_better=True, out=tmp_path)) == [("cnn", "worse")]
    assert verdicts(judge(frame, lower_is_better=False, out=tmp_path)) == [("cnn", "better")]


@pytest.mark.parametrize("score", ["kappa", "value", "agreement"])
def test_a_direction_that_no_name_tells_is_said_with_the_option_that_turns_it(tmp_path, score):
    """A guess that would turn every verdict round, were it wrong."""
    told = f"Higher {score} counts as better (--lower-is-better)."
    assert told in judge(made(TWO, score=score), score=score, out=tmp_path).notes
    assert told not in judge(made(TWO, score=score), score=score, lower_is_better=False, out=tmp_path).notes
    assert told not in judge(made(TWO, score=score), score=score, lower_is_better=True, out=tmp_path).notes


@pytest.mark.parametrize("score", ["accuracy", "val_acc", "score", "test/macro_f1"])
def test_names_of_gains_need_no_words(tmp_path, score):
    assert not [text for text in judge(made(TWO, score=score), score=score, out=tmp_path).notes if "Higher" in text]


@pytest.mark.parametrize("columns", ["model", "seed"])
def test_a_wide_table_names_no_measure_so_its_direction_is_said(tmp_path, columns):
    wide = made(TWO).pivot(index=columns, columns="seed" if columns == "model" else "model", values="accuracy")
    frame = wide.rename(columns=lambda name: f"seed{name}" if columns == "model" else name).reset_index()
    found = judge(frame, reference="mlp", out=tmp_path)
    assert "Higher score counts as better (--lower-is-better)." in found.notes
    assert verdicts(found) == [("cnn", "better")]
    turned = judge(frame, reference="mlp", lower_is_better=True, out=tmp_path)
    assert verdicts(turned) == [("cnn", "worse")]
    assert not [text for text in turned.notes if text.startswith("Higher")]


def test_names_that_differ_in_their_writing_alone_are_told(tmp_path):
    frame = made({"mlp": 0.8, "cnn": 0.85, "MLP": 0.8}).assign(dataset=["Iris", "iris"] * 12)
    notes = judge(frame, reference="cnn", by="dataset", out=tmp_path).notes
    assert "Arms whose names differ in their writing alone are compared as different ones: 'MLP' and 'mlp'." in notes
    assert "Data sets whose names differ in their writing alone count as different ones: 'Iris' and 'iris'." in notes
    assert not [text for text in judge(made(TWO), out=tmp_path).notes if "writing" in text]


def test_one_score_of_several_is_judged_and_the_others_are_named(tmp_path):
    frame = made(TWO).assign(f1=0.5, test_loss=0.1, width=64)
    told = "Other columns of scores are not judged: f1 and test_loss (--score)."
    assert told in judge(frame, out=tmp_path).notes
    # Whoever names a score knows of the others.
    assert told not in judge(frame, score="accuracy", out=tmp_path).notes


def test_a_margin_makes_small_differences_equivalent(tmp_path):
    frame = made({"mlp": 0.8, "cnn": 0.801}, repeats=12)
    assert verdicts(judge(frame, margin=0.02, out=tmp_path)) == [("cnn", "equivalent")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": -1.0}, "a margin must be a number above 0; found -1"),
        ({"margin": math.nan}, "a margin must be a number above 0"),
        ({"alpha": 0.0}, "alpha must lie between 0 and 0.5; found 0"),
        ({"overlap": -0.1}, "an overlap is the ratio of test to training size"),
        ({"reference": "mpl"}, "the reference must be an arm; found 'mpl'.*Did you mean 'mlp'"),
    ],
)
def test_bad_options_are_refused(tmp_path, options, message):
    with pytest.raises(ScoresError, match=message):
        judge(made(TWO), out=tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_the_reference_is_the_arm_that_is_called_so(tmp_path):
    found = judge(made({"cnn": 0.8, "Baseline": 0.7}), out=tmp_path)
    assert found.summary.reference == "Baseline"
    assert "All arms are compared with 'Baseline', since its name says so (--reference)." in found.notes


def test_missing_scores_are_counted_and_warned_of(tmp_path):
    frame = made(TWO)
    frame.loc[3, "accuracy"] = math.nan
    frame.loc[4, "accuracy"] = math.inf
    found = judge(frame, out=tmp_path)
    assert "Of 16 scores 1 NaN or empty and 1 infinite: they count as missing." in found.notes
    assert {c.code for c in found.summary.warnings} == {"ABL030", "ABL043"}
    assert next(c.text for c in found.summary.warnings if c.code == "ABL043").startswith("Fewer repeats than others")


def test_arms_with_other_seeds_are_compared_over_all_of_them(tmp_path):
    frame = made(TWO)
    frame.loc[frame["model"] == "cnn", "seed"] += 100
    found = judge(frame, out=tmp_path)
    (comparison,) = found.summary.comparisons
    assert (comparison.paired.sizes.arm, comparison.paired.sizes.reference) == (8, 8)
    paired = judge(frame, paired=True, out=tmp_path)
    assert verdicts(paired) == [("cnn", "too few repeats")]
    assert "ABL043" in {c.code for c in paired.summary.warnings}


def test_each_data_set_is_judged_and_all_are_summed_up(tmp_path):
    frames = [made({"mlp": 0.5 + 0.1 * i, "cnn": 0.55 + 0.1 * i}, seed=i).assign(dataset=f"d{i}") for i in range(6)]
    found = judge(pd.concat(frames), out=tmp_path)
    assert found.summary.across is not None
    assert "better than 'mlp' on 6 of 6 data sets" in found.summary.across.findings[0].text
    assert "data sets that are not in the table" in found.summary.covers


def test_a_judgement_that_is_judged_again_is_the_same(tmp_path):
    first = judge(made(TWO, score="rmse"), lower_is_better=True, out=tmp_path / "a")
    again = judge(tmp_path / "a", out=tmp_path / "b")
    assert verdicts(again) == verdicts(first) == [("cnn", "worse")]
    assert not again.summary.paired


def test_the_command_says_what_it_guessed_and_found(tmp_path):
    made(TWO).to_csv(tmp_path / "s.csv", index=False)
    home = Home(tmp_path / "home")
    told = mmstudy(home, "judge", tmp_path / "s.csv")
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("Columns were guessed: --arm model --repeat seed --score accuracy.\n")
    assert "'cnn' is better than 'mlp'." in told.stdout
    assert "The table cannot" in told.stdout
    assert (home.root / "reports" / "judge-s" / "report.html").is_file()
    as_data = mmstudy(home, "judge", tmp_path / "s.csv", "--format", "json", "--out", tmp_path / "r")
    found = json.loads(as_data.stdout)
    assert found["comparisons"][0]["verdict"] == "better"
    assert found["comparisons"][0]["paired"] is False
    assert found["notes"][0].startswith("Columns were guessed")


def test_the_command_refuses_with_one_line_and_exit_code_2(tmp_path):
    (tmp_path / "s.csv").write_text("model,seed,accuracy\nmlp,0,0.8\ncnn,0,high\n")
    told = mmstudy(Home(tmp_path / "home"), "judge", tmp_path / "s.csv", "--score", "accuracy")
    assert told.returncode == 2
    assert told.stderr.startswith(f"error: {tmp_path / 's.csv'}:3: every score in column 'accuracy' must be a number")
    assert told.stdout == ""


def test_strict_ends_with_1_where_a_check_warns(tmp_path):
    frame = made(TWO)
    frame[~((frame["model"] == "cnn") & (frame["seed"] == 1))].to_csv(tmp_path / "s.csv", index=False)
    home = Home(tmp_path / "home")
    assert mmstudy(home, "judge", tmp_path / "s.csv").returncode == 0
    assert mmstudy(home, "judge", tmp_path / "s.csv", "--strict").returncode == 1


def test_two_judgements_can_be_compared_and_have_no_run_in_common(tmp_path):
    judge(made(TWO), out=tmp_path / "a")
    judge(made(TWO, seed=1), out=tmp_path / "b")
    told = mmstudy(Home(tmp_path / "home"), "compare", tmp_path / "a", tmp_path / "b")
    assert told.returncode == 0, told.stderr
    assert "A has 16 runs, B 16; none of them are the same." in " ".join(told.stdout.split())
    assert "corpus None" not in told.stdout
