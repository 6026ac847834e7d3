"""What nodes keep by its content: each file is read once here, and reaches each node once."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.launchers.ray.orders import Tree
from experiments.launchers.ray.parcels import digest_of

_PART = 64 * 2**20
"""Bytes of a file that travel at once."""


@dataclass(frozen=True)
class _Part:
    name: str
    first: bool
    content: Any


class Kept:
    """Brings files to nodes, from the cluster's memory where another node has them.

    Args:
        ray: the module.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._digests: dict[Tree, str] = {}
        self._parts: dict[Tree, list[_Part]] = {}
        self._reading = threading.Lock()
        self._on_node: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)

    def bring(self, tree: Tree, actor: Any, node: str) -> str:
        """Let a node keep some files; the digest that names them there.

        Raises:
            OSError: they cannot be read here, or there is no room on the node.
            ValueError: other bytes arrived.
        """
        with self._reading:
            if tree not in self._digests:
                self._digests[tree] = digest_of(tree)
            digest = self._digests[tree]
            at = self._on_node[node, digest]
        # Workers of one node come at the same time: the first brings the files, the others find them.
        with at:
            if self._ray.get(actor.has.remote(digest)):
                return digest
            for part in self._read(tree):
                self._ray.get(actor.keep.remote(digest, part.name, part.content, part.first))
            self._ray.get(actor.kept.remote(digest, tree.files))
        return digest

    def _read(self, tree: Tree) -> list[_Part]:
        with self._reading:
            if tree not in self._parts:
                self._parts[tree] = [part for name in tree.files for part in self._parts_of(tree, name)]
            return self._parts[tree]

    def _parts_of(self, tree: Tree, name: str) -> list[_Part]:
        path = Path(tree.folder, name)
        size = path.stat().st_size
        if not size:
            return [_Part(name, True, self._ray.put(np.zeros(0, np.uint8)))]
        content = np.memmap(path, np.uint8, "r")
        return [
            _Part(name, at == 0, self._ray.put(np.asarray(content[at : at + _PART]))) for at in range(0, size, _PART)
        ]
