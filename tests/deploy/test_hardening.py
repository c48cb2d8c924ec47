"""What the linked programs have against those who find a hole in them: read from the files themselves."""

import shutil
import subprocess

import pytest

from processes import BIN

pytestmark = pytest.mark.skipif(shutil.which("readelf") is None, reason="no readelf")


def readelf(program, *flags):
    return subprocess.run(["readelf", "-W", *flags, BIN / program], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("program", ["hiif-server", "hiif-decoder", "hiif"])
def test_position_independent_and_read_only_after_start(program):
    assert "DYN (Position-Independent Executable file)" in readelf(program, "-h")
    segments = readelf(program, "-l")
    assert "GNU_RELRO" in segments
    stack = next(line for line in segments.splitlines() if "GNU_STACK" in line)
    assert " RWE " not in stack
    assert "NOW" in next(line for line in readelf(program, "-d").splitlines() if "FLAGS_1" in line)


@pytest.mark.parametrize("program", ["hiif-server", "hiif-decoder"])
def test_parsers_check_their_stack_and_copies(program):
    symbols = readelf(program, "--dyn-syms")
    assert "__stack_chk_fail" in symbols
    assert "_chk@" in symbols.replace("__stack_chk", "")  # __memcpy_chk and its like
