import base64
import csv
import hashlib
import html
import io
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from factories.records import changed, each

from mmcore.quality import QualityRow
from reports.output.render import as_html, as_markdown, literally, write_report
from reports.output.text import as_json, as_text
from reports.records.frame import tidy
from reports.records.origin import Origin
from reports.summary.build import summarise

ROOT = Path(__file__).parents[2]
HOSTILE = "<script>alert('x')</script>|`*_[a](http://evil.example)&\"'"


@pytest.fixture(scope="module")
def written(results_of, tmp_path_factory):
    """A report that tests read and leave as it is."""
    results = results_of()
    summary = summarise(results)
    return summary, results, write_report(summary, results, tmp_path_factory.mktemp("written") / "report")


def test_json_is_the_stable_interface(summary_of):
    data = as_json(summary_of(failures=[("multimodal", 1)], nothing=["scale"]))
    assert list(data) == [
        "study", "question", "metric", "arms", "comparisons", "baselines", "checks", "provenance", "sections", "margin",
        "alpha", "repeats", "first_repeat", "sequential", "higher_is_better", "across",
    ]  # fmt: skip
    assert list(data["arms"][0]) == [
        "name", "reference", "mean", "interval", "n", "failed", "parameters", "flops", "seconds", "components",
    ]  # fmt: skip
    assert list(data["comparisons"][0]) == [
        "arm", "reference", "component", "difference", "interval", "p", "p_holm", "p_floor", "p_sign_flip",
        "p_sign_flip_holm", "p_interval", "p_new_items", "effect_size", "effect_interval", "verdict", "these_items",
        "without_skill", "sentence", "n", "more_repeats", "more_verdict", "looks", "stopped_at",
        "p_sequential", "paired", "overlap", "n_arm", "n_reference", "p_permutation", "p_permutation_holm",
        "more_seconds", "lead",
    ]  # fmt: skip
    assert all(list(c) == ["code", "title", "outcome"] for c in data["checks"])
    assert [a["reference"] for a in data["arms"]] == [True, False]
    assert data["comparisons"][0]["component"] is None
    assert data["comparisons"][0]["p_floor"] == 2 / 2**7
    assert data["arms"][0]["components"]["scale"] is None
    assert data["arms"][1]["failed"] == 1
    assert {r["fingerprint"] for r in data["provenance"]["runs"]}
    assert "created" not in data["provenance"]
    json.dumps(data, allow_nan=False)


def test_json_says_the_verdicts_in_words_and_what_they_rest_on(summary_of, study_of):
    summary = summary_of(study_of(margin=0.02))
    data = as_json(summary)
    assert (data["margin"], data["alpha"]) == (0.02, 0.05)
    assert as_json(summary_of())["margin"] is None
    sentences = {c["component"]: c["sentence"] for c in data["comparisons"]}
    assert sentences[None] == summary.verdicts[0].headline
    assert sentences["position"] == "'multimodal' is better than 'track_only' on position."
    assert sentences["scale"] == "Undecided: whether 'multimodal' is better than 'track_only' on scale."
    few = as_json(summary_of(study_of(repeats=3)))["comparisons"][1]["sentence"]
    assert few == "Too few repeats: nothing can be said about 'multimodal' against 'track_only' on active."


def test_files_of_a_report(written):
    _, results, page = written
    folder = page.parent
    assert page.name == "report.html"
    files = {p.name for p in folder.iterdir()}
    assert files == {"report.html", "report.md", "report.tex", "report.json", "figures", "tables"}
    assert (folder / "tables" / "arms.tex").read_text() in (folder / "report.tex").read_text()
    drawn = {p.stem for p in (folder / "figures").iterdir()}
    assert drawn == {"forest", "repeats", "components", "learning_curves"}
    arms = pd.read_csv(folder / "tables" / "arms.csv")
    assert arms["arm"].tolist() == ["track_only", "multimodal"]
    scores = results.table("skill", None)
    assert arms["mean"].tolist() == pytest.approx(scores.mean().reindex(arms["arm"]).tolist(), abs=1e-15)
    assert json.loads((folder / "report.json").read_text())["study"] == "track_vs_multimodal"
    links = re.findall(r"\]\((figures/[^)]+)\)", (folder / "report.md").read_text())
    assert links
    assert all((folder / link).exists() for link in links)


def test_nothing_of_an_earlier_report_stays(results_of, study_of, tmp_path):
    def files():
        return {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}

    kept = {"notes.csv", "mine/old.svg", "figures/notes.txt", "tables/mine/old.csv"}
    for name in kept:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    small = results_of(study_of(("a",), repeats=2))
    write_report(summarise(small), small, tmp_path)
    first = files()
    large = results_of(study_of(("a", "b", "c"), repeats=6), items=6, calibrated=True)
    write_report(summarise(large), large, tmp_path)
    assert len(files() - first) > 5
    write_report(summarise(small), small, tmp_path)
    assert files() == first
    assert kept < first


@pytest.mark.parametrize("name", ["a&lt;b", "&copy;", "&#35;", "$x$ and $y$", "a & b", r"\$", "# <b> |"])
def test_markdown_takes_names_literally(name):
    told = literally(name)
    assert "$" not in told
    # What a reader of Markdown undoes: backslashes before punctuation, then entities.
    assert html.unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", told)) == name


def test_same_records_same_bytes_in_any_order_and_at_any_time(study_of, records_of, tmp_path):
    study = study_of(("a", "b", "c"), repeats=4)
    records = records_of(study, items=6, calibrated=True)

    def moved(row):
        return row | {"weight/active": 1 + 0.1 * row["epoch"], "weight/scale": 1 - 0.1 * row["epoch"]}

    # Every figure has something to show: costs differ, and weights move.
    records = [
        changed(each(r, "history", moved), "parameters.total", 5_209_366 + 10**6 * "abc".index(r.arm)) for r in records
    ]
    pages = []
    for i, order in enumerate([records, records[::-1]]):
        results = tidy(study, order, (), Origin(command="mmstudy run x"))
        folder = write_report(summarise(results), results, tmp_path / str(i)).parent
        pages.append({str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()})
    assert pages[0] == pages[1]
    assert {name.rsplit(".")[-1] for name in pages[0]} == {"html", "md", "tex", "json", "csv", "svg"}
    assert len([name for name in pages[0] if name.endswith(".svg")]) == 10


def test_same_bytes_in_every_process(tmp_path, results_of, study_of):
    """The order of sets and dicts of words differs between processes unless somebody sorts it."""
    code = (
        "import sys; sys.path.insert(0, 'tests/reports'); from pathlib import Path; from conftest import make_results, "
        "make_study; from reports.output.render import write_report; from reports.summary.build import summarise; "
        "r = make_results(make_study(('a', 'b', 'c'), repeats=3)); write_report(summarise(r), r, Path(sys.argv[1]))"
    )
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "there")], check=True, env=environment, cwd=ROOT)
    results = results_of(study_of(("a", "b", "c"), repeats=3))
    write_report(summarise(results), results, tmp_path / "here")
    written = [
        {str(p.relative_to(tmp_path / place)): p.read_bytes() for p in (tmp_path / place).rglob("*") if p.is_file()}
        for place in ("here", "there")
    ]
    assert len(written[0]) > 15
    assert written[0] == written[1]


class Page(HTMLParser):
    """Tags with their attributes, in order, and the headings' texts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.headings, self._inside = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside == "h2":
            self.headings.append(data)


def test_page_stands_alone_under_a_strict_policy(written):
    text = written[2].read_text()
    page = Page(text)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"link", "img", "iframe", "object", "embed", "form"}
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    # The one style and the one script are let through by their hashes, and nothing else is.
    for tag in ("style", "script"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"; {tag}-src 'sha256-{digest}';" in policy
    assert re.sub(r"'sha256-[^']+'", "#", policy) == (
        "default-src 'none'; style-src #; script-src #; base-uri 'none'; form-action 'none'"
    )
    for _, attributes in page.tags:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        for name in ("href", "src", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:text/csv"))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_order_of_the_page(summary_of, results_of, written):
    text = written[2].read_text()
    at = [
        text.index(f'id="{name}"')
        for name in (
            "contents",
            "verdicts",
            "figure",
            "doubt",
            "arms",
            "baselines",
            "setup",
            "figures",
            "data",
            "paper",
            "details",
            "provenance",
        )
    ]
    assert at == sorted(at)
    figures = [text.index(f'id="figure-{name}"') for name in ("forest", "repeats", "components", "learning_curves")]
    assert figures == sorted(figures)
    assert 'id="warnings"' not in text
    warned = as_html(summary_of(leaky=True))
    assert warned.index('id="doubt"') < warned.index('id="warnings"') < warned.index('id="arms"')


def test_page_says_verdict_and_every_number_of_it(written):
    summary, _, page = written
    text = html.unescape(page.read_text()).replace("\N{NO-BREAK SPACE}", " ")
    assert summary.verdicts[0].evidence in text
    assert summary.covers in text
    for run in summary.runs:
        assert run.fingerprint in text
    for fact in ("mmstudy report track_vs_multimodal", "4f1c2d3e5a6b7c8d9e0f4f1c2d3e5a6b7c8d9e0f", "numpy 2.4.0"):
        assert fact in text


def test_arms_link_to_their_runs(study_of, results_of):
    study = study_of(("a", "b", "c"), repeats=3)
    results = results_of(study, absent=[("c", r) for r in range(3)])
    text = as_html(summarise(results))
    links = re.findall(r'<a href="#(runs-\d+)">([^<]+)</a>', text)
    rows = dict(re.findall(r'<tr id="(runs-\d+)"><th scope="row">([^<]+)</th>', text))
    assert rows == {"runs-0": "a", "runs-1": "b"}
    assert {(name, rows[anchor]) for anchor, name in links} == {("a", "a"), ("b", "b")}
    assert len(links) > 4


def test_cells_hold_the_number_that_they_are_sorted_by(summary_of):
    summary = summary_of(nothing=["scale"])
    arms = as_html(summary).split('id="arms"')[1].split("</table>")[0]
    keys = re.findall(r'<td data-value="([^"]+)">', arms)
    assert [float(k) for k in keys[:2]] == pytest.approx([summary.arms[0].score.mean, summary.arms[0].score.low])
    assert "5209366" in keys
    assert not re.search(r'data-value="(nan|None|)"', arms)


def test_the_numbers_of_figures_are_in_the_page(written):
    summary, _, page = written
    uri = next(a["href"] for tag, a in Page(page.read_text()).tags if a.get("download") == "forest.csv")
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(uri.split(",", 1)[1]).decode())))
    assert [float(r["difference"]) for r in rows] == [c.paired.difference.mean for c in summary.comparisons]


def test_hostile_names_are_text_everywhere(study_of, records_of, tmp_path):
    study = study_of(("a", HOSTILE), repeats=6, question=HOSTILE, name=HOSTILE)
    records = records_of(study, {HOSTILE: 0.1}, components=["active", HOSTILE])
    quality = [QualityRow(item=HOSTILE, modality=HOSTILE, coverage=1.0)]
    results = tidy(study, records, quality, Origin(command=HOSTILE))
    page = write_report(summarise(results), results, tmp_path)
    assert page.read_text().count("<script") == 1
    assert "alert(" not in page.read_text().split("<script>")[1].split("</script>")[0]
    assert "alert(" in page.read_text()
    markdown = (tmp_path / "report.md").read_text()
    assert "<script" not in markdown
    assert not re.search(r"(?<!\\)\]\(http://evil", markdown)
    # Every row of the table of arms keeps its number of cells.
    table = [line for line in markdown.split("## Arms")[1].split("##")[0].splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1
    for path in (tmp_path / "figures").iterdir():
        assert "<script" not in path.read_text()


def test_markdown_has_verdicts_warnings_arms_and_baselines(summary_of):
    text = as_markdown(summary_of(nothing=["scale"], leaky=True))
    assert "**multimodal is better than track\\_only.**" in text
    assert "**The target is part of the input.**" in text
    assert "| nothing to predict |" in text
    assert "| persistence (naive) |" in text


def test_markdown_names_the_runs(summary_of):
    summary = summary_of(failures=[("multimodal", 3)])
    rows = [line for line in as_markdown(summary).split("## Runs")[1].split("##")[0].splitlines() if "|" in line]
    assert len(rows) == 2 + len(summary.runs)
    for row, run in zip(rows[2:], summary.runs, strict=True):
        assert run.fingerprint in row
        assert f"| {run.repeat} |" in row
        assert ("failed" in row) == (run.failure is not None)


def test_numbers_lead_to_the_runs_of_their_arm(summary_of, study_of):
    summary = summary_of(study_of(("a", "b"), repeats=6), nothing=["scale"])
    text = as_html(summary)
    arms = text.split('id="arms"')[1].split("</table>")[0]
    links = re.findall(r'<td data-value="([^"]+)"><a tabindex="-1" href="#runs-(\d+)">', arms)
    for i, arm in enumerate(summary.arms):
        numbers = [arm.score.mean, *(e.mean for e in arm.components if e.n), arm.complete.mean]
        assert [float(value) for value, run in links if run == str(i)] == pytest.approx(numbers)
    differences = text.split('id="details-comparisons"')[1].split("</table>")[0]
    assert differences.count('<a tabindex="-1" href="#runs-1">') == len(summary.comparisons)


def test_text_is_aligned_and_safe_for_any_terminal(summary_of):
    text = as_text(summary_of(failures=[("multimodal", 3)]))
    assert text.startswith("track_vs_multimodal: Do audio")
    assert "'multimodal' is better than 'track_only'." in text
    assert "Warning ABL002: Runs failed." in text
    assert "7 of 8, 1 failed" in text
    text.encode("cp1252")
    table = text.split("\n\n")[-1].splitlines()
    assert table[0].index("skill") + len("skill") == table[1].index("0.") + len("0.299")
    assert max(len(line) for line in text.split("\n\n")[1].splitlines()) <= 100


def test_the_count_of_repeats_says_that_they_have_a_score(summary_of, study_of):
    """A failed run has none, and a finished one may have none."""
    summary = summary_of(study_of(("a", "b"), repeats=8), failures=[("b", 2)])
    told = as_markdown(summary).split("## Arms")[1].split("\n\n")[1]
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ") for line in told.splitlines()}
    assert rows["b"][rows["arm"].index("repeats with a score")] == "7 of 8"
    page = as_html(summary)
    for table in ("arms", "details-arms"):
        (shown,) = re.findall(rf'id="{table}".*?</table>', page, re.DOTALL)
        assert re.search(r'<th scope="col"[^>]*>repeats with a score <a class="term" href="#word-repeat"', shown)


def test_a_report_of_no_runs_can_be_written(study_of, tmp_path):
    results = tidy(study_of(), [])
    summary = summarise(results)
    text = write_report(summary, results, tmp_path).read_text()
    assert "Too few repeats" in text
    assert as_json(summary)["arms"][0]["mean"] is None
    assert as_text(summary)


def test_a_report_of_one_repeat_can_be_written(study_of, results_of, tmp_path):
    results = results_of(study_of(repeats=1))
    summary = summarise(results)
    assert {v.verdict for v in summary.verdicts} == {"too few repeats"}
    text = write_report(summary, results, tmp_path).read_text()
    assert "All runs share one split" in text
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["arms"][0]["mean"] is not None
    assert data["arms"][0]["interval"] == data["comparisons"][0]["interval"] == [None, None]
    assert not re.search(r"\bnan\b", text.split('id="figures"')[0], re.IGNORECASE)
    assert {p.stem for p in (tmp_path / "figures").iterdir()} == {"forest", "repeats", "components", "learning_curves"}


def test_every_form_of_the_table_of_arms_shows_parameters_and_flops(summary_of, tmp_path):
    summary = summary_of()
    for text in (as_text(summary), as_markdown(summary), as_html(summary)):
        assert "5,209,366" in text
        assert "1.25 G" in text
    assert {arm["flops"] for arm in as_json(summary)["arms"]} == {1_250_000_000}


@pytest.mark.parametrize(("others", "many"), [(6, False), (7, True)])
def test_many_verdicts_are_a_line_each_and_still_told_in_words(summary_of, study_of, others, many):
    summary = summary_of(study_of(("a", *(f"b{i}" for i in range(others))), repeats=10))
    text, page = as_text(summary), html.unescape(as_html(summary))
    for v in summary.verdicts:
        assert v.headline in text
        assert (v.evidence.split(",")[0] in text) is not many
        assert v.evidence in page.replace("\N{NO-BREAK SPACE}", " ")
    assert ("p after Holm" in text) is many
    assert ('id="details-verdicts"' in page) is many
    if many:
        lines = text.split("\n\n")[1].splitlines()
        assert len({len(line) for line in lines}) == 1
        # All of them at once by verdict; numbers and words behind that.
        at_once = page[page.index('<h2 id="verdicts') : page.index('id="details-verdicts"')]
        assert all(f">{v.arm}</a></strong>" in at_once for v in summary.verdicts)
        assert page.index('id="details-verdicts"') < page.index(">b6</a></th>")


def test_torch_mlflow_and_drawing_are_not_imported_for_numbers():
    code = (
        "import sys, reports.summary.build, reports.output.render, reports.output.text; "
        "print([m for m in ('torch', 'mlflow', 'matplotlib', 'seaborn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
