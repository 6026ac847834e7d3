"""What mkdocs calls while it builds the site (``hooks`` in mkdocs.yml).

Three kinds of pages have no file of their own in docs/: those of the repository's top (ARCHITECTURE.md, CHANGELOG.md),
the notebook, and source files that some page links to. They are made here, and links to them are turned.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
# mkdocs loads this file by its path.
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from docsite.links import FRONT, for_the_site, site_page, targets  # noqa: E402
from docsite.notebook import page_of  # noqa: E402

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_LANGUAGES = {".py": "python", ".yaml": "yaml", ".toml": "toml", ".json": "json"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that have no file in docs/.

    Raises:
        PluginError: a page links to a file that the repository does not have; names both.
    """
    from mkdocs.exceptions import PluginError
    from mkdocs.structure.files import File

    texts = {f"docs/{file.src_uri}": file.content_string for file in files.documentation_pages()}
    made = {name: (ROOT / name).read_text(encoding="utf-8") for name in FRONT if FRONT[name] != "index.md"}
    wanted = {path: place for place, text in (texts | made).items() for path in targets(text, place)}
    for path in sorted(wanted.keys() - texts.keys() - FRONT.keys()):
        if not path.startswith("docs/") and not (ROOT / path).is_file():
            raise PluginError(f"{wanted[path]} links to {path}, and the repository has no such file")
        if path.endswith(".ipynb"):
            made[path] = page_of(ROOT / path)
        elif not path.startswith("docs/"):
            made[path] = _source(path)
    for path, text in made.items():
        page = site_page(path)
        files.append(File.generated(config, page, content=for_the_site(text, path, page)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links of a page in docs/ that lead out of it, or to the notebook."""
    if page.file.generated_by is not None:
        return markdown
    return for_the_site(markdown, f"docs/{page.file.src_uri}", page.file.src_uri)


def _source(path: str) -> str:
    """A file of the repository as a page."""
    text = (ROOT / path).read_text(encoding="utf-8")
    language = _LANGUAGES.get(Path(path).suffix, "text")
    return f"---\nsearch:\n  exclude: true\n---\n\n# `{path}`\n\n````{language}\n{text}\n````\n"
