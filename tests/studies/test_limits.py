"""What no study needs is refused before any work, with its limit; each within a second."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from experiments.planning.request import Options
from mmcore.errors import StudyError
from mmcore.schema import CorpusSchema
from studies.repeats import Counted
from studies.resolve import resolve
from studies.study import read_study

TARGETS: dict[str, Any] = {"from": "t", "parameters": [{"name": "x", "component": "c"}]}
CLASSES = {"name": "x", "component": "c", "kind": "categorical"}
CORPUS: dict[str, Any] = {"format": 1, "name": "n", "modalities": {"t": {"features": [{"name": "0_x"}]}}}
SCHEMA = CorpusSchema.model_validate({**CORPUS, "step": 0.1, "reference": "t", "targets": TARGETS})

HEAD = "question: q?\npreset: null\nreference: base\n"


def resolved(folder: Path, text: str) -> Any:
    path = folder / "s.yaml"
    path.write_text(text)
    study, written = read_study(path)
    return resolve("s", study, written, None, None, folder, SCHEMA)


FACTORS = "{" + ", ".join(f"training.{k}: {v}" for k, v in [("epochs", [*range(1, 21)]), ("batch", [*range(1, 21)])])
FACTORIAL = f"design: {{kind: factorial, factors: {FACTORS}, model.layers: {[*range(20)]}}}}}\n"
SPACE = "arms: {base: {}, b: {model.layers: 2}}\nrepeats: 2\n" + (
    "search:\n  budget: {trials: 5}\n  sampler: SAMPLER\n  space:\n"
)

TOO_MUCH = [
    ("arms: {base: {}, b: {model.layers: 2}}\nrepeats: 1000000\n", "10000"),
    ("arms: {base: {}, b: {model.layers: 2}}\nrepeats: {min: 2, max: 1000000}\n", "10000"),
    ("arms: {base: {}, b: {model.layers: 2}}\nrepeats: {count: 2, first: 10000000000}\n", "1000000000"),
    ("repeats: 2\n" + FACTORIAL, "at most 1,000 arms; found 8,000"),
    ("repeats: 2\narms: {" + ", ".join(f"a{i}: {{model.layers: 2}}" for i in range(1001)) + "}\n", "1,000 arms"),
    (
        "repeats: 2\ndesign: {kind: one_factor, factors: {training.epochs: " + str([*range(1, 1002)]) + "}}\n",
        "1,000 arms",
    ),
    ("repeats: 10000\narms: {base: {}, " + ", ".join(f"a{i}: {{training.epochs: {i + 20}}}" for i in range(11)) + "}\n",
     "at most 100,000 runs"),
    ("repeats: 2\ncomparisons: pairs\narms: {base: {}, "
     + ", ".join(f"a{i}: {{training.epochs: {i + 20}}}" for i in range(500)) + "}\n", "at most 100,000 comparisons"),
    ("repeats: 2\nbase: {model.width: 1099511627776}\narms: {base: {}, b: {model.layers: 2}}\n", "65536"),
    ("repeats: 2\nbase: {training.epochs: 10000000}\narms: {base: {}, b: {model.layers: 2}}\n", "1000000"),
    ("repeats: 2\nanalyses: [{kind: coalitions, draws: 1000000000}]\narms: {base: {}, b: {model.layers: 2}}\n", "1000"),
    (SPACE.replace("SAMPLER", "random") + "    training.epochs: {kind: int, low: 1, high: 1000000000}\n",
     "100,000 values"),
    (SPACE.replace("SAMPLER", "grid") + "    model.dropout: {kind: uniform, low: 0, high: 0.5, points: 1000000000}\n",
     "100000"),
    (SPACE.replace("SAMPLER", "grid") + "".join(
        f"    {path}: {{kind: uniform, low: 0.1, high: 0.5, points: 1000}}\n"
        for path in ("model.dropout", "model.attention_dropout", "training.clip_norm")), "at most 100,000 settings"),
    (SPACE.replace("trials: 5", "trials: 1000000000").replace("SAMPLER", "random")
     + "    model.dropout: {kind: uniform, low: 0, high: 0.5}\n", "100000"),
    ("repeats: 2\nbase: {" + ", ".join(f"loss.weights.c{i}: 1.0" for i in range(2001))
     + "}\narms: {base: {}, b: {model.layers: 2}}\n", "at most 2,000 settings"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), TOO_MUCH)
def test_too_much_is_refused_in_a_second_with_its_limit(tmp_path: Path, text: str, words: str) -> None:
    began = time.process_time()
    with pytest.raises(StudyError) as caught:
        resolved(tmp_path, HEAD + text)
    # Reading a thousand lines of YAML takes most of it.
    assert time.process_time() - began < 3
    assert words in caught.value.message
    assert caught.value.message.startswith(f"{tmp_path / 's.yaml'}:")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"targets": {**TARGETS, "tracks": 1_000_000_000}}, "10000"),
        (
            {"targets": {**TARGETS, "parameters": [{**CLASSES, "classes": 10**9}]}},
            "100000",
        ),
        (
            {"targets": {"from": "t", "tracks": 5000, "parameters": [{**CLASSES, "classes": 50_000}]}},
            "at most 1,000,000 numbers a step",
        ),
        ({"modalities": {"t": {"features": [{"name": f"{n}{{0..99999}}"} for n in "abc"]}}}, "at most 200,000 columns"),
        ({"modalities": {"t": {"features": [{"name": "a{0.." + "9" * 400 + "}"}]}}}, "more than 9 digits"),
    ],
)  # fmt: skip
def test_a_corpus_too_large_to_be_meant_is_refused_at_once(change: dict[str, Any], words: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match=words):
        CorpusSchema.model_validate({**CORPUS, "targets": TARGETS, **change})
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "options",
    [
        {"corpus": ""}, {"metric": ""}, {"preset": " "}, {"corpus": "a\0b"}, {"storage": ""},
        {"repeats": 0}, {"repeats": 10**9}, {"workers": 0}, {"workers": 10**6}, {"threads": 10**6},
        {"changes": (("a.b", 1), ("a.b", 1))}, {"changes": (("", 1),)}, {"changes": (("a..b", 1),)},
        {"changes": (("a", date(2026, 1, 1)),)}, {"changes": (("a", float("nan")),)}, {"changes": (("a", {1: 2}),)},
        {"changes": (("a", "b\0"),)}, {"changes": (("a", ["\ud800"]),)}, {"changes": (("a", {2, 3}),)},
    ],
)  # fmt: skip
def test_options_that_mean_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(StudyError, match="--"):
        Options(**options)


def test_usual_options_stay() -> None:
    Options(
        corpus="a b", repeats=Counted(count=10, first=100), workers=2,
        changes=(("model.fusion", {"kind": "add"}), ("data.placebo", ["a"]), ("training.patience", None)),
    )  # fmt: skip
