"""The scores that a study's report exports, judged like anyone's scores: the verdicts are the study's."""

import pytest
from factories.studies import blank_figures

from experiments.judge import judge
from mmcore.errors import ScoresError
from reports.output.render import write_report
from reports.summary.build import summarise

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
