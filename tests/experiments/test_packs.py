"""Repeats of an arm go to one worker as one job, and nothing of what a command promises is lost by it."""

from __future__ import annotations

from pathlib import Path

import pytest
from factories.command import mmstudy

from experiments.driver import run_study
from experiments.execute_pack import InPack, trial_pack
from experiments.home import Home
from experiments.launchers.cards import Card
from experiments.launchers.engine import LocalEngine, RayEngine, SlurmEngine
from experiments.launchers.messages import Finished, Job, Stop, Stopped, as_pack, decode, encode, runs_of
from experiments.launchers.pool import Death, Pool
from experiments.planning.packs import Packing, packing_note, packing_of, packs_of
from experiments.planning.request import OnCorpus, Options, PlannedRun
from experiments.records import read_record
from mmcore.config import RunConfig, build_config
from mmcore.data.prepared import Prepared
from mmcore.errors import StudyError
from mmcore.facts import Hardware
from mmcore.record import Record


def job(name: str, *beside: str) -> Job:
    runs = [Job(one, "s", "a", r, RunConfig(corpus="c"), "w", "p") for r, one in enumerate((name, *beside))]
    pack = as_pack(runs)
    assert pack is not None
    return pack


# Which runs go together ---------------------------------------------------------------------------------------------
def planned(arm: str, repeat: int, **overrides: object) -> PlannedRun[RunConfig]:
    config = build_config({"corpus": "c", "repeat": repeat, **overrides})
    return PlannedRun(arm, repeat, config, f"{arm}{repeat}", "to do", 0, 0.0)


def test_repeats_of_an_arm_go_together_in_packs_of_about_equal_size() -> None:
    wider = {"model": {"width": 512}}
    runs = [planned(arm, repeat, **more) for repeat in range(5) for arm, more in (("a", {}), ("b", wider))]
    packs = packs_of(runs, Packing(4), asked=True)
    assert [[run.fingerprint for run in pack.runs] for pack in packs] == [
        ["a0", "a1"], ["b0", "b1"], ["a2", "a3", "a4"], ["b2", "b3", "b4"],
    ]  # fmt: skip
    assert all(pack.why_alone is None for pack in packs)
    assert [len(pack.runs) for pack in packs_of(runs, Packing(), asked=False)] == [1] * 10


def test_arms_of_equal_shapes_go_together_repeat_by_repeat() -> None:
    """The same repeats of all arms share a pack; what has other operations, here another loss, does not."""
    arms: dict[str, dict[str, object]] = {
        "equal": {}, "heavy": {"loss": {"weights": {"x": 5.0}}}, "huber": {"loss": {"continuous": {"kind": "huber"}}},
        "fast": {"training": {"optimiser": {"kind": "adamw", "learning_rate": 0.01}, "clip_norm": None}},
    }  # fmt: skip
    runs = [planned(arm, repeat, **more) for repeat in range(4) for arm, more in arms.items()]
    packs = packs_of(runs, Packing(6), asked=True)
    assert [[run.fingerprint for run in pack.runs] for pack in packs] == [
        [f"{arm}{repeat}" for repeat in (0, 1) for arm in ("equal", "heavy", "fast")],
        [f"huber{repeat}" for repeat in range(4)],
        [f"{arm}{repeat}" for repeat in (2, 3) for arm in ("equal", "heavy", "fast")],
    ]


def test_what_cannot_be_packed_is_alone_and_says_why() -> None:
    gradnorm = {"loss": {"weighting": {"kind": "gradnorm"}}}
    runs = [planned("a", 0), planned("a", 1), planned("g", 0, **gradnorm), planned("g", 1, **gradnorm)]
    packs = packs_of([*runs, planned("one", 0, model={"width": 512})], Packing(10), asked=True)
    assert [(len(pack.runs), pack.why_alone) for pack in packs] == [
        (2, None),
        (1, "loss.weighting gradnorm needs the gradient of each component"),
        (1, "loss.weighting gradnorm needs the gradient of each component"),
        (1, "no other run that is to be trained has its shape"),
    ]


def test_auto_packs_on_a_graphics_card_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    there: list[Card] = []
    monkeypatch.setattr("experiments.planning.packs.cards", lambda: tuple(there))

    def gib() -> float:
        return float(2**30)

    none = packing_of("auto", LocalEngine(), "cuda", gib)
    assert (none.most, none.why_not) == (1, "without a graphics card a pack is no faster")
    there.append(Card("0", 16 * 2**30))
    assert packing_of("auto", LocalEngine(), "cuda", gib).most == 6
    assert packing_of("auto", LocalEngine(), "cpu", gib).most == 1
    assert packing_of(3, LocalEngine(), "cpu", gib) == Packing(3)
    assert packing_of(None, SlurmEngine(), "cuda", gib) == Packing()
    assert packing_of(3, SlurmEngine(), "cuda", gib) == Packing(3)
    assert packing_of(3, RayEngine(), "cuda", gib) == Packing(3)
    for engine in (SlurmEngine(), RayEngine()):
        nodes = packing_of("auto", engine, "cuda", gib)
        assert nodes == Packing(1, "what the graphics cards of nodes hold is not known here: give a number")


@pytest.mark.parametrize("value", [0, -1, 2.5, True, "many", 5000])
def test_a_size_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(StudyError, match="--pack takes auto, or a number of runs from 1 to 1,024"):
        Options(pack=value)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, None),
        ({"tunes": True}, "the trials of the search are trained one by one: each may be pruned at any epoch"),
        ({"own": True}, "runs of your own training code are trained one by one: only mmstudy's own models are packed"),
    ],
)
def test_what_is_never_packed_is_told(more: dict[str, bool], told: str | None) -> None:
    class Asked:
        options = Options(pack="auto")
        tunes = more.get("tunes", False)
        subject = None if more.get("own") else OnCorpus.__new__(OnCorpus)

    assert packing_note(Asked()) == told  # pyright: ignore[reportArgumentType]
    Asked.options = Options()
    assert packing_note(Asked()) is None  # pyright: ignore[reportArgumentType]


# A pack in a pool ---------------------------------------------------------------------------------------------------
class Worker:
    """Takes what it is sent, and dies when asked to."""

    def __init__(self, number: int) -> None:
        self.number, self.served = number, True
        self.job: Job | None = None
        self.sent: list[object] = []

    def send(self, message: Job | Stop) -> None:
        self.sent.append(message)

    def death(self) -> Death:
        return Death(-9, "log", "")


class OneWorker(Pool[Worker]):
    """A pool whose only worker does what a script says: lines that it says, None for its death."""

    def __init__(self, script: list[list[str | None]]) -> None:
        self.script = script
        self.given: list[list[str]] = []
        super().__init__(1)

    def _start(self, number: int) -> Worker:
        return Worker(number)

    def close(self) -> None:
        pass

    def _deal_out(self) -> None:
        before = self._workers[0].job
        super()._deal_out()
        now = self._workers[0].job
        if now is not None and before is None:
            self.given.append([run.fingerprint for run in runs_of(now)])
            for line in self.script.pop(0):
                self._inbox.put((self._workers[0], line))


def done(name: str) -> str:
    return encode(Finished(name, "done"))


def test_a_pack_is_one_job_and_its_runs_end_one_by_one() -> None:
    heard: list[str] = []
    pool = OneWorker([[done("b"), encode(Stopped("a")), done("c")], [done("d")]])
    pool.run([job("a", "b", "c"), job("d")], lambda message: heard.append(message.fingerprint))
    assert pool.given == [["a", "b", "c"], ["d"]]
    assert heard == ["b", "a", "c", "d"]


def test_a_pack_whose_worker_dies_goes_on_together_then_one_by_one() -> None:
    """What is finished is not done again; after two deaths the cause may be that they are too many together."""
    heard: list[str] = []
    pool = OneWorker([[done("b"), None], [None], [done("a")], [done("c")]])
    pool.run([job("a", "b", "c")], lambda message: heard.append(f"{type(message).__name__} {message.fingerprint}"))
    assert pool.given == [["a", "b", "c"], ["a", "c"], ["a"], ["c"]]
    assert heard == ["Finished b", "Lost a", "Lost c", "Lost a", "Lost c", "Finished a", "Finished c"]


def test_a_job_with_runs_beside_it_is_read_as_it_was_written() -> None:
    pack = job("a", "b", "c")
    assert decode(encode(pack)) == pack
    assert [run.beside for run in runs_of(pack)] == [()] * 3


HEAD = """\
from torch import nn


class Own(nn.Module):
    def __init__(self, width, tracks, outputs):
        super().__init__()
        self.shape = tracks, outputs
        self.out = nn.Linear(width, tracks * outputs)

    def forward(self, h):
        return self.out(h).unflatten(-1, self.shape)
"""


# In a study ---------------------------------------------------------------------------------------------------------
def test_a_packed_study_equals_one_that_is_trained_one_by_one(
    tiny_corpus: Path, tiny_study: Path, home: Home, tmp_path: Path
) -> None:
    """Same scores but for rounding; records say how; an arm that cannot be packed says why; verdicts can be mixed."""
    own = "  own: {model.head: {kind: custom, class: 'heads:Own'}}\n"
    text = tiny_study.read_text(encoding="utf-8") + own
    (tiny_study.parent / "heads.py").write_text(HEAD, encoding="utf-8")
    tiny_study.write_text(text, encoding="utf-8")
    words = ["run", tiny_study, "--corpus", tiny_corpus, "--workers", "1", "--repeats", "3"]
    told = mmstudy(home, *words, "--pack", "auto")
    assert told.returncode == 0, told.stderr
    line = "the runs are trained one by one: without a graphics card a pack is no faster"
    assert told.stderr.count(line) == 1
    assert "is trained one by one" not in told.stderr.replace(line, "")

    other = Home(tmp_path / "other")
    told = mmstudy(other, *words, "--pack", "3")
    assert told.returncode == 0, told.stderr
    why = "model.head is a class of your own"
    assert told.stderr.count(f"arm own is trained one by one: {why}") == 1
    assert told.stderr.count(" r2: test skill") == 3, "each run has a line of its own"

    names = sorted(folder.name for folder in home.runs.iterdir())
    assert names == sorted(folder.name for folder in other.runs.iterdir())
    for name in names:
        alone, packed = record_of(home, name), record_of(other, name)
        assert packed.score() == pytest.approx(alone.score(), abs=1e-4)
        how = Hardware(packed=None, unpacked=why) if packed.arm == "own" else Hardware(packed=3)
        assert (packed.hardware.packed, packed.hardware.unpacked) == (how.packed, how.unpacked)
        assert alone.hardware.unpacked == "without a graphics card a pack is no faster"
    assert "Ways of training differ: several runs as one batch (6 runs) and one by one (3 runs)" in " ".join(
        told.stdout.split()
    )
    page = next(other.root.rglob("report.html")).read_text(encoding="utf-8")
    assert "6 of 9, at most 3 together. One by one: model.head is a class of your own." in page


def record_of(home: Home, name: str) -> Record:
    record = read_record(home.run(name))
    assert record is not None
    return record


@pytest.mark.slow
def test_a_killed_pack_goes_on_from_the_checkpoints_of_its_members(
    tiny_corpus: Path, tiny_study: Path, home: Home
) -> None:
    """Its worker is killed in the middle of training; the study ends with all records and the table."""
    from experiments.launchers import local
    from experiments.progress import Silent
    from mmcore.events import EpochDone

    pools: list[local.LocalPool] = []
    made = local.LocalPool.__init__

    def keeps(pool: local.LocalPool, *given: object, **named: object) -> None:
        pools.append(pool)
        made(pool, *given, **named)  # pyright: ignore[reportArgumentType]

    class Killing(Silent):
        said: list[str] = []
        killed = False

        def say(self, text: str) -> None:
            self.said.append(text)

        def event(self, name: str, event: object) -> None:
            if isinstance(event, EpochDone) and event.epoch == 3 and not self.killed:
                Killing.killed = True
                for worker in pools[-1]._workers:
                    worker.process.kill()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local.LocalPool, "__init__", keeps)
        options = Options(corpus=str(tiny_corpus), workers=1, pack=2, changes=(("training.epochs", 40),))
        outcome = run_study(str(tiny_study), home.root, options, display=Killing())
    assert outcome.failed == 0
    assert Killing.killed
    assert sum("its worker died" in text and "resuming" in text for text in Killing.said) == 2
    records = [record_of(home, folder.name) for folder in home.runs.iterdir()]
    assert [len(record.history) for record in records] == [40] * 4
    assert all(record.hardware.packed == 2 for record in records)


def to_pack(corpus: Path, home: Home, scratch: Path, count: int) -> tuple[list[InPack], list[str], Prepared]:
    """Repeats of a small run in a home, the notes that they will tell, and their prepared corpus."""
    from mmcore.data.prepare import prepare
    from mmcore.events import Event, Note
    from mmcore.fingerprint import fingerprint

    base = {
        "corpus": str(corpus), "data": {"window": 20}, "training": {"epochs": 2, "batch": 8},
        "model": {"width": 8, "layers": 1, "heads": 2, "feed_forward": 8},
    }  # fmt: skip
    configs = [build_config({**base, "repeat": repeat}) for repeat in range(count)]
    store = prepare(corpus, configs[0].data, scratch / "store")
    notes: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Note):
            notes.append(event.text)

    named = [(config, fingerprint(config, store.content)) for config in configs]
    return [InPack(config, home.run(name), "s", "a", name, hear) for config, name in named], notes, store


def test_a_run_that_another_command_trains_is_waited_for_last(tiny_corpus: Path, home: Home, tmp_path: Path) -> None:
    """No lock is waited for while another is held; what is finished is not trained again."""
    from filelock import FileLock

    from experiments.records import LOCK

    runs, notes, store = to_pack(tiny_corpus, home, tmp_path, 3)
    names = [run.fingerprint for run in runs]
    home.run(names[0]).mkdir(parents=True)
    lock = FileLock(home.run(names[0]) / LOCK)
    lock.acquire()
    ended = trial_pack(runs, lambda: store)
    first = [next(ended), next(ended)]
    assert sorted(first) == sorted([(names[1], "done"), (names[2], "done")])
    lock.release()
    assert list(ended) == [(names[0], "done")]
    assert "trained by itself: another process works on this run" in notes
    assert [record_of(home, name).hardware.packed for name in names] == [None, 2, 2]
    assert record_of(home, names[0]).hardware.unpacked == "another process works on this run"
    assert dict(trial_pack(runs, lambda: store)) == dict.fromkeys(names, "done")


def test_a_pack_that_the_device_cannot_hold_is_trained_one_by_one(
    tiny_corpus: Path, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    runs, notes, store = to_pack(tiny_corpus, home, tmp_path, 2)

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("mmcore.packing.training.vmap", full)
    names = [run.fingerprint for run in runs]
    assert dict(trial_pack(runs, lambda: store)) == dict.fromkeys(names, "done")
    assert notes.count("trained by itself: the pack does not fit into the memory of the device") == 1
    for name in names:
        assert record_of(home, name).hardware.unpacked == "the pack does not fit into the memory of the device"
