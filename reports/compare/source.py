"""The part of a report's JSON that a comparison of two reports needs, checked once when it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from mmcore.complaints import expectation
from mmcore.config import Overrides, Plain
from mmcore.errors import RecordError
from mmcore.facts import Drawn, drawn_of
from mmcore.files import read_bytes, unopened
from reports.model.report import Summary
from reports.output.text import as_json

FILE = "report.json"
"""Its name in a report's folder."""

AGAIN = "Write the report again with `mmstudy report`"


class _Told(BaseModel):
    """Later versions may say more: what is not known is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Arm(_Told):
    """An arm's score on the metric."""

    name: str
    reference: bool
    mean: float | None
    interval: tuple[float | None, float | None]
    n: int
    failed: int


class Verdict(_Told):
    """One comparison of a report; component None: on the metric."""

    arm: str
    reference: str
    component: str | None
    n: int
    difference: float | None
    interval: tuple[float | None, float | None]
    p_holm: float | None
    verdict: str

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What makes it the same comparison in another report."""
        return self.arm, self.reference, self.component


class CheckMade(_Told):
    """A check and what came of it."""

    code: str
    outcome: str


class Corpus(_Told):
    """What was read."""

    name: str | None
    content: str | None
    task: str | None


class Repeat(_Told):
    """What a repeat was trained and tested on, see :func:`reports.summary.splits.splits_of`."""

    repeat: int
    train_groups: int
    test_groups: int
    items: int
    targets: str
    naive_loss: float | None


class Splits(_Told):
    """The splits of all repeats."""

    drawn: Drawn
    repeats: tuple[Repeat, ...]

    @model_validator(mode="before")
    @classmethod
    def _earlier(cls, value: Any) -> Any:
        """Reports of earlier versions say ``given``."""
        if not isinstance(value, dict) or "given" not in value:
            return value
        return {**value, "drawn": drawn_of(bool(value["given"]))}


class Run(_Told):
    """A run's name and identity."""

    arm: str
    repeat: int
    fingerprint: str


class Environment(_Told):
    """What the runs were made with: every distinct answer."""

    commit: tuple[str, ...] = ()
    dirty: tuple[bool, ...] = ()
    python: tuple[str, ...] = ()
    platform: tuple[str, ...] = ()
    device: tuple[str, ...] = ()
    threads: tuple[int, ...] = ()
    numerics: tuple[int, ...] = ()
    packages: tuple[dict[str, str | None], ...] = ()


class Provenance(_Told):
    """Where a report comes from; ``configs`` are the arms' whole configs without defaults."""

    corpus: Corpus
    splits: Splits
    configs: dict[str, Plain]
    runs: tuple[Run, ...]
    environment: Environment = Environment()
    preset: str | None = None
    changes: Overrides = {}
    match: Plain | None = None
    mmstudy: str | None = None


class _Facts(_Told):
    study: str
    question: str
    metric: str
    alpha: float
    margin: float | None
    repeats: int
    first_repeat: int = 0
    """Reports of earlier versions lack it; without a search it was 0."""
    arms: tuple[Arm, ...]
    comparisons: tuple[Verdict, ...]
    checks: tuple[CheckMade, ...] = ()
    provenance: Provenance


class Report(_Facts):
    """A report, and where it was read.

    Args:
        source: a study's name, or the file.
    """

    source: str

    @property
    def looked_before(self) -> bool:
        """Whether claims are in doubt since repeats were changed after a look."""
        return any((check.code, check.outcome) == ("ABL046", "warning") for check in self.checks)

    @property
    def reference(self) -> str | None:
        """The reference arm's name."""
        return next((arm.name for arm in self.arms if arm.reference), None)


def report_of(summary: Summary, source: str) -> Report:
    """The report of a study whose records were just read."""
    return Report.model_validate({**as_json(summary), "source": source})


def read_report(path: Path) -> Report:
    """A report from its folder or its ``report.json``.

    Raises:
        RecordError: no such file; broken JSON, with its line; no report, or one of a version that says too little.
    """
    file = path / FILE if path.is_dir() else path
    try:
        text = read_bytes(file)
        content = json.loads(text.decode())
    except FileNotFoundError as problem:
        raise RecordError(
            "a report must be there to be compared",
            expected=f"a report's folder, or its {FILE}",
            found=problem.strerror,
            where=str(file),
            next_step="`mmstudy report STUDY` writes it and prints where it is",
        ) from None
    except OSError as problem:
        raise unopened(RecordError, "a report", file, problem) from None
    except json.JSONDecodeError as problem:
        raise RecordError(
            "a report must be whole JSON",
            found=f"{problem.msg.lower()}, column {problem.colno}",
            where=f"{file}:{problem.lineno}",
            next_step=AGAIN,
        ) from None
    except UnicodeDecodeError as problem:
        raise RecordError(
            "a report must be UTF-8", found=f"byte {problem.start}", where=str(file), next_step=AGAIN
        ) from None
    except (RecursionError, ValueError):
        raise RecordError(
            "a report must not be nested more deeply than mmstudy writes it, nor hold longer numbers",
            where=str(file),
            next_step=AGAIN,
        ) from None
    if not isinstance(content, dict) or "study" not in content or "comparisons" not in content:
        raise RecordError(
            "the file is no report of mmstudy",
            expected="a JSON object with study, metric, arms, comparisons and provenance",
            found=(", ".join(list(content)[:6]) or "an empty object")
            if isinstance(content, dict)
            else type(content).__name__,
            where=str(file),
            next_step=f"Name a report's folder, or its {FILE}",
        )
    try:
        return Report.model_validate({**content, "source": str(file)})
    except ValidationError as problem:
        first = problem.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        missing = first["type"] == "missing"
        raise RecordError(
            f"the report lacks '{place}'" if missing else f"'{place}' of the report cannot be understood",
            expected=None if missing else expectation(first),
            found=None if missing else repr(first["input"])[:60],
            where=str(file),
            next_step=f"It may be of another version. {AGAIN}",
        ) from None
