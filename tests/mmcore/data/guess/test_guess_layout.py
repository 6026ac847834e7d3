"""Which file belongs to which item and modality."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from mmcore.data.guess.layout import ONE, find_layout
from mmcore.data.guess.streams import find_streams, misspelt
from mmcore.errors import CorpusError
from mmcore.shell import argument


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("time,x\n0,1\n1,2\n")
    return folder


def placed(folder: Path) -> set[tuple[str, str]]:
    return {(one.modality, one.item) for one in find_layout(folder).files}


BOTH = {(modality, item) for modality in ("audio", "visual") for item in ("a", "b", "c")}


@pytest.mark.parametrize(
    "form",
    [
        "{modality}/{item}.csv",
        "{item}/{modality}.csv",
        "{item}_{modality}.csv",
        "{modality}_{item}.csv",
        "{item}-{modality}.csv",
        "{modality}/{item}_{modality}.csv",
        "{item}/{item}_{modality}.csv",
        "data/{modality}/{item}.csv",
        "{modality}/{modality}_{item}.csv",
    ],
)
def test_usual_layouts_give_the_same_items_and_modalities(tmp_path: Path, form: str) -> None:
    touch(tmp_path, *(form.format(modality=m, item=i) for m, i in BOTH))
    assert placed(tmp_path) == BOTH


@pytest.mark.parametrize("form", ["{modality}/{item}.csv", "{item}/{modality}.csv", "{item}_{modality}.csv"])
def test_items_may_have_words_of_modalities_in_their_names(tmp_path: Path, form: str) -> None:
    pairs = {(modality, item) for modality in ("audio", "faces") for item in ("clip_01", "clip_02", "video_3")}
    touch(tmp_path, *(form.format(modality=m, item=i) for m, i in pairs))
    assert placed(tmp_path) == pairs


def test_unknown_modality_names_are_told_from_items_by_their_number(tmp_path: Path) -> None:
    pairs = {(modality, f"r{at}") for modality in ("alpha", "beta") for at in range(5)}
    touch(tmp_path / "folders", *(f"{m}/{i}.csv" for m, i in pairs))
    touch(tmp_path / "files", *(f"{i}/{m}.csv" for m, i in pairs))
    touch(tmp_path / "flat", *(f"{i}_{m}.csv" for m, i in pairs))
    for name in ("folders", "files", "flat"):
        assert placed(tmp_path / name) == pairs


def test_a_word_that_all_files_of_a_tool_share_is_no_part_of_the_item(tmp_path: Path) -> None:
    touch(tmp_path, "visual/a_openface.csv", "visual/b_openface.csv", "audio/a.csv", "audio/b.csv")
    assert placed(tmp_path) == {("visual", "a"), ("visual", "b"), ("audio", "a"), ("audio", "b")}


def test_folders_of_sides_become_sides(tmp_path: Path) -> None:
    touch(tmp_path, "train/audio/a.csv", "train/audio/b.csv", "val/audio/c.csv", "test/audio/d.csv")
    layout = find_layout(tmp_path)
    assert {one.item for one in layout.files} == {"a", "b", "c", "d"}
    assert layout.side == {"a": "train", "b": "train", "c": "validation", "d": "test"}


def test_a_flat_folder_of_one_modality(tmp_path: Path) -> None:
    touch(tmp_path, "rec01.csv", "rec02.csv", "rec03.csv", "labels.csv")
    layout = find_layout(tmp_path)
    assert {(one.modality, one.item) for one in layout.files} == {(ONE, f"rec0{at}") for at in (1, 2, 3)}
    assert [path.name for path in layout.tables] == ["labels.csv"]


def test_tables_of_all_items_are_no_item(tmp_path: Path) -> None:
    touch(tmp_path, "audio_features.csv", "visual_features.csv", "labels.csv", "items.csv")
    layout = find_layout(tmp_path)
    assert not layout.files
    assert len(layout.tables) == 4


def test_what_cannot_be_placed_is_left_out_with_a_reason(tmp_path: Path) -> None:
    touch(tmp_path, "audio/a.csv", "audio/b.csv", "audio/old/c.csv", ".git/x.csv")
    (tmp_path / "readme.txt").write_text("x")
    assert find_layout(tmp_path).left_out == [
        ("readme.txt", ".txt: not a file of rows"),
        ("audio/old/c.csv", "lies deeper than MODALITY/ITEM or ITEM/MODALITY"),
    ]


def test_names_are_compared_in_one_form_of_unicode(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "ガ") for form in ("NFC", "NFD"))
    touch(tmp_path, f"audio/{composed}.csv", f"visual/{apart}.csv")
    assert {one.item for one in find_layout(tmp_path).files} == {composed}


@pytest.mark.parametrize("files", [(), ("notes.txt",)])
def test_a_folder_without_rows_is_refused(tmp_path: Path, files: tuple[str, ...]) -> None:
    touch(tmp_path, *files)
    with pytest.raises(CorpusError, match="files of rows"):
        find_layout(tmp_path)
    with pytest.raises(CorpusError, match="no such folder"):
        find_layout(tmp_path / "nowhere")


def test_a_folder_of_footage_is_sent_to_the_importer(tmp_path: Path) -> None:
    folder = tmp_path / "my clips"
    touch(folder, "one.mp4", "two.MOV", "notes.txt")
    with pytest.raises(CorpusError) as refused:
        find_layout(folder)
    assert refused.value.found == "3 other files"
    assert refused.value.next_step is not None
    assert f"mmstudy data import footage {argument(folder)} --out DIR" in refused.value.next_step
    with pytest.raises(CorpusError) as plain:
        find_layout(touch(tmp_path / "texts", "notes.txt"))
    assert plain.value.next_step is None


def test_footage_beside_tables_is_left_out_with_the_way_to_its_features(tmp_path: Path) -> None:
    touch(tmp_path, "audio/a.csv", "audio/b.csv", "a.mp4")
    ((path, why),) = find_layout(tmp_path).left_out
    assert str(path) == "a.mp4"
    assert "mmstudy data import footage" in str(why)


def test_a_spreadsheet_is_left_out_with_what_to_do(tmp_path: Path) -> None:
    touch(tmp_path, "audio/a.csv", "audio/b.csv", "labels.XLSX")
    ((path, why),) = find_layout(tmp_path).left_out
    assert str(path) == "labels.XLSX"
    assert "save its sheet as CSV" in str(why)


# Items -------------------------------------------------------------------------------------------------------------
def test_a_table_with_an_item_column_is_split(tmp_path: Path) -> None:
    touch(tmp_path, "audio/a.csv", "audio/b.csv")
    names = ["x/a.mp4", "x/a.mp4", "x/b.mp4"]
    pd.DataFrame({"file": names, "start": [0, 1, 0], "label": ["p", "q", "p"]}).to_csv(
        tmp_path / "labels.csv", index=False
    )
    found = find_streams(tmp_path, find_layout(tmp_path))
    labels = found.streams["labels"]
    assert {item: len(labels.read(item).frame) for item in labels.load} == {"a": 2, "b": 1}
    assert "file" not in labels.read("a").frame.columns


def test_numbers_that_lost_their_zeros_still_name_items(tmp_path: Path) -> None:
    touch(tmp_path, "audio/001.csv", "audio/002.csv")
    pd.DataFrame({"video": [1, 2, 2], "label": ["p", "q", "p"]}).to_csv(tmp_path / "labels.csv", index=False)
    found = find_streams(tmp_path, find_layout(tmp_path))
    assert set(found.streams["labels"].load) == {"001", "002"}


def test_a_table_that_names_no_item_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "audio/a.csv", "audio/b.csv", "other.csv")
    found = find_streams(tmp_path, find_layout(tmp_path))
    assert found.left_out == [("other.csv", "none of its columns names the items")]


def test_items_are_sorted_as_people_count(tmp_path: Path) -> None:
    touch(tmp_path, "audio/c10.csv", "audio/c9.csv", "audio/c1.csv")
    assert find_streams(tmp_path, find_layout(tmp_path)).items == ["c1", "c9", "c10"]


@pytest.mark.parametrize(
    ("name", "others", "meant"),
    [
        ("clip_O7", ["clip_07", "clip_17"], "clip_07"),
        ("Clip_07", ["clip_07", "clip_08"], "clip_07"),
        ("clip-7", ["clip_07", "clip_08"], "clip_07"),
        ("intervew_2", ["interview_1", "interview_2"], "interview_2"),
        ("clip_31", ["clip_30", "clip_01"], None),
        ("clip_7", ["clip_08", "clip_09"], None),
        ("anna", ["berta", "clara"], None),
    ],
)
def test_a_slip_of_the_finger_is_told_from_another_item(name: str, others: list[str], meant: str | None) -> None:
    assert misspelt(name, others) == meant


def test_an_item_that_lacks_files_is_not_called_misspelt(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{m}/clip_{at:02d}.csv" for m in ("audio", "visual", "pose") for at in range(4)))
    (tmp_path / "visual" / "clip_02.csv").unlink()
    touch(tmp_path, "audio/clip_99.csv")
    found = find_streams(tmp_path, find_layout(tmp_path))
    assert "clip_99" in found.items
    assert not found.left_out


def test_a_misspelt_file_is_left_out_and_told_with_the_nearest_item(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{m}/clip_{at:02d}.csv" for m in ("audio", "visual", "pose") for at in range(4)))
    (tmp_path / "visual" / "clip_02.csv").rename(tmp_path / "visual" / "clip_O2.csv")
    found = find_streams(tmp_path, find_layout(tmp_path))
    assert "clip_O2" not in found.items
    assert [path for path, _ in found.left_out] == ["visual/clip_O2.csv"]
    assert "Nearest: 'clip_02', which has no visual" in found.left_out[0][1]
