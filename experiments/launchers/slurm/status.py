"""How our tasks stand, from ``squeue``, which needs no accounting database."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from mmcore.errors import LaunchError
from mmcore.language import later, sentence

_SECONDS = 20.0
"""How long Slurm may take to answer."""

_RUNS = {
    "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"
}  # fmt: skip
_WAITS = {"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"}

PUT_BACK = sentence("its worker was put back into the queue by Slurm")
_WORDS = {
    "PREEMPTED": later("its worker was preempted by Slurm"),
    "NODE_FAIL": later("its worker's node failed"),
    "BOOT_FAIL": later("its worker's node failed to start"),
    "TIMEOUT": later("its worker's time limit ended"),
    "DEADLINE": later("its worker's deadline passed"),
    "OUT_OF_MEMORY": later("out of memory: Slurm ended it at its limit"),
    "CANCELLED": later("its worker was cancelled by scancel"),
    "REVOKED": later("its worker was taken back by Slurm"),
}

_NEVER = re.compile(
    "PartitionTimeLimit|PartitionNodeLimit|BadConstraints|InvalidAccount|InvalidQOS|AccountNotAllowed|QOSNotAllowed"
    "|DependencyNeverSatisfied|(Assoc|QOS)(Max|Min).*(PerJob|PerNode).*|AssocMaxWall.*|QOSMaxWall.*|QOSMin.*"
)
"""Reasons for which a task waits for ever (``man squeue``, job reason codes)."""


@dataclass(frozen=True)
class Task:
    """A task as Slurm has it.

    Args:
        state: as ``squeue`` has it: ``RUNNING``.
        reason: why it waits: ``Priority``; where it waits for nothing: ``None``.
    """

    state: str
    reason: str = "None"

    @property
    def runs(self) -> bool:
        """It runs, or is about to begin or end."""
        return self.state in _RUNS

    @property
    def waits(self) -> bool:
        """It is in the queue, for the first time or again."""
        return self.state in _WAITS

    @property
    def over(self) -> bool:
        """Slurm does not start it again."""
        return not self.runs and not self.waits

    @property
    def never(self) -> bool:
        """It waits for what never comes."""
        return self.waits and _NEVER.fullmatch(self.reason) is not None

    @property
    def why(self) -> str:
        """How it ended, in a few words; empty where Slurm does not know more than that."""
        if self.waits:
            return PUT_BACK
        return sentence(_WORDS[self.state]) if self.state in _WORDS else ""

    @property
    def blames_job(self) -> bool:
        """Whether what the task did may have ended it."""
        return self.over and (self.state == "OUT_OF_MEMORY" or self.state not in _WORDS)


FORGOTTEN = Task("FORGOTTEN")
"""A task of which Slurm knows nothing any more."""


def slurm(*command: str, seconds: float = _SECONDS) -> str:
    """What a command of Slurm's prints.

    Raises:
        LaunchError: the command is not there, does not answer, or says no.
    """
    if shutil.which(command[0]) is None:
        raise LaunchError(
            f"'{command[0]}' is not on this machine",
            next_step="Run this command on a login node of the Slurm cluster, or load its module",
        )
    # Times and lists in the form that is read here, whatever the user's settings are.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SQUEUE_")}
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=seconds, env=environment
        )
    except subprocess.TimeoutExpired:
        raise LaunchError(
            "Slurm does not answer",
            found=f"{command[0]} said nothing for {seconds:.0f} s",
            next_step="See with sinfo whether the cluster is up, then try the same command again",
        ) from None
    if answer.returncode:
        raise refused(answer.stderr)
    return answer.stdout


def refused(words: str) -> LaunchError:
    """The error that says what Slurm said, without the names of its programs before each line."""
    lines = [re.sub(r"^\w+: (error: )?", "", line).strip() for line in words.splitlines()]
    text = " / ".join(dict.fromkeys(line for line in lines if line)) or "nothing"
    if re.search("Unable to contact|Connection refused|timed out", text):
        return LaunchError(
            "Slurm does not answer",
            found=text,
            next_step="See with sinfo whether the cluster is up, then try the same command again",
        )
    return LaunchError(
        "Slurm refuses the workers",
        found=text,
        next_step="Change partition, account, minutes, resources or options in the launcher file",
    )


def tasks_of(jobs: Sequence[str]) -> dict[str, Task]:
    """The tasks of some jobs by their names, ``JOB`` or ``JOB_INDEX``; without those that Slurm has forgotten.

    Raises:
        LaunchError: Slurm does not answer.
    """
    try:
        text = slurm("squeue", "--array", "--noheader", "--states=all", f"--jobs={','.join(jobs)}", "--format=%i|%T|%r")
    except LaunchError as error:
        if "Invalid job id" in (error.found or ""):
            return {}
        raise
    rows = [line.strip().split("|") for line in text.splitlines()]
    return {row[0]: Task(row[1], row[2]) for row in rows if len(row) == 3}


def longest_array() -> int:
    """How many tasks a job array may have on this cluster.

    Raises:
        LaunchError: Slurm is not here, or does not answer.
    """
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", slurm("scontrol", "show", "config"), re.MULTILINE)
    return max(1, int(found[1])) if found else 1000


def cancel(jobs: Sequence[str]) -> None:
    """Cancel jobs or tasks. Where Slurm does not answer, their workers end by themselves: their driver is gone."""
    try:
        slurm("scancel", "--quiet", *jobs)
    except LaunchError:
        return
