"""Opening a study: what is requested, with what its searches have found so far."""

from __future__ import annotations

from experiments.home import Home
from experiments.planning.request import AnyRequest, Options, Request, read_request, trains_itself
from mmcore.errors import StudyError
from mmcore.events import OnEvent, ignore


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
