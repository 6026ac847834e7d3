"""Code of the user's that belongs to a study: its parts and its runner, as far as they lie beside the study's file."""

from __future__ import annotations

from pathlib import Path

from experiments.planning.request import AnyRequest, has_runner, trains_itself
from mmcore.custom import custom_parts, find_source
from mmcore.errors import StudyError

LARGEST = 64 * 2**20
"""Bytes of one file: code has fewer, and what has more is data."""


def code_of(request: AnyRequest) -> dict[str, Path]:
    """The files, by their names in the study's folder. Without them runs have other fingerprints.

    Raises:
        StudyError: a file is too large for code, or lies elsewhere and is no part of an installed package.
    """
    folder = request.file.parent.resolve()
    found: dict[str, Path] = {}
    if has_runner(request):
        for name in request.training.source.files:
            if Path(name).is_absolute():
                raise StudyError(
                    "training code must lie in the folder of the study's file to travel with it",
                    found=name,
                    where=str(request.file),
                    next_step="Move it there, or copy study and home by hand",
                )
            found[name] = folder / name
    if trains_itself(request):
        parts = {part.class_: part for arm in request.study.arms for part in custom_parts(arm.config).values()}
        for part in parts.values():
            source = find_source(part.class_, folder)
            if source.beside:
                found |= {path.relative_to(source.root).as_posix(): path for path in source.files}
    for path in found.values():
        if path.stat().st_size > LARGEST:
            raise StudyError(
                f"a file of code has at most {LARGEST >> 20} MiB",
                found=f"{path.stat().st_size:,} bytes",
                where=str(path),
                next_step="List files of code alone under source",
            )
    return dict(sorted(found.items()))
