"""PSNR on Set5 of the models that the project promises, against what each must reach."""

import pathlib
import sys

from model_psnr import SCALES, psnr

BIN, SHARED = map(pathlib.Path, sys.argv[1:3])
SMALL = (36.5, 32.8, 30.6)
MUST = {"edsr-baseline-hiif": (37.92, 34.33, 32.13), "rdn-hiif": SMALL, "swinir-hiif": SMALL}
# The narrow decoder may lose this much against the full one.
FAST_LOSS_DB = 0.15


def shipped(name):
    """The name of the checkpoint in models/, of the small preset where that is what was trained."""
    return next((n for n in (name, name + "-small") if pathlib.Path(f"models/{n}.safetensors").exists()), None)


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
print(f"weights-psnr: FALLS SHORT: {', '.join(short)}" if short else "weights-psnr: ok: every model on Set5")
sys.exit(bool(short))
