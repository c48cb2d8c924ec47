"""The kit for GPU machines: what it says where something is missing, and all of it on a processor: with the programs of this
tree and its PyTorch, and, where scripts/gpu-kit made an archive, in a bare chroot."""

import importlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("HIIF_BIN", ROOT / "build" / "release" / "bin"))
SHARED = pathlib.Path(os.environ.get("HIIF_SHARED", ROOT.parent / "shared"))
KIT = pathlib.Path(os.environ.get("HIIF_GPU_KIT", ROOT / "build" / "dist" / "hiif-gpu-kit.tar"))
COMMANDS = ("parity", "speed", "serve", "train", "profile", "sanitize")


@pytest.fixture
def kit(tmp_path):
    """run and its parts, without programs."""
    folder = tmp_path / "kit"
    shutil.copytree(ROOT / "packaging" / "gpu-kit", folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "MANIFEST.json").write_text(json.dumps({"torch": "2.11.0", "version": "0", "commit": "0"}))
    return folder


@pytest.fixture
def module(kit, monkeypatch):
    """A module of the kit by its name."""
    monkeypatch.syspath_prepend(str(kit))
    yield lambda name: importlib.import_module("kit." + name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "kit"]:
        del sys.modules[name]


def libtorch(folder, version, *libraries):
    """A PyTorch, as far as `run` looks at it."""
    (folder / "lib").mkdir(parents=True)
    (folder / "version.py").write_text(f"__version__ = '{version}'\n")
    for name in libraries:
        (folder / "lib" / name).touch()
    return folder


def run(kit, torch, *arguments, timeout=60):
    return subprocess.run([sys.executable, kit / "run", *arguments], capture_output=True, text=True, timeout=timeout, check=False,
                          cwd=kit, env={**os.environ, "HIIF_KIT_TORCH": str(torch)})


def test_it_says_at_once_what_the_machine_lacks(kit, tmp_path):
    cpu = ("libtorch_cpu.so", "libc10.so")
    for version, libraries, device, words in (
            ("2.10.0+cu130", cpu, "cpu", ["PyTorch 2.11.0", "this has 2.10.0"]),
            ("2.11.0+cpu", cpu, "cuda", ["libtorch_cuda.so", "--device cpu"]),
            ("2.11.0+cu130", (), "cpu", ["libtorch_cpu.so", "libc10.so"])):
        torch = libtorch(tmp_path / f"{version}-{device}-{len(libraries)}", version, *libraries)
        result = run(kit, torch, "parity", "--device", device)
        assert result.returncode == 1 and result.stderr.startswith("this machine lacks:"), result.stderr
        assert all(word in result.stderr for word in words), result.stderr
    assert not (kit / "results").exists() and not (kit / "work").exists()


@pytest.mark.parametrize("words, said", [(["dance"], "parity"), (["parity", "5"], '"5" is none of'), (["train", "x"], '"x"'), ([], "COMMAND")])
def test_a_command_it_does_not_have(kit, tmp_path, words, said):
    result = run(kit, libtorch(tmp_path / "torch", "2.11.0"), *words)
    assert result.returncode == 2 and said in result.stderr


def test_the_state_of_a_training_goes_in_parts_and_comes_back(module, tmp_path):
    train = module("train")
    folder, out = tmp_path / "run", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    files = {"state.pt": os.urandom(2 * train.PART + 17), "options.json": b"{}", "log.csv": b""}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "lock").write_bytes(b"1")
    assert [size < 16 << 20 for size in train.split(folder, out)] == [True] * 3
    (folder / "state.pt").write_bytes(b"shorter")
    files["state.pt"] = b"shorter"
    assert len(train.split(folder, out)) == 1 and {path.name for path in out.iterdir()} == {"train-state.b00", "train-state.json"}
    back = tmp_path / "back"
    train.join(out, back)
    assert {path.name: path.read_bytes() for path in back.iterdir()} == files
    train.join(out, folder)  # there already: as it is
    assert (folder / "lock").exists()
    (out / "train-state.b00").write_bytes((out / "train-state.b00").read_bytes()[:-1])
    with pytest.raises(RuntimeError, match="train-state.b00 is damaged"):
        train.join(out, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_state_of_an_earlier_kit_comes_back(module, tmp_path):
    train = module("train")
    folder, out = tmp_path / "run", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    (folder / "options.json").write_bytes(b"{}" * train.PART)
    train.split(folder, out)
    (out / "train-state.json").unlink()
    for i in range(3):
        (out / f"train-state.a{i:02}").rename(out / f"train-state.{i:02}")
    train.join(out, tmp_path / "back")
    assert (tmp_path / "back" / "options.json").read_bytes() == (folder / "options.json").read_bytes()
    train.split(folder, out)
    assert {path.name for path in out.iterdir()} == {"train-state.a00", "train-state.a01", "train-state.a02", "train-state.json"}


def test_a_state_is_the_old_or_the_new_one_wherever_a_split_is_killed(module, tmp_path, monkeypatch):
    train = module("train")
    monkeypatch.setattr(train, "PART", 4000)
    runs = []
    for name, size in (("old", 30_000), ("new", 20_000)):
        runs.append(tmp_path / name)
        runs[-1].mkdir()
        (runs[-1] / "options.json").write_text("{}")
        (runs[-1] / "state").write_bytes(os.urandom(size))

    class Killed(Exception):
        pass

    def killed_at(call, out):
        """A split of the new state over the old one that ends before its call-th change of a file; whether it had as many."""
        count = 0
        with monkeypatch.context() as patched:
            for method in ("write_bytes", "write_text", "unlink", "rename", "replace"):
                def counted(path, *words, original=getattr(pathlib.Path, method), half=method.startswith("write"), **more):
                    nonlocal count
                    count += 1
                    if count > call:
                        if half:
                            original(path, words[0][:len(words[0]) // 2])
                        raise Killed
                    return original(path, *words, **more)

                patched.setattr(pathlib.Path, method, counted)
            try:
                train.split(runs[1], out)
            except Killed:
                return True
        return False

    seen = []
    for call in range(100):
        out, back = tmp_path / f"out{call}", tmp_path / f"back{call}"
        out.mkdir()
        train.split(runs[0], out)
        killed = killed_at(call, out)
        train.join(out, back)
        states = [run for run in runs if all((back / path.name).read_bytes() == path.read_bytes() for path in run.iterdir())]
        assert len(states) == 1, f"after {call} changes"
        seen.append(states[0].name)
        train.split(runs[1], out)  # what is left of it is in nobody's way
        shutil.rmtree(back)
        train.join(out, back)
        assert (back / "state").read_bytes() == (runs[1] / "state").read_bytes()
        if not killed:
            break
    assert sorted(set(seen)) == ["new", "old"] and seen == sorted(seen, reverse=True)


def test_programs_that_were_unpacked_in_part_are_unpacked_anew(module, kit, tmp_path, monkeypatch):
    machine = module("machine")
    for name in "bin", "lib":
        (tmp_path / "packed" / name).mkdir(parents=True)
        (tmp_path / "packed" / name / "file").write_text(name)
    with tarfile.open(kit / "packed.tar.xz", "w:xz") as archive:
        archive.add(tmp_path / "packed", ".")
    rename = pathlib.Path.rename
    for failing in "lib", "bin":
        def cut(path, target, failing=failing):
            if path.name == failing:
                raise KeyboardInterrupt
            return rename(path, target)

        with monkeypatch.context() as patched:
            patched.setattr(pathlib.Path, "rename", cut)
            with pytest.raises(KeyboardInterrupt):
                machine.Machine("cpu").unpack()
        assert not (kit / "bin").exists()
    machine.Machine("cpu").unpack()
    assert [(kit / name / "file").read_text() for name in ("bin", "lib")] == ["bin", "lib"] and not (kit / "packed.part").exists()


def test_a_training_goes_on_where_there_are_options(module, tmp_path):
    """And not where a run failed before it wrote any: it begins with the preset."""
    train = module("train")
    work, out = tmp_path / "work", tmp_path / "out"
    calls, rows = [], []

    class Options:
        small, train, minutes, device = False, [], 1, "cpu"

    class Machine:
        def call(self, *words, **_):
            calls.append([str(word) for word in words])
            return subprocess.CompletedProcess(words, 0, "", "")

    class Report:
        options, machine = Options(), Machine()

        def left(self):
            return 1000

        def expect(self, good, _):
            rows.append(bool(good))

        def row(self, **values):
            rows.append(values)

        def note(self, _):
            pass

    Report.work, Report.out = work, out
    run_folder = work / "train-run"
    run_folder.mkdir(parents=True)
    out.mkdir()
    (work / "train.pack").touch()
    (run_folder / "lock").touch()
    train.run(Report())
    assert "--preset" in calls[-1] and not rows[-2]["went_on"] and not rows[-1], "there is no state"
    (run_folder / "options.json").write_text("{}")
    train.run(Report())
    assert "--preset" not in calls[-1] and rows[-2]["went_on"] and not rows[-1] and not list(out.iterdir())
    (run_folder / "state.safetensors").write_bytes(b"1")
    train.run(Report())
    assert "--preset" not in calls[-1] and rows[-1] and {path.name for path in out.iterdir()} == {"train-state.a00", "train-state.json"}
    # On another machine, where a run failed before it found them.
    for path in run_folder.iterdir():
        path.unlink()
    train.run(Report())
    assert "--preset" not in calls[-1] and (run_folder / "state.safetensors").exists() and "--teacher" not in calls[-1]
    # Its teacher lay in another folder there.
    train.TEACHER.parent.mkdir()
    train.TEACHER.touch()
    (run_folder / "options.json").write_text(json.dumps({"teacher": f"/elsewhere/{train.TEACHER.name}"}))
    train.run(Report())
    assert calls[-1][calls[-1].index("--teacher") + 1] == str(train.TEACHER)


def test_a_report_tells_of_whatever_ends_a_command(module, tmp_path, capsys):
    report = module("report")

    class Machine:
        def card(self):
            return "a card"

        def torch_version(self):
            return "2.11.0"

    class Options:
        out, work, device, small = tmp_path / "out", tmp_path / "work", "cpu", True

    def ended(command, seconds=60.0):
        one = report.Report("speed", Machine(), Options(), seconds)
        good = one.guarded(command)
        return good, json.loads((tmp_path / "out" / "speed.json").read_text()), capsys.readouterr().out

    def rows(one):
        one.row(size=3, seconds=0.25)
        one.row(size=4, peak=None)
        one.need(1e6)

    good, said, text = ended(rows)
    assert good and said["rows"][0] == {"size": 3, "seconds": 0.25} and "time is spent" in said["notes"][0]
    assert "| 3 | 0.25 | - |" in text and text.rstrip().splitlines()[-1].startswith("speed: ok, 2 rows")

    def breaks(one):
        one.row(size=1)
        raise ValueError("no such thing")

    for command, words in ((breaks, "ValueError: no such thing"), (lambda one: None, "nothing was measured"),
                           (lambda one: subprocess.run(["sleep", "9"], timeout=0.1, check=True), "sleep did not end")):
        good, said, text = ended(command)
        assert not good and words in said["failed"][0] and "FAILED" in text.rstrip().splitlines()[-1]


def test_the_largest_difference_of_recorded_cases(module):
    largest = module("parity")._largest  # pylint: disable=protected-access
    head = f"{'case':<44} {'coordinates':>11} {'bits':>5} {'features':>11} {'raw':>11} {'image':>11}\n"
    assert largest(head + "a.safetensors - 0 - 0.25 0.1  ok\nb.safetensors 0 0 - 1e-4 0.1  FAILED\n2 cases, 1 failed, 0 skipped\n") == 0.25
    assert largest(head + "a.safetensors FAILED: no such file\n1 cases, 1 failed, 0 skipped\n") is None
    assert largest("") is None


def test_kernels_of_nsight_compute(module):
    text = "\n".join(["==PROF== Connected", '"ID","Kernel Name","Metric Name","Metric Unit","Metric Value"',
                      '"0","void hiif::kernels::DecodeKernel<Block<float, 96>>(int)","gpu__time_duration.sum","ns","1,500"',
                      '"0","void hiif::kernels::DecodeKernel<Block<float, 96>>(int)","launch__registers_per_thread","","128"',
                      '"1","elementwise(int)","gpu__time_duration.sum","ns","20"'])
    kernels = module("profile")._kernels(text)  # pylint: disable=protected-access
    assert kernels == [("DecodeKernel", {"gpu__time_duration.sum": 1500.0, "launch__registers_per_thread": 128.0}),
                       ("elementwise", {"gpu__time_duration.sum": 20.0})]


def test_what_compute_sanitizer_says(module):
    summary = module("sanitize")._summary  # pylint: disable=protected-access
    assert summary("== COMPUTE-SANITIZER\n== RACECHECK SUMMARY: 2 hazards displayed (1 error, 1 warning)\n")[1] == 1
    assert summary("== ERROR SUMMARY: 0 errors\n") == ("0 errors", 0)
    assert summary("unrecognised option") is None


def test_it_is_built_against_no_other_pytorch_than_it_names(tmp_path):
    """An unpacked one of an earlier version is fetched anew; another one that was given is refused."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", symlinks=True)
    for path, text in {"scripts/build": "exit 1", "tools/patchelf": ":"}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / path).chmod(0o755)
    wanted = (ROOT / "scripts/lib/versions.sh").read_text().split("GPU_TORCH_VERSION=")[1].split()[0]
    own = libtorch(tmp_path / "build/gpu-torch/libtorch/torch", "1.0.0", "libtorch_cpu.so")

    def said(*options, **environment):
        environment = {"PATH": f"{tmp_path}/tools:{os.environ['PATH']}", "PIP_NO_INDEX": "1", **environment}
        done = subprocess.run([tmp_path / "scripts/gpu-kit", *options], capture_output=True, text=True, timeout=60, check=False,
                              env={**{name: os.environ[name] for name in os.environ if name != "LIBTORCH_ROOT"}, **environment})
        assert done.returncode == 1
        return done.stderr.strip().splitlines()[-1]

    assert "cannot be fetched" in said()
    assert f"LIBTORCH_ROOT is 1.0.0, not {wanted}" in said(LIBTORCH_ROOT=str(own))
    (own / "version.py").write_text(f"__version__ = '{wanted}+cu130'\n")
    assert "does not build" in said() and "does not build" in said(LIBTORCH_ROOT=str(own))
    (own / "version.py").rename(own / "build-version")  # as in an archive of LibTorch
    assert "does not build" in said(LIBTORCH_ROOT=str(own)) and "not 2" in said("--cpu", LIBTORCH_ROOT=str(own))


def torch_of_the_tree():
    """LibTorch that the programs of this tree are linked with."""
    lines = subprocess.run(["ldd", BIN / "hiif-eval"], capture_output=True, text=True, check=True).stdout.splitlines()
    return next(pathlib.Path(line.split()[2]).parents[1] for line in lines if "libtorch_cpu.so" in line)


@pytest.fixture
def whole(kit):
    """The kit with the programs of this tree and what they need, and the folder of their PyTorch."""
    if not (BIN / "hiif-train").exists() or not (SHARED / "fixtures").exists():
        pytest.skip("needs the programs (scripts/build) and the recorded cases of ../shared")
    torch = torch_of_the_tree()
    version = (torch / "version.py").read_text().split("__version__ = ")[1].split("\n")[0].strip("'\" ").split("+")[0]
    (kit / "MANIFEST.json").write_text(json.dumps({"torch": version, "version": "0", "commit": "0"}))
    (kit / "bin").symlink_to(BIN)
    (kit / "models").mkdir()
    shutil.copy(ROOT / "models" / "edsr-baseline-hiif.safetensors", kit / "models")
    subprocess.run([sys.executable, ROOT / "scripts/lib/slim_fixtures.py", SHARED / "fixtures", kit / "fixtures", "hiif-edsr*"], check=True)
    (kit / "data").mkdir()
    (kit / "data" / "Set5").symlink_to(SHARED / "data" / "Set5")
    (kit / "photos").mkdir()
    for photo in sorted((SHARED / "data" / "BSDS400").glob("**/*.jpg"))[:8]:
        (kit / "photos" / photo.name).symlink_to(photo)
    reference = kit / "kit" / "reference"
    reference.mkdir()
    for name in ("limits", "coordinates", "decoders", "encoders", "network"):
        shutil.copy(ROOT / "clients" / "python" / "hiif" / "torch" / f"{name}.py", reference)
    (reference / "__init__.py").touch()
    return kit, torch


@pytest.mark.timeout(900)  # two runs of the kit, each within its own limit
def test_all_of_it_on_a_processor(whole):
    kit, torch = whole
    result = run(kit, torch, "all", "--small", "--device", "cpu", timeout=560)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-1000:]
    for name in COMMANDS:
        said = json.loads((kit / "results" / f"{name}.json").read_text())
        assert said["rows"] and not said["failed"] and said["device"] == "cpu", said
    again = run(kit, torch, "train", "0.05", "--small", "--device", "cpu", timeout=120)
    assert again.returncode == 0, again.stdout[-2000:]
    assert json.loads((kit / "results" / "train.json").read_text())["rows"][0]["went_on"]


def test_a_card_that_the_programs_cannot_use(whole, tmp_path, monkeypatch):
    kit, torch = whole
    other = libtorch(tmp_path / "torch", json.loads((kit / "MANIFEST.json").read_text())["torch"], "libtorch_cuda.so", "libc10_cuda.so")
    for library in (torch / "lib").iterdir():
        (other / "lib" / library.name).symlink_to(library)
    (tmp_path / "path").mkdir()
    smi = tmp_path / "path" / "nvidia-smi"
    smi.write_text("#!/bin/sh\ncase $1 in *name*) echo 'Some GPU, 81559, 580.0' ;; *) echo 100 ;; esac\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:{os.environ['PATH']}")
    result = run(kit, other, "parity", "speed", "serve", "profile", "--small", "--device", "cuda", "--seconds", "200", timeout=300)
    assert result.returncode == 1 and result.stderr.strip() == "failed: parity, speed, serve, profile", result.stdout[-3000:]
    assert result.stdout.startswith("Some GPU, 81559, 580.0; PyTorch")
    for name in ("parity", "speed", "serve", "profile"):
        said = json.loads((kit / "results" / f"{name}.json").read_text())
        assert said["card"] == "Some GPU, 81559, 580.0" and any('"cuda" is not there' in line or "no CUDA" in line for line in said["failed"]), said


@pytest.mark.skipif(not KIT.exists(), reason="no kit: scripts/gpu-kit makes it (or HIIF_GPU_KIT names one)")
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("debootstrap") is None, reason="needs root and debootstrap")
def test_it_runs_in_a_bare_chroot():
    result = subprocess.run([ROOT / "scripts" / "verify", "gpu-kit", KIT], capture_output=True, text=True, timeout=900, check=False,
                            env={**os.environ, "HIIF_KIT_SECONDS": "600"})  # how long it takes is the figure's
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-1000:]
