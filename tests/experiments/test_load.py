"""How busy a worker's machine is: measured after epochs, seldom, and by the names that MLflow gives system metrics."""

from __future__ import annotations

from experiments.launchers.load import EVERY, Gauge
from mmcore.events import EpochDone, Event, Load, Note


def test_the_first_epoch_is_measured_and_then_one_every_ten_seconds() -> None:
    now, heard = [100.0], list[Event]()
    gauge = Gauge(lambda: now[0])
    listen = gauge.watched(heard.append)
    listen(Note("no epoch"))
    for epoch, passed in ((1, 0.0), (2, 1.0), (3, EVERY - 1.0), (4, 0.5)):
        now[0] += passed
        listen(EpochDone(epoch, 4, {"epoch": epoch}))
    assert [one.epoch for one in heard if isinstance(one, Load)] == [1, 3]
    again = list[Event]()
    gauge.watched(again.append)(EpochDone(1, 4, {"epoch": 1}))
    assert isinstance(again[1], Load), "every run is measured, however short"


def test_the_load_has_the_names_of_mlflow_and_values_that_can_be() -> None:
    load = Gauge().measure()
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= load.keys()
    assert all(name.startswith("system/") for name in load)
    assert 0 < load["system/system_memory_usage_percentage"] <= 100
    assert load["system/process_memory_usage_megabytes"] > 1
