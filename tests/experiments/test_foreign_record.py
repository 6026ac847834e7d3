"""A record of a run that other code trained is written and read like any other."""

from dataclasses import replace

from factories import foreign

from experiments.records import read_record, write_record
from mmcore.config import ForeignConfig
from mmcore.record import Record
from mmcore.scores import Score


def test_the_settings_of_other_code_survive_the_way_to_disk_and_back(tmp_path):
    results = foreign.results(foreign.scores({"a": 0.1, "b": 0.2}), settings={"a": {"lr": 0.1, "layers": [1, 2]}})
    run = replace(results.runs[0], seconds=1.5)
    score = Score("test", "all", "my_score", None, 0.5)
    record = Record(**vars(run), scores=(score,), history=(), items=())
    write_record(tmp_path, record)
    back = read_record(tmp_path)
    assert back is not None
    assert back.config == ForeignConfig(settings={"lr": 0.1, "layers": [1, 2]})
    assert back.score("my_score") == 0.5
    assert back == record
