"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import IO

import pytest

from mmcore.atomic import remove_leftovers, room_in, write_atomically
from mmcore.errors import MMStudyError


def full(file: IO[bytes]) -> None:
    file.write(b"half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_old_file_and_names_it(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="No space left") as problem:
        write_atomically(path, full)
    assert problem.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["record.json"]


def test_a_full_disk_is_said_with_its_path_and_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(MMStudyError) as problem, room_in(tmp_path):
        write_atomically(tmp_path / "runs" / "record.json", full)
    assert problem.value.where == str(tmp_path / "runs" / "record.json")
    assert "no space left on the disk" in problem.value.message
    assert "repeat the command" in problem.value.message
    with pytest.raises(MMStudyError) as nameless, room_in(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert nameless.value.where == str(tmp_path)


def test_other_errors_are_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), room_in(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_a_file_has_the_mode_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "shared.json", lambda file: file.write(b"{}"), flush=False)
    finally:
        os.umask(before)
    if os.name == "posix":
        assert (tmp_path / "shared.json").stat().st_mode & 0o777 == 0o640


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".record.json.999-0.tmp", "record.json", "notes.tmp"):
        (tmp_path / name).write_text("x")
    remove_leftovers(tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["notes.tmp", "record.json"]
