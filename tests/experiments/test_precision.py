"""What a plan knows of precision before a worker starts."""

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.cli.main import app
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.planning.precision import bf16_units, gain, precision_warnings
from experiments.planning.request import Options
from experiments.planning.work import Sides, scoring, step, training, work_of
from mmcore.config import build_config, override
from mmcore.errors import ConfigError
from mmcore.schema import CorpusSchema


@pytest.fixture
def opened(tmp_path):
    def build(device="cpu", **base):
        file = tmp_path / "study.yaml"
        arms = {"fp32": {}, "bf16": {"training.precision": "bf16"}}
        study = {"question": "Which?", "preset": "quick", "reference": "fp32", "arms": arms, "base": base}
        file.write_text(json.dumps(study), encoding="utf-8")
        return open_request(str(file), Home((tmp_path / "home").resolve()).make(), Options(device=device))

    return build


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("processor : 0\nflags\t\t: fpu avx512f avx512_bf16 amx_tile\n", True),
        ("processor : 0\nflags\t\t: fpu avx2 fma\n", False),
        ("processor : 0\nFeatures\t: fp asimd bf16\n", True),
        ("processor : 0\n", None),
    ],
)
def test_the_system_says_whether_there_are_units(text, units, tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text(text, encoding="ascii")
    assert bf16_units(file) is units
    assert bf16_units(tmp_path / "none") is None


def test_a_plan_says_where_bf16_slows_down(opened):
    small = opened(**{"model.width": 8, "model.feed_forward": 16})
    (told,) = precision_warnings(small, units=True)
    assert told.startswith("training.precision bf16 is slower than fp32 for models as small as 'bf16'")
    (told,) = precision_warnings(small, units=False)
    assert told.startswith("this processor has no units for bfloat16: 'bf16' will take longer")
    large = opened(**{"model.width": 256, "model.layers": 6, "model.feed_forward": 1024})
    assert precision_warnings(large, units=True) == ()
    assert precision_warnings(opened(device="cuda"), units=False) == ()
    fp32 = replace(small, study=replace(small.study, arms=small.study.arms[:1]))
    assert precision_warnings(fp32, units=False) == ()


def test_an_estimate_knows_the_precision(opened):
    schema: CorpusSchema = opened().schema
    sides = Sides((100,) * 8, (100,) * 2, (100,) * 2)
    for width, faster in ((8, False), (256, True)):
        values = {"corpus": "c", "data": {"window": 50}, "model": {"width": width, "feed_forward": 4 * width}}
        config = build_config(values)
        bf16 = build_config(override(values, {"training.precision": "bf16"}))
        works = [work_of(one, schema, sides) for one in (config, bf16)]
        assert (gain(config, schema) > 1) is faster
        for guess in (step, training, lambda work: scoring(work, 8)):
            before, after = (guess(work) for work in works)
            assert after.products < before.products
            assert after.calls > before.calls


def test_the_plan_of_arms_on_both_sides_has_another_time_for_each(opened, tmp_path):
    found = plan(opened(), Home((tmp_path / "home").resolve()))
    seconds = {run.arm: run.seconds for run in found.runs}
    assert 0 < seconds["bf16"] < seconds["fp32"]


def test_a_study_that_a_device_cannot_compute_is_refused_before_anything_is_trained(tmp_path):
    from experiments.driver import run_study

    file = tmp_path / "tf32.yaml"
    arms = {"fp32": {}, "tf32": {"training.precision": "tf32"}}
    file.write_text(json.dumps({"question": "Which?", "reference": "fp32", "arms": arms}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"training\.precision tf32 does not work on cpu"):
        run_study(str(file), tmp_path / "home")
    assert not list((tmp_path / "home" / "runs").glob("*"))


def test_the_commands_of_the_page_plan_what_it_says(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "precision.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, flags=re.S) for line in block.splitlines()]
    told = [CliRunner().invoke(app, ["--home", str(tmp_path), *shlex.split(line)[1:]]) for line in lines]
    assert [one.exit_code for one in told] == [0, 0]
    assert "changed  training.precision = bf16" in told[0].output
    assert "bf16" in told[1].output
