"""What a job needs of the driver's machine, where nodes do not see its folders."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from experiments.environment import environment_of
from experiments.execute import shares_with
from experiments.launchers.messages import Job, runs_of
from experiments.launchers.ray.orders import Travel, Tree
from mmcore.config import RunConfig
from mmcore.custom import custom_parts, find_source
from mmcore.data.prepared import open_prepared


def writes(run: Job) -> tuple[Path, ...]:
    """Folders that a run may write: its own, and, if it trains nothing by itself, those whose training it may share."""
    trains = not isinstance(run.config, RunConfig) or run.config.trains
    return (Path(run.workdir),) if trains else _folders_of(run)


def travel_of(job: Job) -> Travel:
    """What goes with a job: whatever any of its runs needs."""
    folders: list[Path] = []
    trees: list[Tree] = []
    for run in runs_of(job):
        folders.extend(_folders_of(run))
        if run.prepared:
            trees.append(_all_of(Path(run.prepared)))
        if run.code is not None:
            # Files of installed packages have absolute names: they must be installed on the node.
            trees.append(Tree(run.code.folder, tuple(name for name in run.code.files if not Path(name).is_absolute())))
        if isinstance(run.config, RunConfig):
            trees.extend(_parts_of(run.config))
    work = job.code is not None and job.code.runner.resumes
    return Travel(tuple(map(str, dict.fromkeys(folders))), tuple(dict.fromkeys(trees)), work)


def _folders_of(run: Job) -> tuple[Path, ...]:
    """Folders that a run reads or writes: its own first, then those whose training it may share."""
    own = Path(run.workdir)
    if not isinstance(run.config, RunConfig):
        return (own,)
    return (own, *(own.parent / name for name in shares_with(run.config, _content(Path(run.prepared)))))


def with_checkout(job: Job) -> Job:
    """A job whose training code says of itself what git knows of it here: on a node it is a copy."""
    if job.code is None:
        return job
    about = environment_of(Path(job.code.folder), job.code.files)
    return replace(job, code=replace(job.code, checkout=(about.commit, about.dirty)))


def _parts_of(config: RunConfig) -> list[Tree]:
    """The sources of the user's own classes that lie beside the study; by folder, since a folder is kept once."""
    files: dict[str, set[str]] = {}
    for part in custom_parts(config).values():
        if part.folder is None:
            continue
        source = find_source(part.class_, Path(part.folder))
        if source.beside:
            names = {path.relative_to(source.root).as_posix() for path in source.files}
            files.setdefault(str(source.root), set()).update(names)
    return [Tree(folder, tuple(sorted(names))) for folder, names in files.items()]


def _all_of(folder: Path) -> Tree:
    return Tree(str(folder), tuple(sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())))


@cache
def _content(prepared: Path) -> str:
    return open_prepared(prepared).content
