"""Answers of analyses as files: those of earlier versions are read, and what is no answer is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from factories.answers import attention_answer, coalitions_answer, corruption_answer, gates_answer
from factories.answers_of_errors import errors_answer
from pydantic import ValidationError

from mmcore.analyses import KINDS, ErrorsAnalysis, GatesAnalysis
from mmcore.answers.answer import Answer, Failure, Kind, parse_answer
from mmcore.answers.attention import AttentionResult
from mmcore.answers.coalitions import CoalitionsResult
from mmcore.answers.corruption import CorruptionResult
from mmcore.answers.error_analysis import ErrorsResult
from mmcore.answers.gates import GatesResult

FILES = Path(__file__).parent.parent / "data" / "answers"
"""One of each kind, of a small model with hierarchical fusion, from before files told their format; and one of errors
since items.csv has conditions, its analysis's version 3."""


def without_nothing(value: Any) -> Any:
    """Without what a file may leave out: null and empty lists."""
    match value:
        case dict():
            return {k: without_nothing(v) for k, v in value.items() if v is not None and v != []}
        case list():
            return [without_nothing(v) for v in value]
        case _:
            return value


def test_there_is_a_type_for_every_kind() -> None:
    assert get_args(Kind) == KINDS
    assert {path.stem.partition("-")[0] for path in FILES.glob("*.json")} == set(KINDS)


@pytest.mark.parametrize("file", sorted(FILES.glob("*.json")), ids=lambda file: file.stem)
def test_answers_of_earlier_versions_are_read_and_written_alike(file: Path) -> None:
    kind: Any = file.stem.partition("-")[0]
    old = json.loads(file.read_bytes())
    answer = parse_answer(kind, file.read_bytes())
    assert (answer.kind, answer.settings.kind, answer.version) == (kind, kind, old["version"])
    again = json.loads(answer.to_json())
    assert (again.pop("format"), old.pop("format", 1)) == (1, 1)
    assert without_nothing(again) == without_nothing(old)
    assert parse_answer(kind, answer.to_json().encode()).to_json() == answer.to_json()


def test_files_from_before_they_told_their_format_are_among_them() -> None:
    untold = {file.stem for file in FILES.glob("*.json") if "format" not in json.loads(file.read_bytes())}
    assert untold == set(KINDS)


def test_what_a_file_of_gates_says_is_at_hand() -> None:
    found = parse_answer("gates", (FILES / "gates.json").read_bytes()).result
    assert isinstance(found, GatesResult)
    assert found.places == (("audio", "visual"), ("(audio|visual)", "track"))
    assert len(found.distribution["audio"].quantiles) == 5
    assert math.isnan(found.clamping.free["mae"].whole), "null is NaN"
    assert found.clamping.free["skill"].whole == -0.200927
    assert {row.gate for row in found.conditions} == {"audio", "visual", "(audio|visual)", "track"}


def test_what_a_file_of_attention_says_is_at_hand() -> None:
    found = parse_answer("attention", (FILES / "attention.json").read_bytes()).result
    assert isinstance(found, AttentionResult)
    assert found.maps[0].maps[-1].place == "rollout"
    assert {flow.target for flow in found.flow} == {"audio|visual", "(audio|visual)|track"}
    assert found.faithfulness is not None
    assert -1 <= found.faithfulness.occlusion <= 1


def test_what_a_file_of_corruption_says_is_at_hand() -> None:
    found = parse_answer("corruption", (FILES / "corruption.json").read_bytes()).result
    assert isinstance(found, CorruptionResult)
    assert (found.sample.windows, found.sample.of, found.delay_unit) == (24, 36, 0.1)
    assert set(found.modalities) == {"audio", "visual", "track"}
    curve = found.modalities["audio"].curves["noise"]
    assert curve.levels == (0.0, 3.0)
    assert curve.scores["skill"].of(None)[0] == found.clean["skill"].whole == -0.202805
    assert math.isnan(found.naive["constant"]["mae"].whole), "null is NaN"


def test_what_a_file_of_coalitions_says_is_at_hand() -> None:
    found = parse_answer("coalitions", (FILES / "coalitions.json").read_bytes()).result
    assert isinstance(found, CoalitionsResult)
    assert (found.subsets, found.orders, found.learned) == (tuple(range(8)), None, None)
    assert set(found.scores) == {"permuted", "absent"}
    assert found.scores["permuted"]["skill"].of("crop")[7] == -0.552138
    assert found.emap is not None
    assert found.perceptual is not None
    assert set(found.perceptual) == set(found.modalities)


def test_what_files_of_errors_say_is_at_hand() -> None:
    old, new = (parse_answer("errors", (FILES / name).read_bytes()) for name in ("errors.json", "errors-3.json"))
    assert (old.version, new.version) == (2, 3)
    assert isinstance(old.result, ErrorsResult)
    assert isinstance(new.result, ErrorsResult)
    assert not any(one.of_items for one in old.result.conditions)
    assert {group.items for one in old.result.conditions for group in one.groups} == {None}
    genre = {one.name: one for one in new.result.conditions}["genre"]
    assert genre.of_items
    assert {group.group: group.items for group in genre.groups} == {"music": ("item04",), "talk": ("item03",)}
    assert [case.why for case in new.result.cases] == ["hardest", "worst", "best"]
    assert len(new.result.cases[0].lines[0].true) == len(new.result.cases[0].features[0].values)


Break = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    "broken",
    [
        lambda told: told.pop("result"),
        lambda told: told.update(format=2),
        lambda told: told.update(kind="attention"),
        lambda told: told["result"].pop("shares"),
        lambda told: told["result"].update(unheard_of=1),
        lambda told: told["result"]["shares"].update(entropy_passing="0.5"),
        lambda told: told["result"]["distribution"]["audio"].update(steps=0.5),
        lambda told: told["result"]["around"]["mean"].update(audio=[[0.5]]),
        lambda told: told["result"]["timelines"][0]["gates"].update(audio="none"),
        lambda told: told.update(failure={"error": "RuntimeError", "message": "both"}),
    ],
)
def test_a_file_with_anything_of_a_wrong_type_is_refused(broken: Break) -> None:
    told = json.loads((FILES / "gates.json").read_bytes())
    broken(told)
    with pytest.raises(ValidationError):
        parse_answer("gates", json.dumps(told).encode())


@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        (
            "corruption",
            lambda result: result["modalities"]["audio"]["curves"].update(rust={"levels": [], "scores": {}}),
        ),
        ("corruption", lambda result: result["clean"]["skill"].update(whole="0.5")),
        ("corruption", lambda result: result["sample"].pop("digest")),
        ("coalitions", lambda result: result.pop("learned")),
        ("coalitions", lambda result: result["scores"].update(guessed={})),
        ("coalitions", lambda result: result.update(subsets=[0.5])),
        ("errors", lambda result: result["conditions"][0]["groups"][0].update(count={"active": 0.5})),
        ("errors", lambda result: result["cases"][0].update(span=[1])),
        ("errors", lambda result: result["cases"][0].update(why="dullest")),
    ],
)
def test_that_holds_for_every_kind(kind: Kind, broken: Break) -> None:
    told = json.loads((FILES / f"{kind}.json").read_bytes())
    broken(told["result"])
    with pytest.raises(ValidationError):
        parse_answer(kind, json.dumps(told).encode())


def test_an_answer_of_another_kind_and_no_json_are_refused() -> None:
    failed = Answer(kind="errors", settings=ErrorsAnalysis(), failure=Failure(error="E", message="of errors"))
    others = (FILES / "errors.json").read_bytes(), failed.to_json().encode()
    for text in (*others, b"", b"[]", b'{"kind": "gates"'):
        with pytest.raises(ValidationError):
            parse_answer("gates", text)


def test_a_failure_has_its_reason_and_may_lack_the_rest() -> None:
    why = {"error": "RuntimeError", "message": "no such luck"}
    old = {"kind": "gates", "settings": {"kind": "gates", "timelines": 3}, "failure": why}
    answer = parse_answer("gates", json.dumps(old).encode())
    assert answer.failure == Failure(error="RuntimeError", message="no such luck")
    assert (answer.result, answer.version, answer.seconds) == (None, None, None)
    about = answer.about("arm", 2, "abc")
    assert (about.arm, about.repeat, about.kind, about.result) == ("arm", 2, "gates", answer.failure)
    assert parse_answer("gates", answer.to_json().encode()) == answer


def test_numbers_that_are_not_known_become_null_and_come_back() -> None:
    made_up = (
        gates_answer("arm", 0, edits=False),
        attention_answer("arm", 0, rho=None),
        corruption_answer("arm", 0, fall=0.1, reads=["track"]),
        coalitions_answer("arm", 0, lambda reads: {"active": math.nan}),
        errors_answer("arm", 0, 1.0, speech=0.5),
    )
    for made in made_up:
        answer = Answer(kind=made.kind, settings=made.settings, result=made.result)
        text = answer.to_json()
        assert "NaN" not in text
        assert "null" in text
        assert parse_answer(made.kind, text.encode()).to_json() == text
    infinite = gates_answer("arm", 0).result
    infinite.shares.passing["audio"] = math.inf
    text = Answer(kind="gates", settings=GatesAnalysis(), result=infinite).to_json()
    found = parse_answer("gates", text.encode()).result
    assert isinstance(found, GatesResult)
    assert math.isnan(found.shares.passing["audio"])
