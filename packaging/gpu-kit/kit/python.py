"""Parts of the kit that need PyTorch itself, in processes of their own."""

import json
import pathlib
import subprocess
import sys


def eager(*arguments, timeout):
    """What eager.py prints, as a dictionary; {"error": ...} where it cannot."""
    command = [sys.executable, str(pathlib.Path(__file__).with_name("eager.py")), *map(str, arguments)]
    try:
        out = subprocess.run(command, capture_output=True, text=True, timeout=max(timeout, 1), check=False)
    except subprocess.TimeoutExpired:
        return {"error": "took too long"}
    if out.returncode != 0:
        return {"error": (out.stderr.strip().splitlines() or ["no message"])[-1][:200]}
    return json.loads(out.stdout.strip().splitlines()[-1])
