"""dB of a model on a data set, by hiif-eval psnr."""

import json
import subprocess

SCALES = ["2", "3", "4"]


def psnr(programs, model, folder, *options):
    """Of each of SCALES."""
    result = subprocess.run([programs / "hiif-eval", "psnr", "--model", model, "--data", folder, "--scales",
                             ",".join(SCALES), "--json", *options], check=True, capture_output=True, text=True)
    return [table["psnr_db"] for table in json.loads(result.stdout)["tables"]]
