"""Searches over the settings of training code of the user's own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from factories.training_code import FUNCTION, FUNCTION_STUDY, project
from mlflow.tracking import MlflowClient

from experiments.driver import run_study
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.planning.request import Options
from mmcore.errors import StudyError

pytestmark = pytest.mark.usefixtures("no_mirror")

SEARCH = """\
search:
  space:
    lr: {kind: log_uniform, low: 1e-4, high: 1e-1}
  sampler: random
  pruner: halving
  budget: {trials: 8}
  repeats: 1
"""

STUDY = (FUNCTION_STUDY + SEARCH).replace("repeats: 8", "repeats: 6", 1).replace(
    "runner:\n", "runner:\n  max_epochs: 3\n"
)  # fmt: skip

CODE = FUNCTION.replace("import random\n", "import math\nimport random\nimport time\n").replace(
    "    for epoch", "    score -= 0.1 * abs(math.log10(config['lr']) + 2)\n    for epoch"
).replace("1 / epoch})\n", "1 / epoch})\n        time.sleep(0.15 * (epoch == 1))\n")  # fmt: skip
"""Best at a learning rate of 1e-2; slow enough to be stopped after its first epoch."""


@pytest.mark.slow
def test_each_arm_is_tuned_on_validation_scores_and_confirmed_on_fresh_repeats(home: Home, tmp_path: Path) -> None:
    path = project(tmp_path / "project", STUDY, mine=CODE)
    outcome = run_study(str(path), home.root)
    for one in outcome.results.search:
        assert len(one.trials) == 8
        assert one.leader is not None
        # The best of the trials is the one next to the best learning rate.
        assert one.leader.values[0] == max(t.values[0] for t in one.trials if t.values)
        pruned = [trial for trial in one.trials if trial.state == "pruned"]
        assert pruned
        assert all(trial.epochs < 3 for trial in pruned)
        for trial in pruned:
            assert not (home.run(trial.fingerprints[0]) / "record.json").exists()
    assert {run.repeat for run in outcome.results.runs} == set(range(1, 7))
    rates = {arm.name: arm.config.settings["lr"] for arm in outcome.results.study.arms}
    assert set(rates) == {"gated", "concat"}
    assert all(1e-4 <= rate <= 1e-1 for rate in rates.values())
    (row,) = outcome.summary.comparisons
    assert row.paired.n == 6
    # The same command finds everything done.
    done = plan(open_request(str(path), home, Options()), home)
    assert not done.request.tunes
    assert {run.state for run in done.runs} == {"done"}
    # Other training code is another search.
    (path.parent / "mine.py").write_text(CODE + "# changed\n")
    assert plan(open_request(str(path), home, Options()), home).request.tunes


def test_what_is_found_of_a_scientific_setting_is_an_arm(home: Home, tmp_path: Path) -> None:
    text = STUDY.replace("high: 1e-1}", "high: 1e-1, role: scientific}").replace("halving", "none")
    request = open_request(str(project(tmp_path / "project", text)), home, Options())
    assert request.study.to_be_found == ("tuned",)
    assert request.study.search is not None
    assert [one.arm for one in request.study.search.searches] == ["tuned"]


@pytest.mark.mirrored
def test_the_same_command_brings_a_search_to_a_tracking_store_that_was_away(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = STUDY.replace("halving", "none").replace("trials: 8", "trials: 2").replace("repeats: 6", "repeats: 1")
    path = project(tmp_path / "project", text)
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        assert run_study(str(path), home.root).mirrored is not None
    assert run_study(str(path), home.root).mirrored is None
    client = MlflowClient(home.mlflow_uri)
    (experiment,) = (e for e in client.search_experiments() if e.name == "gate")
    runs = client.search_runs([experiment.experiment_id])
    kinds = Counter(run.data.tags["mmstudy.kind"] for run in runs if run.info.status == "FINISHED")
    assert kinds == {"search": 2, "trial": 4, "arm": 2, "repeat": 2}


REFUSED = {
    "path": (
        STUDY.replace("    lr: {kind", "    rl: {kind"), 14,
        "'rl' is not a setting of base. Did you mean 'lr'? Valid: lr, fusion",
    ),
    "pruner": (
        STUDY.replace("  max_epochs: 3\n", ""), 15,
        "pruner halving must know how many epochs a whole training has. Add max_epochs to the runner: a number, or the "
        "setting that holds it. Or use pruner none",
    ),
    "budget": (
        STUDY.replace("  max_epochs: 3\n", "").replace("halving", "none").replace("{trials: 8}", "{epochs: 8}"), 16,
        "a budget in epochs must know how many epochs a whole training has",
    ),
    "test": (
        STUDY.replace("search:\n", "search:\n  objective: test/accuracy\n"), 13,
        "'test/accuracy' cannot be an objective: test items are for the confirmation alone, otherwise the winner's "
        "score would be the best of many. Use validation/accuracy, and report it",
    ),
    "bare": (
        STUDY.replace("search:\n", "search:\n  objective: accuracy\n"), 13,
        "'accuracy' cannot be an objective: a trial is judged by what its training code reports of validation items",
    ),
    "arm's own": (
        STUDY.replace("{fusion: concat}", "{fusion: concat, lr: 0.5}"), 8,
        "arm 'concat' sets lr, and the hyperparameter 'lr' would overwrite it in every trial",
    ),
    "weights": (
        STUDY.replace("    lr: {kind: log_uniform, low: 1e-4, high: 1e-1}", "    lr: {kind: simplex}"), 14,
        "a simplex weighs the loss components of mmstudy's own training",
    ),
    "condition": (
        STUDY.replace("high: 1e-1}", "high: 1e-1, when: {fussion: gated}}"), 14,
        "'lr' waits for 'fussion', which is not a setting of base. Did you mean 'fusion'?",
    ),
    "repeats": (
        STUDY.replace("repeats: 6\n", "repeats: {count: 6, first: 0}\n"), 10,
        "the repeats that confirm the result of a search must not be among the repeats that it was tuned on",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_searches_that_cannot_be_are_refused(home: Home, tmp_path: Path, name: str) -> None:
    text, line, message = REFUSED[name]
    path = project(tmp_path / "project", text)
    with pytest.raises(StudyError) as caught:
        open_request(str(path), home, Options())
    place, _, rest = caught.value.message.partition(": ")
    assert rest.startswith(message)
    assert place == f"{path}:{line}"


def test_a_run_without_the_objective_fails_its_trial(home: Home, tmp_path: Path) -> None:
    text = STUDY.replace("halving", "none").replace("{trials: 8}", "{trials: 1}")
    path = project(tmp_path / "project", text, mine=FUNCTION.replace(', "validation/accuracy": score - 0.01', ""))
    with pytest.raises(StudyError, match="no trial of the search for 'gated' was completed"):
        run_study(str(path), home.root)
