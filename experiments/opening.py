"""Opening a study: what is requested, with what its searches have found so far."""

from __future__ import annotations

from experiments.home import Home
from experiments.planning.request import Options, Request, read_request
from mmcore.events import OnEvent, ignore


def open_request(name: str, home: Home, options: Options, on_event: OnEvent = ignore) -> Request:
    """Find a study, lay the options over it, find its corpus, and look up what its searches have found.

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
