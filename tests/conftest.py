"""What every test shares: each process computes with one thread.

Two test processes with as many threads each as the machine has cores wait for one another more than they compute.
Set before torch and numpy are imported; tests about threads set their own, and mmstudy's workers are told theirs.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
