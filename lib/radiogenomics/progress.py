"""A progress bar with the time left: in a terminal, in JupyterLab, in the mailed HTML."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from IPython import get_ipython
from IPython.display import HTML, display
from tqdm import tqdm

FILE = "WORKBOOK_PROGRESS"  # names the file through which a notebook tells the runner
HEADLESS = "WORKBOOK_HEADLESS"  # set by the runner: no front end looks on
EVERY = 0.5  # seconds between refreshes


class progress:  # noqa: N801 - used like a function
    """Show `label: done of total, time left`; call it with (done, total)."""

    def __init__(self, label: str):
        self.label = label
        self.start = time.monotonic()
        self.last = 0.0
        self.first: int | None = None
        self.shown = None
        self.bar: tqdm | None = None

    def __call__(self, done: int, total: int) -> None:
        """Refresh, at most twice a second, and at the end."""
        now = time.monotonic()
        if done < total and now - self.last < EVERY:
            return
        self.last = now
        if self.first is None:
            self.first = done
        if get_ipython() is None:
            self._terminal(done, total)
        else:
            self._notebook(done, total)

    def _terminal(self, done: int, total: int) -> None:
        if self.bar is None:
            self.bar = tqdm(total=total, desc=self.label, mininterval=_interval(), file=sys.stderr)
        self.bar.update(done - self.bar.n)
        if done >= total:
            self.bar.close()

    def _notebook(self, done: int, total: int) -> None:
        text = f"{self.label}: {done} of {total}, {self._time(done, total)}"
        bar = f'<progress value="{done}" max="{total}" aria-label="{self.label}"></progress> {text}'
        if self.shown is None:
            self.shown = display(HTML(bar), display_id=True)
        elif done < total:
            self.shown.update(HTML(bar))
        if done >= total:
            self.shown.update(HTML(text))
        if FILE in os.environ:
            line = {"label": self.label, "done": done, "total": total}
            with Path(os.environ[FILE]).open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")

    def _time(self, done: int, total: int) -> str:
        spent = time.monotonic() - self.start
        if done >= total:
            return f"{minutes(spent)} taken"
        steps = done - self.first
        return f"about {minutes(spent * (total - done) / steps)} left" if steps else "estimating"


def minutes(seconds: float) -> str:
    """Return seconds as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _interval() -> float:
    return EVERY if sys.stderr.isatty() else 10.0


class Follower:
    """Draw a notebook's progress file in the terminal, one bar a label."""

    def __init__(self, path: Path):
        self.path = path
        self.read = 0
        self.bars: dict[str, progress] = {}

    def look(self) -> None:
        """Draw what has been written since the last look."""
        if not self.path.exists():
            return
        text = self.path.read_text(encoding="utf-8")
        new, self.read = text[self.read :], len(text)
        for line in new.splitlines():
            state = json.loads(line)
            bar = self.bars.setdefault(state["label"], progress(state["label"]))
            bar._terminal(state["done"], state["total"])
