"""A command's table, its JSON, and its budget of time."""

import json
import pathlib
import platform
import subprocess
import time

from .machine import MANIFEST


class OutOfTime(Exception):
    """The budget of a command is spent."""


class Report:
    """Rows are dictionaries; a value of None prints as -."""

    def __init__(self, name, machine, options, seconds):
        self.name = name
        self.machine = machine
        self.options = options
        self.seconds = seconds
        self.out = pathlib.Path(options.out).resolve()
        self.work = pathlib.Path(options.work).resolve()
        for folder in (self.out, self.work):
            folder.mkdir(parents=True, exist_ok=True)
        self.rows = []
        self.notes = []
        self.failed = []
        self.start = time.monotonic()

    def left(self):
        """Seconds."""
        return self.seconds - (time.monotonic() - self.start)

    def need(self, seconds):
        """Ends the command where so much is not left."""
        if self.left() < seconds:
            raise OutOfTime

    def row(self, **values):
        self.rows.append(values)
        print("  " + ", ".join(f"{key} {_text(value)}" for key, value in values.items() if value is not None), flush=True)

    def note(self, text):
        self.notes.append(text)

    def expect(self, good, text):
        """A promise: what is not kept fails the command."""
        if not good:
            self.failed.append(text)

    def guarded(self, command):
        """Runs it; table, JSON and, whatever happens, a verdict. True: nothing failed."""
        print(f"== {self.name}, at most {self.seconds:.0f} s", flush=True)
        try:
            command(self)
        except OutOfTime:
            self.note("the rest was left out: the time is spent")
        except subprocess.TimeoutExpired as e:
            self.expect(False, f"{pathlib.Path(e.cmd[0]).name} did not end in {e.timeout:.0f} s")
        except Exception as e:  # pylint: disable=broad-except
            self.expect(False, f"{type(e).__name__}: {e}")
        self.expect(self.rows, "nothing was measured")
        seconds = time.monotonic() - self.start
        if self.rows:
            print(_table(self.rows))
        for line in self.notes:
            print("note: " + line)
        for line in self.failed:
            print("FAILED: " + line)
        print(f"{self.name}: {'FAILED' if self.failed else 'ok'}, {len(self.rows)} rows, {seconds:.0f} s\n", flush=True)
        (self.out / f"{self.name}.json").write_text(json.dumps({
            "command": self.name, "device": self.options.device, "card": self.machine.card(), "kit": MANIFEST,
            "torch": self.machine.torch_version(), "machine": platform.platform(), "small": self.options.small,
            "seconds": round(seconds, 1), "rows": self.rows, "notes": self.notes, "failed": self.failed}, indent=1) + "\n")
        return not self.failed


def _text(value):
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(rows):
    keys = list(dict.fromkeys(key for row in rows for key in row))
    lines = ["| " + " | ".join(keys) + " |", "| " + " | ".join("---" for _ in keys) + " |"]
    return "\n".join(lines + ["| " + " | ".join(_text(row.get(key)) for key in keys) + " |" for row in rows])
