"""An arm's model in MLflow: its numbers are those of the arm's own predictions, and it is logged once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from factories.command import mmstudy
from mlflow.exceptions import MlflowException

from experiments.exporting import log_arm
from experiments.home import Home
from experiments.planning.request import Options
from experiments.tracking.client import MlflowClient, modelling
from experiments.tracking.models import Logged
from experiments.tracking.store import Store
from experiments.trained_arm import TrainedArm, trained_arm

pytest.importorskip("onnxruntime")
pyfunc = modelling()[0]

Trained = tuple[Path, Path, Home]


@pytest.fixture(scope="module")
def exported(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Home, list[str]]:
    """The model's folder, a home that holds it, and what the command printed."""
    study, corpus, home = trained
    own = Home(tmp_path_factory.mktemp("logged") / "home")
    shutil.copytree(home.root, own.root)
    out = tmp_path_factory.mktemp("exported")
    done = mmstudy(own, "export", study, "both", "--out", out, "--format", "mlflow", "--corpus", corpus,
                   "--register", "level")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return out / "mlflow_model", own, done.stdout.split()


def frame(corpus: Path, items: list[str]) -> pd.DataFrame:
    """Rows as an MLflow model takes them."""
    blocks = []
    for item in items:
        tables = {name: pd.read_parquet(corpus / name / f"{item}.parquet") for name in ("audio", "track")}
        columns = {"audio.level": tables["audio"]["level"], "track.0_x": tables["track"]["0_x"]}
        blocks.append(pd.DataFrame({"item": item, **columns}))
    return pd.concat(blocks, ignore_index=True)


def test_a_served_model_gives_the_numbers_of_predict(
    exported: tuple[Path, Home, list[str]], arm: TrainedArm, trained: Trained
) -> None:
    folder, corpus = exported[0], trained[1]
    items = ["item03", "item07"]
    given = frame(corpus, items)
    # An item that ends in the middle of a window, and a stretch without audio.
    given = given[~((given["item"] == "item07") & (given.index % 40 >= 27))].reset_index(drop=True)
    given.loc[5:9, "audio.level"] = np.nan
    found = pyfunc.load_model(str(folder)).predict(given)
    new = {}
    for item in items:
        rows = given.loc[given["item"] == item].reset_index(drop=True)
        time = np.arange(len(rows)) * 0.1
        audio = pd.DataFrame({"time": time, "level": rows["audio.level"]})
        new[item] = {"audio": audio, "track": pd.DataFrame({"time": time, "0_x": rows["track.0_x"]})}
    expected = arm.predict(new, "best").values
    assert found["step"].tolist() == expected["step"].tolist()
    assert found["item"].tolist() == expected["item"].tolist()
    np.testing.assert_allclose(found["value"], expected["value"], atol=1e-5)


def test_the_folder_names_no_place_of_this_machine(exported: tuple[Path, Home, list[str]]) -> None:
    text = (exported[0] / "MLmodel").read_text(encoding="utf-8")
    assert str(exported[0].parent) not in text
    assert str(Path(__file__).parents[2]) not in text


def test_the_signature_names_every_column_and_the_example_is_one(exported: tuple[Path, Home, list[str]]) -> None:
    model = pyfunc.load_model(str(exported[0]))
    signature = model.metadata.signature
    assert signature is not None
    assert signature.inputs.input_names() == ["item", "audio.level", "track.0_x"]
    assert signature.outputs.input_names()[:3] == ["item", "step", "track"]
    example = pd.read_json(exported[0] / "input_example.json", orient="split")
    assert list(example) == ["item", "audio.level", "track.0_x"]
    with pytest.raises(MlflowException, match="item"):
        model.predict(pd.DataFrame({"audio.level": [1.0]}))


def test_mlflow_models_serve_answers(exported: tuple[Path, Home, list[str]], trained: Trained) -> None:
    given = frame(trained[1], ["item03"])
    client = MlflowClient(trained[2].mlflow_uri)
    experiment = client.get_experiment_by_name("level")
    assert experiment is not None
    logged = client.search_logged_models([experiment.experiment_id], "tags.`mmstudy.arm` = 'both'")
    of_study = f"models:/{logged[0].model_id}"
    expected = pyfunc.load_model(str(exported[0])).predict(given)["value"]
    body = json.dumps({"dataframe_split": given.to_dict(orient="split")}).encode()
    with served(of_study, trained[2].mlflow_uri) as address:
        rows = answer_of(f"{address}/invocations", body)
        np.testing.assert_allclose([row["value"] for row in rows], expected, atol=1e-5)
    # The exported folder by what such a server calls: a second one takes seconds to start.
    from mlflow.pyfunc import scoring_server

    model = pyfunc.load_model(str(exported[0]))
    told = scoring_server.invocations(body, "application/json", model, model.metadata.get_input_schema())
    assert told.status == 200
    rows = json.loads(told.response)["predictions"]
    np.testing.assert_allclose([row["value"] for row in rows], expected, atol=1e-5)


@contextmanager
def served(model: str, tracking: str) -> Iterator[str]:
    """The address of a model that MLflow serves."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    # MLflow starts uvicorn by its name alone.
    scripts = [f.locate() for f in distribution("uvicorn").files or () if Path(f.name).stem == "uvicorn"]
    places = [str(Path(str(script)).resolve().parent) for script in scripts]
    extra = {"PATH": os.pathsep.join([*places, os.environ["PATH"]])}
    server = subprocess.Popen(
        [*command, "-p", str(port), "-w", "1"],
        env=os.environ | extra | {"MLFLOW_TRACKING_URI": tracking},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)


def answer_of(url: str, body: bytes) -> list[dict[str, float]]:
    """The rows that a server answers with, once it listens."""
    for _ in range(600):
        try:
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())["predictions"]
        except urllib.error.URLError as problem:
            if not isinstance(problem.reason, ConnectionRefusedError):
                raise
            time.sleep(0.1)
    raise AssertionError("the server never listened")


def test_a_model_is_logged_once_beside_its_run_and_registered_once(
    exported: tuple[Path, Home, list[str]], trained: Trained
) -> None:
    folder, home, printed = exported
    client = MlflowClient(home.mlflow_uri, home.mlflow_uri)
    assert printed == [str(folder), printed[1], "models:/level/1"]
    logged = client.get_logged_model(printed[1].removeprefix("models:/"))
    opened = trained_arm(str(trained[0]), home, Options(corpus=str(trained[1])), "both")
    assert log_arm(opened, folder.parent, register="level") == Logged(logged.model_id, "1")
    assert str(logged.status) == "READY"
    assert logged.tags["mmstudy.arm"] == "both"
    run = client.get_run(str(logged.source_run_id))
    assert {m.key: m.value for m in logged.metrics or ()} == {
        key: value for key, value in run.data.metrics.items() if key.startswith("test/")
    }
    for key in run.data.metrics:
        history = client.get_metric_history(run.info.run_id, key)
        assert len({(m.step, m.timestamp) for m in history}) == len(history), f"{key} is there twice"
    assert run.info.status == "FINISHED"
    found = pyfunc.load_model(Path(str(logged.artifact_location).removeprefix("file://")).as_posix())
    assert found.metadata.model_id == logged.model_id


def test_a_moved_home_finds_its_registered_model(exported: tuple[Path, Home, list[str]], tmp_path: Path) -> None:
    moved = Home(tmp_path / "elsewhere")
    shutil.copytree(exported[1].root, moved.root)
    version = Store(moved).client.get_model_version("level", "1")
    assert str(version.source).startswith(moved.artifacts.as_uri())
    pyfunc.load_model(str(version.source))


def test_logging_is_for_mlflow_models(trained: Trained, tmp_path: Path) -> None:
    study, corpus, home = trained
    refused = mmstudy(home, "export", study, "both", "--out", tmp_path, "--log", "--corpus", corpus)
    assert refused.returncode == 2
    assert "--format mlflow" in refused.stderr
