"""NVIDIA's compute-sanitizer over the fused kernel: accesses out of bounds, and races in the shared memory of a block."""

import re
import shutil
import subprocess

from .machine import ROOT
from .ways import FUSED

CHECKS = [("racecheck", "bfloat16"), ("memcheck", "bfloat16"), ("racecheck", "float32"), ("memcheck", "float32")]


def _summary(text):
    """(what it says last, how many errors); None: nothing."""
    found = re.findall(r"SUMMARY: (.*)", text)
    if not found:
        return None
    return found[-1], int(re.search(r"(\d+) error", found[-1])[1])


def run(report):
    if not report.machine.cuda or shutil.which("compute-sanitizer") is None:
        report.row(tool=None, result="left out: " + ("no compute-sanitizer on the PATH" if report.machine.cuda else "no GPU"))
        return
    case = ROOT / "fixtures" / "hiif-edsr-baseline.exact.x6.safetensors"
    for tool, precision in CHECKS:
        report.need(20)
        command = ["compute-sanitizer", "--tool", tool, "--kernel-name", "kns=DecodeKernel", *report.machine.command(
            "hiif-eval", "parity", "--backend", "torch", "--device", report.options.device, "--precision", precision, "--tolerance", 1, case)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=report.left(), check=False, cwd=ROOT,
                              env=report.machine.environment("hiif-eval", **FUSED))
        said = _summary(done.stdout + done.stderr)
        report.row(tool=tool, precision=precision, result=said[0] if said else "says nothing: " + (done.stdout + done.stderr).strip()[-200:])
        if said:
            report.expect(said[1] == 0, f"{tool}, {precision}: {said[0]}")
