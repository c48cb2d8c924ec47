"""Recorded cases of the reference implementation, and PSNR, by both decoders and every precision."""

import json
import shutil

from .machine import ROOT

# Bounds of the raw output, on the [-1,1] range. Of float32 it is the promise; the others are judged by PSNR.
PRECISIONS = {"float32": 2e-4, "bfloat16": 0.1, "float16": 0.02}
DECODERS = ("layers", "fused")


def _largest(out):
    """Largest difference of the raw output over the cases of `hiif-eval parity`."""
    return max((float(line.split()[5]) for line in out.splitlines() if line.endswith(("  ok", "  FAILED"))), default=None)


def _set5(report):
    """Set5 and its factors; of a small run one picture of it."""
    if not report.options.small:
        return ROOT / "data" / "Set5", "2,4"
    folder = report.out / "one-picture"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "image_SRF_4").mkdir(parents=True)
    for path in (ROOT / "data" / "Set5" / "image_SRF_4").glob("img_002*"):
        shutil.copy(path, folder / "image_SRF_4")
    return folder, "4"


def _psnr(report, backend, precision, device, **environment):
    """{scale: dB} on Set5."""
    folder, scales = _set5(report)
    result = report.machine.call("hiif-eval", "psnr", "--model-dir", "models", "--data", folder, "--scales", scales,
                                 "--json", "--backend", backend, "--precision", precision, "--device", device,
                                 timeout=report.left(), **environment)
    if result.returncode != 0:
        raise RuntimeError("hiif-eval psnr: " + result.stderr.strip()[-300:])
    return {row["scale"]: row["psnr_db"] for row in json.loads(result.stdout)["tables"]}


def run(report):
    device = report.options.device
    cases = sorted(path for path in (ROOT / "fixtures").glob("hiif-*.safetensors") if ".weights." not in path.name)
    if report.options.small:
        cases = [path for path in cases if ".x6." in path.name or "nopad" in path.name]
    for decoder in DECODERS:
        for precision, bound in PRECISIONS.items():
            report.need(20)
            result = report.machine.call("hiif-eval", "parity", "--backend", "torch", "--device", device, "--precision", precision,
                                         "--tolerance", bound, *cases, timeout=report.left(), HIIF_CUDA_DECODER=decoder)
            last = result.stdout.strip().splitlines()[-1] if result.stdout.strip() else result.stderr.strip()[-300:]
            report.row(decoder=decoder, precision=precision, cases=len(cases), largest=_largest(result.stdout), bound=bound, said=last)
            report.expect(result.returncode == 0 and " 0 failed, 0 skipped" in last, f"{decoder}, {precision}: {last}")
    report.need(30)
    judge = _psnr(report, "reference", "float32", "cpu")
    for decoder in DECODERS:
        if decoder == "fused" and not report.machine.cuda:
            report.note("no PSNR of the fused decoder: on a processor, by plain loops, it takes minutes")
            continue
        report.need(20)
        ours = _psnr(report, "torch", "bfloat16", device, HIIF_CUDA_DECODER=decoder)
        for scale, db in ours.items():
            report.row(decoder=decoder, precision="bfloat16", cases=f"Set5 x{scale}", largest=abs(db - judge[scale]), bound=0.01,
                       said=f"{db:.3f} dB, reference {judge[scale]:.3f}")
            report.expect(abs(db - judge[scale]) <= 0.01, f"{decoder}, bfloat16, Set5 x{scale}: {db:.3f} dB for {judge[scale]:.3f}")
