"""``python -m experiments.launchers.ray``: the bridge between a pool and a Ray cluster."""

from __future__ import annotations

from experiments.launchers.ray.bridge import main

if __name__ == "__main__":
    main()
