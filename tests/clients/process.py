"""A program that runs beside the plays: its lines are kept, and a line can be waited for."""

import re
import subprocess
import threading
import time

PATIENCE = 30
"""Seconds after which a wait for something that must happen is a failure."""


class Process:
    """Started, read in a thread, ended with `stop`."""

    def __init__(self, command: list, stream: str) -> None:
        self.lines: list[str] = []
        self.changed = threading.Condition()
        self.is_over = False
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, **{stream: subprocess.PIPE})
        threading.Thread(target=self._listen, args=[getattr(self.process, stream)], daemon=True).start()

    def _listen(self, stream) -> None:
        for line in stream:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.is_over = True
            self.changed.notify_all()

    def found(self, pattern: str, start: int = 0) -> re.Match:
        """The first line from `start` on that has this pattern; waits for it."""
        deadline = time.monotonic() + PATIENCE
        with self.changed:
            while True:
                for line in self.lines[start:]:
                    if match := re.search(pattern, line):
                        return match
                left = deadline - time.monotonic()
                if self.is_over or left <= 0:
                    raise AssertionError(f"no line has {pattern!r}:\n" + "\n".join(self.lines[-30:]))
                self.changed.wait(left)

    def stop(self) -> None:
        """Ends it."""
        self.process.stdin.close()
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def eventually(what: str, question) -> None:
    """Asks until the answer is yes."""
    deadline = time.monotonic() + PATIENCE
    while not question():
        assert time.monotonic() < deadline, f"{what} did not come true"
        time.sleep(0.01)
