"""Search blocks: what is tuned for whom, and what cannot be tuned; errors name the line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mmcore.errors import StudyError
from mmcore.schema import CorpusSchema
from reports.checks.factors import factors
from studies.resolve import resolve
from studies.resolved import ResolvedArm, ResolvedStudy
from studies.study import catalogue, read_preset, read_study
from studies.tuning import TUNED, confirmed_config, digest

HEAD = """\
question: Does tuning help?
reference: base
repeats: 6
preset: null
arms:
  base: {}
  add: {model.fusion.kind: add}
search:
"""
GOOD = """\
  space:
    training.optimiser.learning_rate: {kind: log_uniform, low: 1e-4, high: 1e-2}
  budget: {trials: 4}
"""


def opened(folder: Path, schema: CorpusSchema, search: str, head: str = HEAD) -> ResolvedStudy:
    path = folder / "mine.yaml"
    path.write_text(head + search, encoding="utf-8")
    study, written = read_study(path)
    return resolve("mine", study, written, None, None, folder, schema)


def test_nuisance_knobs_are_tuned_for_each_arm_with_the_same_budget(tmp_path: Path, schema: CorpusSchema) -> None:
    study = opened(tmp_path, schema, GOOD)
    assert study.search is not None
    assert [one.arm for one in study.search.searches] == ["base", "add"]
    assert {tuple(one.space) for one in study.search.searches} == {("training.optimiser.learning_rate",)}
    assert study.pairs == (("add", "base"),)
    # Confirmed on repeats that no trial has seen.
    assert study.numbers == range(2, 8)
    # Trials never read test items; what is confirmed does.
    (base, _) = study.search.searches
    assert not base.config.evaluation.test
    tuned = confirmed_config(base, {"training.optimiser.learning_rate": 0.001}, schema)
    assert tuned.evaluation.test
    assert tuned.training.optimiser.learning_rate == 0.001


def test_what_is_confirmed_is_tested_on_items_that_had_no_part_in_the_search(
    tmp_path: Path, schema: CorpusSchema
) -> None:
    def drawn(study: ResolvedStudy) -> set[str]:
        return {arm.config.split.test_drawn for arm in study.arms}

    study = opened(tmp_path, schema, GOOD)
    assert study.search is not None
    assert drawn(study) == {"once"}
    assert {one.config.split.test_drawn for one in study.search.searches} == {"once"}
    # A user may have reasons; a check warns then.
    asked = HEAD.replace("arms:", "base: {split.test_drawn: each_repeat}\narms:")
    assert drawn(opened(tmp_path, schema, GOOD, asked)) == {"each_repeat"}
    assert drawn(opened(tmp_path, schema, "", HEAD.removesuffix("search:\n"))) == {"each_repeat"}


def test_scientific_knobs_become_arms_and_nuisance_ones_are_tuned_along(tmp_path: Path, schema: CorpusSchema) -> None:
    text = GOOD + "  confirm: {best: 2}\n"
    text = text.replace("  budget", "    model.layers: {kind: int, low: 1, high: 3, role: scientific}\n  budget")
    study = opened(tmp_path, schema, text)
    assert study.search is not None
    found = {one.arm: set(one.space) for one in study.search.searches}
    rate = "training.optimiser.learning_rate"
    assert found == {TUNED: {rate, "model.layers"}, "base": {rate}, "add": {rate}}
    assert study.pairs == (("tuned", "base"), ("tuned 2", "base"), ("add", "base"))


def test_searched_loss_weights_have_to_beat_the_known_weightings(tmp_path: Path, schema: CorpusSchema) -> None:
    text = "  space: {loss.weights: {kind: simplex, role: scientific}}\n  budget: {trials: 4}\n"
    study = opened(tmp_path, schema, text)
    assert study.search is not None
    # "base" has equal weights already; the others are added.
    assert [arm.name for arm in study.arms] == ["base", "add", "random", "uncertainty", "dwa", "gradnorm"]
    knobs = {one.arm: sorted(one.space) for one in study.search.searches}
    assert knobs == {
        TUNED: ["loss.weights"],
        "dwa": ["loss.weighting.temperature"],
        "gradnorm": ["loss.weighting.alpha", "loss.weighting.learning_rate"],
    }
    assert study.search.as_is == ("base", "add", "random", "uncertainty")
    (weights,) = study.search.searches[0].space.values()
    assert weights.model_dump()["components"] == ("active", "position")


def test_what_is_tuned_for_each_arm_is_no_difference_between_them(tmp_path: Path, schema: CorpusSchema) -> None:
    study = opened(tmp_path, schema, GOOD)
    assert study.search is not None
    rates = {"base": 1e-3, "add": 2e-3}
    arms = tuple(
        ResolvedArm(
            found.arm,
            found.overrides,
            confirmed_config(found, {"training.optimiser.learning_rate": rates[found.arm]}, schema),
        )
        for found in study.search.searches
    )
    assert factors(replace(study, arms=arms), "add", "base") == ("model.fusion",)


WEIGHTS = "  space: {loss.weights: {kind: simplex, role: scientific}}\n  budget: {trials: 4}\n"


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ("validation/weighted_loss", "it depends on loss.weights, which this search varies"),
        ("test/skill", "test items are for the confirmation alone"),
        ("train/loss", "what a model remembers of training items"),
        ("validation/skil", "unknown measure"),
        ("skill", "expected validation/MEASURE"),
        ("validation/rotation/skill", "unknown component"),
        ("validation/position/f1", "no value here"),
    ],
)
def test_an_objective_that_would_mislead_is_refused(
    tmp_path: Path, schema: CorpusSchema, objective: str, words: str
) -> None:
    with pytest.raises(StudyError, match=words) as caught:
        opened(tmp_path, schema, WEIGHTS + f"  objective: {objective}\n")
    assert caught.value.where is not None
    assert caught.value.where.endswith("mine.yaml:11")


@pytest.mark.parametrize(
    ("search", "line", "words"),
    [
        (GOOD.replace("trials", "trialz"), 11, "search.budget.trialz: unknown key"),
        (GOOD.replace("{trials: 4}", "{trials: 4, epochs: 4}"), 11, "either trials: N or epochs: N"),
        (GOOD.replace("low:", "lo:"), 10, "unknown key 'lo'"),
        (GOOD.replace("log_uniform", "loguniform"), 10, "log_uniform"),
        (GOOD.replace("1e-2", "1e-5"), 10, "must be below high"),
        (GOOD.replace("learning_rate", "learning_rat"), 10, "learning_rate"),
        (GOOD.replace("training.optimiser.learning_rate", "split.test"), 10, "what trials are scored on"),
        (GOOD.replace("training.optimiser.learning_rate", "device"), 10, "no setting that could be tuned"),
        (GOOD.replace("training.optimiser.learning_rate", "evaluation.test"), 10, "what trials are scored on"),
        (GOOD + "  sampler: best\n", 12, "tpe"),
        (GOOD + "  sampler: grid\n", None, "points: N"),
        (GOOD + "  pruner: wilcoxon\n", None, "at least 4"),
        (GOOD + "  pruner: median\n  objective: validation/active/f1\n", 12, "only known at the end of a run"),
        (GOOD + "  pruner: median\n  objective: [validation/skill, validation/loss]\n", None, "pruner must be none"),
        (GOOD + "  sampler: cma_es\n  objective: [validation/skill, validation/loss]\n", None, "one objective only"),
        (
            GOOD.replace("{kind", "{when: {model.width: 64, model.layers: 1}, kind"),
            None,
            "no knob of the space applies",
        ),
    ],
)
def test_a_search_that_cannot_be_done_is_refused(
    tmp_path: Path, schema: CorpusSchema, search: str, line: int | None, words: str
) -> None:
    with pytest.raises(StudyError) as caught:
        opened(tmp_path, schema, search)
    assert words in caught.value.message
    if line is not None:
        assert caught.value.where is not None
        assert caught.value.where.endswith(f"mine.yaml:{line}")


def test_settings_that_contradict_each_other_are_told_before_anything_is_trained(
    tmp_path: Path, schema: CorpusSchema
) -> None:
    text = """\
  space:
    model.width: {kind: choice, values: [64, 66]}
    model.heads: {kind: choice, values: [2, 4]}
  budget: {trials: 4}
"""
    with pytest.raises(StudyError, match="heads"):
        opened(tmp_path, schema, text)


def test_tuned_sizes_and_matched_sizes_exclude_each_other(tmp_path: Path, schema: CorpusSchema) -> None:
    text = "  space: {model.width: {kind: choice, values: [32, 64]}}\n  budget: {trials: 4}\nmatch: parameters\n"
    path = tmp_path / "mine.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    study, written = read_study(path)
    with pytest.raises(StudyError, match="brought to one size"):
        resolve("mine", study, written, None, None, tmp_path, schema, count=lambda config, by: config.model.width)


def test_what_trials_must_share_is_what_they_are_judged_by(tmp_path: Path, schema: CorpusSchema) -> None:
    """A larger budget goes on with a search; a changed question is another one."""

    def identity(text: str, head: str = HEAD) -> str:
        study = opened(tmp_path, schema, text, head)
        assert study.search is not None
        return digest(study.search.identity(study.search.searches[0], "content"))

    same = identity(GOOD)
    assert identity(GOOD.replace("trials: 4", "trials: 40")) == same
    assert identity(GOOD, HEAD.replace("repeats: 6", "repeats: 9")) == same
    for changed in (
        GOOD.replace("1e-2", "2e-2"),
        GOOD + "  repeats: 3\n",
        GOOD + "  sampler: random\n",
        GOOD + "  objective: validation/loss\n",
    ):
        assert identity(changed) != same


@pytest.mark.parametrize("name", ["architecture", "fusion_tuned", "learning_rate", "loss_weights"])
def test_the_catalogues_searches_resolve_with_every_preset(name: str, tmp_path: Path) -> None:
    from mmcore.data.sources.simulated import simulated_schema

    study, written = read_study(catalogue()[name])
    for preset_name in ("quick", "seed"):
        preset, preset_file = read_preset(preset_name)
        found = resolve(name, study, written, preset, preset_file, tmp_path, simulated_schema("quick"))
        assert found.search is not None
        assert found.first_repeat == 2
