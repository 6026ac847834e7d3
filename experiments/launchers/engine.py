"""On what a study's runs are trained: this machine, a Ray cluster or a Slurm cluster. A choice of the command's, never
part of what is asked: no fingerprint holds it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from mmcore.complaints import expectation
from mmcore.errors import LaunchError, nearest
from mmcore.frozen import Frozen
from mmcore.yamlfile import read_yaml

KINDS = ("local", "ray", "slurm")


class Resources(Frozen):
    """What one run needs.

    Args:
        cpus: CPU cores; None: one for each thread.
        gpus: graphics cards, or a part of one: with 0.25, four runs share a card. None: by the device that is asked for
            and by the memory that a run needs.
        memory_gib: main memory in GiB; None: not asked for.
    """

    cpus: float | None = Field(default=None, gt=0, le=1024)
    gpus: float | None = Field(default=None, ge=0, le=64)
    memory_gib: float | None = Field(default=None, gt=0, le=65536)


class LocalEngine(Frozen):
    """Worker processes on this machine."""

    kind: Literal["local"] = "local"
    resources: Resources = Resources()


class RayEngine(Frozen):
    """Workers on a Ray cluster.

    Args:
        address: ``HOST:PORT`` of its head, ``auto`` for a cluster that this machine belongs to, or None: a cluster of
            this machine alone, for as long as the command takes.
        shared_folder: whether all nodes see the home and the corpus under the same path. If not, files are sent.
        grace: seconds to wait for a new node once no node is left that can serve a run.
        patience: seconds for which the head of the cluster may be silent.
    """

    kind: Literal["ray"] = "ray"
    address: str | None = None
    shared_folder: bool = False
    grace: float = Field(default=30.0, ge=0)
    patience: float = Field(default=30.0, gt=0, le=50)
    resources: Resources = Resources()


class SlurmEngine(Frozen):
    """Workers on a Slurm cluster, as jobs of an array. Nodes and this machine share the home and the corpus.

    Args:
        partition, account, qos: as ``sbatch`` has them; None: the cluster's defaults.
        minutes: time limit of a worker; a worker that ends by it is replaced, and its run resumed.
        workers: jobs of the array at most; None: as many as there are runs, at most 64.
        options: further options of ``sbatch``, by their long names without dashes: ``{constraint: a100}``.
    """

    kind: Literal["slurm"] = "slurm"
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    minutes: int = Field(default=24 * 60, gt=0)
    workers: int | None = Field(default=None, gt=0, le=10_000)
    options: dict[str, str] = {}
    resources: Resources = Resources()


Engine: TypeAlias = LocalEngine | RayEngine | SlurmEngine

_ENGINE: TypeAdapter[Engine] = TypeAdapter(Annotated[Engine, Field(discriminator="kind")])


def read_engine(text: str | None) -> Engine:
    """The engine that ``--on`` names.

    Args:
        text: ``local``, ``ray``, ``ray://HOST:PORT``, ``slurm``, or a YAML file with ``kind`` and its settings. None:
            the environment variable ``MMSTUDY_ON``, else ``local``.

    Raises:
        LaunchError: no such engine; a file that is not there or has a wrong setting.
    """
    named = text if text is not None else os.environ.get("MMSTUDY_ON") or "local"
    match named:
        case "local":
            return LocalEngine()
        case "ray":
            return RayEngine()
        case "slurm":
            return SlurmEngine()
        case _ if named.startswith("ray://"):
            address = named.removeprefix("ray://")
            host, _, port = address.rpartition(":")
            if not host or not port.isdigit() or not 0 < int(port) < 65536:
                raise LaunchError(
                    "the address of a Ray cluster has a host and a port", expected="ray://HOST:PORT", found=named
                )
            return RayEngine(address=address)
        case _ if Path(named).suffix in (".yaml", ".yml"):
            return _read_file(Path(named))
        case _:
            raise LaunchError(
                f"'{named}' is nothing to train on",
                expected="local, ray, ray://HOST:PORT, slurm, or a YAML file with these settings",
                next_step=nearest(named, KINDS),
            )


def _read_file(path: Path) -> Engine:
    file = read_yaml(path, LaunchError)
    try:
        return _ENGINE.validate_python(file.data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        # The name of the kind stands before the setting.
        place = [part for part in first["loc"] if part not in KINDS]
        raise LaunchError(
            f"this setting of a launcher file cannot be read: {'.'.join(map(str, place)) or 'kind'}",
            expected=expectation(first),
            found=repr(first["input"])[:80],
            where=file.where(place),
        ) from None
