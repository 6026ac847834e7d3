"""Training code of a user, without any of our packages: a script and a function that take no time."""

from __future__ import annotations

import sys
from pathlib import Path

SCRIPT = """\
import argparse
import json
import random
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--fusion")
parser.add_argument("--seed", type=int)
parser.add_argument("--out", type=Path)
asked = parser.parse_args()

score = 0.7 + random.Random(asked.seed).gauss(0, 0.02) + (0.05 if asked.fusion == "gated" else 0.0)
print("training with", asked.fusion)
with open(asked.out / "epochs.jsonl", "w") as epochs:
    for epoch in range(1, 4):
        print(json.dumps({"epoch": epoch, "accuracy": score - 0.1 / epoch, "train/loss": 1 / epoch}), file=epochs)
(asked.out / "scores.json").write_text(json.dumps({"accuracy": score, "validation/accuracy": score - 0.01}))
"""
"""Its score depends on the fusion and the seed."""

COMMAND = "{python} train.py --lr {lr} --fusion {fusion} --seed {repeat} --out {workdir}"

STUDY = f"""\
question: Does the gate help?
runner:
  command: "{COMMAND}"
base: {{lr: 1e-3, fusion: gated}}
arms:
  gated: {{}}
  concat: {{fusion: concat}}
reference: concat
repeats: 8
metric: accuracy
"""

FUNCTION = """\
import random


def run(config, repeat, workdir, report):
    score = 0.7 + random.Random(repeat).gauss(0, 0.02) + (0.05 if config["fusion"] == "gated" else 0.0)
    for epoch in range(1, 4):
        report(epoch=epoch, accuracy=score - 0.1 / epoch, **{"train/loss": 1 / epoch})
    return {"accuracy": score, "validation/accuracy": score - 0.01}
"""

FUNCTION_STUDY = STUDY.replace(f'command: "{COMMAND}"', 'function: "mine:run"')


def project(folder: Path, study: str = STUDY, **files: str) -> Path:
    """The file of a study beside its training code.

    Args:
        files: content by name of a module: those that differ from the script ``train`` and the function ``mine``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"train": SCRIPT, "mine": FUNCTION, **files}.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    path = folder / "gate.yaml"
    path.write_text(study.replace("{python}", sys.executable), encoding="utf-8")
    return path
