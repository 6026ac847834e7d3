"""The engine of a search, with a pool that only pretends to train: a run's score is a function of its config."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from factories.pretend_pool import PretendPool
from factories.search_space import BASE, LAYERS, RATE
from optuna.trial import TrialState, create_trial
from typer.testing import CliRunner

from experiments.cli.main import app
from experiments.execute import trial as train
from experiments.home import Home
from experiments.launchers import choose
from experiments.opening import open_or_mend, open_request
from experiments.planning.request import Options, Request
from experiments.progress import Silent
from experiments.tuning import tune as engine
from experiments.tuning import tuner as search_work
from experiments.tuning.notes import StoredStudy, TrialNotes, notes_of
from experiments.tuning.ownership import SILENT_SECONDS, Watch, hand_back, trials_of
from experiments.tuning.storage import find_study, open_storage, study_name
from experiments.tuning.tune import tune
from mmcore.data.prepare import prepare
from mmcore.errors import MMStudyError, StudyError
from mmcore.files import BrokenFile
from mmcore.fingerprint import fingerprint
from studies.search.results import SearchResult

pytestmark = pytest.mark.usefixtures("no_mirror")


@pytest.fixture(autouse=True)
def pretend(monkeypatch: pytest.MonkeyPatch) -> type[PretendPool]:
    class Pool(PretendPool):
        trained: list[tuple[str, int]] = []

    class NoMirror:
        def __init__(self, *_: Any) -> None: ...

        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *_, **__: None

    monkeypatch.setattr(choose, "LocalPool", Pool)
    monkeypatch.setattr(engine, "SearchMirror", NoMirror)
    monkeypatch.setattr(search_work, "_LOOK_SECONDS", 0.0)
    monkeypatch.delenv("MMSTUDY_STORAGE", raising=False)
    return Pool


@pytest.fixture
def asking(tmp_path: Path, tiny_corpus: Path, home: Home) -> Callable[..., Request]:
    def build(search: str, base: str = BASE) -> Request:
        path = tmp_path / "rate.yaml"
        path.write_text(base + search, encoding="utf-8")
        return open_request(str(path), home.make(), Options(corpus=str(tiny_corpus)))

    return build


def done(request: Request, home: Home) -> list[SearchResult]:
    config = request.study.arms[0].config.data
    return tune(request, home, Silent(), lambda: prepare(request.place.folder, config, home.prepared).path)


ELSEWHERE = {"host": "elsewhere", "pid": 1, "created": 0.0}


def block(*knobs: str, **settings: str) -> str:
    lines = ["  space:", *(f"    {knob}" for knob in knobs)]
    return "\n".join([*lines, *(f"  {key}: {value}" for key, value in settings.items())]) + "\n"


def states(search: SearchResult) -> list[str]:
    return [trial.state for trial in search.trials]


GP = pytest.param("gp", marks=pytest.mark.slow)  # its models are torch's


@pytest.mark.parametrize("sampler", ["random", "tpe", GP, "cma_es", "nsga2", "nsga3"])
def test_every_sampler_reaches_its_budget_and_the_next_call_does_nothing(
    asking: Callable[..., Request], home: Home, sampler: str, pretend: type[PretendPool]
) -> None:
    request = asking(block(RATE, LAYERS, sampler=sampler, budget="{trials: 12}", repeats="1"))
    (found,) = done(request, home)
    assert states(found) == ["complete"] * 12
    assert found.complete
    trained = len(pretend.trained)
    assert trained == found.epochs == 9 * len({tuple(t.fingerprints) for t in found.trials})
    assert found.best[0] == max(found.trials, key=lambda t: t.values[0]).number
    again = done(asking(block(RATE, LAYERS, sampler=sampler, budget="{trials: 12}", repeats="1")), home)
    assert again == [found]
    assert len(pretend.trained) == trained


def test_more_budget_goes_on_and_proposes_what_one_call_would_have(
    asking: Callable[..., Request], home: Home, tmp_path: Path
) -> None:
    text = block(RATE, LAYERS, budget="{trials: N}", repeats="1")
    done(asking(text.replace("N", "5")), home)
    (found,) = done(asking(text.replace("N", "12")), home)
    (at_once,) = done(asking(text.replace("N", "12")), Home(tmp_path / "other").make())
    assert len(found.trials) == 12
    assert [t.settings for t in found.trials] == [t.settings for t in at_once.trials]
    assert found.best == at_once.best


def test_a_grid_visits_every_cell_once(asking: Callable[..., Request], home: Home) -> None:
    (found,) = done(asking(block(RATE, LAYERS, sampler="grid", budget="{trials: 99}", repeats="1")), home)
    assert states(found) == ["complete"] * 15
    assert len({tuple(trial.settings.values()) for trial in found.trials}) == 15
    best = found.trials[found.best[0]].settings
    assert best["model.layers"] == 3
    assert best["training.optimiser.learning_rate"] == pytest.approx(1e-3)


@pytest.mark.parametrize("pruner", ["median", "halving", "hyperband"])
def test_pruned_trials_save_epochs_and_are_no_failures(
    asking: Callable[..., Request], home: Home, pruner: str, pretend: type[PretendPool]
) -> None:
    request = asking(block(RATE, LAYERS, pruner=pruner, budget="{trials: 30}", repeats="2", sampler="random"))
    (found,) = done(request, home)
    counted = {state: states(found).count(state) for state in set(states(found))}
    assert set(counted) == {"complete", "pruned"}
    assert found.epochs == len(pretend.trained) < sum(trial.epochs_full for trial in found.trials) == 30 * 18
    for trial in found.trials:
        records = [(home.run(name) / "record.json").exists() for name in trial.fingerprints]
        if trial.state == "pruned":
            assert not all(records)
            assert trial.failure is None
            assert trial.epochs < trial.epochs_full
        else:
            assert trial.epochs == trial.epochs_full
            # Repeats are the same for all trials, and the value is their mean.
            assert trial.values[0] == pytest.approx(sum(r[0] for r in trial.repeats) / 2)


def test_wilcoxon_judges_by_repeats(asking: Callable[..., Request], home: Home) -> None:
    text = block(RATE, pruner="wilcoxon", budget="{trials: 20}", repeats="5", sampler="random")
    (found,) = done(asking(text), home)
    pruned = [trial for trial in found.trials if trial.state == "pruned"]
    assert pruned
    # Whole repeats, and at least so many that a p below 0.1 is possible.
    assert all(4 <= len(trial.reported) < 5 and trial.epochs % 9 == 0 for trial in pruned)


def test_identical_settings_are_not_trained_again(
    asking: Callable[..., Request], home: Home, pretend: type[PretendPool]
) -> None:
    (found,) = done(asking(block(LAYERS, budget="{trials: 12}", repeats="2", sampler="random")), home)
    assert states(found) == ["complete"] * 12
    assert len(pretend.trained) == 3 * 2 * 9 == found.epochs
    assert sum(trial.reused for trial in found.trials) >= 2 * (12 - 3 - 1)


def test_a_budget_of_epochs_is_never_exceeded(
    asking: Callable[..., Request], home: Home, pretend: type[PretendPool]
) -> None:
    text = block(RATE, pruner="halving", budget="{epochs: 100}", repeats="2", sampler="random")
    (found,) = done(asking(text), home)
    assert found.complete
    assert 100 - 18 < found.epochs == len(pretend.trained) <= 100
    assert len(found.trials) > 100 // 18


def test_failures_stay_failures_and_cost_a_trial(
    asking: Callable[..., Request], home: Home, pretend: type[PretendPool]
) -> None:
    pretend.fails = staticmethod(lambda config: config.training.optimiser.learning_rate > 1e-2)
    (found,) = done(asking(block(RATE, budget="{trials: 16}", repeats="1", sampler="random")), home)
    failed = [trial for trial in found.trials if trial.state == "failed"]
    assert len(found.trials) == 16
    assert failed
    assert all(trial.failure == "NaN" and trial.values == () for trial in failed)
    assert not set(found.best) & {trial.number for trial in failed}


def test_a_search_without_a_complete_trial_cannot_be_confirmed(
    asking: Callable[..., Request], home: Home, pretend: type[PretendPool]
) -> None:
    pretend.fails = staticmethod(lambda config: True)
    text = block(RATE, budget="{trials: 3}", repeats="1")
    done(asking(text), home)
    with pytest.raises(StudyError, match=r"nothing to confirm.*NaN"):
        asking(text)


def test_a_search_that_finds_what_is_there_already_says_so(asking: Callable[..., Request], home: Home) -> None:
    text = block("model.layers: {kind: choice, values: [1, 2], role: scientific}", budget="{trials: 6}", repeats="1")
    base = BASE.replace("layers: 1", "layers: 2")
    done(asking(text, base), home)
    with pytest.raises(StudyError, match="nothing to compare"):
        asking(text, base)


def test_an_interrupted_search_hands_its_trials_back(
    asking: Callable[..., Request], home: Home, pretend: type[PretendPool]
) -> None:
    text = block(RATE, budget="{trials: 6}", repeats="1", sampler="random")
    pretend.interrupts = 13
    with pytest.raises(KeyboardInterrupt):
        done(asking(text), home)
    (found,) = done(asking(text), home)
    assert found.complete
    assert states(found).count("complete") == 6
    assert len(found.trials) == 6
    with open_storage(home, asking(text).search_key, None) as storage:
        study = find_study(storage, study_name(asking(text).search_key, found.arm))
        assert study is not None
        everyone = trials_of(study)
    lost = [trial for trial in everyone if notes_of(trial).closed == "interrupted"]
    assert len(lost) == 2  # one a worker
    for trial in lost:
        (retry,) = [t for t in everyone if notes_of(t).retry_of == trial.number]
        assert retry.params == trial.params
        assert notes_of(retry).rank == notes_of(trial).rank
        assert retry.state == TrialState.COMPLETE


def test_another_question_is_refused_with_what_differs(asking: Callable[..., Request], home: Home) -> None:
    text = block(RATE, budget="{trials: 2}", repeats="1")
    done(asking(text), home)
    with pytest.raises(StudyError, match=r"started with other settings") as caught:
        asking(text.replace("1e-1", "1e-2"))
    assert "0.1" in (caught.value.expected or "")
    assert "0.01" in (caught.value.found or "")
    with pytest.raises(StudyError, match="batch"):
        asking(text, BASE.replace("batch: 8", "batch: 4"))


@pytest.mark.parametrize(
    "changed", [{"metric": "loss"}, {"metric": "position/mae"}, {"repeats": 5}, {"metric": "loss", "repeats": 1}]
)
def test_a_search_is_that_of_its_study_whatever_metric_and_repeats_a_report_has(
    asking: Callable[..., Request], home: Home, pretend: type[PretendPool], changed: Mapping[str, str | int]
) -> None:
    """Neither says anything about a trial: its objective and its own repeats are the search's."""
    request = asking(block(RATE, budget="{trials: 4}", repeats="1"))
    found = done(request, home)
    trained = len(pretend.trained)
    other = open_request(str(request.file), home, replace(request.options, **changed))
    assert not other.tunes
    assert list(other.searches) == found
    assert "tuned" in [arm.name for arm in other.study.arms]
    assert other.key != request.key, "reports are apart"
    assert done(other, home) == found
    assert len(pretend.trained) == trained


def test_a_search_with_changed_settings_is_another_one(asking: Callable[..., Request], home: Home) -> None:
    request = asking(block(RATE, budget="{trials: 2}", repeats="1"))
    done(request, home)
    for changed in ({"changes": (("training.batch", 4),)}, {"preset": "quick"}):
        other = open_request(str(request.file), home, replace(request.options, **changed))
        assert other.tunes
        assert other.searches == ()


@pytest.mark.rendered
def test_a_report_about_another_metric_tells_what_the_search_found(asking: Callable[..., Request], home: Home) -> None:
    text = block(RATE, budget="{trials: 4}", repeats="1")
    done(asking(text), home)
    request = asking(text)
    confirmed(request, home)
    words = [str(request.file), "--corpus", str(request.place.folder), "--metric", "loss", "--format", "json"]
    for command in ("report", "check"):
        told = CliRunner().invoke(app, ["--home", str(home.root), command, *words])
        assert told.exit_code == 0, told.output
        checks = {c["code"]: c["outcome"] for c in json.loads(told.stdout)["checks"]}
        assert checks["ABL031"] == "passed"
    (page,) = (home.root / "reports").glob("*/report.md")
    markdown = " ".join(page.read_text(encoding="utf-8").split())
    assert "The search for 'tuned' took 36 epochs" in markdown
    assert "The objective is skill on validation items, on repeat 0" in markdown


def confirmed(request: Request, home: Home) -> None:
    """All runs of a study whose search is complete, really trained, in this process."""
    threads = torch.get_num_threads()
    prepared = prepare(request.place.folder, request.study.arms[0].config.data, home.prepared)
    for arm in request.study.arms:
        for repeat in request.study.numbers:
            config = arm.config.model_copy(update={"repeat": repeat, "threads": 1})
            identity = fingerprint(config, prepared.content)
            named = {"study": request.study.name, "arm": arm.name, "fingerprint": identity}
            train(config, home.run(identity), lambda: prepared, on_event=lambda event: None, **named)
    torch.set_num_threads(threads)


def test_a_torn_line_at_the_end_of_a_journal_is_cut_off(asking: Callable[..., Request], home: Home) -> None:
    text = block(RATE, budget="{trials: 2}", repeats="1")
    request = asking(text)
    (found,) = done(request, home)
    with open(home.journal(request.search_key), "a", encoding="utf-8") as file:
        file.write('{"op_code": 4, "worker')
    (grown,) = done(asking(text.replace("2}", "4}")), home)
    assert grown.trials[:2] == found.trials
    assert states(grown) == ["complete"] * 4


@pytest.mark.parametrize("noise", [b"\x8f\xff", b"\0", b"{}", b'{"op_code": 4, "worker_id": "x"}', b"[]"])
def test_a_broken_journal_is_set_aside_and_the_search_gone_through_again(
    asking: Callable[..., Request], home: Home, pretend: type[PretendPool], noise: bytes
) -> None:
    text = block(RATE, budget="{trials: 4}", repeats="1")
    request = asking(text)
    (found,) = done(request, home)
    trained, path = len(pretend.trained), home.journal(request.search_key)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[5] = noise + b"\n"
    path.write_bytes(b"".join(lines))
    with pytest.raises(BrokenFile, match="mmstudy run"):
        asking(text)
    assert path.read_bytes() == b"".join(lines), "a command that only reads changes nothing"
    told: list[str] = []
    request = open_or_mend(str(request.file), home, request.options, told.append)
    (kept,) = path.parent.glob("*.broken-*")
    (said,) = told
    assert str(kept) in said
    (again,) = done(request, home)
    first, second = ([replace(trial, seconds=0.0) for trial in one.trials] for one in (found, again))
    assert first == second
    assert len(pretend.trained) == trained, "finished runs are reused"


def test_a_trial_on_which_nobody_works_is_given_up_in_time() -> None:
    def trial(beat: int = 0, host: str | None = "elsewhere", **told: Any) -> Any:
        owner = None if host is None else {"host": host, "pid": 1, "created": 0.0}
        state = TrialState.FAIL if "closed" in told else TrialState.RUNNING
        # Its clock is an hour ahead: only this machine's steady clock counts.
        begun = datetime.now() + timedelta(hours=1)
        found = create_trial(state=state, user_attrs={"rank": 0, "process": owner, "beat": beat, **told})
        found.datetime_start = begun
        return found

    watch = Watch()
    assert not watch.silent([trial(1)], 0.0)
    assert not watch.silent([trial(1)], SILENT_SECONDS)
    assert not watch.silent([trial(2)], SILENT_SECONDS + 1)  # a sign of life
    assert not watch.silent([trial(2)], 2 * SILENT_SECONDS)
    assert len(watch.silent([trial(2)], 2 * SILENT_SECONDS + 2)) == 1
    here = trial(0, socket.gethostname())
    assert not watch.silent([here], 0.0)
    assert not watch.silent([here], 1e9)  # of its own machine one knows who is alive
    # Who takes a trial signs it at once, and who hands one back queues it again at once; else it died in between.
    for lost in (trial(host=None), trial(closed="died"), trial(closed="interrupted")):
        watch = Watch()
        assert not watch.silent([lost], 0.0)
        assert not watch.silent([lost], 1.0)
        assert watch.silent([lost], 30.0) == [lost]
    for settled in (trial(closed="NaN"), trial(host=None, rank=None)):
        watch = Watch()
        assert not watch.silent([settled], 0.0)
        assert not watch.silent([settled], 1e9)


@pytest.mark.parametrize("moment", ["note", "report", "end"])
def test_a_search_goes_on_without_a_trial_that_others_took_while_it_slept(
    asking: Callable[..., Request],
    home: Home,
    pretend: type[PretendPool],
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    text = block(RATE, budget="{trials: 4}", repeats="1", sampler="random")
    taken: list[int] = []

    def take(study: StoredStudy, number: int) -> None:
        if not taken:
            taken.append(number)
            assert hand_back(study, number, "died")

    real, begin = search_work.note, search_work.Tuner._open

    def noted(trial: optuna.Trial, notes: TrialNotes) -> None:
        wanted = {"note": notes.process is not None, "end": bool(notes.run_epochs), "report": False}[moment]
        if wanted and trial.number == 1:
            take(trial.study, 1)  # type: ignore[arg-type]
        real(trial, notes)

    def opened(self: search_work.Tuner, trial: optuna.Trial, view: optuna.Trial) -> Any:
        one = begin(self, trial, view)
        if moment == "report" and trial.number == 1:
            take(self.study, 1)
        return one

    monkeypatch.setattr(search_work, "note", noted)
    monkeypatch.setattr(search_work.Tuner, "_open", opened)
    (found,) = done(asking(text), home)
    assert taken == [1]
    assert states(found) == ["complete"] * 4
    assert len(pretend.trained) == len(set(pretend.trained)), "no epoch is trained twice"


@pytest.mark.parametrize("others", [False, True])
def test_others_are_named_only_where_they_are_at_a_trial(
    asking: Callable[..., Request], home: Home, pretend: type[PretendPool], others: bool
) -> None:
    """Workers of a cluster come up late: then there is no trial yet, and nobody else has one."""
    said: list[str] = []

    class Told(Silent):
        def say(self, text: str) -> None:
            said.append(text)

    class Late(pretend):
        looked = 0

        @property
        def idle(self) -> int:
            type(self).looked += 1
            return 0 if self.looked < 4 else super().idle

    text = block(RATE, budget="{trials: 2}", repeats="1", sampler="random")
    request = asking(text)
    with pytest.MonkeyPatch.context() as patch, open_storage(home, request.search_key, None) as storage:
        patch.setattr(choose, "LocalPool", Late)
        if others:
            assert request.study.search is not None
            theirs = engine._begin(storage, request, request.study.search, request.study.search.searches[0])
            theirs.add_trial(create_trial(state=TrialState.RUNNING, user_attrs={"process": ELSEWHERE}))
        config = request.study.arms[0].config.data
        tune(request, home, Told(), lambda: prepare(request.place.folder, config, home.prepared).path)
    assert any("trained by other processes" in text for text in said) is others


def test_several_objectives_give_a_front(asking: Callable[..., Request], home: Home) -> None:
    text = block(RATE, LAYERS, budget="{trials: 24}", repeats="1", sampler="random", confirm="{best: 2}")
    (found,) = done(asking(text + "  objective: [validation/skill, validation/loss]\n"), home)
    front = [found.trials[number].values for number in found.best]
    everything = [trial.values for trial in found.trials]
    for skill_, loss in front:
        assert not any(s > skill_ and other < loss for s, other in everything)
    # From one end of the front to the other.
    assert [trial.number for trial in found.confirmed.values()] == [found.best[0], found.best[-1]]


def test_what_was_found_becomes_arms_on_fresh_repeats(asking: Callable[..., Request], home: Home) -> None:
    text = block(RATE, LAYERS, budget="{trials: 10}", repeats="3", confirm="{best: 2}")
    before = asking(text)
    assert before.tunes
    (found,) = done(before, home)
    request = asking(text)
    assert not request.tunes
    assert [arm.name for arm in request.study.arms] == ["base", "tuned", "tuned 2"]
    assert request.study.pairs == (("tuned", "base"), ("tuned 2", "base"))
    assert request.study.numbers == range(3, 5)
    for rank, name in enumerate(("tuned", "tuned 2")):
        arm = request.study.arm(name)
        assert arm.overrides == found.trials[found.best[rank]].settings
        assert arm.config.evaluation.test


@pytest.mark.parametrize(
    "hyperparameter",
    [
        "training.epochs: {kind: int, low: 1, high: 20, role: scientific}",
        "training.epochs: {kind: choice, values: [20, 2, 12], role: scientific}",
        "training: {kind: choice, values: [{epochs: 20}, {epochs: 12}, {batch: 4}], role: scientific}",
    ],
)
def test_a_budget_of_epochs_is_never_exceeded_where_epochs_are_searched(
    asking: Callable[..., Request], home: Home, pretend: type[PretendPool], hyperparameter: str
) -> None:
    """The arm's own 9 epochs say nothing of the 20 that a trial may take."""
    request = asking(block(RATE, hyperparameter, budget="{epochs: 95}", repeats="2", sampler="random"))
    assert request.study.search is not None
    assert request.study.search.epochs_full(request.study.search.searches[0]) == 40
    (found,) = done(request, home)
    assert found.complete
    assert 95 - 40 < found.epochs == len(pretend.trained) <= 95


def test_a_full_disk_names_the_journal_that_found_no_room(home: Home) -> None:
    path = home.make().journal("level")
    with pytest.raises(MMStudyError, match="no space left") as problem, open_storage(home, "level", None):
        raise OSError(errno.ENOSPC, "as of a write, which knows no name")
    assert problem.value.where == str(path)
