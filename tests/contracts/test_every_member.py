"""Who can be named in a config has made the promises of its family."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, get_args

import pytest

from mmcore.config import Fusion, Head, Plain, Weighting

FAMILIES = {
    "FusionContract": ("fusion", Fusion),
    "HeadContract": ("head", Head),
    "WeightingContract": (None, Weighting),
}


def kinds(family: Any) -> set[str]:
    union = get_args(family)[0]
    return {member.model_fields["kind"].default for member in get_args(union)}


def promised(contract: str) -> list[Plain]:
    """What each class that inherits a contract, if by way of another, is made of."""
    files = Path(__file__).parent.glob("test_*contract.py")
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    heirs = {contract}
    for _ in classes:
        heirs |= {node.name for node in classes if heirs & {ast.unparse(base) for base in node.bases}}
    lines = [line for node in classes if node.name in heirs for line in node.body]
    return [
        ast.literal_eval(line.value)
        for line in lines
        if isinstance(line, ast.AnnAssign) and ast.unparse(line.target) == "made_of" and line.value is not None
    ]


@pytest.mark.parametrize("contract", FAMILIES)
def test_every_member_of_a_family_inherits_its_contract(contract: str) -> None:
    key, family = FAMILIES[contract]
    named = [(made_of if key is None else made_of[key])["kind"] for made_of in promised(contract)]
    assert sorted(named) == sorted(kinds(family))
