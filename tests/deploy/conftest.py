"""The same helpers and fixtures as the integration tests."""

import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "testing"))
from processes import ROOT  # noqa: E402


@pytest.fixture
def clone():
    """Skips where git does not list the files of the tree: of an archive, or of somebody else's that it does not trust."""
    if subprocess.run(["bash", "-c", ". scripts/lib/common.sh; git_lists_files"], cwd=ROOT, check=False).returncode:
        pytest.skip("git lists no files here")
