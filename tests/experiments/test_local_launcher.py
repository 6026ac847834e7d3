"""Workers on this machine keep what every launcher promises."""

from __future__ import annotations

import pytest
from factories.launcher_contract import LauncherContract

from experiments.home import Home
from experiments.launchers.choose import AnyPool
from experiments.launchers.engine import Engine, LocalEngine
from experiments.launchers.local import LocalPool


@pytest.mark.slow
class TestLocalPool(LauncherContract):
    """The pool itself, without workers that outlive it."""

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        return LocalEngine()

    @staticmethod
    def opened(engine: Engine, home: Home, workers: int, busy: set[str], foreign: bool) -> AnyPool:
        return LocalPool(workers, 1, home.logs, busy=busy.__contains__, foreign=foreign)
