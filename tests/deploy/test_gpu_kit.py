"""The kit for GPU machines, as scripts/gpu-kit made it, in a bare chroot; what it says on a machine that lacks something."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
KIT = pathlib.Path(os.environ.get("HIIF_GPU_KIT", ROOT / "build" / "dist" / "hiif-gpu-kit.tar"))


@pytest.fixture
def kit(tmp_path):
    """run and its parts, without programs."""
    folder = tmp_path / "kit"
    shutil.copytree(ROOT / "packaging" / "gpu-kit", folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "MANIFEST.json").write_text(json.dumps({"torch": "2.11.0", "version": "0", "commit": "0"}))
    return folder


def libtorch(folder, version, *libraries):
    """A PyTorch, as far as `run` looks at it."""
    (folder / "lib").mkdir(parents=True)
    (folder / "version.py").write_text(f"__version__ = '{version}'\n")
    for name in libraries:
        (folder / "lib" / name).touch()
    return folder


def run(kit, torch, *arguments):
    return subprocess.run([sys.executable, kit / "run", *arguments], capture_output=True, text=True, timeout=60, check=False,
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
    assert not (kit / "results").exists()


def test_a_command_it_does_not_have(kit, tmp_path):
    result = run(kit, libtorch(tmp_path / "torch", "2.11.0"), "dance")
    assert result.returncode == 2 and "parity" in result.stderr


@pytest.mark.skipif(not KIT.exists(), reason="no kit: scripts/gpu-kit makes it (or HIIF_GPU_KIT names one)")
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("debootstrap") is None, reason="needs root and debootstrap")
def test_it_runs_in_a_bare_chroot():
    result = subprocess.run([ROOT / "scripts" / "verify", "gpu-kit", KIT], capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-1000:]
