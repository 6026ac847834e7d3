"""Training code of the user's own that is not there is refused before anything is trained, by plan as by run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from factories.command import mmstudy
from factories.training_code import FUNCTION_STUDY, SCRIPT, STUDY, project

from experiments.home import Home

pytestmark = pytest.mark.usefixtures("no_mirror")

START = "{python} train.py"


def script(study: str, start: str, **more: str) -> str:
    """The study with another beginning of its command."""
    assert START in study
    text = study.replace(START, start, 1)
    return text.replace("runner:\n", "runner:\n" + "".join(f"  {name}: {value}\n" for name, value in more.items()))


MISSING = {
    "a program": (script(STUDY, "pythom train.py"), "there is no program 'pythom'; found nothing of that name on PATH"),
    "the file beside the study": (script(STUDY, "train.py"), "or ./train.py for the file beside the study"),
    "a word of a shell": (script(STUDY, "cd x && {python} train.py"), "a command of a shell needs runner.shell: true"),
    "a path": (script(STUDY, "./tool/train"), "there is no program './tool/train'; found no such file"),
    "a folder": (script(STUDY, "./folder"), "there is no program './folder'; found a folder"),
    "the right to run it": (script(STUDY, "./train.py"), "'./train.py' cannot be run; found a file without the right"),
    "a script": (script(STUDY, "{python} trian.py"), "there is no script 'trian.py', which python"),
    "a script behind flags": (script(STUDY, "python3 -u -B trian.py"), "there is no script 'trian.py', which python3"),
    "a script of a shell's own program": (script(STUDY, "sh ./trian.sh"), "there is no script './trian.sh', which sh"),
    "a program that is a setting": (
        script(STUDY, "{fusion} {python} train.py --fusion x"), "there is no program 'gated'",
    ),
    "a program on a PATH of the runner's": (
        script(STUDY, "sh train.py", env="{PATH: /nowhere}"), "there is no program 'sh'",
    ),
    "Python where only python3 is there": (
        script(STUDY, "python train.py", env="{PATH: /nowhere}"), "Write {python} for the Python that runs mmstudy",
    ),
    "a function": (
        FUNCTION_STUDY.replace("mine:run", "mine:ran"), "module 'mine' has no function 'ran'; found ",
    ),
    "a function of a package": (
        FUNCTION_STUDY.replace("mine:run", "folder.part:ran"), "module 'folder.part' has no function 'ran'",
    ),
}  # fmt: skip


def made(tmp_path: Path, study: str) -> Path:
    path = project(tmp_path / "project", study)
    folder = path.parent / "folder"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "part.py").write_text("def run(config, repeat, workdir, report): ...\n")
    return path


@pytest.mark.parametrize(("study", "message"), MISSING.values(), ids=MISSING)
def test_what_is_not_there_is_refused_by_plan_and_by_run(home: Home, tmp_path: Path, study: str, message: str) -> None:
    path = made(tmp_path, study)
    said = [mmstudy(home, verb, path) for verb in ("plan", "run")]
    assert [done.returncode for done in said] == [2, 2], said[0].stdout
    for done in said:
        (line,) = done.stderr.splitlines()[-1:]
        assert message in line
        assert line.startswith(f"error: {path}:2: ")
    # Nothing was tried, so nothing is to be tried again.
    assert not home.runs.exists()


THERE = {
    "a program on PATH": script(STUDY, "env {python} train.py"),
    "a module": script(STUDY, "{python} -m train"),
    "code as a word": script(STUDY, "{python} -c pass train.py"),
    "a script that a setting names": script(STUDY, "{python} {fusion}.py --fusion x"),
    "a script in the run's folder": script(STUDY, "{python} {workdir}/train.py"),
    "names within another program's words": script(STUDY, "env docker run image {python} nowhere.py"),
    "a command of a shell": script(STUDY, "cd nowhere && {python} train.py", shell="true"),
    "a function by another name": FUNCTION_STUDY.replace("mine:run", "mine:other"),
    "a function that only running the module makes": FUNCTION_STUDY.replace("mine:run", "mine:made"),
    "a module that cannot be read": FUNCTION_STUDY.replace("mine:run", "torn:run"),
}


@pytest.mark.parametrize("study", THERE.values(), ids=THERE)
def test_what_may_be_there_is_not_refused(home: Home, tmp_path: Path, study: str) -> None:
    path = made(tmp_path, study)
    (path.parent / "torn.py").write_text("def run(:\n")
    mine = path.with_name("mine.py")
    text = "\nother = run\nimport sys\nsetattr(sys.modules[__name__], 'ma' + 'de', run)\n"
    mine.write_text(mine.read_text() + text)
    done = mmstudy(home, "plan", path)
    assert done.returncode == 0, done.stderr


def test_another_machine_that_trains_may_have_the_program(home: Home, tmp_path: Path) -> None:
    path = made(tmp_path, script(STUDY, "pythom train.py"))
    done = mmstudy(home, "plan", path, "--on", "slurm")
    assert done.returncode == 0, done.stderr
    assert "warning: there is no program 'pythom' on this machine (nothing of that name on PATH)" in done.stdout
    # What lies beside the study is the same for every machine.
    path = made(tmp_path / "other", script(STUDY, "{python} trian.py"))
    done = mmstudy(home, "plan", path, "--on", "slurm")
    assert done.returncode == 2
    assert "there is no script 'trian.py'" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="a script is no program elsewhere")
def test_a_finished_study_needs_no_training_code(home: Home, tmp_path: Path) -> None:
    study = script(STUDY.replace("repeats: 8", "repeats: 2"), "./tool")
    path = project(tmp_path / "project", study)
    tool = path.with_name("tool")
    tool.write_text("#!/usr/bin/env python3\n" + SCRIPT)
    tool.chmod(0o755)
    assert mmstudy(home, "run", path).returncode == 0
    # Its content is part of the runs' names; the right to run it is not.
    tool.chmod(0o644)
    assert "nothing to train" in mmstudy(home, "plan", path).stdout
    assert mmstudy(home, "run", path).returncode == 0
    done = mmstudy(home, "plan", path, "--repeats", "3")
    assert done.returncode == 2
    assert "chmod +x" in done.stderr
