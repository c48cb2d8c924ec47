"""What the linked programs have against those who find a hole in them: read from the files themselves. And the unit of
systemd that runs one of them."""

import configparser
import re
import shutil
import subprocess

import pytest
import yaml

from processes import BIN, ROOT

binaries = pytest.mark.skipif(shutil.which("readelf") is None, reason="no readelf")


def service(text):
    """The [Service] of a unit or a drop-in."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string(text)
    return parser["Service"]


@pytest.fixture(scope="module")
def unit():
    return service((ROOT / "packaging/systemd/hiif-server.service.in").read_text())


def test_the_unit_knows_the_exit_codes(unit):
    """What will be as wrong the next time is not tried again."""
    page = (ROOT / "docs/configuration.md").read_text()
    listed = " ".join(re.search(r"^Exit codes: ([^.]*)\.", page, re.MULTILINE)[1].split())
    codes = dict(entry.split(" ", 1) for entry in listed.split("; "))
    told = lambda setting: [codes[c] for c in unit[setting].split()]  # noqa: E731
    assert unit["Restart"] == "on-failure"
    assert told("RestartPreventExitStatus") == ["a wrong setting", "TLS or token files"]
    assert told("SuccessExitStatus") == ["calls were ended after the grace"]


def test_the_unit_has_a_place_for_the_proxys_socket(unit):
    """The rest of the file system is read-only to it; the drop-in of the documents lets the proxy's group in."""
    cluster, = yaml.safe_load((ROOT / "deploy/envoy.yaml").read_text())["static_resources"]["clusters"]
    endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    socket = endpoint["address"]["pipe"]["path"]
    assert socket.rpartition("/")[0] == "/run/" + unit["RuntimeDirectory"] and unit["ProtectSystem"] == "strict"
    page = (ROOT / "docs/security.md").read_text()
    assert f'"unix:{socket}"' in page
    drop_in = service(re.search(r"^```ini\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1])
    assert int(drop_in["UMask"], 8) & 0o070 == 0 and int(drop_in["UMask"], 8) & 0o007 == 0o007
    assert drop_in["Group"] != unit["Group"] == drop_in["SupplementaryGroups"]


def readelf(program, *flags):
    return subprocess.run(["readelf", "-W", *flags, BIN / program], check=True, capture_output=True, text=True).stdout


@binaries
@pytest.mark.parametrize("program", ["hiif-server", "hiif-decoder", "hiif"])
def test_position_independent_and_read_only_after_start(program):
    assert "DYN (Position-Independent Executable file)" in readelf(program, "-h")
    segments = readelf(program, "-l")
    assert "GNU_RELRO" in segments
    stack = next(line for line in segments.splitlines() if "GNU_STACK" in line)
    assert " RWE " not in stack
    assert "NOW" in next(line for line in readelf(program, "-d").splitlines() if "FLAGS_1" in line)


@binaries
@pytest.mark.parametrize("program", ["hiif-server", "hiif-decoder"])
def test_parsers_check_their_stack_and_copies(program):
    symbols = readelf(program, "--dyn-syms")
    assert "__stack_chk_fail" in symbols
    assert "_chk@" in symbols.replace("__stack_chk", "")  # __memcpy_chk and its like
