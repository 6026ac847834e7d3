"""Coverage-guided fuzzing of the readers of bytes (extra ``fuzz``; Linux).

python -m benchmarks.fuzz_readers --seconds 60 [READER …]

Each reader runs in a process of its own. Exit code 1 where one raised another error than ours, took more than 5 seconds
of CPU time, more memory than 2 GiB, or crashed; the bytes are then kept in ``--keep DIR``, and printed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ("yaml", "csv", "feather", "npy", "npz", "pickle", "record", "history", "journal", "archive")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz_readers", description=__doc__)
    parser.add_argument("readers", nargs="*", metavar="READER", help=f"of {', '.join(NAMES)}; default: all")
    parser.add_argument("--seconds", type=int, default=60, help="of each reader")
    parser.add_argument("--keep", type=Path, default=Path("fuzz_found"), help="where breaking bytes are kept")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    unknown = [name for name in asked.readers if name not in NAMES]
    if unknown:
        parser.error(f"there is no reader {', '.join(unknown)}; readers: {', '.join(NAMES)}")
    if asked.inside:
        inside(asked.readers[0], asked.seconds, asked.keep, asked.seed)
    broken = 0
    for name in asked.readers or NAMES:
        command = [sys.executable, "-m", "benchmarks.fuzz_readers", name, "--inside"]
        command += ["--seconds", str(asked.seconds), "--keep", str(asked.keep), "--seed", str(asked.seed)]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace")
        said = done.stderr
        runs = [int(number) for number in re.findall(r"^#(\d+)", said, flags=re.M)]
        features = re.findall(r"ft: (\d+)", said)
        verdict = "held" if done.returncode == 0 else f"BROKEN (exit code {done.returncode})"
        most, seen = max(runs, default=0), int(features[-1]) if features else 0
        print(f"{name:8} {most:>9,} cases  {seen:>6,} features  {verdict}", flush=True)
        if done.returncode:
            broken += 1
            print(said[-3000:], flush=True)
    return 1 if broken else 0


def inside(name: str, seconds: int, keep: Path, seed: int) -> None:
    """Fuzz one reader until the time is over; ends the process."""
    try:
        import atheris
    except ImportError:
        sys.exit("the guided fuzzer is not installed: pip install 'mmstudy[fuzz]' (Linux)")
    with atheris.instrument_imports(  # pyright: ignore[reportAttributeAccessIssue]
        include=["mmcore", "experiments.portable", "yaml", "zipfile"]
    ):
        from benchmarks.fuzz_readers.readers import MEMORY_MIB, READERS, found
    reader = READERS[name]
    keep = keep.resolve() / name
    keep.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="mmstudy-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    corpus = scratch / "corpus"
    (scratch / reader.file).parent.mkdir(parents=True, exist_ok=True)
    corpus.mkdir()
    for at, data in enumerate([*reader.good(), *found(reader)]):
        (corpus / str(at)).write_bytes(data)

    def one(data: bytes) -> None:
        reader.try_out(data, scratch)

    options = {
        "max_total_time": seconds,
        "max_len": 20_000,
        "timeout": 20,
        "rss_limit_mb": MEMORY_MIB,
        "seed": seed,
        "artifact_prefix": f"{keep}/",
    }
    atheris.Setup([sys.argv[0], *(f"-{key}={value}" for key, value in options.items()), str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
