"""The answer of an analysis: as a file of a run keeps it, and as it stands in a study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, Self, TypeVar

from pydantic import ValidationInfo, model_validator

from mmcore.analyses import Analysis, AnyAnalysis
from mmcore.answers.attention import AttentionResult
from mmcore.answers.coalitions import CoalitionsResult
from mmcore.answers.corruption import CorruptionResult
from mmcore.answers.error_analysis import ErrorsResult
from mmcore.answers.gates import GatesResult
from mmcore.answers.parts import Part

Kind = Literal["gates", "attention", "coalitions", "corruption", "errors"]
Result = GatesResult | AttentionResult | CoalitionsResult | CorruptionResult | ErrorsResult
R_co = TypeVar("R_co", covariant=True)


class Failure(Part):
    """Why an analysis could not be made: the exception's name and message."""

    error: str
    message: str


class Answer(Part, Generic[R_co]):
    """What a file holds. NaN and infinite numbers are null there."""

    format: Literal[1] = 1
    """Of the file; files without it are of the same format."""
    kind: Kind
    settings: Analysis
    version: int | None = None
    """Of the analysis; None where it failed."""
    seconds: float | None = None
    """That the analysis took; None where it failed."""
    result: R_co | None = None
    failure: Failure | None = None

    @model_validator(mode="after")
    def _agrees(self, info: ValidationInfo) -> Self:
        if (self.result is None) == (self.failure is None):
            raise ValueError("an answer has a result or a failure")
        if {self.kind, self.settings.kind} != {(info.context or {}).get("kind", self.kind)}:
            raise ValueError("an answer and its settings are of the kind that is expected")
        return self

    def about(self, arm: str, repeat: int, fingerprint: str) -> Answered[R_co | Failure]:
        """The same in a study, whose run it is about."""
        found = self.result if self.failure is None else self.failure
        assert found is not None
        return Answered(arm, repeat, fingerprint, self.settings, found, self.seconds)

    def to_json(self) -> str:
        """The file's text."""
        return self.model_dump_json()


def parse_answer(kind: Kind, text: bytes) -> Answer[Result]:
    """The answer in a file.

    Args:
        kind: that is expected.

    Raises:
        pydantic.ValidationError: the text is not complete JSON, of another kind or a later format, or anything in it
            has a
            wrong type.
    """
    return _type_of(kind).model_validate_json(text, strict=True, context={"kind": kind})


def _type_of(kind: Kind) -> type[Answer[Result]]:
    match kind:
        case "gates":
            return Answer[GatesResult]
        case "attention":
            return Answer[AttentionResult]
        case "coalitions":
            return Answer[CoalitionsResult]
        case "corruption":
            return Answer[CorruptionResult]
        case "errors":
            return Answer[ErrorsResult]


@dataclass(frozen=True)
class Answered(Generic[R_co]):
    """An answer about one run of a study.

    Args:
        arm, repeat, fingerprint: of the run. settings: what was asked. result: a :class:`Failure` where the analysis
            could not be made. seconds: that it took; None where it failed.
    """

    arm: str
    repeat: int
    fingerprint: str
    settings: AnyAnalysis
    result: R_co
    seconds: float | None = None

    @property
    def kind(self) -> Kind:
        """Of the analysis."""
        return self.settings.kind
