"""The pages about homes and limits: their commands work, and their numbers are those of the code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import get_args

import pytest
from factories.command import mmstudy
from factories.finished_study import project, whole_project, within
from factories.studies import migrated, quick_starts, tiny_corpus, with_database

from experiments.foreign import source
from experiments.home import Home
from experiments.portable.export import USUALLY
from experiments.scores import files as scores
from mmcore import files, limits, yamlfile
from mmcore.data.importers import sample
from mmcore.data.sources import arrow_claims, items_file, pickles

__all__ = ["migrated", "project", "quick_starts", "tiny_corpus", "whole_project", "with_database"]
DOCS = Path(__file__).resolve().parent.parent / "docs"


@pytest.mark.slow
def test_the_commands_of_the_page_do_what_it_says(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (DOCS / "home.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, flags=re.S) for line in block.splitlines()]
    assert len(lines) == 9
    (project / "level.zip").unlink()
    other = tmp_path / "other"
    other.mkdir()

    def runs(line: str) -> str:
        words = shlex.split(line.replace("/tmp/new_home", str(tmp_path / "new_home")))[1:]
        done = mmstudy(Home.choose(), *words)
        assert done.returncode == 0, (line, done.stderr)
        return done.stdout

    assert "wrote level.zip" in runs(lines[0])
    (project / "level.zip").rename(other / "level.zip")
    with within(other):
        said = runs(lines[1])
        assert f"report: {lines[2]}" in said
        assert f"MLflow: {lines[3]}" in said
        for line in lines[2:7]:
            runs(line)
        assert sorted(path.name for path in other.iterdir()) == ["level.yaml", "level.zip"]
        # Somebody else's home: this one, by its path.
        (other / "level.zip").unlink()
        for line in lines[7:]:
            runs(line.replace("/mnt/theirs", str(tmp_path / "new_home")))
        assert (other / "level_report" / "report.html").is_file()
        assert (other / "level.zip").is_file()
    reports = [next((home / "reports").glob("*/report.json")) for home in (project / "mlruns", tmp_path / "new_home")]
    assert reports[0].read_bytes() == reports[1].read_bytes()


def test_the_page_of_a_home_names_every_kind_of_finding_and_the_size_of_checkpoints() -> None:
    from experiments.upkeep.findings import Kind

    page = (DOCS / "home.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\w+) \| [^|]+ \|$", page, flags=re.M)[1:] == list(get_args(Kind))
    assert f"{USUALLY >> 20} MiB" in page


def most(annotated: object) -> int:
    """The upper bound of a number's type."""
    return next(bound.le for part in get_args(annotated)[1:] for bound in part.metadata if hasattr(bound, "le"))


LIMITS = {
    "repeats of an arm": limits.MOST_REPEATS,
    "arms of a study": limits.MOST_ARMS,
    "runs of a study": limits.MOST_RUNS,
    "comparisons of a study": limits.MOST_COMPARISONS,
    "overrides of one arm": limits.MOST_SETTINGS,
    "trials of a search": limits.MOST_TRIALS,
    "settings of a grid, values of one hyperparameter": limits.MOST_CELLS,
    "width of a model": most(limits.Width),
    "layers": most(limits.Depth),
    "width of a feed-forward layer": most(limits.FeedForward),
    "epochs, batch": most(limits.Million),
    "window, in steps": most(limits.Window),
    "any other whole number": limits.LARGEST,
    "tracks": limits.MOST_TRACKS,
    "classes of a parameter": limits.MOST_CLASSES,
    "numbers that a model puts out for one step": limits.MOST_OUTPUTS,
    "columns of a modality": limits.MOST_COLUMNS,
    "rows × columns of a table": arrow_claims.MOST_CELLS,
    "bytes of `items.csv`": items_file.MOST_BYTES,
    "bytes of a YAML file": yamlfile.MOST_BYTES,
    "values of a YAML file, aliases written out": yamlfile.MOST_VALUES,
    "levels of a YAML file": yamlfile.DEEPEST,
    "characters of a number in YAML": yamlfile.LONGEST_NUMBER,
    "bytes of a file that mmstudy reads back": files.MOST_BYTES,
    "bytes of a file of scores, once unpacked": scores.MOST_BYTES,
    "bytes that come out of one byte of an archive or a table, above 1 GiB": arrow_claims.RATIO,
    "bytes of one array of one item in an import": sample.ITEM_LIMIT,
    "instructions of a pickle": pickles.MAX_STEPS,
    "files of training code": source.MOST,
}


def test_the_limits_of_the_page_are_those_of_the_code() -> None:
    page = (DOCS / "limits.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+) \| ([\d,]+) \|$", page, flags=re.M))
    assert rows == {words: f"{limit:,}" for words, limit in LIMITS.items()}
