"""Encode, query and whole, by both decoders, against PyTorch eager and compiled on the same card in the same run."""

import json

from .python import eager

# Side and factor, the most telling first; table 3 of the paper is 48 x 48 x4 and x12.
EDSR = [(128, 4), (256, 4), (128, 2), (128, 3), (128, 12), (512, 4), (1024, 2), (48, 4), (48, 12)]
OTHERS = [(128, 4), (256, 2)]
SMALL = [(16, 2)]


def _ours(report, model, size, scale, backend, precision, device, decoder):
    """What `hiif-eval speed --json` says, or None with a failure noted."""
    result = report.machine.call("hiif-eval", "speed", "--model", model, "--backend", backend, "--precision", precision, "--device",
                                 device, "--size", size, "--scale", scale, "--repeat", 1 if report.options.small else 3, "--json",
                                 timeout=report.left(), HIIF_CUDA_DECODER=decoder)
    if result.returncode != 0:
        report.expect(False, f"{backend}, {decoder}, {size} x{scale}: {result.stderr.strip()[-300:]}")
        return None
    return json.loads(result.stdout)


def _models(report):
    """(name, checkpoint, sizes): ours, and the paper's other encoders with random weights."""
    yield "edsr-baseline", "models/edsr-baseline-hiif.safetensors", SMALL if report.options.small else EDSR
    if report.options.small:
        return
    for encoder in ("rdn", "swinir"):
        path = report.out / f"random-{encoder}.safetensors"
        if not path.exists():
            made = eager("write", encoder, path, timeout=min(report.left(), 120))
            if "error" in made:
                report.note(f"{encoder} at paper size is left out: {made['error']}")
                continue
        yield encoder, path, OTHERS


def run(report):
    device = report.options.device
    peak = eager("peak", device, timeout=report.left()).get("flops")
    if peak:
        report.note(f"peak of the device: {peak / 1e12:.1f} TFLOP/s, a large product in bfloat16 by PyTorch")
    for name, model, sizes in _models(report):
        for index, (size, scale) in enumerate(sizes):
            report.need(25)
            pixels = round(size * scale) ** 2
            ours = {}
            kinds = [("layers", "bfloat16"), ("fused", "bfloat16")] + ([("layers", "float32"), ("fused", "float32")] if index == 0 else [])
            for decoder, precision in kinds:
                said = _ours(report, model, size, scale, "torch", precision, device, decoder)
                if said is None:
                    continue
                ours[decoder, precision] = said["encode_s"] + said["query_s"]
                share = said["query_gflops"] * 1e9 / peak * 100 if peak and said["query_gflops"] else None
                report.row(model=name, size=f"{size} x{scale}", by=f"torch, {decoder}", precision=precision, encode_s=said["encode_s"],
                           query_s=said["query_s"], mpixels_per_s=pixels / ours[decoder, precision] / 1e6, peak_share_percent=share)
            eagers = {}
            for precision in ("float32", "bfloat16") if index == 0 else ("bfloat16",):
                for how in ("eager", "compile") if index == 0 and not report.options.small else ("eager",):
                    report.need(20)
                    said = eager("time", model, size, scale, device, precision, *(["compile"] if how == "compile" else []),
                                 timeout=min(report.left(), 150))
                    if "error" in said:
                        report.note(f"PyTorch {how}, {precision}, {name} {size} x{scale}: {said['error']}")
                        continue
                    eagers[how, precision] = said["seconds"]
                    report.row(model=name, size=f"{size} x{scale}", by=f"PyTorch {how}", precision=precision, encode_s=None, query_s=None,
                               mpixels_per_s=pixels / said["seconds"] / 1e6, peak_share_percent=None)
            for (decoder, precision), seconds in ours.items():
                if ("eager", precision) in eagers:
                    ratio = eagers["eager", precision] / seconds
                    report.note(f"{name} {size} x{scale}, {precision}: torch, {decoder} is {ratio:.2f} x PyTorch eager")
                    if report.machine.cuda and name == "edsr-baseline" and index == 0 and precision == "bfloat16":
                        report.expect(ratio >= 5, f"{decoder} is {ratio:.2f} x eager, 5 is wanted")
    report.need(25)
    if not report.options.small:
        said = _ours(report, "models/edsr-baseline-hiif.safetensors", 128, 4, "reference", "float32", "cpu", "")
        if said:
            report.row(model="edsr-baseline", size="128 x4", by="reference (CPU)", precision="float32", encode_s=said["encode_s"],
                       query_s=said["query_s"], mpixels_per_s=512 * 512 / (said["encode_s"] + said["query_s"]) / 1e6, peak_share_percent=None)
