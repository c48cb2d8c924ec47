"""PSNR on Set5 of the models that the project promises, against what each must reach."""

import json
import pathlib
import subprocess
import sys

from model_psnr import SCALES, psnr

BIN, SHARED = map(pathlib.Path, sys.argv[1:3])
SMALL = (37.80, 34.15, 31.95)
MUST = {
    "dat-light-hiif": (38.20, 34.72, 32.51),
    "dat-light-hiif-fast": (38.17, 34.69, 32.49),
    "edsr-baseline-hiif": (38.00, 34.42, 32.26),
    "rdn-hiif": SMALL,
    "swinir-hiif": SMALL,
}
# The narrow decoder may lose this much against the full one.
FAST_LOSS_DB = 0.02
# ... and may take this part of its query time, x4.
FAST_QUERY = 1 / 3


def shipped(name):
    """The name of the checkpoint in models/, of the small preset where that is what was trained."""
    return next((n for n in (name, name + "-small") if pathlib.Path(f"models/{n}.safetensors").exists()), None)


def query_seconds(name):
    """Of 128 x 128 x4 by the fused backend as it is used here."""
    command = [BIN / "hiif-eval", "speed", "--model", name, "--size", "128", "--scale", "4", "--backend", "fused",
               "--repeat", "5", "--json"]  # fmt: skip
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["query_s"]


short = []
full = None
for wanted, must in [*MUST.items(), ("edsr-baseline-hiif-fast", None)]:
    name = shipped(wanted)
    if name is None:
        print(f"{wanted}: not in models/")
        short.append(wanted)
        continue
    got = psnr(BIN, name, SHARED / "data/Set5")
    if wanted == "edsr-baseline-hiif":
        full = got
    if must is None:
        if full is None:
            short.append(wanted)
            continue
        must = [value - FAST_LOSS_DB for value in full]
    print(f"{name}: " + ", ".join(f"x{s} {g:.3f} (>= {m:.2f})" for s, g, m in zip(SCALES, got, must)), flush=True)
    if any(g < m for g, m in zip(got, must)):
        short.append(name)
if shipped("edsr-baseline-hiif-fast"):
    ratio = query_seconds("edsr-baseline-hiif-fast") / query_seconds("edsr-baseline-hiif")
    print(f"edsr-baseline-hiif-fast: {ratio:.2f} of the full one's query time (<= {FAST_QUERY:.2f})")
    if ratio > FAST_QUERY:
        short.append("edsr-baseline-hiif-fast's query time")
print(f"weights-psnr: FALLS SHORT: {', '.join(short)}" if short else "weights-psnr: ok: every model on Set5")
sys.exit(bool(short))
