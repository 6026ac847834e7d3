"""Search blocks: what is tuned for whom, and what cannot be tuned; errors name the line."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from factories.records import a_record

from mmcore.errors import StudyError
from mmcore.measures import parse_metric
from mmcore.schema import CorpusSchema
from mmcore.scores import Score
from reports.checks.factors import factors
from studies.resolve import resolve
from studies.resolved import ResolvedArm, ResolvedStudy
from studies.search.block import Search, parse_objective
from studies.search.resolved import TUNED, confirmed_config, digest
from studies.study import catalogue, read_preset, read_study

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


def test_nuisance_hyperparameters_are_tuned_for_each_arm_with_the_same_budget(
    tmp_path: Path, schema: CorpusSchema
) -> None:
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


def test_scientific_hyperparameters_become_arms_and_nuisance_ones_are_tuned_along(
    tmp_path: Path, schema: CorpusSchema
) -> None:
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
    hyperparameters = {one.arm: sorted(one.space) for one in study.search.searches}
    assert hyperparameters == {
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
        (GOOD.replace("log_uniform, low: 1e-4, high: 1e-2", "choice, values: []"), 10, "must have 2 entries or more"),
        (GOOD.replace("learning_rate", "learning_rat"), 10, "learning_rate"),
        (GOOD.replace("training.optimiser.learning_rate", "split.test"), 10, "what trials are scored on"),
        (GOOD.replace("training.optimiser.learning_rate", "device"), 10, "is not a setting that can be tuned"),
        (GOOD.replace("training.optimiser.learning_rate", "data.placebo"), 10, "is not a setting that can be tuned"),
        (GOOD.replace("training.optimiser.learning_rate", "evaluation.test"), 10, "what trials are scored on"),
        (GOOD + "  sampler: best\n", 12, "tpe"),
        (GOOD + "  sampler: grid\n", None, "points: N"),
        (GOOD + "  pruner: wilcoxon\n", None, "at least 4"),
        (GOOD + "  pruner: median\n  objective: validation/active/f1\n", 12, "only known at the end of a run"),
        (GOOD + "  pruner: median\n  objective: [validation/skill, validation/loss]\n", None, "pruner must be none"),
        (GOOD + "  sampler: cma_es\n  objective: [validation/skill, validation/loss]\n", None, "only one objective"),
        (
            GOOD.replace("{kind", "{when: {model.width: 64, model.layers: 1}, kind"),
            10,
            "applies to no arm: there is none where model.width is 64 and model.layers is 1",
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
    with pytest.raises(StudyError, match="matches the size of its arms"):
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


RATE = "training.optimiser.learning_rate"


def space(*hyperparameters: str, **settings: str) -> str:
    """A search block; its space begins on line 10."""
    lines = ["  space:", *(f"    {hyperparameter}" for hyperparameter in hyperparameters)]
    return "\n".join([*lines, *(f"  {k}: {v}" for k, v in ({"budget": "{trials: 4}"} | settings).items())]) + "\n"


def with_arm(overrides: str) -> str:
    return HEAD.replace("{model.fusion.kind: add}", overrides)


RATES = f"{RATE}: {{kind: log_uniform, low: 1e-4, high: 1e-2}}"
KINDS = "model.fusion.kind: {kind: choice, values: [add, bottleneck]}"
BOTTLENECK = "{kind: int, low: 1, high: 4, when: {model.fusion.kind: bottleneck}}"


@pytest.mark.parametrize(
    ("overrides", "hyperparameter", "words"),
    [
        (f"{{{RATE}: 2e-4}}", RATES, f"sets {RATE}, and the hyperparameter '{RATE}'"),
        ("{training: {optimiser: {learning_rate: 2e-4}}}", RATES, f"sets {RATE}"),
        # A whole mapping around it; one of its values is what the arm has.
        (
            f"{{{RATE}: 2e-4}}",
            "training.optimiser: {kind: choice, values: [{learning_rate: 2e-4}, {learning_rate: 1e-3}]}",
            f"sets {RATE}, and the hyperparameter 'training.optimiser'",
        ),
        # Another kind drops what the arm set for its own.
        (
            "{training.optimiser.weight_decay: 0.1}",
            "training.optimiser.kind: {kind: choice, values: [adam, adamw]}",
            "sets training.optimiser.weight_decay",
        ),
        ("{model.fusion: {kind: concat}}", KINDS, "sets model.fusion.kind"),
        ("{loss.weights.active: 2}", "loss.weights: {kind: simplex}", "sets loss.weights.active"),
    ],
)
def test_a_hyperparameter_that_overwrites_what_an_arm_is_is_refused(
    tmp_path: Path, schema: CorpusSchema, overrides: str, hyperparameter: str, words: str
) -> None:
    with pytest.raises(StudyError, match="would overwrite it in every trial") as caught:
        opened(tmp_path, schema, space(hyperparameter), with_arm(overrides))
    assert words in caught.value.rule
    assert "arm 'add'" in caught.value.rule
    assert (caught.value.where or "").endswith("mine.yaml:7")
    assert (caught.value.next_step or "").startswith("Leave it out of the arm")


def test_a_hyperparameter_that_overwrites_a_baseline_is_refused_with_the_hyperparameters_line(
    tmp_path: Path, schema: CorpusSchema
) -> None:
    kinds = "loss.weighting.kind: {kind: choice, values: [fixed, uncertainty]}"
    with pytest.raises(
        StudyError, match=r"mine.yaml:11: arm '\w+' sets loss.weighting.kind.*Leave the hyperparameter out"
    ):
        opened(tmp_path, schema, space("loss.weights: {kind: simplex, role: scientific}", kinds))


@pytest.mark.parametrize(
    ("overrides", "hyperparameters"),
    [
        (
            "{loss.weighting.kind: dwa}",
            ["loss.weighting.temperature: {kind: uniform, low: 1, high: 2, when: {loss.weighting.kind: dwa}}"],
        ),
        ("{training.optimiser.kind: adamw}", [RATES]),
        ("{training.optimiser: {kind: adamw}}", [RATES]),
        ("{model.fusion.kind: bottleneck}", [f"model.fusion.tokens: {BOTTLENECK}"]),
        (f"{{{RATE}: 2e-4}}", [RATES.replace("low:", "role: scientific, low:")]),
        # Not there in this arm, so it changes nothing.
        (f"{{{RATE}: 2e-4, model.layers: 3}}", [RATES.replace("low:", "when: {model.layers: 2}, low:")]),
        ("{model.width: 32}", ["training.optimiser: {kind: choice, values: [{kind: adam}, {kind: adamw}]}", RATES]),
        (
            "{model.width: 32}",
            [
                "model.fusion: {kind: choice, values: [{kind: gated}, {kind: bottleneck}]}",
                f"model.fusion.tokens: {BOTTLENECK}",
            ],
        ),
    ],
)
def test_hyperparameters_beside_what_an_arm_is_are_fine(
    tmp_path: Path, schema: CorpusSchema, overrides: str, hyperparameters: list[str]
) -> None:
    base = "base: {model.layers: 2}\narms:"
    study = opened(tmp_path, schema, space(*hyperparameters), with_arm(overrides).replace("arms:", base))
    assert study.search is not None
    assert {path for one in study.search.searches for path in one.space} == {
        hyperparameter.partition(":")[0] for hyperparameter in hyperparameters
    }


@pytest.mark.parametrize(
    ("hyperparameters", "line", "words"),
    [
        (
            ["model.dropout: {kind: uniform, low: 0, high: 0.4, when: {model.fusion.knd: add}}"],
            10,
            ["'model.dropout' waits for model.fusion.knd", "unknown key 'knd'", "Did you mean 'kind'?"],
        ),
        (
            ["model.dropout: {kind: uniform, low: 0, high: 0.4, when: {model.fusion.kind: [add, bottlenek]}}"],
            10,
            ["to be bottlenek", "Did you mean 'bottleneck'?"],
        ),
        (
            [KINDS, f"model.fusion.tokens: {BOTTLENECK.replace('bottleneck', 'bottlenek')}"],
            11,
            ["'model.fusion.tokens' waits", "not among the values searched", "Did you mean 'bottleneck'?"],
        ),
        # A kind that there is, and that no arm has; one that the hyperparameter above does not draw.
        ([RATES, f"model.fusion.tokens: {BOTTLENECK}"], 11, ["'model.fusion.tokens' applies to no arm"]),
        (
            [KINDS, "model.fusion.rank: {kind: int, low: 1, high: 4, when: {model.fusion.kind: low_rank}}"],
            11,
            ["to be low_rank", "not among the values searched", "Valid: add, bottleneck"],
        ),
        (
            [
                "model.fusion: {kind: choice, values: [{kind: gated}, {kind: concat}]}",
                f"model.fusion.tokens: {BOTTLENECK}",
            ],
            11,
            ["'model.fusion.tokens' applies to no arm"],
        ),
        ([RATES, f"model.dropout: {{kind: uniform, low: 0, high: 0.4, when: {{{RATE}: 1e-3}}}}"], 11, ["an interval"]),
        (
            [
                f"model.fusion.tokens: {BOTTLENECK}",
                "model.fusion: {kind: choice, values: [{kind: add}, {kind: gated}]}",
            ],
            8,
            ["depends on 'model.fusion', which must stand above it"],
        ),
    ],
)
def test_a_condition_that_cannot_hold_is_refused(
    tmp_path: Path, schema: CorpusSchema, hyperparameters: list[str], line: int, words: list[str]
) -> None:
    with pytest.raises(StudyError) as caught:
        opened(tmp_path, schema, space(*hyperparameters), with_arm("{model.width: 32}"))
    for word in words:
        assert word in caught.value.message
    assert f"mine.yaml:{line}" in caught.value.message


def test_a_condition_on_a_scientific_hyperparameter_may_name_what_an_arm_has(
    tmp_path: Path, schema: CorpusSchema
) -> None:
    kinds = KINDS.replace("{kind", "{role: scientific, kind")
    rank = "model.fusion.rank: {kind: int, low: 1, high: 4, when: {model.fusion.kind: low_rank}}"
    study = opened(tmp_path, schema, space(kinds, rank), with_arm("{model.fusion.kind: low_rank}"))
    assert study.search is not None
    assert {one.arm: list(one.space) for one in study.search.searches} == {
        TUNED: ["model.fusion.kind"],
        "add": ["model.fusion.rank"],
    }


@pytest.mark.parametrize(
    ("hyperparameters", "line", "words"),
    [
        (
            [RATES, "training.optimiser: {kind: choice, values: [{learning_rate: 1e-3}, {learning_rate: 1e-2}]}"],
            11,
            f"'training.optimiser' overwrites the value drawn for '{RATE}'. Keep one",
        ),
        (
            ["training.optimiser: {kind: choice, values: [{learning_rate: 1e-3}, {learning_rate: 1e-2}]}", RATES],
            11,
            f"'{RATE}' overwrites the value drawn for 'training.optimiser'. Keep one",
        ),
        (
            ["loss.weights: {kind: simplex}", "loss.weights.active: {kind: uniform, low: 0.5, high: 2}"],
            11,
            "'loss.weights.active' overwrites the value drawn for 'loss.weights'",
        ),
        # Another kind would drop the learning rate that was drawn before it.
        (
            [RATES, "training.optimiser.kind: {kind: choice, values: [adam, adamw]}"],
            11,
            f"Write 'training.optimiser.kind' above '{RATE}'",
        ),
    ],
)
def test_hyperparameters_that_undo_each_other_are_refused(
    tmp_path: Path, schema: CorpusSchema, hyperparameters: list[str], line: int, words: str
) -> None:
    with pytest.raises(StudyError) as caught:
        opened(tmp_path, schema, space(*hyperparameters))
    assert words in caught.value.message
    assert (caught.value.where or "").endswith(f"mine.yaml:{line}")


def test_a_budget_without_room_for_a_trial_is_refused(tmp_path: Path, schema: CorpusSchema) -> None:
    head = HEAD.replace("arms:", "base: {training.epochs: 2}\narms:")
    with pytest.raises(StudyError, match=r"mine.yaml:12: .*takes 4 epochs \(2 repeats of 2\), and the budget is 3"):
        opened(tmp_path, schema, space(RATES, budget="{epochs: 3}"), head)
    assert opened(tmp_path, schema, space(RATES, budget="{epochs: 4}"), head).search is not None
    epochs = "training.epochs: {kind: int, low: 1, high: 5}"
    with pytest.raises(StudyError, match=r"may take 10 epochs \(2 repeats of 5\), and the budget is 9"):
        opened(tmp_path, schema, space(epochs, budget="{epochs: 9}"), head)


def test_cma_es_without_a_number_is_refused(tmp_path: Path, schema: CorpusSchema) -> None:
    kinds = "model.norm: {kind: choice, values: [pre, post]}"
    with pytest.raises(
        StudyError, match=r"mine.yaml:12: sampler cma_es needs a hyperparameter.*'base'.*Use tpe or random"
    ):
        opened(tmp_path, schema, space(kinds, sampler="cma_es"))
    assert opened(tmp_path, schema, space(kinds, RATES, sampler="cma_es")).search is not None


def test_a_search_looks_for_the_metric_of_the_study(tmp_path: Path, schema: CorpusSchema) -> None:
    study = opened(tmp_path, schema, GOOD, "metric: active/f1\n" + HEAD)
    assert study.search is not None
    assert [one.name for one in study.search.objective] == ["validation/active/f1"]
    assert study.search.select(study.arms[0].config).name == "active/f1"
    own = opened(tmp_path, schema, GOOD + "  objective: validation/loss\n", "metric: active/f1\n" + HEAD)
    assert own.search is not None
    assert [one.name for one in own.search.objective] == ["validation/loss"]


def test_a_pruner_may_look_at_the_metric_that_chooses_the_epoch(tmp_path: Path, schema: CorpusSchema) -> None:
    study = opened(tmp_path, schema, GOOD + "  pruner: median\n", "metric: active/f1\n" + HEAD)
    assert study.search is not None
    (objective,) = study.search.objective
    assert objective.column(study.search.select(study.arms[0].config)) == "validation/f1/active"
    assert objective.column(parse_metric("skill")) is None


def test_an_objective_that_only_parameters_have_is_their_mean() -> None:
    def score(parameter: str | None, value: float, split: str = "validation", baseline: str | None = None) -> Score:
        return Score(split, "all", "mae", "position", value, parameter, baseline)

    def of(*scores: Score) -> float:
        return objective.of(a_record(scores=scores))

    objective = parse_objective("validation/position/mae", (), "")
    rows = [score("x", 2.0), score("y", 4.0), score("x", 9.0, split="test"), score("x", 9.0, baseline="constant")]
    assert of(*rows) == 3.0
    assert of(*rows, score(None, 1.0)) == 1.0
    assert math.isnan(of(score("x", math.nan)))
    assert math.isnan(of())


def test_the_block_in_the_documentation_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "tuning.md").read_text(encoding="utf-8")
    written = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])
    search = Search.model_validate(written["search"])
    assert search.budget.trials == 40
    assert [hyperparameter.role for hyperparameter in search.space.values()] == ["scientific", "nuisance"]
