"""Job arrays, submitted through submitit: its only importer."""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import experiments
from experiments.launchers.engine import SlurmEngine
from experiments.launchers.local import THREAD_VARIABLES
from experiments.launchers.slurm.status import refused
from mmcore.errors import LaunchError
from mmcore.language import VARIABLE, language

JOB_NAME = "mmstudy"

_OURS = {
    "array", "chdir", "cpus-per-task", "error", "export", "job-name", "nodes", "ntasks", "ntasks-per-node", "open-mode",
    "output", "parsable", "requeue", "no-requeue", "signal", "test-only", "wait", "wrap",
}  # fmt: skip
_SETTINGS = {
    "partition": "partition", "account": "account", "qos": "qos", "time": "minutes", "mem": "resources.memory_gib",
    "gpus-per-node": "resources.gpus",
}  # fmt: skip


def submit(
    engine: SlurmEngine, folder: Path, threads: int, gpus: float, words: Sequence[str], numbers: Sequence[int]
) -> list[str]:
    """Submit workers as one job array.

    Args:
        folder: of this call, seen by all nodes.
        threads: CPU threads of each worker.
        gpus: graphics cards of each worker.
        words: further words for the worker's process.
        numbers: of the workers; each is started with its own.

    Returns:
        The name that Slurm gives to each task.

    Raises:
        LaunchError: submitit is not installed; Slurm refuses the request.
    """
    try:
        from submitit.core.utils import FailedJobError, FailedSubmissionError
        from submitit.helpers import CommandFunction
        from submitit.slurm.slurm import SlurmExecutor
    except ImportError as error:
        raise LaunchError(
            "workers on Slurm need the package submitit", found=str(error), next_step="pip install 'mmstudy[slurm]'"
        ) from None
    # submitit keeps what it is given in pickles: words of a command, and nothing of ours.
    command = CommandFunction(
        [sys.executable, "-P", "-m", "experiments.launchers.slurm.node", str(folder), *words], verbose=False
    )
    try:
        executor = SlurmExecutor(folder / "submitit")
        executor.update_parameters(**_parameters(engine, folder, threads, gpus, len(numbers)))
        # submitit prints what sbatch says; it is in the error too.
        with contextlib.redirect_stderr(io.StringIO()):
            jobs = executor.map_array(command, numbers)
    except (FailedJobError, FailedSubmissionError, subprocess.SubprocessError, OSError) as error:
        raise refused(str(error)) from None
    return [job.job_id for job in jobs]


def log_of(folder: Path, task: str) -> Path:
    """What a task wrote before its worker had a log of its own."""
    return folder / f"{task}.log"


def check_settings(engine: SlurmEngine, gpus: float) -> None:
    """Refuse settings that cannot be handed on to Slurm.

    Raises:
        LaunchError: a part of a graphics card; an option that is ours to set, or that has a setting of its own.
    """
    if gpus != int(gpus):
        raise LaunchError(
            "Slurm gives whole graphics cards to a worker",
            expected="a whole number for resources.gpus",
            found=f"{gpus:g}",
            next_step="Ask for a share in your cluster's own words, e.g. gpus: 0 and options: {gres: 'shard:1'}",
        )
    for name in engine.options:
        plain = name.replace("_", "-")
        if plain in _OURS:
            raise LaunchError(f"mmstudy sets the sbatch option '{plain}' itself", next_step="Remove it from options")
        if plain in _SETTINGS:
            raise LaunchError(
                f"the sbatch option '{plain}' has a setting of its own",
                next_step=f"Set {_SETTINGS[plain]} instead of options.{name}",
            )
        if re.fullmatch("[a-z][a-z0-9-]*", plain) is None:
            raise LaunchError(
                "an option of sbatch is a long name without dashes in front", found=name[:80], where="options"
            )
    named = {"partition": engine.partition, "account": engine.account, "qos": engine.qos, **engine.options}
    for name, value in named.items():
        if any(ord(letter) < 32 for letter in value or ""):
            raise LaunchError("a setting of Slurm's is one line", found=repr(value)[:80], where=name)


def _parameters(engine: SlurmEngine, folder: Path, threads: int, gpus: float, tasks: int) -> dict[str, Any]:
    needs = engine.resources
    # In the pattern of a file's name, Slurm takes % for the begin of a field.
    logs = str(folder).replace("%", "%%") + ("/%A_%a.log" if tasks > 1 else "/%j.log")
    options = {name.replace("_", "-"): value or True for name, value in engine.options.items()}
    root = str(Path(experiments.__file__).resolve().parent.parent)
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = dict.fromkeys(THREAD_VARIABLES, str(threads)) | {"PYTHONPATH": paths, VARIABLE: language()}
    return {
        "job_name": JOB_NAME,
        "partition": engine.partition,
        "account": engine.account,
        "qos": engine.qos,
        "time": engine.minutes,
        "cpus_per_task": math.ceil(needs.cpus) if needs.cpus is not None else threads,
        "gpus_per_node": int(gpus) or None,
        "mem": f"{math.ceil(needs.memory_gib * 1024)}M" if needs.memory_gib is not None else None,
        "array_parallelism": tasks,
        "wckey": None,
        # One process in the batch script itself: srun would give it one core, whatever was asked for.
        "use_srun": False,
        "stderr_to_stdout": True,
        "setup": [f"export {name}={shlex.quote(value)}" for name, value in environment.items()],
        "additional_parameters": {"requeue": True, "output": logs, **options},
    }
