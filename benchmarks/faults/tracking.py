"""A tracking server of MLflow's own code, that falls ill after some requests."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

Illness = Literal["none", "dies", "errors", "hangs", "closes"]
ILLNESSES: tuple[Illness, ...] = ("dies", "errors", "hangs", "closes")
VARIABLE = "MMSTUDY_FAULTS_SERVER"


def main() -> None:
    """Serve; :data:`VARIABLE` has ``folder``, ``illness`` and ``after``. The port goes to the file ``port``."""
    asked = json.loads(os.environ[VARIABLE])
    folder = Path(asked["folder"])
    os.environ["_MLFLOW_SERVER_FILE_STORE"] = f"sqlite:///{folder / 'mlflow.db'}"
    os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = (folder / "artifacts").as_uri()
    from mlflow.server import app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        """Says nothing of requests."""

        def log(self, *_: Any, **__: Any) -> None:
            """Nothing."""

    left = int(asked["after"])

    def ill(environ: dict[str, Any], respond: Callable[..., Any]) -> Iterable[bytes]:
        nonlocal left
        left -= 1
        if left >= 0 or asked["illness"] == "none":
            return app(environ, respond)
        match asked["illness"]:
            case "dies":
                os._exit(1)
            case "errors":
                respond("500 Internal Server Error", [("Content-Type", "text/html")])
                return [b"<html>Something broke</html>"]
            case "hangs":
                time.sleep(60)
            case _:
                pass
        environ["werkzeug.socket"].close()
        return []

    server = make_server("127.0.0.1", 0, ill, threaded=True, request_handler=Quiet)
    partial = folder / "port.partial"
    partial.write_text(str(server.server_port), encoding="utf-8")
    partial.rename(folder / "port")
    server.serve_forever()
