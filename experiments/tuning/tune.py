"""Tuning: a study's searches, brought to their budget one after the other on one pool of workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from optuna.storages import BaseStorage

import mmcore
from experiments.home import Home
from experiments.launchers.choose import AnyPool, Share, open_pool, share
from experiments.planning.memory import needed_by
from experiments.planning.plan import timing_of
from experiments.planning.request import AnyRequest, has_runner, schema_of, trains_itself
from experiments.progress import WARNING, Display
from experiments.rounds import OwnCode
from experiments.tuning.mirror import SearchMirror
from experiments.tuning.notes import StoredStudy
from experiments.tuning.ownership import trials_of
from experiments.tuning.results import search_result
from experiments.tuning.storage import describe, find_study, open_storage, open_study, storage_url, study_name
from experiments.tuning.tuner import Tuner
from experiments.tuning.view import is_complete
from studies.search.resolved import ArmSearch, ResolvedSearch
from studies.search.results import SearchResult


def tune(request: AnyRequest, home: Home, display: Display, prepare: Callable[[], Path]) -> list[SearchResult]:
    """Run all searches of a study until their budget is used; finished trials count.

    Args:
        request: a study with a search, on a corpus that exists.
        home: where runs and the default storage lie.
        display: shows progress.
        prepare: makes the prepared store and returns its folder.

    Returns:
        The result of each search.

    Raises:
        StudyError: the storage holds another search of that name.
        StoreError: the storage does not answer.
        KeyboardInterrupt: interrupted; the same call goes on, with trials under way from their last checkpoint.
    """
    search = request.study.search
    assert search is not None
    with open_storage(home, request.search_key, storage_url(request.options.storage)) as storage:
        studies = [_begin(storage, request, search, arm) for arm in search.searches]
        pairs = list(zip(search.searches, studies, strict=True))
        if not all(is_complete(search, arm, trials_of(study)) for arm, study in pairs):
            _tune(request, home, search, pairs, display, prepare)
        return [
            search_result(study, search, arm, schema_of(request))
            for arm, study in zip(search.searches, studies, strict=True)
        ]


def settle_searches(request: AnyRequest, home: Home, display: Display) -> SearchMirror:
    """Begin to bring the tracking store up to date with searches that are complete; the caller closes the mirror."""
    search = request.study.search
    assert search is not None
    mirror = SearchMirror(home, request, lambda text: display.say(WARNING + text))
    with open_storage(home, request.search_key, storage_url(request.options.storage)) as storage:
        for arm in search.searches:
            study = find_study(storage, study_name(request.search_key, arm.arm))
            if study is not None:
                mirror.begin(arm.arm, search, trials_of(study))
    mirror.concluded()
    return mirror


def sync_searches(request: AnyRequest, home: Home, display: Display) -> str | None:
    """Update the tracking store from the searches of a study; None, or why it failed."""
    search = request.study.search
    assert search is not None
    mirror = SearchMirror(home, request, lambda text: display.say(WARNING + text))
    with open_storage(home, request.search_key, storage_url(request.options.storage)) as storage:
        for arm in search.searches:
            study = find_study(storage, study_name(request.search_key, arm.arm))
            if study is not None:
                mirror.begin(arm.arm, search, trials_of(study), study)
    running = any(trial.state == "running" for one in request.searches for trial in one.trials)
    if not request.tunes:
        mirror.concluded()
    elif not running:
        mirror.interrupted()
    mirror.close()
    return None if mirror.error is None else str(mirror.error)


def _begin(storage: BaseStorage, request: AnyRequest, search: ResolvedSearch, arm: ArmSearch) -> StoredStudy:
    study = open_study(
        storage,
        study_name(request.search_key, arm.arm),
        search.identity(arm, request.content or ""),
        ["maximize" if one.maximise else "minimize" for one in search.objective],
    )
    describe(
        study,
        [one.name for one in search.objective],
        {
            "study": request.study.name,
            "question": request.study.question,
            "arm": arm.arm,
            "corpus": request.schema.name if trains_itself(request) else None,
            "corpus_content": request.content,
            "mmstudy_version": mmcore.__version__,
        },
    )
    return study


def _tune(
    request: AnyRequest,
    home: Home,
    search: ResolvedSearch,
    todo: Sequence[tuple[ArmSearch, StoredStudy]],
    display: Display,
    prepare: Callable[[], Path],
) -> None:
    """One search after the other, on one pool."""
    mirror = SearchMirror(home, request, lambda text: display.say(WARNING + text))
    most = search.budget.trials or search.budget.epochs or 1
    most = most if search.lag is None else min(most, search.lag)
    options = request.options
    of_each = share(options.engine, most, options.workers, options.device, options.threads, needed_by(request))
    workers, threads = of_each.workers, of_each.threads
    timing = timing_of(request, home, threads) if trains_itself(request) else None
    try:
        with _pool(request, home, of_each) as pool:
            pool.say = display.say
            prepared = prepare()
            for arm, study in todo:
                trials = trials_of(study)
                if is_complete(search, arm, trials):
                    mirror.begin(arm.arm, search, trials)
                    continue
                shared = (pool, prepared, threads, workers, display, mirror, timing)
                Tuner(request, home, search, arm, study, *shared).work()
    except BaseException:
        mirror.abandon()
        raise
    mirror.concluded()
    mirror.close()


def _pool(request: AnyRequest, home: Home, of_each: Share) -> AnyPool:
    if has_runner(request):
        return OwnCode(request, home).pool(of_each)
    return open_pool(request.options.engine, of_each, home)
