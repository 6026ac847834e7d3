"""Print the tables of docs/error_rates.md: ``python -m benchmarks.error_rates``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks.error_rates import advice, extended, fixed, learner, learner_sequential, sequential

PARTS = {
    "learner": (learner.report, learner.STUDIES),
    "learner-sequential": (learner_sequential.report, learner_sequential.STUDIES),
    "fixed": (fixed.report, fixed.STUDIES),
    "sequential": (sequential.report, sequential.STUDIES),
    "advice": (advice.report, advice.STUDIES),
    "extended": (extended.report, extended.STUDIES),
}
"""Part to what prints it, and the studies a row of docs/error_rates.md."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print all reports, or the one that is asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.error_rates",
        description="Error rate and power of the verdict rule on simulated studies: with a real learner, by design "
        "and groups; with scores that are drawn, against three naive tests; with repeats added until a comparison "
        "is decided; with the advice of a fixed study followed; and with repeats added by hand, which check ABL046 "
        "doubts.",
    )
    parser.add_argument("--studies", type=int, help="studies a row (default: as in docs/error_rates.md)")
    parser.add_argument("--only", choices=tuple(PARTS), help="one of the parts")
    request = parser.parse_args(arguments)
    if request.studies is not None and request.studies < 1:
        parser.error("--studies must be at least 1")
    chosen = PARTS if request.only is None else {request.only: PARTS[request.only]}
    print("\n\n".join(report(request.studies or studies) for report, studies in chosen.values()))


if __name__ == "__main__":
    main()
