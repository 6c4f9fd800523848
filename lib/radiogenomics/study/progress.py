"""A progress bar with the time left: in a terminal, a log, in JupyterLab, in the mailed HTML."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from IPython import get_ipython
from IPython.display import HTML, display
from tqdm import tqdm

FILE = "WORKBOOK_PROGRESS"  # names the file through which a notebook reports to the runner
HEADLESS = "WORKBOOK_HEADLESS"  # set by the runner: no front end looks on
EVERY = 0.5  # seconds between refreshes
LINES = 30.0  # seconds between lines where no terminal looks on: the log of a batch run


class progress:  # noqa: N801 - used like a function
    """Show `label: done of total, time left`; call it with (done, total)."""

    def __init__(self, label: str):
        self.label = label
        self.start = time.monotonic()
        self.last = 0.0
        self.first: tuple[int, float] | None = None  # done, and when
        self.shown = None
        self.bar: tqdm | None = None
        self.written: float | None = None

    def __call__(self, done: int, total: int) -> None:
        """Refresh, at most twice a second, and at the end."""
        now = time.monotonic()
        if done < total and now - self.last < EVERY:
            return
        self.last = now
        if get_ipython() is None:
            self.draw(done, total)
        else:
            self._notebook(done, total)

    def draw(self, done: int, total: int) -> None:
        """Refresh the bar of a terminal; write a line now and then where there is none."""
        self.first = self.first or (done, time.monotonic())
        if sys.stderr.isatty():
            self._terminal(done, total)
        else:
            self._line(done, total)

    def _terminal(self, done: int, total: int) -> None:
        if self.bar is None:
            self.bar = tqdm(total=total, initial=done, desc=self.label, file=sys.stderr)
        self.bar.update(done - self.bar.n)
        if done >= total:
            self.bar.close()

    def _line(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total or self.written is None or now - self.written >= LINES:
            self.written = now
            print(self._text(done, total), file=sys.stderr, flush=True)

    def _notebook(self, done: int, total: int) -> None:
        self.first = self.first or (done, time.monotonic())
        text = self._text(done, total)
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

    def _text(self, done: int, total: int) -> str:
        return f"{self.label}: {done} of {total}, {self._time(done, total)}"

    def _time(self, done: int, total: int) -> str:
        now = time.monotonic()
        if done >= total:
            return f"{minutes(now - self.start)} taken"
        before, since = self.first
        if done == before:
            return "estimating"
        return f"about {minutes((now - since) * (total - done) / (done - before))} left"


def minutes(seconds: float) -> str:
    """Return seconds as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


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
            bar.draw(state["done"], state["total"])
