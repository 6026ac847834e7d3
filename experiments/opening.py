"""Opening a study: what is requested, with what its searches have found so far."""

from __future__ import annotations

from collections.abc import Callable

from experiments.home import Home
from experiments.planning.request import AnyRequest, Options, Request, read_request, trains_itself
from mmcore.errors import StudyError
from mmcore.events import Event, OnEvent, ignore
from mmcore.files import BrokenFile


def open_request(name: str, home: Home, options: Options, on_event: OnEvent = ignore) -> AnyRequest:
    """Find a study, lay the options over it, find its corpus or training code, and look up what its searches have
    found.

    Raises:
        StudyError, CorpusError: what is wrong, with file and line.
        StoreError: the storage of the searches does not answer.
    """
    request = read_request(name, home, options, on_event)
    if request.study.search is None:
        return request
    # Optuna is for studies that search; others need not wait for its import.
    from experiments.tuning.results import looked_up

    return looked_up(request, home)


def open_or_mend(name: str, home: Home, options: Options, say: Callable[[str], None]) -> AnyRequest:
    """As :func:`open_request`; a broken journal of its search is set aside first, and ``say`` is told.

    Raises:
        MMStudyError: as there.
    """

    def on_event(event: Event) -> None:
        say(getattr(event, "text", ""))

    try:
        return open_request(name, home, options, on_event)
    except BrokenFile as broken:
        request = read_request(name, home, options, on_event)
        if broken.path != home.journal(request.search_key):
            raise
    from experiments.tuning.mirror import supersede_trials
    from experiments.tuning.storage import set_journal_aside

    said = set_journal_aside(home, request.search_key)
    if said is not None:
        say(said)
        supersede_trials(request, home, say)
    return open_request(name, home, options, on_event)


def with_own_models(request: AnyRequest, verb: str) -> Request:
    """The request, for a command that looks into models.

    Args:
        verb: of the command.

    Raises:
        StudyError: the study's training code is the user's.
    """
    if trains_itself(request):
        return request
    raise StudyError(
        f"mmstudy {verb} looks into models that mmstudy trains, and this study has a runner of its own",
        where=str(request.file),
        next_step="plan, run, status, report, check, compare and sync work with every runner",
    )
