"""What stands between training and test, and what is to be predicted: groups, early reads, gates, still targets."""

import math
from dataclasses import replace

import pandas as pd
import pytest
from factories.records import changed, each

from mmcore.facts import Chosen, GateUse
from reports.checks.data import quiet_shares
from reports.records.frame import tidy
from reports.summary.build import summarise


@pytest.fixture
def look(study_of, records_of):
    """A check's outcome and text, after a function has changed each record."""

    def ask(code, change, **options):
        study = study_of()
        records = records_of(study, effects={"multimodal": 0.1}, **options)
        found = next(c for c in summarise(tidy(study, [change(r) for r in records])).checks if c.code == code)
        return found.outcome, found.text

    return ask


def test_divided_groups_are_told_by_repeat_once_for_all_arms(look):
    def divide(record):
        return changed(record, "split.divided_groups", {2: 3, 5: 1}.get(record.repeat, 0))

    outcome, text = look("ABL024", divide)
    assert outcome == "warning"
    assert text == "On more than one side of the split are 3 groups in repeat 2 and 1 group in repeat 5."
    assert look("ABL024", lambda record: record) == ("passed", "")


def test_test_windows_read_early_are_told_by_arm(look):
    def peek(record):
        many = 10 * record.repeat if record.arm == "multimodal" else 0
        return changed(record, "selection.test_windows_read", many)

    outcome, text = look("ABL025", peek)
    assert outcome == "warning"
    assert text == ("Windows of test items were read before the epoch was chosen: up to 70 windows in 'multimodal'.")
    assert look("ABL025", lambda record: record) == ("passed", "")


@pytest.mark.parametrize("failures", [(), [("multimodal", 1)]])
def test_older_records_do_not_tell_and_failed_runs_do_not_count(look, failures):
    def forget(record):
        split = replace(record.split, divided_groups=None, twins=None)
        return replace(record, split=split, selection=Chosen(), gates=None)

    for code in ("ABL024", "ABL025", "ABL026", "ABL027"):
        assert look(code, forget, failures=failures)[0] == "not run"
        assert look(code, lambda record: record, failures=failures) == ("passed", "")


def test_copies_are_told_by_name_once_however_many_runs_saw_them(look):
    def copied(record):
        twins = {2: (("talk_final", "talk"),), 3: (("talk_final", "talk"), ("b", "a"))}
        return changed(record, "split.twins", twins.get(record.repeat, ()))

    assert look("ABL027", copied) == (
        "warning",
        "2 test items with a copy on another side of a split: 'talk_final' is 'talk' and 'b' is 'a'.",
    )


def with_gates(share, arm="multimodal", repeats=range(8)):
    def change(record):
        mine = record.arm == arm and record.repeat in repeats
        return changed(record, "gates.audio", GateUse(0.9, share)) if mine else record

    return change


@pytest.mark.parametrize(
    ("share", "repeats", "outcome"),
    [(0.5, 8, "passed"), (0.51, 8, "warning"), (1.0, 3, "passed"), (1.0, 4, "warning")],
)
def test_gates_are_stuck_if_more_than_half_of_their_values_are(look, share, repeats, outcome):
    got, text = look("ABL026", with_gates(share, repeats=range(repeats)))
    assert got == outcome
    if outcome == "warning":
        assert "of 'audio' in 'multimodal'" in text
        assert "visual" not in text
        assert "track_only" not in text


def test_without_gates_none_can_be_stuck(look):
    assert look("ABL026", lambda record: replace(record, gates={}))[0] == "not applicable"


# Nearly constant targets -------------------------------------------------------------------------------------------
def only_in_one_item(record):
    """The target's position moves in one item alone; it is tested in some repeats."""

    def moving(row):
        return replace(row, naive_loss=1.0 if row.item == "video_0" else 0.001) if row.component == "position" else row

    return each(record, "items", moving)


def test_a_target_that_varies_in_few_items_is_told_apart_from_one_without_a_score(look):
    outcome, text = look("ABL009", only_in_one_item, items=30)
    assert outcome == "warning"
    assert text == "There is hardly anything to predict in 96.9 % of the test items in position."
    assert look("ABL009", lambda record: record, items=30) == ("passed", "")
    outcome, text = look("ABL009", only_in_one_item, items=30, nothing=["scale"])
    assert text.startswith("In scale the target never varies")
    assert text.endswith("of the test items in position.")


def test_among_few_items_a_quiet_one_is_no_surprise(look):
    assert look("ABL009", only_in_one_item, items=9) == ("passed", "")


def test_shares_of_quiet_items_against_a_count_by_hand():
    def rows(component, losses, repeat=0, arm="a"):
        return [
            {"arm": arm, "repeat": repeat, "item": f"v{i}", "component": component, "naive_loss": loss}
            for i, loss in enumerate(losses)
        ]

    items = pd.DataFrame(
        rows("x", [1.0, 0.01, 0.01, math.nan])
        + rows("x", [1.0, 0.01, 0.01, math.nan], arm="b")  # the same items, once more
        + rows("x", [1.0, 1.0], repeat=1)
        + rows("still", [0.0, 0.0])
        + rows("label", [-math.log(0.99)] * 99 + [-math.log(0.01)])
    )
    # mean of x: (1 + .01 + .01 + 1 + 1) / 5; a label that one item in 100 lacks is quiet in 99 of them
    assert quiet_shares(items) == {"x": 2 / 5, "label": 0.99}
    assert quiet_shares(items.iloc[:0]) == {}
