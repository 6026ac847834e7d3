"""``python -m experiments.cli``: the command ``mmstudy``."""

from experiments.cli.main import main

main()
