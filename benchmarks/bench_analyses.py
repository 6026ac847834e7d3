"""What the analyses of a study cost beside the training that they analyse, in one run.

    python -m benchmarks.bench_analyses --home /tmp/costs --repeats 2

Each of the catalogue's studies that ask their models something is run on the quick corpus; the seconds of training
and of every kind of question are added up over its runs. A second call prints the same, for nothing is done again.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path

from experiments.driver import run_study
from experiments.planning.request import Options
from reports.records.frame import StudyResults

STUDIES = ("modalities", "fusion", "missing_modality")


def costs(results: StudyResults) -> dict[str, float]:
    """Seconds of training, then of each kind of question, over all finished runs.

    What several arms share (one training, tested in different ways) counts once, and so does its answer.
    """
    done: dict[str, float] = {run.fingerprint: run.seconds for run in results.runs if run.done}
    found = {"training": math.fsum(done.values())}
    kinds: dict[tuple[str, str], float] = {
        (one.kind, one.fingerprint): one.seconds for one in results.analyses if one.seconds is not None
    }
    for (kind, _), seconds in sorted(kinds.items()):
        found[kind] = found.get(kind, 0.0) + seconds
    return found


def table(found: dict[str, dict[str, float]]) -> str:
    """One line a study and kind: seconds, and their share of the training's seconds."""
    lines = [f"{'study':18} {'':12} {'seconds':>9} {'of training':>12}"]
    for study, parts in found.items():
        training = parts["training"]
        request = sum(parts.values()) - training
        for name, seconds in [*parts.items(), ("all questions", request)]:
            share = "" if name == "training" else f"{seconds / training:.1%}"
            lines.append(f"{study:18} {name:13} {seconds:8.1f} {share:>12}".rstrip())
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the studies and print what their questions cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", default=list(STUDIES), help="default: all that ask something")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--corpus", help="default: the study's own, the quick one")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--workers", type=int, help="processes; default: one a core")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    given = parser.parse_args(arguments)
    options = Options(corpus=given.corpus, repeats=given.repeats, workers=given.workers)
    found = {study: costs(run_study(study, given.home, options).results) for study in given.studies}
    print(json.dumps(found, indent=2) if given.format == "json" else table(found))


if __name__ == "__main__":
    main()
