"""The benchmark of throughput compares what it says."""

from __future__ import annotations

import json

import pytest
import torch

from benchmarks import bench_throughput
from benchmarks.bench_step import stepper
from benchmarks.bench_throughput import Contestant, Taken, products_of, ratios

TINY = (16, 1, 2, 6)


def test_the_products_alone_are_all_products_of_a_step() -> None:
    alone, operations = products_of(stepper(*TINY, "fp32"), torch.float32)
    D, rows, inputs, outputs = 16, 2 * 6, (4, 522, 240), 20 * 22
    weights = sum(inputs) * D + 3 * D * D + 4 * D * D + 2 * 4 * D * D + D * D + D * outputs
    # Forward, the weights' gradient, and the gradient of what a map reads, which the embeddings do not need.
    assert operations == 2 * rows * (3 * weights - sum(inputs) * D)
    alone()


def test_ratios_are_of_the_steps_that_they_name() -> None:
    taken = {one: Taken(100.0, 100.0) for one in bench_throughput.CONTESTANTS} | {
        Contestant("plain"): Taken(900.0, 950.0),
        Contestant("plain", 2): Taken(5000.0, 600.0),
        Contestant("fp32"): Taken(500.0, 500.0),
        Contestant("products fp32"): Taken(400.0, 450.0),
        Contestant("bf16"): Taken(300.0, 300.0),
        Contestant("bf16", processes=2): Taken(300.0, 400.0),
    }
    found = ratios(taken)
    assert found["fp32: products ÷ step"] == Taken(0.8, 0.9)
    assert found["bf16: step ÷ products"] == Taken(3.0, 3.0)
    assert found["fp32, 1 thread: times plain"] == Taken(1.8, 1.9)
    assert found["two workers in bf16: times plain"] == Taken(3.0, 3.0)
    assert {name for name, _, _ in bench_throughput.GOALS} <= set(found)


def test_it_measures_in_processes_and_prints_every_contestant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench_throughput, "SIZES", {"seed": TINY})
    bench_throughput.main(["--rounds", "1", "--format", "json"])
    told = json.loads(capsys.readouterr().out)
    assert [row["what"] for row in told["steps"]] == [one.name for one in bench_throughput.CONTESTANTS]
    assert min(min(row["cpu"], row["clock"]) for row in told["steps"]) > 0
    assert len(told["load"]) == 2
