"""How many real studies of equally good arms claim a difference? Small trainings, and the report's own verdicts.

    python -m benchmarks.null_studies --home /tmp/null                    # 60 families of each design
    python -m benchmarks.null_studies --home /tmp/null --families 4 --design once

A family is a small simulated corpus of its own with two modalities that are made by one rule, and two arms that read
one of them each. Neither carries more, so every ``better`` or ``worse`` is a false claim. What was trained is kept as
one JSON line a family: the same call goes on, and verdicts are taken anew from the records each time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import TypeAdapter
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from experiments.environment import environment
from experiments.execute import write_result
from experiments.records import read_record
from mmcore.config import Overrides, build_config, override
from mmcore.data.prepare import prepare
from mmcore.data.sources.writing import new_corpus, write_items, write_table, write_yaml
from mmcore.measures import parse_metric
from mmcore.record import Record
from mmcore.run import run
from mmcore.seeding import generator
from reports.model.report import ComparisonRow
from reports.records.frame import tidy
from reports.statistics.verdicts import THESE_ITEMS, decide
from reports.summary.build import summarise
from studies.resolved import ResolvedArm, ResolvedStudy

Design = Literal["each_repeat", "once", "given"]
DESIGNS: tuple[Design, ...] = ("each_repeat", "once", "given")
FAMILIES, REPEATS = 60, 8
MODALITIES = ("a", "b")
ITEMS, STEPS, FEATURES, COMPONENTS = 30, 32, 3, 3
"""Items, each a group of its own; steps of an item; features of a modality; targets, each a component."""
TEST = VALIDATION = 6
"""Items of these sides, where the corpus fixes its split; shares of 0.2 draw as many."""
PER_ITEM, OF_WEIGHTS, NOISE = 0.7, 0.5, 0.7
"""Deviations: of an item's own level of a feature, of the logarithm of a modality's weight, of the targets' noise."""
SMALL: dict[str, object] = {
    "task": {"kind": "label"},
    "threads": 1,
    "data": {"window": STEPS},
    "model": {"width": 16, "layers": 1, "heads": 2, "feed_forward": 32, "dropout": 0.0},
    "training": {"epochs": 12, "batch": 6},
    "training.optimiser": {"kind": "adamw", "learning_rate": 1e-2},
}
CLAIMS = ("better", "worse")


def write_corpus(folder: Path, family: int, given: bool) -> None:
    """The family's corpus: each target is a weighted sum of both modalities plus noise, with weights of each item.

    Args:
        given: whether the corpus fixes its split.
    """
    rng = generator(0, "corpora of null studies", index=family)
    slope_FC = rng.normal(size=(FEATURES, COMPONENTS)) / np.sqrt(FEATURES)
    names = [f"item{i:02}" for i in range(ITEMS)]
    sides = rng.permutation(["test"] * TEST + ["validation"] * VALIDATION + ["train"] * (ITEMS - TEST - VALIDATION))
    with new_corpus(folder) as partial:
        for name in names:
            time_S = np.arange(STEPS, dtype=np.float64)
            y_SC = NOISE * rng.normal(size=(STEPS, COMPONENTS))
            for modality in MODALITIES:
                x_SF = rng.normal(size=(STEPS, FEATURES)) + PER_ITEM * rng.normal(size=FEATURES)
                y_SC += np.exp(OF_WEIGHTS * rng.normal(size=COMPONENTS)) * (x_SF @ slope_FC)
                columns = {f"x{f}": x_SF[:, f].astype(np.float32) for f in range(FEATURES)}
                write_table(partial / modality / f"{name}.parquet", {"time": time_S, **columns})
            targets = {f"y{c}": y_SC[:, c].astype(np.float32) for c in range(COMPONENTS)}
            write_table(partial / "targets" / f"{name}.parquet", {"time": time_S, **targets})
        rows = [[name, name, side] if given else [name, name] for name, side in zip(names, sides, strict=True)]
        write_items(partial, ["item", "group", "split"] if given else ["item", "group"], rows)
        write_yaml(
            partial / "corpus.yaml",
            {
                "format": 1,
                "name": f"null-{family}",
                "modalities": {m: {"features": [{"name": f"x{{0..{FEATURES - 1}}}"}]} for m in MODALITIES},
                "targets": {
                    "from": "targets",
                    "parameters": [{"name": f"y{c}", "component": f"y{c}"} for c in range(COMPONENTS)],
                },
            },
        )


def study_of(design: Design, repeats: int, corpus: str = "null") -> ResolvedStudy:
    """Two arms, one of them the reference; each reads one modality."""
    drawn = "once" if design == "once" else "each_repeat"
    settings = override({"corpus": corpus}, {**SMALL, "split.test_drawn": drawn})
    changes: dict[str, Overrides] = {m: {"model.modalities": [m]} for m in MODALITIES}
    arms = tuple(ResolvedArm(m, changes[m], build_config(override(settings, changes[m]))) for m in MODALITIES)
    return ResolvedStudy(
        name=f"null {design}",
        question="Does one modality carry more?",
        metric=parse_metric("skill"),
        arms=arms,
        reference=MODALITIES[1],
        pairs=(MODALITIES,),
        repeats=repeats,
        alpha=0.05,
        margin=None,
        preset=None,
        changes={},
    )


def train_family(design: Design, family: int, repeats: int, scratch: Path) -> list[Record]:
    """Train the family's runs one after the other; their records, without the epochs' history.

    Args:
        scratch: an existing folder; what is written there is of no use afterwards.
    """
    corpus = scratch / "corpus"
    write_corpus(corpus, family, design == "given")
    study = study_of(design, repeats, str(corpus))
    store = prepare(corpus, study.arms[0].config.data, scratch / "prepared")
    records = []
    for arm in study.arms:
        for repeat in range(repeats):
            started = datetime.now(UTC)
            config = arm.config.model_copy(update={"repeat": repeat})
            folder = scratch / arm.name / str(repeat)
            about = replace(environment(), device=config.device, threads=config.threads or 1)
            write_result(run(config, folder, prepared=store), folder, study.name, arm.name, started, about)
            record = read_record(folder)
            assert record is not None
            records.append(replace(record, history=()))
    return records


@dataclass(frozen=True)
class Said:
    """What the report of one family says of the two arms.

    Args:
        metric, components: its verdicts on the metric, and on the components as a family of their own.
        metric_alone, components_alone: what the repeats alone would say, whatever items they tested.
    """

    metric: str
    components: tuple[str, ...]
    metric_alone: str
    components_alone: tuple[str, ...]


def judge(design: Design, records: Sequence[Record]) -> Said:
    """Verdicts by the report's own path from records to a summary."""
    repeats = 1 + max(record.repeat for record in records)
    rows = summarise(tidy(study_of(design, repeats), records)).comparisons
    families = [[row for row in rows if (row.component is None) == whole] for whole in (True, False)]

    def alone(family: Sequence[ComparisonRow]) -> tuple[str, ...]:
        paired = [replace(row.paired, shared=False, new_items=None) for row in family]
        return tuple(decision.verdict for decision in decide(paired))

    (metric,), components = ([row.decision.verdict for row in family] for family in families)
    (metric_alone,), components_alone = map(alone, families)
    return Said(metric, tuple(components), metric_alone, components_alone)


@dataclass(frozen=True)
class Counts:
    """Families of one design, and how many of them claim what is not there.

    Args:
        families: those that were judged.
        metric, component, either: ``better`` or ``worse`` on the metric, on any component, on any of them.
        these_items: ``better on these items`` or ``worse on these items``, on the metric or any component.
        metric_alone, component_alone: what the repeats alone would have claimed.
    """

    families: int
    metric: int
    component: int
    either: int
    these_items: int
    metric_alone: int
    component_alone: int


def count(said: Sequence[Said]) -> Counts:
    """Count the families with a claim."""

    def claims(*words: str, ending: str = "") -> bool:
        return any(word == claim + ending for word in words for claim in CLAIMS)

    return Counts(
        families=len(said),
        metric=sum(claims(s.metric) for s in said),
        component=sum(claims(*s.components) for s in said),
        either=sum(claims(s.metric, *s.components) for s in said),
        these_items=sum(claims(s.metric, *s.components, ending=THESE_ITEMS) for s in said),
        metric_alone=sum(claims(s.metric_alone) for s in said),
        component_alone=sum(claims(*s.components_alone) for s in said),
    )


def kept(home: Path, design: Design) -> Path:
    """The file of a design's families, one JSON line each."""
    return home / f"{design}.jsonl"


@dataclass(frozen=True)
class Family:
    """The records of one family, as a line of the file."""

    family: int
    records: tuple[Record, ...]


_FAMILY = TypeAdapter(Family)


def read_families(home: Path, design: Design) -> dict[int, tuple[Record, ...]]:
    """Records by family; a last line that a killed process left half-written is passed over."""
    path = kept(home, design)
    families: dict[int, tuple[Record, ...]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            json.loads(line)
        except json.JSONDecodeError:
            continue
        row = _FAMILY.validate_json(line)
        families[row.family] = row.records
    return families


def _train_in_scratch(design: Design, family: int, repeats: int) -> tuple[Design, Family]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        return design, Family(family, tuple(train_family(design, family, repeats, Path(scratch))))


def train_missing(home: Path, designs: Sequence[Design], families: int, repeats: int, workers: int) -> None:
    """Train the families that the home lacks, and keep each as soon as it is there."""
    home.mkdir(parents=True, exist_ok=True)
    there = {design: read_families(home, design) for design in designs}
    every: list[tuple[Design, int]] = [(design, family) for family in range(families) for design in designs]
    missing = [one for one in every if len(there[one[0]].get(one[1], ())) != len(MODALITIES) * repeats]
    if not missing:
        return
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with (
        ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool,
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        bar = progress.add_task("families trained", total=len(missing))
        for done in as_completed([pool.submit(_train_in_scratch, d, i, repeats) for d, i in missing]):
            design, family = done.result()
            with kept(home, design).open("ab") as file:
                # A new line first ends what a killed process may have left half-written.
                file.write(b"\n" + _FAMILY.dump_json(family))
            progress.advance(bar)


def table(home: Path, designs: Sequence[Design], families: int, repeats: int) -> Iterator[str]:
    """Lines of a Markdown table, one a design."""
    names = ["design", "families", "metric", "any component", "either", "on these items alone"]
    yield _line([*names, "repeats alone: metric", "repeats alone: any component"])
    yield "|---|" + "--:|" * (len(names) + 1)
    for design in designs:
        there = {i: records for i, records in read_families(home, design).items() if i < families}
        found = count([judge(design, records) for records in there.values() if len(records) == 2 * repeats])
        numbers = (found.families, found.metric, found.component, found.either, found.these_items)
        yield _line([design, *map(str, (*numbers, found.metric_alone, found.component_alone))])


def _line(entries: Sequence[str]) -> str:
    return f"| {' | '.join(entries)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, then print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.null_studies",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--home", type=Path, required=True, help="where the records are kept")
    parser.add_argument("--families", type=int, default=FAMILIES, help="of each design (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="of each family (default: %(default)s)")
    parser.add_argument("--design", choices=DESIGNS, help="default: all")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: %(default)s)")
    request = parser.parse_args(arguments)
    for name in ("families", "repeats", "workers"):
        if getattr(request, name) < 1:
            parser.error(f"--{name} must be at least 1")
    designs: tuple[Design, ...] = DESIGNS if request.design is None else (request.design,)
    train_missing(request.home, designs, request.families, request.repeats, request.workers)
    print("\n".join(table(request.home, designs, request.families, request.repeats)))


if __name__ == "__main__":
    main()
