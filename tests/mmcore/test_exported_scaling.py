"""What an exported model does to raw values before it reads them."""

from __future__ import annotations

import torch

from mmcore.exporting import Scale


def scale(**changes: object) -> Scale:
    arguments = {
        "scaled_F": torch.tensor([True, False, False, False]),
        "mean_F": torch.tensor([1.0, 0.0, 0.0, 0.0]),
        "deviation_F": torch.tensor([2.0, 1.0, 1.0, 1.0]),
        "clip": 3.0,
        "embeddings": ((1, 3),),
    }
    return Scale(**(arguments | changes))  # pyright: ignore[reportArgumentType]


THERE = torch.ones(1, 1, 1, dtype=torch.bool)


def read(scale: Scale, *values: float, there: torch.Tensor = THERE) -> list[float]:
    return scale(torch.tensor([[values]]), there)[0, 0].tolist()


def test_an_embedding_is_brought_to_unit_length_as_the_prepared_store_does() -> None:
    assert read(scale(), 5.0, 3.0, 4.0, 7.0) == torch.tensor([2.0, 0.6, 0.8, 7.0]).tolist()


def test_an_embedding_of_zeros_stays_zero_and_one_with_a_gap_has_the_length_of_the_rest() -> None:
    assert read(scale(), 1.0, 0.0, 0.0, 0.0) == [0.0, 0.0, 0.0, 0.0]
    assert read(scale(), 1.0, float("nan"), 4.0, 0.0) == [0.0, 0.0, 1.0, 0.0]


def test_scaled_values_are_limited_and_absent_ones_are_zero() -> None:
    assert read(scale(), 100.0, 0.0, 0.0, 1.0) == [3.0, 0.0, 0.0, 1.0]
    assert read(scale(), 100.0, 1.0, 0.0, 1.0, there=~THERE) == [0.0] * 4
