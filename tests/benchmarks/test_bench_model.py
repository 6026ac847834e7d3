"""The benchmark compares like with like: the plain implementation computes what ours computes."""

import json
import runpy
from pathlib import Path

import pytest
import torch

from mmcore.config import ModelConfig
from mmcore.model.build import build_model
from mmcore.training.losses import component_losses

BENCH = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "bench_model.py"), run_name="bench_model")
RENAMED = {
    "embed.audio": "embedding.linears.from_audio",
    "embed.visual": "embedding.linears.from_visual",
    "embed.track": "embedding.linears.from_track",
    "gate.audio": "fusion.gates.from_audio",
    "gate.visual": "fusion.gates.from_visual",
    "gate.track": "fusion.gates.from_track",
    "self_attn.in_proj_weight": "attention.in_weight",
    "self_attn.in_proj_bias": "attention.in_bias",
    "self_attn.out_proj.weight": "attention.out_weight",
    "self_attn.out_proj.bias": "attention.out_bias",
    "linear1": "widen",
    "linear2": "narrow",
    "norm1": "attention_norm",
    "norm2": "feed_forward_norm",
    "tracks.weight": "head.track.weight",
    "shared": "head.hidden",
}


def test_plain_and_ours_agree_in_outputs_loss_and_gradients() -> None:
    schema = BENCH["SCHEMA"]
    sizes = {"width": 32, "layers": 2, "heads": 4, "feed_forward": 48, "head": {"kind": "shared"}}
    config = ModelConfig.model_validate(sizes)
    ours, plain = build_model(config, schema, causal=False, repeat=0), BENCH["PlainModel"](config)
    theirs = dict(ours.named_parameters())
    first = 0
    with torch.no_grad():
        for name, parameter in plain.named_parameters():
            if name.startswith("outputs."):
                continue
            for old, new in RENAMED.items():
                name = name.replace(old, new)
            parameter.copy_(theirs.pop(name))
        for p in schema.targets.parameters:
            plain.outputs[p.name].weight.copy_(ours.head.output.weight[first : first + p.outputs])
            plain.outputs[p.name].bias.copy_(ours.head.output.bias[first : first + p.outputs])
            first += p.outputs
    assert set(theirs) == {"head.output.weight", "head.output.bias"}

    batch = BENCH["make_batch"](4, 6)
    plain.eval()
    found, wanted = ours(batch), plain(batch)
    wanted_BTKO = torch.cat([wanted[p.name] for p in schema.targets.parameters], dim=-1)
    torch.testing.assert_close(found[batch.valid_BT], wanted_BTKO[batch.valid_BT], atol=1e-5, rtol=1e-4)

    our_loss = torch.stack(list(component_losses(found, batch, schema.targets).values())).sum()
    plain_loss = BENCH["plain_loss"](wanted, batch)
    assert our_loss.item() == pytest.approx(plain_loss.item(), rel=1e-5)
    our_loss.backward()
    plain_loss.backward()
    for linear in ("audio", "visual", "track"):
        torch.testing.assert_close(
            ours.get_parameter(f"embedding.linears.from_{linear}.weight").grad,
            plain.embed[linear].weight.grad,
            atol=1e-5,
            rtol=1e-3,
        )


def test_it_prints_one_row_per_model_with_the_known_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--width", "16", "--layers", "1", "--batch", "4", "--window", "5"]
    BENCH["main"](["--steps", "1", "--format", "json", *sizes])
    rows = {row["model"]: row for row in json.loads(capsys.readouterr().out)["models"]}
    assert list(rows) == [BENCH["PLAIN"], *BENCH["ARMS"]]
    assert all(row["seconds"] > 0 and row["speedup"] > 0 for row in rows.values())
    assert rows[BENCH["PLAIN"]]["parameters"] == rows["gated, head shared"]["parameters"]
    BENCH["main"](["--steps", "1", *sizes])
    printed = capsys.readouterr().out
    assert "track-only" in printed
    assert "dropout alone" in printed
