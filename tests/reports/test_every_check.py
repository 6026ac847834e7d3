"""Every check has an example that makes it warn and one that it passes: a new rule needs a row here."""

import dataclasses
import math

import pandas as pd
import pytest
from factories import foreign, searches
from factories.records import changed, each

from mmcore.config import build_config, override
from mmcore.facts import Alike, Copied, Labels, Lengths, Rounding, Side
from mmcore.probes.gates.saturation import OPEN, SHUT
from mmcore.quality import QualityRow
from reports.checks.evidence import Evidence
from reports.checks.rules import RULES
from reports.records.frame import StudyResults, tidy
from reports.records.looks import Look, LookedAt, PlannedRepeats, SeenRun
from reports.summary.build import summarise
from studies.matching import Match
from studies.search.results import TrialResult
from studies.search.space import LogUniform


def records(change, **options):
    """A study of two sound arms whose records were changed, one by one."""

    def build(study_of, records_of):
        study = study_of()
        made = records_of(study, **{"effects": {"multimodal": 0.1}, **options})
        return study, [change(record) for record in made]

    return build


def history(change):
    """The same, epoch by epoch."""
    return records(lambda record: each(record, "history", lambda row: row | change(row["epoch"])), epochs=12)


def study(overrides=None, change=None, **options):
    """A study in which one arm has overrides."""

    def build(study_of, records_of):
        made = study_of(**options)
        if overrides is not None:
            values = override({"corpus": "corpora/made_up"}, overrides)
            arms = (made.arms[0], dataclasses.replace(made.arms[1], config=build_config(values)))
            made = dataclasses.replace(made, arms=arms)
        found = records_of(made, effects={"multimodal": 0.1})
        if change is not None:
            found = [change(record) if record.arm == "multimodal" else record for record in found]
        return made, found

    return build


def put(place, value):
    """Into one run's record: another value in one place."""
    return lambda record: changed(record, place, value) if is_one(record) else record


def is_one(record):
    return (record.arm, record.repeat) == ("multimodal", 1)


def unscored(record):
    """A run that finished and has no skill as a whole."""

    def without(score):
        whole = (score.metric, score.component, score.baseline) == ("skill", None, None)
        return dataclasses.replace(score, value=math.nan) if whole else score

    return each(record, "scores", without) if is_one(record) else record


def few_tested(record):
    """All repeats test the same three groups."""
    return changed(changed(record, "split.drawn", "once"), "split.test", Side(items=8, groups=3, windows=32))


def parameters(n):
    return lambda record: dataclasses.replace(record, parameters={"total": n})


def steps(n):
    return lambda record: dataclasses.replace(record, steps=n)


def searched(rate, drawn="once", complete=True):
    """A study whose learning rate was searched from 0.0001 to 0.01."""

    def build(study_of, records_of):
        axes = {"training.optimiser.learning_rate": rate}
        space = {"training.optimiser.learning_rate": LogUniform(low=1e-4, high=1e-2)}
        asked = searches.resolved(space, ("multimodal",))
        search = searches.found(asked, [TrialResult(0, "complete", axes, axes, (0.5,))], best=(0,), complete=complete)
        made, found = SOUND(study_of, records_of)
        # Its arms have no hyperparameter, so that the checks of arms see them as they were written.
        made = dataclasses.replace(made, search=dataclasses.replace(asked, searches=()))
        return made, [changed(record, "split.drawn", drawn) for record in found], (search,)

    return build


def timed(apart):
    """A sound study, and one stream of its corpus that does or does not meet the others."""

    def build(study_of, records_of):
        rows = [
            QualityRow(item=item, modality="audio", apart=told) for item, told in (("video_1", ""), ("video_2", apart))
        ]
        return *SOUND(study_of, records_of), rows

    return build


SOUND = records(lambda record: record)
FAILED = [("multimodal", 1), ("multimodal", 2)]
ONE = {"model.norm": "pre"}


def loud_values(count):
    """The sound study on a corpus in which so many values are loud."""

    def build(study_of, records_of):
        return SOUND(study_of, records_of)

    text = f"{count} values of 'pitch' up to 900 times its usual range, such as -99999 at 5 s"
    build.quality = [QualityRow(item="video_1", modality="audio", loud=count, loud_values=(text,) if count else ())]
    return build


def side(place, value):
    """In every repeat, a fact of one side is another."""
    return records(lambda record: changed(record, f"split.{place}", value))


def flattering(gap):
    """Each test score of skill has a twin on the validation side, so much higher."""

    def change(record):
        mine = [s for s in record.scores if s.metric == "skill" and s.baseline is None]
        twins = [dataclasses.replace(s, split="validation", value=s.value + gap) for s in mine]
        return dataclasses.replace(record, scores=(*record.scores, *twins))

    return records(change)


def copied(lag):
    return records(lambda record: changed(record, "corpus.copies", (Copied("0_x", "audio", "pitch", lag, 1.0),)))


def cutting(items, window=100):
    """A corpus with one target for each item, in which the window of one arm cuts so many training items."""

    def change(record):
        record = changed(changed(record, "corpus.scope", "item"), "corpus.lengths", LENGTHS)
        for name, side in record.split.sides.items():
            cut = items if name == "train" and record.arm == "multimodal" else 0
            counts = dataclasses.replace(side, missing={}, labels=None, cut=cut)
            record = changed(record, f"split.{name}", counts)
        return record

    def build(study_of, records_of):
        made = study_of()
        values = {"corpus": "corpora/made_up", "data": {"window": window}}
        arms = (made.arms[0], dataclasses.replace(made.arms[1], config=build_config(values)))
        made = dataclasses.replace(made, arms=arms)
        return made, [change(record) for record in records_of(made, effects={"multimodal": 0.1})]

    return build


def within(margin):
    """Arms of other code that are equally good, so that any margin of some size makes them equivalent."""

    def build(_study_of, _records_of):
        results = foreign.results(foreign.scores({"a": 0.8, "b": 0.8}), margin=margin)
        assert [c.verdict for c in summarise(results).comparisons] == ["equivalent"]
        return results

    return build


def scored(absent=(), constant=None):
    """Scores of other code, of which some are missing or all of an arm's are the same."""
    frame = foreign.scores({"a": 0.5, "b": 0.6})
    if constant is not None:
        frame.loc[frame["arm"] == constant, "value"] = 0.5
    return frame[[pair not in absent for pair in zip(frame["arm"], frame["repeat"], strict=True)]]


def looked_at(repeats):
    """The sound study of eight repeats, of which so many were undecided in an earlier report."""

    def build(study_of, records_of):
        made, found = SOUND(study_of, records_of)
        seen = LookedAt(arm="multimodal", reference="track_only", component=None, n=repeats, verdict="undecided")
        runs = [SeenRun(arm=r.arm, repeat=r.repeat, fingerprint=r.fingerprint) for r in found if r.repeat < repeats]
        planned = PlannedRepeats(repeats=repeats)
        build.looks = (Look(planned=planned, metric="skill", comparisons=(seen,), runs=tuple(runs)),)
        return made, found

    return build


LENGTHS = Lengths(items=40, shortest=41, median=90.0, longest=125)
ONE_CLASS = {"on": Labels(count=8, classes={"off": 0, "on": 8}, constant=True)}
SAME = Alike("audio", "visual", (("pitch", "height"),), 1)

CASES = {
    # code: (warns, passes)
    "ABL001": (records(lambda r: r, leaky=True), SOUND),
    "ABL002": (records(lambda r: r, failures=FAILED[:1]), SOUND),
    "ABL003": (records(lambda r: r, absent=FAILED[:1]), SOUND),
    "ABL004": (study(repeats=5), study(repeats=8)),
    "ABL005": (study(heads={"multimodal": "shared"}), SOUND),
    "ABL006": (records(put("environment.dirty", True)), SOUND),
    "ABL007": (records(put("environment.commit", "f" * 40)), SOUND),
    "ABL008": (records(put("environment.python", "3.12.0")), SOUND),
    "ABL009": (records(lambda r: r, nothing=["scale"]), SOUND),
    "ABL010": (
        study(match=Match(by="parameters"), change=parameters(5_400_000)),
        study(match=Match(by="parameters"), change=parameters(5_210_000)),
    ),
    "ABL011": (records(put("leakage.forbidden_gradient", 1e-9)), SOUND),
    "ABL012": (study(repeats=1), study(repeats=2)),
    "ABL013": (study({**ONE, "model.dropout": 0.3}), study(ONE)),
    "ABL014": (study(ONE, parameters(7_000_000)), study(ONE, parameters(5_300_000))),
    "ABL015": (study(ONE, steps(72)), study(ONE, steps(40))),
    "ABL016": (records(lambda r: r, failures=FAILED[:1]), SOUND),
    "ABL017": (history(lambda e: {"clipped": 0.8}), history(lambda e: {"clipped": 0.2})),
    "ABL018": (history(lambda e: {"learning_rate": 1e-4 * e}), history(lambda e: {"learning_rate": 1e-4 / e})),
    "ABL019": (
        history(lambda e: {"validation/skill": 0.04 * e}),
        history(lambda e: {"validation/skill": 0.4 * (1 - 0.5**e)}),
    ),
    "ABL020": (
        history(lambda e: {"train/loss": 3 * 0.8**e, "validation/loss": 2.0 + 0.2 * e}),
        history(lambda e: {"train/loss": 3 * 0.8**e, "validation/loss": 3.1 * 0.8**e}),
    ),
    "ABL021": (records(lambda r: r, failures=FAILED), records(lambda r: r, failures=FAILED[:1])),
    "ABL022": (records(lambda r: r, effects={"multimodal": -0.5}), SOUND),
    "ABL023": (records(put("environment.threads", 8)), SOUND),
    "ABL024": (records(put("split.divided_groups", 1)), SOUND),
    "ABL025": (records(put("selection.test_windows_read", 1)), SOUND),
    "ABL026": (
        records(lambda r: changed(r, "gates.audio.saturated", 0.9)),
        records(lambda r: changed(r, "gates.audio.saturated", 0.4)),
    ),
    "ABL027": (records(put("split.twins", (("video_1", "video_2"),))), SOUND),
    "ABL028": (searched(rate=0.0098), searched(rate=0.001)),
    "ABL029": (searched(rate=0.001, drawn="each_repeat"), searched(rate=0.001)),
    "ABL030": (records(unscored), SOUND),
    "ABL031": (searched(rate=0.001, complete=False), searched(rate=0.001)),
    "ABL032": (records(lambda r: r, effects={"multimodal": {"active": 0.5}}), SOUND),
    "ABL033": (
        records(lambda r: r, effects={"multimodal": 0.3}, drawn="once"),
        records(lambda r: r, effects={"multimodal": 0.3}, items=9, noise=0.01, drawn="once"),
    ),
    "ABL034": (records(few_tested), SOUND),
    "ABL035": (timed("times 3600–3612 s against 0–12 s: an offset of 3600 s?"), timed("")),
    "ABL036": (loud_values(3), loud_values(0)),
    "ABL037": (records(lambda record: changed(record, "corpus.alike", (SAME,))), SOUND),
    "ABL038": (side("train.missing", {"audio": 24}), side("train.missing", {"audio": 23})),
    "ABL039": (side("test.labels", ONE_CLASS), SOUND),
    "ABL040": (flattering(0.2), flattering(0.05)),
    "ABL041": (copied(lag=0), copied(lag=1)),
    "ABL042": (cutting(7), cutting(0, window=125)),
    "ABL043": (scored(absent=[("b", 3)]), scored()),
    "ABL044": (scored(constant="b"), scored()),
    "ABL045": (study({"training.precision": "bf16", "model.width": 128}), study({"training.precision": "bf16"})),
    "ABL046": (looked_at(6), looked_at(8)),
    "ABL047": (within(2.0), within(0.1)),
}


def test_every_check_has_an_example_of_both():
    assert [*CASES] == [rule.code for rule in RULES]


def outcome(case, code, study_of, records_of):
    if isinstance(case, pd.DataFrame):
        return next(c.outcome for c in summarise(foreign.results(case)).checks if c.code == code)
    built = case(study_of, records_of)
    if isinstance(built, StudyResults):
        return next(c.outcome for c in summarise(built).checks if c.code == code)
    made, found, *more = built
    searches = [part for part in more if isinstance(part, tuple)]
    quality = [row for part in more if isinstance(part, list) for row in part]
    results = tidy(made, found, quality or getattr(case, "quality", ()))
    results = dataclasses.replace(results, earlier_looks=getattr(case, "looks", ()))
    if searches:
        # A search of a single trial is enough for the check, not for a whole report.
        evidence = Evidence(dataclasses.replace(results, search=searches[0]), [], [], ())
        return next(rule for rule in RULES if rule.code == code).look(evidence)[0]
    return next(c.outcome for c in summarise(results).checks if c.code == code)


@pytest.mark.parametrize("code", CASES)
def test_it_warns_where_it_should(code, study_of, records_of):
    assert outcome(CASES[code][0], code, study_of, records_of) == "warning"


@pytest.mark.parametrize("code", CASES)
def test_it_passes_what_is_sound(code, study_of, records_of):
    assert outcome(CASES[code][1], code, study_of, records_of) == "passed"


def test_the_limits_of_a_gate_are_those_that_the_rule_tells():
    rule = next(rule for rule in RULES if rule.code == "ABL026")
    assert f"below {SHUT:g} or above {OPEN:g}" in rule.how
    # … and a sigmoid passes on less than a fifth of its steepest slope out there.
    assert all(p * (1 - p) < 0.2 * 0.25 for p in (SHUT, OPEN))
    assert math.isclose(SHUT, 1 - OPEN)


def test_a_margin_is_held_against_the_scores_of_each_data_set():
    """Two data sets in units of their own: a margin that suits one says nothing on the other."""
    frame = foreign.scores({"a": 0.8, "b": 0.8}, parts=("small", "large"))
    frame.loc[frame["component"] == "large", "value"] *= 1000
    results = foreign.results(frame, margin=2.0, part="data set")
    checked = next(c for c in summarise(results).checks if c.code == "ABL047")
    assert checked.outcome == "warning"
    assert "'b' against 'a' on 'small'" in checked.text
    assert "large" not in checked.text
    assert "±2" in checked.text


def test_a_margin_above_scores_that_differ_all_the_same_makes_no_doubt():
    """Nothing was called equivalent, so the margin misleads nobody."""
    results = foreign.results(foreign.scores({"a": 0.01, "b": 0.3}), margin=0.2)
    assert [c.verdict for c in summarise(results).comparisons] == ["better"]
    assert next(c for c in summarise(results).checks if c.code == "ABL047").outcome == "passed"


def test_a_change_by_rounding_is_held_against_the_margin(study_of, records_of):
    def look(change, metric="skill"):
        rounding = Rounding(metric, 0.5 + change, 0.5)
        made, found = records(put("rounding", rounding))(study_of, records_of)
        made = dataclasses.replace(made, margin=0.02)
        return next(c for c in summarise(tidy(made, found)).checks if c.code == "ABL045")

    assert look(-0.004).outcome == look(0.1, "active/f1").outcome == "passed"
    assert look(-0.006).text == (
        "Rounding changes the validation skill of 1 run by up to 0.0060, where the margin is 0.02: 'multimodal'."
    )


def test_arms_that_differ_in_precision_and_more_are_named(study_of, records_of):
    made, found = study({"training.precision": "bf16", "model.width": 128})(study_of, records_of)
    check = next(c for c in summarise(tidy(made, found)).checks if c.code == "ABL045")
    assert "'multimodal' (bf16) against 'track_only' (fp32)" in check.text


def test_a_stream_apart_is_named_with_item_and_guess(study_of, records_of):
    made, found, quality = timed("times 3600–3612 s against 0–12 s: an offset of 3600 s?")(study_of, records_of)
    check = next(c for c in summarise(tidy(made, found, quality)).checks if c.code == "ABL035")
    assert "audio in 1 of 2 items (video_2: times 3600–3612 s against 0–12 s: an offset of 3600 s?)" in check.text
    old = next(
        c for c in summarise(tidy(made, found, [QualityRow(item="a", modality="audio")])).checks if c.code == "ABL035"
    )
    assert old.outcome == "not run"


def test_items_that_a_window_cuts_are_counted(study_of, records_of):
    made, found = cutting(7)(study_of, records_of)
    items = sum(side.items for side in found[0].split.sides.values())
    check = next(c for c in summarise(tidy(made, found, ())).checks if c.code == "ABL042")
    assert check.text == f"The longest item has 125 steps; a window of 100 steps cuts 7 of {items} items."


def test_cutting_is_no_matter_where_each_step_has_a_target(study_of, records_of):
    def step_by_step(record):
        return changed(changed(record, "corpus.scope", "step"), "corpus.lengths", LENGTHS)

    assert outcome(records(step_by_step), "ABL042", study_of, records_of) == "not applicable"
    assert outcome(SOUND, "ABL042", study_of, records_of) == "not run"
