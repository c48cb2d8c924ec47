"""Where the time goes: kernels by Nsight Compute where it is, else the stages."""

import csv
import json
import re
import shutil
import subprocess

from .machine import ROOT
from .ways import DECODERS

METRICS = {"gpu__time_duration.sum": "ns", "sm__warps_active.avg.pct_of_peak_sustained_active": "occupancy_percent",
           "sm__throughput.avg.pct_of_peak_sustained_elapsed": "compute_percent",
           "gpu__compute_memory_throughput.avg.pct_of_peak_sustained_elapsed": "memory_percent",
           "launch__registers_per_thread": "registers"}


def _kernels(text):
    """Rows of `ncu --csv`, one a launch: (kernel, {metric: value})."""
    lines = [line for line in text.splitlines() if line.startswith('"')]
    rows = list(csv.DictReader(lines))
    launches = {}
    for row in rows:
        name = re.sub(r"<.*|\(.*", "", row["Kernel Name"]).split("::")[-1]
        value = row["Metric Value"].replace(",", "")
        launches.setdefault((row["ID"], name), {})[row["Metric Name"]] = float(value) if value else 0.0
    return [(name, values) for (_, name), values in launches.items()]


def _table(report, decoder, launches):
    """The twelve kernels that take longest, each with the means of its launches, weighted by their time."""
    kernels = {}
    for name, values in launches:
        kernels.setdefault(name, []).append(values)
    total = {name: sum(v.get("gpu__time_duration.sum", 0) for v in some) for name, some in kernels.items()}
    for name in sorted(total, key=total.get, reverse=True)[:12]:
        mean = {key: sum(v.get(metric, 0) * v.get("gpu__time_duration.sum", 0) for v in kernels[name]) / max(total[name], 1)
                for metric, key in METRICS.items()}
        report.row(decoder=decoder, kernel=name, launches=len(kernels[name]), ms=total[name] / 1e6, occupancy_percent=mean["occupancy_percent"],
                   compute_percent=mean["compute_percent"], memory_percent=mean["memory_percent"], registers=mean["registers"],
                   bound="memory" if mean["memory_percent"] > mean["compute_percent"] else "compute")


def run(report):
    device, size = report.options.device, 8 if report.options.small else 128
    for decoder, environment in DECODERS.items():
        report.need(30)
        arguments = ["speed", "--model", "models/edsr-baseline-hiif.safetensors", "--backend", "torch", "--precision", "bfloat16", "--device",
                     device, "--size", size, "--scale", 2, "--threads", 1, "--json"]
        said = report.machine.call("hiif-eval", *arguments, timeout=report.left(), **environment)
        if said.returncode != 0:
            report.expect(False, said.stderr.strip()[-300:])
            continue
        stages = json.loads(said.stdout)
        for stage in ("encode_s", "query_s"):
            report.row(decoder=decoder, kernel=stage, launches=None, ms=stages[stage] * 1e3)
        if not report.machine.cuda or shutil.which("ncu") is None:
            continue
        # All launches: those that load the weights are many, and short.
        command = ["ncu", "--csv", "--page", "details", "--print-units", "base", "--clock-control", "none", "--metrics", ",".join(METRICS),
                   "--launch-count", "4000", *report.machine.command("hiif-eval", *arguments)]
        seconds = report.left() / (2 if decoder == "layers" else 1) - 5
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=max(seconds, 1), check=False, cwd=ROOT,
                                  env=report.machine.environment("hiif-eval", **environment))
        except subprocess.TimeoutExpired:
            report.note(f"{decoder}: Nsight Compute did not end in {seconds:.0f} s")
            continue
        launches = _kernels(done.stdout)
        if not launches:
            report.note("ncu: " + (done.stdout + done.stderr).strip()[-200:])
        _table(report, decoder, launches)
    if report.machine.cuda and shutil.which("ncu") is None:
        report.note("stages alone: Nsight Compute (ncu) is not on the PATH")
