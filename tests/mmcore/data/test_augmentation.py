"""Training windows are changed by draws that depend on repeat, epoch and window alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mmcore.batch import Batch
from mmcore.config import AugmentationConfig, DataConfig, Forecast, Reconstruct, Task
from mmcore.data.augmentation import build_augmenter
from mmcore.data.loader import Loader
from mmcore.data.normalisation import fit_normaliser
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared

ALL = ("sound", "image", "track")
KINDS: dict[str, dict[str, float]] = {
    "jitter": {"steps": 4},
    "crop": {"shortest": 0.3},
    "feature_dropout": {"rate": 0.4},
    "modality_dropout": {"rate": 0.5, "probability": 0.8},
    "noise": {"deviations": 0.3},
    "time_masking": {"steps": 5},
}


def asked(*kinds: str, **changes: Any) -> AugmentationConfig:
    """The kinds named, as above; ``changes`` are laid over each of them."""
    return AugmentationConfig.model_validate({kind: KINDS[kind] | changes for kind in kinds})


EVERYTHING = asked(*KINDS)


@pytest.fixture(scope="module")
def store(
    write_corpus: Callable[..., Any],
    tiny_tables: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Prepared:
    """Item c has no image; 3 % of the values of sound are unknown."""
    folder = tmp_path_factory.mktemp("augmented")
    tables = tiny_tables({"a": 70, "b": 41, "c": 55, "d": 9})
    rng = np.random.default_rng(0)
    for name in "abcd":
        level = tables["sound"][name]["level"].to_numpy().copy()
        level[rng.random(len(level)) < 0.03] = np.nan
        tables["sound"][name]["level"] = level
    corpus = write_corpus(folder / "corpus", tables=tables)
    return prepare(corpus, DataConfig(), folder / "cache")


def loader_of(
    store: Prepared, batch: int = 4, modalities: tuple[str, ...] = ALL, task: Task | None = None, window: int = 12
) -> Loader:
    normaliser = fit_normaliser(store, range(4))
    return Loader(store, normaliser, DataConfig(window=window), task or Forecast(), modalities, range(4), batch, 5)


def read(loader: Loader, config: AugmentationConfig, order: Any = None, repeat: int = 0, epoch: int = 1) -> list[Batch]:
    augment = build_augmenter(config, loader.prepared.schema, repeat, epoch)
    return [batch.check() for batch in loader.batches(order, augment)]


def fields(batches: list[Batch]) -> dict[str, torch.Tensor]:
    """Everything in the batches, in one tensor for each field."""
    found = {f"values/{name}": torch.cat([b.values[name] for b in batches]) for name in batches[0].values}
    names = [name for name, value in batches[0].__dict__.items() if isinstance(value, torch.Tensor)]
    return found | {name: torch.cat([getattr(b, name) for b in batches]) for name in names}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, b[name]) for name, value in a.items())


# Draws -------------------------------------------------------------------------------------------------------------
def test_nothing_configured_is_nothing_done(store: Prepared) -> None:
    assert build_augmenter(AugmentationConfig(), store.schema, 0, 1) is None


@pytest.mark.parametrize("kind", KINDS)
def test_draws_depend_on_repeat_epoch_and_window_alone(store: Prepared, kind: str) -> None:
    config = asked(kind)
    straight = fields(read(loader_of(store), config))
    assert not same(straight, fields(list(loader_of(store).batches())))
    order = np.random.default_rng(1).permutation(len(straight["item_B"]))
    shuffled = fields(read(loader_of(store, batch=7), config, order))
    assert same({name: value[torch.from_numpy(order)] for name, value in straight.items()}, shuffled)
    assert not same(straight, fields(read(loader_of(store), config, epoch=2)))
    assert not same(straight, fields(read(loader_of(store), config, repeat=1)))


@pytest.mark.parametrize("kind", ["feature_dropout", "noise", "time_masking"])
def test_a_modality_is_changed_alike_whatever_else_the_model_reads(store: Prepared, kind: str) -> None:
    config = asked(kind)
    alone = read(loader_of(store, modalities=("track",)), config)
    among = read(loader_of(store), config)
    assert all(torch.equal(a.values["track"], b.values["track"]) for a, b in zip(alone, among, strict=True))


def test_one_more_kind_does_not_shift_the_draws_of_another(store: Prepared) -> None:
    plain = fields(list(loader_of(store).batches()))
    noisy = fields(read(loader_of(store), asked("noise")))
    both = fields(read(loader_of(store), asked("noise", "feature_dropout", "time_masking")))
    for name in ALL:
        # Where a value was not dropped it has the very noise that it has without dropout.
        left = both[f"values/{name}"] != 0
        assert left.any()
        assert torch.equal(both[f"values/{name}"][left], noisy[f"values/{name}"][left])
    masked = fields(read(loader_of(store), asked("time_masking")))["present_BTM"]
    assert torch.equal(both["present_BTM"], masked)
    assert not torch.equal(masked, plain["present_BTM"])


# Places ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("task", [Forecast(), Forecast(horizon=3, content_lookahead=1), Reconstruct()], ids=str)
def test_a_moved_window_is_the_plain_window_there(store: Prepared, task: Task) -> None:
    loader = loader_of(store, task=task)
    plain = fields(list(loader.batches()))
    moved = fields(read(loader, asked("jitter", probability=1.0)))
    by = moved["start_B"] - plain["start_B"]
    assert by.abs().max() <= 4
    assert len(by.unique()) > 5
    assert torch.equal(moved["item_B"], plain["item_B"])
    everywhere = loader_of(store, task=task)
    everywhere.table_W4 = np.array(
        [
            (i, item.offset, item.offset + start, item.offset + item.steps)
            for i, item in enumerate(store.items)
            for start in range(item.steps - everywhere.ahead)
        ]
    )
    there = fields(list(everywhere.batches()))
    place = {at: row for row, at in enumerate(zip(there["item_B"].tolist(), there["start_B"].tolist(), strict=True))}
    rows = [place[at] for at in zip(moved["item_B"].tolist(), moved["start_B"].tolist(), strict=True)]
    assert same(moved, {name: value[rows] for name, value in there.items()})
    assert (moved["valid_BT"].sum(1) >= plain["valid_BT"].sum(1)).all()


def test_a_window_is_not_moved_across_a_gap(store: Prepared) -> None:
    items = tuple(replace(item, breaks=(20,)) if item.name == "a" else item for item in store.items)
    loader = loader_of(replace(store, items=items))
    moved = fields(read(loader, asked("jitter", probability=1.0)))
    first = moved["item_B"] == 0
    start, steps = moved["start_B"][first], moved["valid_BT"][first].sum(1)
    before = start < 20
    assert (start[before] + steps[before] + 1 <= 20).all()
    assert before.any()
    assert (~before).any()


@pytest.mark.parametrize("task", [Forecast(horizon=2), Forecast(content_lookahead=4), Reconstruct()], ids=str)
def test_a_cropped_window_is_a_part_of_the_plain_one(store: Prepared, task: Task) -> None:
    loader = loader_of(store, task=task)
    plain = fields(list(loader.batches()))
    cropped = fields(read(loader, asked("crop", probability=1.0)))
    kept, had = cropped["valid_BT"].sum(1), plain["valid_BT"].sum(1)
    assert (kept >= torch.ceil(0.3 * had)).all()
    assert (kept <= had).all()
    assert (kept < had).any()
    assert len((cropped["start_B"] - plain["start_B"]).unique()) > 4
    for b, n in enumerate(kept.tolist()):
        first = int(cropped["start_B"][b] - plain["start_B"][b])
        assert cropped["valid_BT"][b].tolist() == [True] * n + [False] * (12 - n)
        for name in ("values/sound", "values/image", "values/track", "present_BTM", "target_BTKP", "target_valid_BTKP",
                     "previous_BTKP", "previous_valid_BTKP"):  # fmt: skip
            assert torch.equal(cropped[name][b, :n], plain[name][b, first : first + n])
            assert not cropped[name][b, n:].any()


# Values ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["feature_dropout", "modality_dropout", "noise", "time_masking"])
def test_targets_and_what_persists_are_left_alone(store: Prepared, kind: str) -> None:
    plain, changed = fields(list(loader_of(store).batches())), fields(read(loader_of(store), asked(kind)))
    for name, value in plain.items():
        if not name.startswith("values/") and name != "present_BTM":
            assert torch.equal(value, changed[name])


def test_what_is_absent_unknown_or_padded_stays_zero(store: Prepared) -> None:
    for config in (EVERYTHING, asked("noise", probability=1.0)):
        changed = fields(read(loader_of(store), config))
        for m, name in enumerate(ALL):
            present_BT = changed["present_BTM"][..., m]
            assert not changed[f"values/{name}"][~present_BT].any()
            assert not (present_BT & ~changed["valid_BT"]).any()
        assert not changed["present_BTM"][changed["item_B"] == 2][..., 1].any()
    plain = fields(list(loader_of(store).batches()))
    unknown = (plain["values/sound"][..., 0] == 0) & plain["present_BTM"][..., 0]
    assert unknown.any()
    assert not changed["values/sound"][..., 0][unknown].any()


def test_noise_is_normal_in_units_of_the_column_and_spares_codes(store: Prepared) -> None:
    config = asked("noise", probability=1.0)
    plain = fields(list(loader_of(store).batches()))
    noise: dict[str, list[torch.Tensor]] = {name: [] for name in ALL}
    for epoch in range(1, 11):
        changed = fields(read(loader_of(store), config, epoch=epoch))
        for m, name in enumerate(ALL):
            here = plain["present_BTM"][..., m]
            noise[name].append((changed[f"values/{name}"] - plain[f"values/{name}"])[here])
    track, sound, image = (torch.cat(noise[name]) for name in ("track", "sound", "image"))
    kinds = store.schema.modalities["track"].kinds
    for at, kind in enumerate(kinds):
        if kind == "continuous":
            assert track[:, at].std().item() == pytest.approx(0.3, rel=0.05)
            assert track[:, at].mean().item() == pytest.approx(0.0, abs=0.02)
        else:
            assert not track[:, at].any()
    assert sound[:, 0].std().item() == pytest.approx(0.3, rel=0.05)
    assert not sound[:, 1].any()
    # Three columns of unit length together.
    assert image.std().item() == pytest.approx(0.3 / 3**0.5, rel=0.05)


def test_whole_columns_are_dropped_as_often_as_asked(store: Prepared) -> None:
    plain = fields(list(loader_of(store).batches()))
    dropped, windows = 0, 0
    for epoch in range(1, 101):
        changed = fields(read(loader_of(store), asked("feature_dropout", probability=0.5), epoch=epoch))
        for name in ("sound", "image", "track"):
            before, after = plain[f"values/{name}"], changed[f"values/{name}"]
            gone = (before != after).any(1)
            kept = (before == after).all(1)
            assert (gone ^ kept).all()
            assert not after.movedim(1, 2)[gone].any()
        # Continuous columns: no chance that a whole window of them is zero anyway.
        gone = (plain["values/track"] != changed["values/track"]).any(1)[:, 4:]
        dropped, windows = dropped + int(gone.sum()), windows + gone.numel()
    assert dropped / windows == pytest.approx(0.5 * 0.4, abs=0.03)


def test_modalities_are_dropped_as_often_as_asked_and_one_remains(store: Prepared) -> None:
    rates = {"sound": 0.5, "image": 1.0}
    plain = fields(list(loader_of(store).batches()))
    had = plain["present_BTM"].any(1)
    gone = torch.zeros(3)
    for epoch in range(1, 31):
        config = asked("modality_dropout", rate=rates, probability=0.8)
        changed = fields(read(loader_of(store), config, epoch=epoch))
        has = changed["present_BTM"].any(1)
        assert has.any(1).all()
        # All of a modality's steps or none.
        kept = has[:, None] & plain["present_BTM"]
        assert torch.equal(changed["present_BTM"], kept)
        gone += (had & ~has).sum(0) / had.sum(0)
    sound, image, track = (gone / 30).tolist()
    assert sound == pytest.approx(0.8 * 0.5, abs=0.05)
    assert image == pytest.approx(0.8, abs=0.05)
    assert track == 0.0


def test_whatever_the_rate_one_modality_that_is_there_remains_and_each_in_its_turn(store: Prepared) -> None:
    config = asked("modality_dropout", rate=1.0, probability=1.0)
    counts = torch.zeros(3)
    for epoch in range(1, 31):
        changed = fields(read(loader_of(store), config, epoch=epoch))
        has = changed["present_BTM"].any(1)
        assert (has.sum(1) == 1).all()
        counts += has[changed["item_B"] == 0].sum(0)
    assert ((counts / counts.sum() - 1 / 3).abs() < 0.08).all()


def test_masked_spans_are_contiguous_short_and_drawn_for_each_modality(store: Prepared) -> None:
    plain = fields(list(loader_of(store).batches()))
    lengths, spans = [], []
    for epoch in range(1, 31):
        changed = fields(read(loader_of(store), asked("time_masking"), epoch=epoch))
        masked = plain["present_BTM"] & ~changed["present_BTM"]
        for b in range(len(masked)):
            for m in range(3):
                at = masked[b, :, m].nonzero()[:, 0]
                if plain["present_BTM"][b, :, m].any():
                    spans.append(len(at) > 0)
                if len(at):
                    assert at[-1] - at[0] + 1 == len(at)
                    lengths.append(len(at))
        windows = plain["valid_BT"].sum(1) > 1
        assert changed["present_BTM"][windows].any(1).any(1).all()
    assert set(lengths) == {1, 2, 3, 4, 5}
    assert np.mean(spans) == pytest.approx(0.5, abs=0.04)
    both = (masked[..., 0] & masked[..., 2]).any(1)
    assert both.float().mean() < 0.5
