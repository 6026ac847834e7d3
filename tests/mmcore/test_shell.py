"""Commands that messages propose can be copied into a shell."""

import os
import shlex

import pytest

from mmcore.shell import argument


@pytest.mark.parametrize("plain", ["corpus", "/data/talks_2", "音声/コーパス", "a-b.yaml", "Ää"])
def test_plain_paths_stay_as_they_are(plain):
    assert argument(plain) == plain


@pytest.mark.parametrize("odd", ["my corpus", "it's", "a&b", "a;b", "$HOME", ""])
def test_what_a_shell_would_change_is_quoted(odd):
    if os.name == "nt":
        assert argument(odd) == f'"{odd}"'
    else:
        assert shlex.split(argument(odd)) == [odd]
        assert argument(odd) != odd
