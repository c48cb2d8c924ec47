"""What the programs of this folder share: the command line as a process, its memory, a tile server."""

import json
import pathlib
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT / "tests" / "testing"), str(ROOT / "bench" / "service")]

from common import FOLDER, arguments, run_server, verdict  # noqa: E402,F401
from processes import BIN, run_tile_server  # noqa: E402,F401


class Memory:
    """Resident bytes of a process, looked at until it ends: (seconds, bytes) and the peak."""

    def __init__(self, process, interval=0.02):
        self.samples = []
        self.peak = 0
        self._status = pathlib.Path(f"/proc/{process.pid}/status")
        self._interval = interval
        self._start = time.monotonic()
        self._thread = threading.Thread(daemon=True, target=self._watch)
        self._thread.start()

    def _watch(self):
        while True:
            try:
                text = self._status.read_text()
            except OSError:
                return
            if "VmHWM:" not in text:  # it has ended
                return
            self.peak = max(self.peak, self._bytes(text, "VmHWM:"))
            self.samples.append((time.monotonic() - self._start, self._bytes(text, "VmRSS:")))
            time.sleep(self._interval)

    @staticmethod
    def _bytes(text, name):
        return int(text.split(name)[1].split()[0]) * 1024

    def join(self):
        self._thread.join()
        return self


def start(*words, **options):
    """`hiif WORDS` as a process."""
    return subprocess.Popen([str(BIN / "hiif"), *map(str, words)], stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, **options)


def run(*words):
    """Exit code, JSON lines of standard error, memory, seconds. WORDS hold --log-format json; a line that is
    none comes as the event "stray"."""
    begin = time.monotonic()
    process = start(*words)
    memory = Memory(process)
    lines = []
    for line in process.stderr:
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            lines.append({"event": "stray", "text": line})
    code = process.wait()
    return code, lines, memory.join(), time.monotonic() - begin


def files_of(folder):
    """Paths of its files below it, sorted."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
