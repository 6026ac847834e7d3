"""The page about Python: its code runs as it stands, and its lists are complete."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from factories.studies import blank_figures, migrated, quick_starts, with_database

from experiments.choices import Choices
from experiments.outcome import Outcome

__all__ = ["blank_figures", "migrated", "quick_starts", "with_database"]
ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(python|text)\n(.*?)```", PAGE, flags=re.S)


@pytest.mark.slow
def test_the_page_does_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MMSTUDY_HOME", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    namespace: dict[str, object] = {"__name__": "page"}
    printed, compared = "", 0
    for language, text in BLOCKS:
        if language == "text":
            assert printed.rstrip() == text.rstrip()
            compared += 1
            continue
        exec(compile(text, "python.md", "exec"), namespace)
        printed = capsys.readouterr().out
    assert compared == 2
    assert (tmp_path / "repeats.pdf").stat().st_size > 5_000
    outcome, later, found = (namespace[name] for name in ("outcome", "later", "found"))
    assert isinstance(outcome, Outcome)
    assert isinstance(later, Outcome)
    assert outcome.failed == later.failed == 0
    assert {"value", "arm", "repeat"} <= set(namespace["scores"].columns)  # pyright: ignore[reportAttributeAccessIssue]
    assert found.ok  # pyright: ignore[reportAttributeAccessIssue]
    assert found.plan.count("done") == len(found.plan.runs)  # pyright: ignore[reportAttributeAccessIssue]
    for name in ("to_frame", "figure", "figures", "report", "failed", "unanswered", "mirrored", "summary"):
        assert f"outcome.{name}" in PAGE
        assert hasattr(outcome, name)


def test_every_keyword_is_in_the_table_and_is_explained() -> None:
    table = PAGE[PAGE.index("| keyword | value |") :].split("\n\n", 1)[0]
    rows = re.findall(r"^\| (`[^|]*`) \|", table, flags=re.M)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(Choices.__annotations__)
    explained = inspect.getdoc(Choices) or ""
    assert all(f"{name}:" in explained for name in Choices.__annotations__)


def test_the_page_links_to_pages_that_are_there() -> None:
    for target in re.findall(r"\]\(([\w./]+\.(?:md|ipynb))", PAGE):
        assert (ROOT / "docs" / target).is_file(), target
