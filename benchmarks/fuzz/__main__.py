"""A campaign of bad input: spoils good input at random and counts what mmstudy does with it.

python -m benchmarks.fuzz --seed 0 --count 3000 [--kind study --number 17 (one case alone)]

Exit code 1 where a case ends in a traceback, a hang, a refusal without a place, or a silent wrong answer.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.fuzz.cases import KINDS
from benchmarks.fuzz.good import Good, drawn
from benchmarks.fuzz.watch import FAILURES, Outcome, judge


def campaign(seed: int, numbers: Sequence[int], root: Path, kinds: Sequence[str] = tuple(KINDS)) -> Iterator[Outcome]:
    """The outcomes of cases, each a function of seed and number alone.

    Args:
        root: a scratch folder. kinds: taken in turn.
    """
    good = Good(root).make()
    for number in numbers:
        rng, kind = drawn(seed, number), kinds[number % len(kinds)]
        what, work = KINDS[kind](good, rng, number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            verdict, text = judge(work)
        shutil.rmtree(root / f"case{number}", ignore_errors=True)
        yield Outcome(kind, number, verdict, text, what)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--kind", choices=list(KINDS), help="cases of one kind alone")
    parser.add_argument("--number", type=int, help="this case alone")
    asked = parser.parse_args()
    kinds = [asked.kind] if asked.kind else list(KINDS)
    numbers = range(asked.count) if asked.number is None else [asked.number]
    began, counts = time.process_time(), Counter[tuple[str, str]]()
    with tempfile.TemporaryDirectory(prefix="mmstudy-fuzz-") as scratch:
        for one in campaign(asked.seed, numbers, Path(scratch), kinds):
            counts[one.kind, one.verdict] += 1
            if one.verdict in FAILURES or asked.number is not None:
                print(f"{one.number} {one.kind}: {one.case!r}\n    {one.verdict}: {one.text}", flush=True)
    verdicts = ["accepted", "refused", *FAILURES]
    print("kind".ljust(12), *(verdict.rjust(10) for verdict in verdicts))
    for kind in kinds:
        print(kind.ljust(12), *(str(counts[kind, verdict]).rjust(10) for verdict in verdicts))
    failed = sum(counts[kind, verdict] for kind in kinds for verdict in FAILURES)
    print(f"{len(numbers)} cases in {time.process_time() - began:.0f} s of CPU time; {failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
