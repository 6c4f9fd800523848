"""Work over patients, resamples and trainings: in processes here, or on a Dask scheduler."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator
from typing import Any

from joblib import Parallel, parallel_config

from radiogenomics.study.errors import MissingFile, StudyError
from radiogenomics.study.files import with_extra

DASK = "WORKBOOK_DASK"  # address of the scheduler, which notebooks inherit from the command
PATIENCE = 30  # seconds for a scheduler to answer, and for a worker to be there


def each(jobs: Iterable[Any], workers: int) -> Iterator[Any]:
    """Run joblib's `delayed` calls, and give what they return in their order.

    With `--dask` they run on that scheduler's workers, which see the study folder at the same
    path; a worker that is lost is replaced by another one.

    Args:
        jobs: made by `joblib.delayed`.
        workers: processes on this machine; a scheduler has its own number.

    Raises:
        StudyError: no scheduler answers, or Dask is not installed.
    """
    address = os.environ.get(DASK)
    if not address:
        return Parallel(n_jobs=workers, return_as="generator")(jobs)
    client = connected(address)
    with parallel_config("dask", client=client, wait_for_workers_timeout=PATIENCE):
        return Parallel(n_jobs=-1, return_as="generator")(jobs)


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
