"""Links that work in two places: on a repository's pages, and on the documentation site.

A page links to files as they lie in the repository: ``tuning.md``, ``../ARCHITECTURE.md``, ``notebook.ipynb``,
``../reports/statistics/verdicts.py``. On the site the first leads to a page, the others lead to pages that
:mod:`docsite.hooks` makes.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

FRONT = {
    "README.md": "index.md",
    "README.ja.md": "ja.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages at the top of the repository, and the pages of the site that stand for them."""

_FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", flags=re.S | re.M)
_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)")


def prose(markdown: str, change: Callable[[str], str]) -> str:
    """Change the text of a page outside its code blocks.

    Args:
        change: is given each part of the page between two blocks.
    """
    parts, end = [], 0
    for block in _FENCE.finditer(markdown):
        parts += [change(markdown[end : block.start()]), block.group()]
        end = block.end()
    return "".join([*parts, change(markdown[end:])])


def targets(markdown: str, place: str) -> list[str]:
    """Files of the repository that a page links to, as paths from its top.

    Args:
        place: path of the page from the top of the repository.
    """
    found: list[str] = []

    def note(text: str) -> str:
        found.extend(_path(match[1], place) for match in _LINK.finditer(text))
        return text

    prose(markdown, note)
    return found


def for_the_site(markdown: str, place: str, page: str) -> str:
    """The page with its links as they are on the site.

    Args:
        place: path of the page from the top of the repository. page: path of its page on the site, from docs/.
    """

    def replaced(match: re.Match[str]) -> str:
        there = site_page(_path(match[1], place))
        return f"]({posixpath.relpath(there, posixpath.dirname(page) or '.')}{match[2] or ''})"

    return prose(markdown, lambda text: _LINK.sub(replaced, text))


def site_page(path: str) -> str:
    """The page that stands for a file of the repository, from docs/.

    Args:
        path: from the top of the repository.
    """
    if path in FRONT:
        return FRONT[path]
    if path.startswith("docs/"):
        inside = path.removeprefix("docs/")
        return inside.removesuffix(".ipynb") + ".md" if inside.endswith(".ipynb") else inside
    return f"source/{path}.md"


def _path(link: str, place: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(place), link))
