"""A finished run whose checkpoints are torn: it is trained again, and its record stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmcore.config import RunConfig
from mmcore.data.prepared import Prepared
from mmcore.events import Note, OnEvent
from mmcore.files import set_aside
from mmcore.language import say


def restored(config: RunConfig, folder: Path, prepared: Callable[[], Prepared], on_event: OnEvent) -> bool:
    """Set torn checkpoints of a finished run aside and train it again, which leaves the same ones.

    The caller holds the lock of the run. A checkpoint that is missing was removed by a person: nothing is done then.

    Args:
        config: of the run, which trains itself.
        folder: of the run.

    Returns:
        Whether a checkpoint was torn.
    """
    from mmcore.fingerprint import training_fingerprint
    from mmcore.run import resolve_device, run
    from mmcore.training.checkpoint import UnreadableCheckpoint, load_checkpoint

    torn = []
    for path in ((folder / "checkpoints" / name) for name in ("best.pt", "last.pt")):
        if path.exists():
            try:
                load_checkpoint(path, training_fingerprint(config, prepared().content), resolve_device("cpu"))
            except UnreadableCheckpoint as error:
                torn.append((path, error))
    for path, error in torn:
        text = say(
            "{file} is torn (found {found}); it is kept as {kept}, and the run is trained again",
            file=path.name,
            found=error.found,
            kept=set_aside(path),
        )
        on_event(Note(text))
    if torn:
        # A training that is finished keeps nothing to go on from.
        (folder / "checkpoints" / "last.pt").unlink(missing_ok=True)
        run(config, folder, on_event, prepared())
    return bool(torn)
