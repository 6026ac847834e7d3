"""Headings that the glossary explains: what leads there, and what needs no explanation."""

import html
import re

import pytest

from reports.output.glossary import TERMS
from reports.output.headings import explained, terms
from reports.output.render import as_html
from reports.summary.build import summarise

PLAIN = {
    "difference", "failed", "parameters", "time a run", "time", "mean", "on", "of", "measure", "setting",
    "value", "code", "outcome", "looks for", "found", "fingerprint", "status", "modality", "item", "items",
    "items without it", "coverage", "largest gap (s)", "NaN", "constant", "groups", "items gained",
    "expected calibration error", "mean confidence", "accuracy", "error", "warnings", "predictions", "confidence",
    "values far out of range", "which values", "does not meet the others", "rows read", "rows used", "rows a step",
    "steps", "interpolated", "absent (s)", "outside the grid (s)", "Inf", "double times", "times out of order",
    "without a time", "segments without length", "overlapping segments", "columns that pool equal times",
    "constant columns", "constant names", "extra columns", "train items", "validation items", "test items",
    "train windows", "validation windows", "test windows",
}  # fmt: skip
"""Headings that say what they mean."""
HEAD = re.compile(r'<th scope="col"[^>]*>(.*?)</th>', re.DOTALL)
LINK = re.compile(r' <a class="term" href="#([^"]+)" aria-label="What “([^”]+)” means" title="([^"]+)">\?</a>')


@pytest.fixture(scope="module")
def page(results_of, study_of):
    results = results_of(study_of(("a", "b", "c"), repeats=6), items=8, calibrated=True)
    return as_html(summarise(results))


def headings(page):
    """Heading and its link's (anchor, term, meaning); None where it has none."""
    found = {}
    for inside in HEAD.findall(page):
        link = LINK.search(inside)
        found[html.unescape(LINK.sub("", inside))] = link and tuple(map(html.unescape, link.groups()))
    return found


def test_every_heading_is_explained_or_plain(page):
    found = headings(page)
    names = {"a", "b", "c", "active", "scale", "position", "persistence", "constant"}
    bare = {heading for heading, link in found.items() if link is None}
    assert bare - names <= PLAIN
    told = set(found) - bare
    assert {"arm", "skill", "95 % interval", "p", "p after Holm", "floor", "effect size", "won", "FLOPs"} <= told
    for heading in told:
        anchor, label, meaning = found[heading]
        assert label == heading
        assert explained(heading).meaning == meaning
        assert f'<div id="{anchor}"><dt>{explained(heading).name}</dt>' in page


def test_verdicts_that_the_glossary_has_lead_there(summary_of, study_of):
    page = as_html(summary_of(study_of(("a", "b"), repeats=3)))
    assert re.search(r'<td class="text wraps"><a href="#word-floor" title="[^"]+">too few repeats</a></td>', page)
    undecided = as_html(summary_of(study_of(("a", "b"), repeats=8), effects={}))
    assert re.search(r'<a href="#word-undecided" title="[^"]+">undecided</a> \(', undecided)


def test_every_entry_has_its_own_place(page):
    anchors = [term.anchor for term in terms()]
    assert len(set(anchors)) == len(anchors) == len(TERMS)
    for anchor in anchors:
        assert page.count(f'id="{anchor}"') == 1


@pytest.mark.parametrize("name", ["p", "interval", "FLOPs"])
def test_a_component_with_the_name_of_a_term_is_a_name(summary_of, name):
    arms = as_html(summary_of(components=["active", name])).split('id="arms"')[1].split("</table>")[0]
    assert f'<th scope="col">{name}</th>' in arms


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("95 % interval", "interval"), ("99.5 % interval", "interval"), ("P AFTER HOLM", "Holm"), ("FLOPs", "FLOPs"),
        ("standard deviation (px)", "standard deviation"), ("won", "share of repeats won"),
        ("baseline", "naive baselines"),
        ("", None), ("difference", None), ("intervals of", None),
    ],
)  # fmt: skip
def test_headings_find_their_entry(heading, name):
    found = explained(heading)
    assert (found and found.name) == name
