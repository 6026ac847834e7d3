"""Who can be named in a config has made the promises of its family."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, get_args

import pytest

from mmcore.config import Fusion, Head, Weighting

FAMILIES = {
    "FusionContract": ("fusion", Fusion),
    "HeadContract": ("head", Head),
    "WeightingContract": (None, Weighting),
}


def kinds(family: Any) -> set[str]:
    union = get_args(family)[0]
    return {member.model_fields["kind"].default for member in get_args(union)}


def promised(contract: str) -> list[dict[str, Any]]:
    """What each class that inherits a contract is made of."""
    found = []
    for path in Path(__file__).parent.glob("test_*contract.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and contract in [ast.unparse(base) for base in node.bases]:
                for line in node.body:
                    if isinstance(line, ast.AnnAssign) and ast.unparse(line.target) == "made_of" and line.value:
                        found.append(ast.literal_eval(line.value))
    return found


@pytest.mark.parametrize("contract", FAMILIES)
def test_every_member_of_a_family_inherits_its_contract(contract: str) -> None:
    key, family = FAMILIES[contract]
    named = [(made_of if key is None else made_of[key])["kind"] for made_of in promised(contract)]
    assert sorted(named) == sorted(kinds(family))
