"""Analyses of one finished run: made from its checkpoint, each kept in a file of the run's folder."""

from __future__ import annotations

import contextlib
import json
import os
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.records import answer_path, finite
from mmcore.analyses import AnyAnalysis
from mmcore.config import RunConfig
from mmcore.events import OnEvent

if TYPE_CHECKING:
    from mmcore.data.prepared import Prepared


def examine(
    config: RunConfig,
    analyses: Sequence[AnyAnalysis],
    folder: Path,
    prepared: Callable[[], Prepared],
    on_event: OnEvent,
) -> list[str]:
    """Answer questions about a finished run and keep the answers; one that fails does not stop the others.

    Returns:
        The kinds that failed.

    Raises:
        MMStudyError: the run's checkpoint cannot be read, or its device is not there.
    """
    from mmcore.analyse import analyse
    from mmcore.run import resolve_device
    from mmcore.trained import open_trained

    trained = open_trained(config, prepared(), folder, on_event, resolve_device(config.device))
    failed = []
    for analysis in analyses:
        path = answer_path(folder, analysis)
        try:
            answer = analyse(trained, analysis)
        except Exception as error:
            with contextlib.suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_suffix(".txt").write_text(traceback.format_exc(), encoding="utf-8")
            failed.append(analysis.kind)
            told = {"error": type(error).__name__, "message": str(error) or repr(error)}
            answer = {"kind": analysis.kind, "settings": analysis.model_dump(mode="json"), "failure": told}
        write_answer(path, answer)
    return failed


def read_answer(path: Path) -> dict[str, Any] | None:
    """An answer that is there; None where there is none yet, or the file is not whole JSON: then it is made anew."""
    try:
        answer = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


def write_answer(path: Path, answer: dict[str, Any]) -> None:
    """To a temporary file, then in place in one step; NaN and infinite numbers become null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(finite(answer), allow_nan=False, ensure_ascii=False), encoding="utf-8")
    os.replace(temporary, path)
