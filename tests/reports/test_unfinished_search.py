"""A study whose search is not finished has a report: of the arms that are known, with word of the others."""

import dataclasses

import pytest
from factories.searches import found, resolved

from reports.checks.evidence import Evidence
from reports.checks.search import unfinished as look
from reports.output.render import as_html, as_markdown
from reports.output.text import as_text
from reports.records.frame import tidy
from reports.records.origin import Origin
from reports.summary.build import summarise
from studies.repeats import Sequential
from studies.search.space import LogUniform

RATE = {"training.optimiser.learning_rate": LogUniform(low=1e-4, high=1e-2)}


def tuned_study(study, *names, **options):
    """The study with a search for these arms, whose comparisons already name what it will find."""
    search = resolved(RATE, names, trials=4, repeats=1)
    pairs = (*((n, study.reference) for n in names if n not in {a.name for a in study.arms}), *study.pairs)
    return dataclasses.replace(study, search=search, pairs=pairs, **options)


def unfinished(summary):
    return next(c for c in summary.checks if c.code == "ABL031")


def test_the_known_arms_are_compared_as_one_family_and_the_others_named(study_of, records_of):
    study = tuned_study(study_of(("plain", "other", "third")), "tuned")
    assert study.to_be_found == ("tuned",)
    results = dataclasses.replace(tidy(study, records_of(study)), origin=Origin(command="mmstudy run x"))
    summary = summarise(results)
    assert [(c.arm, c.reference) for c in summary.primary] == [("other", "plain"), ("third", "plain")]
    assert all(c.decision.family == 2 for c in summary.primary)
    assert unfinished(summary).text == (
        "The search has not begun with these options; 1 arm still to be found: 'tuned'. Next: mmstudy run x"
    )
    for page in (as_text(summary), as_markdown(summary), as_html(summary)):
        assert "still to be found" in " ".join(page.split())


def test_where_every_comparison_waits_for_the_search_nothing_is_compared(study_of, records_of):
    study = tuned_study(study_of(("plain",)), "tuned")
    summary = summarise(tidy(study, records_of(study)))
    assert (summary.verdicts, summary.comparisons) == ((), ())
    found = {c.code: (c.outcome, c.text) for c in summary.checks}
    for code in ("ABL004", "ABL013"):
        assert found[code] == ("not applicable", "No comparison has both its arms before the search is finished.")
    assert summary.families.startswith("There is nothing to compare yet")
    for page in (as_text(summary), as_markdown(summary), as_html(summary)):
        assert summary.families in " ".join(page.split())


def test_one_arm_is_compared_with_nothing_and_told_so(study_of, records_of):
    summary = summarise(tidy(study := study_of(("alone",)), records_of(study)))
    assert summary.families == "There is nothing to compare: the study has one arm."
    assert "## Verdicts\n\nThere is nothing to compare: the study has one arm." in as_markdown(summary)
    assert "Verdicts</h2>\n<p>There is nothing to compare: the study has one arm.</p>" in as_html(summary)
    assert summary.families in as_text(summary)


def test_a_study_that_adds_repeats_does_not_look_before_its_arms_are_found(study_of, records_of):
    study = tuned_study(study_of(("plain", "other"), repeats=10), "tuned", sequential=Sequential(min=8, max=10, step=1))
    summary = summarise(tidy(study, records_of(study)))
    assert summary.sequential is not None
    assert (summary.sequential.looks, summary.sequential.waiting) == ((), 8)
    assert [c.looks.next for c in summary.primary] == [8]


@pytest.mark.parametrize(
    ("complete", "outcome", "words"),
    [
        (None, "warning", "has not begun with these options; still as written, not yet tuned: 'other'."),
        (False, "warning", "is not finished; still as written, not yet tuned: 'other'."),
        (True, "passed", ""),
    ],
)
def test_arms_that_are_to_be_tuned_are_named_until_they_are(study_of, records_of, complete, outcome, words):
    study = tuned_study(study_of(("plain", "other")), "other")
    results = tidy(study, records_of(study))

    searches = () if complete is None else (found(study.search, complete=complete),)
    got, text = look(Evidence(dataclasses.replace(results, search=searches), [], [], ()))
    assert got == outcome
    assert text.endswith(words)
