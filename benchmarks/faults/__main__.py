"""A campaign of faults: random small studies and searches, killed, torn and starved, and the same command to its end.

python -m benchmarks.faults --seed 0 --count 1000
python -m benchmarks.faults --only "disk full" --count 50
python -m benchmarks.faults --number 17 --keep /tmp/case            # one case alone; its files are kept

Exit code 1 where something does not hold: the undisturbed table, each run once, each metric step once in MLflow and
nothing RUNNING there, no process, temporary file or lock left, no traceback, exit code 0.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.faults.campaign import Outcome, outcomes, possible_faults, scratch
from benchmarks.faults.kinds import DEAR, FAULTS, impossible
from benchmarks.faults.studies import KINDS


def summary(found: Sequence[Outcome]) -> list[dict[str, object]]:
    """A row for each kind of fault: cases, those whose fault came too late, and those where something did not hold."""
    counts: dict[str, Counter[str]] = {}
    for one in found:
        mine = counts.setdefault(one.fault, Counter())
        mine["cases"] += 1
        mine["late"] += one.missed
        mine["failed"] += bool(one.problems)
    return [
        {"fault": fault, **{word: counts[fault][word] for word in ("cases", "late", "failed")}}
        for fault in (*FAULTS, *DEAR)
        if fault in counts
    ]


def in_words(one: Outcome) -> str:
    """A case in which something did not hold."""
    lines = [f"{one.number} {one.fault}, {one.study}: {'; '.join(one.done)}", *(f"    {text}" for text in one.problems)]
    return "\n".join([*lines, *(f"    | {line}" for line in one.words.splitlines())])


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=100, help="cases; default 100")
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--number", type=int, help="this case alone")
    kinds = [*FAULTS, *DEAR]
    parser.add_argument("--only", choices=kinds, metavar="KIND", help=f"one kind: {', '.join(kinds)}")
    parser.add_argument("--study", choices=KINDS, nargs="+", default=KINDS, metavar="STUDY", help=", ".join(KINDS))
    parser.add_argument("--workers", type=int, default=1, help="cases at a time; default 1")
    parser.add_argument("--keep", type=Path, help="a folder that takes the files of cases in which something fails")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    asked = parser.parse_args()
    faults = [asked.only] if asked.only else possible_faults()
    if asked.only and (why := impossible(asked.only)):
        parser.error(f"'{asked.only}' cannot be made here: {why}")
    numbers = range(asked.first, asked.first + asked.count) if asked.number is None else [asked.number]
    began, found = time.monotonic(), []
    # What runs in the background may hear no Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    interrupted = False
    try:
        with scratch() as root, Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task("cases", total=len(numbers))
            for one in outcomes(asked.seed, numbers, root, faults, asked.study, asked.workers, asked.keep):
                found.append(one)
                progress.advance(task)
                if one.problems or asked.number is not None:
                    console.print(in_words(one), markup=False, soft_wrap=True)
    except KeyboardInterrupt:
        interrupted = True
    failed = sum(bool(one.problems) for one in found)
    cpu, wall = sum(one.seconds for one in found), time.monotonic() - began
    if asked.format == "json":
        print(
            json.dumps({"seed": asked.seed, "kinds": summary(found), "cases": [asdict(one) for one in found]}, indent=1)
        )
    else:
        print(f"{'fault':<20} {'cases':>6} {'late':>6} {'failed':>6}")
        for row in summary(found):
            print(f"{row['fault']:<20} {row['cases']:>6} {row['late']:>6} {row['failed']:>6}")
        for fault in FAULTS:
            if not asked.only and (why := impossible(fault)):
                print(f"{fault:<20} not tried: {why}")
        for fault in DEAR:
            if not asked.only:
                print(f"{fault:<20} not tried: {impossible(fault) or f'--only {fault!r} does'}")
        print(f"{len(found)} cases of seed {asked.seed} in {wall:.0f} s ({cpu:.0f} s of CPU time); {failed} failed")
    if interrupted:
        print(f"interrupted: {len(numbers) - len(found)} cases were not tried")
        return 130
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
