"""The page about corpora in Python: its code runs as it stands, and prints what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from factories.studies import blank_figures, migrated, no_mirror, quick_starts, with_database

pytestmark = pytest.mark.usefixtures("no_mirror")
__all__ = ["blank_figures", "migrated", "no_mirror", "quick_starts", "with_database"]

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "corpus_in_python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(python|text)\n(.*?)```", PAGE, flags=re.S)


@pytest.mark.slow
def test_the_page_does_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MMSTUDY_HOME", raising=False)
    namespace: dict[str, object] = {"__name__": "page"}
    printed, compared = "", 0
    for language, text in BLOCKS:
        if language == "text":
            assert text.rstrip() in printed.rstrip()
            compared += 1
            continue
        exec(compile(text, "corpus_in_python.md", "exec"), namespace)
        printed = capsys.readouterr().out
    assert compared == 2
    assert (tmp_path / "interview_01.png").stat().st_size > 10_000
    assert namespace["outcome"].failed == 0  # pyright: ignore[reportAttributeAccessIssue]
    assert namespace["outcome"].report.is_file()  # pyright: ignore[reportAttributeAccessIssue]


def test_the_page_links_to_pages_that_are_there() -> None:
    for target in re.findall(r"\]\(([\w./]+\.md)", PAGE):
        assert (ROOT / "docs" / target).is_file(), target
