"""Training in slices: packs the photographs, goes on from the last state, leaves it in files below 16 MB."""

import json
import shutil

from .machine import ROOT

PART = 15_000_000  # bytes


def _join(parts, run):
    """The run's folder of the parts of its files, where there is none."""
    if run.exists() or not parts.exists():
        return
    run.mkdir(parents=True)
    for name in json.loads((parts / "files.json").read_text()):
        with open(run / name, "wb") as out:
            for part in sorted(parts.glob(name + ".part-*")):
                out.write(part.read_bytes())


def _split(run, parts):
    """The other way; returns the number of files."""
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir(parents=True)
    names = sorted(path.name for path in run.iterdir() if path.is_file() and path.name != "lock")
    for name in names:
        data = (run / name).read_bytes()
        for index, begin in enumerate(range(0, max(len(data), 1), PART)):
            (parts / f"{name}.part-{index:02}").write_bytes(data[begin:begin + PART])
    (parts / "files.json").write_text(json.dumps(names))
    return len(list(parts.iterdir()))


def run(report):
    small = report.options.small
    minutes = report.options.minutes or (0.1 if small else 5)
    minutes = min(minutes, (report.left() - 40) / 60)
    folder, parts = report.out / "train-run", report.out / "train-state"
    data, held_out = report.out / "train.pack", report.out / "validation.pack"
    if not data.exists():
        photos = sorted((ROOT / "photos").glob("*.jpg"))
        done = report.machine.call("hiif-data", "pack", *(photos[:8] if small else photos), "-o", data, "--hold-out", held_out, "--every",
                                   4 if small else 20, timeout=report.left())
        report.expect(done.returncode == 0, "hiif-data pack: " + done.stderr.strip()[-300:])
    _join(parts, folder)
    sizes = ["--batch", 1, "--patch", 24, "--queries", 128, "--validate-every", 0] if small else ["--validate-every", 500]
    done = report.machine.call("hiif-train", "--run", folder, "--preset", "edsr-finetune", "--init", "models/edsr-baseline-hiif.safetensors",
                               "--data", data, "--validation", held_out, "--device", report.options.device, "--precision",
                               "float32" if small else "bfloat16", "--minutes", f"{minutes:.3f}", "--log-every", 1 if small else 20,
                               *sizes, timeout=report.left())
    report.expect(done.returncode == 0, "hiif-train: " + done.stderr.strip()[-300:])
    said = (done.stdout.strip() or done.stderr.strip()).splitlines()
    files = _split(folder, parts) if folder.exists() else 0
    largest = max((path.stat().st_size for path in parts.glob("*")), default=0)
    report.row(minutes=minutes, state_files=files, largest_file_bytes=largest, said=said[-1] if said else None)
    report.expect(0 < largest < 16 << 20, "the state is not in files below 16 MB")
    report.note(f"goes on where {parts} lies; the last weights are in {folder}")
