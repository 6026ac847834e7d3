"""Small real trainings of equally good arms."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import null_studies
from benchmarks.null_studies import (
    DESIGNS,
    MODALITIES,
    Said,
    count,
    judge,
    kept,
    main,
    read_families,
    train_family,
    write_corpus,
)


def test_both_modalities_follow_one_rule_and_a_family_has_a_corpus_of_its_own(tmp_path: Path) -> None:
    tables = []
    for family, given in ((0, False), (0, True), (1, False)):
        folder = tmp_path / f"{family}{given}"
        write_corpus(folder, family, given)
        items = pd.read_csv(folder / "items.csv")
        assert ("split" in items) == given
        if given:
            assert items["split"].value_counts().to_dict() == {"train": 18, "test": 6, "validation": 6}
        tables.append([pd.read_parquet(folder / m / "item00.parquet").drop(columns="time") for m in MODALITIES])
    for modality in range(2):
        assert tables[0][modality].equals(tables[1][modality])
        assert not tables[0][modality].equals(tables[2][modality])
    spread = {
        m: np.mean(
            [pd.read_parquet(path).drop(columns="time").var().mean() for path in sorted(tmp_path.glob(f"*/{m}/*"))]
        )
        for m in MODALITIES
    }
    assert spread["a"] == pytest.approx(spread["b"], rel=0.1)


@pytest.mark.parametrize("design", DESIGNS)
def test_a_family_is_trained_and_judged_as_a_report_does(design: str, tmp_path: Path) -> None:
    records = train_family(design, 0, 2, tmp_path)
    assert [(r.arm, r.repeat, r.status) for r in records] == [
        (arm, repeat, "done") for arm in MODALITIES for repeat in range(2)
    ]
    drawn = {"each_repeat": "each_repeat", "once": "once", "given": "corpus"}[design]
    assert {r.split.drawn for r in records} == {drawn}
    tested = [{row.item for row in r.items} for r in records]
    assert tested[:2] == tested[2:]
    assert (tested[0] == tested[1]) == (design != "each_repeat")
    said = judge(design, records)
    assert said == Said("too few repeats", ("too few repeats",) * 3, "too few repeats", ("too few repeats",) * 3)


def test_claims_are_counted_by_what_they_are_about() -> None:
    nothing, here = ("undecided",) * 3, "worse on these items"
    said = [
        Said("better", nothing, "better", nothing),
        Said("undecided", ("undecided", here, "worse"), "undecided", ("better", "undecided", "worse")),
        Said(here, nothing, "worse", nothing),
        Said("equivalent", nothing, "equivalent", nothing),
    ]
    found = count(said)
    assert (found.families, found.metric, found.component, found.either) == (4, 1, 1, 2)
    assert (found.these_items, found.metric_alone, found.component_alone) == (2, 2, 1)


def test_the_command_keeps_what_it_trained_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--home", str(tmp_path), "--repeats", "1", "--design", "once"]
    # One training in this process, the next ones in a pool of processes as a user has it.
    with monkeypatch.context() as patch:
        patch.setattr(null_studies, "ProcessPoolExecutor", lambda workers, mp_context: ThreadPoolExecutor(workers))
        main([*words, "--families", "1"])
    first = kept(tmp_path, "once").read_text(encoding="utf-8")
    (family,) = read_families(tmp_path, "once").values()
    # As a killed process leaves it.
    kept(tmp_path, "once").write_text(first + "\n" + json.dumps({"family": 1})[:8], encoding="utf-8")
    main([*words, "--families", "2"])
    there = read_families(tmp_path, "once")
    assert sorted(there) == [0, 1]
    assert there[0] == family
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| once")]
    assert [line.split("|")[2].strip() for line in lines] == ["1", "2"]
    with pytest.raises(SystemExit):
        main([*words, "--families", "0"])


def test_the_page_holds_alpha_on_real_trainings_and_repeats_alone_do_not() -> None:
    page = (Path(__file__).parents[2] / "docs" / "error_rates.md").read_text(encoding="utf-8")
    lines = page.split("## Small real trainings", 1)[1].split("\n## ", 1)[0].splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")][1:]
    assert [row[0] for row in rows] == list(DESIGNS)
    for design, *numbers in rows:
        families, metric, component, either, _, metric_alone, component_alone = map(int, numbers)
        assert families >= 60
        assert max(metric, component) <= 0.05 * families
        assert max(metric, component) <= either <= metric + component
        if design == "each_repeat":
            assert (metric_alone, component_alone) == (metric, component)
        else:
            assert component_alone > metric_alone > 0.5 * families
