"""Wide tables of scores: the ones that pandas would pivot, made when they are asked for."""

import numpy as np
import pandas as pd

from reports.records.wide import WideTables

ROWS = [
    (metric, component, items, parameter)
    for metric in ("loss", "skill")
    for component in (None, "scale", "active")
    for items in ("all", "complete")
    for parameter in ((None, "zoom", "angle") if component else (None,))
]


def long_table(seed=0):
    """Scores of three arms, not in order, some repeats of which are missing."""
    rng = np.random.default_rng(seed)
    made = [
        (arm, repeat, split, items, metric, component, parameter, rng.normal())
        for arm in ("b", "a", "Ä")
        for repeat in (3, 0, 1)
        if (arm, repeat) != ("a", 3)
        for split in ("validation", "test")
        for metric, component, items, parameter in ROWS
    ]
    columns = ["arm", "repeat", "split", "items", "metric", "component", "parameter", "value"]
    table = pd.DataFrame(made, columns=columns)
    return table.astype({name: "category" for name in ("arm", "split", "items", "metric", "component", "parameter")})


def test_a_table_is_that_of_a_pivot():
    long = long_table()
    tables = WideTables(long, "arm")
    assert [(*score[:2], score[2], parameter) for score, own in tables.rows.items() for parameter in own] == ROWS
    for metric, component, items, parameter in ROWS:
        own = long[(long["split"] == "test") & (long["metric"] == metric) & (long["items"] == items)]
        for column, word in (("component", component), ("parameter", parameter)):
            own = own[own[column].isna() if word is None else own[column] == word]
        expected = own.assign(arm=own["arm"].astype(str)).pivot(index="repeat", columns="arm", values="value")
        found = tables.table((metric, component, items), parameter)
        pd.testing.assert_frame_equal(found, expected.sort_index(axis=1), check_column_type=False)
        assert found.isna().sum().sum() == 1
        assert tables.table((metric, component, items), parameter) is found


def test_of_parameters_alone_the_mean_stands_for_the_component():
    long = long_table()
    tables = WideTables(long[long["parameter"].notna()], "arm")
    zoom, angle = (tables.table(("loss", "scale", "all"), name) for name in ("zoom", "angle"))
    pd.testing.assert_frame_equal(tables.table(("loss", "scale", "all"), None), (zoom + angle) / 2)
    assert tables.table(("loss", None, "all"), None) is None
    assert tables.table(("loss", "scale", "all"), "speed") is None


def test_without_rows_there_are_no_tables():
    tables = WideTables(long_table().iloc[:0], "arm")
    assert not tables.rows
    assert tables.table(("loss", None, "all"), None) is None
