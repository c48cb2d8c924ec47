"""The machine: what it must have, where its PyTorch lies, and how the kit's programs are started on it."""

import importlib.util
import json
import os
import pathlib
import platform
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
MANIFEST = json.loads((ROOT / "MANIFEST.json").read_text())
GLIBC = (2, 36)  # of the machine that the programs were built on


def _version(text):
    return tuple(int(part) for part in text.split("+")[0].split(".")[:2])


class Machine:
    """device: cuda, cuda:N or cpu."""

    def __init__(self, device):
        self.device = device
        self.cuda = device != "cpu"
        spec = importlib.util.find_spec("torch")
        self.torch = pathlib.Path(spec.origin).parent if spec and spec.origin else None
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
        if self.torch is None:
            lines.append(f"PyTorch {MANIFEST['torch']}: this Python ({sys.executable}) has none")
            return lines
        version = self.torch_version()
        if _version(version) != _version(MANIFEST["torch"]):
            lines.append(f"PyTorch {MANIFEST['torch']}, which the programs are built for: this has {version}")
        for name in ("libtorch_cpu.so", "libc10.so", *(["libtorch_cuda.so", "libc10_cuda.so"] if self.cuda else [])):
            if not (self.torch / "lib" / name).exists():
                lines.append(f"{name} in {self.torch / 'lib'}" + (": a CUDA build of PyTorch, or --device cpu" if "cuda" in name else ""))
        if self.cuda and not self.card():
            lines.append("a GPU: nvidia-smi names none (--device cpu runs without)")
        return lines

    def card(self):
        """Name, memory and driver, as nvidia-smi has them; empty where there is none."""
        try:
            out = subprocess.run(["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"],
                                 capture_output=True, text=True, timeout=30, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return out.stdout.strip().splitlines()[0] if out.returncode == 0 and out.stdout.strip() else ""

    def card_memory_used(self):
        """Bytes in use on the card by nvidia-smi; None without one."""
        try:
            out = subprocess.run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"],
                                 capture_output=True, text=True, timeout=30, check=False)
            return int(out.stdout.split()[0]) << 20
        except (OSError, ValueError, IndexError, subprocess.TimeoutExpired):
            return None

    def unpack(self):
        """bin/, lib/ and fixtures/, once."""
        if (ROOT / "bin").exists():
            return
        with tarfile.open(ROOT / "packed.tar.xz") as archive:
            archive.extractall(ROOT, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))

    def environment(self, **more):
        """What the programs are started with."""
        folders = [self.torch / "lib", *sorted(self.torch.parent.glob("nvidia/*/lib"))]
        environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, folders)), **more}
        if self.cuda:
            environment["LD_PRELOAD"] = str(self.torch / "lib" / "libtorch_cuda.so")
        return environment

    def command(self, program, *arguments):
        return [str(ROOT / "bin" / program), *map(str, arguments)]

    def call(self, program, *arguments, timeout, **environment):
        """Its CompletedProcess, output as text."""
        return subprocess.run(self.command(program, *arguments), capture_output=True, text=True, timeout=max(timeout, 1),
                              check=False, env=self.environment(**environment), cwd=ROOT)
