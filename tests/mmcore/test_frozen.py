import ast
import inspect
import textwrap
from itertools import pairwise

import pytest
from pydantic import ValidationError

from mmcore.config import RunConfig, build_config
from mmcore.frozen import Frozen, without_defaults
from mmcore.schema import CorpusSchema


def test_frozen_models_are_not_mutated_and_take_no_unknown_key():
    config = RunConfig(corpus="c")
    with pytest.raises(ValidationError, match="frozen"):
        config.repeat = 1  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        RunConfig.model_validate({"corpus": "c", "repeats": 1})
    with pytest.raises(ValidationError, match="finite"):
        RunConfig.model_validate({"corpus": "c", "data": {"clip": float("nan")}})


def test_only_what_differs_from_the_defaults_is_kept_and_kinds_always():
    config = build_config(
        {
            "corpus": "c",
            "model": {"width": 256, "layers": 2, "fusion": {"kind": "gated"}},
            "training": {"schedule": {"kind": "cosine", "floor": 1e-5}},
            "loss": {"weights": {"asset": 2.0}},
        }
    )
    assert without_defaults(config) == {
        "corpus": "c",
        "model": {"layers": 2},
        "training": {"schedule": {"kind": "cosine", "floor": 1e-5}},
        "loss": {"weights": {"asset": 2.0}},
    }


def test_writing_out_a_default_changes_nothing():
    bare = RunConfig(corpus="c")
    assert without_defaults(RunConfig.model_validate(bare.model_dump())) == without_defaults(bare) == {"corpus": "c"}


def test_models_and_tuples_inside_become_plain_data():
    class Part(Frozen):
        size: int = 1

    class Whole(Frozen):
        parts: tuple[Part, ...] = ()
        named: dict[str, Part] = {}

    whole = Whole(parts=(Part(), Part(size=2)), named={"a": Part(size=3)})
    assert without_defaults(whole) == {"parts": [{}, {"size": 2}], "named": {"a": {"size": 3}}}


@pytest.mark.parametrize("root", [RunConfig, CorpusSchema])
def test_every_field_has_a_description(root):
    from mmcore.config.overrides import _models

    seen, waiting = set(), [root]
    while waiting:
        model = waiting.pop()
        if model in seen:
            continue
        seen.add(model)
        explained = {name for base in model.__mro__ if base.__module__.startswith("mmcore") for name in described(base)}
        for name, field in model.model_fields.items():
            waiting += _models(field.annotation)
            if name != "kind":
                assert name in explained, f"{model.__name__}.{name}"
    assert len(seen) >= 4


def described(model: type) -> set[str]:
    """Names of a class's fields that a docstring follows."""
    (declared,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(declared, ast.ClassDef)
    return {
        one.target.id
        for one, after in pairwise(declared.body)
        if isinstance(one, ast.AnnAssign)
        and isinstance(one.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
    }


def test_a_field_without_a_docstring_is_found():
    assert described(Described) == {"one"}


class Described(Frozen):
    """For the test above."""

    one: int = 1
    """It has one."""
    other: int = 2
