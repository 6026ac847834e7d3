"""Workers that stay for the next stage of a command: those that trained a study's runs also analyse them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

from experiments.home import Home
from experiments.launchers.choose import AnyPool, Share, open_pool
from experiments.launchers.engine import Engine, LocalEngine


class KeptPool:
    """Opens the pools of a command's stages, one after another; a stage with the share of the one before has its
    workers, which spend two seconds on importing their libraries.

    Workers of a cluster end with their stage: others may wait for their places.

    Args:
        engine, home, busy: as for :func:`experiments.launchers.choose.open_pool`.

    Example:
        >>> with KeptPool(engine, home, busy) as kept:  # doctest: +SKIP
        ...     with kept.opened(share) as pool:
        ...         pool.run(trainings, print)
        ...     with kept.opened(share) as pool:
        ...         pool.run(analyses, print)
    """

    def __init__(self, engine: Engine, home: Home, busy: Callable[[str], bool]) -> None:
        self._engine, self._home, self._busy = engine, home, busy
        self._stack = ExitStack()
        self._kept: tuple[Share, AnyPool] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @contextmanager
    def opened(self, share: Share) -> Iterator[AnyPool]:
        """A pool of this share for one stage, which has no job left at its end. An exception ends its workers.

        Raises:
            LaunchError: the engine is not installed, or does not answer.
        """
        if self._kept is None or self._kept[0] != share:
            self._end()
            self._kept = share, self._stack.enter_context(open_pool(self._engine, share, self._home, self._busy))
        try:
            yield self._kept[1]
        except BaseException:
            self._end()
            raise
        if not isinstance(self._engine, LocalEngine):
            self._end()

    def _end(self) -> None:
        self._kept = None
        self._stack.close()
