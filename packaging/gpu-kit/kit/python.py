"""Parts of the kit that need PyTorch itself, in processes of their own."""

import json
import pathlib
import subprocess
import sys

SCRIPT = pathlib.Path(__file__).with_name("eager.py")


def eager(*arguments, timeout):
    """What eager.py prints: a list of dictionaries, as far as it got; the last is {"error": ...} where it did not end well."""
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=max(timeout, 1), check=False)
        out, error = done.stdout, None
        if done.returncode != 0:
            error = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1][:200]
    except subprocess.TimeoutExpired as e:
        out, error = (e.stdout or b"").decode(), f"took longer than {timeout:.0f} s"
    said = [json.loads(line) for line in out.splitlines() if line.startswith("{") and line.endswith("}")]
    return said + ([{"error": error}] if error else [])
