"""A study from Python: the name of one, its file, or a :class:`studies.study.Study` that is written as a file."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import yaml

from experiments.home import Home
from mmcore.atomic import write_atomically
from mmcore.errors import StudyError
from mmcore.frozen import without_defaults
from studies.study import Study, read_study

LONGEST = 24
"""Letters of a file's name that come from the question."""


def study_name(study: str | os.PathLike[str] | Study, home: Home) -> str:
    """What opens the study: a name of the catalogue, or the path of a file.

    A :class:`Study` becomes ``studies/QUESTION-KEY.yaml`` in the home, written once. KEY follows from its contents, so
    the same study has the same file, and the command line can take it up: ``mmstudy report FILE``.

    Raises:
        StudyError: it is none of these, or holds a value that YAML cannot.
    """
    match study:
        case Study():
            return str(_written(study, home))
        case str() | os.PathLike():
            return os.fspath(study)
        case _:
            raise StudyError(
                "a study is a name of the catalogue, a file or a mmstudy.Study",
                found=type(study).__name__,
                next_step="mmstudy list prints the catalogue",
            )


def _written(study: Study, home: Home) -> Path:
    try:
        text = yaml.safe_dump(without_defaults(study), sort_keys=False, allow_unicode=True)
    except yaml.YAMLError as problem:
        raise StudyError(
            "a study's values must be plain: text, numbers, true or false, None, lists and mappings",
            found=" ".join(str(problem).split())[:120],
            next_step="Convert it, for example float(x) instead of a NumPy number",
        ) from None
    stem = re.sub(r"[^a-z0-9]+", "_", study.question.lower()).strip("_")[:LONGEST].strip("_") or "study"
    path = home.root / "studies" / f"{stem}-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}.yaml"
    if not path.exists():
        home.make()
        write_atomically(path, lambda file: file.write(text.encode()))
    if read_study(path)[0] != study:
        path.unlink()
        raise StudyError(
            "a study must be the same after it was written to a file and read again",
            next_step="Write it as a YAML file yourself, and give the file's path",
        )
    return path
