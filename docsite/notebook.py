"""A notebook as a page: its text, its code and what the code printed and showed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat


def page_of(path: Path) -> str:
    """The notebook in Markdown, with its pictures inside.

    Args:
        path: the .ipynb file.
    """
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(part for cell in cells for part in _parts(cell)) + "\n"


def _parts(cell: Any) -> list[str]:
    if cell.cell_type != "code":
        return [cell.source]
    return [f"```python\n{cell.source}\n```", *(_shown(output) for output in cell.outputs)]


def _shown(output: Any) -> str:
    """The richest form of one output that a page can hold."""
    if output.output_type == "stream":
        return f"```text\n{output.text.rstrip()}\n```"
    data = output.get("data", {})
    for kind in ("text/html", "image/svg+xml"):
        if kind in data:
            # Markdown ends a block of HTML at an empty line.
            lines = "\n".join(line for line in data[kind].splitlines() if line.strip())
            return f'<div class="output">{lines}</div>'
    if "image/png" in data:
        return f"![what the cell draws](data:image/png;base64,{data['image/png'].strip().replace(chr(10), '')})"
    return f"```text\n{data.get('text/plain', '').rstrip()}\n```"
