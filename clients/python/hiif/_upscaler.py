"""A server of one's own behind an object: nothing to configure."""

from __future__ import annotations

import concurrent.futures
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from typing import Any, Callable, Dict, List, Optional, Sequence, Union

import grpc

from hiif._client import Client
from hiif._common import Error

START_SECONDS = 300.0  # a large model on a busy machine
MAX_PARENT = 107 - len("/hiif-XXXXXXXX/socket")


def find_server() -> str:
    """Path of hiif-server: HIIF_SERVER_BINARY, the package hiif-serve, beside this Python, PATH. Raises Error."""
    named = os.environ.get("HIIF_SERVER_BINARY")
    if named:
        if not os.path.isfile(named) or not os.access(named, os.X_OK):
            raise Error(grpc.StatusCode.UNAVAILABLE, f"HIIF_SERVER_BINARY names {named}, which is not a program")
        return named
    candidates: List[Union[str, pathlib.Path, None]] = []
    package = importlib.util.find_spec("hiif_serve")
    if package is not None and package.origin:
        candidates.append(pathlib.Path(package.origin).parent / "bin" / "hiif-server")
    candidates += [pathlib.Path(sys.executable).parent / "hiif-server", shutil.which("hiif-server")]
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            return str(candidate)
    raise Error(grpc.StatusCode.UNAVAILABLE,
                "no hiif-server here: pip install hiif-serve, or name the program with HIIF_SERVER_BINARY")


def _make_folder() -> str:
    """Readable by this user alone. For a socket, whose path may have 107 bytes, and of whose characters an address
    has another use for some: where that of the temporary files will not do, another one. Raises OSError."""
    error: Optional[OSError] = None
    for parent in (tempfile.gettempdir(), os.environ.get("XDG_RUNTIME_DIR"), "/tmp", "/var/tmp"):
        if not parent or "," in parent or len(os.fsencode(parent)) > MAX_PARENT:
            continue
        try:
            return tempfile.mkdtemp(prefix="hiif-", dir=parent)
        except OSError as reason:
            error = error or reason
    raise error or OSError(f"there is no folder for a socket: name one of at most {MAX_PARENT} bytes with TMPDIR")


def _environment() -> Dict[str, str]:
    """Without HIIF_...: settings there are of another server, a service's perhaps. Which models there are is not."""
    return {name: value for name, value in os.environ.items()
            if not name.startswith("HIIF_") or name == "HIIF_MODEL_DIR"}


# Becomes the program that is named behind the process it is to end with. Not a preexec_fn: what runs in a fork of this
# process meets what gRPC does there, which aborts it now and then.
_BIND = """
import sys
sys.path = [folder for folder in sys.path if folder]  # not the current one
import ctypes, os
ctypes.CDLL(None).prctl(1, 15)  # PR_SET_PDEATHSIG, SIGTERM
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


def _start(command: Sequence[str], log: Any) -> subprocess.Popen:
    """The server, in a session of its own, so that an interrupt of Python is none of it; it ends with this process.
    The kernel tells it when the thread that started it ends: that is one which waits for it and does nothing else."""
    process: concurrent.futures.Future = concurrent.futures.Future()
    python = sys.executable or ""
    if not os.path.basename(python).startswith("python"):  # a program that Python is a part of
        python = shutil.which("python3") or ""
    if sys.platform == "linux" and python and os.access(python, os.X_OK):
        # Without the packages of this one, but from where PYTHONHOME says that it lies.
        command = [python, "-s", "-S", "-c", _BIND, str(os.getpid()), *command]

    def keep() -> None:
        try:
            started = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(),
                                       start_new_session=True)
        except BaseException as error:
            process.set_exception(error)
            return
        process.set_result(started)
        started.wait()

    threading.Thread(target=keep, name="hiif-server", daemon=True).start()
    try:
        return process.result()
    except KeyboardInterrupt:
        process.add_done_callback(lambda future: future.exception() or future.result().kill())
        raise


def _stop(process: subprocess.Popen, folder: str, owner: int) -> None:
    if os.getpid() != owner:  # a fork of the process that started it
        return
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)


class Upscaler:
    """A private hiif-server, started here and stopped by close(), at the end of a `with`, or of the process.

    model: of every call, a name; empty: the server's default. flags: more of hiif-server's, e.g.
    ("--model-dir", "models", "--precision", "float32"); of its settings in the environment HIIF_MODEL_DIR alone is
    taken. Raises Error when the server does not start, with its log.
    """

    def __init__(self, model: str = "", *, flags: Sequence[str] = ()):
        self.model = model
        server = find_server()
        folder = _make_folder()
        self._log = pathlib.Path(folder, "log")
        ready, socket = pathlib.Path(folder, "ready"), pathlib.Path(folder, "socket")
        command = [server, "--listen", f"unix:{socket}", "--management-listen", "", "--port-file", str(ready),
                   "--shutdown-delay", "0s", "--shutdown-grace", "0s", "--max-input-pixels", "256000000",
                   "--max-output-pixels", "2000000000"]
        if model:
            command += ["--default-model", model]
        try:
            with open(self._log, "wb") as log:
                self._process = _start([*command, *flags], log)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._finalizer = weakref.finalize(self, _stop, self._process, folder, os.getpid())
        try:
            self._wait(ready)
        except BaseException:
            self._finalizer()
            raise
        self._client = Client(f"unix:{socket}")
        process = self._process  # not self, which is to end where nobody holds it
        self._client._gone = lambda: process.poll() is not None

    def _wait(self, ready: pathlib.Path) -> None:
        end = time.monotonic() + START_SECONDS
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > end:
                raise Error(grpc.StatusCode.UNAVAILABLE,
                            f"hiif-server did not start (exit {self._process.poll()}): {self._last_words()}")
            time.sleep(0.01)

    def _last_words(self) -> str:
        try:
            return " / ".join(self._log.read_text(errors="replace").strip().splitlines()[-3:])
        except OSError:
            return "its log is gone"

    def _call(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Error as error:
            if error.code is grpc.StatusCode.UNAVAILABLE and self._process.poll() is not None:
                raise Error(error.code, f"the private hiif-server ended (exit {self._process.poll()}), make a new "
                                        f"Upscaler; it said: {self._last_words()}") from error
            raise

    def __enter__(self) -> Upscaler:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Stops the server."""
        self._client.close()
        self._finalizer()

    def upscale(self, picture: Any, scale: Any = None, *, model: Optional[str] = None, **options: Any) -> Any:
        """As Client.upscale."""
        name = self.model if model is None else model
        return self._call(lambda: self._client.upscale(picture, scale, model=name, **options))

    def query(self, picture: Any, positions: Any, *, model: Optional[str] = None, **options: Any) -> Any:
        """As Client.query."""
        name = self.model if model is None else model
        return self._call(lambda: self._client.query(picture, positions, model=name, **options))

    def models(self) -> Any:
        """As Client.models."""
        return self._call(self._client.models)
