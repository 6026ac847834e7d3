"""What the README and the pages behind it show is what happens."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mmcore.data.sources.simulated import read_truth, simulated_schema
from mmcore.errors import StudyError
from mmcore.schema import CorpusSchema
from studies.design import DESIGNS
from studies.resolve import resolve
from studies.study import CATALOGUE, catalogue, read_preset, read_study

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("quickstart", "use", "write_a_study", "extend", "data_in_short", "read_a_report")
FRONT = (ROOT / "README.md").read_text(encoding="utf-8")
JAPANESE = (ROOT / "README.ja.md").read_text(encoding="utf-8")
README = "\n\n".join([FRONT, *((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in PAGES)])
"""The front page, and the pages that go on where it stops."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.S)


def block_with(language: str, words: str) -> str:
    (found,) = [block for block in blocks(language) if words in block]
    return found


def test_the_front_page_is_short() -> None:
    assert len(FRONT.encode()) <= 8000


@pytest.mark.parametrize("page", ["README.md", "README.ja.md", *(f"docs/{name}.md" for name in PAGES)])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


def code(text: str) -> list[tuple[str, str]]:
    """Blocks of code with their language, without comments."""
    found = re.findall(r"```(\w+)\n(.*?)```", text, flags=re.S)
    return [(language, re.sub(r" {2,}# .*", "", block)) for language, block in found]


def prose_of(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.S)


def test_the_japanese_front_page_says_the_same() -> None:
    """Commands, files, output and Python are equal; in each section so are inline code, links and numbers."""
    assert code(FRONT) == code(JAPANESE)
    english, japanese = prose_of(FRONT), prose_of(JAPANESE)
    assert "](README.ja.md)" in english
    assert "](README.md)" in japanese
    sections = re.split(r"^## ", english, flags=re.M), re.split(r"^## ", japanese, flags=re.M)
    assert len(sections[0]) == len(sections[1])
    for ours, theirs in zip(*sections, strict=True):
        for pattern in (r"`[^`]+`", r"\]\((?!README)([^)]+)\)", r"(?<![\w.])\d[\d.,]*\d|(?<![\w.])\d"):
            assert sorted(re.findall(pattern, ours)) == sorted(re.findall(pattern, theirs)), ours


def test_the_output_on_the_front_page_is_part_of_the_one_in_the_quickstart() -> None:
    (shown,) = [block for block in re.findall(r"```text\n(.*?)```", FRONT, flags=re.S)]
    whole = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    for part in shown.split("[…]\n"):
        assert part in whole


def test_the_first_study_has_the_runs_of_the_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So what it prints is what the quickstart shows."""
    monkeypatch.chdir(tmp_path)
    Path("first.yaml").write_text(block_with("yaml", "# first.yaml"), encoding="utf-8")
    preset, preset_file = read_preset("quick")
    arms = []
    for place in (Path("first.yaml"), CATALOGUE / "track_vs_multimodal.yaml"):
        study, written = read_study(place)
        resolved = resolve("one", study, written, preset, preset_file, tmp_path, simulated_schema("quick"))
        arms.append(
            [(arm.name, arm.config, resolved.pairs, resolved.margin, resolved.repeats) for arm in resolved.arms]
        )
    assert arms[0] == arms[1]


def test_the_catalogue_is_the_one_in_the_table() -> None:
    table = (ROOT / "docs" / "studies" / "index.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[`(\w+)`\]\(\1\.md\) \|", table, flags=re.M) == sorted(catalogue())
    assert re.findall(r"(\d+) \[studies\]", FRONT) == [str(len(catalogue()))]


def test_the_designs_are_those_in_the_table() -> None:
    assert re.findall(r"^\| `\{kind: (\w+)[,}]", README, flags=re.M) == [
        d.model_fields["kind"].default for d in DESIGNS
    ]


def test_the_two_commands_are_those_of_bootstrap_and_ci() -> None:
    assert blocks("sh")[0].count("python3 bootstrap.py") == 2
    assert "python3 bootstrap.py test" in (ROOT / ".ci" / "run").read_text()
    done = subprocess.run([sys.executable, str(ROOT / "bootstrap.py"), "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "bootstrap.py study" in done.stdout
    assert "bootstrap.py test" in done.stdout


def test_the_study_shown_resolves_and_its_misspelling_is_refused_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = block_with("yaml", "# deeper.yaml").split("\n", 1)[1]
    path = Path("deeper.yaml")

    def opened(content: str) -> tuple[str, ...]:
        path.write_text(content, encoding="utf-8")
        study, written = read_study(path)
        preset, preset_file = read_preset("quick")
        resolved = resolve("deeper", study, written, preset, preset_file, tmp_path, simulated_schema("quick"))
        return tuple(arm.name for arm in resolved.arms)

    assert opened(text) == ("two", "four")
    with pytest.raises(StudyError) as caught:
        opened("# a comment for the line\n" + text.replace("concat", "concta"))
    assert f"error: {caught.value}" in README


def test_the_corpus_shown_is_valid() -> None:
    schema = CorpusSchema.model_validate(yaml.safe_load(block_with("yaml", "format: 1")))
    assert schema.targets.components == ("active", "position")
    assert len(schema.modalities["visual"].columns) == 513


QUICK_END = "import atexit, gc\natexit.register(gc.freeze)\n"
"""Before it ends the interpreter looks through all objects, for a second where drawing and tracking are imported."""


def python_of(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "MMSTUDY_HOME", "OMP"))}
    environment["PYTHONPATH"] = str(ROOT)
    words = [sys.executable, "-c", QUICK_END + code]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)


def test_five_lines_train_one_model(tmp_path: Path) -> None:
    code = block_with("python", "from mmcore.run import run")
    assert len([line for line in code.splitlines() if line]) == 5
    # The compiler of torch costs a process as much to import as torch itself, and is of no use to a training.
    lean = "import sys\nassert not {'torch._dynamo', 'sympy'} & {*sys.modules}\n"
    done = python_of(code + lean, tmp_path)
    assert done.returncode == 0, done.stderr
    assert -1 < float(done.stdout) < 1
    assert (tmp_path / "my_run" / "checkpoints" / "best.pt").exists()


SHORTER = """
from dataclasses import replace
from experiments import driver

opened, quick = driver.open_request, (("training.epochs", 1),)
driver.open_request = lambda name, home, options, *more: opened(
    name, home, replace(options, repeats=2, changes=quick), *more
)

# Figures are drawn, and not rendered, which takes half of such a study's time: test_wheel.py has this study's figures.
from reports.figures import svg

svg.to_svg = lambda drawing: '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9"/></svg>'
"""


def five_lines(before: str, folder: Path) -> Path:
    """The page of the study that the README's five lines run, behind some of ours."""
    code = block_with("python", "mmstudy.run_study")
    assert len([line for line in code.splitlines() if line]) == 5
    done = python_of(before + code, folder)
    assert done.returncode == 0, done.stderr
    page = Path(done.stdout.splitlines()[-1])
    assert page.is_file()
    return page


@pytest.mark.slow
def test_five_lines_run_a_whole_study(tmp_path: Path) -> None:
    page = five_lines(SHORTER, tmp_path)
    found = json.loads((page.parent / "report.json").read_text(encoding="utf-8"))
    assert [arm["name"] for arm in found["arms"]] == ["multimodal", "track_only"]


@pytest.mark.simulation
@pytest.mark.slow
def test_five_lines_run_a_whole_study_that_agrees_with_the_declared_truth(tmp_path: Path) -> None:
    assert read_preset("quick")[0].repeats == 10
    page = five_lines("", tmp_path)
    report = json.loads((page.parent / "report.json").read_text(encoding="utf-8"))
    verdicts = {c["component"]: c["verdict"] for c in report["comparisons"]}
    truth = read_truth(tmp_path / "mlruns" / "corpora" / "simulated-quick-0")
    assert verdicts[None] == "better"
    for name, component in truth.components.items():
        if {"audio", "visual"} & set(component.modalities):
            assert verdicts[name] == "better", name
        else:
            assert verdicts[name] != "better", name
    (shown,) = re.findall(r"mean skill is ([\d.]+) against ([\d.]+): ([\d.]+) higher", FRONT)
    means = {arm["name"]: arm["mean"] for arm in report["arms"]}
    # Other processors round sums differently, which a training amplifies.
    assert means["multimodal"] == pytest.approx(float(shown[0]), abs=0.02)
    assert means["track_only"] == pytest.approx(float(shown[1]), abs=0.02)
    assert report["comparisons"][0]["difference"] == pytest.approx(float(shown[2]), abs=0.02)
    # Both kinds are there, or the loop would prove nothing.
    driven = [bool({"audio", "visual"} & set(c.modalities)) for c in truth.components.values()]
    assert any(driven)
    assert not all(driven)
    assert all(arm["failed"] == 0 and arm["n"] == 10 for arm in report["arms"])
