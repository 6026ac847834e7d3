"""A trained arm used on new items: from Python and from the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from factories.command import mmstudy

import mmstudy as face
from experiments.home import Home
from experiments.predictions import Predictions
from experiments.trained_arm import TrainedArm
from mmcore.errors import CorpusError, RecordError, StudyError

Trained = tuple[Path, Path, Home]


def frames(corpus: Path, item: str) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(corpus / name / f"{item}.parquet") for name in ("audio", "track")}


def test_frames_give_what_the_folder_gives(arm: TrainedArm, trained: Trained) -> None:
    corpus = trained[1]
    of_folder = arm.predict(face.Corpus.open(corpus))
    pd.testing.assert_frame_equal(of_folder.values, arm.predict(corpus).values)
    of_frames = arm.predict({item: frames(corpus, item) for item in ("item03", "item05")}).values
    both = of_folder.values[of_folder.values["item"].isin(["item03", "item05"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_frames, both)
    single = arm.predict(frames(corpus, "item03")).values
    np.testing.assert_array_equal(single["value"], both.loc[both["item"] == "item03", "value"])


def test_the_frame_is_tidy_and_goes_one_step_beyond_the_end(arm: TrainedArm, trained: Trained) -> None:
    found = arm.predict(trained[1])
    assert list(found.values) == ["item", "step", "time", "track", "parameter", "value", "label", "spread", "counts"]
    assert len(found.values) == 12 * 40
    first = found.values[found.values["item"] == "item00"]
    # A forecast: made at step 0, about step 1; the last is about the step after the item's end.
    assert first["step"].tolist() == list(range(1, 41))
    np.testing.assert_allclose(first["time"], np.arange(1, 41) * 0.1)
    assert first["value"].notna().all()
    assert (first["spread"] > 0).all()
    assert found.probabilities.empty
    assert repr(found) == "<predictions for 12 items by 2 models: 480 values>"


def test_all_models_are_averaged_and_one_may_be_chosen(arm: TrainedArm, trained: Trained) -> None:
    new = frames(trained[1], "item03")
    one, two = (arm.predict(new, which).values for which in arm.repeats)
    both = arm.predict(new).values
    np.testing.assert_allclose(both["value"], (one["value"] + two["value"]) / 2)
    np.testing.assert_allclose(both["spread"], abs(one["value"] - two["value"]) / np.sqrt(2))
    assert one["spread"].isna().all()
    pd.testing.assert_frame_equal(arm.predict(new, "best").values, {0: one, 1: two}[arm.best])
    with pytest.raises(RecordError, match="no model of repeat 5"):
        arm.predict(new, 5)


def test_the_best_is_the_best_on_validation_items(arm: TrainedArm, trained: Trained) -> None:
    study, corpus, home = trained
    scores = face.load(home.root, study, corpus=str(corpus)).results.scores
    own = scores[
        (scores["arm"] == "both") & (scores["split"] == "validation") & (scores["items"] == "all")
        & (scores["metric"] == "skill") & scores["component"].isna()
    ]  # fmt: skip
    assert arm.best == own.set_index("repeat")["value"].idxmax()


def test_what_cannot_be_predicted_from_is_refused(arm: TrainedArm, trained: Trained, tmp_path: Path) -> None:
    study, corpus, home = trained
    other = tmp_path / "other"
    shutil.copytree(corpus, other)
    text = (other / "corpus.yaml").read_text(encoding="utf-8")
    (other / "corpus.yaml").write_text(text.replace("step: 0.1", "step: 0.2"), encoding="utf-8")
    with pytest.raises(CorpusError, match="the length of a step") as caught:
        arm.predict(other)
    assert caught.value.where == str(other / "corpus.yaml")
    new = frames(corpus, "item03")
    for wrong, says in (
        ({}, "nothing to predict for"),
        ({**new, "video": new["audio"]}, "'video' is no modality"),
        ({"item": new["audio"].to_numpy()}, "each item maps modalities to frames"),
        ({"item": {"audio": new["audio"].to_numpy()}}, "a modality is a pandas frame"),
    ):
        with pytest.raises(CorpusError, match=says):
            arm.predict(wrong)
    with pytest.raises(StudyError, match="no arm 'bth'"):
        face.load(home.root, study, "bth", corpus=str(corpus))
    with pytest.raises(StudyError, match="reads audio from other items"):
        face.load(home.root, study, "placebo", corpus=str(corpus))


def test_a_modality_that_no_new_item_has_is_absent_in_all_of_them(
    arm: TrainedArm, trained: Trained, tmp_path: Path
) -> None:
    corpus, tables = trained[1], frames(trained[1], "item03")
    without = arm.predict({"a": {"track": tables["track"]}}).values
    np.testing.assert_array_equal(without["value"], arm.predict({"track": tables["track"]}).values["value"])
    # As for an item that lacks it beside one that has it.
    mixed = arm.predict({"a": {"track": tables["track"]}, "b": frames(corpus, "item05")}).values
    pd.testing.assert_frame_equal(without, mixed[mixed["item"] == "a"])
    assert not np.array_equal(without["value"], arm.predict(tables).values["value"])
    folder = tmp_path / "new"
    shutil.copytree(corpus, folder)
    shutil.rmtree(folder / "audio")
    with pytest.raises(CorpusError, match=r"found no such folder.*without 'audio', make an empty folder of that name"):
        arm.predict(folder)
    (folder / "audio").mkdir()
    assert len(arm.predict(folder).values) == 12 * 40
    shutil.rmtree(folder / "track")
    (folder / "track").mkdir()
    with pytest.raises(CorpusError, match="no item has a table of 'audio'"):
        arm.predict(folder)


def test_a_checkpoint_that_is_gone_is_named(arm: TrainedArm, trained: Trained, tmp_path: Path) -> None:
    study, corpus, home = trained
    shutil.copytree(home.root, tmp_path / "home")
    copied = Home(tmp_path / "home")
    for path in copied.root.glob("runs/*/checkpoints/best.pt"):
        path.unlink()
    with pytest.raises(RecordError, match=r"the checkpoint of arm 'both', repeat 0, is gone") as caught:
        face.load(copied.root, study, "both", corpus=str(corpus)).predict(corpus)
    assert "rename the run's folder" in (caught.value.next_step or "")


def test_a_torn_checkpoint_says_what_brings_the_model_back(trained: Trained, tmp_path: Path) -> None:
    """The study finds the run finished: without its checkpoints alone, no command would train it again."""
    study, corpus, home = trained
    shutil.copytree(home.root, tmp_path / "home")
    copied = Home(tmp_path / "home")
    for path in copied.root.glob("runs/*/checkpoints/best.pt"):
        path.write_bytes(path.read_bytes()[:500])
    arm = face.load(copied.root, study, "both", corpus=str(corpus))
    with pytest.raises(RecordError, match=r"the checkpoint of arm 'both', repeat 0, is torn") as caught:
        arm.predict(corpus, 0)
    folder = Path(str(caught.value.where)).parents[1]
    assert f"rename {folder} and run the study again" in (caught.value.next_step or "")
    folder.rename(tmp_path / "aside")
    mmstudy(copied, "run", study, "--corpus", corpus)
    assert len(arm.predict(corpus, 0).values)


@pytest.mark.parametrize("files", ["csv", "parquet"])
def test_the_command_writes_what_python_gives(arm: TrainedArm, trained: Trained, tmp_path: Path, files: str) -> None:
    study, corpus, home = trained
    out = tmp_path / "out"
    words = ["predict", study, "both", corpus, "--out", out, "--corpus", corpus, "--files", files, "--models", "best"]
    done = mmstudy(home, *words)
    assert done.returncode == 0, done.stderr
    assert "12 items, 480 values, by 1 model of arm 'both'" in done.stdout
    read = pd.read_csv if files == "csv" else pd.read_parquet
    written = read(out / f"values.{files}")
    expected: Predictions = arm.predict(corpus, "best")
    np.testing.assert_allclose(written["value"], expected.values["value"])
    refused = mmstudy(home, "predict", study, "both", corpus, "--out", out, "--models", "worst")
    assert refused.returncode == 2
    assert "all, best or the number of a repeat" in refused.stderr
