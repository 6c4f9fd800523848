"""A notebook's cells run in this process, for short notebooks that wait for no kernel."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import nbformat
from IPython.core.displayhook import DisplayHook
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from IPython.utils.capture import CapturedIO, capture_output
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from traitlets.config import Config

from radiogenomics.report.execution import (
    QUIET,
    NotebookFailed,
    declared_here,
    take_paths_out,
    without,
)
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import whole_file


class Published(DisplayHook):
    """A cell's last value is shown as `display` shows it, without a prompt."""

    def write_output_prompt(self) -> None:
        """Write nothing."""

    def write_format_data(self, format_dict: dict, md_dict: dict | None = None) -> None:
        """Publish the value."""
        self.shell.display_pub.publish(format_dict, md_dict)


class Shell(InteractiveShell):
    """IPython without a terminal, and without a history on disk."""

    displayhook_class = Published


def run_in_process(
    path: Path, output: Path, parameters: dict[str, Any], left_out: Collection[str] = ()
) -> float:
    """Execute a notebook into `output` as `run_notebook` does, and return its seconds.

    Raises:
        NotebookFailed: a cell raised; the executed part stays in `output`.
    """
    start = time.monotonic()
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    given = declared_here(path, parameters)
    notebook = parameterize_notebook(
        without(load_notebook_node(str(path)), left_out),
        given,
        kernel_name="python3",
        language="python",
    )
    Shell.clear_instance()  # a page sees nothing of the one before it
    shell = Shell.instance(config=Config(HistoryManager={"enabled": False}))
    try:
        failed = _run_cells(shell, notebook)
    finally:
        Shell.clear_instance()
    with whole_file(output) as part:
        nbformat.write(notebook, part)
        take_paths_out(part, parameters)
    if failed:
        fault = failed.error_before_exec or failed.error_in_exec
        reason = fault if isinstance(fault, StudyError) else f"{type(fault).__name__}: {fault}"
        raise NotebookFailed(f"{path.stem}, cell [{failed.execution_count}]: {reason}") from fault
    return time.monotonic() - start


def _run_cells(shell: InteractiveShell, notebook: nbformat.NotebookNode) -> ExecutionResult | None:
    """Run the code cells in their order, up to the first that fails, which is returned."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            with capture_output() as caught:
                result = shell.run_cell(cell.source, store_history=True)
            cell.execution_count, cell.outputs = result.execution_count, _outputs(caught)
            if not result.success:
                return result
    return None


def _outputs(caught: CapturedIO) -> list[nbformat.NotebookNode]:
    new = nbformat.v4.new_output
    printed = [new("stream", name="stdout", text=caught.stdout)] if caught.stdout else []
    shown = [
        new("display_data", data=one.data, metadata=one.metadata or {}) for one in caught.outputs
    ]
    return [*printed, *shown]
