"""Windows that are kept, or sent ahead, are the bits that the loader assembles anew."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmcore.batch import Batch
from mmcore.config import DataConfig, Forecast, Label, Reconstruct, Task
from mmcore.config.data import AugmentationConfig, Noise
from mmcore.data.augmentation import build_augmenter
from mmcore.data.loader import Loader
from mmcore.data.normalisation import fit_normaliser
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared
from mmcore.data.resident import ROOM, sent

CPU, META = torch.device("cpu"), torch.device("meta")
"""Tensors on the meta device have shapes and a place, and no content: a device that is not the CPU, everywhere."""


@pytest.fixture(scope="module")
def tiny(
    write_corpus: Callable[..., Path], tiny_tables: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Prepared:
    folder = tmp_path_factory.mktemp("resident")
    tables = tiny_tables({"a": 40, "b": 7, "c": 19, "d": 1, "e": 23})
    return prepare(write_corpus(folder / "corpus", tables=tables), DataConfig(), folder / "cache")


@pytest.fixture
def loader(tiny: Prepared) -> Callable[..., Loader]:
    def make(task: Task | None = None, items: tuple[int, ...] = (0, 1, 2, 4)) -> Loader:
        config, read = DataConfig(window=6), np.zeros(len(tiny.items), np.int64)
        normaliser, names = fit_normaliser(tiny, [0, 1, 2]), ("sound", "image", "track")
        return Loader(tiny, normaliser, config, task or Forecast(), names, items, 4, 3, read)

    return make


def tensors(batch: Batch) -> list[torch.Tensor]:
    others = [getattr(batch, field.name) for field in fields(Batch) if field.name != "values"]
    return [*batch.values.values(), *others]


def assert_same(found: Iterator[Batch], expected: Iterator[Batch]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.modalities == other.modalities
        for x, y in zip(tensors(one), tensors(other), strict=True):
            assert x.dtype == y.dtype
            assert x.is_contiguous()
            assert torch.equal(x, y)


@pytest.mark.parametrize("task", [Forecast(), Reconstruct(), Label()])
def test_kept_windows_are_those_assembled_anew(loader: Callable[..., Loader], task: Task) -> None:
    fresh, kept = loader(task), loader(task).keep()
    assert kept.kept is not None
    order = np.random.default_rng(0).permutation(fresh.windows)
    for given in (None, order, order[:5], np.array([2])):
        assert_same(kept.batches(given), fresh.batches(given))
    assert kept.read_I is not None
    assert fresh.read_I is not None
    assert kept.read_I.tolist() == fresh.read_I.tolist()


def test_what_the_windows_take_is_known_before_they_are_made(loader: Callable[..., Loader]) -> None:
    kept = loader().keep()
    assert kept.kept is not None
    assert kept.bytes_of_windows() == sum(x.numel() * x.element_size() for x in tensors(kept.kept.whole))
    assert loader().keep(room=kept.bytes_of_windows()).kept is not None
    assert loader().keep(room=kept.bytes_of_windows() - 1).kept is None
    assert kept.bytes_of_windows() < ROOM


def test_who_changes_a_batch_does_not_change_the_next_pass(loader: Callable[..., Loader]) -> None:
    kept = loader().keep()
    for order in (None, np.array([3, 0, 1])):
        for batch in kept.batches(order):
            for x in tensors(batch):
                x.zero_()
    assert_same(kept.batches(), loader().batches())


def test_augmented_windows_are_made_anew(loader: Callable[..., Loader], tiny: Prepared) -> None:
    augmentation = AugmentationConfig(noise=Noise(deviations=0.5, probability=1.0))
    for epoch in (1, 2):
        augments = [build_augmenter(augmentation, tiny.schema, 0, epoch) for _ in range(2)]
        assert augments[0] is not None
        assert_same(loader().keep().batches(None, augments[0]), loader().batches(None, augments[1]))


def test_an_empty_loader_keeps_nothing(loader: Callable[..., Loader]) -> None:
    assert loader(items=(3,)).keep().kept is None


@pytest.mark.parametrize("room", [None, 0])
def test_batches_come_on_the_device(loader: Callable[..., Loader], room: int | None) -> None:
    kept = loader().keep(META, room)
    assert (kept.kept is None) == (room == 0)
    order = np.array([5, 1, 0, 2, 9])
    for found, expected in zip(kept.batches(order), loader().batches(order), strict=True):
        assert {x.device.type for x in tensors(found)} == {"meta"}
        assert [x.shape for x in tensors(found)] == [x.shape for x in tensors(expected)]
        assert found.to(META) is found
    assert kept.read_I is not None
    assert kept.read_I.sum() == 5


def test_batches_are_sent_in_order_and_one_ahead(loader: Callable[..., Loader]) -> None:
    made: list[int] = []

    def noted() -> Iterator[Batch]:
        for number, batch in enumerate(loader().batches()):
            made.append(number)
            yield batch

    assert_same(sent(noted(), CPU), loader().batches())
    every = len(made)
    made.clear()
    ahead = sent(noted(), CPU)
    next(ahead)
    ahead.close()
    # The one that was taken, and at most the one after it: the thread is at its end when the pass is given up.
    assert made in ([0], [0, 1])
    assert every > 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_what_goes_wrong_ahead_is_raised_where_the_batch_would_have_come(loader: Callable[..., Loader]) -> None:
    def broken() -> Iterator[Batch]:
        yield next(loader().batches())
        raise OSError("the store is gone")

    ahead = sent(broken(), CPU)
    next(ahead)
    with pytest.raises(OSError, match="the store is gone"):
        next(ahead)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
@pytest.mark.parametrize("room", [None, 0])
def test_a_graphics_card_gets_the_same_bits(loader: Callable[..., Loader], room: int | None) -> None:
    card = torch.device("cuda", 0)
    order = np.random.default_rng(0).permutation(loader().windows)
    found = (
        replace(batch.to(CPU), values={name: x.cpu() for name, x in batch.values.items()})
        for batch in loader().keep(card, room).batches(order)
    )
    assert_same(found, loader().batches(order))
    pinned = loader().keep(pinned=True)
    assert all(x.is_pinned() for batch in pinned.batches() for x in tensors(batch))
    assert_same(pinned.batches(), loader().batches())
