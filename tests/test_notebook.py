"""The notebook of the docs: it runs from top to bottom, and shows what it says."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import mmstudy

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


QUICK_END = "import atexit, gc; atexit.register(gc.freeze)"
"""Before it ends a kernel looks through all objects, for a second where drawing and tracking are imported."""


def written() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def html_of(cell: Any) -> str:
    return cell.outputs[-1].data["text/html"]


def headline(notebook: Any) -> str:
    (cell,) = [cell for cell in cells(notebook) if "run_study" in cell.source]
    return cell.outputs[-1].data["text/plain"].splitlines()[1].strip()


@pytest.mark.slow
def test_it_runs_and_shows_verdict_tables_and_figures(tmp_path: Path) -> None:
    notebook = written()
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": tmp_path}},
        extra_arguments=[f"--IPKernelApp.exec_lines={QUICK_END}"],
    ).execute()
    ran = cells(notebook)
    for cell in ran:
        kinds = [output.output_type for output in cell.outputs]
        # What is shown is the cell's last value; only a running study has one more output, its progress.
        expected = ["display_data", "execute_result"] if "run_study" in cell.source else ["execute_result"]
        assert kinds == expected, cell.source
    corpus, plan, found, outcome, table, figure, verdict = ran
    assert "<strong>Corpus &#x27;talks&#x27;</strong>" in html_of(corpus)
    assert "16 runs to train, 0 done already" in html_of(plan)
    assert "no error and no warning" in html_of(found)
    progress = outcome.outputs[0].data
    assert re.fullmatch(r"16 of 16 jobs done in \d+ s", progress["text/plain"])
    assert len(progress["text/html"]) < 200
    assert "&#x27;with sound&#x27; is better than &#x27;camera only&#x27;." in html_of(outcome)
    assert html_of(outcome).count("<svg ") == 1
    assert "<td>better</td>" in html_of(table)
    assert figure.outputs[0].data["image/png"]
    assert "Verdict: better" in html_of(verdict)
    assert sum(len(str(cell.outputs)) for cell in ran) < 120_000
    # The outputs in the docs are those of this code.
    assert headline(written()) == headline(notebook)
    assert (tmp_path / "mlruns" / "reports").is_dir()


def test_its_outputs_are_kept_and_name_no_place_of_the_writers() -> None:
    for cell in cells(written()):
        assert cell.outputs, cell.source
        assert cell.execution_count is not None
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(tmp|home|work|root|Users)/", text)
    assert len(text) < 120_000


def test_it_uses_public_names_alone() -> None:
    code = "\n".join(cell.source for cell in cells(written()))
    imported = {
        (alias.name, getattr(node, "module", None))
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported == {("numpy", None), ("pandas", None), ("mmstudy", None)}
    used = set(re.findall(r"mmstudy\.(\w+)", code))
    assert used
    assert used <= set(mmstudy.__all__)
