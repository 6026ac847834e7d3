"""From raw folders to corpora: what is guessed together, and that what is written can be read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mmcore.data.checking import check_corpus
from mmcore.data.guess.corpus import CorpusGuess, guess_corpus
from mmcore.data.guess.write import write_corpus
from mmcore.data.sources.folder import FolderSource
from mmcore.errors import CorpusError

ITEMS = ("a", "b", "c", "d", "e", "f")
LENGTHS = dict(zip(ITEMS, (8.0, 9.5, 7.25, 11.0, 10.0, 8.5), strict=True))
RNG = np.random.default_rng(3)


def audio(item: str, unit: float = 1.0, name: str = "time") -> pd.DataFrame:
    times_T = np.arange(int(LENGTHS[item] * 50)) / 50
    values_TF = RNG.normal(size=(len(times_T), 2))
    time_T = (times_T / unit).round(6)
    return pd.DataFrame(
        {name: time_T.astype(int) if unit != 1 else time_T, "energy": values_TF[:, 0], "pitch": values_TF[:, 1]}
    )


def labels(item: str) -> pd.DataFrame:
    starts = np.arange(0, LENGTHS[item] - 1.5, 1.5)
    texts = ["glad", "sad", "calm"]
    return pd.DataFrame({"start": starts, "end": starts + 1.5, "label": [texts[at % 3] for at in range(len(starts))]})


def write(folder: Path, name: str, frame: pd.DataFrame) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.suffix:
        case ".csv":
            frame.to_csv(path, index=False)
        case ".tsv":
            frame.to_csv(path, index=False, sep="\t")
        case ".parquet":
            frame.to_parquet(path, index=False)
        case ".feather":
            frame.to_feather(path)
        case ".jsonl":
            path.write_text("\n".join(json.dumps(row) for row in frame.to_dict("records")))
        case other:
            raise AssertionError(other)


def made(raw: Path, out: Path | None = None) -> tuple[CorpusGuess, Path]:
    guess = guess_corpus(raw)
    return guess, write_corpus(guess, out or raw.parent / f"{raw.name}-corpus")


def errors(folder: Path) -> list[str]:
    return [problem.message for problem in check_corpus(folder).problems if problem.level == "error"]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    for item in ITEMS:
        write(folder, f"audio/{item}.csv", audio(item))
        write(folder, f"labels/{item}.csv", labels(item))
    return folder


# Forms ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".feather", ".jsonl"])
def test_every_form_of_table_becomes_the_same_corpus(tmp_path: Path, raw: Path, suffix: str) -> None:
    other = tmp_path / "other"
    for path in raw.rglob("*.csv"):
        write(other, f"{path.parent.name}/{path.stem}{suffix}", pd.read_csv(path))
    _, first = made(raw)
    _, second = made(other)
    one, two = (FolderSource(folder) for folder in (first, second))
    assert one.schema.modalities == two.schema.modalities
    for item in ITEMS:
        for name in ("audio", "labels"):
            pd.testing.assert_frame_equal(one.table(item, name), two.table(item, name), check_exact=False, rtol=1e-6)


def test_semicolons_and_decimal_commas(tmp_path: Path, raw: Path) -> None:
    for path in raw.rglob("*.csv"):
        frame = pd.read_csv(path)
        frame.to_csv(path, index=False, sep=";", decimal=",")
    _, folder = made(raw)
    assert errors(folder) == []
    assert FolderSource(folder).table("a", "audio")["time"].iloc[1] == pytest.approx(0.02)


def test_tables_without_a_header_have_numbered_columns(raw: Path) -> None:
    for item in ITEMS:
        (raw / "pose").mkdir(exist_ok=True)
        rows = int(LENGTHS[item] * 25)
        pd.DataFrame(RNG.normal(size=(rows, 4))).to_csv(raw / "pose" / f"{item}.csv", index=False, header=False)
    guess, folder = made(raw)
    pose = next(modality for modality in guess.modalities if modality.name == "pose")
    assert [column.name for column in pose.features] == ["pose_{0..3}"]
    assert pose.timing.sampling_rate == "25"
    assert errors(folder) == []


def test_arrays_archives_and_lists_of_numbers(raw: Path) -> None:
    for item in ITEMS:
        rows = int(LENGTHS[item] * 25)
        (raw / "pose").mkdir(exist_ok=True)
        np.save(raw / "pose" / f"{item}.npy", RNG.normal(size=(5, rows)))
        (raw / "face").mkdir(exist_ok=True)
        np.savez(raw / "face" / f"{item}.npz", features=RNG.normal(size=(rows, 3)), fps=25.0)
        (raw / "gaze").mkdir(exist_ok=True)
        np.savez(raw / "gaze" / f"{item}.npz", timestamps=np.arange(rows) / 25, gaze=RNG.normal(size=(rows, 2)))
        lines = [json.dumps({"time": at / 10, "vector": RNG.normal(size=8).tolist()}) for at in range(40)]
        (raw / "text").mkdir(exist_ok=True)
        (raw / "text" / f"{item}.jsonl").write_text("\n".join(lines))
    guess, folder = made(raw)
    found = {modality.name: modality for modality in guess.modalities}
    assert found["pose"].timing.sampling_rate == "25"
    assert "pose: arrays of features by rows, as only their second axis varies; turned" in guess.notes
    assert (found["face"].timing.sampling_rate, found["face"].timing.reason) == ("25", "the archive says so")
    assert found["gaze"].timing.columns == ("timestamps",)
    assert [column.name for column in found["text"].features] == ["vector_{0..7}"]
    assert errors(folder) == []
    assert FolderSource(folder).table("a", "pose").shape == (200, 6)


def test_what_cannot_be_read_is_left_out_with_its_reason(raw: Path) -> None:
    (raw / "audio" / "b.csv").write_bytes(b"\xff\xfe\x00")
    np.save(raw / "audio" / "c.npy", np.zeros((2, 2, 2)))
    (raw / "audio" / "c.csv").unlink()
    frame = pd.read_csv(raw / "audio" / "d.csv").drop(columns="pitch")
    frame.to_csv(raw / "audio" / "d.csv", index=False)
    np.save(raw / "audio" / "e.npy", np.array([{"a": 1}], object), allow_pickle=True)
    (raw / "audio" / "e.csv").unlink()
    guess, _ = made(raw)
    left_out = dict(guess.left_out)
    assert set(left_out) == {"audio/b.csv", "audio/c.npy", "audio/d.csv", "audio/e.npy"}
    assert "column 'pitch' is missing, which 2 of 3 files of audio have" in left_out["audio/d.csv"]
    assert left_out["audio/b.csv"] == "the file must be UTF-8 text; found the byte 0xff on line 1. Save it as UTF-8"
    assert "rows by features" in left_out["audio/c.npy"]
    assert "Object arrays cannot be loaded" in left_out["audio/e.npy"]
    assert guess.items == ["a", "f"]
    assert any("b, c, d, e have labels and no modality" in doubt for doubt in guess.doubts)


def test_raw_files_are_not_changed_and_raw_columns_not_either(raw: Path) -> None:
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in raw.rglob("*") if path.is_file()}
    _, folder = made(raw)
    assert {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in before} == before
    written = pd.read_parquet(folder / "labels" / "a.parquet")
    pd.testing.assert_frame_equal(written, pd.read_csv(raw / "labels" / "a.csv"), check_dtype=False)


def test_the_new_folder_must_be_new_and_outside_the_raw_one(tmp_path: Path, raw: Path) -> None:
    guess = guess_corpus(raw)
    with pytest.raises(CorpusError, match="outside the raw folder"):
        write_corpus(guess, raw / "corpus")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    with pytest.raises(CorpusError, match="new folder"):
        write_corpus(guess, tmp_path / "full")


def test_any_script(tmp_path: Path) -> None:
    folder = tmp_path / "録音"
    for item in ITEMS:
        write(folder, f"音声/話_{item}.csv", audio(item).rename(columns={"energy": "音量", "time": "時刻"}))
        frame = labels(item).rename(columns={"start": "開始", "end": "終了", "label": "感情"})
        frame["感情"] = frame["感情"].map({"glad": "喜び", "sad": "悲しみ", "calm": "平静"})
        write(folder, f"正解/話_{item}.csv", frame)
    guess, out = made(folder)
    assert guess.target is not None
    assert (
        guess.target.columns[0].labels == ("喜び", "平静", "悲しみ") or len(guess.target.columns[0].labels or ()) == 3
    )
    assert errors(out) == []
    assert FolderSource(out).schema.modalities["音声"].columns == ("音量", "pitch")


# Times ---------------------------------------------------------------------------------------------------------------
def test_raw_times_stay_and_the_rate_is_written(raw: Path) -> None:
    for item in ITEMS:
        write(raw, f"audio/{item}.csv", audio(item, 1e-3, "ts"))
    _, folder = made(raw)
    text = (folder / "corpus.yaml").read_text()
    assert "time: ts" in text
    assert "rate: 0.001" in text
    assert pd.read_parquet(folder / "audio" / "a.parquet")["ts"].iloc[1] == 20
    assert FolderSource(folder).table("a", "audio")["time"].iloc[1] == pytest.approx(0.02)


def test_a_timecode_that_starts_at_an_hour_gets_an_offset(raw: Path) -> None:
    for item in ITEMS:
        frame = audio(item)
        write(raw, f"visual/{item}.csv", frame.assign(time=frame["time"] + 3600))
    guess, folder = made(raw)
    assert FolderSource(folder).schema.modalities["visual"].offset == -3600
    assert "3600 s after the other streams" in guess.modalities[1].timing.reason
    assert errors(folder) == []


def test_clocks_that_differ_by_item_are_told_and_not_mended(raw: Path) -> None:
    for at, item in enumerate(ITEMS):
        frame = audio(item)
        write(raw, f"visual/{item}.csv", frame.assign(time=frame["time"] + 1000 * (at + 1)))
    guess, folder = made(raw)
    assert FolderSource(folder).schema.modalities["visual"].offset == 0
    assert any("subtract each item's start" in doubt for doubt in guess.doubts)


def test_clock_times_and_durations(raw: Path) -> None:
    for item in ITEMS:
        frame = labels(item)
        write(raw, f"labels/{item}.csv", frame.assign(end=1.5).rename(columns={"start": "onset", "end": "duration"}))
        clock = audio(item)
        clock["time"] = [f"00:00:{t:06.3f}" for t in clock["time"]]
        write(raw, f"audio/{item}.csv", clock)
    guess, folder = made(raw)
    assert guess.modalities[0].timing.columns == ("time_s",)
    assert errors(folder) == []
    table = FolderSource(folder).table("a", "labels")
    assert (table["end"] - table["start"]).round(6).eq(1.5).all()


def test_an_open_unit_is_a_question_that_check_names(raw: Path) -> None:
    for path in [*raw.rglob("labels/*.csv")]:
        path.unlink()
    for item in ITEMS:
        write(raw, f"audio/{item}.csv", audio(item, 1e-3))
    write(raw, "labels.csv", pd.DataFrame({"item": ITEMS, "label": ["x", "y", "x", "y", "x", "y"]}))
    guess, folder = made(raw)
    assert len(guess.questions) == 1
    assert "in what unit is 'time'" in guess.questions[0]
    (error,) = errors(folder)
    line = next(
        n
        for n, text in enumerate((folder / "corpus.yaml").read_text().splitlines(), 1)
        if "???" in text and "rate" in text
    )
    assert f"corpus.yaml:{line}: 'modalities.audio.rate' is still to be filled in" in error


@pytest.mark.parametrize(("hertz", "step"), [(50, 0.1), (2, 0.5), (0.5, 2.0)])
def test_the_step_is_that_of_the_slowest_dense_stream_or_the_default(raw: Path, hertz: float, step: float) -> None:
    for item in ITEMS:
        rows = int(LENGTHS[item] * hertz)
        frame = pd.DataFrame({"time_s": np.arange(rows) / hertz, "x": RNG.normal(size=rows)})
        write(raw, f"visual/{item}.csv", frame)
    assert guess_corpus(raw).step == step


def test_short_items_keep_every_row(tmp_path: Path) -> None:
    for item in ITEMS:
        frame = pd.DataFrame({"time": np.arange(100) / 50, "x": RNG.normal(size=100)})
        write(tmp_path / "raw", f"imu/{item}.csv", frame)
    write(tmp_path / "raw", "labels.csv", pd.DataFrame({"item": ITEMS, "label": ["x", "y"] * 3}))
    guess = guess_corpus(tmp_path / "raw")
    assert guess.step == 0.02
    assert "items are 2 s long" in guess.step_reason


def test_arrays_of_equal_length_without_times_are_steps(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for at, item in enumerate(ITEMS):
        for name in ("audio", "visual"):
            (raw / name).mkdir(parents=True, exist_ok=True)
            np.save(raw / name / f"{item}.npy", RNG.normal(size=(20 + at, 4)))
    write(raw, "labels.csv", pd.DataFrame({"item": ITEMS, "label": ["x", "y"] * 3}))
    guess, folder = made(raw)
    assert guess.step is None
    assert not guess.questions
    assert errors(folder) == []


# Targets -------------------------------------------------------------------------------------------------------------
def test_one_label_an_item(raw: Path) -> None:
    for path in [*raw.rglob("labels/*.csv")]:
        path.unlink()
    write(raw, "labels.csv", pd.DataFrame({"item": ITEMS, "label": ["x", "y"] * 3, "annotator": list("pqpqpq")}))
    guess, folder = made(raw)
    assert guess.target is not None
    assert (guess.target.scope, guess.target.unused) == ("item", ["annotator"])
    assert [column.name for column in guess.target.columns] == ["label"]
    assert errors(folder) == []


def test_labels_among_what_describes_items(raw: Path) -> None:
    for path in [*raw.rglob("labels/*.csv")]:
        path.unlink()
    frame = pd.DataFrame(
        {"item": ITEMS, "speaker": list("ppqqrr"), "valence": RNG.normal(size=6), "genre": list("xyxyxy")}
    )
    write(raw, "metadata.csv", frame)
    guess, folder = made(raw)
    assert guess.target is not None
    assert [(c.name, c.kind) for c in guess.target.columns] == [("valence", "continuous")]
    assert guess.people.group["c"] == "q"
    assert list(guess.people.conditions) == ["genre"]
    assert errors(folder) == []


def test_labels_beside_features_are_no_features(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for item in ITEMS:
        frame = audio(item)
        write(raw, f"{item}.csv", frame.assign(label=np.where(frame.index % 40 < 20, "x", "y")))
    guess, folder = made(raw)
    assert guess.target is not None
    assert guess.target.name == "data_labels"
    assert [column.name for column in guess.modalities[0].features] == ["energy", "pitch"]
    assert errors(folder) == []


def test_no_targets_are_a_question(raw: Path) -> None:
    for path in [*raw.rglob("labels/*.csv")]:
        path.unlink()
    guess, folder = made(raw)
    assert guess.target is None
    assert "what is predicted?" in guess.questions[0]
    assert "audio: energy, audio: pitch" in guess.questions[0]
    assert any("'targets' is still to be filled in" in error for error in errors(folder))


def test_a_second_table_of_labels_is_never_a_modality(raw: Path) -> None:
    for item in ITEMS:
        write(raw, f"emotion_ratings/{item}.csv", labels(item))
    guess, _ = made(raw)
    assert [modality.name for modality in guess.modalities] == ["audio"]
    assert ("emotion_ratings/", "its name says labels, and a model must not read what it predicts") in guess.left_out


# People --------------------------------------------------------------------------------------------------------------
def with_items(raw: Path, **columns: Any) -> CorpusGuess:
    write(raw, "items.csv", pd.DataFrame({"video": ITEMS, **columns}))
    return guess_corpus(raw)


def test_groups_sides_and_conditions_from_a_table_of_items(raw: Path) -> None:
    people = with_items(
        raw, subject=[1, 1, 2, 2, 3, 3], split=["train", "train", "train", "train", "dev", "test"], age=range(6)
    ).people
    assert people.group == {"a": "1", "b": "1", "c": "2", "d": "2", "e": "3", "f": "3"}
    assert people.group_reason == "column 'subject' of items.csv"
    assert list(people.conditions) == ["age"]
    assert people.side["e"] == "validation"
    assert any("group '3' is on two sides" in doubt for doubt in people.doubts)


def test_sides_of_some_items_are_no_sides(raw: Path) -> None:
    guess = with_items(raw, split=["train", "train", "train", "test", None, None])
    assert guess.people.side == {}
    assert any("e, f have no side" in doubt for doubt in guess.doubts)


def test_a_group_in_a_stream(raw: Path) -> None:
    for at, item in enumerate(ITEMS):
        write(raw, f"labels/{item}.csv", labels(item).assign(speaker=f"s{at // 2}"))
    people = guess_corpus(raw).people
    assert people.group["c"] == "s1"
    assert "one value in each item" in people.group_reason


def test_shared_beginnings_of_names_are_asked_about_and_not_groups(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for at, item in enumerate(ITEMS):
        write(raw, f"audio/s{at // 2}_{item}.csv", audio(item))
        write(raw, f"labels/s{at // 2}_{item}.csv", labels(item))
    guess = guess_corpus(raw)
    assert guess.people.group == {}
    assert any("s0, s1, s2" in doubt and "people" in doubt for doubt in guess.doubts)


def test_items_of_a_description_without_files_are_told(raw: Path) -> None:
    frame = pd.DataFrame({"video": [*ITEMS, "gg"], "genre": list("xyxyxyx")})
    write(raw, "items.csv", frame)
    guess, folder = made(raw)
    assert any("items.csv names items without a file: 'gg'" in doubt for doubt in guess.doubts)
    assert (folder / "items.csv").read_text().splitlines()[0] == "item,group,genre"


# Comments ------------------------------------------------------------------------------------------------------------
def test_every_guess_has_its_reason_beside_it(raw: Path) -> None:
    _, folder = made(raw)
    lines = (folder / "corpus.yaml").read_text().splitlines()
    for start in ("step:", "  - {name", "    - {name", "  from:"):
        assert all("#" in line for line in lines if line.startswith(start)), start
    assert lines[lines.index("    time: time") + 1] == "    # times: seconds, as rows are 0.02 apart"


@pytest.mark.parametrize("name", ["on", "a: b", "7", 'say "x"', "x #y", "a\\b"])
def test_names_that_yaml_would_read_otherwise_are_quoted(raw: Path, name: str) -> None:
    for path in raw.rglob("audio/*.csv"):
        frame = pd.read_csv(path).rename(columns={"energy": name})
        frame.to_csv(path, index=False)
    _, folder = made(raw)
    assert FolderSource(folder).schema.modalities["audio"].columns[0] == name


# Corrections in corpus.yaml alone -------------------------------------------------------------------------------------
def test_amounts_become_classes_by_the_line_that_the_doubt_gives(raw: Path) -> None:
    for item in ITEMS:
        frame = labels(item)
        write(raw, f"labels/{item}.csv", frame.drop(columns="label").assign(rating=[1 + at % 3 for at in frame.index]))
    guess, folder = made(raw)
    (doubt,) = guess.doubts
    line = 'kind: categorical, labels: ["1", "2", "3"]'
    assert f"write {line} in corpus.yaml" in doubt
    path = folder / "corpus.yaml"
    path.write_text(path.read_text().replace("name: rating, component", f"name: rating, {line}, component"))
    assert errors(folder) == []
    assert set(FolderSource(folder).table("a", "labels")["rating"]) == {0, 1, 2}


def test_padded_columns_and_sentinels_can_be_read(raw: Path) -> None:
    for item in ITEMS:
        frame = audio(item)
        for at in range(12):
            frame[f"mel_{at:03d}"] = RNG.normal(size=len(frame))
        frame.loc[4, "energy"] = -9999
        write(raw, f"audio/{item}.csv", frame)
    _, folder = made(raw)
    assert errors(folder) == []
    table = FolderSource(folder).table("a", "audio")
    assert {f"mel_{at}" for at in range(12)} <= set(table.columns)
    assert np.isnan(table["energy"].iloc[4])


def test_odd_folders_are_guessed_or_refused_and_never_crash(tmp_path: Path) -> None:
    def raw_of(name: str) -> Path:
        (tmp_path / name).mkdir()
        return tmp_path / name

    empty = raw_of("empty")
    (empty / "a.csv").write_text("")
    (empty / "b.csv").write_text("time,x\n")
    with pytest.raises(CorpusError, match=r"no table of the folder|needs a modality"):
        guess_corpus(empty)
    alone = raw_of("alone")
    write(alone, "a b.csv", audio("a"))
    with pytest.raises(CorpusError, match="no table of the folder"):
        guess_corpus(alone)
    only_labels = raw_of("only_labels")
    write(only_labels, "labels/a.csv", labels("a"))
    with pytest.raises(CorpusError, match="needs a modality"):
        guess_corpus(only_labels)
    disjoint = raw_of("disjoint")
    for item, names in zip("abc", ("xy", "yz", "xz"), strict=True):
        write(disjoint, f"audio/{item}.csv", pd.DataFrame({name: [1.0, 2.5, 0.5] for name in names}))
    with pytest.raises(CorpusError, match="no table of the folder"):
        guess_corpus(disjoint)
    spaces = raw_of("spaces")
    for item in ITEMS:
        write(spaces, f"My Audio/{item} 1.csv", audio(item).reset_index(names="Unnamed: 0"))
    guess, folder = made(spaces)
    assert [modality.name for modality in guess.modalities] == ["My_Audio"]
    assert [column.name for column in guess.modalities[0].features] == ["energy", "pitch"]
    assert (folder / "My_Audio" / "a 1.parquet").exists()


def test_times_are_found_behind_many_columns_and_a_second_column_of_times_is_no_feature(raw: Path) -> None:
    for item in ITEMS:
        frame = audio(item)
        wide = pd.DataFrame(RNG.normal(size=(len(frame), 300)), columns=[f"clip_{at}" for at in range(300)])
        write(
            raw,
            f"audio/{item}.csv",
            wide.assign(time=frame["time"], timestamp=frame["time"] + 5, level=1.5 * wide["clip_3"]),
        )
    guess, folder = made(raw)
    (modality,) = guess.modalities
    assert modality.timing.columns == ("timestamp",)
    assert [column.name for column in modality.features] == ["clip_{0..299}", "level"]
    assert errors(folder) == []


@pytest.mark.parametrize("form", ["%H:%M:%S.%f", "%d.%m.%Y %H:%M:%S.%f", "%m/%d/%Y %I:%M:%S.%f %p"])
def test_times_as_text_are_the_times_and_no_feature(tmp_path: Path, form: str) -> None:
    """Eight clock times that repeat in every item look like classes; unread, they would leave rows as steps."""
    for item in ITEMS:
        times = pd.date_range("2026-05-01 10:00", periods=8, freq="250ms").strftime(form)
        write(
            tmp_path / "raw",
            f"sound/{item}.csv",
            pd.DataFrame({"Timestamp": times, "level": RNG.normal(size=8), "target": RNG.normal(size=8)}),
        )
    _, folder = made(tmp_path / "raw")
    schema = FolderSource(folder).schema
    assert schema.step == 0.25
    assert schema.modalities["sound"].columns == ("level",)
    table = FolderSource(folder).table("a", "sound")
    np.testing.assert_allclose(np.diff(table["time"]), 0.25, atol=1e-6)
