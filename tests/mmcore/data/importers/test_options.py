"""What a user may say of files: rates, and nothing that is read as something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmcore.data.importers.kinds import import_kind, only_path
from mmcore.data.importers.padding import padded_side, ranges_of_lengths, ranges_of_mask, ranges_of_zeros, united
from mmcore.data.importers.sample import Options, folder_name, parse_rates, side_of
from mmcore.errors import CorpusError


def test_rates_are_numbers_or_fractions() -> None:
    rates = parse_rates(["audio=100", "visual = 30000/1001", "a=b=.5"])
    assert rates == {"audio": "100", "visual": "30000/1001", "a=b": ".5"}
    assert Options(rates=rates).hertz("visual") == 30000 / 1001
    assert Options(rates=rates).hertz("text") is None


@pytest.mark.parametrize(
    "text", ["audio", "=30", "audio=", "audio=0", "audio=-1", "audio=nan", "audio=1e3", "audio=30/0", "audio=1/2/3"]
)
def test_other_rates_are_told(text: str) -> None:
    with pytest.raises(CorpusError, match="MODALITY=HZ"):
        parse_rates([text])


def test_a_rate_is_given_once() -> None:
    with pytest.raises(CorpusError, match="names 'audio' twice"):
        parse_rates(["audio=1", "audio=2"])


@pytest.mark.parametrize(
    ("name", "folder"),
    [("FACET 4.2", "FACET_4.2"), ("../../etc", "etc"), ("音声", "音声"), (" ", "modality"), ("a/b\\c", "a_b_c")],
)
def test_names_of_modalities_name_folders(name: str, folder: str) -> None:
    assert folder_name(name) == folder


def test_sides_have_many_names() -> None:
    sides = [side_of(name, "x") for name in ("train", "Valid", "dev", "TEST ")]
    assert sides == ["train", "validation", "validation", "test"]
    with pytest.raises(CorpusError, match="'holdout'"):
        side_of("holdout", "x")


def test_paths_that_are_not_there_and_folders_that_are(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="--out DIR"):
        import_kind("numpy", [tmp_path], None, Options())
    with pytest.raises(CorpusError, match="must be there"):
        import_kind("numpy", [tmp_path / "nowhere"], tmp_path / "corpus", Options())
    with pytest.raises(CorpusError, match="one path"):
        only_path("numpy", [tmp_path, tmp_path])
    with pytest.raises(CorpusError, match="Did you mean 'csd'"):
        import_kind("cds", [tmp_path], tmp_path / "corpus", Options())


def test_ranges_of_real_rows() -> None:
    zero_NT = np.array([[1, 1, 0, 1, 0], [0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 1, 1, 1, 0]], bool)
    assert ranges_of_zeros(zero_NT, "front").tolist() == [[2, 5], [0, 5], [0, 0], [0, 5]]
    assert ranges_of_zeros(zero_NT, "end").tolist() == [[0, 5], [0, 2], [0, 0], [0, 5]]
    ranges, odd = ranges_of_lengths(np.array([3, 2, 0, 2]), zero_NT)
    assert ranges.tolist() == [[2, 5], [0, 2], [0, 0], [0, 2]]
    assert odd == 1
    assert ranges_of_mask(np.array([[0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 1]])).tolist() == [[1, 3], [0, 0], [0, 4]]
    assert united({"a": np.array([[1, 3], [0, 0]]), "b": np.array([[2, 4], [0, 0]])}).tolist() == [[1, 4], [0, 0]]
    assert padded_side({"a": zero_NT[:1]}) == "front"
    assert padded_side({"a": zero_NT[1:2]}) == "end"
