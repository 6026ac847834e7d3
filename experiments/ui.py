"""MLflow's own pages over the home's store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from experiments.home import Home
from experiments.tracking.store import Store, tracking_uri
from experiments.tracking.views import runs_address, start_address
from mmcore.errors import StoreError
from mmcore.language import say


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
    store = Store(home)
    page = start_address() if study is None else runs_address(_shown(store, study))
    print(say("MLflow: http://127.0.0.1:{port}/{page}   (Ctrl-C stops it)", port=port, page=page), flush=True)
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


def _shown(store: Store, study: str) -> str:
    """The id of a study's experiment, which has its view; what earlier versions made gets one.

    Args:
        study: its name, or the path of its file.
    """
    path = Path(study)
    experiment = store.experiment_of(path.stem if path.suffix in (".yaml", ".yml") else study)
    if not store.is_shown(experiment):
        store.show(experiment, "test/skill", higher_is_better=True)
    return experiment
