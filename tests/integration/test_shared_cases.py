"""The two programs of ../shared/cases against this build; skipped where they are absent."""

import os
import pathlib
import subprocess
import sys

import pytest

from processes import BIN, ROOT

CASES = pathlib.Path(os.environ.get("HIIF_SHARED", ROOT.parent / "shared")) / "cases" / "pictures-and-files"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason=f"needs {CASES}")


def run(program, *arguments):
    """Every line says PASS."""
    environment = {**os.environ, "HIIF_BIN": str(BIN), "HIIF_MODELS": str(ROOT / "models"),
                   "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([sys.executable, CASES / program, *arguments], env=environment, capture_output=True, text=True,
                            timeout=500, check=False)
    print(result.stdout, result.stderr)
    failed = [line for line in result.stdout.splitlines() if line.startswith("FAIL")]
    assert "PASS" in result.stdout
    assert failed == []


@pytest.mark.timeout(600)
def test_pictures_and_files():
    pytest.importorskip("tifffile")
    run("check.py")


@pytest.mark.timeout(600)
def test_python_client(server):
    run("python_client.py", server.address)
