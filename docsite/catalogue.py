"""A page for each study of the catalogue, in docs/studies/: ``python -m docsite.catalogue`` writes them all.

What a page says comes from the study's file, from the plan of the study, and from the sections of docs/measured.md that
name its command. Times are those of a machine with two cores on which nothing has run yet.
"""

from __future__ import annotations

import re
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path

from docsite.links import targets
from experiments.cli.text import plan_text, span
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.estimate import Estimator
from experiments.planning.foresight import prospects
from experiments.planning.machine import Pace
from experiments.planning.plan import AnyPlan, plan
from experiments.planning.request import Options, trains_itself
from reports.numbers import about, counted
from reports.verdicts.prospects import Claims
from studies.study import CATALOGUE, catalogue, read_study

DOCS = Path(__file__).resolve().parent.parent / "docs"
FOLDER = DOCS / "studies"
CORES = 2

_HEAD = """\
# The catalogue

Studies that come with mmstudy. Each runs by its name on a simulated corpus, or with `--corpus DIR` on yours. A study of
your own is a file like those on these pages: [Write a study](../write_a_study.md).

Runs and times are what `mmstudy plan` says on a machine with two cores on which nothing has run yet. This page and
those of the studies are made by `python -m docsite.catalogue`.

| study | question | arms | runs | time |
|---|---|--:|--:|--:|
"""
_ABOUT: dict[Claims, str] = {
    "new items": "A verdict is about new items of the same corpus, not only about the items that were tested.",
    "these items only": "A verdict is about the tested items only.",
    "new seeds": "A verdict is about new seeds of the training code.",
    "nothing": "No run can be trained, so there is no verdict.",
}
_ANALYSES = {
    "gates": "how far the model's gates open, and whether this shows what the model uses",
    "attention": "where attention looks, and whether this shows what the model uses",
    "coalitions": "what the trained model scores with each subset of its modalities",
    "corruption": "how the score falls as inputs get worse",
    "errors": "on which items, in which spans and under which conditions the model is wrong",
}


@dataclass(frozen=True)
class StudyPage:
    """A study of the catalogue, planned.

    Args:
        name: of the study. text: its file. plan: of a first run.
    """

    name: str
    text: str
    plan: AnyPlan

    @property
    def trials(self) -> int:
        """Trials of all searches."""
        return sum(search.trials for search in self.plan.searches)

    @property
    def runs(self) -> int:
        """Runs of all arms, of those that a search will find as well."""
        study = self.plan.request.study
        found = study.search.best * study.repeats if study.search is not None else 0
        return len(self.plan.runs) + found

    def row(self) -> str:
        """Its line in the table of all studies."""
        study = self.plan.request.study
        arms = f"{len(study.arms)}" + (f" and {study.search.best} found" if study.search and study.search.best else "")
        runs = f"{self.runs:,}" + (f" and {self.trials} trials" if self.trials else "")
        return (
            f"| [`{self.name}`]({self.name}.md) | {study.question} | {arms} | {runs} | {about(self.plan.seconds)} |\n"
        )


def pages() -> dict[str, str]:
    """All pages: file name in docs/studies to its text.

    Plans every study without preparing or training anything, which takes some seconds.
    """
    measured = (DOCS / "measured.md").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        planned = [_planned(name, Home(Path(folder) / "mlruns")) for name in catalogue()]
        made = {f"{page.name}.md": _page(page, measured).replace(f"{folder}/", "") for page in planned}
    return {"index.md": _HEAD + "".join(page.row() for page in planned)} | made


def _planned(name: str, home: Home) -> StudyPage:
    request = open_request(name, home, Options(workers=CORES, threads=1))
    assert trains_itself(request)
    estimator = Estimator(
        home, request.place, request.schema, request.content, workers=CORES, timings=(),
        speed=lambda: Pace(1.0, 1.0), slowed=lambda _: 1.0,
    )  # fmt: skip
    text = (CATALOGUE / f"{name}.yaml").read_text(encoding="utf-8")
    return StudyPage(name, text, plan(request, home, estimator))


def _page(page: StudyPage, measured: str) -> str:
    study = page.plan.request.study
    notes = read_study(CATALOGUE / f"{page.name}.yaml")[0].notes
    trials = f", after {page.trials} trials" if page.trials else ""
    time = f"about {about(page.plan.seconds)} ({span(page.plan.outlook)})"
    parts = [
        f"# {study.question}",
        textwrap.fill(notes, 120, break_on_hyphens=False),
        f"```sh\nmmstudy plan {page.name}\nmmstudy run {page.name}\n```",
        f"{counted(page.runs, 'run')}{trials}: {time} on two cores.",
        f"## The study\n`studies/catalogue/{page.name}.yaml`:\n\n```yaml\n{page.text}```",
        "Copy it to change it, or change it for one command: `--corpus DIR`, `--repeats N`, `--set PATH=VALUE`\n"
        "([Use mmstudy](../use.md)).",
        f"## The plan\nWhat `mmstudy plan {page.name}` says:\n\n```text\n{plan_text(page.plan)}\n```",
        "## What the verdicts can say",
        _verdicts(page),
        "## What it found",
        _found(page.name, measured),
    ]
    return "\n\n".join(parts) + "\n"


def _verdicts(page: StudyPage) -> str:
    """What can be decided, in a list."""
    study, ahead = page.plan.request.study, prospects(page.plan.request)
    metric = f"`{study.metric.name}`"
    forms = f"*better*, *worse* or *undecided* by {metric}"
    if study.margin is not None:
        forms = f"*better*, *worse*, *equivalent* (within ± {study.margin:g}) or *undecided* by {metric}"
    each = "" if len(study.pairs) == 1 else " each"
    lines = [f"{counted(len(study.pairs), 'comparison')}:{each} {forms}, and again for every component."]
    lines.append(
        _ABOUT[ahead.claims]
        if ahead.can_decide
        else "With so few repeats every verdict is *too few repeats*: no result could show a difference."
    )
    lines += ahead.warnings
    lines += [f"Analysis `{one.kind}`: {_ANALYSES[one.kind]}." for one in study.analyses]
    lines.append("No verdict is about another corpus, or about other settings than these.")
    listed = "\n".join(
        textwrap.fill(f"- {line}", 120, subsequent_indent="  ", break_on_hyphens=False) for line in lines
    )
    return f"{listed}\n\n[Read a report](../read_a_report.md) says how a verdict is made."


def _found(name: str, measured: str) -> str:
    """The sections of docs/measured.md that name the study's command; one study also has its report as a picture."""
    sections = [part for part in measured.split("\n## ")[1:] if re.search(rf"(mmstudy run |`){name}\b", part)]
    parts = []
    if name == "track_vs_multimodal":
        parts = [
            "The top of its report:",
            "![The top of the report: the question, the verdict, its numbers](../images/report.png)",
            "What it prints is in the [Quickstart](../quickstart.md).",
        ]
    if sections:
        parts.append("From [What the studies found](../measured.md), which names the versions and the machine:")
    for section in sections:
        title, _, text = section.partition("\n")
        parts.append(f"### {title}\n{_from_here(text.strip())}")
    return "\n\n".join(parts) or f"No result of this study is published here. `mmstudy run {name}` makes one."


def _from_here(text: str) -> str:
    """Text of docs/measured.md with its links as a page in docs/studies needs them."""
    for target in set(targets(text, "docs/measured.md")):
        link = target.removeprefix("docs/")
        text = text.replace(f"]({link}", f"](../{link}")
    return text


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.md"):
        old.unlink()
    for file, content in pages().items():
        (FOLDER / file).write_text(content, encoding="utf-8")
