import math
import os
from pathlib import Path

import pytest
import torch

from mmcore.errors import CheckpointError
from mmcore.training.checkpoint import UnreadableCheckpoint, load_checkpoint, save_checkpoint, write_atomically

CPU = torch.device("cpu")


def test_what_is_saved_comes_back(tmp_path):
    content = {
        "fingerprint": "f",
        "model": {"w": torch.randn(3)},
        "history": [{"epoch": 1, "validation/skill": math.nan}],
        "best_value": -math.inf,
    }
    save_checkpoint(tmp_path / "new" / "last.pt", content)
    loaded = load_checkpoint(tmp_path / "new" / "last.pt", "f", CPU)
    assert torch.equal(loaded["model"]["w"], content["model"]["w"])
    assert math.isnan(loaded["history"][0]["validation/skill"])
    assert loaded["best_value"] == -math.inf
    assert os.listdir(tmp_path / "new") == ["last.pt"]


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    save_checkpoint(tmp_path / "last.pt", {"fingerprint": "theirs"})
    with pytest.raises(CheckpointError, match=r"expected fingerprint ours; found theirs\. Give the run a folder"):
        load_checkpoint(tmp_path / "last.pt", "ours", CPU)


def test_a_checkpoint_that_lacks_a_part_says_which(tmp_path):
    save_checkpoint(tmp_path / "last.pt", {"fingerprint": "f", "model": {}})
    load_checkpoint(tmp_path / "last.pt", "f", CPU)
    with pytest.raises(UnreadableCheckpoint, match=r"none of optimiser, weighting; .*Rename .*starts again"):
        load_checkpoint(tmp_path / "last.pt", "f", CPU, ("model", "optimiser", "weighting"))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_a_torn_checkpoint_says_what_to_do(tmp_path, share):
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"fingerprint": "f", "model": {"w": torch.randn(1000)}})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UnreadableCheckpoint, match=r"Rename .*the run then starts again") as caught:
        load_checkpoint(path, "f", CPU)
    assert caught.value.where == str(path)


class Trap:
    def __reduce__(self):
        return (os.mkdir, ("sprung",))


def test_code_in_a_checkpoint_is_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"fingerprint": "f", "model": Trap()}, "last.pt")
    with pytest.raises(UnreadableCheckpoint):
        load_checkpoint(Path("last.pt"), "f", CPU)
    assert os.listdir() == ["last.pt"]


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "history.json"
    path.write_bytes(b"old")

    def half(file):
        file.write(b"ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, half)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["history.json"]
