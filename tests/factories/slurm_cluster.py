"""A Slurm cluster of this one machine: its controller, two nodes of four slots, and the daemon that signs for them.

Needs the programs (Debian: slurmctld, slurmd, munge, slurm-client), and root or a user of one's own.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
_SYSTEM = "/usr/sbin:/sbin"

_CONFIG = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
ReturnToService=2
KillWait=1
MaxArraySize=101
InactiveLimit=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=DEFAULT CPUs=4 RealMemory=20000 Feature=a100 Gres=gpu:2 State=UNKNOWN
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={first}
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={second}
PartitionName=main Nodes=ALL Default=YES MaxTime=2-0 State=UP PriorityTier=1
PartitionName=gpu Nodes=ALL MaxTime=2-0 State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=60 State=UP PriorityTier=10 PreemptMode=OFF
"""


@dataclass
class SlurmCluster:
    """A cluster that runs.

    Args:
        folder: its configuration, state and logs.
    """

    folder: Path
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def slurm(self, *command: str) -> str:
        """What a command of Slurm's prints."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, [*command, done.stderr])
        return done.stdout

    def states(self) -> dict[str, str]:
        """The state of each task that Slurm remembers."""
        text = self.slurm("squeue", "--array", "--noheader", "--states=all", "--format=%i|%T")
        return dict(line.split("|") for line in text.split())

    def running(self) -> list[str]:
        """Tasks that run, in order of their names."""
        return sorted(task for task, state in self.states().items() if state == "RUNNING")

    def clear(self) -> None:
        """Cancel everything."""
        self.slurm("scancel", f"--user={getpass.getuser()}")

    def start(self) -> None:
        """Start its daemons; returns once both nodes are ready."""
        folder, user = self.folder, getpass.getuser()
        port, first, second = _free_ports(3)
        places = {"folder": folder, "host": socket.gethostname().partition(".")[0], "user": user}
        config = _CONFIG.format(**places, port=port, first=first, second=second)
        (folder / "slurm.conf").write_text(config, encoding="utf-8")
        # Cards that nobody opens: a worker of the tests asks for one, and computes without.
        for number in range(2):
            (folder / f"card{number}").touch()
        cards = f"NodeName=n[1-2] Name=gpu File={folder}/card[0-1]\n"
        (folder / "gres.conf").write_text(cards, encoding="utf-8")
        for name in ("state", "spool-n1", "spool-n2"):
            (folder / name).mkdir()
        (folder / "munge.key").write_bytes(os.urandom(128))
        (folder / "munge.key").chmod(0o600)
        files = {"socket": "munge.socket", "key-file": "munge.key", "log-file": "munged.log"}
        files |= {"pid-file": "munged.pid", "seed-file": "munge.seed"}
        self._daemon(
            "munged", "--foreground", "--force", *(f"--{name}={folder / file}" for name, file in files.items())
        )
        self._until(lambda: (folder / "munge.socket").exists())
        self._daemon("slurmctld", "-D", "-c")
        for node in ("n1", "n2"):
            self._daemon("slurmd", "-D", "-N", node)
        ready = {"n1 idle", "n2 idle"}
        self._until(lambda: set(self.slurm("sinfo", "--Node", "--noheader", "--format=%N %t").splitlines()) == ready)

    def end(self) -> None:
        """End everything that runs on it, and its daemons."""
        with contextlib.suppress(subprocess.SubprocessError, OSError):
            self.clear()
            self._until(lambda: not set(self.states().values()) & {"RUNNING", "COMPLETING", "PENDING"}, 5)
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _daemon(self, *command: str) -> None:
        with open(self.folder / "daemons.log", "ab") as log:
            self._processes.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))

    def _until(self, holds: object, seconds: float = 20) -> None:
        assert callable(holds)
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(subprocess.CalledProcessError):
                if holds():
                    return
            alive = time.monotonic() < end and all(process.poll() is None for process in self._processes)
            assert alive, (self.folder / "daemons.log").read_text(errors="replace")[-2000:]
            time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@pytest.fixture(scope="session")
def slurm_cluster() -> Iterator[SlurmCluster]:
    """A cluster that this test process's Slurm commands speak to."""
    paths = f"{os.environ['PATH']}:{_SYSTEM}"
    missing = [program for program in _PROGRAMS if shutil.which(program, path=paths) is None]
    if missing:
        absent = f"no {', '.join(missing)} here (Debian: apt-get install slurmctld slurmd munge slurm-client)"
        if os.environ.get("MMSTUDY_REQUIRE_SLURM"):
            pytest.fail(absent)
        pytest.skip(absent)
    with tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as made:
        cluster = SlurmCluster(Path(made))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", paths)
            patch.setenv("SLURM_CONF", str(cluster.folder / "slurm.conf"))
            try:
                cluster.start()
                yield cluster
            finally:
                cluster.end()
