"""Complaints of pydantic reach nobody in its own words: each kind that our files can meet is put in ours."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from mmcore.complaints import complaint, expectation


class One(BaseModel):
    kind: Literal["one"] = "one"


class Two(BaseModel):
    kind: Literal["two"] = "two"


@dataclass(config=ConfigDict(extra="forbid"))
class Kept:
    name: str


class Sample(BaseModel):
    model_config = ConfigDict(extra="forbid")

    whole: int = 0
    number: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.5
    few: Annotated[int, Field(gt=0, le=9)] = 1
    text: Annotated[str, Field(min_length=1, max_length=3)] = "a"
    truth: bool = True
    many: Annotated[tuple[int, ...], Field(min_length=1)] = (1,)
    listed: list[int] = []
    mapping: dict[str, int] = {}
    one: One = One()
    nothing: None = None
    choice: Literal["a", "b"] = "a"
    family: Annotated[One | Two, Field(discriminator="kind")] = One()
    kept: Kept = Field(default_factory=lambda: Kept(name="a"))

    @model_validator(mode="after")
    def _rule(self) -> Sample:
        if self.whole == 13:
            raise ValueError("whole must not be 13")
        if self.whole == 14:
            raise AssertionError("whole is not 14")
        return self


CASES: dict[str, tuple[dict[str, object], str]] = {
    "text for a whole number": ({"whole": "x"}, "must be a whole number"),
    "a fraction": ({"whole": 1.5}, "must be a whole number"),
    "text for a number": ({"number": "x"}, "must be a number"),
    "infinite": ({"number": math.inf}, "must be a finite number"),
    "too small": ({"number": -1}, "must be at least 0"),
    "not below": ({"number": 1}, "must be less than 1"),
    "not above": ({"few": 0}, "must be greater than 0"),
    "too large": ({"few": 10}, "must be at most 9"),
    "a number for text": ({"text": 1}, "must be text"),
    "empty text": ({"text": ""}, "must have at least 1 character"),
    "long text": ({"text": "abcd"}, "must have at most 3 characters"),
    "no truth value": ({"truth": "x"}, "must be true or false"),
    "an empty list": ({"many": ()}, "must have at least 1 item"),
    "no list": ({"many": 1}, "must be a list"),
    "nor here": ({"listed": 1}, "must be a list"),
    "no mapping": ({"mapping": 1}, "must be a mapping"),
    "no part": ({"one": 1}, "must be a mapping"),
    "no null": ({"nothing": 1}, "must be null"),
    "no choice": ({"choice": "c"}, "must be 'a' or 'b'"),
    "no member": ({"family": {"kind": "three"}}, "must have a kind of 'one', 'two'"),
    "no kind": ({"family": {}}, "must name its kind"),
    "a rule of ours": ({"whole": 13}, "whole must not be 13"),
    "an assertion": ({"whole": 14}, "whole is not 14"),
    "an unknown key": ({"other": 1}, "must be a known key"),
    "a missing one": ({"kept": {}}, "must be given"),
    "an unknown one of a dataclass": ({"kept": {"name": "a", "other": 1}}, "must be a known key"),
}


@pytest.mark.parametrize(("values", "said"), CASES.values(), ids=CASES)
def test_a_complaint_is_in_our_words(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate(values)
    assert complaint(caught.value.errors()[0]) == said
    assert expectation(caught.value.errors()[0]) == re.sub("must (be|have) ", "", said)


def test_a_pattern_is_named() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Annotated[str, Field(pattern="^a")]).validate_python("b")
    assert complaint(caught.value.errors()[0]) == "must match pattern '^a'"
