import pickle

import pytest

import mmcore.errors as errors
from mmcore.errors import ConfigError, MMStudyError, TrainingDiverged, nearest

KINDS = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, MMStudyError)]


def test_a_message_holds_rule_expected_found_next_step_and_place():
    error = ConfigError("a rule", expected="one", found="two", next_step="Do this", where="file.yaml:3")
    assert str(error) == "file.yaml:3: a rule; expected one; found two. Do this"
    assert str(ConfigError("a rule")) == "a rule"
    asking = ConfigError("a rule", found="milliseconds. Set rate?", next_step="Do this")
    assert str(asking) == "a rule; found milliseconds. Set rate? Do this"


@pytest.mark.parametrize("kind", [k for k in KINDS if k is not TrainingDiverged])
def test_errors_survive_the_way_between_processes(kind):
    error = kind("a rule", expected="one", found="two", next_step="Do this", where="here")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)


def test_a_divergence_survives_with_its_numbers():
    error = TrainingDiverged("a loss", epoch=2, step=17, component="scale", found="nan", next_step="Lower it")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.epoch, copy.step, copy.component) == (2, 17, "scale")
    assert str(copy) == "epoch 2, step 17, scale: a loss; expected finite numbers; found nan. Lower it"


def test_the_tree_in_the_docstring_names_every_error():
    assert errors.__doc__ is not None
    words = errors.__doc__.replace("──", " ").split()
    drawn = [word for word in words if word.endswith(("Error", "Diverged", "Stopped"))]
    assert set(drawn) == {k.__name__ for k in KINDS}


@pytest.mark.parametrize(
    ("name", "choices", "expected"),
    [
        ("gate", ["add", "concat", "gated"], "Did you mean 'gated'? Valid: add, concat, gated"),
        ("zzz", ["add", "concat"], "Valid: add, concat"),
        ("MLP", ["mlp", "MLQ", "tabm"], "Did you mean 'mlp'? Valid: mlp, MLQ, tabm"),
        ("Concat", ["CONCAT", "concat"], "Did you mean 'CONCAT'? Valid: CONCAT, concat"),
        ("x", [], "There is none to choose from"),
    ],
)
def test_nearest_proposes_only_what_is_close(name, choices, expected):
    assert nearest(name, choices) == expected
