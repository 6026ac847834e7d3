import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mmcore.errors import ConfigError
from mmcore.schema import CorpusSchema, Modality, Parameter, Targets, expand

SEED = {
    "format": 1,
    "name": "editing",
    "step": 0.1,
    "reference": "track",
    "modalities": {
        "audio": {"features": [{"name": "energy"}, {"name": "speaking", "kind": "binary"}]},
        "visual": {"storage": "float16", "features": [{"name": "x"}, {"name": "clip_{0..511}", "kind": "embedding"}]},
        "track": {
            "features": [
                {"name": "{0..19}_active", "kind": "binary"},
                {"name": "{0..19}_asset_id", "kind": "categorical"},
                {"name": "{0..19}_x"},
            ]
        },
    },
    "targets": {
        "from": "track",
        "tracks": 20,
        "parameters": [
            {"name": "active", "kind": "binary", "component": "active"},
            {"name": "asset_id", "kind": "categorical", "classes": 10, "component": "asset", "when": "active"},
            {"name": "x", "component": "position", "when": "active"},
        ],
    },
}


def changed(path: str, value: object) -> dict:
    from mmcore.config import override

    return override(SEED, {path: value})


@given(st.integers(0, 50), st.integers(0, 50), st.text("abc_", max_size=3), st.text("abc_", max_size=3))
def test_a_range_is_written_out_with_both_ends(first, length, before, after):
    names = expand(f"{before}{{{first}..{first + length}}}{after}")
    assert names == [f"{before}{i}{after}" for i in range(first, first + length + 1)]


def test_a_name_without_a_range_stands_for_itself():
    assert expand("motion") == ["motion"]


def test_columns_kinds_and_embedding_groups_agree():
    visual = CorpusSchema.model_validate(SEED).modalities["visual"]
    assert len(visual.columns) == len(visual.kinds) == 513
    assert visual.columns[:2] == ("x", "clip_0")
    assert visual.kinds[:2] == ("continuous", "embedding")
    assert visual.embedding_groups == ((1, 513),)
    two = Modality.model_validate(
        {"features": [{"name": "a_{0..1}", "kind": "embedding"}, {"name": "b_{0..2}", "kind": "embedding"}]}
    )
    assert two.embedding_groups == ((0, 2), (2, 5))


def test_targets_of_a_modality_are_its_columns_track_by_track():
    schema = CorpusSchema.model_validate(SEED)
    assert schema.targets_are_features
    columns = schema.target_columns()
    assert (len(columns), columns[7]) == (20, ("7_active", "7_asset_id", "7_x"))
    assert schema.targets.outputs == 2 + 10 + 1
    assert schema.targets.components == ("active", "asset", "position")


def test_targets_of_a_table_are_named_by_parameter():
    def table(tracks: int) -> CorpusSchema:
        return CorpusSchema.model_validate(
            {
                **SEED,
                "targets": {"from": "labels", "tracks": tracks, "parameters": [{"name": "x", "component": "x"}]},
            }
        )

    assert table(1).target_columns() == (("x",),)
    assert table(2).target_columns() == (("x_0",), ("x_1",))
    assert not table(1).targets_are_features


def test_chosen_modalities_stand_in_the_schemas_order():
    schema = CorpusSchema.model_validate(SEED)
    assert schema.chosen(None) == ("audio", "visual", "track")
    assert schema.chosen(("track", "audio")) == ("audio", "track")
    with pytest.raises(ConfigError, match="Did you mean 'visual'"):
        schema.chosen(("visaul",))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("format", 2, "Input should be 1"),
        ("reference", "trak", "reference 'trak' is not a modality. Did you mean 'track'"),
        ("step", 0.0, "greater than 0"),
        ("modalities.audio.features", [{"name": "a"}, {"name": "a"}], "column 'a' is named twice"),
        ("modalities.audio.features", [{"name": "time"}], "'time' cannot be a feature"),
        ("modalities.audio.features", [], "at least 1 item"),
        ("modalities.audio.storage", "float64", "float32"),
        ("modalities.a/b", {"features": [{"name": "a"}]}, "it names a folder"),
        ("targets.tracks", 21, "target column '20_active' is not a feature of modality 'track'"),
        ("targets.scope", "item", "scope item needs a table of its own"),
        ("targets.parameters", [{"name": "x", "component": "x", "when": "y"}], "when 'y' is not a binary parameter"),
        ("targets.parameters", [{"name": "x", "component": "x"}] * 2, "parameter 'x' is declared twice"),
        ("targets.parameter", [], "Extra inputs"),
    ],
)
def test_a_broken_rule_is_refused(path, value, message):
    with pytest.raises(ValidationError, match=message):
        CorpusSchema.model_validate(changed(path, value))


def test_a_corpus_without_modalities_is_refused():
    with pytest.raises(ValidationError, match="at least 1 item"):
        CorpusSchema.model_validate({**SEED, "modalities": {}})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "categorical"}, "classes belongs to kind categorical"),
        ({"kind": "binary", "classes": 2}, "classes belongs to kind categorical"),
        ({"kind": "categorical", "classes": 3, "labels": ["a", "b"]}, "2 labels for 3 classes"),
    ],
)
def test_classes_and_labels_must_agree(values, message):
    with pytest.raises(ValidationError, match=message):
        Parameter.model_validate({"name": "p", "component": "c", **values})


def test_a_when_names_a_binary_parameter():
    with pytest.raises(ValidationError, match="when 'x' is not a binary parameter"):
        Targets.model_validate(
            {"from": "t", "parameters": [{"name": "x", "component": "c"}, {"name": "y", "component": "c", "when": "x"}]}
        )


@pytest.mark.parametrize(
    ("features", "columns"),
    [(["x", "y"], ("x", "y")), (["0_x", "0_y"], ("0_x", "0_y")), (["x", "y", "0_x", "0_y"], ("0_x", "0_y"))],
    ids=["plain", "numbered", "both"],
)
def test_a_single_track_of_a_modality_needs_no_number(features: list[str], columns: tuple[str, ...]) -> None:
    made = {
        "format": 1,
        "name": "paths",
        "modalities": {"path": {"features": [{"name": name} for name in features]}},
        "targets": {"from": "path", "parameters": [{"name": name, "component": name} for name in ("x", "y")]},
    }
    assert CorpusSchema.model_validate(made).target_columns() == (columns,)
    made["targets"] |= {"tracks": 2}
    with pytest.raises(ValidationError, match="target column"):
        CorpusSchema.model_validate(made)
