"""Copies of a process: no signal is lost while one is made, and none ends in a traceback of the copy."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has copies that are safe")

CODE = """
import os, signal
from mmcore.forked import Copy

def stop(*_):
    raise KeyboardInterrupt

for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, stop)
os.register_at_fork({when}=lambda: os.kill(os.getpid(), signal.{name}))
try:
    print(Copy(lambda: ["made"]).next())
except KeyboardInterrupt:
    print("stopped")
"""


def outcome(when: str, name: str) -> tuple[str, str]:
    """What a process prints that gets a signal at a moment of the copying, and what it says of errors."""
    code = CODE.format(when=when, name=name)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    return done.stdout.strip(), done.stderr


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("when", ["before", "after_in_parent"])
def test_a_signal_while_a_copy_is_made_stops_the_command(when: str, name: str) -> None:
    """Python swallows what is raised in such a moment: "Exception ignored", and the command went on."""
    assert outcome(when, name) == ("stopped", "")


def test_ctrl_c_in_a_new_copy_is_left_to_its_parent() -> None:
    assert outcome("after_in_child", "SIGINT") == ("made", "")
