"""NVIDIA's compute-sanitizer over the kernels, in a program without PyTorch: races in the shared memory of a block, and accesses
out of bounds. First without it: the card against plain loops."""

import re
import shutil
import subprocess

from .machine import ROOT

PROGRAM = ROOT / "bin" / "hiif-cuda-check"
CHECKS = ("racecheck", "memcheck", "synccheck")


def _summary(text):
    """(what it says last, how many errors); None: nothing."""
    found = re.findall(r"SUMMARY: (.*)", text)
    if not found:
        return None
    return found[-1], int(re.search(r"(\d+) error", found[-1])[1])


def run(report):
    if not report.machine.cuda or not PROGRAM.exists():
        report.row(tool=None, result="left out: " + ("this kit has no kernels" if report.machine.cuda else "no GPU"))
        return
    done = subprocess.run([PROGRAM], capture_output=True, text=True, timeout=report.left(), check=False)
    report.row(tool="plain loops", result="; ".join(done.stdout.splitlines()) or done.stderr.strip()[-200:])
    report.expect(done.returncode == 0, f"hiif-cuda-check: {(done.stdout + done.stderr).strip()[-200:]}")
    if shutil.which("compute-sanitizer") is None:
        report.note("no compute-sanitizer on the PATH")
        return
    for tool in CHECKS:
        report.need(10)
        done = subprocess.run(["compute-sanitizer", "--tool", tool, PROGRAM], capture_output=True, text=True, timeout=report.left(), check=False)
        (report.work / f"{tool}.log").write_text(done.stdout + done.stderr)
        said = _summary(done.stdout + done.stderr)
        report.row(tool=tool, result=said[0] if said else "says nothing: " + (done.stdout + done.stderr).strip()[-200:])
        report.expect(said is not None and said[1] == 0, f"{tool}: {said[0] if said else 'nothing'}")
