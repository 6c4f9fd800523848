"""Execute one notebook with papermill, quietly, with its progress drawn in the terminal."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import papermill
from traitlets.config import Config

from radiogenomics.report import mailable
from radiogenomics.report.illustrations import add_pictures
from radiogenomics.study import errors
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import whole_file
from radiogenomics.study.progress import FILE, HEADLESS, Follower

QUIET = {  # TensorFlow's start-up lines, and what joblib's workers say of a kernel that ends
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "PYTHONWARNINGS": "ignore:resource_tracker:UserWarning",
    HEADLESS: "1",  # no browser looks on: the viewer shows its static twin
    "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel of this installation, not a user's of that name
}
TYPES = {"str": str, "int": int, "float": float, "dict": dict}  # of the notebooks' parameters


class NotebookFailed(StudyError):
    """A notebook stopped: says which, at which cell and why."""


def declared(path: Path) -> dict[str, type]:
    """Return the names in a notebook's parameter cell, each with its type."""
    parameters = papermill.inspect_notebook(str(path))
    return {
        name: TYPES.get(parameter["inferred_type_name"], object)
        for name, parameter in parameters.items()
    }


def declared_here(path: Path, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return those of the parameters that a notebook declares; a number for a text becomes text."""
    kinds = declared(path)
    here = {name: value for name, value in parameters.items() if name in kinds}
    return {n: str(v) if kinds[n] is str and v is not None else v for n, v in here.items()}


def without(notebook: nbformat.NotebookNode, tags: Collection[str]) -> nbformat.NotebookNode:
    """Return a notebook less the cells that carry one of these tags."""
    left_out = set(tags)
    notebook.cells = [
        cell for cell in notebook.cells if not left_out & set(cell.metadata.get("tags", []))
    ]
    return notebook


def run_notebook(
    path: Path, output: Path, parameters: dict[str, Any], left_out: Collection[str] = ()
) -> float:
    """Execute a notebook into `output` and return the seconds it took.

    Only parameters that the notebook declares are injected; cells with a tag of `left_out` are not
    there.

    Raises:
        NotebookFailed: a cell raised; the executed part stays in `output`.
    """
    given, failure = declared_here(path, parameters), None
    start = time.monotonic()
    with whole_file(output) as part, _followed_progress() as folder:
        own = folder / path.name
        nbformat.write(without(nbformat.read(path, 4), left_out), own)
        try:
            papermill.execute_notebook(
                str(own), str(part), given, kernel_name="python3", progress_bar=False,
                request_save_on_cell_execute=False, config=_kernel(folder),
            )  # fmt: skip
        except papermill.PapermillExecutionError as fault:
            failure = fault
        add_pictures(part)
        take_paths_out(part, parameters)
    if failure:
        expected = failure.ename in errors.NAMES
        reason = failure.evalue if expected else f"{failure.ename}: {failure.evalue}"
        raise NotebookFailed(f"{path.stem}, cell [{failure.exec_count}]: {reason}")
    return time.monotonic() - start


def take_paths_out(executed: Path, parameters: dict[str, Any]) -> None:
    """Take this machine's folders out of an executed notebook: it may be mailed."""
    text = executed.read_text(encoding="utf-8")
    clean = mailable.without_paths(text, parameters["folder"], parameters["reports"], parameters)
    executed.write_text(clean, encoding="utf-8")


def _kernel(folder: Path) -> Config:
    """Return how to reach the kernel: sockets in a folder of its own, where there are any.

    Its log is muted: stopping a kernel is not an error that a user should read.
    """
    sockets = {"transport": "ipc", "ip": str(folder / "kernel")}
    muted = {"extra_arguments": ["--IPKernelApp.log_level=50"]}
    return Config(KernelManager=sockets if os.name == "posix" else {}, NotebookClient=muted)


@contextmanager
def _followed_progress() -> Iterator[Path]:
    """Let the notebook report its progress through a file, and show it in the terminal.

    Gives a temporary folder of this run alone.
    """
    folder = Path(tempfile.mkdtemp())
    set_here = QUIET | {FILE: str(folder / "progress")}
    before = {name: os.environ.get(name) for name in set_here}
    os.environ |= set_here
    follower, done = Follower(folder / "progress"), threading.Event()

    def follow() -> None:
        while not done.wait(0.5):
            follower.look()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield folder
    finally:
        done.set()
        thread.join()
        follower.look()
        for name, value in before.items():
            os.environ.pop(name)
            os.environ |= {} if value is None else {name: value}
        shutil.rmtree(folder, ignore_errors=True)
