"""Runs without their rows, which share what is equal: ten thousand configs and splits of their own take gigabytes."""

from __future__ import annotations

from dataclasses import fields
from typing import TypeVar

from mmcore.config import ForeignConfig, RunConfig
from mmcore.record import Run

MOST = 8
"""Unlike values of a field that are looked through; with more of them, sharing would take longer than it saves."""
OF_AN_ARM = ("arm", "parameters", "flops")
"""Fields whose values the runs of an arm have in common."""
OF_A_REPEAT = ("split", "leakage")
"""Fields whose values the runs of a repeat have in common."""
OWN = ("config", "fingerprint", "repeat", "seconds", "epochs", "best_epoch", "steps", "started", "finished", "gates")
"""Fields with a value of their own in each run."""

Value = TypeVar("Value")


class SharedParts:
    """Parts of the runs that came so far."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, object], list[object]] = {}
        self._configs: dict[str, RunConfig] = {}

    def run_of(self, run: Run) -> Run:
        """The same; its parts are those of an earlier run where they are equal."""
        parts = {each.name: getattr(run, each.name) for each in fields(Run)}
        for name, value in parts.items():
            if name not in OWN:
                of = run.arm if name in OF_AN_ARM else run.repeat if name in OF_A_REPEAT else None
                parts[name] = self._like(self._known.setdefault((name, of), []), value)
        return Run(**{**parts, "config": self._config(run)})

    def _like(self, known: list[object], value: Value) -> Value:
        for other in known:
            if other == value:
                return other  # pyright: ignore[reportReturnType]
        if len(known) < MOST:
            known.append(value)
        return value

    def _config(self, run: Run) -> RunConfig | ForeignConfig:
        """Configs of an arm differ in the repeat alone."""
        config = run.config
        if not isinstance(config, RunConfig):
            return config
        first = self._configs.setdefault(run.arm, config)
        same = first.model_copy(update={"repeat": config.repeat})
        return same if same == config else config
