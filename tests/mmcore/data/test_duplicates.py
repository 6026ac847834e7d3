"""A recording under two names is found where it is on two sides, and nothing else is."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mmcore.config import DataConfig
from mmcore.data.duplicates import divided_duplicates
from mmcore.data.prepare import prepare
from mmcore.data.splits import Split

SPLIT = Split(train=(0, 1, 2, 3), validation=(4, 5), test=(6, 7, 8), drawn="each_repeat")


def rewritten(prepared, **values):
    """The store with other values in some modalities."""
    return replace(prepared, values={**prepared.values, **values})


def rows(prepared, index):
    item = prepared.items[index]
    return slice(item.offset, item.offset + item.steps)


def test_unlike_items_are_no_twins(prepared):
    assert divided_duplicates(prepared, SPLIT) == []


@pytest.mark.parametrize(("original", "copy", "told"), [(2, 7, True), (5, 8, True), (2, 3, False), (7, 8, False)])
def test_a_copy_counts_where_it_is_on_another_side_than_the_test(prepared, original, copy, told):
    speech = np.array(prepared.values["speech"])
    speech[rows(prepared, copy)] = speech[rows(prepared, original)]
    found = divided_duplicates(rewritten(prepared, speech=speech), SPLIT)
    assert found == ([(f"clip{copy:02d}", f"clip{original:02d}")] if told else [])


def test_one_step_that_differs_makes_another_recording(prepared):
    speech = np.array(prepared.values["speech"])
    speech[rows(prepared, 7)] = speech[rows(prepared, 2)]
    speech[rows(prepared, 7).start + 30] += 1e-3
    assert divided_duplicates(rewritten(prepared, speech=speech), SPLIT) == []


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_two_silences_are_no_copy(prepared, value):
    still = np.full_like(prepared.values["speech"], value)
    assert divided_duplicates(rewritten(prepared, speech=still), SPLIT) == []


def test_equal_numbers_in_different_modalities_are_no_copy(prepared):
    column = 1000 + np.arange(len(prepared.values["speech"]), dtype=np.float32)
    one, other = column.copy(), column.copy()
    one[rows(prepared, 7)], other[rows(prepared, 2)] = np.arange(60), np.arange(60)
    assert divided_duplicates(rewritten(prepared, speech=one[:, None], noise=other[:, None]), SPLIT) == []


def test_a_file_that_was_copied_is_found_from_the_folder_on(editing_corpus, tmp_path):
    corpus = tmp_path / "corpus"
    shutil.copytree(editing_corpus, corpus)
    for name in ("speech", "noise", "track"):
        shutil.copy(corpus / name / "clip03.parquet", corpus / name / "again.parquet")
    listing = pd.read_csv(corpus / "items.csv")
    pd.concat([listing, pd.DataFrame({"item": ["again"], "group": ["again"]})]).to_csv(
        corpus / "items.csv", index=False
    )
    prepared = prepare(corpus, DataConfig(), tmp_path / "prepared")
    split = Split(train=(0, 1, 2, 3), validation=(4,), test=(5, 20), drawn="each_repeat")
    assert divided_duplicates(prepared, split) == [("again", "clip03")]
    assert divided_duplicates(prepared, replace(split, train=(0, 1, 2), test=(3, 20))) == []
