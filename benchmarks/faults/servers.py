"""Tracking servers that fall ill, for one case."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.faults.case import Case
from benchmarks.faults.started import Forked
from benchmarks.faults.tracking import ILLNESSES, VARIABLE, Illness

IMPATIENT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "1", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
"""A server that hangs would else be waited for, for a minute."""


def sick_server(case: Case, call: Callable[[Mapping[str, str]], object]) -> None:
    """Call the command with a server that is down or falls ill; the case's later calls have one that is well."""
    folder = case.folder / "server"
    folder.mkdir()
    case.give_database(folder)
    case.tracked = folder / "mlflow.db"
    if case.rng.random() < 0.2:
        case.notes.append("the server is down")
        call({"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"} | IMPATIENT)
    else:
        illness, after = case.rng.choice(ILLNESSES), case.rng.randrange(120)
        case.notes.append(f"the server {illness} after {after} requests")
        with served(case, folder, illness, after) as address:
            call({"MLFLOW_TRACKING_URI": address} | IMPATIENT)
    case.extra["MLFLOW_TRACKING_URI"] = case.stack.enter_context(served(case, folder, "none", 0))


@contextmanager
def served(case: Case, folder: Path, illness: Illness, after: int) -> Iterator[str]:
    """The address of a server over the database of a folder."""
    port = folder / "port"
    port.unlink(missing_ok=True)
    asked = {VARIABLE: json.dumps({"folder": str(folder), "illness": illness, "after": after})}
    with open(os.devnull, "rb") as nothing, open(folder / "log", "ab") as log:
        process = Forked("server", ["server"], case.zygote.environment() | asked, nothing, log, log)
    case.servers.append(process.pid)
    try:
        while not port.exists():
            if process.poll() is not None:
                raise RuntimeError((folder / "log").read_text(encoding="utf-8"))
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port.read_text(encoding='utf-8')}"
    finally:
        process.kill()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            case.problems.append("the tracking server does not end")
