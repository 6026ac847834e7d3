"""Names of files that are no UTF-8, as of old archives and cameras: refused by name, before anything is computed."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from factories.command import mmstudy

from experiments.corpora import locate
from experiments.home import Home
from mmcore.errors import CorpusError, MMStudyError, StoreError, StudyError
from studies.study import find_study

TORN = os.fsdecode(b"caf\xe9")
"""What Python makes of ``café`` in Latin-1."""
STUDY = "question: Does it help?\nreference: a\narms: {a: {}, b: {model.modalities: [track]}}\n"

bytes_are_names = pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse or change such names")


@pytest.mark.parametrize(
    "words",
    [
        ["plan", f"{TORN}.yaml"],
        ["plan", "fusion", "--corpus", TORN],
        ["run", "fusion", f"--home={TORN}"],
        ["data", "init", TORN, "--out", "corpus"],
        ["timeline", "fusion", "gated", "corpus", "--out", f"{TORN}.edl"],
        ["predict", "fusion", "gated", "corpus", "--out", TORN],
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "",
)
def test_an_argument_that_is_no_text_is_refused(home: Home, words: list[str]) -> None:
    done = mmstudy(home, *words)
    said = done.stderr
    assert done.returncode == 2
    assert "caf\\xe9" in said
    assert "must be UTF-8" in said
    assert "Rename" in said


@pytest.mark.parametrize("name", [TORN, "\ud800"], ids=["bytes", "half a pair"])
def test_python_refuses_such_paths_too(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="the path of the home must be UTF-8"):
        Home.choose(tmp_path / name)
    with pytest.raises(StudyError, match="the path of a study must be UTF-8"):
        find_study(str(tmp_path / name / "study.yaml"))
    with pytest.raises(CorpusError, match="the path of a corpus must be UTF-8"):
        locate(str(tmp_path / name), Home(tmp_path))


@bytes_are_names
def test_a_command_started_in_such_a_folder_says_so(tmp_path: Path) -> None:
    folder = tmp_path / TORN
    folder.mkdir()
    (folder / "study.yaml").write_text(STUDY)
    command = [sys.executable, "-m", "experiments.cli", "plan", "study.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 2
    assert "caf\\xe9" in done.stderr
    assert "must be UTF-8" in done.stderr
    assert "Traceback" not in done.stderr


@bytes_are_names
@pytest.mark.parametrize("kind", ["raw", "footage", "numpy"])
def test_files_with_such_names_are_named_before_anything_is_written(home: Home, tmp_path: Path, kind: str) -> None:
    folder, out = tmp_path / "raw", tmp_path / "corpus"
    for name in ("plain", TORN):
        match kind:
            case "raw":
                for modality in ("audio", "track"):
                    path = folder / modality / f"{name}.csv"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    values = np.random.default_rng(0).random(40)
                    path.write_text("time,value\n" + "".join(f"{t / 10},{v}\n" for t, v in enumerate(values)))
                words = ["data", "init", str(folder)]
            case "footage":
                folder.mkdir(exist_ok=True)
                with (folder / f"{name}.wav").open("wb") as raw, wave.open(raw) as sound:
                    sound.setparams((1, 2, 16000, 0, "NONE", ""))
                    sound.writeframes(bytes(32000))
                words = ["data", "import", "footage", str(folder), "--features", "sound"]
            case _:
                folder.mkdir(exist_ok=True)
                with (folder / f"{name}.npy").open("wb") as array:
                    np.save(array, np.zeros((4, 20, 2)))
                words = ["data", "import", "numpy", str(folder), "--target", "plain"]
    done = mmstudy(home, *words, "--out", str(out))
    said = done.stderr
    assert done.returncode == 2
    assert "caf\\xe9" in said
    assert "must be UTF-8" in said
    assert not out.exists()


def test_the_message_keeps_the_rest_of_the_name(tmp_path: Path) -> None:
    with pytest.raises(MMStudyError) as refused:
        Home.choose(tmp_path / "音声" / TORN)
    assert refused.value.where == f"{tmp_path}/音声/caf\\xe9"
