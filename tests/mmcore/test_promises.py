"""Broken classes of a user are caught, each by the promise that it breaks, with an example."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from factories.command import mmstudy
from factories.own_parts import write_package

from experiments.home import Home
from mmcore.errors import ConfigError
from mmcore.promises.verify import FAMILIES, Verified, verify

HEAD = """\
import torch
from torch import nn


class Mine(nn.Module):
    def __init__(self, modalities, width):
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(width, width) for _ in modalities)
        self.calls = 0

"""
BROKEN_FUSIONS = {
    "padded steps": (
        "length",
        "def forward(self, embedded):\n"
        "    mixed = sum(l(x) for l, x in zip(self.linears, embedded))\n"
        "    return mixed + mixed.mean(1, keepdim=True)",
        r"row 2 was read alone, without its 4 padded steps; the output at row 0, step 0, track 0, output 0 was",
    ),
    "rows": (
        "rows",
        "def forward(self, embedded):\n"
        "    mixed = sum(l(x) for l, x in zip(self.linears, embedded))\n"
        "    return mixed - mixed.mean(0, keepdim=True)",
        r"all values of row 2 were set to 3; the output at row 0, step 0, .* became|in the order 2, 0, 3, 1",
    ),
    "a modality": (
        "reads-all",
        "def forward(self, embedded):\n    return self.linears[0](embedded[0]) + self.linears[1](embedded[1])",
        r"all values of track in row 0 were set to 3; its outputs changed by 0 at most",
    ),
    "noise": (
        "repeatable",
        "def forward(self, embedded):\n"
        "    return sum(l(x) for l, x in zip(self.linears, embedded)) + torch.rand(()) * 0.1",
        "an evaluation draws from torch's global generator",
    ),
    "a count": (
        "repeatable",
        "def forward(self, embedded):\n"
        "    self.calls += 1\n"
        "    return sum(l(x) for l, x in zip(self.linears, embedded)) + 0.01 * self.calls",
        "the same batch was read twice in evaluation; the output at row 0, step 0, track 0, output 0 was",
    ),
    "NaN": (
        "finite-empty",
        "def forward(self, embedded, usable):\n"
        "    mixed = sum(l(x) for l, x in zip(self.linears, embedded))\n"
        "    return mixed / usable.sum(-1, keepdim=True)",
        r"no modality is there; the output at row 0, step 0, track 0, output 0 is (nan|inf)",
    ),
    "the future": (
        "causal",
        "over_time = True\n\n"
        "def forward(self, embedded, usable):\n"
        "    mixed = sum(l(x) for l, x in zip(self.linears, embedded))\n"
        "    weight = usable.any(-1, keepdim=True).float()\n"
        "    return mixed + (mixed * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp_min(1)",
        r"in a causal model the output at step 0 depends on audio at step \d: its gradient is",
    ),
    "the trace": (
        "trace",
        "def forward(self, embedded, trace):\n"
        "    mixed = sum(l(x) for l, x in zip(self.linears, embedded))\n"
        "    if trace is not None:\n"
        "        trace.keep('gates/audio', mixed * 9)\n"
        "    return mixed",
        r"trace gates/audio must lie in 0 … 1; it reaches -",
    ),
    "an error": (
        "shape",
        "def forward(self, embedded):\n    return embedded[9]",
        r"IndexError: list index out of range \(at mine.py, line 12, in forward: return embedded\[9\]\)",
    ),
    "a shape": (
        "shape",
        "def forward(self, embedded):\n    return embedded[0][..., :1]",
        r"forward of mine:Mine must return a tensor \(B, T, D\) = \(4, 7, 16\); found \(4, 7, 1\)",
    ),
}


def write(folder: Path, body: str) -> None:
    text = HEAD + "".join(f"    {line}\n" if line else "\n" for line in body.splitlines())
    (folder / "mine.py").write_text(text, encoding="utf-8")


def broken(found: Verified) -> dict[str, str]:
    return {promise.name: promise.broken for promise in found.promises if promise.broken is not None}


@pytest.mark.parametrize("fault", BROKEN_FUSIONS)
def test_each_broken_fusion_is_caught_by_its_own_promise(tmp_path: Path, fault: str) -> None:
    promise, body, example = BROKEN_FUSIONS[fault]
    write(tmp_path, body)
    told = broken(verify("mine:Mine", folder=tmp_path))
    assert promise in told

    assert re.search(example, told[promise]), told


def test_promises_are_told_apart(tmp_path: Path) -> None:
    own: dict[str, set[str]] = {}
    for fault in ("padded steps", "rows", "a modality", "noise", "NaN", "the trace"):
        write(tmp_path, BROKEN_FUSIONS[fault][1])
        own[fault] = {*broken(verify("mine:Mine", folder=tmp_path))}
    assert own["padded steps"] <= {"length", "causal"}
    assert own["rows"] <= {"rows", "reads-all", "length"}
    assert own["a modality"] == {"reads-all", "gradients"}
    assert own["noise"] <= {"repeatable", "state", "absent", "padding", "length", "rows", "reads-all", "trace"}
    assert own["NaN"] == {"finite-empty"}
    assert own["the trace"] == {"trace"}


OWN = {
    "fusion": "my_pkg.fusion:Product",
    "head": "my_pkg.layers:Head",
    "encoder": "my_pkg.layers:Conv",
    "embedding": "my_pkg.layers:Two",
    "weighting": "my_pkg.scores:Inverse",
    "augmentation": "my_pkg.scores:Flip",
}


@pytest.mark.parametrize("family", OWN)
def test_a_sound_class_keeps_every_promise_and_its_family_is_guessed(tmp_path: Path, family: str) -> None:
    found = verify(OWN[family], folder=write_package(tmp_path))
    assert (found.family, broken(found)) == (family, {})
    assert all(promise.tested > 0 for promise in found.promises)


def test_a_whole_model_for_steps_is_none_for_items(tmp_path: Path) -> None:
    write_package(tmp_path)
    assert broken(verify("my_pkg.models:Recurrent", folder=tmp_path, scope="step")) == {}
    told = verify("my_pkg.models:Recurrent", folder=tmp_path)
    assert broken(told) == {
        "shape": "forward of my_pkg.models:Recurrent must return a tensor (B, T, K, O) = (4, 1, 2, 3); "
        "found (4, 7, 2, 3)"
    }


SCORES = {
    "total": ("loss", "sum", "return (predicted - true).square().mean()", "must return the loss of each target"),
    "others": ("loss", "sum", "return (predicted - true).square() * (1 + true.mean())", "handed over one by one"),
    "far off": ("loss", "finite", "return (predicted - true).exp()", "predictions of the size 1000; the loss is inf"),
    "constant": ("loss", "gradients", "return predicted * 0 + 1", "the gradient of all 12 predictions is 0"),
    "array": ("metric", "number", "return predicted - true", "must return one number"),
    "order": ("metric", "order", "return float((predicted - true)[0])", "in another order"),
    "direction": ("metric", "direction", "return abs(predicted - true).mean()", "higher is better, but perfect"),
}


@pytest.mark.parametrize("fault", SCORES)
def test_a_broken_loss_or_metric_is_caught(tmp_path: Path, fault: str) -> None:
    family, promise, body, example = SCORES[fault]
    text = f"class Mine:\n    def __call__(self, predicted, true):\n        {body}\n"
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    told = broken(verify("mine:Mine", family, folder=tmp_path, higher_is_better=True))  # pyright: ignore[reportArgumentType]
    assert example in told[promise]


@pytest.mark.parametrize(
    ("body", "promise", "example"),
    [
        ("def __call__(self, losses): return [1.0, -1.0, 1.0]", "weights", "at least 0 and not all 0"),
        ("def __call__(self, losses): return 1 / losses", "no-targets", "must return one weight for each component"),
        (
            "n = 0\n    def __call__(self, losses):\n        self.n += 1\n        return losses ** self.n",
            "state",
            "saved",
        ),
    ],
)
def test_a_broken_weighting_is_caught(tmp_path: Path, body: str, promise: str, example: str) -> None:
    (tmp_path / "mine.py").write_text(f"class Mine:\n    {body}\n", encoding="utf-8")
    assert example in broken(verify("mine:Mine", folder=tmp_path))[promise]


def test_a_broken_augmentation_is_caught(tmp_path: Path) -> None:
    text = "import numpy as np\nclass Mine:\n    def __call__(self, values):\n        values['audio'] *= np.random.rand()\n"  # noqa: E501
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    assert "values of audio differ" in broken(verify("mine:Mine", folder=tmp_path))["seeded"]


def test_a_family_that_cannot_be_guessed_is_asked_for(tmp_path: Path) -> None:
    write_package(tmp_path)
    with pytest.raises(ConfigError, match=rf"cannot be guessed; expected one of {', '.join(FAMILIES)}"):
        verify("my_pkg.scores:LogCosh", folder=tmp_path)


def test_the_command_tells_an_example_and_its_exit_code_whether_all_is_well(tmp_path: Path) -> None:
    home, folder = Home(tmp_path / "home"), write_package(tmp_path)
    done = mmstudy(home, "verify", "my_pkg.fusion:Product", "--folder", folder, "--args", "{scale: 2}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "14 of 14 promises kept; examples of 4 rows, 7 steps, 3 modalities, width 16, seed 0" in done.stdout
    write(tmp_path, BROKEN_FUSIONS["a modality"][1])
    done = mmstudy(home, "verify", "mine:Mine", "--folder", folder)
    assert done.returncode == 1
    assert "BROKEN  reads-all     Every modality that is there changes the output." in done.stdout
    assert "found (post-free): all values of track in row 0 were set to 3" in done.stdout
    done = mmstudy(home, "verify", "mine:Mine", "--folder", folder, "--format", "json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["family"], told["broken"]) == (1, "fusion", 2)
    for words, message in (
        (["mine:Yours"], "'mine' does not define 'Yours'"),
        (["mine:Mine", "--args", "{depth: 2}"], "mine:Mine does not take the argument 'depth'"),
        (["mine:Mine", "--args", "depth"], "--args takes a mapping"),
    ):
        done = mmstudy(home, "verify", *words, "--folder", folder)
        assert done.returncode == 2
        assert message in done.stderr


NAN = {
    "without a modality": (
        "return mixed / usable.sum(-1, keepdim=True)",
        "finite-empty",
        "no modality is there; the output at row 0, step 0, track 0, output 0 is ",
    ),
    "with one modality": (
        "return mixed / torch.where(usable.sum(-1, keepdim=True) == 1, 0.0, 1.0)",
        "finite-one",
        "audio alone is there; the output at ",
    ),
    "with two modalities": (
        "return mixed / torch.where(usable.sum(-1, keepdim=True) == 2, 0.0, 1.0)",
        "absent",
        "a third of the places lack a modality; the output at ",
    ),
}


@pytest.mark.parametrize(("body", "teller", "text"), NAN.values(), ids=NAN)
def test_nan_is_said_once_by_the_promise_that_says_when_it_comes(
    tmp_path: Path, body: str, teller: str, text: str
) -> None:
    code = (
        "    def forward(self, embedded, usable):\n"
        "        mixed = sum(l(x) for l, x in zip(self.linears, embedded))\n"
        f"        {body}\n"
    )
    (tmp_path / "mine.py").write_text(HEAD + code)
    found = verify("mine:Mine", "fusion", folder=tmp_path)
    (broken,) = [promise for promise in found.promises if promise.broken is not None]
    assert broken.name == teller
    assert broken.broken is not None
    assert broken.broken.startswith(text)
    # A variant in which an absent modality is usable is finite, and tested on all of them.
    always = body == NAN["without a modality"][0]
    others = {promise.tested for promise in found.promises if promise.name not in ("shape", teller)}
    assert others == ({0} if always else {1})
    done = mmstudy(Home(tmp_path / "home"), "verify", "mine:Mine", "--family", "fusion", "--folder", tmp_path)
    assert done.returncode == 1
    assert len(re.findall(r"\b(?:nan|inf)\b", done.stdout)) == 1
    assert re.search(r"and \d+ more of \d+ are not finite", done.stdout)
    assert ("open: 12 promises, tested once what is broken is put right" in done.stdout) == (others == {0})


def test_nan_in_some_variants_leaves_the_others_tested(tmp_path: Path) -> None:
    code = (
        "    over_time = True\n\n"
        "    def forward(self, embedded, causal, valid):\n"
        "        mixed = sum(l(x) for l, x in zip(self.linears, embedded))\n"
        "        return mixed * (float('nan') if causal else 1.0) + valid.sum() * 1e-3\n"
    )
    (tmp_path / "mine.py").write_text(HEAD + code)
    found = {promise.name: promise for promise in verify("mine:Mine", "fusion", folder=tmp_path).promises}
    assert "is nan" in str(found["finite-empty"].broken)
    # The promise that breaks by itself is found in the variants that are finite.
    assert "became" in str(found["length"].broken)
    assert 0 < found["rows"].tested < found["shape"].tested


def test_one_error_behind_several_promises_is_shown_once(tmp_path: Path) -> None:
    code = (
        "    def forward(self, embedded, rng):\n"
        "        if rng is not None:\n"
        "            raise RuntimeError('no rng is wanted')\n"
        "        return sum(l(x) for l, x in zip(self.linears, embedded))\n"
    )
    (tmp_path / "mine.py").write_text(HEAD + code)
    done = mmstudy(Home(tmp_path / "home"), "verify", "mine:Mine", "--family", "fusion", "--folder", tmp_path)
    assert done.returncode == 1
    assert done.stdout.count("RuntimeError: ") == 1
    assert done.stdout.count("the same as for seeded") == done.stdout.count("BROKEN") - 1 > 2
