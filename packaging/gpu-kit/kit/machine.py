"""The machine: what it must have, where its PyTorch lies, and how the kit's programs are started on it."""

import importlib.util
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
MANIFEST = json.loads((ROOT / "MANIFEST.json").read_text())
GLIBC = (2, 36)  # of the machine that the programs were built on
# Those that compute: the others need no libtorch_cuda.so, whose loading takes seconds.
ON_DEVICE = ("hiif-server", "hiif-eval", "hiif-train")


def _version(text):
    return tuple(int(part) for part in text.split("+")[0].split(".")[:2])


def _smi(query):
    """A line of nvidia-smi for each card; none where there is no card."""
    try:
        out = subprocess.run(["nvidia-smi", "--query-gpu=" + query, "--format=csv,noheader,nounits"], capture_output=True, text=True,
                             timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return out.stdout.strip().splitlines() if out.returncode == 0 else []


class Machine:
    """device: cuda, cuda:N or cpu."""

    def __init__(self, device):
        self.device = device
        self.cuda = device != "cpu"
        self.number = int(device.partition(":")[2] or 0) if self.cuda else 0
        spec = importlib.util.find_spec("torch")
        self.python_torch = spec is not None and spec.origin is not None
        self.torch = pathlib.Path(spec.origin).parent if self.python_torch else None
        if os.environ.get("HIIF_KIT_TORCH"):  # a LibTorch without Python
            self.torch = pathlib.Path(os.environ["HIIF_KIT_TORCH"])

    def torch_version(self):
        """Without importing it, which takes seconds and CUDA's libraries."""
        text = (self.torch / "version.py").read_text()
        return text.split("__version__ = ")[1].split("\n")[0].strip("'\" ")

    def missing(self):
        """What keeps everything from running, in words."""
        lines = []
        if sys.version_info < (3, 10):
            lines.append(f"Python 3.10 or newer: this is {platform.python_version()}")
        if platform.machine() != "x86_64":
            lines.append(f"an x86-64 processor: this is {platform.machine()}")
        libc = platform.libc_ver()
        if libc[0] != "glibc" or _version(libc[1]) < GLIBC:
            lines.append(f"glibc {GLIBC[0]}.{GLIBC[1]} or newer: this has {' '.join(libc).strip() or 'another'}")
        if self.cuda and not self.card():
            lines.append("a GPU: nvidia-smi names none (--device cpu runs without)")
        if self.torch is None:
            lines.append(f"PyTorch {MANIFEST['torch']}: this Python ({sys.executable}) has none")
            return lines
        version = self.torch_version()
        if _version(version) != _version(MANIFEST["torch"]):
            lines.append(f"PyTorch {MANIFEST['torch']}, which the programs are built for: this has {version}")
        for name in ("libtorch_cpu.so", "libc10.so", *(["libtorch_cuda.so", "libc10_cuda.so"] if self.cuda else [])):
            if not (self.torch / "lib" / name).exists():
                lines.append(f"{name} in {self.torch / 'lib'}" + (": a CUDA build of PyTorch, or --device cpu" if "cuda" in name else ""))
        return lines

    def lacking(self, commands):
        """What leaves a part of them out, in words."""
        lines = []
        if not self.python_torch and "speed" in commands:
            lines.append(f"{sys.executable} cannot import torch: no comparison with PyTorch itself, no peak of the device")
        elif importlib.util.find_spec("numpy") is None and "speed" in commands:
            lines.append(f"{sys.executable} has no NumPy: no comparison with PyTorch itself")
        if self.cuda and "profile" in commands and shutil.which("ncu") is None:
            lines.append("no ncu (Nsight Compute) on the PATH: the profile has stages alone")
        if not any((ROOT / "photos").glob("*.jpg")) and "train" in commands:
            lines.append("this kit has no photographs: nothing to train on")
        return lines

    def describe(self):
        """One line: the card, PyTorch, the processor."""
        return (f"{self.card() or 'no GPU'}; PyTorch {self.torch_version()}; {len(os.sched_getaffinity(0))} processors; {platform.platform()}; "
                f"kit {MANIFEST['version']} of {MANIFEST['commit']}")

    def card(self):
        """Name, MiB of memory and driver of the device's card, as nvidia-smi has them; empty where there is none."""
        cards = _smi("name,memory.total,driver_version") if self.cuda else []
        return cards[self.number].strip() if len(cards) > self.number else ""

    def card_memory_used(self):
        """Bytes in use on the card by nvidia-smi; None without one."""
        used = _smi("memory.used")
        return int(used[self.number]) << 20 if len(used) > self.number and used[self.number].strip().isdigit() else None

    def unpack(self):
        """bin/ and lib/, once."""
        if (ROOT / "bin").exists():
            return
        fresh = ROOT / "packed.part"
        shutil.rmtree(fresh, ignore_errors=True)
        with tarfile.open(ROOT / "packed.tar.xz") as archive:
            archive.extractall(fresh, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        # bin/ last: where it is, everything is.
        shutil.rmtree(ROOT / "lib", ignore_errors=True)
        for name in "lib", "bin":
            if (fresh / name).exists():
                (fresh / name).rename(ROOT / name)
        shutil.rmtree(fresh)

    def environment(self, program, **more):
        """What a program is started with."""
        folders = [self.torch / "lib", *sorted(self.torch.parent.glob("nvidia/*/lib"))]
        environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, folders)), **more}
        if self.cuda and program in ON_DEVICE:
            environment["LD_PRELOAD"] = str(self.torch / "lib" / "libtorch_cuda.so")
        return environment

    def command(self, program, *arguments):
        return [str(ROOT / "bin" / program), *map(str, arguments)]

    def start(self, program, *arguments, **environment):
        """A Popen, output as text."""
        return subprocess.Popen(self.command(program, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=self.environment(program, **environment), cwd=ROOT)

    def call(self, program, *arguments, timeout, **environment):
        """Its CompletedProcess, output as text."""
        return subprocess.run(self.command(program, *arguments), capture_output=True, text=True, timeout=max(timeout, 1),
                              check=False, env=self.environment(program, **environment), cwd=ROOT)
