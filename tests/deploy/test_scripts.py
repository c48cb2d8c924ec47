"""The scripts after a call that was cut off."""

import re
import shutil
import stat
import subprocess

import pytest

from processes import ROOT


@pytest.fixture
def tree(tmp_path):
    """The scripts in a repository of their own."""
    root = tmp_path / "repository"
    shutil.copytree(ROOT / "scripts", root / "scripts", symlinks=True)
    return root


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/usr/bin/env bash\nset -eu\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_an_environment_that_was_cut_off_is_made_anew(tree):
    """Its python is there, and no pip."""
    python = tree / ".venv/bin/python"
    program(python, 'echo "No module named pip" >&2; exit 1\n')
    (tree / ".venv" / "rest").touch()
    tools = tree / "tools"
    tools.mkdir()
    for tool in "bash", "env", "dirname", "basename", "awk", "sort", "tr", "sed", "cat":  # no dpkg: nothing is installed
        (tools / tool).symlink_to(shutil.which(tool))

    def setup():
        done = subprocess.run(["bash", "scripts/setup"], cwd=tree, env={"PATH": str(tools), "LIBTORCH_ROOT": "/somewhere"},
                              capture_output=True, text=True, timeout=300, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr

    setup()
    assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    assert not (tree / ".venv" / "rest").exists()
    (tree / ".venv" / "kept").touch()
    setup()
    assert (tree / ".venv" / "kept").exists()


def test_every_environment_is_made_so():
    """By make_venv, where one that is there is taken."""
    texts = {path.name: path.read_text() for path in (ROOT / "scripts").rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert not [name for name, text in texts.items() if re.search(r"-x .*bin/python.*-m venv", text)]
