"""Studies with training code of the user's own, from the file to the report."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from factories.command import mmstudy
from factories.training_code import FUNCTION, FUNCTION_STUDY, SCRIPT, STUDY, project
from mlflow.tracking import MlflowClient

from experiments.driver import Outcome, run_study, sync_study
from experiments.foreign.execute import foreign_trial
from experiments.home import Home
from experiments.jobs import code_of
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.planning.request import Options, has_runner
from experiments.progress import Silent
from mmcore.errors import RecordError, StudyError
from mmcore.events import ignore
from mmcore.record import Record

pytestmark = pytest.mark.usefixtures("no_mirror")


def small(study: str = STUDY, repeats: object = 2) -> str:
    return study.replace("repeats: 8", f"repeats: {repeats}")


def run(path: Path, home: Home, **options: Any) -> Outcome:
    return run_study(str(path), home.root, Options(**options))


def records(path: Path, home: Home) -> dict[tuple[str, int], Record]:
    """The runs of a study, trained in this process; no report is written."""
    request = open_request(str(path), home, Options())
    assert has_runner(request)
    return {
        (run.arm, run.repeat): foreign_trial(
            run.config,
            code_of(request, run.config),
            run.repeat,
            home.run(run.fingerprint or ""),
            study="gate",
            arm=run.arm,
            fingerprint=run.fingerprint or "",
            threads=1,
            on_event=ignore,
        )
        for run in plan(request, home).runs
    }


def why(path: Path, home: Home) -> str:
    """Why the runs that failed did so."""
    (failure,) = {record.why for record in records(path, home).values() if not record.done}
    return failure


def states(path: Path, home: Home, **options: Any) -> list[str]:
    request = open_request(str(path), home, Options(**options))
    return [run.state for run in plan(request, home).runs]


# What a study comes to -----------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Home, Outcome]:
    """A study of a command, run once."""
    folder = tmp_path_factory.mktemp("finished")
    path, home = project(folder / "project"), Home(folder / "home")
    return path, home, run(path, home)


Finished = tuple[Path, Home, Outcome]


def test_a_command_is_judged_like_any_study(finished: Finished) -> None:
    _, home, outcome = finished
    (row,) = outcome.summary.comparisons
    assert (row.arm, row.reference, row.verdict) == ("gated", "concat", "better")
    assert row.paired.n == 8
    assert row.paired.difference.mean == pytest.approx(0.05)
    assert "training with" in next(home.runs.glob("*/output.log")).read_text()
    assert {p.name for p in next(home.runs.glob("*/work")).iterdir()} == {"epochs.jsonl", "scores.json"}


def test_epochs_become_curves(finished: Finished) -> None:
    history = finished[2].results.history
    assert list(history.columns) == ["arm", "repeat", "status", "epoch", "validation/accuracy", "train/loss"]
    assert len(history) == 16 * 3
    assert {run.epochs for run in finished[2].results.runs} == {3}


def test_the_report_says_what_mmstudy_cannot_know(finished: Finished) -> None:
    summary = finished[2].summary
    assert summary.covers.startswith("Verdicts are about new seeds of this training code")
    assert "whether test items were read during training" in summary.covers
    assert "new seeds of this training code. Not shown: that the same holds for other test items" in (
        summary.verdicts[0].not_shown
    )
    told = {check.code: (check.outcome, check.text) for check in summary.checks}
    unknown = ("not applicable", "Not known for this runner.")
    # Of models, corpora and splits mmstudy knows nothing; of runs and scores it knows what it always knows.
    assert told["ABL024"] == told["ABL025"] == told["ABL012"] == told["ABL033"] == unknown
    assert {told[code][0] for code in ("ABL002", "ABL003", "ABL004", "ABL013", "ABL016", "ABL021", "ABL030")} == {
        "passed"
    }


def test_finished_runs_are_reused_by_studies_that_share_them(finished: Finished, tmp_path: Path) -> None:
    path, home, _ = finished
    assert set(states(path, home)) == {"done"}
    assert states(path, home, repeats=9).count("to do") == 2
    other = path.with_name("other.yaml")
    other.write_text(path.read_text().replace("arms:\n", "arms:\n  faster: {lr: 0.1}\n"))
    assert states(other, home).count("to do") == 8
    # The same files elsewhere are the same training code.
    shutil.copytree(path.parent, tmp_path / "moved")
    assert set(states(tmp_path / "moved" / "gate.yaml", home)) == {"done"}


@pytest.mark.parametrize("what", ["source", "listed source", "command", "environment"])
def test_other_training_code_makes_other_runs(finished: Finished, tmp_path: Path, what: str) -> None:
    _, home, _ = finished
    folder = tmp_path / "project"
    match what:
        case "source":
            path = project(folder, train=SCRIPT + "# another line\n")
        case "listed source":
            path = project(folder, STUDY.replace("runner:\n", "runner:\n  source: [lib]\n"))
            (folder / "lib").mkdir()
            (folder / "lib" / "model.py").write_text("width = 3\n")
        case "command":
            path = project(folder, STUDY.replace("{python} train", "{python} -u train"))
        case _:
            path = project(folder, STUDY.replace("runner:\n", "runner:\n  env: {FAST: '1'}\n"))
    assert set(states(path, home)) == {"to do"}
    if what == "listed source":
        before = open_request(str(path), home, Options()).content
        (folder / "lib" / "model.py").write_text("width = 4\n")
        assert open_request(str(path), home, Options()).content != before


def test_what_does_not_change_numbers_makes_no_other_runs(finished: Finished, tmp_path: Path) -> None:
    _, home, _ = finished
    more = "runner:\n  timeout: 100\n  split: shared\n  max_epochs: 3\n  lower_is_better: false\n"
    assert set(states(project(tmp_path / "project", STUDY.replace("runner:\n", more)), home)) == {"done"}


def test_another_metric_judges_the_same_runs(finished: Finished) -> None:
    path, home, _ = finished
    with pytest.raises(RecordError, match="no run has a score for the study's metric 'loss'"):
        run(path, home, metric="loss")


def test_a_function_gives_the_scores_of_the_same_command(finished: Finished, home: Home, tmp_path: Path) -> None:
    outcome = run(project(tmp_path / "project", FUNCTION_STUDY), home)
    pd.testing.assert_frame_equal(outcome.results.scores, finished[2].results.scores)
    pd.testing.assert_frame_equal(outcome.results.history, finished[2].results.history)


@pytest.mark.mirrored
def test_mlflow_has_settings_scores_and_epochs(finished: Finished) -> None:
    path, home, outcome = finished
    assert outcome.mirrored is None
    client = MlflowClient(home.mlflow_uri)
    (experiment,) = [one for one in client.search_experiments() if one.name == "gate"]
    runs = client.search_runs([experiment.experiment_id], "tags.`mmstudy.kind` = 'repeat'")
    # A report by another metric has light mirrors of the same runs.
    assert len({one.data.tags["mmstudy.fingerprint"] for one in runs}) == 16
    runs = [one for one in runs if "reused_from" not in one.data.tags and client.list_artifacts(one.info.run_id)]
    assert runs[0].data.params["lr"] == "0.001"
    assert {r.data.params["fusion"] for r in runs} == {"gated", "concat"}
    assert "test/accuracy" in runs[0].data.metrics
    assert len(client.get_metric_history(runs[0].info.run_id, "validation/accuracy")) == 4  # three epochs, and the end
    assert {a.path for a in client.list_artifacts(runs[0].info.run_id)} >= {"record.json", "output.log"}
    request = open_request(str(path), home, Options())
    assert sync_study(request, home, Silent()) is None


def test_commands_about_models_are_refused_with_a_way_out(finished: Finished) -> None:
    path, home, _ = finished
    for verb in ("describe", "analyse"):
        done = mmstudy(home, verb, path)
        assert done.returncode == 2
        assert f"mmstudy {verb} looks into models that mmstudy trains" in done.stderr
        assert "plan, run, status, report, check, compare and sync work" in done.stderr
    for option, value in (("--corpus", "simulated:quick"), ("--preset", "small"), ("--match", "flops")):
        done = mmstudy(home, "plan", path, option, value)
        assert done.returncode == 2
        assert f"{option} is about models that mmstudy trains" in done.stderr


def test_a_plan_says_what_is_known(finished: Finished, home: Home) -> None:
    path, done, _ = finished
    text = mmstudy(home, "plan", path).stdout
    assert "accuracy, higher is better; reference arm concat; 8 paired repeats" in text
    assert "no run has finished yet, so mmstudy cannot say how long they take" in text
    assert "source train.py" in text
    told = json.loads(mmstudy(home, "plan", path, "--format", "json").stdout)
    assert (told["seconds"], told["corpus"], told["window"]) == (None, None, None)
    assert told["runner"]["source"] == ["train.py"]
    later = mmstudy(done, "plan", path, "--repeats", "9").stdout
    assert "estimated from 16 finished runs" in later
    assert re.search(r"gated +8 .* 0 +nothing", mmstudy(done, "status", path).stdout) is None
    assert re.search(r"gated +8 +0 +0 +0 +0", mmstudy(done, "status", path).stdout)


def test_report_json_and_check_work(finished: Finished) -> None:
    path, home, _ = finished
    told = json.loads(mmstudy(home, "report", path, "--format", "json").stdout)
    assert told["comparisons"][0]["verdict"] == "better"
    assert told["arms"][0]["parameters"] is None
    assert mmstudy(home, "check", path).returncode == 0


def test_eight_repeats_too_few_are_told_before_they_are_trained(home: Home, tmp_path: Path) -> None:
    text = mmstudy(home, "plan", project(tmp_path / "project", small())).stdout
    assert "warning: 2 repeats cannot show which arm is better" in text


# Failures ------------------------------------------------------------------------------------------------------------
WRITE = "(asked.out / 'scores.json').write_text"
OUTPUT = SCRIPT.rindex("(asked.out /")

FAILS = {
    "exit code": ("print('no memory left'); raise SystemExit(3)", "it ended with exit code 3; its last output: "),
    "last lines": ("print('no memory left'); raise SystemExit(3)", "no memory left"),
    "silence": ("raise SystemExit(3)", "it ended with exit code 3"),
    "killed": ("import os; os.kill(os.getpid(), 9)", "killed by signal 9 (SIGKILL)"),
    "no scores": (
        "pass",
        "scores.json: the training code must leave its scores in a file; found no such file once it had ended",
    ),
    "torn": (f"{WRITE}('{{\"accuracy\": 0.')", "scores.json: scores must be JSON; found "),
    "a list": (f"{WRITE}('[0.5]')", "scores.json: scores must be one mapping from the name of a score to its value"),
    "NaN": (f"{WRITE}('{{\"accuracy\": NaN}}')", "scores.json: accuracy: a score must be a finite number; found NaN"),
    "text": (
        f"{WRITE}('{{\"accuracy\": \"0.8\"}}')", 'scores.json: accuracy: a score must be a finite number; found "0.8"',
    ),
    "NaN elsewhere": (
        f"{WRITE}('{{\"accuracy\": 0.5, \"left\": {{\"f1\": NaN}}}}')",
        "scores.json: left/f1: a score must be a finite number; found NaN",
    ),
    "another metric": (
        f"{WRITE}('{{\"acuracy\": 0.5}}')",
        "scores.json: the study's metric 'accuracy' is not among the scores; found acuracy. Did you mean 'acuracy'?",
    ),
    "item's NaN": (
        f"{WRITE}('{{\"accuracy\": 0.5, \"items\": {{\"a\": 0.5, \"b\": null}}}}')",
        "scores.json: items[b].accuracy: a score must be a finite number; found null",
    ),
    "item twice": (
        f"{WRITE}('{{\"accuracy\": 0.5, \"items\": [{{\"item\": 1, \"accuracy\": 0.5}}, {{\"item\": 1}}]}}')",
        "scores.json: items[1]: an item may have one row; found '1' twice",
    ),
    "items' mean": (
        f"{WRITE}('{{\"accuracy\": 0.5, \"items\": {{\"a\": 0.5, \"b\": 0.7}}}}')",
        "scores.json: accuracy: a run's score must be the mean of its scores by item; expected 0.6, the mean of 2 items"
        "; found 0.5",
    ),
    "epoch": (
        "(asked.out / 'epochs.jsonl').write_text('{\"epoch\": 0}\\n')",
        "epochs.jsonl:1: each line must say its epoch, counted from 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILS)
def test_a_run_that_goes_wrong_is_a_failed_run_that_says_why(home: Home, tmp_path: Path, name: str) -> None:
    code, expected = FAILS[name]
    script = f"{SCRIPT[:OUTPUT]}if asked.fusion == 'gated':\n    {code}\nelse:\n    {SCRIPT[OUTPUT:]}"
    found = records(project(tmp_path / "project", small(repeats=1), train=script), home)
    assert found["concat", 0].done
    assert expected in found["gated", 0].why


def test_a_failed_run_is_counted_and_shown_beside_the_score(home: Home, tmp_path: Path) -> None:
    script = SCRIPT + "if (asked.fusion, asked.seed) == ('gated', 1):\n    raise SystemExit(3)\n"
    outcome = run(project(tmp_path / "project", small(), train=script), home)
    assert outcome.failed == 1
    (arm,) = [arm for arm in outcome.summary.arms if arm.name == "gated"]
    assert (arm.n, arm.failed) == (1, 1)


def test_a_timeout_is_a_failed_run(home: Home, tmp_path: Path) -> None:
    study = small().replace("runner:\n", "runner:\n  timeout: 1.5\n")
    script = SCRIPT + "if (asked.fusion, asked.seed) == ('gated', 1):\n    import time; time.sleep(600)\n"
    assert why(project(tmp_path / "project", study, train=script), home).startswith(
        "it was killed after its timeout of 1.5 seconds; its last output: training with gated"
    )


def test_a_command_that_is_not_there_is_told(home: Home, tmp_path: Path) -> None:
    path = project(tmp_path / "project", small().replace("{python}", "pythom"))
    assert why(path, home) == "'pythom' cannot be run: No such file or directory; it printed nothing"


def test_an_error_in_a_function_shows_the_users_own_frames(home: Home, tmp_path: Path) -> None:
    code = FUNCTION.replace("    return", "    if config['fusion'] == 'gated': helped()\n    return")
    code += "\n\ndef helped():\n    raise ValueError('the batch is empty')\n"
    path = project(tmp_path / "project", small(FUNCTION_STUDY), mine=code)
    (failure,) = {str(record.failure) for record in records(path, home).values() if not record.done}
    assert failure == "ValueError: the batch is empty"
    (text, *_) = [file.read_text() for file in home.runs.glob("*/error.txt")]
    assert text.splitlines()[0] == "Traceback (most recent call last):"
    assert re.findall(r'File "(.*)", line \d+, in (\w+)', text) == [
        (str(path.with_name("mine.py")), "run"), (str(path.with_name("mine.py")), "helped"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def ran(config, repeat, workdir, report): pass", "module 'mine' has no function 'run'"),
        ("def run(config, repeat, workdir, report): return 0.5", "mine:run must return a mapping"),
        ("def run(config, repeat, workdir, report): return {'accuracy': [0.5]}", "scores.json: accuracy: a score must"),
        ("def run(config, repeat, workdir, report): return {'accuracy': object()}", "a score must be a number; found"),
        ("import sys\ndef run(config, repeat, workdir, report): sys.exit()", "ended Python by sys.exit() before"),
        ("def run(config):\n    return {}", "takes 1 positional argument but 4 were given"),
        ("import no_such_package", "No module named 'no_such_package'"),
        ("def run(:", "invalid syntax"),
        ("import os\ndef run(*_): os._exit(7)", "it ended with exit code 7; it printed nothing"),
    ],
)
def test_a_function_that_cannot_be_used_says_why(home: Home, tmp_path: Path, code: str, expected: str) -> None:
    assert expected in why(project(tmp_path / "project", small(FUNCTION_STUDY, 1), mine=code), home)


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (
            STUDY.replace("runner:\n", "runner:\n  source: [lib, src]\n"),
            "every entry of source must be a file or a folder; found 'lib', which is not there. Write it relative to",
        ),
        (
            FUNCTION_STUDY.replace("mine:run", "mime:run"),
            "there is no module 'mime'; expected mime.py or mime/ in",
        ),
        (FUNCTION_STUDY.replace("mine:run", "mine.train:run"), "there is no module 'mine.train'; expected train.py"),
    ],
)
def test_training_code_that_is_not_there_is_refused(home: Home, tmp_path: Path, study: str, message: str) -> None:
    with pytest.raises(StudyError) as caught:
        open_request(str(project(tmp_path / "project", study)), home, Options())
    assert message in caught.value.message
    assert "gate.yaml:2: " in caught.value.message


def test_failed_runs_are_tried_again_by_the_same_command(home: Home, tmp_path: Path) -> None:
    script = SCRIPT + "if not (asked.out.parents[3] / 'ready').exists():\n    raise SystemExit(1)\n"
    path = project(tmp_path / "project", small(repeats=1), train=script)
    assert {record.done for record in records(path, home).values()} == {False}
    told = mmstudy(home, "status", path).stdout
    assert "2 runs to do failed when last tried; mmstudy run tries again. The first, gated r0: it ended with" in told
    assert "2 runs to do failed when last tried" in mmstudy(home, "plan", path).stdout
    shown = json.loads(mmstudy(home, "status", path, "--format", "json").stdout)
    assert [(run["state"], run["failure"][:13]) for run in shown["fingerprints"]] == [("to do", "it ended with")] * 2
    (tmp_path / "ready").touch()
    assert {record.done for record in records(path, home).values()} == {True}
    assert "failed when" not in mmstudy(home, "status", path).stdout


# Ways to hand settings over ------------------------------------------------------------------------------------------
CONFIG_SCRIPT = """\
import json, sys
from pathlib import Path
import yaml
asked = yaml.safe_load(Path(sys.argv[sys.argv.index("--config") + 1]).read_text())
assert asked["model"] == {"width": 8, "name": "a b"}, asked
Path(asked["out"], "scores.json").write_text(json.dumps({"accuracy": asked["seed"] + (asked["fusion"] == "gated")}))
"""


@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_a_script_that_reads_a_config_file(home: Home, tmp_path: Path, kind: str) -> None:
    study = small().replace('train.py --lr {lr} --fusion {fusion} --seed {repeat} --out {workdir}"', "")
    study = study.replace(
        'command: "{python} ', f'config: {kind}\n  command: "{{python}} train.py --config {{config}}"'
    )
    study = study.replace("base: {", 'base: {model: {width: 8, name: a b}, out: "{workdir}", seed: "{repeat}", ')
    found = records(project(tmp_path / "project", study, train=CONFIG_SCRIPT), home)
    assert {key: record.score("accuracy") for key, record in found.items()} == {
        ("gated", 0): 1, ("gated", 1): 2, ("concat", 0): 0, ("concat", 1): 1,
    }  # fmt: skip


HYDRA_SCRIPT = """\
import json, sys
from pathlib import Path
asked = dict(word.lstrip("+").split("=", 1) for word in sys.argv[1:])
assert asked["model.layers"] == "[64, 64]" and asked["trainer.fast"] == "true", asked
score = float(asked["lr"]) + int(asked["seed"])
Path(asked["hydra.run.dir"], "scores.json").write_text(json.dumps({"val": {"loss": 1.0}, "loss": score}))
"""


def test_a_script_with_hydras_command_line(home: Home, tmp_path: Path) -> None:
    study = small().replace(
        "--lr {lr} --fusion {fusion} --seed {repeat} --out {workdir}",
        "lr={lr} +seed={repeat} model={fusion} model.layers={model.layers} trainer.fast={trainer.fast} "
        "hydra.run.dir={workdir}",
    )
    study = study.replace("base: {", "base: {model.layers: [64, 64], trainer: {fast: true}, ")
    found = records(project(tmp_path / "project", study.replace("accuracy", "loss"), train=HYDRA_SCRIPT), home)
    assert {(repeat, record.score("loss")) for (_, repeat), record in found.items()} == {(0, 0.001), (1, 1.001)}
    assert {record.score("loss", "val") for record in found.values()} == {1.0}


def test_a_shell_only_where_it_is_asked_for(home: Home, tmp_path: Path) -> None:
    study = small(repeats=1).replace("{python} train.py", "cd {fusion} && {python} ../train.py")
    assert "'cd' cannot be run" in why(project(tmp_path / "one", study), home)
    path = project(tmp_path / "two", study.replace("runner:\n", "runner:\n  shell: true\n"))
    for name in ("gated", "concat"):
        (path.parent / name).mkdir()
    assert {record.done for record in records(path, home).values()} == {True}


def test_an_attempt_starts_in_an_empty_folder_unless_the_code_resumes(home: Home, tmp_path: Path) -> None:
    script = (
        "import pathlib, sys\nseen = pathlib.Path(sys.argv[-1], 'seen')\n"
        "count = len(seen.read_text()) if seen.exists() else 0\nseen.write_text('x' * (count + 1))\n"
        "if not pathlib.Path(sys.argv[-1]).parents[3].joinpath('ready').exists():\n    raise SystemExit(1)\n"
    ) + SCRIPT
    for name, resumes, expected in (("fresh", "false", 1), ("resumed", "true", 2)):
        (tmp_path / "ready").unlink(missing_ok=True)
        study = small(repeats=1).replace("runner:\n", f"runner:\n  resumes: {resumes}\n")
        path = project(tmp_path / name, study, train=script + f"# {name}\n")
        records(path, home)
        (tmp_path / "ready").touch()
        records(path, home)
        runs = [run for run in plan(open_request(str(path), home, Options()), home).runs]
        assert {len((home.run(run.fingerprint or "") / "work" / "seen").read_text()) for run in runs} == {expected}


# Splits and items ----------------------------------------------------------------------------------------------------
ITEMS = FUNCTION.replace(
    '    return {"accuracy": score, "validation/accuracy": score - 0.01}\n',
    "    own = {f'item{n}': score + 0.03 * (n % 5 - 2) for n in range(SIZE)}\n"
    "    return {'accuracy': sum(own.values()) / SIZE, 'items': own}\n",
).replace("import random\n", "import random\n\nSIZE = 20\n")


def test_scores_by_item_are_a_second_witness(home: Home, tmp_path: Path) -> None:
    outcome = run(project(tmp_path / "project", FUNCTION_STUDY, mine=ITEMS), home)
    (row,) = outcome.summary.comparisons
    assert row.paired.new_items is not None
    assert row.paired.new_items.groups == 20
    assert row.verdict == "better"
    assert "Every repeat tests the same items (as the scores by item show)" in outcome.summary.covers
    assert "20 % is assumed" in outcome.summary.covers
    # Without them a study whose repeats share test items claims less.
    shared = FUNCTION_STUDY.replace("runner:\n", "runner:\n  split: shared\n")
    (row,) = run(project(tmp_path / "other", shared), home).summary.comparisons
    assert row.verdict == "better on these items"


def test_items_of_one_metric_do_not_speak_for_another(home: Home, tmp_path: Path) -> None:
    code = ITEMS.replace("'items': own", "'items': own, 'f1': 1 - sum(own.values()) / SIZE")
    path = project(tmp_path / "project", FUNCTION_STUDY.replace("runner:\n", "runner:\n  split: shared\n"), mine=code)
    run(path, home)
    (row,) = run(path, home, metric="f1").summary.comparisons
    assert (row.verdict, row.paired.new_items) == ("worse on these items", None)


def test_splits_that_repeats_draw_widen_intervals(finished: Finished) -> None:
    path, home, outcome = finished
    (narrow,) = outcome.summary.comparisons
    other = path.with_name("drawn.yaml")
    other.write_text(path.read_text().replace("runner:\n", "runner:\n  split: by_repeat\n  test_share: 0.2\n"))
    (wide,) = run(other, home).summary.comparisons
    assert wide.paired.overlap == 0.25
    arm, same = outcome.summary.arms[0].score, run(other, home).summary.arms[0].score
    assert (same.high - same.low) / (arm.high - arm.low) == pytest.approx(math.sqrt((1 / 8 + 0.25) / (1 / 8)))
    assert narrow.paired.overlap == 0


def test_components_have_comparisons_of_their_own(home: Home, tmp_path: Path) -> None:
    code = FUNCTION.replace(
        '"accuracy": score,', '"accuracy": score, "left": {"accuracy": score + 0.1}, "right/accuracy": 0.5,'
    )
    outcome = run(project(tmp_path / "project", FUNCTION_STUDY, mine=code), home)
    told = [(row.component, row.verdict) for row in outcome.summary.comparisons]
    assert told == [(None, "better"), ("left", "better"), ("right", "undecided")]


def test_repeats_are_added_until_decided(home: Home, tmp_path: Path) -> None:
    outcome = run(project(tmp_path / "project", small(repeats="{min: 6, max: 12, stop: decided}")), home)
    assert len(outcome.results.runs) < 24
    assert outcome.summary.comparisons[0].verdict == "better"


# The same as natively ------------------------------------------------------------------------------------------------
NATIVE = """\
from pathlib import Path

from mmcore.config import build_config
from mmcore.events import EpochDone
from mmcore.run import run as train


def run(config, repeat, workdir, report):
    def tell(event):
        if isinstance(event, EpochDone):
            names = {name: value for name, value in event.row.items() if name.startswith("validation/")}
            report(epoch=event.epoch, **{flip(name): value for name, value in names.items()})

    record = train(build_config({**config, "repeat": repeat, "threads": 1}), workdir, tell)
    own = [s for s in record.scores if (s.items, s.baseline, s.parameter) == ("all", None, None) and s.value == s.value]
    return {"/".join(filter(None, (s.split, s.component, s.metric))): s.value for s in own}


def flip(column):
    side, measure, *component = column.split("/")
    return "/".join((side, *component, measure))
"""


@pytest.mark.slow
def test_our_own_training_as_a_function_gives_the_table_that_it_gives_natively(
    tiny_study: Path, tiny_corpus: Path, home: Home, tmp_path: Path
) -> None:
    """To the last bit."""
    natively = run(tiny_study, home, corpus=str(tiny_corpus))
    arms = {arm.name: arm.config.model_dump(mode="json") for arm in natively.results.own_study.arms}
    base = {key: value for key, value in arms["both"].items() if key not in ("repeat", "device", "threads")}
    study = {
        "question": "Does the level help?", "runner": {"function": "mine:run"}, "base": base, "repeats": 2,
        "arms": {"both": {}, "track": {"model.modalities": ["track"]}}, "reference": "track", "metric": "skill",
    }  # fmt: skip
    outcome = run(project(tmp_path / "project", yaml.safe_dump(study), mine=NATIVE), home)
    assert outcome.failed == 0

    def table(found: Outcome) -> pd.DataFrame:
        scores = found.results.scores
        own = scores[(scores["items"] == "all") & scores["parameter"].isna() & scores["value"].notna()]
        columns = ["arm", "repeat", "split", "component", "metric"]
        return own[[*columns, "value"]].sort_values(columns).reset_index(drop=True)

    pd.testing.assert_frame_equal(table(outcome), table(natively), check_exact=True)
    (ours,), (theirs,) = outcome.summary.primary, natively.summary.primary
    assert ours.paired.difference.mean == theirs.paired.difference.mean


def test_the_environment_of_the_training_code(home: Home, tmp_path: Path) -> None:
    """Its threads are those of the run; our own folder is not on its path."""
    code = "import json, os, pathlib\n\n\ndef run(config, repeat, workdir, report):\n" + (
        "    told = {n: os.environ.get(n) for n in ('OMP_NUM_THREADS', 'PYTHONPATH', 'WHO')}\n"
        "    pathlib.Path(workdir, 'told.json').write_text(json.dumps({**told, 'cwd': os.getcwd()}))\n"
        "    return {'accuracy': 0.5}\n"
    )
    study = small(FUNCTION_STUDY, 1).replace("runner:\n", "runner:\n  env: {WHO: me}\n")
    path = project(tmp_path / "project", study, mine=code)
    run(path, home, threads=2, repeats=1)
    told = json.loads(next(home.runs.glob("*/work/told.json")).read_text())
    assert told == {
        "OMP_NUM_THREADS": "2", "PYTHONPATH": os.environ.get("PYTHONPATH"), "WHO": "me", "cwd": str(path.parent),
    }  # fmt: skip
    assert sys.executable
