"""Sentences of verdicts: each says what the numbers beside it say."""

import re

import pytest

from reports.latex import as_latex


@pytest.mark.parametrize(("repeats", "exact"), [(16, True), (17, False), (20, False)])
def test_only_a_p_of_all_sign_patterns_is_called_exact(summary_of, study_of, repeats, exact):
    caption = re.search(r"\\caption\{(.*)\}\n", as_latex(summary_of(study_of(repeats=repeats))))
    assert caption is not None
    assert ("an exact sign-flip test, two-sided, at 0.05" in caption[1]) == exact
    assert ("test over 65,536 of the possible sign patterns, at 0.05" in caption[1]) != exact


def test_where_comparisons_have_unlike_numbers_of_pairs_the_caption_says_which_are_exact(summary_of, study_of):
    study = study_of(("a", "b", "c"), repeats=17)
    caption = re.search(r"\\caption\{(.*)\}\n", as_latex(summary_of(study, failures=[("b", 3)])))
    assert caption is not None
    assert "exact up to 16 pairs and over 65,536 of the possible sign patterns beyond" in caption[1]
