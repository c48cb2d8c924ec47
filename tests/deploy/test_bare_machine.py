"""What only shows where nothing is installed: each runs in a Debian made by debootstrap (scripts/lib/chroot.sh)."""

import subprocess

import pytest

from processes import ROOT


@pytest.fixture(autouse=True)
def chroot():
    """Skips where there can be none."""
    reason = subprocess.run(["bash", "-c", ". scripts/lib/chroot.sh; chroot_reason"], cwd=ROOT, capture_output=True,
                            text=True, check=True).stdout.strip()  # fmt: skip
    if reason:
        pytest.skip(reason)


@pytest.mark.usefixtures("clone")
@pytest.mark.timeout(1800)
def test_demo_of_a_fresh_clone():
    """The README's first command; the compiler's cache of this machine makes it minutes."""
    done = subprocess.run(["scripts/verify", "two-commands", "--short", "--caches"], cwd=ROOT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip
    assert done.returncode == 0 and "two-commands: ok" in done.stdout, done.stdout
    assert "minutes" in done.stdout and "GB of disk" in done.stdout and "pixels/s" in done.stdout
