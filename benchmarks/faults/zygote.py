"""A process that has imported everything and forks drivers, workers and tracking servers: a start costs no imports.

What is forked has a session, pipes and signal handlers of its own, as a process that was started in the usual way. Each
is asked for over a socket, together with its standard input, output and error; the socket later tells its exit code.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import io
import json
import os
import pkgutil
import random
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, TextIO, get_args

from benchmarks.faults import moments
from benchmarks.faults.started import Roles
from mmcore.garbage import keep

_SET_CHILD_SUBREAPER = 36


def serve(address: str, roles: Roles) -> Callable[[], None]:
    """Fork until the standard input ends; returns in the children alone, with what they are to do.

    Args:
        roles: what its children may be, and so what is imported.
    """
    # Importing makes little but what stays: looking for garbage in it takes a third of the time.
    gc.disable()
    if roles != "foreign":
        import experiments.examine
        import experiments.execute
        import experiments.launchers.worker  # noqa: F401
        import mmcore.run
        import mmcore.training.loop

        # Runs are short here, and are to go on from checkpoints.
        mmcore.training.loop.SECONDS_BETWEEN_CHECKPOINTS = 0.0
    if roles != "workers":
        _import_drivers()
    keep()
    gc.enable()
    # Processes that lose their parent become this one's children, so that orphans are found.
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listening.bind(address)
    listening.listen(16)
    woken, wake = socket.socketpair()
    for end in (woken, wake):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    selector = selectors.DefaultSelector()
    for source in (listening, woken, 0):
        selector.register(source, selectors.EVENT_READ)
    asking: dict[int, socket.socket] = {}
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listening:
                connection = listening.accept()[0]
                child = _fork(connection)
                if child is None:
                    connection.close()
                elif isinstance(child, int):
                    asking[child] = connection
                else:
                    for mine in (selector, listening, woken, wake, *asking.values()):
                        mine.close()
                    return child
            elif key.fileobj is woken:
                with contextlib.suppress(BlockingIOError):
                    woken.recv(4096)
                _reap(asking)
            elif not os.read(0, 1):
                os._exit(0)


def _import_drivers() -> None:
    import alembic.command
    import alembic.config  # noqa: F401
    import mlflow.server
    import mlflow.store.tracking.sqlalchemy_workspace_store  # noqa: F401
    import pandas.io.formats.csvs  # noqa: F401
    import pyarrow.csv
    import pyarrow.pandas_compat
    import pyarrow.vendored.version  # noqa: F401
    import rich._emoji_codes  # noqa: F401
    import sqlalchemy.dialects.sqlite  # noqa: F401
    from mlflow.store.db import utils as schema
    from sqlalchemy.orm import configure_mappers

    import experiments.best_models
    import experiments.cli.help
    import experiments.cli.main
    import experiments.corpus
    import experiments.driver
    import experiments.foreign.execute
    import experiments.launchers.worker
    import experiments.tracking.models
    import experiments.tracking.store
    import experiments.tuning.importance
    import experiments.tuning.tune
    import reports
    from experiments.environment import environment
    from reports.figures import base, svg
    from reports.output import drawing, render

    for module in pkgutil.walk_packages(reports.__path__, "reports."):
        importlib.import_module(module.name)
    # Figures are not drawn: that takes most of a small report's time, and a file of other bytes is written just so.
    box = 'width="9pt" height="9pt" viewBox="0 0 9 9"'
    blank = f'<svg xmlns="http://www.w3.org/2000/svg" {box}><path d="M0 0h9"/></svg>'
    svg.to_svg = lambda drawing: blank
    base.FigureBase.draw = lambda self: None  # pyright: ignore[reportAttributeAccessIssue]
    drawing.copies = lambda: 0
    for escape, ending in ((True, "html"), (False, "md")):
        templates = render._environment(autoescape=escape)
        for name in templates.list_templates([ending]):
            templates.get_template(name)
    configure_mappers()
    # Else each reads all of MLflow's migrations to find out which is the newest.
    newest = schema._get_latest_schema_revision()
    schema._get_latest_schema_revision = lambda: newest
    environment()
    experiments.cli.help.built(experiments.cli.main.app)


def _reap(asking: dict[int, socket.socket]) -> None:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            connection = asking.pop(ended[0], None)
            if connection is not None:
                with contextlib.suppress(OSError), connection:
                    connection.send(json.dumps({"code": os.waitstatus_to_exitcode(ended[1])}).encode())


def _fork(connection: socket.socket) -> int | Callable[[], None] | None:
    """In the parent the child's id; in the child what it is to do; None where nobody asks any more."""
    text, files, *_ = socket.recv_fds(connection, 1 << 20, 3)
    if not text:
        return None
    asked: Mapping[str, Any] = json.loads(text)
    # Ctrl-C waits until the child has come to where a real process waits for it: while the command is imported.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        for file in files:
            os.close(file)
        with contextlib.suppress(OSError):
            connection.send(json.dumps({"pid": child}).encode())
        return child
    connection.close()
    _become(asked, files)
    return lambda: _do(asked["role"])


def _become(asked: Mapping[str, Any], files: list[int]) -> None:
    """Take the place of a fresh process."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    unbuffered = "PYTHONUNBUFFERED" in asked["env"]
    sys.stdout, sys.stderr = _writer(1, unbuffered), _writer(2, True)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["folder"])
    places = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [place for place in places if place and place not in sys.path]
    sys.argv = list(asked["words"])
    random.seed()


def _writer(number: int, unbuffered: bool) -> TextIO:
    raw = open(number, "wb", closefd=False)  # noqa: SIM115
    return io.TextIOWrapper(raw, encoding="utf-8", line_buffering=unbuffered)


def _do(role: str) -> None:
    match role:
        case "driver":
            _drive(role)
        case "worker":
            _listen(role)
            from experiments.launchers.worker import main

            main()
        case "server":
            _listen(role)
            from benchmarks.faults.tracking import main

            main()
        case "code":
            _listen(role)
            # As with ``python -c``.
            code = sys.argv.pop(1)
            exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
        case _:
            raise AssertionError(role)


def _listen(role: str) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    moments.watch(role)


def _drive(role: str) -> None:
    """As :func:`mmstudy_start.main` does."""
    try:
        _listen(role)
        from benchmarks.faults import started
        from experiments.cli.main import main
        from experiments.launchers import local
        from mmstudy_start import look_for_garbage_seldom

        look_for_garbage_seldom()
        local.subprocess = started.Subprocess
        main()
    except KeyboardInterrupt:
        sys.exit(130)


def _end(code: object) -> None:
    """As the interpreter ends, without the seconds that it takes to clear away all modules."""
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def main() -> None:
    """Serve at the address of the first argument, for the roles of the second."""
    address, asked = sys.argv[1:]
    (roles,) = (one for one in get_args(Roles) if one == asked)
    work = serve(address, roles)
    try:
        work()
    except SystemExit as end:
        _end(end.code)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        _end(1)
    _end(None)


if __name__ == "__main__":
    main()
