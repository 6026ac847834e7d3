"""An arm's model as a file: its numbers are those of the arm's own predictions."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from factories.command import mmstudy

from experiments import exporting
from experiments.exporting import onnx_run
from experiments.home import Home
from experiments.model_card import card_of
from experiments.planning.plan import plan
from experiments.quantised import Cost, cost_of
from experiments.results import load_results
from experiments.trained_arm import TrainedArm
from mmcore.errors import StudyError
from mmcore.exporting import Deployed, Example
from mmcore.language import LANGUAGES, Language, speaking
from reports.output.text import as_text
from reports.summary.build import summarise

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_a_file_gives_the_numbers_of_predict(
    arm: TrainedArm, trained: tuple[Path, Path, Home], tmp_path: Path, kind: str
) -> None:
    study, corpus, home = trained
    out = tmp_path / "out"
    done = mmstudy(home, "export", study, "both", "--out", out, "--format", kind, "--corpus", corpus,
                   *(["--int8"] if kind == "onnx" else []))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.iterdir()) == sorted(Path(line).name for line in done.stdout.split())
    facts = json.loads((out / "model.json").read_text(encoding="utf-8"))
    assert (facts["window"], facts["ahead"], facts["repeat"]) == (20, 1, arm.best)
    assert [one["columns"] for one in facts["inputs"]] == [["level"], ["0_x"]]
    assert facts["outputs"] == [{"parameter": "x", "kind": "continuous", "numbers": 1, "when": None}]
    # Of the item's 40 steps two windows; content is read some steps ahead, as the file says.
    tables = {name: pd.read_parquet(corpus / name / "item03.parquet") for name in ("audio", "track")}
    level, x = (tables[n][c].to_numpy(np.float32) for n, c in (("audio", "level"), ("track", "0_x")))
    shift = facts["content_ahead"]
    ahead = np.concatenate([level[shift:], np.full(shift, np.nan, np.float32)])
    values = [ahead.reshape(2, 20, 1), x.reshape(2, 20, 1)]
    present = np.ones((2, 20, 2), bool)
    present[1, 20 - shift :, 0] = False
    valid = np.ones((2, 20), bool)
    names: list[str] = []
    if kind == "onnx":
        session = onnxruntime.InferenceSession(out / "model.onnx")
        names = [one.name for one in session.get_inputs()]
        found = session.run(None, dict(zip(names, [*values, present, valid], strict=True)))[0]
    else:
        module = torch.export.load(out / "model.pt2").module()
        with torch.no_grad():
            found = module([torch.tensor(v) for v in values], torch.tensor(present), torch.tensor(valid)).numpy()
    expected = arm.predict(tables, "best").values["value"]
    np.testing.assert_allclose(found.reshape(-1), expected, atol=1e-5)
    if kind == "onnx":
        for file in ("model.onnx", "model_int8.onnx"):
            assert b"exporting.py" not in (out / file).read_bytes(), "a file names no place of this machine"
        small = onnxruntime.InferenceSession(out / "model_int8.onnx")
        given = dict(zip(names, [*values, present, valid], strict=True))
        np.testing.assert_allclose(small.run(None, given)[0].reshape(-1), expected, atol=0.2)
        # The suite's own code scores both files on the test items: nearly the same, and not the very same.
        cost = facts["int8"]
        assert cost["metric"] == arm.request.study.metric.name
        assert 0 < abs(cost["whole"] - cost["small"]) < 0.05
        assert f"{cost['small']:.4f} in place of {cost['whole']:.4f}" in done.stderr
        deployed = Deployed(arm.members("best")[0], arm.schema)
        again = cost_of(arm, "best", deployed, onnx_run(out / "model.onnx"), out / "model.onnx", out / "model.onnx")
        assert again.small == pytest.approx(again.whole, abs=1e-6)
    card = (out / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert str(corpus) not in card
    for part in (
        "- Corpus: tiny",
        "- The model reads: audio, track",
        "## What was found",
        "'both' ",
        "## Doubts",
        "ABL0",
        "## Limits",
    ):
        assert part in card


def test_the_card_is_in_the_readers_language(arm: TrainedArm) -> None:
    (member,) = arm.members("best")
    cost = Cost("loss", 4, 0.5, 0.25, 2000, 1000)
    cards: dict[Language, str] = {}
    for name in LANGUAGES:
        with speaking(name):
            summary = summarise(load_results(plan(arm.request, arm.home), arm.home))
            cards[name] = card_of(arm.request, arm.arm, member.config, summary, as_text(summary), cost).partition(
                "```text"
            )[0]
    english, japanese = cards["en"], cards["ja"]
    assert "loss on the test item of this repeat is" in replace(cost, items=1).text
    assert english.count("\n") == japanese.count("\n")
    assert "loss on the 4 test items of this repeat is 0.2500 in place of 0.5000." in english
    # The question is the user's.
    said = japanese.replace(arm.request.study.question, "")
    assert re.findall(r"(?<![\w/.'])[A-Za-z][a-z]+(?: [a-z]+){2,}", said) == []


class _Sized(torch.nn.Module):
    """Does something else for many rows than for few, which one traced example does not show."""

    def forward(self, values: list[torch.Tensor], present_BTM: torch.Tensor, valid_BT: torch.Tensor) -> torch.Tensor:
        rows = valid_BT.shape[0] * valid_BT.shape[1]
        return torch.stack(values).sum(0).unsqueeze(-1) * (2 if rows > 35 else 1)


def test_a_file_that_works_at_some_sizes_only_is_refused(tmp_path: Path) -> None:
    def example(batch: int, steps: int) -> Example:
        return [torch.ones(batch, steps, 1)], torch.ones(batch, steps, 1) > 0, torch.ones(batch, steps) > 0

    axes = {0: torch.export.Dim("batch", min=1, max=4096), 1: torch.export.Dim("time", min=2, max=20)}
    module = _Sized()
    program = torch.export.export(
        module, example(2, 20), dynamic_shapes={"values": [axes], "present_BTM": axes, "valid_BT": axes}
    )
    torch.export.save(program, tmp_path / "model.pt2")
    run = exporting._program(tmp_path / "model.pt2")
    exporting._check(module, run, example(2, 20), tmp_path / "model.pt2")
    with pytest.raises(StudyError) as refused:
        exporting._check(module, run, example(3, 10), tmp_path / "model.pt2")
    assert refused.value.expected == "it computes 3 windows of 10 steps"
    assert "> 35" in str(refused.value.found)
    assert "--format" in str(refused.value.next_step)


def test_all_models_are_not_one_file(trained: tuple[Path, Path, Home], tmp_path: Path) -> None:
    study, corpus, home = trained
    refused = mmstudy(home, "export", study, "both", "--out", tmp_path, "--model", "all", "--corpus", corpus)
    assert refused.returncode == 2
    assert "best or the number of a repeat" in refused.stderr
