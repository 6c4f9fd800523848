"""A JupyterLab of its own for tests, driven by a headless browser."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

QUIET = """() => {
  const session = jupyterapp.shell.currentWidget?.sessionContext;
  const kernel = session?.session?.kernel;
  return session?.isReady && kernel?.connectionStatus == 'connected' && kernel.status == 'idle';
}"""
PLACES = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTERLAB_SETTINGS_DIR",
          "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")  # fmt: skip


def jupyterlab(root, private):
    """Serve `root` on a free port with settings of its own in `private`; give the address."""
    return _served([sys.executable, "-m", "jupyterlab", "--no-browser", str(root)], private)


def workbook_lab(study, private):
    """Run `workbook lab` on a study likewise."""
    command = [sys.executable, "-m", "radiogenomics.cli", "lab", str(study.folder)]
    command += ["--reports", str(study.reports), "--allow-root", "--no-browser"]
    return _served([*command, "--port", "{port}"], private)


@contextlib.contextmanager
def _served(command, private):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {name: str(private / name.lower()) for name in PLACES}
    settings = private / PLACES[0].lower() / "jupyter_server_config.json"
    settings.parent.mkdir(exist_ok=True)
    server = {"allow_root": True, "ip": "127.0.0.1", "port": port, "port_retries": 0}
    known = {"ServerApp": server, "IdentityProvider": {"token": ""},
             "LabApp": {"expose_app_in_browser": True}}  # fmt: skip
    settings.write_text(json.dumps(known), encoding="utf-8")
    command = [part.format(port=port) for part in command]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, env=environment, start_new_session=True, **quiet)
    try:
        _wait_for(f"http://127.0.0.1:{port}/api")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(30)
        if server.poll() is None:  # a server that waits for its kernels on a busy machine
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait_for(address, seconds=60):
    for _ in range(seconds * 2):
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(address, timeout=2).close()
        time.sleep(0.5)
    raise TimeoutError(address)


def opened(browser, address, notebook):
    """Open a notebook and wait until its kernel is there and idle."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.goto(f"{address}/lab/tree/{notebook}?reset")
    page.wait_for_function("window.jupyterapp?.shell.currentWidget?.sessionContext")
    page.wait_for_function(QUIET, timeout=60_000)
    return page


def run_all(page, seconds):
    """Run every cell and wait until none is left waiting."""
    page.evaluate('jupyterapp.commands.execute("notebook:run-all-cells")')
    page.wait_for_function(
        """() => {
          const every = jupyterapp.shell.currentWidget.content.widgets;
          const cells = every.filter(c => c.model.type === 'code');
          return cells.every(c => c.model.executionState !== 'running' && c.model.executionCount)
              || cells.some(c => c.model.outputs.toJSON().some(o => o.output_type === 'error'));
        }""",
        timeout=seconds * 1000,
    )


def outputs(page):
    """Return every output of the open notebook."""
    return page.evaluate(
        """() => jupyterapp.shell.currentWidget.content.widgets
             .filter(c => c.model.type === 'code').flatMap(c => c.model.outputs.toJSON())"""
    )
