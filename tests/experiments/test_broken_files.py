"""Every file of the home with another content: a typed error, or set aside and made again; never a traceback."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import pytest
from factories.command import mmstudy
from factories.once import made_once
from factories.records import a_record
from factories.studies import sketching, unmirrored

from experiments.home import Home
from experiments.records import RECORD, put_aside, read_head, read_history, read_record, write_record
from mmcore import files
from mmcore.errors import RecordError, StoreError
from mmcore.files import BrokenFile
from mmcore.fingerprint import NUMERICS

pytestmark = pytest.mark.usefixtures("no_mirror")

CONTENTS = [b"", b"[]", b"null", b"{}", b"7", b'{"format": 1', b"\xff\xfe", b"[" * 3000, b'{"format": 1, "arm": []}']


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path, tiny_study_text: str) -> Path:
    """A folder with a study's file and its home, one repeat of two arms and an analysis done."""

    def make(folder: Path) -> None:
        text = tiny_study_text + "analyses: [{kind: errors}]\n"
        (folder / "level.yaml").write_text(text.replace("epochs: 2", "epochs: 1"), encoding="utf-8")
        words = (folder / "level.yaml", "--corpus", tiny_corpus, "--repeats", "1", "--workers", "1")
        with sketching(), unmirrored():
            done = mmstudy(Home(folder / "home"), "run", *words)
        assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "finished_for_broken_files", make)


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> tuple[Home, Path]:
    shutil.copytree(finished, tmp_path / "copy")
    return Home(tmp_path / "copy" / "home"), finished / "level.yaml"


def words(study: Path, corpus: Path) -> list[str]:
    return [str(study), "--corpus", str(corpus), "--repeats", "1"]


def records(home: Home) -> list[Path]:
    return sorted(home.runs.glob("*/record.json"))


@pytest.mark.parametrize("content", CONTENTS)
def test_a_broken_record_is_refused_by_type_and_kept_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RECORD).write_bytes(content)
    for read in (read_record, read_head):
        with pytest.raises(BrokenFile) as caught:
            read(tmp_path)
    said = put_aside(caught.value)
    [kept] = tmp_path.glob(f"{RECORD}.broken-*")
    assert kept.read_bytes() == content
    assert str(kept) in said
    assert read_record(tmp_path) is None


def test_a_torn_end_is_seen_by_readers_of_the_head_alone(tmp_path: Path) -> None:
    write_record(tmp_path, a_record())
    text = (tmp_path / RECORD).read_bytes()
    (tmp_path / RECORD).write_bytes(text[:-40])
    with pytest.raises(BrokenFile, match="whole JSON"):
        read_head(tmp_path)


def test_a_record_of_another_run_is_not_taken_for_that_of_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / ("0" * 32)
    folder.mkdir()
    write_record(folder, a_record(fingerprint="1" * 32))
    for read in (read_record, read_head):
        with pytest.raises(BrokenFile, match=r"folder of its own run; expected fingerprint 0{32}; found .*1{32}"):
            read(folder)
    # The name was changed as well, but not the config.
    write_record(folder, a_record(fingerprint="0" * 32, numerics=NUMERICS))
    with pytest.raises(BrokenFile, match="config and corpus of a record must be those of its run"):
        read_record(folder)


def test_a_record_that_may_not_be_read_is_not_called_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_record(tmp_path, a_record())

    def refused(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(files, "refuse_special", refused)
    for read in (read_record, read_head):
        with pytest.raises(RecordError, match=r"Permission denied.*chmod u\+r") as caught:
            read(tmp_path)
        assert not isinstance(caught.value, BrokenFile)
        assert "emove" not in caught.value.message


@pytest.mark.parametrize("content", [*CONTENTS, b'[{"no epoch": 1}]', b'[{"epoch": "x"}]'])
def test_a_broken_history_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "history.json").write_bytes(content)
    assert read_history(tmp_path) == []


@pytest.mark.parametrize("content", [b"[]", b'{"format": 1'])
def test_a_run_with_a_broken_record_is_trained_again_and_ends_with_the_same_report(
    copy: tuple[Home, Path], tiny_corpus: Path, content: bytes
) -> None:
    home, study = copy
    path = records(home)[0]
    before = json.loads(path.read_text())
    path.write_bytes(content)
    planned = mmstudy(home, "plan", *words(study, tiny_corpus))
    assert planned.returncode == 0, planned.stderr
    assert "warning: " + str(path) in planned.stdout
    assert path.read_bytes() == content, "a plan changes nothing"
    refused = mmstudy(home, "report", *words(study, tiny_corpus))
    assert refused.returncode == 2
    assert "sets this file aside" in refused.stderr
    done = mmstudy(home, "run", *words(study, tiny_corpus), "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "it is kept as" in done.stderr
    assert [kept.read_bytes() for kept in path.parent.glob("record.json.broken-*")] == [content]
    after = json.loads(path.read_text())
    assert after["scores"] == before["scores"]


def test_the_record_of_one_run_over_that_of_another_is_found_and_trained_again(
    copy: tuple[Home, Path], tiny_corpus: Path
) -> None:
    home, study = copy
    first, second = records(home)
    before = json.loads(first.read_text())["scores"]
    shutil.copy(second, first)
    done = mmstudy(home, "run", *words(study, tiny_corpus), "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "must lie in the folder of its own run" in done.stderr
    assert json.loads(first.read_text())["scores"] == before


def test_a_record_that_is_broken_in_its_rows_alone_is_trained_again(copy: tuple[Home, Path], tiny_corpus: Path) -> None:
    home, study = copy
    path = records(home)[0]
    told = json.loads(path.read_text())
    scores, told["history"] = told["scores"], None
    path.write_text(json.dumps(told, indent=1))
    done = mmstudy(home, "run", *words(study, tiny_corpus), "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "'history' of the record cannot be understood" in done.stderr
    assert json.loads(path.read_text())["scores"] == scores


def test_a_torn_store_is_prepared_again_although_no_run_needs_it(copy: tuple[Home, Path], tiny_corpus: Path) -> None:
    home, study = copy
    [quality] = home.prepared.glob("*/quality.json")
    quality.write_bytes(quality.read_bytes()[:50])
    refused = mmstudy(home, "report", *words(study, tiny_corpus))
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False)
    assert "prepares the corpus again" in refused.stderr
    (quality.parent / "present.npy").write_bytes(b"")
    done = mmstudy(home, "run", *words(study, tiny_corpus))
    assert done.returncode == 0, done.stderr
    assert "the prepared store was broken" in done.stderr
    assert mmstudy(home, "report", *words(study, tiny_corpus)).returncode == 0


def test_a_torn_answer_is_kept_aside_and_made_again(copy: tuple[Home, Path], tiny_corpus: Path) -> None:
    home, study = copy
    answer = sorted(home.runs.glob("*/analyses/*.json"))[0]
    answer.write_bytes(answer.read_bytes()[:100])
    refused = mmstudy(home, "report", *words(study, tiny_corpus))
    assert refused.returncode == 2
    assert f"{answer}: the answer of the analysis 'errors' must be whole JSON" in refused.stderr
    done = mmstudy(home, "run", *words(study, tiny_corpus), "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert len([*answer.parent.glob("*.broken-*")]) == 1
    assert json.loads(answer.read_text())["kind"] == "errors"


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("name", ["timings.jsonl", "asked", "report.json"])
def test_no_other_file_of_the_home_ends_a_command_in_a_traceback(
    copy: tuple[Home, Path], tiny_corpus: Path, name: str, content: bytes
) -> None:
    home, study = copy
    match name:
        case "timings.jsonl":
            home.timings.write_bytes(content)
            told = mmstudy(home, "plan", *words(study, tiny_corpus))
            assert told.returncode == 0, told.stderr
        case "asked":
            from experiments.opening import open_request
            from experiments.planning.request import Options

            key = open_request(str(study), home, Options(corpus=str(tiny_corpus), repeats=1)).search_key
            home.request(key).parent.mkdir(exist_ok=True)
            home.request(key).write_bytes(content)
            told = mmstudy(home, "report", *words(study, tiny_corpus))
            assert (told.returncode, "the list of analyses" in told.stderr) == (2, True), told.stderr
        case _:
            (home.root / name).write_bytes(content)
            told = mmstudy(home, "compare", home.root / name, home.root / name)
            assert told.returncode == 2, told.stdout
            assert "report" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_search_that_may_not_be_read_is_not_to_be_removed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from experiments.tuning import storage

    def refused(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(storage, "_cut_torn_line", refused)
    with (
        pytest.raises(StoreError, match=r"Permission denied.*chmod u\+r") as caught,
        storage.open_storage(home, "s", None),
    ):
        pass
    assert "emove" not in caught.value.message
