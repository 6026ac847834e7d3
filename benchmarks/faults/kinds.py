"""The kinds of faults: each starts the command, disturbs it, and leaves the rest to the command's last call."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable

from benchmarks.faults import disks, nodes, postgres, torn
from benchmarks.faults.case import SIGNALS, Case, signal_all
from benchmarks.faults.moments import Deed
from benchmarks.faults.servers import sick_server
from benchmarks.faults.studies import KINDS, SEARCHES, Kind

DONE, ENDED = (0,), (0, 2)
"""Exit codes: of a command that nothing hinders; of one that may meet what it cannot work without."""
QUICK = 3.0
"""Seconds that a command has to end after Ctrl-C."""


def killed(case: Case) -> None:
    """SIGKILL of the driver, up to three times."""
    for _ in range(case.rng.randint(1, 3)):
        _signalled(case, "SIGKILL")


def terminated(case: Case) -> None:
    """SIGTERM of the driver, as batch systems send it."""
    _signalled(case, "SIGTERM")


def interrupted(case: Case) -> None:
    """SIGINT of the driver, which is Ctrl-C."""
    _signalled(case, "SIGINT")


def _signalled(case: Case, deed: Deed) -> None:
    if case.rng.random() < 0.6:
        moment = case.moment("driver", deed)
        process = case.begin(moment)
        met = case.wait_for(moment, process) is not None
    else:
        seconds = case.delay()
        case.notes.append(f"{deed} of the driver")
        process = case.begin()
        met = case.wait_until(seconds, process)
        process.signal(getattr(signal, deed))
    began = time.monotonic()
    code = case.end(process, *SIGNALS[deed], *DONE)
    if deed != "SIGKILL" and met and code == 130 and time.monotonic() - began > QUICK:
        case.problems.append(f"the command ends {time.monotonic() - began:.1f} s after {deed}")
    case.missed = case.missed or not met


def all_killed(case: Case) -> None:
    """SIGKILL of the driver and of all its workers at once."""
    moment = case.moment(case.rng.choice(["driver", "worker"]), "SIGSTOP")
    process = case.begin(moment)
    case.missed = case.wait_for(moment, process) is None
    signal_all(case, signal.SIGKILL)
    case.end(process, -signal.SIGKILL, *DONE)


def stopped(case: Case) -> None:
    """SIGSTOP of the driver, and SIGCONT after a while."""
    _paused(case, "driver")


def worker_stopped(case: Case) -> None:
    """SIGSTOP of a worker, and SIGCONT after a while."""
    _paused(case, "worker")


def _paused(case: Case, who: str) -> None:
    moment = case.moment(who, "SIGSTOP")
    process = case.begin(moment)
    pid = case.wait_for(moment, process)
    case.missed = pid is None
    if pid is not None:
        time.sleep(case.rng.uniform(0.0, 0.5))
        os.kill(pid, signal.SIGCONT)
    case.end(process, *DONE)


def worker_killed(case: Case) -> None:
    """SIGKILL of a worker: the command goes on with another one."""
    moment = case.moment("worker", "SIGKILL")
    process = case.begin(moment)
    case.missed = case.wait_for(moment, process) is None
    case.end(process, *DONE)


def file_torn(case: Case) -> None:
    """SIGKILL of the driver, after which a file of the home is torn."""
    if case.rng.random() < 0.7:
        _signalled(case, "SIGKILL")
        case.missed = False
    else:
        case.call(*DONE)
    done = torn.tear(case.home, case.rng)
    case.missed = done is None
    case.notes.append(done or "nothing to tear")


def disk_full(case: Case) -> None:
    """A disk that is too small by a random share; then there is room."""
    taken = sum(file.stat().st_size for file in case.home.rglob("*") if file.is_file())
    size = int(taken + case.rng.random() * (case.expected.bytes - taken)) + 64 * 1024
    case.notes.append(f"a disk of {size // 1024} KiB, of {case.expected.bytes // 1024} KiB that it takes")
    shutil.rmtree(case.home)
    resize = case.stack.enter_context(disks.small(case.home, size))
    case.give_database(case.home)
    code = case.call(*ENDED, 1)
    case.missed = code == 0 and "space" not in case.said()
    if code:
        line = case.last_line()
        if "no space left on the disk" not in line or str(case.home) not in line:
            case.problems.append(f"a full disk is not said to be one, or where: {line}")
    resize(64 * 2**20)


def read_only(case: Case) -> None:
    """A home that may not be written, before the first call or after a kill."""
    if case.rng.random() < 0.5:
        _signalled(case, "SIGKILL")
    with disks.read_only(case.home):
        case.call(*ENDED)
    case.missed = False


def moved(case: Case) -> None:
    """The home is moved or copied between two calls, with the study beside it."""
    _signalled(case, case.rng.choice(["SIGKILL", "SIGTERM"]))
    case.missed = False
    place = case.folder / case.rng.choice(["elsewhere", "else where", "été"])
    if case.rng.random() < 0.5:
        case.notes.append("all is moved")
        case.project.rename(place)
    else:
        case.notes.append("all is copied")
        shutil.copytree(case.project, place)
    case.project, case.home = place, place / case.home.name
    case.words = case.made.write(place)


def two_drivers(case: Case) -> None:
    """Two commands at once on one home; one of them may be killed or stopped for a while."""
    fate = case.rng.choice(["none", "SIGKILL", "SIGSTOP"])
    case.notes.append(f"fate of the first: {fate}")
    moment = case.moment("driver", "SIGKILL" if fate == "SIGKILL" else "SIGSTOP") if fate != "none" else None
    first = case.begin(moment)
    time.sleep(case.rng.uniform(0.0, case.expected.seconds / 2))
    second = case.begin()
    if moment is not None and (pid := case.wait_for(moment, first)) is not None and fate == "SIGSTOP":
        time.sleep(case.rng.uniform(0.0, case.expected.seconds))
        os.kill(pid, signal.SIGCONT)
    case.end(first, *DONE, *((-signal.SIGKILL,) if fate == "SIGKILL" else ()))
    case.end(second, *DONE)


def clock_jumps(case: Case) -> None:
    """The time of day jumps by minutes or years, within a call; files get times of other years."""
    for _ in range(2):
        jump = case.rng.choice([-1, 1]) * case.rng.choice([60.0, 3600.0, 86400.0, 40 * 365 * 86400.0])
        moment = case.moment(case.rng.choice(["driver", "worker"]), "clock", jump)
        case.notes.append(f"by {jump:g} s")
        process = case.begin(moment)
        kill = case.rng.random() < 0.5 and case.wait_for(moment, process) is not None
        if kill:
            case.notes.append("then SIGKILL")
            case.wait_until(case.rng.uniform(0.0, 0.5), process)
            process.kill()
        case.end(process, *DONE, *((-signal.SIGKILL,) if kill else ()))
        files = sorted(path for path in case.home.rglob("*") if path.is_file())
        for path in case.rng.sample(files, len(files) // 2):
            when = case.rng.choice([0.0, time.time() - 3e8, time.time() + 3e8])
            os.utime(path, (when, when))


def server_ill(case: Case) -> None:
    """A tracking server that is down, or falls ill after some requests; then it is well."""
    sick_server(case, lambda env: case.call(*DONE, env=env))


def database_restarts(case: Case) -> None:
    """PostgreSQL holds the search and restarts."""
    server = case.postgres
    assert server is not None
    name = f"{case.folder.name}_{os.getpid()}"
    case.options = ["--storage", server.create(name)]
    case.stack.callback(server.drop, name)
    how = case.rng.choice(["fast", "immediate", "smart"])
    seconds = case.delay()
    process = case.begin()
    case.missed = not case.wait_until(seconds, process)
    case.notes.append(f"PostgreSQL restarts: {how}")
    server.restart("fast" if how == "smart" else how)
    case.end(process, *ENDED)


def node_lost(case: Case) -> None:
    """A node of a Ray cluster is lost that trains the runs, and perhaps the driver too."""
    cluster = case.cluster
    assert cluster is not None
    here, there = list(case.words), [*case.words, "--on", f"ray://{cluster.address}"]
    case.words = there
    moment = case.moment("driver", "note")
    process = case.begin(moment)
    case.missed = case.wait_for(moment, process) is None
    cluster.lose_node()
    kill = case.rng.random() < 0.3
    if kill:
        case.notes.append("then SIGKILL of the driver")
        case.wait_until(case.rng.uniform(0.0, 2.0), process)
        process.kill()
    case.end(process, *DONE, *((-signal.SIGKILL,) if kill else ()))
    case.words = case.rng.choice([here, there])
    case.notes.append(f"the last call is made {'there' if case.words is there else 'on this machine'}")


Fault = Callable[[Case], None]
FAULTS: dict[str, Fault] = {
    "driver killed": killed,
    "driver terminated": terminated,
    "driver interrupted": interrupted,
    "driver stopped": stopped,
    "worker killed": worker_killed,
    "worker stopped": worker_stopped,
    "all killed": all_killed,
    "file torn": file_torn,
    "disk full": disk_full,
    "home read-only": read_only,
    "home moved": moved,
    "two drivers": two_drivers,
    "clock jumps": clock_jumps,
    "server ill": server_ill,
    "database restarts": database_restarts,
}

DEAR: dict[str, Fault] = {"node lost": node_lost}
"""Faults that are tried only where they are asked for: one case takes as long as ten others."""


def studies_for(fault: str, kinds: tuple[Kind, ...] = KINDS) -> tuple[Kind, ...]:
    """The kinds of studies that a fault can meet."""
    return tuple(kind for kind in kinds if fault != "database restarts" or kind in SEARCHES)


def impossible(fault: str) -> str | None:
    """Why a fault cannot be made on this machine; None where it can."""
    match fault:
        case "disk full" | "home read-only" if not disks.allowed():
            return "mounting a disk needs root"
        case "database restarts" if not postgres.installed():
            return "there is no PostgreSQL server"
        case "node lost" if not nodes.installed():
            return "Ray is not installed; pip install 'mmstudy[ray]' brings it"
        case _:
            return None
