"""Training in slices: packs the photographs, goes on from the last state, leaves it in files below 16 MB."""

import hashlib
import io
import json
import pathlib
import shutil
import tarfile

from .machine import ROOT

PART = 15_000_000  # bytes of a file
STOPPED = 3  # what hiif-train ends with after its minutes
PRESET = ("--preset", "edsr-finetune", "--init", "models/edsr-baseline-hiif.safetensors")
TEACHER = ROOT / "teachers" / "dat-light-hiif-fast.safetensors"


def _parts(out):
    """The state's files in order and the SHA-256 of each, as train-state.json names them; empty: there is no state."""
    manifest = out / "train-state.json"
    if not manifest.exists():  # of earlier kits
        return [(path, None) for path in sorted(out.glob("train-state.[0-9][0-9]"))]
    return [(out / part["name"], part["sha256"]) for part in json.loads(manifest.read_text())["parts"]]


def join(out, run):
    """The run's folder of the state's files, where it is not there."""
    parts = [] if (run / "options.json").exists() else _parts(out)
    if not parts:
        return
    data = b""
    for path, digest in parts:
        part = path.read_bytes()
        if digest is not None and hashlib.sha256(part).hexdigest() != digest:
            raise RuntimeError(f"{path} is damaged: copy the state again, all of it with its train-state.json")
        data += part
    fresh = run.with_name(run.name + ".part")
    shutil.rmtree(fresh, ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(fresh, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    shutil.rmtree(run, ignore_errors=True)
    fresh.rename(run)


def split(run, out):
    """The other way; returns the bytes of each file. The old ones are the state until all new ones are there."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for path in sorted(run.iterdir()):
            if path.is_file() and path.name != "lock":
                archive.add(path, path.name)
    data = data.getvalue()
    before = {path.name for path, _ in _parts(out)}
    # Names that the old state does not have.
    letter = "b" if any(name.startswith("train-state.a") for name in before) else "a"
    parts = {f"train-state.{letter}{i:02}": data[i * PART:(i + 1) * PART] for i in range((len(data) + PART - 1) // PART)}
    for name, part in parts.items():
        (out / name).write_bytes(part)
    fresh = out / "train-state.json.part"
    fresh.write_text(json.dumps({"parts": [{"name": name, "sha256": hashlib.sha256(part).hexdigest()} for name, part in parts.items()]}))
    fresh.replace(out / "train-state.json")
    for path in out.glob("train-state.*"):
        if path.name not in parts and path.name != "train-state.json":
            path.unlink()
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


def _has_teacher(run_folder):
    """Whether it is the kit's that a run was begun with."""
    return pathlib.PurePath(json.loads((run_folder / "options.json").read_text()).get("teacher", "")).name == TEACHER.name


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
    # The teacher of a run that goes on may have had another path, on another machine.
    teacher = ["--teacher", TEACHER] if TEACHER.exists() and "--teacher" not in extra else []
    if going_on:
        options = [*(teacher if _has_teacher(run_folder) else []), *extra]
    else:
        options = list(extra) if "--preset" in extra or "--config" in extra else [*PRESET, *teacher, *extra]
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
