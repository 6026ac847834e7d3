"""The simulated corpus with known truth: a real folder in format 1, and ``truth.yaml`` that declares what drives what.

An analysis that calls rotation predictable, or misses that scale needs both audio and visual, is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ValidationError

from mmcore.complaints import complaint
from mmcore.data.sources.world import (
    CROP_AR,
    CUT,
    HEAVY_TAIL,
    NOISE,
    PERSISTENCE,
    SWITCH,
    VIEW,
    Cast,
    content,
    draw_cast,
    edits,
)
from mmcore.data.sources.writing import new_corpus, write_items, write_table, write_yaml
from mmcore.data.sources.written import WrittenCorpus, WrittenFeature, WrittenParameter
from mmcore.errors import CorpusError
from mmcore.frozen import Frozen
from mmcore.schema import CorpusSchema
from mmcore.seeding import generator
from mmcore.yamlfile import read_yaml

Size = Literal["quick", "seed", "noisy"]
STEP = 0.1
AUDIO = ("audio_energy_rms", "audio_is_speaking", "silence_duration_ms", "text_is_active")
VISUAL = (
    "scene_change", "visual_motion", "saliency_x", "saliency_y", "face_count", "face_center_x", "face_center_y",
    "face_size", "face_mouth_open", "face_eyebrow_raise",
)  # fmt: skip
BINARY = ("audio_is_speaking", "text_is_active", "scene_change")
TRACK = (
    "active", "asset_id", "scale", "x", "y", "anchor_x", "anchor_y", "rotation", "crop_l", "crop_r", "crop_t", "crop_b",
)  # fmt: skip
COMPONENT = {"asset_id": "asset", "x": "position", "y": "position", "anchor_x": "position", "anchor_y": "position"}
UNIT = {"rotation": "°"}


class ComponentTruth(Frozen):
    """What a component's next value follows from."""

    modalities: tuple[str, ...]
    """The content that must be read to know it; (): none helps."""
    together: bool
    """The modalities help together and none of them alone."""
    history: bool
    """The tracks' own past says more than the better of persistence and a constant."""
    features: tuple[str, ...]
    """The driving features."""
    rule: str
    """In words and numbers."""
    noise: float
    """What remains unpredictable: see the rule for its meaning."""


class Truth(Frozen):
    """The declaration that comes with a simulated corpus."""

    size: Size
    """The size that was asked for."""
    seed: int
    """The seed that was asked for."""
    lookahead: int
    """Steps between a driver and its edit: 0, so a forecast needs a content look-ahead equal to its horizon."""
    components: dict[str, ComponentTruth]
    """By loss component."""
    polarity: tuple[int, ...]
    """Per track: +1 active while there is speech, −1 while there is none."""
    gain: tuple[float, ...]
    """Per track: signed strength of position and scale."""
    without_content: tuple[str, ...]
    """Items that have neither audio nor visual."""
    with_gap: tuple[str, ...]
    """Items with a hole of more than five seconds in audio and visual."""


@dataclass(frozen=True)
class _Plan:
    """The sizes of a corpus; ``steps`` per item."""

    steps: tuple[int, ...]
    tracks: int
    classes: int
    clip: int
    without_content: int
    gaps: int
    heavy: bool = False


def simulate(folder: Path, size: Size, seed: int = 0) -> Path:
    """Write a simulated corpus.

    ``quick``: 60 items of 100–160 steps, 4 tracks, 3 assets, 8 clip columns. ``seed``: the seed experiment's scale, 110
    items that make 1,038 windows of 100 steps, 20 tracks, 10 assets, 512 clip columns. ``noisy``: as quick, but the
    rotation, which follows from nothing, has outliers that make up nearly all of its squared error: what loss weights
    are for. In all about 27 % of the items have tracks alone, 3 % of the saliency is NaN, times jitter, and a few
    streams have a hole of 6 s.

    Args:
        folder: is created; must not exist, or be empty. It appears whole or not at all.
        size: see above.
        seed: equal arguments give equal bytes (with one version of numpy and pyarrow).

    Returns:
        The folder.

    Raises:
        CorpusError: the folder holds something already, or the size is unknown.
    """
    folder = Path(folder)
    plan = _plan(size, seed)
    with new_corpus(folder) as partial:
        _write(partial, plan, size, seed)
    return folder


def simulated_schema(size: Size) -> CorpusSchema:
    """The schema that a simulated corpus of this size has, without making one: plans need no corpus on disk."""
    return CorpusSchema.model_validate(_schema(_plan(size, 0), size))


def simulated_items(size: Size, seed: int = 0) -> dict[str, int]:
    """The items of a simulated corpus and their steps, without making one; every item is a group of its own.

    Raises:
        CorpusError: the size is unknown.
    """
    return {_item(index): steps for index, steps in enumerate(_plan(size, seed).steps)}


def read_truth(folder: Path) -> Truth:
    """The declaration of a simulated corpus.

    Raises:
        CorpusError: the folder has no ``truth.yaml``, or a broken one.
    """
    path = Path(folder) / "truth.yaml"
    if not path.is_file():
        raise CorpusError("only a simulated corpus declares its truth", expected="a file truth.yaml", where=str(folder))
    try:
        return Truth.model_validate(read_yaml(path, CorpusError).data)
    except ValidationError as error:
        first = error.errors()[0]
        named = ".".join(map(str, first["loc"]))
        rule = "the declaration is broken: " + (f"'{named}' {complaint(first)}" if named else complaint(first))
        raise CorpusError(rule, found=repr(first["input"])[:80], where=str(path)) from None


def _plan(size: Size, seed: int) -> _Plan:
    rng = generator(seed, "simulate/plan")
    match size:
        case "quick" | "noisy":
            steps = rng.integers(100, 161, 60)
            heavy = size == "noisy"
            return _Plan(tuple(map(int, steps)), tracks=4, classes=3, clip=8, without_content=16, gaps=2, heavy=heavy)
        case "seed":
            # Every item makes 4 windows or more; the rest of the 1,038 falls where it falls.
            windows = 4 + np.bincount(rng.integers(0, 110, 1038 - 4 * 110), minlength=110)
            # A few steps short of whole windows, so that a forecast and a reconstruction cut equally many.
            steps = windows * 100 - rng.integers(5, 60, 110)
            return _Plan(tuple(map(int, steps)), tracks=20, classes=10, clip=512, without_content=30, gaps=4)
        case _:
            raise CorpusError(f"size '{size}' is unknown", expected="quick, seed or noisy")


def _item(index: int) -> str:
    return f"video_{index:03d}"


# Writing -----------------------------------------------------------------------------------------------------------
def _write(folder: Path, plan: _Plan, size: Size, seed: int) -> None:
    cast = draw_cast(seed, plan.tracks, plan.classes, plan.clip)
    names = [_item(index) for index in range(len(plan.steps))]
    chosen = generator(seed, "simulate/without_content").permutation(len(names))
    bare = set(chosen[: plan.without_content].tolist())
    gaps = set(chosen[plan.without_content : plan.without_content + plan.gaps].tolist())
    for index, (name, steps) in enumerate(zip(names, plan.steps, strict=True)):
        seen = content(generator(seed, "simulate/content", index=index), cast, steps)
        moved = edits(generator(seed, "simulate/edits", index=index), cast, seen, plan.heavy)
        grid_S = np.round(STEP * np.arange(steps), 4)
        columns = {f"{k}_{p}": moved[p][:, k] for k in range(plan.tracks) for p in TRACK}
        write_table(folder / "track" / f"{name}.parquet", _rounded(grid_S, columns))
        if index in bare:
            continue
        rng = generator(seed, "simulate/damage", index=index)
        lost = rng.random(steps) < 0.03
        for axis in ("x", "y"):
            seen[f"saliency_{axis}"] = np.where(lost, np.nan, seen[f"saliency_{axis}"])
        kept = np.ones(steps, bool)
        if index in gaps:
            start = int(rng.integers(10, steps - 70))
            kept[start : start + 60] = False
        audio = {column: seen[column][kept] for column in AUDIO}
        visual = {column: seen[column][kept] for column in VISUAL}
        visual |= {f"clip_{e}": seen["clip"][kept, e] for e in range(plan.clip)}
        write_table(folder / "audio" / f"{name}.parquet", _rounded(_jitter(rng, grid_S)[kept], audio))
        write_table(folder / "visual" / f"{name}.parquet", _rounded(_jitter(rng, grid_S)[kept], visual))
    write_items(folder, ["item", "group"], [[name, name] for name in names])
    write_yaml(folder / "corpus.yaml", _schema(plan, size))
    bare_names, gap_names = ([names[i] for i in sorted(chosen)] for chosen in (bare, gaps))
    write_yaml(folder / "truth.yaml", _truth(size, seed, cast, bare_names, gap_names).model_dump(mode="json"))


def _jitter(rng: np.random.Generator, grid_S: np.ndarray) -> np.ndarray:
    """Times off by up to 0.03 s, well within the tolerance; one in 500 by 0.055–0.065 s, beyond it."""
    offset_S = np.clip(0.012 * rng.normal(size=len(grid_S)), -0.03, 0.03)
    far_S = rng.random(len(grid_S)) < 0.002
    offset_S[far_S] = (rng.choice([-1, 1], len(grid_S)) * rng.uniform(0.055, 0.065, len(grid_S)))[far_S]
    return np.sort(np.round(grid_S + offset_S, 4))


def _rounded(time_S: np.ndarray, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """As stored: rounded, so that the last bit of another machine's sine or root does not make another corpus;
    embeddings in half precision, as feature extractors save them."""
    halves = {name: np.float16 if name.startswith("clip_") else np.float32 for name in columns}
    return {"time": time_S, **{name: np.round(x, 4).astype(halves[name]) for name, x in columns.items()}}


def _schema(plan: _Plan, size: Size) -> WrittenCorpus:
    tracks = f"{{0..{plan.tracks - 1}}}"

    def feature(name: str) -> WrittenFeature:
        # A count is forward-filled like a code: there are no 1.5 faces.
        kind = "binary" if name in BINARY else "categorical" if name == "face_count" else "continuous"
        return {"name": name} if kind == "continuous" else {"name": name, "kind": kind}

    kinds = {"active": "binary", "asset_id": "categorical"}
    parameters: list[WrittenParameter] = []
    for name in TRACK:
        kind, component = kinds.get(name, "continuous"), COMPONENT.get(name, name.partition("_")[0])
        parameter: WrittenParameter = (
            {"name": name, "kind": kind, "classes": plan.classes, "component": component}
            if name == "asset_id"
            else {"name": name, "kind": kind, "component": component}
        )
        if name != "active":
            parameter["when"] = "active"
        if name in UNIT:
            parameter["unit"] = UNIT[name]
        parameters.append(parameter)
    return {
        "format": 1,
        "name": f"simulated-{size}",
        "step": STEP,
        "reference": "track",
        "modalities": {
            "audio": {"features": [feature(name) for name in AUDIO]},
            "visual": {
                "storage": "float16",
                "features": [*map(feature, VISUAL), {"name": f"clip_{{0..{plan.clip - 1}}}", "kind": "embedding"}],
            },
            "track": {
                "features": [{"name": f"{tracks}_{p}", "kind": kinds.get(p, "continuous")} for p in TRACK],
            },
        },
        "targets": {"from": "track", "tracks": plan.tracks, "parameters": parameters},
    }


def _truth(size: Size, seed: int, cast: Cast, bare: list[str], gaps: list[str]) -> Truth:
    def declare(
        rule: str, noise: float, modalities: str = "", features: str = "", together: bool = False, history: bool = False
    ) -> ComponentTruth:
        return ComponentTruth(
            modalities=tuple(modalities.split()),
            together=together,
            history=history,
            features=tuple(features.split()),
            rule=rule,
            noise=noise,
        )

    components = {
        "active": declare(
            f"active while there is speech (polarity +1) or none (−1); speech switches with chance {SWITCH} a step; "
            "noise: chance of a flip",
            NOISE["active"], "audio", "audio_is_speaking",
        ),
        "asset": declare(
            f"at a scene change (chance {CUT} a step) the track's asset for the view that the clip embedding shows, "
            f"else the asset that it had; the view turns with chance {VIEW} a step also without a cut; noise: chance "
            "of a random asset at a scene change",
            NOISE["asset"], "visual", "scene_change clip", history=True,
        ),
        "scale": declare(
            "1 + 0.5 · gain · (+1 where the speech's energy is above 0.1, else −1) · (2 · motion − 1) + noise",
            NOISE["scale"], "audio visual", "audio_energy_rms visual_motion", together=True,
        ),
        "position": declare(
            "x, y: 0.5 + gain · (face centre − 0.5) where there is a face, else 0.5; anchors: 0.5 + gain · (saliency − "
            f"0.5); plus noise; drivers correlate {PERSISTENCE} from step to step",
            NOISE["position"], "visual", "face_count face_center_x face_center_y saliency_x saliency_y",
        ),
        "rotation": declare(
            f"nothing: independent noise of Student's t with {HEAVY_TAIL} degrees of freedom, times the number given"
            if size == "noisy"
            else "nothing: independent normal noise",
            NOISE["rotation"],
        ),
        "crop": declare(
            f"±0.03 (l, r) and ±0.015 (t, b) of one AR(2) process a track, coefficients {CROP_AR[0]} and {CROP_AR[1]}, "
            "around 0.1, plus noise",
            NOISE["crop"], history=True,
        ),
    }  # fmt: skip
    return Truth(
        size=size,
        seed=seed,
        lookahead=0,
        components=components,
        polarity=tuple(int(p) for p in cast.polarity_K),
        gain=tuple(float(g) for g in cast.gain_K),
        without_content=tuple(bare),
        with_gap=tuple(gaps),
    )
