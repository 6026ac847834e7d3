"""Print the tables of docs/calibration.md: ``python -m reports.calibration``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from reports.calibration import fixed, sequential


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both reports, or the one that is asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m reports.calibration",
        description="Error rate and power of the verdict rule on simulated studies: with a fixed number of repeats "
        "against three naive tests, and with repeats added until a comparison is decided.",
    )
    parser.add_argument("--studies", type=int, help="studies a row (default: as in docs/calibration.md)")
    parser.add_argument("--only", choices=("fixed", "sequential"), help="one of the two parts")
    asked = parser.parse_args(arguments)
    if asked.studies is not None and asked.studies < 1:
        parser.error("--studies must be at least 1")
    if asked.only != "sequential":
        print(fixed.report(asked.studies or fixed.STUDIES))
    if asked.only is None:
        print()
    if asked.only != "fixed":
        print(sequential.report(asked.studies or sequential.STUDIES))


if __name__ == "__main__":
    main()
