"""``python -m experiments.cli``: the command ``mmstudy``, with the same care at its start."""

from mmstudy_start import main

main()
