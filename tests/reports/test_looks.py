"""Reports that follow one another in a home: which claims they doubt because repeats were changed after a look."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import pytest

from mmcore.record import Record
from reports.model.report import Check, Summary
from reports.output.render import as_html
from reports.output.text import as_json, as_text
from reports.records.frame import tidy
from reports.records.looks import Written, earlier_looks
from reports.statistics.verdicts import Verdict
from reports.summary.build import summarise
from reports.verdicts.looks import later_claim
from studies.repeats import Sequential
from studies.resolved import ResolvedStudy

SLIPS = (2,)
"""Repeats in which the better arm is a little worse: one of them keeps six repeats from a claim, and not ten."""


def gain(repeat: int, size: float = 0.1) -> float:
    return -0.002 if repeat in SLIPS else size + 0.01 * (repeat % 3)


class Desk:
    """A home's reports of one study, by folder, as commands with different options leave them."""

    def __init__(self, study_of: Callable[..., ResolvedStudy], record_of: Callable[..., Record]) -> None:
        self.folders: dict[str, str] = {}
        self._study_of, self._record_of = study_of, record_of

    def report(
        self,
        repeats: int,
        *,
        folder: str | None = None,
        first: int = 0,
        sequential: Sequential | None = None,
        gains: Mapping[int, float] | None = None,
        done: int | None = None,
        trained: str = "",
        effect: float = 0.1,
        **study: Any,
    ) -> Summary:
        """Write one: of the runs that are done, in the folder of its number of repeats if none is named.

        Args:
            gains: of the arm over the reference by repeat, in place of the usual ones. done: finished repeats.
            trained: part of every fingerprint, as settings, corpus and numerics are. effect: of the usual gains.
            study: of the study's factory.
        """
        made = self._study_of(repeats=repeats, **study)
        made = dataclasses.replace(made, first_repeat=first, sequential=sequential)
        folder = folder or f"{made.name}-{repeats}-{first}"
        known: list[Record] = []
        names: dict[tuple[str, int], str | None] = {}
        for repeat in made.numbers:
            for at, arm in enumerate(made.arms):
                more = 0.0 if at == 0 else (gains or {}).get(repeat, gain(repeat, effect))
                skills = {c: 0.3 + 0.01 * (repeat % 4) + more for c in ("active", "scale", "position")}
                name = hashlib.blake2b(f"{arm.name} {repeat} {trained}".encode(), digest_size=16).hexdigest()
                names[arm.name, repeat] = name
                if repeat - first < (repeats if done is None else done):
                    known.append(dataclasses.replace(self._record_of(arm.name, repeat, skills), fingerprint=name))
        texts = dict(self.folders)
        own = texts.pop(folder, None)
        written = [read for text in texts.values() if (read := Written.model_validate_json(text)).study == made.name]
        looks = earlier_looks(None if own is None else Written.model_validate_json(own), written, made, names)
        self.results = dataclasses.replace(tidy(made, known), earlier_looks=looks)
        summary = summarise(self.results, with_sections=False)
        self.folders[folder] = json.dumps(as_json(summary))
        return summary


def check_of(summary: Summary) -> Check:
    return next(check for check in summary.checks if check.code == "ABL046")


def verdict_of(summary: Summary) -> str:
    return summary.primary[0].verdict


@pytest.fixture
def desk(study_of: Callable[..., ResolvedStudy], record_of: Callable[..., Record]) -> Desk:
    return Desk(study_of, record_of)


def test_repeats_added_to_an_undecided_study_put_its_claim_in_doubt(desk: Desk) -> None:
    first = desk.report(6)
    assert (verdict_of(first), check_of(first).outcome) == ("undecided", "passed")
    summary = desk.report(10)
    assert verdict_of(summary) == "better"
    check = check_of(summary)
    assert check.outcome == "warning"
    assert check.text == (
        "'multimodal' against 'track_only': undecided after 6 repeats, now better after 10. The number of repeats was "
        "changed after these results had been seen. Each look used the whole of alpha: together they can make false "
        "claims in more than 5 % of studies."
    )
    assert "--repeats 10@100" in check.advice
    lead = "The number of repeats was changed after a look: undecided after 6 repeats, now better after 10 (ABL046)."
    assert summary.verdicts[0].lead.startswith(lead)
    assert lead in " ".join(as_text(summary).split())
    assert "undecided after 6 repeats, now better after 10" in as_html(summary)


def test_components_are_counted_and_not_named_beside_the_metric(desk: Desk) -> None:
    """With six repeats their family of three could not be decided, with eight it could."""
    slow = {r: 0.1 + 0.01 * (r % 3) - (0.132 if r in (2, 5) else 0) for r in range(16)}
    assert verdict_of(desk.report(8, gains=slow)) == "undecided"
    assert "The same holds for 3 comparisons by component." in check_of(desk.report(16, gains=slow)).text


def test_a_claim_that_was_made_at_the_first_look_may_be_lost_and_come_back(desk: Desk) -> None:
    """Whoever stops at the first claim would have stopped there. Components had their first look later."""
    lost = {2: 0.1, 6: -0.1, 7: -0.1, **dict.fromkeys(range(8, 60), 0.4)}
    summaries = [desk.report(n, gains=lost) for n in (6, 8, 60)]
    assert [verdict_of(summary) for summary in summaries] == ["better", "undecided", "better"]
    assert summaries[-1].verdicts[0].lead == ""
    text = check_of(summaries[-1]).text
    assert "'multimodal' against 'track_only' on 'active': undecided after 8 repeats, now" in text
    assert "'track_only':" not in text


def test_all_looks_since_the_first_are_named(desk: Desk) -> None:
    for repeats in (4, 6, 7):
        desk.report(repeats, effect=0.0005)
    looked = check_of(desk.report(12, gains={r: 0.2 + 0.01 * r for r in range(7, 12)}, effect=0.0005))
    assert looked.outcome == "passed"
    clear = desk.report(16, gains={r: 0.02 for r in range(7, 16)}, effect=0.0005)
    assert verdict_of(clear) == "better"
    # Four repeats could not have shown anything, so they are no look.
    assert "undecided after 6 repeats, undecided after 7 repeats" in check_of(clear).text.replace(" and ", ", ")
    assert "4 repeats" not in check_of(clear).text


def test_a_study_file_whose_repeats_are_edited_is_no_different(desk: Desk) -> None:
    desk.report(6, folder="own")
    assert check_of(desk.report(10, folder="own")).outcome == "warning"
    # The report that showed the first look is overwritten, and still known.
    assert check_of(desk.report(12, folder="own")).outcome == "warning"
    assert "undecided after 6 repeats" in check_of(desk.report(12, folder="own")).text


def test_going_back_to_an_earlier_number_does_not_wipe_the_looks(desk: Desk) -> None:
    for repeats in (6, 10, 6):
        summary = desk.report(repeats, folder="own")
    assert check_of(summary).outcome == "passed"
    assert check_of(desk.report(10, folder="own")).outcome == "warning"


def test_repeats_left_out_after_a_look_are_doubted_too(desk: Desk) -> None:
    bad = {r: (-0.4 if r == 9 else 0.1 + 0.01 * (r % 3)) for r in range(10)}
    assert verdict_of(desk.report(10, gains=bad)) == "undecided"
    summary = desk.report(8, gains=bad)
    assert verdict_of(summary) == "better"
    assert "undecided after 10 repeats, now better after 8" in check_of(summary).text


def test_an_opposite_claim_is_doubted(desk: Desk) -> None:
    turned = {r: (-0.1 - 0.01 * r if r < 6 else 0.9) for r in range(30)}
    assert verdict_of(desk.report(6, gains=turned)) == "worse"
    summary = desk.report(30, gains=turned)
    assert verdict_of(summary) == "better"
    assert "worse after 6 repeats, now better after 30" in check_of(summary).text


def test_a_rule_that_is_declared_after_a_look_does_not_undo_it(desk: Desk) -> None:
    desk.report(6)
    summary = desk.report(12, sequential=Sequential(min=6, max=12))
    assert verdict_of(summary) == "better"
    assert check_of(summary).outcome == "warning"


def test_a_rule_that_is_stretched_at_its_end_is_doubted(desk: Desk) -> None:
    weak = {r: (0.0 if r < 8 else 0.2) + 0.01 * (-1) ** r for r in range(40)}
    first = desk.report(8, sequential=Sequential(min=6, max=8), gains=weak)
    assert (verdict_of(first), check_of(first).outcome) == ("undecided", "passed")
    summary = desk.report(40, sequential=Sequential(min=6, max=40), gains=weak)
    assert verdict_of(summary) == "better"
    assert check_of(summary).outcome == "warning"


def others(*numbers: int) -> list[tuple[int, Mapping[str, Any]]]:
    return [(n, {}) for n in numbers]


LATER = {"folder": "own", "trained": "later"}
SEQUENTIAL = Sequential(min=6, max=12)
INNOCENT: dict[str, Sequence[tuple[int, Mapping[str, Any]]]] = {
    # Each is a series of reports, of which the last one makes a claim.
    "the first look at all": others(10),
    "written again": others(10, 10, 10),
    "in progress": [(10, {"done": 6}), (10, {"done": 8}), (10, {})],
    "in progress, then cut back by nobody": [(10, {"done": 7, "folder": "own"}), (10, {"folder": "own"})],
    "too few for any claim": others(4, 5, 10),
    "the plan was there before the look": [(10, {"done": 2}), (6, {}), (10, {})],
    "a smaller report out of curiosity": others(10, 6, 10),
    "the claim was made at the first look": [(6, {"gains": {2: 0.1}}), (10, {"gains": {2: 0.1}})],
    "fresh repeats": [(6, {}), (10, {"first": 100})],
    "other settings of the arms": [(6, {"trained": "other"}), (10, {})],
    "a declared rule": [
        (12, {"sequential": SEQUENTIAL, "done": 6}),
        (12, {"sequential": SEQUENTIAL, "done": 8}),
        (12, {"sequential": SEQUENTIAL}),
    ],
    "another study": [(6, {"name": "another"}), (10, {})],
    "another metric": [
        (6, {"metric": "loss", "folder": "by-loss"}),
        (10, {}),
    ],
}


@pytest.mark.parametrize("name", INNOCENT)
def test_it_accuses_nobody(desk: Desk, name: str) -> None:
    for repeats, options in INNOCENT[name]:
        summary = desk.report(repeats, **options)
    assert verdict_of(summary) == "better"
    assert check_of(summary).outcome == "passed"
    assert summary.verdicts[0].lead == ""


@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("a larger plan that was cut short", [(30, {"done": 7}), (10, {})]),
        ("in progress when the plan changed", [(8, {"done": 6}), (10, {})]),
        ("fresh repeats that are then joined with the seen ones", [(6, {}), (4, {"first": 6}), (10, {})]),
        ("overlapping repeats", [(6, {}), (10, {"first": 4})]),
        ("written again", [(6, {}), (10, {}), (10, {})]),
        ("arms that changed, and changed back", [(6, {}), (10, {}), (10, {"trained": "other"}), (10, {})]),
        ("the number was used before by other arms", [(10, {"folder": "own"}), (6, LATER), (10, LATER)]),
    ],
)
def test_it_does_not_miss(desk: Desk, name: str, series: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    for repeats, options in series:
        summary = desk.report(repeats, **options)
    assert verdict_of(summary) == "better"
    assert check_of(summary).outcome == "warning"


def test_looks_after_the_number_was_first_planned_had_no_part_in_it(desk: Desk) -> None:
    bad = {r: (-0.4 if r == 9 else 0.1 + 0.01 * (r % 3)) for r in range(10)}
    summaries = [desk.report(n, gains=bad, folder="own") for n in (8, 10, 8)]
    assert [verdict_of(summary) for summary in summaries] == ["better", "undecided", "better"]
    assert [check_of(summary).outcome for summary in summaries] == ["passed"] * 3


def test_the_same_runs_are_no_second_look_whatever_else_was_changed(desk: Desk) -> None:
    """A margin that is set afterwards is another matter than repeats."""
    small = {r: 0.002 * (-1) ** r for r in range(10)}
    assert verdict_of(desk.report(8, gains=small)) == "undecided"
    summary = desk.report(10, gains=small, done=8, margin=0.1)
    assert verdict_of(summary) == "equivalent"
    assert check_of(summary).outcome == "passed"


def test_a_look_read_finished_runs_alone(desk: Desk) -> None:
    desk.report(6)
    (text,) = desk.folders.values()
    written = json.loads(text)
    written["provenance"]["runs"][0]["status"] = "failed"
    whole, part = (Written.model_validate(one).look.runs for one in (json.loads(text), written))
    assert [run for run in whole if run not in part] == [whole[0]]


def test_only_the_pair_that_was_looked_at_is_doubted(desk: Desk) -> None:
    arms = ("track_only", "audio", "multimodal")
    desk.report(8, arms=arms[::2], gains={r: 0.001 * (-1) ** r for r in range(8)})
    summary = desk.report(20, arms=arms, gains={r: 0.1 + 0.01 * (r % 3) for r in range(8, 20)})
    named = {(v.arm, v.reference): bool(v.lead) for v in summary.verdicts}
    assert named == {("audio", "track_only"): False, ("multimodal", "track_only"): True}
    assert "'audio'" not in check_of(summary).text


def test_a_report_without_looks_before_it_says_nothing_of_them(desk: Desk) -> None:
    summary = desk.report(6)
    assert "earlier_looks" not in as_json(summary)
    assert "earlier_looks" in as_json(desk.report(10))


def test_reports_of_versions_without_looks_are_looks(desk: Desk) -> None:
    """They say all that is needed, but not what was before them."""
    desk.report(6)
    for folder, text in desk.folders.items():
        old = json.loads(text)
        old.pop("earlier_looks", None)
        old.pop("first_repeat")
        desk.folders[folder] = json.dumps(old)
    assert check_of(desk.report(10)).outcome == "warning"


@pytest.mark.parametrize("now", get_args(Verdict))
@pytest.mark.parametrize("then", [v for v in get_args(Verdict) if v != "too few repeats"])
def test_only_a_claim_that_says_more_than_the_first_one_is_doubted(desk: Desk, then: str, now: Verdict) -> None:
    """``better`` says more than ``better on these items``, and all that it says."""
    desk.report(6)
    written = json.loads(desk.folders["track_vs_multimodal-6-0"])
    for comparison in written["comparisons"]:
        comparison["verdict"] = then
    desk.folders["track_vs_multimodal-6-0"] = json.dumps(written)
    row = desk.report(10).primary[0]
    row = dataclasses.replace(row, decision=dataclasses.replace(row.decision, verdict=now))
    doubted = later_claim(desk.results, row) is not None
    claims = now not in ("undecided", "too few repeats")
    assert doubted == (claims and now != then and now != f"{then} on these items")
