"""What the CSV files of a report add to its page."""

import math

import pandas as pd
import pytest
from scipy import stats

from reports.output.render import LONG, write_report
from reports.output.tables import tables
from reports.statistics.bootstrap import bca, interquartile_mean
from reports.statistics.comparisons import compare, equivalence_p
from reports.summary.build import summarise


def written(results):
    return tables(summarise(results), results)


def test_arms_have_the_bootstrap_interval_and_the_interquartile_mean_of_the_metric(results_of):
    results = results_of()
    arms = written(results)["arms"].set_index("arm")
    for arm, scores in results.table("skill", None).items():
        row = arms.loc[arm]
        assert row["interquartile_mean"] == pytest.approx(stats.trim_mean(scores, 0.25), abs=1e-12)
        assert (row["bca_low"], row["bca_high"]) == bca(scores, 0.95, results.overlap)
        assert (row["iqm_low"], row["iqm_high"]) == bca(scores, 0.95, results.overlap, interquartile_mean)
        assert row["bca_low"] < row["mean"] < row["bca_high"]


def test_comparisons_have_a_bootstrap_interval_an_equivalence_p_and_the_share_won(results_of, study_of):
    results = results_of(study_of(margin=0.02), effects={"multimodal": {"active": 0.12}})
    rows = written(results)["comparisons"]
    for component, low, high, p, share in rows[
        ["component", "bca_low", "bca_high", "p_equivalence", "share_won"]
    ].itertuples(index=False):
        table = results.table("skill", component if isinstance(component, str) else None)
        paired = compare(table["multimodal"], table["track_only"], overlap=results.overlap)
        assert p == equivalence_p(paired, 0.02)
        assert share == paired.won / 8
        assert low < paired.difference.mean < high
    assert written(results_of())["comparisons"]["p_equivalence"].isna().all()


def test_arms_without_a_finished_run_have_rows_without_numbers(results_of, study_of):
    study = study_of(("track_only", "multimodal", "broken"), repeats=3)
    results = results_of(study, failures=[("broken", r) for r in range(3)])
    found = written(results)
    broken = found["arms"].set_index("arm").loc["broken"]
    assert all(math.isnan(broken[name]) for name in ("bca_low", "interquartile_mean", "iqm_high"))
    against = found["comparisons"]
    assert against.loc[against["arm"] == "broken", ["bca_low", "share_won"]].isna().all(axis=None)
    assert found["ranks"]["arm"].tolist() == ["multimodal", "track_only"]


def test_words_that_a_spreadsheet_takes_for_formulas_are_plain_text_in_long_tables_too(results_of, study_of, tmp_path):
    results = results_of(study_of(["track_only", "=1+1"]), items=4)
    page = write_report(summarise(results), results, tmp_path)
    for name in LONG:
        read = pd.read_csv(page.parent / "tables" / f"{name}.csv")
        assert set(read["arm"]) == {"track_only", "'=1+1"}
        assert len(read) == len(getattr(results, name))
