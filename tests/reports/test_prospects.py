"""What is said of a study before it is trained, against what its statistics then allow."""

import dataclasses

import pytest

from reports.statistics.comparisons import compare
from reports.statistics.sequential import Rule
from reports.statistics.verdicts import decide
from reports.verdicts.prospects import FEW_GROUPS, GroupCounts, groups_text, prospects_of
from studies.repeats import Sequential

MANY = GroupCounts("each_repeat", 12, 60)


def of(study_of, repeats, components=0, pairs=1, **changes):
    study = study_of(repeats=repeats)
    arm, reference = study.pairs[0]
    made = dataclasses.replace(study, pairs=tuple((f"{arm} {i}", reference) for i in range(pairs)), **changes)
    return prospects_of(made, components, MANY)


def clearest(repeats, comparisons):
    """Verdicts of comparisons in which one arm is far ahead in every repeat."""
    family = [compare([1.0 + r / 100 for r in range(repeats)], [0.0] * repeats) for _ in range(comparisons)]
    return {one.verdict for one in decide(family)}


@pytest.mark.parametrize("comparisons", [1, 3, 18])
def test_so_many_repeats_decide_and_one_less_does_not(study_of, comparisons):
    least = of(study_of, 2, pairs=comparisons).needed
    assert least is not None
    assert of(study_of, least, pairs=comparisons).can_decide
    assert clearest(least, comparisons) == {"better"}
    short = of(study_of, least - 1, pairs=comparisons)
    assert not short.can_decide
    assert short.needed == least
    assert clearest(least - 1, comparisons) == {"too few repeats"}
    assert f"need{'s' if comparisons == 1 else ''} at least {least} repeats" in short.warnings[0]
    assert f"--repeats {least}" in short.warnings[0]


def test_enough_repeats_and_groups_need_no_warning(study_of):
    found = of(study_of, 10, components=6)
    assert (found.can_decide, found.claims, found.test_groups, found.warnings) == (True, "new items", 12, ())


def test_components_are_a_family_of_their_own_and_come_second(study_of):
    found = of(study_of, 7, components=6)
    assert found.can_decide
    assert found.warnings[0].startswith("7 repeats cannot show which arm is better on any component: 6 comparisons")
    both = of(study_of, 5, components=6).warnings[0]
    assert both.index("on the study's metric") < both.index("by component")
    assert "--repeats 8" in both


def test_a_family_that_no_number_of_repeats_can_serve_is_told_so(study_of):
    found = of(study_of, 20, pairs=10_000)
    assert (found.can_decide, found.needed) == (False, None)
    assert "No number of repeats is enough" in found.warnings[0]


@pytest.mark.parametrize(("least", "most", "pairs"), [(3, 5, 1), (4, 30, 1), (6, 30, 18), (3, 7, 18)])
def test_looks_are_judged_by_their_share_of_alpha(study_of, least, most, pairs):
    rule = Rule(least, most)
    found = of(study_of, most, pairs=pairs, sequential=Sequential(min=least, max=most))
    first = rule.deciding(0.05, pairs)
    assert found.can_decide == (first is not None)
    if first is None:
        assert found.needed is not None
        assert Rule(least, found.needed).deciding(0.05, pairs) is not None
        assert f"--repeats {least}..{found.needed}" in found.warnings[0]
    else:
        assert found.needed == first
        assert bool(found.warnings) == (first > least)


@pytest.mark.parametrize(
    ("side", "claims", "told"),
    [
        (GroupCounts("once", 12, 60), "new items", ""),
        (GroupCounts("once", 3, 15), "new items", "2 degrees of freedom"),
        (GroupCounts("corpus", 2, 40), "new items", "1 degree of freedom"),
        (GroupCounts("once", 1, 5), "these items only", "Raise split.test"),
        (GroupCounts("corpus", 1, 40), "these items only", "column split of items.csv"),
        (GroupCounts("each_repeat", 1, 4), "new items", "The corpus has 4 groups: each repeat tests 1 of them"),
        (GroupCounts("each_repeat", 1, FEW_GROUPS), "new items", ""),
        ("too few groups", "nothing", "No run can be trained: too few groups"),
    ],
)
def test_test_groups_limit_what_claims_are_about(study_of, side, claims, told):
    found = prospects_of(study_of(repeats=10), 0, side)
    assert found.claims == claims
    assert (told in found.warnings[0]) if told else not found.warnings
    assert found.can_decide == (claims != "nothing")


def test_few_repeats_leave_no_more_freedom_than_few_groups():
    assert "1 degree of freedom" in groups_text("once", 5, 25, 2)
    assert "4 degrees of freedom" in groups_text("once", 5, 25, 10)
