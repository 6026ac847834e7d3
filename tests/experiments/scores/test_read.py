"""Files of scores: formats, wide and long tables, guessed columns; and every bad file is refused with its place."""

import gzip
import json

import pandas as pd
import pytest

from experiments.score_sources import read_scores
from experiments.scores.columns import Wanted, columns_of, is_error
from experiments.scores.tidy import tidy_scores
from mmcore.errors import ScoresError

LONG = "model,seed,accuracy\nmlp,0,0.8\nmlp,1,0.82\ncnn,0,0.9\ncnn,1,0.91\n"


def written(path, text):
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


def tidied(source, **asked):
    table, columns = columns_of(read_scores(source, asked.get("score")), Wanted(**asked))
    return tidy_scores(table, columns), columns


def cells(tidy):
    return {(arm, label): value for arm, label, value in tidy.rows[["arm", "label", "value"]].itertuples(index=False)}


EXPECTED = {("mlp", "0"): 0.8, ("mlp", "1"): 0.82, ("cnn", "0"): 0.9, ("cnn", "1"): 0.91}


@pytest.mark.parametrize("name", ["s.csv", "s.csv.gz", "s.tsv", "s.jsonl", "s.json", "s.parquet", "semi.csv"])
def test_every_format_gives_the_same_scores(tmp_path, name):
    frame = pd.read_csv(written(tmp_path / "plain.csv", LONG))
    path = tmp_path / name
    match name.removesuffix(".gz").rpartition(".")[2]:
        case "csv":
            written(path, LONG if name != "semi.csv" else LONG.replace(",", ";"))
        case "tsv":
            written(path, LONG.replace(",", "\t"))
        case "jsonl":
            written(path, frame.to_json(orient="records", lines=True))
        case "json":
            written(path, frame.to_json(orient="records"))
        case "parquet":
            frame.to_parquet(path)
    tidy, columns = tidied(path)
    assert cells(tidy) == EXPECTED
    assert (columns.arm, columns.repeat, columns.score) == ("model", "seed", "accuracy")
    assert columns.guessed == ("Columns were guessed: --arm model --repeat seed --score accuracy.",)


def test_decimal_commas_are_read_where_cells_are_not_separated_by_commas(tmp_path):
    """As a spreadsheet saves them in half of Europe; and said, since 1,234 might have been a thousand."""
    text = LONG.replace(",", ";").replace(".", ",").replace("cnn;1;0,91", "cnn;1;1")
    table = read_scores(written(tmp_path / "semi.csv", text))
    tidy, _ = tidied(tmp_path / "semi.csv")
    assert cells(tidy) == {**EXPECTED, ("cnn", "1"): 1.0}
    assert table.notes == ("Commas in the numbers of column 'accuracy' were read as decimal points.",)
    tidy, _ = tidied(written(tmp_path / "tabs.tsv", text.replace(";", "\t")))
    assert cells(tidy) == {**EXPECTED, ("cnn", "1"): 1.0}


def test_a_comma_counts_as_a_point_only_where_every_cell_of_the_column_is_such_a_number(tmp_path):
    mixed = "model;seed;accuracy\na;0;0,8\na;1;0.9\nb;0;0,8\nb;1;0,9\n"
    with pytest.raises(ScoresError, match=r"every score .* found '0,8', and 2 more\. Correct") as refused:
        tidied(written(tmp_path / "mixed.csv", mixed))
    assert "mores" not in str(refused.value)
    table = read_scores(written(tmp_path / "names.csv", "model;k;accuracy\n1,5;3;0.8\nbig;3;0.9\n"))
    assert list(table.rows["model"]) == ["1,5", "big"]
    assert table.notes == ()
    missing = "model;seed;accuracy\na;0;0,8\na;1;\nb;0;nan\nb;1;-1,5e-3\n"
    tidy, _ = tidied(written(tmp_path / "missing.csv", missing))
    assert [value for value in cells(tidy).values() if value == value] == [0.8, -0.0015]


def test_a_data_frame_is_read_and_left_as_it_is():
    frame = pd.DataFrame({"method": ["a", "a", "b"], "fold": [0, 1, 0], "f1": [0.1, 0.2, 0.3]})
    before = frame.copy()
    tidy, columns = tidied(frame)
    assert (columns.arm, columns.repeat, columns.score) == ("method", "fold", "f1")
    assert tidy.arms == ["a", "b"]
    pd.testing.assert_frame_equal(frame, before)


def test_a_wide_table_with_a_column_for_each_repeat(tmp_path):
    path = written(tmp_path / "w.csv", "model,seed0,seed1\nmlp,0.8,0.82\ncnn,0.9,0.91\n")
    tidy, columns = tidied(path)
    assert cells(tidy) == EXPECTED
    assert columns.repeat == "seed"
    assert columns.guessed[0] == "The table is wide: its columns seed0 to seed1 are repeats."


def test_a_wide_table_with_a_column_for_each_arm(tmp_path):
    path = written(tmp_path / "w.csv", "seed,mlp,cnn\n0,0.8,0.9\n1,0.82,0.91\n")
    tidy, columns = tidied(path)
    assert cells(tidy) == EXPECTED
    assert columns.guessed[0] == "The table is wide: its columns mlp, cnn are arms."


def test_a_wide_table_names_the_line_of_a_bad_cell(tmp_path):
    path = written(tmp_path / "w.csv", "seed,mlp,cnn\n0,0.8,0.9\n1,0.82,0.91\n2,0.8,0.9\n3,0.8,0.9\n4,0.8,good\n")
    with pytest.raises(ScoresError, match=r"w\.csv:6: every score .* found 'good'"):
        tidied(path)


def test_a_data_set_an_item_and_a_group_are_found_by_name():
    rows = [(m, d, s, 0.5) for m in "ab" for d in ("x", "y") for s in (0, 1)]
    _, columns = tidied(pd.DataFrame(rows, columns=["model", "dataset", "seed", "score"]))
    assert columns.by == "dataset"
    rows = [(m, s, v, f"{v}{c}", 0.5) for m in "ab" for s in (0, 1) for v in ("v", "w") for c in (0, 1)]
    tidy, columns = tidied(pd.DataFrame(rows, columns=["model", "seed", "video", "clip", "score"]))
    assert (columns.item, columns.group) == ("clip", "video")
    assert set(tidy.rows["group"]) == {"v", "w"}


def test_without_a_column_of_repeats_rows_are_repeats():
    tidy, columns = tidied(pd.DataFrame({"model": ["a", "b", "a", "b"], "score": [1.0, 2.0, 3.0, 4.0]}))
    assert columns.repeat is None
    assert not tidy.labelled
    assert cells(tidy) == {("a", "0"): 1.0, ("b", "0"): 2.0, ("a", "1"): 3.0, ("b", "1"): 4.0}


def test_names_that_are_numbers_lose_no_digit_and_gain_none():
    frame = pd.DataFrame({"model": ["1e3", "007"], "seed": [1.0, 2.0], "score": [0.1, 0.2]})
    tidy, _ = tidied(frame)
    assert tidy.arms == ["1e3", "007"]
    assert list(tidy.rows["label"]) == ["1", "2"]


@pytest.mark.parametrize("name", [
        "rmse", "test_loss", "Test Error", "val/nll", "err", "test_error_pct", "cross_entropy", "runtime_s",
        "val.err.mean", "edit distance", "loss_avg",
    ],
)  # fmt: skip
def test_names_of_errors_are_known(name):
    assert is_error(name)


@pytest.mark.parametrize("name", ["accuracy", "lossless_share", "score", "timeliness", "kappa"])
def test_other_names_are_not(name):
    assert not is_error(name)


BAD = {
    # name: (file, text, message)
    "no number": ("a.csv", LONG + "cnn,2,high\n", r"a\.csv:6: every score in column 'accuracy' must be a number"),
    "no arm": ("a.csv", LONG + ",2,0.9\n", r"a\.csv:6: every row must say its 'model'; found an empty cell"),
    "no repeat": ("a.csv", LONG + "cnn,,0.9\n", r"a\.csv:6: every row must say its 'seed'"),
    "twice": ("a.csv", LONG + "cnn,1,0.9\n", r"first: model cnn, seed 1 \(lines 5 and 6\)"),
    "one arm": ("a.csv", LONG.replace("cnn", "mlp").replace("mlp,0,0.9\n", "mlp,2,0.9\n").replace("mlp,1,0.91\n", ""),
                r"there must be two arms to compare; found only 'mlp'"),
    "ragged": ("a.csv", LONG + "cnn,2\n", r"a\.csv:6: every row must have as many cells as the header"),
    "decimal commas": ("a.csv", LONG.replace("0.82", "0,82"), r"a\.csv:3: .* A decimal comma splits a number"),
    "a comma in a name": ("a.csv", LONG + "cnn, deep,2,0.9\n", r"a\.csv:6: .* names that contain the separator"),
    "an open quote": ("a.csv", LONG + 'cnn,2,0.9\n"cnn,3,0.9\ncnn,4,0.9\n', r"a\.csv:7: .* Look for a quote"),
    "empty": ("a.csv", "\n\n", r"must have rows; found none"),
    "header alone": ("a.csv", "model,seed,accuracy\n", r"must have rows; found none"),
    "no header": ("a.csv", "1,0,0.8\n2,0,0.9\n", r"a\.csv:1: the first line must name the columns"),
    "double header": ("a.csv", "model,seed,seed\na,0,1\n", r"columns must have names of their own; found twice: seed"),
    "broken JSON": ("a.jsonl", '{"model": "a"}\n{"model"\n', r"a\.jsonl:2: every line must be JSON"),
    "no object": ("a.jsonl", "[1]\n", r"a\.jsonl:1: every line must be a JSON object"),
    "JSON of another kind": ("a.json", '{"a": 1}', r"scores in JSON are a list of objects"),
    "ending": ("a.dat", "x", r"the ending of a file says how to read it; expected \.csv.* Rename it"),
    "spreadsheet": ("a.xlsx", "x", r"the ending of a file says how to read it; expected \.csv.* Save its sheet as CSV"),
    "no score": ("a.csv", "model,colour\na,red\nb,blue\n", r"which column holds the scores"),
    "two scores": ("a.csv", "model,x,y\na,1,2\nb,1,2\n", r"found x, y\. For example --score x"),
    "a column a model": ("a.csv", "dataset,mlp,tree\niris,0.9,0.8\nwine,0.7,0.6\n",
                         r"If the columns are models, name the column of repeats, such as seed"),
    "a column a repeat": ("a.csv", "model,acc_0,acc_1\nmlp,0.9,0.8\ncnn,0.7,0.6\n",
                          r"If the columns are repeats, call them seed0, seed1, …"),
    "all missing": ("a.csv", "model,seed,accuracy\na,0,\nb,0,nan\n", r"must hold numbers; found none that is finite"),
    "broken gzip": ("a.csv.gz", None, r"a file of scores must be readable"),
}  # fmt: skip


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl"])
def test_another_encoding_is_told_with_its_byte_and_line(tmp_path, name):
    """In our words: a codec's position in bytes helps nobody to find the letter."""
    data = "model,seed,accuracy\nmlp,0,0.8\nGerät,0,0.9\n".encode("latin-1")
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    with pytest.raises(ScoresError) as refused:
        read_scores(tmp_path / name)
    assert str(refused.value).startswith(
        f"{tmp_path / name}:3: a file of scores must be UTF-8 text; found the byte 0xe4."
    )


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_are_refused_with_place_and_reason(tmp_path, kind):
    name, text, message = BAD[kind]
    path = tmp_path / name
    if text is None:
        path.write_bytes(b"no gzip")
    else:
        written(path, text)
    with pytest.raises(ScoresError, match=message):
        tidied(path)


def test_a_missing_file_names_its_neighbours(tmp_path):
    written(tmp_path / "scores.csv", LONG)
    with pytest.raises(ScoresError, match=r"no such file.*In that folder are: scores\.csv"):
        tidied(tmp_path / "score.csv")
    with pytest.raises(ScoresError, match="must be a file, or a folder"):
        tidied(tmp_path)


def test_a_column_that_is_not_there_names_the_nearest():
    frame = pd.DataFrame({"model": ["a", "b"], "score": [1.0, 2.0]})
    with pytest.raises(ScoresError, match=r"--arm is not in the table; found 'modle'.*Did you mean 'model'"):
        tidied(frame, arm="modle")
    with pytest.raises(ScoresError, match="a column can hold one thing only"):
        tidied(frame, arm="model", by="model")


def test_an_item_in_two_groups_is_refused():
    rows = [(m, 0, "c", g, 0.5) for m, g in (("a", "v"), ("b", "w"))]
    with pytest.raises(ScoresError, match="an item must belong to one group; found item 'c' in 'v' and 'w'"):
        tidied(pd.DataFrame(rows, columns=["model", "seed", "clip", "video", "score"]), item="clip", group="video")


def test_missing_scores_stay_and_are_no_refusal(tmp_path):
    tidy, _ = tidied(written(tmp_path / "a.csv", LONG + "cnn,2,\nmlp,2,inf\n"))
    assert tidy.rows["value"].isna().sum() == 1
    assert len(tidy.rows) == 6


@pytest.mark.parametrize("right", [[True, False, True, True], ["True", "false", "true", "TRUE"]])
def test_whether_an_item_was_right_is_a_score(right):
    frame = pd.DataFrame({"model": ["a", "a", "b", "b"], "seed": 0, "item": ["x", "y"] * 2, "correct": right})
    tidy, _ = tidied(frame, score="correct", item="item")
    assert list(tidy.rows["value"]) == [1.0, 0.0, 1.0, 1.0]


def test_a_setting_that_is_on_or_off_is_not_taken_for_a_score():
    frame = pd.DataFrame({"model": ["a", "b"], "pretrained": [True, False], "x": [0.1, 0.2]})
    assert tidied(frame)[1].score == "x"


def test_nested_json_has_dotted_columns(tmp_path):
    rows = [{"model": m, "seed": s, "metrics": {"f1": 0.5 + s}} for m in "ab" for s in (0, 1)]
    path = written(tmp_path / "a.jsonl", "\n".join(json.dumps(row) for row in rows))
    _, columns = tidied(path)
    assert columns.score == "metrics.f1"


def test_the_table_of_runs_of_weights_and_biases(tmp_path):
    text = '"Name","State","model","seed","test_acc"\n'
    text += "".join(f'"run-{i}","finished","{m}","{s}","0.{8 + i % 2}"\n' for i, (m, s) in enumerate(
        (m, s) for m in ("mlp", "cnn") for s in (0, 1)))  # fmt: skip
    path = written(tmp_path / "wandb_export.csv", text + '"run-9","crashed","cnn","2",""\n')
    table = read_scores(path)
    assert table.notes == (
        "An export of runs from Weights & Biases.",
        "1 run that did not finish left out (crashed).",
    )
    tidy, columns = tidied(path)
    assert (columns.arm, columns.repeat, columns.score) == ("model", "seed", "test_acc")
    assert len(tidy.rows) == 4


def test_a_chart_of_weights_and_biases(tmp_path):
    text = (
        '"Step","mlp-seed0 - val_acc","mlp-seed0 - val_acc__MIN","mlp-seed0 - val_acc__MAX","cnn-seed0 - val_acc"\n'
        '"0","0.5","0.5","0.5","0.6"\n"1","0.9","0.9","0.9","0.7"\n"2","0.8","0.8","0.8",""\n'
    )
    path = written(tmp_path / "chart.csv", text)
    assert [list(read_scores(path, None, step).rows["val_acc"]) for step in ("last", "max", "min")] == [
        [0.8, 0.7],
        [0.9, 0.7],
        [0.5, 0.6],
    ]
    assert list(read_scores(path).rows["repeat"]) == ["0", "0"]
    with pytest.raises(ScoresError, match="the chart has no such metric; found 'acc'"):
        read_scores(path, "acc")
