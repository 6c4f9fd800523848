"""Work over patients, resamples and trainings: in processes here, or on a Dask scheduler."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import psutil
from joblib import Parallel, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError

from radiogenomics.study.errors import MissingFile, StudyError
from radiogenomics.study.files import with_extra

DASK = "WORKBOOK_DASK"  # address of the scheduler, which notebooks inherit from the command
PATIENCE = 30  # seconds for a scheduler to answer, and for a worker to be there
WORKER_BYTES = 1_000_000_000  # of memory that a worker may take: a large CT, its copies, libraries


def each(jobs: Iterable[Any], workers: int) -> Iterator[Any]:
    """Run joblib's `delayed` calls, and give what they return in their order.

    With `--dask` they run on that scheduler's workers, which see the study folder at the same
    path; a worker that is lost is replaced by another one.

    Args:
        jobs: made by `joblib.delayed`.
        workers: processes on this machine; a scheduler has its own number.

    Raises:
        StudyError: a worker was ended from outside, no scheduler answers, or Dask is not installed.
    """
    address = os.environ.get(DASK)
    if not address:
        return _here(jobs, workers)
    client = connected(address)
    with parallel_config("dask", client=client, wait_for_workers_timeout=PATIENCE):
        return Parallel(n_jobs=-1, return_as="generator")(jobs)


def _here(jobs: Iterable[Any], workers: int) -> Iterator[Any]:
    tied = {"initializer": end_with_parent, "initargs": (os.getpid(),)}
    try:
        yield from Parallel(workers, backend="loky", return_as="generator", **tied)(jobs)
    except TerminatedWorkerError:
        raise StudyError(
            f"one of {workers} worker processes was ended by the system, most often because memory "
            f"ran out. Expected: about {WORKER_BYTES / 1e9:g} GB for each. Set workers = "
            f"{max(workers // 2, 1)} in study.toml, or close other programs; finished work is kept."
        ) from None


def end_with_parent(parent: int) -> None:
    """Let this worker process end when the one that started it is gone, however that ended."""
    try:
        started_by = psutil.Process(parent)
    except psutil.NoSuchProcess:  # it ended while this one began
        os._exit(1)

    def watch() -> None:
        while started_by.is_running() and started_by.status() != psutil.STATUS_ZOMBIE:
            time.sleep(1)
        os._exit(1)  # from a thread: sys.exit would end that alone

    threading.Thread(target=watch, daemon=True).start()


def workers_that_fit(wanted: int, cores: int = 0, need: int = WORKER_BYTES) -> int:
    """Return how many workers run at once: those wanted, 0 for one a core where memory allows.

    Args:
        wanted: by the study's settings.
        cores: as if the machine had so many; 0: those that it has.
        need: bytes that a worker takes.
    """
    room = psutil.virtual_memory().available // need
    return wanted or max(min(cores or os.cpu_count() or 1, room), 1)


@functools.cache
def connected(address: str):  # noqa: ANN201 - a client of an optional package
    """Return the client of a Dask scheduler with at least one worker.

    Raises:
        StudyError: none answers, it has no worker, or Dask is not installed.
    """
    try:
        from distributed import Client
    except ImportError:
        raise MissingFile(
            "Dask is not installed. Expected: the packages dask and distributed. Type: "
            f"{with_extra('dask', 'run --dask ' + address)}"
        ) from None
    try:
        client = Client(address, timeout=PATIENCE)
        client.wait_for_workers(1, timeout=PATIENCE)
    except (OSError, TimeoutError, ValueError) as fault:
        raise StudyError(
            f"no Dask scheduler with a worker answers at {address} within {PATIENCE} seconds "
            f"({type(fault).__name__}). Expected: an address such as tcp://node1:8786. Start "
            "`dask scheduler` and `dask worker`, or leave --dask out."
        ) from None
    return client
