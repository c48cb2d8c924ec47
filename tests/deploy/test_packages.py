"""What people install: packages of scripts/package, each tried where nothing is prepared."""

import re
import shutil
import subprocess

import pytest

from processes import ROOT


def verify(*arguments):
    """scripts/verify with these; what it printed."""
    done = subprocess.run(["scripts/verify", *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)  # fmt: skip
    assert done.returncode == 0 and f"{arguments[0]}: ok" in done.stdout, done.stdout
    return done.stdout


@pytest.mark.timeout(900)
def test_client_with_the_oldest_protobuf_and_grpcio_it_declares():
    assert "protobuf 4.21.6, grpcio 1.51.1" in verify("client-versions", "--short")


def test_nothing_is_left_in_the_tree():
    """What setuptools writes goes to build/."""
    written = subprocess.run(["git", "ls-files", "--others", "--exclude-standard", "--directory"], cwd=ROOT,
                             capture_output=True, text=True, check=True).stdout.split()  # fmt: skip
    assert not [path for path in written if "egg-info" in path or "build" in path]
    assert not (ROOT / "clients/python/build").exists()


def test_what_would_break_a_client_is_found(tmp_path):
    """buf breaking, which scripts/lint runs, against the proto of the last release."""
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    proto = tmp_path / "proto/hiif/v1/super_resolution.proto"
    buf = [ROOT / ".venv/bin/buf", "breaking", tmp_path / "proto", "--against", ROOT / "proto/released.binpb"]
    assert subprocess.run(buf, capture_output=True, check=False).returncode == 0
    field = re.search(r"^  int64 height = (\d+);", proto.read_text(), re.MULTILINE)
    proto.write_text(proto.read_text().replace(field[0], f"  string height = {field[1]};", 1))
    done = subprocess.run(buf, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "height" in done.stdout
