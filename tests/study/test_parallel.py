"""Worker processes end with the one that started them, and their end is told."""

import os
import subprocess
import sys
import time

import psutil
import pytest
from joblib import delayed
from radiogenomics.study import parallel
from radiogenomics.study.errors import StudyError

WORK = """
import os, sys, time
from joblib import delayed
from radiogenomics.study.parallel import each

def named(path):
    open(path + str(os.getpid()), "w").close()
    time.sleep(60)

list(each([delayed(named)(sys.argv[1])] * 2, 2))
"""


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "work.py"
    script.write_text(WORK)
    parent = subprocess.Popen([sys.executable, script, f"{tmp_path}/worker"])
    for _ in range(300):
        workers = [int(p.name.removeprefix("worker")) for p in tmp_path.glob("worker*")]
        if len(workers) == 2:
            break
        time.sleep(0.1)
    assert len(workers) == 2 and all(map(psutil.pid_exists, workers))
    parent.kill()
    parent.wait()
    for _ in range(100):
        if not any(map(psutil.pid_exists, workers)):
            return
        time.sleep(0.1)
    raise AssertionError("a worker is still there ten seconds after its parent")


def ended():
    os.kill(os.getpid(), 9)


def test_a_worker_that_is_ended_from_outside_is_told_with_the_remedy():
    with pytest.raises(StudyError, match=r"one of 2 worker processes .* Set workers = 1"):
        list(parallel.each([delayed(ended)()] * 2, 2))


def test_as_many_workers_as_memory_has_room_for(monkeypatch):
    room = {"available": 3.5 * parallel.WORKER_BYTES}
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), room))
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert parallel.workers_that_fit(0) == 3 and parallel.workers_that_fit(6) == 6
    room["available"] = 1
    assert parallel.workers_that_fit(0) == 1


def test_a_worker_that_begins_when_its_parent_has_ended_ends_without_a_word():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    begins = f"from radiogenomics.study.parallel import end_with_parent as e; e({gone.pid})"
    worker = subprocess.run([sys.executable, "-c", begins], capture_output=True, text=True)
    assert (worker.returncode, worker.stderr) == (1, "")
