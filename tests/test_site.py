"""The documentation site: it builds strictly, offers every page, loads nothing from elsewhere, and is up to date."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from factories.once import made_once
from PIL import Image

import mmstudy
from docsite import catalogue as generated
from docsite.docstrings import References
from docsite.links import for_the_site, prose, site_page, targets
from docsite.notebook import page_of
from studies.study import catalogue

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


class _Ignoring(yaml.SafeLoader):
    """Reads mkdocs.yml, whose own tags name Python objects."""


_Ignoring.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def offered(entries: list[Any]) -> list[str]:
    """Pages of a navigation, at any depth."""
    found = []
    for entry in entries:
        value = next(iter(entry.values())) if isinstance(entry, dict) else entry
        found += offered(value) if isinstance(value, list) else [value]
    return found


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), _Ignoring)


def build(target: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(target), *more]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `mkdocs build --strict` does it: a link that leads nowhere ends it."""

    def make(folder: Path) -> None:
        done = build(folder / "site")
        assert done.returncode == 0, done.stdout + done.stderr

    return made_once(tmp_path_factory, "site", make) / "site"


def test_links_that_lead_nowhere_end_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text("# Page\n\n[a](nothing.md) [b](#nowhere)\n")
    settings = f"INHERIT: {ROOT / 'mkdocs.yml'}\nhooks: []\nextra_css: []\nextra_javascript: []\nnav: [page.md]\n"
    (tmp_path / "mkdocs.yml").write_text(settings)
    done = build(tmp_path / "site", "--config-file", str(tmp_path / "mkdocs.yml"))
    assert done.returncode == 1
    assert "'nothing.md'" in done.stderr
    assert "'#nowhere'" in done.stderr


def test_every_page_is_offered(settings: dict[str, Any]) -> None:
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    made = {"architecture.md", "changelog.md", "ja.md", "notebook.md"}
    missing = sorted((pages | made) - {*offered(settings["nav"])})
    assert not missing, f"nav in mkdocs.yml lacks {', '.join(missing)}"
    assert len(offered(settings["nav"])) == len({*offered(settings["nav"])})


class _Loads(HTMLParser):
    """What a page makes the browser load."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        loads = tag in ("script", "img", "iframe", "source", "video")
        loads = loads or (tag == "link" and given.get("rel") not in ("canonical", "next", "prev"))
        self.addresses += [value for name in ("src", "href") if loads and (value := given.get(name))]


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = [*site.rglob("*.html")]
    assert len(pages) > 40
    for page in pages:
        reader = _Loads()
        reader.feed(page.read_text(encoding="utf-8"))
        assert reader.addresses
        assert [a for a in reader.addresses if re.match(r"(https?:)?//", a)] == [], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_search_finds_pages_of_every_kind(site: Path) -> None:
    places = [entry["location"] for entry in json.loads((site / "search" / "search_index.json").read_text())["docs"]]
    for place in ("quickstart/", "studies/fusion/", "api/mmstudy/#mmstudy.judge", "notebook/", "changelog/"):
        assert any(found.startswith(place) for found in places), place
    assert not any(place.startswith("source/") for place in places)


def test_every_public_name_has_its_docstring_on_the_site(site: Path) -> None:
    page = (site / "api" / "mmstudy" / "index.html").read_text(encoding="utf-8")
    for name in set(mmstudy.__all__) - {"__version__", "Study"}:
        assert f'id="mmstudy.{name}"' in page, name
    study = (site / "api" / "study" / "index.html").read_text(encoding="utf-8")
    assert 'id="mmstudy.Study"' in study
    config = (site / "api" / "config" / "index.html").read_text(encoding="utf-8")
    for key in ("ModelConfig.width", "TrainingConfig.epochs", "DataConfig.window", "SplitConfig"):
        assert re.search(rf'id="[\w.]*\b{re.escape(key)}"', config), key
    for text in (page, study, config):
        assert not re.search(r":(class|func|mod):", text)


def test_links_that_lead_out_of_docs_lead_to_pages_of_the_site(site: Path) -> None:
    page = (site / "error_rates" / "index.html").read_text(encoding="utf-8")
    assert 'href="../source/reports/statistics/verdicts.py/"' in page
    source = (site / "source" / "reports" / "statistics" / "verdicts.py" / "index.html").read_text(encoding="utf-8")
    assert "decide" in source
    assert 'href="../notebook/"' in (site / "python" / "index.html").read_text(encoding="utf-8")
    assert 'href="../decisions/"' in (site / "architecture" / "index.html").read_text(encoding="utf-8")


def test_the_pages_of_the_catalogue_are_up_to_date() -> None:
    made = generated.pages()
    assert sorted(made) == sorted(["index.md", *(f"{name}.md" for name in catalogue())])
    assert sorted(path.name for path in generated.FOLDER.iterdir()) == sorted(made)
    for name, text in made.items():
        there = (generated.FOLDER / name).read_text(encoding="utf-8")
        assert there == text, f"docs/studies/{name} is out of date: python -m docsite.catalogue"
    assert all(text.count("```yaml") == 1 for name, text in made.items() if name != "index.md")


def test_every_study_answers_a_question_of_the_first_page() -> None:
    """seed_experiment is there to be reproduced; nobody begins with it."""
    page = (DOCS / "index.md").read_text(encoding="utf-8")
    named = {Path(target).stem for target in targets(page, "docs/index.md") if target.startswith("docs/studies/")}
    assert {*catalogue()} - {"seed_experiment"} <= named


def test_every_benchmark_that_the_page_names_is_there() -> None:
    page = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    named = {*re.findall(r"python -m benchmarks\.(\w+)", page)}
    there = {path.stem for path in (ROOT / "benchmarks").iterdir() if path.suffix == ".py" or path.is_dir()}
    there = {name for name in there if not name.startswith("_")}
    assert named == there, f"docs/benchmarks.md lacks {sorted(there - named)}, names in vain {sorted(named - there)}"


def test_the_picture_of_a_report_is_small_and_as_wide_as_a_page() -> None:
    path = DOCS / "images" / "report.png"
    assert path.stat().st_size < 200_000
    with Image.open(path) as picture:
        assert picture.width == 1280


def test_links_are_turned_outside_code_alone() -> None:
    text = "See [a](tuning.md#roles), [b](../README.md), [c](https://x.y/z.md).\n\n```sh\n[d](../setup.py)\n```\n"
    assert targets(text, "docs/api/page.md") == ["docs/api/tuning.md", "docs/README.md"]
    assert for_the_site(text, "docs/page.md", "page.md") == text.replace("../README.md", "index.md")
    assert prose("```sh\nx\n```", str.upper) == "```sh\nx\n```"
    assert site_page("reports/a.py") == "source/reports/a.py.md"
    assert site_page("docs/notebook.ipynb") == "notebook.md"


def test_the_notebook_becomes_a_page_with_what_it_shows() -> None:
    page = page_of(DOCS / "notebook.ipynb")
    cells = json.loads((DOCS / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    assert page.count("```python") == sum(cell["cell_type"] == "code" for cell in cells)
    shown = [o for cell in cells for o in cell.get("outputs", ()) if o["output_type"] != "stream"]
    assert shown
    assert page.count('<div class="output">') + page.count("![") + page.count("```text") >= len(shown)


def test_references_in_docstrings_become_names() -> None:
    import griffe

    module = griffe.visit("m", filepath=Path("m.py"), code='"""See :class:`a.b.Name` and :func:`~c.call`."""')
    References().on_object(obj=module)
    assert module.docstring is not None
    assert module.docstring.value == "See `Name` and `call`."
