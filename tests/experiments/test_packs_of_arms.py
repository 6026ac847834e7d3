"""A study of loss weights: its arms share packs, the plan shows which, and its times are those of packs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from factories.command import mmstudy
from factories.corpora import with_a_second_target

from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.estimate import Estimate
from experiments.planning.plan import plan, plans_models
from experiments.planning.remaining import Remaining
from experiments.planning.request import Options
from experiments.planning.stages import TRAIN, Part, Stage
from experiments.planning.timings import read
from experiments.records import read_record

pytestmark = pytest.mark.usefixtures("no_mirror")

ARMS = """\
  position: {loss.weights: {position: 5.0}}
  learned: {loss.weighting.kind: uncertainty}
  slow: {training.optimiser.learning_rate: 0.00005}
  surgical: {loss.weighting.kind: gradnorm}
"""


@pytest.fixture
def corpus(tiny_corpus: Path, tmp_path: Path) -> Path:
    return with_a_second_target(tiny_corpus, tmp_path / "two")


@pytest.fixture
def weights_study(tiny_study: Path) -> Path:
    """Arms of two shapes, and one that cannot be packed."""
    tiny_study.write_text(tiny_study.read_text(encoding="utf-8") + ARMS, encoding="utf-8")
    return tiny_study


@pytest.mark.mirrored
def test_a_study_of_loss_weights_is_trained_as_packs_of_its_arms(
    corpus: Path, weights_study: Path, home: Home, tmp_path: Path
) -> None:
    """As the plan says; scores are those of runs one by one but for rounding, and each keeps its share of the time."""
    words = [weights_study, "--corpus", corpus, "--workers", "1"]
    told = mmstudy(home, "plan", *words, "--pack", "4")
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    at = lines.index("10 runs as 3 packs, each one batch:")
    assert lines[at + 1 : at + 5] == [
        "  both, position, learned, slow r0",
        "  track r0 to r1",
        "  both, position, learned, slow r1",
        "one by one, surgical r0 to r1: loss.weighting gradnorm needs the gradient of each component",
    ]
    found = json.loads(mmstudy(home, "plan", *words, "--pack", "4", "--format", "json").stdout)
    assert [len(pack["runs"]) for pack in found["packs"]] == [4, 2, 1, 4, 1]
    assert found["packs"][1] == {
        "runs": [{"arm": "track", "repeat": 0}, {"arm": "track", "repeat": 1}], "why_alone": None,
    }  # fmt: skip
    assert "gradnorm" in found["packs"][2]["why_alone"]
    assert json.loads(mmstudy(home, "plan", *words, "--format", "json").stdout)["packs"] is None
    assert not home.runs.exists() or not [*home.runs.iterdir()]

    assert mmstudy(home, "run", *words).returncode == 0
    other = Home(tmp_path / "other")
    told = mmstudy(other, "run", *words, "--pack", "4")
    assert told.returncode == 0, told.stderr
    together = {"both": 4, "position": 4, "learned": 4, "slow": 4, "track": 2, "surgical": None}
    names = sorted(folder.name for folder in home.runs.iterdir())
    assert names == sorted(folder.name for folder in other.runs.iterdir())
    scores, records = set(), {}
    for name in names:
        alone, packed = read_record(home.run(name)), read_record(other.run(name))
        assert alone is not None
        assert packed is not None
        assert packed.score() == pytest.approx(alone.score(), abs=1e-4)
        assert (alone.hardware.packed, packed.hardware.packed) == (None, together[packed.arm])
        scores.add(round(packed.score(), 5))
        records[name] = packed
    assert len(scores) > 8, "arms that are alike would prove nothing"
    told_shares = {timing.run: timing for timing in read(other) if timing.packed}
    assert set(told_shares) == {name for name, record in records.items() if record.arm != "surgical"}
    for name, timing in told_shares.items():
        assert timing.packed == together[records[name].arm]
        assert timing.seconds == pytest.approx(records[name].seconds, abs=1e-2)


def test_what_packs_took_says_nothing_of_runs_alone(corpus: Path, weights_study: Path, home: Home) -> None:
    """A plan with --pack expects the shares that were measured; one without expects what runs alone take."""
    words = [weights_study, "--corpus", corpus, "--workers", "1"]
    assert mmstudy(home, "run", *words, "--pack", "8").returncode == 0
    longer = {"workers": 1, "corpus": str(corpus), "repeats": 6}

    def expected(**more: Any) -> dict[str, float]:
        found = plan(open_request(str(weights_study), home, Options(**longer, **more)), home)
        assert plans_models(found)
        return {run.arm: run.seconds for run in found.runs if run.state == "to do"}

    shares = {timing.name: timing for timing in read(home) if timing.packed}
    together, alone = expected(pack=8), expected()
    assert shares
    for arm in ("both", "position"):
        measured = [r.seconds for f in home.runs.iterdir() if (r := read_record(f)) is not None and r.arm == arm]
        assert together[arm] == pytest.approx(sum(measured) / len(measured), abs=1e-2)
        assert alone[arm] != pytest.approx(together[arm], rel=1e-3)


def test_a_stage_of_packs_takes_as_long_as_its_packs(tiny_corpus: Path, tiny_study: Path, home: Home) -> None:
    """Three packs on two workers: one of the workers does two of them, whatever their runs could be dealt into."""
    of_packs = Stage(TRAIN, (Part("a", 6, Estimate(10.0)),), 2, Estimate(0.0), (20.0, 20.0, 20.0))
    assert of_packs.seconds == 40
    assert Stage(TRAIN, of_packs.parts, 2, Estimate(0.0)).seconds == 30
    options = Options(corpus=str(tiny_corpus), repeats=6, pack=6, workers=4)
    found = plan(open_request(str(tiny_study), home, options), home)
    train = next(stage for stage in found.stages if stage.name == TRAIN)
    assert (train.workers, train.jobs, found.workers) == (2, 12, 2), "two packs keep two workers busy"
    each = [run.seconds for run in found.runs]
    assert train.dealt == pytest.approx((sum(each[::2]), sum(each[1::2])))
    assert train.seconds == pytest.approx(train.lead.seconds + max(train.dealt or ()))


def test_the_time_left_of_packs_is_that_of_their_shares() -> None:
    """Four runs at once on one worker take 40 s: those that wait take as long, not four times as long."""
    now = [0.0]
    remaining = Remaining(lambda: now[0])
    remaining.expect([Stage(TRAIN, (Part("a", 8, Estimate(2.0)),), 1, Estimate(0.0, 1.0))])
    remaining.begin(TRAIN)
    for run in range(4):
        remaining.started(f"a{run}", "a")
    now[0] = 40.0
    for run in range(4):
        remaining.finished(f"a{run}", "a", failed=False)
    assert remaining.left() == pytest.approx(40.0)
    for run in range(4, 8):
        remaining.started(f"a{run}", "a")
    now[0] = 50.0
    assert remaining.left() == pytest.approx(30.0)
