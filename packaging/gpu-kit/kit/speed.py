"""Encode, query and whole, by both decoders, against PyTorch eager and compiled on the same card in the same run."""

import json
import subprocess

from .python import eager
from .ways import DECODERS, every

# Side and factor, the most telling first; 48 x4 and x12 are of the size that the paper trains with.
EDSR = [(128, 4), (48, 4), (48, 12), (128, 2), (128, 3), (256, 4), (128, 12), (512, 4), (1024, 2)]
OTHERS = [(128, 4), (256, 2)]
SMALL = [(8, 2), (6, 3)]
WANTED = 5  # x PyTorch eager, EDSR-baseline, 128 x 128 x4, bfloat16


def _names(workloads):
    return [f"{size}@{scale}" for size, scale in workloads]


def _ours(report, model, workloads, precision, device, backend="torch", **environment):
    """{workload: what `hiif-eval speed --json` says}, as far as it got."""
    timeout = min(report.left(), 90)
    by = " ".join([backend, *environment.values()])
    arguments = ["speed", "--model", model, "--backend", backend, "--precision", precision, "--device", device, "--size",
                 ",".join(str(size) for size, _ in workloads), "--scale", ",".join(str(scale) for _, scale in workloads),
                 "--repeat", 1 if report.options.small else 4, "--json"]
    try:
        done = report.machine.call("hiif-eval", *arguments, timeout=timeout, **environment)
        out = done.stdout
        report.expect(done.returncode == 0, f"{by}, {precision}: {done.stderr.strip()[-300:]}")
    except subprocess.TimeoutExpired as e:
        out = (e.stdout or b"").decode()
        report.note(f"{by}, {precision}, {model}: not all sizes within {timeout:.0f} s")
    said = [json.loads(line) for line in out.splitlines() if line.endswith("}")]
    return dict(zip(_names(workloads), said))


def _pytorch(report, model, workloads, precision, how):
    """{workload: seconds and memory}, as far as it got."""
    said = eager("time", model, report.options.device, precision, how, *_names(workloads), timeout=min(report.left(), 120))
    for line in said:
        if "error" in line or "left_out" in line:
            report.note(f"PyTorch {how}, {precision}, {model} {line.get('workload', '')}: {line.get('error') or line['left_out']}")
    return {line["workload"]: line for line in said if "seconds" in line}


def _models(report):
    """(name, checkpoint, sizes): ours, and the paper's other encoders with random weights."""
    yield "edsr-baseline", "models/edsr-baseline-hiif.safetensors", SMALL if report.options.small else EDSR
    if report.options.small:
        return
    for encoder in ("rdn", "swinir"):
        path = report.work / f"random-{encoder}.safetensors"
        if not path.exists():
            said = eager("write", encoder, path, timeout=min(report.left(), 60))
            if "error" in said[-1]:
                report.note(f"{encoder} at paper size is left out: {said[-1]['error']}")
                continue
        yield encoder, path, OTHERS


class _Table:
    """Rows of one model, and what each was: seconds by (workload, precision, by)."""

    def __init__(self, report, name, peak):
        self.report = report
        self.name = name
        self.peak = peak
        self.seconds = {}

    def _row(self, workload, precision, by, seconds, **more):
        size, _, scale = workload.partition("@")
        self.seconds[workload, precision, by] = seconds
        self.report.row(model=self.name, size=f"{size} x{scale}", by=by, precision=precision, seconds=seconds,
                        mpixels_per_s=round(int(size) * float(scale)) ** 2 / seconds / 1e6, **more)

    def ours(self, said, precision, by):
        for workload, line in said.items():
            share = line["query_gflops"] * 1e9 / self.peak * 100 if self.peak and line["query_gflops"] else None
            self._row(workload, precision, by, line["encode_s"] + line["query_s"], encode_s=line["encode_s"], query_s=line["query_s"],
                      peak_share_percent=share, peak_bytes=line["device_peak_bytes"])

    def pytorch(self, said, precision, how):
        for workload, line in said.items():
            self._row(workload, precision, "PyTorch " + how, line["seconds"], encode_s=None, query_s=None, peak_share_percent=None,
                      peak_bytes=line["peak_bytes"])

    def compare(self, wanted):
        """Ours against PyTorch eager; `wanted`: the workload that a promise is about, whose better decoder counts."""
        best = 0.0
        for (workload, precision, by), seconds in self.seconds.items():
            eager_s = self.seconds.get((workload, precision, "PyTorch eager"))
            if not by.startswith("torch, ") or eager_s is None:
                continue
            ratio = eager_s / seconds
            self.report.note(f"{self.name} {workload.replace('@', ' x')}, {precision}: {by} is {ratio:.2f} x PyTorch eager")
            if (workload, precision) == (wanted, "bfloat16"):
                best = max(best, ratio)
        if wanted:
            self.report.expect(best >= WANTED, f"{best:.2f} x PyTorch eager at {wanted}, bfloat16: {WANTED} is wanted")


def run(report):
    device, small = report.options.device, report.options.small
    said = eager("peak", device, timeout=min(report.left(), 60)) if report.machine.python_torch else [{}]
    peak = said[0].get("flops")
    if peak:
        report.note(f"peak of the device: {peak / 1e12:.1f} TFLOP/s, a large product in bfloat16 by PyTorch")
    for name, model, workloads in _models(report):
        table = _Table(report, name, peak)
        first = workloads[:1]
        plan = [("bfloat16", workloads)] + ([("float32", first)] if name == "edsr-baseline" else [])
        for precision, some in plan:
            for decoder, environment in (every(report.machine) if precision == "bfloat16" else DECODERS).items():
                report.need(15)
                table.ours(_ours(report, model, some, precision, device, **environment), precision, "torch, " + decoder)
            if report.machine.python_torch:
                report.need(15)
                table.pytorch(_pytorch(report, model, some, precision, "eager"), precision, "eager")
        table.compare(_names(first)[0] if name == "edsr-baseline" and report.machine.cuda else None)
        if name != "edsr-baseline":
            continue
        if report.machine.python_torch and not small:
            report.need(30)
            table.pytorch(_pytorch(report, model, workloads[:3], "bfloat16", "compile"), "bfloat16", "compile")
        report.need(15)
        table.ours(_ours(report, model, first, "float32", "cpu", "reference"), "float32", "reference, on the processor")
