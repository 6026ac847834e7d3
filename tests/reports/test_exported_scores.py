"""The scores that a study's report exports, judged like anyone's scores: the verdicts are the study's."""

from dataclasses import replace

import pytest
from factories.studies import blank_figures

from experiments.judge import judge
from mmcore.errors import ScoresError
from reports.output.render import write_report
from reports.records.frame import tidy
from reports.summary.build import summarise
from studies.repeats import Sequential

__all__ = ["blank_figures"]


def verdicts(found):
    return [(v.arm, v.verdict) for v in found.verdicts]


@pytest.mark.parametrize("drawn", ["each_repeat", "once"])
def test_the_exported_scores_of_a_study_give_its_verdicts(tmp_path, study_of, records_of, results_of, drawn):
    study = study_of(arms=("track_only", "audio", "all"), repeats=10, margin=0.02)
    effects = {"audio": 0.02, "all": 0.1}
    results = results_of(study, effects=effects, failures=[("audio", 3)], drawn=drawn)
    summary = summarise(results)
    write_report(summary, results, tmp_path / "study")
    for source in (tmp_path / "study", tmp_path / "study" / "tables" / "scores.csv"):
        found = judge(source, out=tmp_path / "judged")
        assert verdicts(found) == [(v.arm, v.verdict) for v in summary.verdicts]
        for mine, theirs in zip(found.summary.primary, summary.primary, strict=True):
            assert mine.paired.difference == theirs.paired.difference
            assert (mine.decision.p_flip, mine.decision.p_t) == (theirs.decision.p_flip, theirs.decision.p_t)
        assert found.summary.margin == 0.02


def test_an_exported_score_of_one_component_can_be_asked_for(tmp_path, results_of):
    results = results_of()
    write_report(summarise(results), results, tmp_path / "study")
    found = judge(tmp_path / "study", score="active/f1", out=tmp_path / "judged")
    assert found.summary.metric.name == "active/f1"
    with pytest.raises(ScoresError, match="no run of the study has this metric; found 'active/f2'"):
        judge(tmp_path / "study", score="active/f2", out=tmp_path / "judged")
    (tmp_path / "study" / "report.json").unlink()
    with pytest.raises(ScoresError, match="a study's scores hold several measures; expected --score MEASURE"):
        judge(tmp_path / "study", out=tmp_path / "judged")


def test_another_measure_has_its_own_direction_and_no_margin(tmp_path, results_of, study_of):
    """Less loss is better, though the report is about skill; and the study's margin is in units of skill."""
    results = results_of(study_of(margin=0.02))
    write_report(summarise(results), results, tmp_path / "study")
    found = judge(tmp_path / "study", score="loss", out=tmp_path / "judged")
    assert not found.summary.metric.higher_is_better
    assert found.summary.margin is None
    same = judge(tmp_path / "study", score="skill", out=tmp_path / "judged")
    assert same.summary.metric.higher_is_better
    assert same.summary.margin == 0.02
    asked = judge(tmp_path / "study", score="loss", margin=0.5, lower_is_better=False, out=tmp_path / "judged")
    assert (asked.summary.metric.higher_is_better, asked.summary.margin) == (True, 0.5)


def test_a_study_that_looked_again_and_again_is_not_judged_as_if_it_had_not(tmp_path, study_of, records_of):
    """Its looks share alpha; the scores alone would be called better at a level that the study had not left."""
    study = replace(study_of(repeats=14), sequential=Sequential(min=6, max=14))
    results = tidy(study, records_of(study))
    write_report(summarise(results), results, tmp_path / "study")
    with pytest.raises(ScoresError, match="repeats were fixed beforehand; found looks at 6 to 14 repeats"):
        judge(tmp_path / "study", out=tmp_path / "judged")


def test_unpaired_scores_of_a_study_say_that_its_splits_overlap(tmp_path, results_of):
    results = results_of()
    write_report(summarise(results), results, tmp_path / "study")
    found = judge(tmp_path / "study", paired=False, out=tmp_path / "judged")
    assert "which intervals of unpaired repeats do not account for: they are too narrow" in found.summary.covers
    paired = judge(tmp_path / "study", out=tmp_path / "judged")
    assert "n_test/n_train = 0.333, as the report says." in paired.summary.covers
    assert "--overlap" not in paired.summary.covers


def test_scores_of_a_study_without_its_report_need_to_be_told_how_splits_overlap(tmp_path, results_of):
    results = results_of()
    write_report(summarise(results), results, tmp_path / "study")
    (tmp_path / "study" / "report.json").unlink()
    with pytest.raises(ScoresError, match="alone do not say how its splits were drawn; expected report"):
        judge(tmp_path / "study", score="skill", out=tmp_path / "judged")
    found = judge(tmp_path / "study", score="skill", reference="track_only", overlap=8 / 24, out=tmp_path / "judged")
    assert [c.paired.difference for c in found.summary.primary] == [
        c.paired.difference for c in summarise(results).primary
    ]
