"""Training in slices: packs the photographs, goes on from the last state, leaves it in files below 16 MB."""

import io
import tarfile

from .machine import ROOT

PART = 15_000_000  # bytes of a file
STOPPED = 3  # what hiif-train ends with after its minutes
PRESET = ("--preset", "edsr-finetune", "--init", "models/edsr-baseline-hiif.safetensors")
TEACHER = ROOT / "teachers" / "dat-light-hiif-fast.safetensors"


def join(out, run):
    """The run's folder of the files train-state.NN, where it is not there."""
    parts = sorted(out.glob("train-state.*"))
    if (run / "options.json").exists() or not parts:
        return
    with tarfile.open(fileobj=io.BytesIO(b"".join(part.read_bytes() for part in parts))) as archive:
        archive.extractall(run, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))


def split(run, out):
    """The other way; returns the bytes of each file. The old ones are there until the new ones are."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for path in sorted(run.iterdir()):
            if path.is_file() and path.name != "lock":
                archive.add(path, path.name)
    data = data.getvalue()
    parts = {f"train-state.{i:02}": data[i * PART:(i + 1) * PART] for i in range((len(data) + PART - 1) // PART)}
    for name, part in parts.items():
        (out / (name + "-new")).write_bytes(part)
    for path in out.glob("train-state.??"):
        path.unlink()
    for name in parts:
        (out / (name + "-new")).rename(out / name)
    return [len(part) for part in parts.values()]


def _pack(report, data, held_out):
    photos = sorted((ROOT / "photos").glob("*.jpg"))
    if report.options.small:
        photos = photos[:8]
    done = report.machine.call("hiif-data", "pack", *photos, "-o", data, "--hold-out", held_out, "--every", 4 if report.options.small else 20,
                               timeout=report.left())
    if done.returncode != 0:
        data.unlink(missing_ok=True)
        raise RuntimeError("hiif-data pack: " + done.stderr.strip()[-300:])


def run(report):
    small, extra = report.options.small, report.options.train
    run_folder = report.work / "train-run"
    data, held_out = report.work / "train.pack", report.work / "validation.pack"
    if not data.exists():
        _pack(report, data, held_out)
    join(report.out, run_folder)
    going_on = (run_folder / "options.json").exists()  # a run that failed at once leaves its folder empty
    minutes = report.options.minutes or (0.1 if small else 60)
    minutes = max(min(minutes, (report.left() - 40) / 60), 0.05)
    options = list(extra) if going_on or "--preset" in extra or "--config" in extra else [*PRESET, *(["--teacher", TEACHER] if TEACHER.exists() else []), *extra]
    if small:
        options += ["--batch", 2, "--patch", 24, "--queries", 128, "--validate-every", 0]
    done = report.machine.call("hiif-train", "--run", run_folder, "--data", data, "--validation", held_out, "--device", report.options.device,
                               "--precision", "float32" if small else "bfloat16", "--minutes", f"{minutes:.3f}", "--log-every",
                               1 if small else 20, *options, timeout=report.left())
    (report.work / "train.log").write_text(done.stdout + done.stderr)
    report.expect(done.returncode in (0, STOPPED), "hiif-train: " + done.stderr.strip()[-300:])
    steps = [line for line in done.stdout.splitlines() if line.startswith("step ")]
    sizes = split(run_folder, report.out) if (run_folder / "state.safetensors").exists() else []
    report.row(minutes=minutes, went_on=going_on, state_files=len(sizes), largest_file_bytes=max(sizes, default=0), said=steps[-1] if steps else None)
    report.expect(sizes and max(sizes) < 16 << 20, "there is no state in files below 16 MB")
    report.note(f"the state is train-state.* in {report.out}: from there the next call goes on, here or on another machine")
