"""What every launcher promises: a test class that each launcher's test class inherits.

A subclass gives the fixture ``engine``, and overrides what it must: :meth:`LauncherContract.opened` where its pool is
opened in another way, ``seconds`` where its workers take longer to start or end.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from factories.once import made_once

from experiments.driver import run_study
from experiments.foreign.attempt import TrainingCode
from experiments.home import Home
from experiments.launchers.choose import AnyPool, Share, open_pool
from experiments.launchers.engine import Engine
from experiments.launchers.messages import Finished, GivenUp, Job, Lost, Message, Started, Stopped, Told, as_pack
from experiments.planning.request import Options
from experiments.records import epochs_trained, read_record
from mmcore.config import ForeignConfig, build_config
from mmcore.data.prepare import prepare
from mmcore.errors import MMStudyError
from mmcore.events import EpochDone
from mmcore.fingerprint import fingerprint
from mmcore.training.loop import SECONDS_BETWEEN_CHECKPOINTS
from reports.output.times import without_times
from studies.runner import FunctionRunner

CODE = """\
import time

import psutil

from beside import LEVEL


def run(config, repeat, workdir, report):
    # What this process runs under: a supervisor, and above it the worker.
    worker = psutil.Process().parent().parent()
    if config["does"] == "kills":
        worker.kill()
        time.sleep(60)
    if config["does"] == "waits":
        report(epoch=1, accuracy=0.0)
        time.sleep(600)
    if config["does"] == "goes on":
        (workdir / "notes.txt").open("a").write("here\\n")
        begun = len((workdir / "notes.txt").read_text().splitlines())
        report(epoch=begun, accuracy=0.0)
        if begun < 2:
            time.sleep(600)
        return {"accuracy": float(begun)}
    return {"accuracy": LEVEL + repeat}
"""
"""Training code that does what its setting says."""

STUDY = """\
question: Does the level help?
preset: null
repeats: 2
reference: track
base:
  data.window: 20
  model: {width: 8, layers: 1, heads: 2, feed_forward: 8, dropout: 0.1}
  training: {epochs: 2, batch: 8}
arms:
  both: {}
  track: {model.modalities: [track]}
analyses: [{kind: errors}]
"""


def worker_of(name: str) -> psutil.Process | None:
    """The worker process on this machine that is at the run of a fingerprint: it holds the lock on the run's folder."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if "experiments.launchers.worker" in process.cmdline() and any(
                name in Path(file.path).parts for file in process.open_files()
            ):
                return process
    return None


def _own(home: Home) -> int:
    """A number of a home: tests of two launchers at the same time must not take each other's workers for theirs."""
    return int(hashlib.blake2b(str(home.root).encode(), digest_size=12).hexdigest(), 16)


def until(holds: object, seconds: float) -> bool:
    """Whether something that is called comes to hold within some seconds."""
    assert callable(holds)
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def table(home: Home) -> str:
    """The one report of a home, times and places aside."""
    (file,) = home.root.glob("reports/*/report.json")
    return json.dumps(without_times(json.loads(file.read_text(encoding="utf-8"))))


class LauncherContract:
    """Inherited by the tests of each launcher."""

    seconds = 10.0
    """Within how many seconds all processes of a pool have ended after it was closed."""

    # What a subclass may override ------------------------------------------------------------------------------------
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        """The engine whose pools are tested."""
        raise NotImplementedError

    @staticmethod
    def opened(engine: Engine, home: Home, workers: int, busy: set[str], foreign: bool) -> AnyPool:
        """A pool of workers with one thread each."""
        return open_pool(engine, Share(workers, 1), home, busy.__contains__, foreign)

    # What tests share ------------------------------------------------------------------------------------------------
    @pytest.fixture(scope="class")
    @classmethod
    def place(cls, tmp_path_factory: pytest.TempPathFactory) -> Home:
        """The home of all jobs."""
        return Home(tmp_path_factory.mktemp("launched") / "home").make()

    @pytest.fixture(scope="class")
    @classmethod
    def busy(cls) -> set[str]:
        """Fingerprints of runs that another process is at."""
        return set()

    @pytest.fixture(scope="class")
    @classmethod
    def models(cls, engine: Engine, place: Home) -> Iterator[AnyPool]:
        """Two workers that train models."""
        with cls.opened(engine, place, 2, set(), False) as pool:
            yield pool

    @pytest.fixture(scope="class")
    @classmethod
    def runners(cls, engine: Engine, place: Home, busy: set[str]) -> Iterator[AnyPool]:
        """One worker for training code of the user's own."""
        with cls.opened(engine, place, 1, busy, True) as pool:
            yield pool

    @pytest.fixture(scope="class")
    @classmethod
    def code(cls, tmp_path_factory: pytest.TempPathFactory) -> TrainingCode:
        """Training code of two files, with a space in their folder's name."""
        folder = tmp_path_factory.mktemp("their code")
        (folder / "mine.py").write_text(CODE, encoding="utf-8")
        (folder / "beside.py").write_text("LEVEL = 0.25\n", encoding="utf-8")
        return TrainingCode(FunctionRunner(function="mine:run"), str(folder), ("beside.py", "mine.py"), "accuracy")

    def runner_job(self, home: Home, code: TrainingCode, number: int, does: str = "scores") -> Job:
        """A run of the user's own code. Runs of one home are told apart by their number."""
        name = f"{_own(home):024x}{number:08x}"
        settings = ForeignConfig(settings={"does": does})
        return Job(name, "s", "a", number, settings, str(home.run(name)), "", code=code)

    def model_job(self, home: Home, corpus: Path, repeat: int, epochs: int = 2) -> Job:
        """A run of one of our models."""
        values = {
            "corpus": str(corpus),
            "repeat": repeat + 100 * (_own(home) % 90),
            "data": {"window": 20},
            "model": {"width": 8, "layers": 1, "heads": 2, "feed_forward": 8},
            "training": {"epochs": epochs, "batch": 8},
            "evaluation": {"test": False},
        }
        config = build_config(values)
        prepared = prepare(corpus, config.data, home.prepared)
        name = fingerprint(config, prepared.content)
        return Job(name, "s", "a", config.repeat, config, str(home.run(name)), str(prepared.path))

    # Promises --------------------------------------------------------------------------------------------------------
    def test_jobs_finish_and_their_messages_come_in_order(
        self, models: AnyPool, place: Home, tiny_corpus: Path
    ) -> None:
        jobs = [self.model_job(place, tiny_corpus, repeat) for repeat in range(3)]
        heard: list[Message] = []
        models.run(jobs, heard.append)
        for job in jobs:
            of_job = [message for message in heard if message.fingerprint == job.fingerprint]
            assert isinstance(of_job[0], Started)
            assert of_job[-1] == Finished(job.fingerprint, "done")
            told = [message.event for message in of_job[1:-1] if isinstance(message, Told)]
            assert [event.epoch for event in told if isinstance(event, EpochDone)] == [1, 2]
            record = read_record(place.run(job.fingerprint))
            assert record is not None
            assert (record.status, record.epochs, record.study, record.arm) == ("done", 2, "s", "a")
            assert record.environment is not None
            assert record.environment.threads == 1
            assert (place.run(job.fingerprint) / "checkpoints" / "best.pt").stat().st_size > 0

    def test_a_record_is_there_when_its_run_is_said_to_be_finished(
        self, runners: AnyPool, place: Home, code: TrainingCode
    ) -> None:
        read: list[float] = []

        def look(message: Message) -> None:
            if isinstance(message, Finished):
                record = read_record(place.run(message.fingerprint))
                assert record is not None
                read.extend(score.value for score in record.scores if score.value is not None)

        runners.run([self.runner_job(place, code, number) for number in (1, 2)], look)
        assert read == [1.25, 2.25]

    def test_a_job_that_is_stopped_leaves_its_checkpoint_and_goes_on_from_there(
        self, models: AnyPool, place: Home, tiny_corpus: Path
    ) -> None:
        job = self.model_job(place, tiny_corpus, 10, epochs=3000)
        first, second = self._until_epoch(models, job, 2), self._until_epoch(models, job, 1)
        assert first[0] == 1
        assert second[0] > first[-1] >= 2
        assert epochs_trained(place.run(job.fingerprint)) >= second[-1]
        assert read_record(place.run(job.fingerprint)) is None

    @staticmethod
    def _until_epoch(pool: AnyPool, job: Job, count: int) -> list[int]:
        """Train until so many epochs are heard of, then stop; the epochs."""
        epochs: list[int] = []
        last: list[Message] = []

        def hear(message: Message) -> None:
            last[:] = [message]
            if isinstance(message, Told) and isinstance(message.event, EpochDone):
                epochs.append(message.event.epoch)
                if len(epochs) == count:
                    pool.stop(job.fingerprint)

        pool.run([job], hear)
        assert last == [Stopped(job.fingerprint)]
        return epochs

    def test_a_killed_worker_is_replaced_and_its_run_goes_on_from_its_last_checkpoint(
        self, models: AnyPool, place: Home, tiny_corpus: Path
    ) -> None:
        job = self.model_job(place, tiny_corpus, 11, epochs=3000)
        # By then one was written: epochs take some hundredths of a second, and it is due once a second.
        enough = 2.5 * SECONDS_BETWEEN_CHECKPOINTS
        times: list[float] = []
        before: list[int] = []
        after: list[int] = []
        lost: list[Lost] = []
        killed: list[int] = []

        def hear(message: Message) -> None:
            match message:
                case Lost():
                    lost.append(message)
                case Told(_, EpochDone(epoch)):
                    (after if lost else before).append(epoch)
                    times.append(time.monotonic())
                    if times[-1] - times[0] > enough and not killed:
                        killed.append(epoch)
                        worker = worker_of(job.fingerprint)
                        assert worker is not None
                        worker.kill()
                    if len(after) == 1:
                        models.stop(job.fingerprint)
                case _:
                    pass

        models.run([job], hear)
        assert [one.deaths for one in lost] == [1]
        assert 2 < after[0] <= before[-1] + 2

    def test_a_job_that_kills_its_workers_is_given_up_and_others_are_done(
        self, runners: AnyPool, place: Home, code: TrainingCode
    ) -> None:
        heard: list[Message] = []
        jobs = [self.runner_job(place, code, 20, "kills"), self.runner_job(place, code, 21)]
        runners.run(jobs, heard.append)
        bad = [message for message in heard if message.fingerprint == jobs[0].fingerprint]
        assert [message.deaths for message in bad if isinstance(message, Lost)] == [1, 2]
        assert isinstance(bad[-1], GivenUp)
        assert bad[-1].deaths == 3
        assert bad[-1].log
        assert Finished(jobs[1].fingerprint, "done") in heard
        assert read_record(place.run(jobs[0].fingerprint)) is None

    def test_training_code_that_resumes_finds_its_own_files_after_its_worker_died(
        self, runners: AnyPool, place: Home, code: TrainingCode
    ) -> None:
        resuming = replace(code, runner=FunctionRunner(function="mine:run", resumes=True))
        job = self.runner_job(place, resuming, 30, "goes on")
        lost: list[Lost] = []

        def hear(message: Message) -> None:
            match message:
                case Lost():
                    lost.append(message)
                case Told(_, EpochDone(epoch=1)):
                    worker = worker_of(job.fingerprint)
                    assert worker is not None
                    worker.kill()
                case _:
                    pass

        runners.run([job], hear)
        assert len(lost) == 1
        record = read_record(place.run(job.fingerprint))
        assert record is not None
        assert [score.value for score in record.scores] == [2.0]

    def test_jobs_are_added_while_others_run(self, runners: AnyPool, place: Home, code: TrainingCode) -> None:
        more = [self.runner_job(place, code, number) for number in (41, 42)]
        finished: list[str] = []

        def hear(message: Message) -> None:
            if isinstance(message, Finished):
                finished.append(message.fingerprint)
                if more:
                    runners.add(more.pop(0))

        runners.run([self.runner_job(place, code, 40)], hear)
        assert [int(name[-8:], 16) for name in finished] == [40, 41, 42]

    def test_jobs_that_another_process_is_at_come_last(
        self, runners: AnyPool, place: Home, code: TrainingCode, busy: set[str]
    ) -> None:
        jobs = [self.runner_job(place, code, number) for number in (50, 51, 52)]
        busy.add(jobs[0].fingerprint)
        finished: list[str] = []
        runners.run(
            jobs, lambda message: finished.append(message.fingerprint) if isinstance(message, Finished) else None
        )
        busy.clear()
        assert [int(name[-8:], 16) for name in finished] == [51, 52, 50]

    def test_a_job_that_is_refused_ends_with_its_error(self, engine: Engine, place: Home, code: TrainingCode) -> None:
        job = self.runner_job(place, code, 60)
        place.run(job.fingerprint).mkdir(parents=True)
        (place.run(job.fingerprint) / "record.json").write_text('{"format": 99}', encoding="utf-8")
        with self.opened(engine, place, 1, set(), True) as pool, pytest.raises(MMStudyError) as caught:
            pool.run([job], lambda message: None)
        assert caught.value.rule == "the record has another format"
        assert caught.value.found == "99"

    def test_ctrl_c_leaves_no_process(self, engine: Engine, place: Home, code: TrainingCode) -> None:
        job = self.runner_job(place, code, 70, "waits")
        processes: list[psutil.Process] = []

        def interrupt(message: Message) -> None:
            if isinstance(message, Told):
                worker = worker_of(job.fingerprint)
                assert worker is not None
                processes.extend([worker, *worker.children(recursive=True)])
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt), self.opened(engine, place, 1, set(), True) as pool:
            pool.run([job], interrupt)
        assert len(processes) >= 3
        assert until(lambda: not any(process.is_running() for process in processes), self.seconds)

    def test_a_study_has_the_same_table_as_on_this_machine(
        self, engine: Engine, tiny_corpus: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        here = made_once(tmp_path_factory, "launched", lambda folder: _run_here(folder, tiny_corpus))
        home = Home(tmp_path / "home")
        run_study(str(here / "level.yaml"), home.root, Options(corpus=str(tiny_corpus), engine=engine))
        assert table(home) == table(Home(here / "home"))


def _run_here(folder: Path, corpus: Path, pack: int | None = None) -> None:
    (folder / "level.yaml").write_text(STUDY, encoding="utf-8")
    run_study(str(folder / "level.yaml"), folder / "home", Options(corpus=str(corpus), workers=1, pack=pack))


class PackContract(LauncherContract):
    """What launchers promise as well that train the runs of a pack on another machine."""

    def test_a_pack_is_one_job_and_goes_on_together_after_its_worker_died(
        self, models: AnyPool, place: Home, tiny_corpus: Path
    ) -> None:
        import torch

        runs = [self.model_job(place, tiny_corpus, repeat, epochs=3000) for repeat in (40, 41)]
        pack = as_pack(runs)
        assert pack is not None
        before: dict[str, list[int]] = {run.fingerprint: [] for run in runs}
        after: dict[str, list[int]] = {run.fingerprint: [] for run in runs}
        lost: list[str] = []
        times: list[float] = []

        def hear(message: Message) -> None:
            match message:
                case Lost(name):
                    lost.append(name)
                case Told(name, EpochDone(epoch)):
                    (after if lost else before)[name].append(epoch)
                    times.append(time.monotonic())
                    written = times[-1] - times[0] > 2.5 * SECONDS_BETWEEN_CHECKPOINTS
                    if not lost and written and all(before.values()):
                        worker = worker_of(name)
                        if worker is not None:
                            worker.kill()
                    if len(after[name]) == 2:
                        models.stop(name)
                case _:
                    pass

        models.run([pack], hear)
        assert sorted(lost) == sorted(before)
        for name in before:
            assert after[name][0] > 1, "it goes on from its checkpoint"
            saved = torch.load(place.run(name) / "checkpoints" / "last.pt", weights_only=True)
            assert saved["packed"] == 2
            assert saved["epoch"] >= after[name][1]

    def test_a_study_is_packed_on_a_cluster_as_on_this_machine(
        self, engine: Engine, tiny_corpus: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        here = made_once(tmp_path_factory, "launched in packs", lambda folder: _run_here(folder, tiny_corpus, pack=2))
        home = Home(tmp_path / "home")
        run_study(str(here / "level.yaml"), home.root, Options(corpus=str(tiny_corpus), engine=engine, pack=2))
        records = [read_record(folder) for folder in home.runs.iterdir()]
        assert {record.hardware.packed for record in records if record is not None} == {2}
        assert table(home) == table(Home(here / "home"))
