"""Recorded cases of the reference implementation, and PSNR, by both decoders and every precision."""

import json
import shutil

from .machine import ROOT
from .ways import DECODERS, every

# Bounds of the raw output, on the [-1,1] range. Of float32 it is the promise; the others are judged by PSNR.
PRECISIONS = {"float32": 2e-4, "bfloat16": 0.1, "float16": 0.02}


def _largest(out):
    """Largest difference of the raw output over the cases of `hiif-eval parity`, in its column `raw`; None: of none."""
    lines = out.splitlines()
    cases = [line.split() for line in lines if line.endswith(("  ok", "  FAILED"))]
    return max((float(case[lines[0].split().index("raw")]) for case in cases), default=None)


def _set5(report):
    """Set5 and its factors; of a small run one picture of it."""
    if not report.options.small:
        return ROOT / "data" / "Set5", "2,4"
    folder = report.work / "one-picture"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "image_SRF_4").mkdir(parents=True)
    for path in (ROOT / "data" / "Set5" / "image_SRF_4").glob("img_002*"):
        shutil.copy(path, folder / "image_SRF_4")
    return folder, "4"


class _Psnr:
    """hiif-eval psnr on Set5, in the background until result()."""

    def __init__(self, report, backend, precision, device, **environment):
        folder, scales = _set5(report)
        self.report = report
        self.process = report.machine.start("hiif-eval", "psnr", "--model-dir", "models", "--data", folder, "--scales", scales, "--json",
                                            "--backend", backend, "--precision", precision, "--device", device, **environment)

    def stop(self):
        self.process.kill()
        self.process.communicate()

    def result(self):
        """{scale: dB}."""
        out, error = self.process.communicate(timeout=max(self.report.left(), 1))
        if self.process.returncode != 0:
            raise RuntimeError("hiif-eval psnr: " + error.strip()[-300:])
        return {row["scale"]: row["psnr_db"] for row in json.loads(out)["tables"]}


def _cases(report):
    cases = sorted(path for path in (ROOT / "fixtures").glob("hiif-*.safetensors") if ".weights." not in path.name)
    if report.options.small:
        cases = [path for path in cases if ".exact.x6." in path.name]
    for decoder, environment in every(report.machine).items():
        for precision, bound in PRECISIONS.items():
            if decoder not in DECODERS and precision != "float32":
                continue
            report.need(20)
            result = report.machine.call("hiif-eval", "parity", "--backend", "torch", "--device", report.options.device, "--precision",
                                         precision, "--tolerance", bound, *cases, timeout=report.left(), **environment)
            last = result.stdout.strip().splitlines()[-1] if result.stdout.strip() else result.stderr.strip()[-300:]
            report.row(decoder=decoder, precision=precision, cases=len(cases), largest=_largest(result.stdout), bound=bound, said=last)
            wrong = [line for line in result.stdout.splitlines() if " skipped: " in line or "FAILED" in line]
            report.expect(result.returncode == 0 and " 0 failed, 0 skipped" in last, f"{decoder}, {precision}: {(wrong or [last])[0]}")


def run(report):
    judge = _Psnr(report, "reference", "float32", "cpu")  # beside the card's work
    try:
        _cases(report)
        judged = judge.result()
    finally:
        judge.stop()
    for decoder, environment in DECODERS.items():
        if decoder == "fused" and not report.machine.cuda:
            report.note("no PSNR of the fused decoder: on a processor, by plain loops, it takes minutes")
            continue
        report.need(15)
        ours = _Psnr(report, "torch", "bfloat16", report.options.device, **environment)
        try:
            said = ours.result()
        finally:
            ours.stop()
        for scale, db in said.items():
            difference = abs(db - judged[scale])
            report.row(decoder=decoder, precision="bfloat16", cases=f"Set5 x{scale}, dB", largest=difference, bound=0.01,
                       said=f"{db:.3f} dB, reference {judged[scale]:.3f}")
            report.expect(difference <= 0.01, f"{decoder}, bfloat16, Set5 x{scale}: {db:.3f} dB for {judged[scale]:.3f}")
