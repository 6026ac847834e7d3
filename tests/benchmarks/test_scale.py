"""The benchmark of large studies: its nodes do every run once, and its table says how work grows."""

import pytest

from benchmarks.scale import COMMANDS, Cost, serve, table


def test_every_run_finishes_once_though_nodes_are_lost(capsys: pytest.CaptureFixture[str]) -> None:
    serve(300, 4)
    assert capsys.readouterr().out == "300 runs on 4 nodes, 4 lost and done again\n"


def test_the_table_says_the_power_by_which_work_grows() -> None:
    costs = {runs: {what: Cost(1.0, (runs / 100) ** 2, 50.0) for what in COMMANDS} for runs in (100, 200, 400)}
    rows = table(costs).splitlines()
    assert [row[:20].strip() for row in rows[1:-1]] == list(COMMANDS)
    assert all(row.endswith("2.00") for row in rows[1:-1])
