"""Runs of the same study that this plan does not use: trained by other numerics, or on what the corpus held before."""

from __future__ import annotations

import json
from collections.abc import Sequence

from experiments.home import Home
from experiments.planning.request import AnyRequest, PlannedRun, Request, trains_itself
from experiments.records import RECORD
from mmcore.files import read_bytes
from mmcore.fingerprint import NUMERICS, fingerprint, numerics, runs_of
from mmcore.language import say

REPORT = "report.json"
"""As :data:`reports.compare.source.FILE`, whose module takes scipy along: a plan does without."""
ASKED = 200
"""Runs of which it is asked whether an earlier version trained them: one is enough, and a plan may have thousands."""


def trained_by(runs: Sequence[PlannedRun], request: Request, home: Home) -> int | None:
    """The latest version of the numerics before this one that has finished a run which is to do."""
    todo = [run.config for run in runs if run.state == "to do"][:ASKED]
    if request.content is None or not todo or not home.runs.is_dir():
        return None
    for version in range(numerics() - 1, 0, -1):
        with runs_of(version):
            if any((home.run(fingerprint(config, request.content)) / RECORD).exists() for config in todo):
                return version
    return None


def corpus_changed(request: AnyRequest, home: Home) -> bool:
    """Whether the last report of this study with these options was about other data in the same corpus folder.

    A report that cannot be read says nothing.
    """
    if not trains_itself(request) or request.content is None:
        return False
    try:
        report = json.loads(read_bytes(home.report(request.key) / REPORT))
        before = report["provenance"]["corpus"]
        return before["path"] == str(request.place.folder) and before["content"] != request.content
    except (OSError, ValueError, KeyError, TypeError):
        return False


def earlier_texts(numerics_before: int | None, changed: bool) -> tuple[str, ...]:
    """Why runs are trained again that seemed finished; () where there are none."""
    texts = []
    if numerics_before is not None:
        texts.append(
            say(
                "runs of this study were trained with version {earlier} of the numerics. This version of mmstudy "
                "computes with version {now}, whose results differ: they are not mixed, and such runs are trained "
                "again. The old ones stay in the home; mmstudy report STUDY --numerics {earlier} reports on them",
                earlier=numerics_before,
                now=NUMERICS,
            )
        )
    if changed:
        texts.append(
            say(
                "the corpus has changed since the report of this study was written, so its runs are trained again. The "
                "old ones stay in the home, and count again if the corpus holds the same data again"
            )
        )
    return tuple(texts)
