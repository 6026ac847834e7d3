"""Seconds per training step of the full-size model, beside a plain implementation of the seed experiment's model.

    python -m benchmarks.bench_model [--steps N] [--threads N] [--batch B] [--window T] [--format json]

One step is forward, loss, backward and Adam. All contestants run in this process, in turns (A B C … A B C …), so that
a busy machine slows all of them alike: trust the ratios more than the seconds.

B batch, T steps, M modalities, D width, K tracks, P parameters, O outputs per track.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcore.batch import Batch
from mmcore.config import ModelConfig, Plain
from mmcore.model.build import build_model
from mmcore.model.cost import count_parameters
from mmcore.model.dropout import dropout
from mmcore.model.positions import sinusoids
from mmcore.schema import CorpusSchema
from mmcore.training.losses import component_losses

CONTINUOUS = {
    "scale": ("scale",),
    "position": ("x", "y", "anchor_x", "anchor_y"),
    "rotation": ("rotation",),
    "crop": ("crop_l", "crop_r", "crop_t", "crop_b"),
}
PARAMETERS = [
    {"name": "active", "kind": "binary", "component": "active"},
    {"name": "asset_id", "kind": "categorical", "classes": 10, "component": "asset", "when": "active"},
    *({"name": n, "component": c, "when": "active"} for c, names in CONTINUOUS.items() for n in names),
]
SCHEMA = CorpusSchema.model_validate(
    {
        "format": 1,
        "name": "seed",
        "modalities": {
            "audio": {"features": [{"name": "audio_{0..3}"}]},
            "visual": {"features": [{"name": "scalar_{0..9}"}, {"name": "clip_{0..511}", "kind": "embedding"}]},
            "track": {"features": [{"name": f"{{0..19}}_{p['name']}"} for p in PARAMETERS]},
        },
        "targets": {"from": "track", "tracks": 20, "parameters": PARAMETERS},
    }
)
ARMS: dict[str, Plain] = {
    "gated": {},
    "concat": {"fusion": {"kind": "concat"}},
    "add": {"fusion": {"kind": "add"}},
    "track-only": {"modalities": ["track"]},
    "gated, head shared": {"head": {"kind": "shared"}},
    "gated, head shared, attention dropout 0.1": {"head": {"kind": "shared"}, "attention_dropout": 0.1},
}
PLAIN = "plain (seed experiment)"


class PlainModel(nn.Module):
    """The seed experiment as one would first write it: gated fusion, torch's encoder, the head once per track."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        D, K = config.width, SCHEMA.targets.tracks
        self.embed = nn.ModuleDict({m: nn.Linear(len(s.columns), D) for m, s in SCHEMA.modalities.items()})
        self.gate = nn.ModuleDict({m: nn.Linear(D, D) for m in SCHEMA.modalities})
        self.dropout = nn.Dropout(config.dropout)
        layer = nn.TransformerEncoderLayer(D, config.heads, config.feed_forward, config.dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.tracks = nn.Embedding(K, D)
        self.shared = nn.Linear(D, D)
        self.outputs = nn.ModuleDict({p.name: nn.Linear(D, p.outputs) for p in SCHEMA.targets.parameters})
        self.positions_TD = sinusoids(1000, D)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Outputs by parameter, (B, T, K, outputs)."""
        fused_BTD = torch.zeros(())
        present = batch.present_BTM.unsqueeze(-1).unbind(-2)
        for (name, x_BTF), present_BT1 in zip(batch.values.items(), present, strict=True):
            e_BTD = self.embed[name](x_BTF) * present_BT1
            fused_BTD = fused_BTD + torch.sigmoid(self.gate[name](e_BTD)) * e_BTD
        x_BTD = self.dropout(fused_BTD + self.positions_TD[: fused_BTD.shape[1]])
        h_BTD = self.encoder(x_BTD, src_key_padding_mask=~batch.valid_BT)
        per_track = []
        for k in range(SCHEMA.targets.tracks):
            s_BTD = self.shared(h_BTD + self.tracks.weight[k])
            per_track.append({name: output(s_BTD) for name, output in self.outputs.items()})
        return {name: torch.stack([row[name] for row in per_track], dim=2) for name in self.outputs}


def plain_loss(outputs: dict[str, Tensor], batch: Batch) -> Tensor:
    """The seed experiment's loss, one term per parameter."""
    target = {p.name: batch.target_BTKP[..., i] for i, p in enumerate(SCHEMA.targets.parameters)}
    valid_BTK = batch.valid_BT[..., None].expand_as(target["active"])
    active = F.cross_entropy(outputs["active"].flatten(0, 2), target["active"].long().flatten(), reduction="none")
    total = (active * valid_BTK.flatten()).sum() / valid_BTK.sum()
    counted = valid_BTK & (target["active"] > 0.5)
    asset = F.cross_entropy(outputs["asset_id"].flatten(0, 2), target["asset_id"].long().flatten(), reduction="none")
    total = total + (asset * counted.flatten()).sum() / counted.sum()
    for names in CONTINUOUS.values():
        for name in names:
            error = (outputs[name].squeeze(-1) - target[name]).square() * counted
            total = total + error.sum() / counted.sum()
    return total


def make_batch(B: int, T: int) -> Batch:
    """Random content at the seed's sizes: a quarter of the rows has tracks alone, some rows are short."""
    rng = torch.Generator().manual_seed(0)
    K, P = SCHEMA.targets.tracks, len(SCHEMA.targets.parameters)
    lengths_B = torch.full((B,), T)
    lengths_B[:: max(B // 4, 1)] = max(T * 3 // 5, 1)
    valid_BT = torch.arange(T) < lengths_B[:, None]
    present_BTM = valid_BT[..., None].repeat(1, 1, 3)
    present_BTM[: B // 4, :, :2] = False
    target_BTKP = torch.randn(B, T, K, P, generator=rng)
    target_BTKP[..., 0] = (torch.rand(B, T, K, generator=rng) < 0.4).float()
    target_BTKP[..., 1] = torch.randint(0, 10, (B, T, K), generator=rng).float()
    values = {
        name: torch.randn(B, T, len(modality.columns), generator=rng) * present_BTM[..., m, None]
        for m, (name, modality) in enumerate(SCHEMA.modalities.items())
    }
    target_valid_BTKP = valid_BT[..., None, None].expand(B, T, K, P).contiguous()
    return Batch(
        values=values,
        present_BTM=present_BTM,
        valid_BT=valid_BT,
        target_BTKP=target_BTKP,
        target_valid_BTKP=target_valid_BTKP,
        previous_BTKP=target_BTKP,
        previous_valid_BTKP=target_valid_BTKP,
        item_B=torch.arange(B),
        start_B=torch.zeros(B, dtype=torch.int64),
    ).check()


def our_step(batch: Batch, config: ModelConfig) -> tuple[Callable[[], None], int]:
    """One training step of the product, and its number of parameters."""
    model = build_model(config, SCHEMA, causal=False, repeat=0)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-5)
    rng = torch.Generator().manual_seed(0)

    def step() -> None:
        outputs_BTKO = model(batch, rng)
        loss = torch.stack(list(component_losses(outputs_BTKO, batch, SCHEMA.targets).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step, count_parameters(model)["total"]


def plain_step(batch: Batch, config: ModelConfig) -> tuple[Callable[[], None], int]:
    """One training step of the plain implementation, and its number of parameters."""
    model = PlainModel(config)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-5)

    def step() -> None:
        loss = plain_loss(model(batch), batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step, sum(p.numel() for p in model.parameters())


def measure(steps: int, batch: Batch, sizes: dict[str, int]) -> list[Mapping[str, Any]]:
    """One row per contestant: median seconds per step, and how many times as fast as the plain implementation.

    The ratio is the median over rounds of the ratio within a round, which a slow spell of the machine cannot tilt.
    """
    contestants = {PLAIN: plain_step(batch, ModelConfig.model_validate(sizes))}
    for name, values in ARMS.items():
        contestants[name] = our_step(batch, ModelConfig.model_validate(sizes | values))
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(steps + 1):
        for name, (step, _) in contestants.items():
            start = time.perf_counter()
            step()
            # The first turn warms up: memory, threads, kernels.
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return [
        {
            "model": name,
            "parameters": parameters,
            "seconds": statistics.median(seconds[name]),
            "speedup": statistics.median(p / s for p, s in zip(seconds[PLAIN], seconds[name], strict=True)),
        }
        for name, (_, parameters) in contestants.items()
    ]


def measure_dropout(rounds: int) -> dict[str, float]:
    """Median seconds of dropout on one feed-forward activation of the seed's size, forward and backward."""
    x = torch.randn(16, 100, 1024, requires_grad=True)
    gradient, rng = torch.randn(16, 100, 1024), torch.Generator().manual_seed(0)
    contestants = {"torch": lambda: F.dropout(x, 0.1), "ours": lambda: dropout(x, 0.1, rng)}
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, apply in contestants.items():
            start = time.perf_counter()
            apply().backward(gradient)
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=10, help="measured steps of each model (default 10)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: as torch finds best)")
    parser.add_argument("--batch", type=int, default=16, help="windows per step (default 16)")
    parser.add_argument("--window", type=int, default=100, help="steps per window (default 100)")
    parser.add_argument("--width", type=int, default=256, help="model width (default 256); feed-forward is 4 widths")
    parser.add_argument("--layers", type=int, default=6, help="encoder layers (default 6)")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    chosen = parser.parse_args(arguments)
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    sizes = {"width": chosen.width, "layers": chosen.layers, "feed_forward": 4 * chosen.width}
    rows = measure(chosen.steps, make_batch(chosen.batch, chosen.window), sizes)
    of_dropout = measure_dropout(4 * chosen.steps)
    if chosen.format == "json":
        environment = {"threads": torch.get_num_threads(), "torch": torch.__version__}
        print(json.dumps({**environment, "models": rows, "dropout": of_dropout}, indent=2))
        return
    print(f"batch {chosen.batch} × {chosen.window}, {torch.get_num_threads()} threads, median of {chosen.steps} steps")
    print(f"{'model':44} {'parameters':>11} {'s/step':>8} {'× plain':>8}")
    for row in rows:
        print(f"{row['model']:44} {row['parameters']:11,} {row['seconds']:8.3f} {row['speedup']:8.2f}")
    ours, torchs = of_dropout["ours"], of_dropout["torch"]
    print(f"dropout alone, 16 × 100 × 1024: {ours:.4f} s, torch's {torchs:.4f} s ({torchs / ours:.2f} ×)")


if __name__ == "__main__":
    main()
