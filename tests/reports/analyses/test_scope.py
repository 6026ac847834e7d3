"""Words of analyses say what they are about where all repeats share their test items."""

from dataclasses import replace

import pytest
from factories.lattices import NAMES, asked, lattice_study, trained

from reports.model.section import ON_THESE_ITEMS as SUFFIX
from reports.model.section import Finding, Section
from reports.sections.build import sections
from reports.sections.modalities import section as modalities
from reports.sections.scope import OPEN, scoped


@pytest.fixture(scope="module")
def answered(study_of, records_of):
    def build(drawn):
        return asked(trained(lattice_study(study_of), records_of, drawn=drawn, items=3), "+".join(NAMES))

    return build


@pytest.mark.parametrize("drawn", ["once", "corpus"])
def test_claims_about_shared_test_items_say_so_and_no_others_do(answered, drawn):
    results = answered(drawn)
    plain = modalities.section(results)
    (told,) = [section for section in sections(results) if section.key == "modalities"]
    assert len(told.findings) == len(plain.findings)
    assert {f.label for f in plain.findings} & {"useful", "not needed", "together"}
    for before, after in zip(plain.findings, told.findings, strict=True):
        if before.label in OPEN:
            assert after == before
        else:
            assert after.text == f"On these test items: {before.text}"
            assert after.label == (f"{before.label} on these test items" if before.label else "")
    assert "All repeats share the same 3 test items" in told.lead
    assert "not known" in told.lead
    assert told.limits.endswith("Words are about these test items only.")
    assert all(table.caption.endswith(f"({SUFFIX})") for table in told.tables)


def test_where_each_repeat_draws_its_own_items_nothing_is_added(answered):
    results = answered("each_repeat")
    (told,) = [section for section in sections(results) if section.key == "modalities"]
    assert told == modalities.section(results)
    assert SUFFIX not in str(told)


def test_a_claim_without_a_label_is_scoped_in_its_text(answered):
    section = Section(
        "gates", "Gates", "?", "Lead.", (Finding("It matters that gates move."), Finding("No.", "not shown"))
    )
    told = scoped(section, replace(answered("once"), items=answered("once").items.iloc[:0]))
    assert [(f.text, f.label) for f in told.findings] == [
        ("On these test items: It matters that gates move.", ""), ("No.", "not shown")
    ]  # fmt: skip
    assert told.lead.startswith("Lead. All repeats share the same test items: ")
    assert told.limits == "Words are about these test items only."
