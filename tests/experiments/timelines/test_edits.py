"""Predictions become clips, keyframes and markers; a small trained arm goes all the way to a file."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from factories.command import mmstudy
from factories.footage import HEIGHT, WIDTH, Pictures, Sound, grey, make_clip, tone
from factories.studies import sketching, unmirrored
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.driver import run_study
from experiments.home import Home
from experiments.planning.request import Options
from experiments.predictions import Predictions
from experiments.timelines.edits import Cutting, Edit, Footage, close_gaps, edit_of
from experiments.timelines.forecast import Forecast, forecast_of, seen
from experiments.timelines.model import Rate
from experiments.timelines.reading import read_timeline
from experiments.timelines.stretches import runs, same_codes, simplified, stretches, switched_SK
from experiments.timelines.table import track_table
from experiments.trained_arm import trained_arm
from mmcore.data.checking import check_corpus
from mmcore.data.sources.seed_layout import LAYOUTS, _schema
from mmcore.data.sources.writing import new_corpus, write_items, write_table, write_yaml
from mmcore.errors import ConfigError, CorpusError, StudyError
from mmcore.schema import CorpusSchema

pytestmark = pytest.mark.usefixtures("no_mirror")

FILES: tuple[Literal["csv", "parquet"], ...] = ("csv", "parquet")
FILM = Footage(Rate(Fraction(30)), 1280, 720)


def forecast(chance_SK: np.ndarray, asset_SK: np.ndarray | None = None, **values: np.ndarray) -> Forecast:
    shape = chance_SK.shape
    return Forecast(
        item="clip",
        time_S=0.1 * np.arange(shape[0]),
        step=0.1,
        active_SK=chance_SK,
        spread_SK=np.full(shape, 0.05),
        asset_SK=np.zeros(shape, int) if asset_SK is None else asset_SK,
        values=values,
        assets=("wide", "close"),
        left_out=(),
    )


def spans(edit: Edit) -> list[list[tuple[float, float]]]:
    return [[(float(one.start), float(one.end)) for one in track.clips] for track in edit.timeline.tracks]


def test_hysteresis_needs_the_threshold_to_begin_and_less_to_go_on() -> None:
    chance = np.array([[0.45], [0.5], [0.42], [0.39], [0.45], [np.nan], [0.6], [np.nan], [0.45]])
    assert switched_SK(chance, 0.5, 0.4)[:, 0].tolist() == [False, True, True, False, False, False, True, False, False]
    assert runs(np.array([True, True, False, True])) == [(0, 2), (3, 4)]
    assert runs(np.zeros(0, bool)) == []


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.booleans(), min_size=1, max_size=40), st.floats(0.1, 1.0))
def test_no_clip_and_no_gap_is_shorter_than_asked(flags: list[bool], shortest: float) -> None:
    bounds = 0.1 * np.arange(len(flags) + 1)
    found = stretches(np.array(flags), bounds, shortest)
    assert all(bounds[end] - bounds[first] >= shortest - 1e-6 for first, end in found)
    assert all(bounds[b[0]] - bounds[a[1]] >= shortest - 1e-6 for a, b in pairwise(found))
    assert all(flags[first] and flags[end - 1] for first, end in found)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.floats(-2, 2), min_size=2, max_size=60), st.floats(0, 1))
def test_keyframes_stay_within_the_tolerance(values: list[float], tolerance: float) -> None:
    time, value = np.arange(float(len(values))), np.array(values)
    kept = simplified(time, value, tolerance)
    assert np.abs(np.interp(time, time[kept], value[kept]) - value).max() <= tolerance + 1e-9
    assert kept[0] == 0
    assert kept[-1] == len(values) - 1


def test_a_long_ramp_needs_two_keyframes_and_no_recursion() -> None:
    time = np.arange(20_000.0)
    assert simplified(time, 0.001 * time, 1e-6) == [0, 19_999]
    assert len(simplified(time, np.sin(time), 1e-6)) > 10_000


def test_clips_follow_activity_assets_and_movement() -> None:
    chance = np.full((60, 2), 0.1)
    chance[10:40, 0] = 0.9
    chance[22, 0] = 0.2  # too short a gap
    chance[50:52, 0] = 0.9  # too short a clip
    asset = np.zeros((60, 2), int)
    asset[30:, 0] = 1
    asset[35, 0] = 0  # too short a change
    scale = np.ones((60, 2))
    scale[10:30, 0] = np.linspace(1, 2, 20)
    crop = np.full((60, 2), -0.2)
    found = edit_of(forecast(chance, asset, scale=scale, crop_l=crop), Cutting(), FILM)
    assert spans(found) == [[(1.0, 3.0), (3.0, 4.0)], []]
    one, two = found.timeline.tracks[0].clips
    assert (one.source, two.source, one.source_start) == ("wide", "close", 1)
    assert [float(key.time) for key in one.transform.scale.keyframes] == pytest.approx([0, 1.9])
    assert two.transform.scale.constant
    # An editing program takes no crop below 0.
    assert one.transform.crop_l.keyframes[0].value == 0
    assert "prediction of crop_l outside 0 to 0.99: cut off there" in str(found.timeline.left_out[0])
    assert (found.kept, found.total, found.highest) == pytest.approx((3.0, 6.0, 0.9))
    marker = found.timeline.markers[0]
    assert marker.name == "track 0, wide: 86%"
    assert marker.note == "active 86% on average, at least 20%; models differ by ±5%"


def test_the_target_chooses_the_threshold() -> None:
    chance = np.concatenate([np.full(20, 0.9), np.full(20, 0.6), np.full(20, 0.3), np.full(40, 0.1)])[:, None]
    for target, kept in ((2.0, 2.0), (3.5, 4.0), (6.2, 6.0), (500.0, 10.0)):
        found = edit_of(forecast(chance), Cutting(target=target), FILM)
        assert found.kept == pytest.approx(kept)
    assert edit_of(forecast(chance), Cutting(threshold=1.0), FILM).kept == 0
    for wrong in ({"target": 0.0}, {"threshold": 2.0}, {"shortest": -1.0}, {"release": float("nan")}):
        with pytest.raises(ConfigError, match="must be"):
            Cutting(**wrong)


def test_gaps_are_closed_and_tracks_stay_together() -> None:
    chance = np.zeros((60, 2))
    chance[10:20, 0] = chance[15:30, 1] = chance[50:60, 0] = 1
    found = close_gaps(edit_of(forecast(chance), Cutting(), replace(FILM, channels=1)).timeline)
    (sound,) = found.sound
    assert [(float(c.start), float(c.duration), float(c.source_start)) for c in sound.clips] == [
        (0.0, 1.0, 1.0), (1.0, 1.0, 2.0), (2.0, 1.0, 5.0),
    ]  # fmt: skip
    starts = [[(float(c.start), float(c.source_start)) for c in track.clips] for track in found.tracks]
    assert starts == [[(0.0, 1.0), (2.0, 5.0)], [(0.5, 1.5)]]
    assert [float(one.time) for one in found.markers] == [0, 0.5, 2.0]
    assert seen([(0, 1), (0.5, 2), (3, 4)]) == 3


def test_short_parts_join_their_neighbours() -> None:
    bounds = 0.1 * np.arange(11)
    assert same_codes(np.array([2, 1, 1, 1, 1, 1, 1, 1, 3, 3]), bounds, 0.5) == [(0, 10, 1)]
    assert same_codes(np.array([1, 2]), bounds, 0.5) == [(0, 2, 1)]


def test_targets_that_are_no_edit_are_refused() -> None:
    nothing = Predictions(pd.DataFrame({"item": []}), pd.DataFrame({"item": []}), 1)
    feature = {"features": [{"name": "level"}]}
    parameter = {"name": "mood", "kind": "continuous", "component": "mood"}
    plain = {"format": 1, "name": "n", "step": 0.1, "modalities": {"a": feature}}
    schema = CorpusSchema.model_validate({**plain, "targets": {"from": "b", "parameters": [parameter]}})
    with pytest.raises(StudyError, match="say when a track is active; expected a binary parameter 'active'"):
        forecast_of(nothing, schema, None)
    active = {"name": "active", "kind": "binary", "component": "active"}
    schema = CorpusSchema.model_validate(
        {**plain, "step": None, "targets": {"from": "b", "parameters": [active, parameter]}}
    )
    with pytest.raises(StudyError, match="predictions at times in seconds"):
        forecast_of(nothing, schema, None)
    schema = schema.model_copy(update={"step": 0.1})
    with pytest.raises(CorpusError, match="made for one item"):
        forecast_of(nothing, schema, "clip")


# A real edit: few active cells, most parameters never move ---------------------------------------------------------
STUDY = """\
question: Does sound say when there is something to see?
preset: null
repeats: 1
reference: track
base:
  data.window: 30
  model: {width: 8, layers: 1, heads: 2, feed_forward: 8, dropout: 0.0}
  training: {epochs: 2, batch: 8}
arms:
  both: {}
  track: {model.modalities: [track]}
"""


def sparse_corpus(folder: Path) -> None:
    """10 items of 4 tracks; 1 in 15 cells is active, scale takes two values, nothing is ever moved or rotated."""
    rng = np.random.default_rng(0)
    names, rest = LAYOUTS[12], np.array([0, 0, 1, 0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0, 0])
    with new_corpus(folder) as partial:
        for at in range(10):
            values_SKP = np.tile(rest, (60, 4, 1))
            first = int(rng.integers(5, 40))
            values_SKP[first : first + 15, at % 2, :3] = (1, at % 3, 0.9375)
            values_SKP[first + 8 : first + 15, at % 2, 2] = 1.4
            columns = {f"{k}_{p}": values_SKP[:, k, n] for k in range(4) for n, p in enumerate(names)}
            time_S = np.round(0.1 * np.arange(60), 4)
            write_table(partial / "track" / f"film{at}.parquet", {"time": time_S, **columns})
            level = values_SKP[:, at % 2, 0] + 0.1 * rng.normal(size=60)
            write_table(partial / "audio" / f"film{at}.parquet", {"time": time_S, "audio_energy_rms": level})
        write_items(partial, ["item", "group"], [[f"film{at}"] * 2 for at in range(10)])
        write_yaml(partial / "corpus.yaml", _schema({"audio": ["audio_energy_rms"]}, 4, names, 10))


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory, quick_starts: None) -> tuple[Path, Path, Home]:
    """A study of such edits, its corpus and its home."""
    folder = tmp_path_factory.mktemp("edited")
    sparse_corpus(folder / "films")
    (folder / "edits.yaml").write_text(STUDY, encoding="utf-8")
    home = Home(folder / "home")
    with sketching(), unmirrored():
        outcome = run_study(str(folder / "edits.yaml"), home.root, Options(corpus=str(folder / "films"), workers=1))
    assert outcome.failed == 0
    return folder / "edits.yaml", folder / "films", home


def test_sparse_and_constant_targets_keep_scores_sensible(edited: tuple[Path, Path, Home]) -> None:
    import mmstudy as face

    study, corpus, home = edited
    checked = check_corpus(corpus)
    assert checked.errors == 0
    assert sum("never varies" in problem.rule for problem in checked.problems) == 9
    outcome = face.load(home.root, str(study), corpus=str(corpus))
    scores = outcome.results.scores
    skill = scores[(scores["metric"] == "skill") & (scores["split"] == "test") & (scores["items"] == "all")]
    main = skill[skill["component"].isna()]["value"]
    assert np.isfinite(main).all()
    assert main.between(-1, 1).all()
    by_component = skill.dropna(subset="component").groupby("component")["value"].apply(lambda v: v.notna().all())
    assert by_component.to_dict() == {
        "active": True, "asset": True, "scale": True, "position": False, "rotation": False, "crop": False,
    }  # fmt: skip
    # No component is without a score without a word.
    shown = {check.code: check for check in outcome.summary.checks}
    assert all(name in str(shown["ABL009"]) for name in ("position", "rotation", "crop"))
    assert "ABL041" not in {code for code, check in shown.items() if check.outcome == "warning"}


@pytest.mark.parametrize("suffix", [".xml", ".edl"])
def test_an_arm_writes_a_timeline(suffix: str, edited: tuple[Path, Path, Home], tmp_path: Path) -> None:
    study, corpus, home = edited
    out, video = tmp_path / f"edit{suffix}", tmp_path / "film3.mp4"
    make_clip(video, Pictures(grey(90)), Sound(tone(channels=2), layout="stereo"))
    words = ["timeline", study, "both", corpus, "--corpus", corpus, "--item", "film3", "--out", out, "--fps", "29.97"]
    done = mmstudy(home, *words, "--video", video, "--target-seconds", "2", "--shortest", "0.3")
    assert done.returncode == 0, done.stderr
    assert "2 s were requested" in done.stdout
    assert ("holds cuts alone" in done.stdout) == (suffix == ".edl")
    back = read_timeline(out)
    # The rate that is asked for, and the frame of the footage, which an edit list cannot hold.
    assert back.rate == Rate(Fraction(30000, 1001))
    assert (back.width, back.height) == ((None, None) if suffix == ".edl" else (WIDTH, HEIGHT))
    clips = [clip for track in back.tracks for clip in track.clips]
    assert clips
    assert {clip.source for clip in clips} == {"film3.mp4"}
    assert len(back.markers) == len(clips)
    # The footage is heard once wherever it is seen, in step with it.
    heard = [clip for track in back.sound for clip in track.clips]
    assert back.channels == 2
    assert seen([(float(c.start), float(c.end)) for c in heard]) == pytest.approx(sum(float(c.duration) for c in heard))
    assert seen([(float(c.start), float(c.end)) for c in heard]) == pytest.approx(
        seen([(float(c.start), float(c.end)) for c in clips])
    )
    assert all(abs(clip.start - clip.source_start) < Fraction(1, 20) for clip in heard)
    table = track_table(back, 0.1)
    # What nobody ever moved stands still, whatever the models say.
    for k in range(4):
        assert (table.values_SKP[:, k, 7] == 0).all()
        np.testing.assert_allclose(table.values_SKP[:, k, 3:7], 0.5, atol=1e-6)


def test_a_timeline_needs_an_item_and_says_when_nothing_is_likely(
    edited: tuple[Path, Path, Home], tmp_path: Path
) -> None:
    study, corpus, home = edited
    words = ["timeline", study, "both", corpus, "--corpus", corpus, "--out", tmp_path / "edit.edl"]
    several = mmstudy(home, *words)
    assert several.returncode == 2
    assert "none named. Name it: --item NAME" in several.stderr
    nothing = mmstudy(home, *words, "--item", "film3", "--threshold", "1")
    assert nothing.returncode == 0
    assert "The highest probability of a track is" in nothing.stdout
    assert read_timeline(tmp_path / "edit.edl").tracks == ()
    silent = Footage(FILM.rate, 1280, 720)
    assert edit_of(forecast(np.full((20, 1), 0.9)), Cutting(), silent).timeline.sound == ()
    lacking = mmstudy(home, *words, "--item", "film3", "--video", tmp_path / "none.mp4")
    assert (lacking.returncode, "the footage must be a file" in lacking.stderr) == (2, True)


def test_predictions_written_as_they_come_are_those_of_the_frames(
    edited: tuple[Path, Path, Home], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, corpus, home = edited
    arm = trained_arm(str(study), home, Options(corpus=str(corpus)), "both")
    frames = arm.predict(corpus)
    monkeypatch.setattr("experiments.predictions.GROUP", 1000)
    csv, parquet = (arm.write(corpus, tmp_path / "parts", files=files) for files in FILES)
    assert [path.name for path in csv.paths] == ["values.csv", "probabilities.csv"]
    assert (csv.items, csv.values, csv.models) == (frames.values["item"].nunique(), len(frames.values), len(arm.runs))
    for one, other in zip(csv.paths, frames.write(tmp_path / "whole", "csv"), strict=True):
        assert one.read_bytes() == other.read_bytes()
    for one, other in zip(parquet.paths, frames.write(tmp_path / "whole", "parquet"), strict=True):
        pd.testing.assert_frame_equal(pd.read_parquet(one), pd.read_parquet(other))
