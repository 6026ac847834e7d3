"""The picture on the front page: the top of the first study's report, as a browser shows it.

    mmstudy run track_vs_multimodal
    python -m docsite.picture mlruns/reports/track_vs_multimodal/report.html

Writes docs/images/report.png, 1,280 pixels wide. Needs Chromium.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "report.png"
WIDTH, HEIGHT = 1280, 680
COLOURS = 128
"""Few enough for a file below 200 kB."""
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def main(report: Path) -> None:
    """Photograph a report.

    Raises:
        FileNotFoundError: no such report, or no Chromium on this machine.
    """
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise FileNotFoundError("Chromium must be installed to take the picture; found none on the PATH")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        where = (f"--user-data-dir={folder}/profile", f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={shot}")
        subprocess.run(
            [chromium, *FLAGS, *where, report.resolve(strict=True).as_uri()], check=True, capture_output=True
        )
        image = Image.open(shot).convert("RGB").quantize(COLOURS)
        PICTURE.parent.mkdir(exist_ok=True)
        image.save(PICTURE, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
