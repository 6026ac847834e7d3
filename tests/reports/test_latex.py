import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from mmcore.language import speaking
from reports.output.latex import SIGNS, arms_table, as_latex, escape

HOSTILE = "a\\b{c}\\end{table}$d$&#%_~^<x>|\"'` -- ä日本λ…\n\\input{/etc/passwd}"
NAMES = ("[x", "*x", "日本", "[", "-")
"""What LaTeX would take for an option of the row before."""


def body(text):
    """The rows of the table as lists of cells, by a reader that knows only what LaTeX does with & and \\\\."""
    inside = re.search(r"\\begin\{tabular\}\{(l(r+))\}\n(.*)\\end\{tabular\}", text, re.DOTALL)
    assert inside is not None
    rows = [line for line in inside[3].splitlines() if not line.startswith(("\\toprule", "\\midrule", "\\bottomrule"))]
    assert all(row.startswith("{}") and row.endswith(r" \\") for row in rows)
    rows = [row.removeprefix("{}") for row in rows]
    return len(inside[1]), [re.split(r"(?<!\\)&", row.removesuffix(r" \\")) for row in rows]


def check_structure(text):
    """Environments nest, braces balance, nothing special is left bare, and every row has as many cells as columns."""
    assert "\n\n" not in text
    text = "\n".join(line for line in text.splitlines() if not line.startswith("% runs of "))
    opened = []
    for kind, name in re.findall(r"(?<!\\)\\(begin|end)\{([a-z]+)\}", text):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []
    bare = re.sub(r"\\(?:[\\{}$&#%_])", "", text)
    depth = 0
    for c in bare:
        depth += {"{": 1, "}": -1}.get(c, 0)
        assert depth >= 0
    assert depth == 0
    assert bare.count("$") % 2 == 0
    assert re.findall(r"[#~]", bare) == []
    # The line break that a per cent sign swallows is ours.
    assert set(re.findall(r".*%.*", bare)) <= {r"\resizebox{\linewidth}{!}{%"}
    outside = re.sub(r"\$[^$]*\$", "", bare)
    assert re.findall(r"[_^]", outside) == []
    columns, rows = body(text)
    assert {len(row) for row in rows} == {columns}
    return rows


@pytest.mark.parametrize("name", ["track_only", HOSTILE])
@pytest.mark.parametrize("arms", [2, 19])
def test_the_structure_holds_whatever_names_are(summary_of, study_of, name, arms):
    names = ("a", name, *(f"b{i}" for i in range(arms - 2)))
    study = study_of(names, repeats=6, name=name, question=name)
    summary = summary_of(study, components=["active", name + "2"])
    rows = check_structure(as_latex(summary))
    assert len(rows) == 1 + arms + 2
    assert "\\input{" not in as_latex(summary)
    assert arms_table(summary) in as_latex(summary)


def test_special_characters_are_text():
    assert escape("50 % of a_b & $c$ #1") == r"50 \% of a\_b \& \$c\$ \#1"
    assert escape("a\\b{c}~^") == r"a\textbackslash{}b\{c\}\textasciitilde{}\textasciicircum{}"
    assert escape("−0.5 a--b\n\tc") == "$-$0.5 a-{}-b c"
    assert escape("über λ, 日\x07") == r"über $\lambda$, [U+65E5][U+0007]"


def test_the_best_is_bold_and_what_is_decided_is_marked(summary_of, study_of):
    effects = {"b": {"active": 0.3}, "c": -0.3}
    summary = summary_of(study_of(("a", "b", "c"), repeats=12), effects=effects, noise=0.01, nothing=["scale"])
    _, rows = body(arms_table(summary))
    header, *cells = [[cell.strip() for cell in row] for row in rows]
    assert header == ["arm", "skill", r"95 \% interval", "active", "scale", "position", "parameters", "FLOPs"]
    table = {row[0]: dict(zip(header, row, strict=True)) for row in cells}
    assert table["b"]["skill"].startswith(r"\textbf{")
    assert table["b"]["active"].endswith("$^{+}$")
    assert table["c"]["active"].endswith("$^{-}$")
    assert not re.search(r"textbf|\^", table["c"]["parameters"] + table["a (reference)"]["skill"])
    assert table["a (reference)"]["scale"] == r"\textendash{}"
    assert table["b"]["parameters"] == "5,209,366"
    assert table["persistence (naive)"]["skill"] == "0.000"
    for c in summary.comparisons:
        cell = table[c.arm][c.component or "skill"]
        assert cell.endswith(f"$^{{{SIGNS[c.verdict]}}}$" if c.verdict in SIGNS else "")
        assert ("^" in cell) == (c.verdict in SIGNS)


def test_marks_against_other_arms_than_the_reference_say_against_whom(summary_of, study_of):
    effects = {"b": -0.3, "c": 0.3}
    study = study_of(("a", "b", "c"), repeats=12, pairs=[("b", "c"), ("c", "a"), ("b", "a")])
    text = arms_table(summary_of(study, effects=effects, noise=0.01))
    table = {row[0].strip(): [cell.strip() for cell in row] for row in body(text)[1]}
    assert table["c"][1].endswith("$^{+}$")
    assert table["b"][1].endswith("$^{-1,-}$")
    assert "Against a and c (marked 1): $^{+}$ better, $^{-}$ worse." in text
    alone = arms_table(summary_of(study_of(("a", "b", "c"), repeats=12, pairs=[("b", "c")]), effects=effects))
    assert "Against c (marked 1): $^{-}$ worse." in alone
    assert "sign-flip" in alone


def test_marks_against_many_arms_are_left_out_and_said_to_be(summary_of, study_of):
    arms = [f"a{i}" for i in range(6)]
    pairs = [(one, other) for i, one in enumerate(arms) for other in arms[:i]]
    text = arms_table(summary_of(study_of(arms, repeats=14, pairs=pairs), effects={"a5": 0.5}, noise=0.001))
    assert "Comparisons with other arms than a0 are not marked." in text
    assert re.findall(r"\^\{[^}]*\d", text) == []
    assert "$^{+}$" in text


def test_the_document_names_the_runs_of_each_arm(summary_of, study_of):
    summary = summary_of(study_of(("a", "b\n\\c"), repeats=3), failures=[("a", 1)])
    told = [line for line in as_latex(summary).splitlines() if line.startswith("%")]
    assert [line.split(": ")[0] for line in told] == ["% runs of a", r"% runs of b \textbackslash{}c"]
    assert told[0].count("(failed)") == 1
    for run in summary.runs:
        assert run.fingerprint in told[["a", "b\n\\c"].index(run.arm)]


def test_of_losses_the_lowest_is_bold(summary_of, study_of):
    summary = summary_of(study_of(("a", "b"), metric="loss"), effects={"b": 0.3})
    rows = [[cell.strip() for cell in row] for row in body(arms_table(summary))[1]]
    assert [row[1].startswith(r"\textbf") for row in rows[1:3]] == [False, True]


def test_what_is_printed_alike_is_equally_good(summary_of, study_of):
    summary = summary_of(study_of(("a", "b")))
    means = dict(zip(("a", "b"), (0.30004, 0.3), strict=True))
    level = tuple(replace(arm, score=replace(arm.score, mean=means[arm.name])) for arm in summary.arms)
    rows = body(arms_table(replace(summary, arms=level)))[1]
    assert all(r"\textbf{0.300}" in row[1] for row in rows[1:3])


def test_the_caption_says_n_test_and_correction(summary_of):
    caption = re.search(r"\\caption\{(.*)\}\n", as_latex(summary_of(failures=[("multimodal", 1)])))
    assert caption is not None
    for said in (
        "n = 7 to 8 repeats",
        "sign-flip test, two-sided, at 0.05",
        "Holm",
        r"95 \% interval",
        "higher is better",
    ):
        assert said in caption[1]


def test_marks_are_only_explained_where_they_occur(summary_of, study_of):
    few = arms_table(summary_of(study_of(repeats=3)))
    assert "Against" not in few
    assert "$^{" not in few
    assert r"Against track\_only: $^{+}$ better." in arms_table(summary_of(noise=0.01))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
@pytest.mark.parametrize("name", ["track_only", HOSTILE, *NAMES])
def test_it_compiles(summary_of, study_of, tmp_path, name):
    # The name is the first of all rows and one in the middle.
    study = study_of((name, "a", name + "b", *(f"b{i}" for i in range(16))), repeats=6, name=name, question=name)
    (tmp_path / "report.tex").write_text(
        as_latex(summary_of(study, components=["active", name + "2"])), encoding="utf-8"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "report.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    assert "Missing character" not in (tmp_path / "report.log").read_text(errors="replace")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
def test_names_are_set_whole(summary_of, study_of, tmp_path):
    names = ("[4", "*x", "+", "[q]")
    text = as_latex(summary_of(study_of(names, repeats=3), components=["*c"]))
    (tmp_path / "report.tex").write_text(r"\pdfcompresslevel=0 " + text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "report.tex"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    # In the file's strings of glyphs numbers between them are spaces and kerning.
    shown = re.findall(rb"\[((?:\((?:\\.|[^\\)])*\)|[-\d.])*)\]TJ", (tmp_path / "report.pdf").read_bytes())
    found = [b"".join(re.findall(rb"\(((?:\\.|[^\\)])*)\)", one)).decode("latin-1") for one in shown]
    for name in (*names, "*c"):
        assert any(name in one for one in found), found


@pytest.mark.skipif(shutil.which("lualatex") is None, reason="no lualatex on this machine")
def test_a_japanese_report_compiles_with_lualatex(summary_of, study_of, tmp_path):
    with speaking("ja"):
        text = as_latex(summary_of(study_of(repeats=6), components=["active"]))
    assert "テスト項目" in text
    (tmp_path / "report.tex").write_text(text, encoding="utf-8")
    command = ["lualatex", "-interaction=nonstopmode", "-halt-on-error", "--no-shell-escape", "report.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Missing character" not in (tmp_path / "report.log").read_text(errors="replace")
