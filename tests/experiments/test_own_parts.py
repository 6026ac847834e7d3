"""Parts of a foreign package run as arms beside ours, without an edit of anything of ours."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from factories.command import mmstudy
from factories.own_parts import FUSION, write_package

from experiments.driver import Outcome, run_study
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.planning.request import Options
from experiments.records import read_record
from experiments.tracking.client import MlflowClient, modelling
from mmcore.config import RunConfig, build_config
from mmcore.custom import sealed
from mmcore.errors import RunStopped
from mmcore.events import EpochDone, Event
from mmcore.measures import MEASURES, Measure, Metric
from mmcore.record import Record
from mmcore.run import run
from mmcore.scores import value_of

pytestmark = pytest.mark.usefixtures("no_mirror")

STUDY = """\
question: Do parts of my own help?
preset: null
repeats: 2
reference: ours
metric: absolute
base:
  data.window: 20
  model: {width: 8, layers: 1, heads: 2, feed_forward: 8, dropout: 0.1}
  training: {epochs: 2, batch: 8}
  metrics.absolute: {class: "my_scores:Absolute", higher_is_better: false, title: my error}
  metrics.in_units: {class: "my_scores:Absolute", higher_is_better: false, original_units: true}
arms:
  ours: {}
  fusion: {model.fusion: {kind: custom, class: "my_pkg.fusion:Product", args: {scale: 0.5}}}
  model: {model: {kind: custom, class: "my_pkg.models:Recurrent"}}
  loss: {loss.continuous: {kind: custom, class: "my_pkg.scores:LogCosh"}}
"""
BASE = {
    "data": {"window": 20},
    "model": {"width": 8, "layers": 1, "heads": 2, "feed_forward": 8},
    "training": {"epochs": 2, "batch": 8},
}


SAME = (
    Metric(Measure("in_units", False, "my error", ""), "position"),
    Metric(MEASURES["mae"], "position"),
)


def own(name: str, **args: object) -> dict[str, object]:
    return {"kind": "custom", "class": f"my_pkg.{name}", "args": args}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    write_package(tmp_path)
    path = tmp_path / "own.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return path


@pytest.mark.mirrored
def test_a_fusion_a_model_a_metric_and_a_loss_run_as_arms_beside_ours(
    study: Path, home: Home, tiny_corpus: Path
) -> None:
    outcome = run_study(str(study), home.root, Options(corpus=tiny_corpus, workers=1))
    assert outcome.failed == 0
    assert outcome.mirrored is None
    assert [row.name for row in outcome.summary.arms] == ["ours", "fusion", "model", "loss"]
    told = json.loads((outcome.report.parent / "report.json").read_text(encoding="utf-8"))
    assert told["metric"] == "absolute"
    assert {arm["name"]: arm["n"] for arm in told["arms"]} == {"ours": 2, "fusion": 2, "model": 2, "loss": 2}
    page = outcome.report.read_text(encoding="utf-8")
    assert "my error" in page
    for record in records_of(outcome, home):
        mine, mae = (value_of(metric, record.scores, "test") for metric in SAME)
        assert mine == pytest.approx(mae, rel=1e-6)
        assert not [s for s in record.scores if s.metric == "in_units" and s.component is None]
        assert record.selection.metric == "absolute"
        assert all("validation/absolute" in row for row in record.history)
    weights = {record.arm: record.parameters["total"] for record in records_of(outcome, home)}
    assert weights["model"] != weights["ours"]
    shutil.rmtree(study.parent / "my_pkg")
    assert_logged_models_predict_without_the_study(home, tiny_corpus)


def assert_logged_models_predict_without_the_study(home: Home, corpus: Path) -> None:
    client = MlflowClient(home.mlflow_uri)
    experiment = client.get_experiment_by_name("own")
    assert experiment is not None
    found = client.search_logged_models([experiment.experiment_id])
    assert sorted(model.tags["mmstudy.arm"] for model in found) == ["fusion", "loss", "model", "ours"]
    tables = {name: pd.read_parquet(corpus / name / "item03.parquet") for name in ("audio", "track")}
    given = pd.DataFrame({"audio.level": tables["audio"]["level"], "track.0_x": tables["track"]["0_x"]})
    given.insert(0, "item", "item03")
    values = {
        model.tags["mmstudy.arm"]: modelling()[0].load_model(str(model.artifact_location)).predict(given)["value"]
        for model in found
    }
    assert all(np.isfinite(value).all() for value in values.values())
    assert not np.allclose(values["model"], values["ours"])


def records_of(outcome: Outcome, home: Home) -> list[Record]:
    found = [read_record(folder) for folder in home.runs.iterdir()]
    assert len(found) == len(outcome.results.runs)
    return [record for record in found if record is not None]


def test_a_changed_file_is_a_changed_arm_and_the_others_are_reused(study: Path, home: Home, tiny_corpus: Path) -> None:
    options = Options(corpus=tiny_corpus, workers=1, changes=(("training.epochs", 1),))
    run_study(str(study), home.root, options)

    def to_do() -> set[str]:
        return {run.arm for run in plan(open_request(str(study), home, options), home).runs if run.state != "done"}

    assert to_do() == set()
    (study.parent / "my_pkg" / "fusion.py").write_text(FUSION.replace("1 + linear", "2 + linear"), encoding="utf-8")
    # All parts lie in one package, but for the metric, which belongs to every arm.
    assert to_do() == {"fusion", "model", "loss"}
    (study.parent / "my_pkg" / "fusion.py").write_text(FUSION, encoding="utf-8")
    assert to_do() == set()


def test_an_error_in_own_code_is_the_runs_failure_with_the_users_lines(
    study: Path, home: Home, tiny_corpus: Path
) -> None:
    broken = FUSION.replace("embedded[m]", "self.pick(embedded, m)") + (
        "\n    def pick(self, embedded, m):\n        return embedded[m + 7]\n"
    )
    write_package(study.parent, fusion=broken)
    done = mmstudy(home, "run", study, "--corpus", tiny_corpus, "--workers", "1", "--set", "training.epochs=1")
    assert done.returncode == 1
    number = broken.splitlines().index("        return embedded[m + 7]") + 1
    line = f"my_pkg/fusion.py, line {number}, in pick: return embedded[m + 7]"
    assert f"failed: list index out of range (at {line})" in done.stderr
    folders = [folder for folder in home.runs.iterdir() if (folder / "error.txt").exists()]
    assert len(folders) == 2
    for folder in folders:
        record = read_record(folder)
        assert record is not None
        assert record.failure is not None
        assert (record.arm, record.failure.error) == ("fusion", "IndexError")
        assert record.failure.frames[-1] == line
        assert len(record.failure.frames) == 2
        text = (folder / "error.txt").read_text(encoding="utf-8")
        assert "mmcore" not in text
        assert "site-packages" not in text
    assert line in "".join(path.read_text(encoding="utf-8") for path in home.root.rglob("report.html"))


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        ("return embedded[0][:, :1]", r"forward of my_pkg.fusion:Product must return a tensor (B, T, D) = "),
        ("return None", "must return a tensor (B, T, D) = (8, 20, 8); found NoneType"),
        ("raise SystemExit(3)", "it called exit(3) (at my_pkg/fusion.py, line 7, in forward: raise SystemExit(3))"),
    ],
)
def test_what_a_part_must_not_do_ends_its_run_and_no_other(
    study: Path, home: Home, tiny_corpus: Path, forward: str, message: str
) -> None:
    text = (
        "from torch import nn\n\n\nclass Product(nn.Module):\n    def __init__(self, scale): super().__init__()\n"
        f"    def forward(self, embedded):\n        {forward}\n"
    )
    write_package(study.parent, fusion=text)
    done = mmstudy(home, "run", study, "--corpus", tiny_corpus, "--workers", "1", "--set", "training.epochs=1")
    assert done.returncode == 1
    assert message in done.stderr
    assert "ours r0: test absolute" in done.stderr
    assert "worker died" not in done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("Product", "Produkt"), r"own.yaml:14: model.fusion.class: 'my_pkg.fusion' does not define 'Produkt'"),
        (("scale: 0.5", "scael: 0.5"), "my_pkg.fusion:Product does not take the argument 'scael'; found args: scael. "),
        (("my_pkg.scores:LogCosh", "my_pkg.scores:Nothing"), "own.yaml:16: loss.continuous.class: 'my_pkg.scores' "),
        (("higher_is_better: false, ", ""), "metrics.absolute.higher_is_better: a required value is missing"),
        (("metrics.absolute:", "metrics.skill:"), "a metric of your own cannot be called 'skill'"),
        (("metric: absolute", "metric: in_units"), "metric 'in_units' has no value over all components because their "),
        (("metric: absolute", "metric: absolut"), "own.yaml:5: metric 'absolut' names an unknown measure. Did you "),
        (("my_pkg.models:Recurrent\"", "my_pkg.scores:Square\""), "my_pkg.scores:Square must be a torch.nn.Module"),
        (("class: \"my_pkg.models:Recurrent\"", "klass: x"), "own.yaml:15: model.klass: unknown key 'klass'. Did"),
        (("Recurrent\"}", "Recurrent\", width: 8}"), "a model of kind custom has no width; set it in model.args"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_its_line_and_a_way_out(
    study: Path, home: Home, tiny_corpus: Path, change: tuple[str, str], message: str
) -> None:
    assert change[0] in STUDY
    study.write_text(STUDY.replace(*change), encoding="utf-8")
    done = mmstudy(home, "run", study, "--corpus", tiny_corpus, "--workers", "1", "--set", "training.epochs=1")
    assert done.returncode == 2
    assert message in done.stderr.replace("\n", " ")


def test_analyses_work_as_far_as_a_part_allows_and_the_report_says_what_is_missing(
    study: Path, home: Home, tiny_corpus: Path
) -> None:
    traced = FUSION.replace("embedded, usable", "embedded, usable, trace").replace(
        "        return self.drop",
        "        trace and trace.keep('gates/audio', product.sigmoid())\n        return self.drop",
    )
    write_package(study.parent, fusion=traced)
    text = STUDY.replace("arms:", "analyses: [gates, attention, corruption]\narms:").replace("repeats: 2", "repeats: 1")
    study.write_text(text, encoding="utf-8")
    outcome = run_study(str(study), home.root, Options(corpus=tiny_corpus, workers=1))
    assert (outcome.failed, outcome.unanswered) == (0, 0)
    (left_out,) = [s for s in outcome.summary.sections if s.key == "analyses_left_out"]
    told = {finding.text for finding in left_out.findings}
    assert told == {"Gates of 'fusion' and 'model'.", "Attention of 'model'."}
    assert {s.key for s in outcome.summary.sections} >= {"gates", "attention", "corruption"}
    gates = {record.arm: record.gates for record in records_of(outcome, home)}
    assert 0 < gates["fusion"]["audio"].mean < 1
    assert gates["model"] == {}


def test_arms_are_matched_to_an_own_part_and_a_whole_model_stays_as_it_is(
    study: Path, home: Home, tiny_corpus: Path
) -> None:
    study.write_text(STUDY.replace("arms:", "match: parameters\narms:"), encoding="utf-8")
    arms = {arm.name: arm for arm in open_request(str(study), home, Options(corpus=tiny_corpus)).study.arms}
    assert all(arm.size is not None for arm in arms.values())
    assert arms["fusion"].size.within  # pyright: ignore[reportOptionalMemberAccess]
    assert not arms["model"].size.within  # pyright: ignore[reportOptionalMemberAccess]
    assert arms["model"].size.cost > 1000  # pyright: ignore[reportOptionalMemberAccess]
    done = mmstudy(home, "describe", study, "--corpus", tiny_corpus, "--format", "json")
    told = {arm["name"]: arm for arm in json.loads(done.stdout)["arms"]}
    assert told["model"]["parameters"]["total"] == told["model"]["parameters"]["encoder"] > 1000
    assert told["model"]["flops"]["total"] > 0
    write_package(study.parent, fusion=FUSION.replace("self.scale = scale", "self.scale = scale['x']"))
    done = mmstudy(home, "plan", study, "--corpus", tiny_corpus)
    assert done.returncode == 2
    assert "a class of yours raised an error while a model is counted; found TypeError" in done.stderr
    assert "(at my_pkg/fusion.py, line 12, in __init__: self.scale = scale['x'])" in done.stderr


# One run ------------------------------------------------------------------------------------------
def config_of(tmp_path: Path, corpus: Path, **changes: object) -> RunConfig:
    write_package(tmp_path)
    values = {"corpus": str(corpus), **BASE, **changes}
    return sealed(build_config(values), tmp_path)


FAMILIES = {
    "fusion": {"model": BASE["model"] | {"fusion": own("fusion:Product")}},
    "head": {"model": BASE["model"] | {"head": own("layers:Head")}},
    "encoder": {"model": BASE["model"] | {"encoder": own("layers:Conv", kernel=2)}},
    "late encoder": {"model": BASE["model"] | {"encoder": own("layers:Conv"), "fusion": {"kind": "decision"}}},
    "embedding": {"model": BASE["model"] | {"embedding": {"audio": own("layers:Two")}}},
    "model": {"model": own("models:Recurrent", hidden=4)},
    "weighting": {"loss": {"weighting": own("scores:Inverse")}},
    "component": {"loss": {"by_component": {"position": own("scores:LogCosh")}}},
    "augmentation": {"augmentation": {"own": own("scores:Flip")}},
}


def test_a_class_of_each_family_can_be_an_arm(study: Path, home: Home, tiny_corpus: Path) -> None:
    # Of the one component of this corpus every weighting makes the same, which is refused.
    own_arms = {name: changes for name, changes in FAMILIES.items() if name != "weighting"}
    written = {"question": "q?", "preset": None, "repeats": 2, "reference": "ours", "base": BASE}
    study.write_text(json.dumps({**written, "arms": {"ours": {}, **own_arms}}), encoding="utf-8")
    request = open_request(str(study), home, Options(corpus=tiny_corpus))
    assert [arm.name for arm in request.study.arms] == ["ours", *own_arms]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_that_was_interrupted_ends_bit_for_bit_as_if_it_had_not_been(
    tmp_path: Path, tiny_corpus: Path, family: str
) -> None:
    config = config_of(tmp_path, tiny_corpus, **FAMILIES[family])

    def stop(event: Event) -> None:
        if isinstance(event, EpochDone) and event.epoch == 1:
            raise RunStopped("enough")

    whole = run(config, tmp_path / "whole")
    with pytest.raises(RunStopped):
        run(config, tmp_path / "cut", stop)
    resumed = run(config, tmp_path / "cut")
    assert whole.scores == resumed.scores
    assert [row["train/loss"] for row in whole.history] == [row["train/loss"] for row in resumed.history]
    plain = run(config_of(tmp_path, tiny_corpus), tmp_path / "plain")
    # The corpus has one component, which always weighs 1.
    assert family == "weighting" or plain.history[-1]["train/loss"] != whole.history[-1]["train/loss"]
    assert plain.fingerprint != whole.fingerprint


def test_a_loss_that_is_the_same_as_ours_trains_the_same(tmp_path: Path, tiny_corpus: Path) -> None:
    mine = run(config_of(tmp_path, tiny_corpus, loss={"continuous": own("scores:Square")}), tmp_path / "mine")
    ours = run(config_of(tmp_path, tiny_corpus), tmp_path / "ours")
    assert mine.score("loss") == pytest.approx(ours.score("loss"), rel=1e-4)


def test_the_global_generator_is_left_as_it_was(tmp_path: Path, tiny_corpus: Path) -> None:
    import torch

    before = torch.random.get_rng_state()
    run(config_of(tmp_path, tiny_corpus, **FAMILIES["fusion"]), tmp_path / "run")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_model_of_ours_replaces_one_of_the_users(study: Path, home: Home, tiny_corpus: Path) -> None:
    study.write_text(
        STUDY.replace("  model: {width", '  model: {kind: custom, class: "my_pkg.models:Recurrent"}\n  #: {width')
        .replace("ours: {}", "ours: {model: {kind: multimodal, width: 8, heads: 2}}")
        .replace("  fusion: {model.fusion", "  fusion: {model.kind: multimodal, model.fusion")
        .replace('model: {model: {kind: custom, class: "my_pkg.models:Recurrent"}}', "model: {}"),
        encoding="utf-8",
    )
    request = open_request(str(study), home, Options(corpus=tiny_corpus))
    kinds = {arm.name: arm.config.model.kind for arm in request.study.arms}
    assert kinds == {"ours": "multimodal", "fusion": "multimodal", "model": "custom", "loss": "custom"}
