"""MLflow's own pages over the home's store."""

from __future__ import annotations

import os
import subprocess
import sys

from experiments.home import Home
from experiments.store import Store, tracking_uri
from mmcore.errors import StoreError


def serve(home: Home, study: str | None, port: int) -> int:
    """Run MLflow's server until Ctrl-C; prints where to look first.

    Args:
        home: whose store to serve.
        study: open at this study's runs; None: the list of experiments.
        port: on this machine only.

    Returns:
        The server's exit code; 0 after Ctrl-C.

    Raises:
        StoreError: the store does not open, a server cannot be served (MLFLOW_TRACKING_URI names one already), or the
            study has no run yet.
    """
    uri = tracking_uri(home)
    if uri.startswith("http"):
        raise StoreError(
            "the tracking store is a server already", found=uri, next_step="Open this address in a browser"
        )
    page = ""
    store = Store(home)
    if study is not None:
        page = f"#/experiments/{store.experiment_of(study)}/runs"
    print(f"MLflow: http://127.0.0.1:{port}/{page}   (Ctrl-C stops it)", flush=True)
    # As it comes, mlflow's server is 15 processes and 2.6 GB; so it is two and 0.5 GB.
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1", "--default-artifact-root", home.artifacts.as_uri()]
    server = subprocess.Popen(command, env=environment)
    try:
        return server.wait()
    except KeyboardInterrupt:
        server.terminate()
        server.wait(timeout=20)
        return 0
