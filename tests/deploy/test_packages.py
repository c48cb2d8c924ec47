"""What people install: packages of scripts/package, each tried where nothing is prepared."""

import gzip
import io
import json
import pathlib
import re
import shutil
import subprocess
import tarfile
import zipfile

import pytest
from PIL import Image

from processes import BIN, ROOT, run_server


def verify(*arguments):
    """scripts/verify with these; what it printed."""
    done = subprocess.run(["scripts/verify", *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)  # fmt: skip
    assert done.returncode == 0 and f"{arguments[0]}: ok" in done.stdout, done.stdout
    return done.stdout


@pytest.mark.timeout(900)
def test_client_with_the_oldest_protobuf_and_grpcio_it_declares():
    # grpcio has wheels for Python 3.13 from 1.67 on, which wants protobuf 5.
    of_system = subprocess.run(["/usr/bin/python3", "-c", "import sys; print(sys.version_info >= (3, 13))"], check=True,
                               capture_output=True, text=True).stdout.strip()  # fmt: skip
    oldest = "protobuf 5" if of_system == "True" else "protobuf 4.21.6, grpcio 1.51.1"
    assert oldest in verify("client-versions", "--short")


def test_release_names_one_version_and_says_what_is_inside(tmp_path):
    checked = subprocess.run(["scripts/release", "--check"], cwd=ROOT, capture_output=True, text=True, check=True)
    version = checked.stdout.split()[0]
    wheel = tmp_path / f"hiif_client-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"hiif_client-{version}.dist-info/METADATA", "Requires-Dist: grpcio>=1.51.1\n")
        archive.write(ROOT / "models/edsr-baseline-hiif-fast.safetensors")
    subprocess.run(["scripts/setup", "--package"], cwd=ROOT, check=True, capture_output=True)
    subprocess.run([ROOT / ".venv/bin/python", "scripts/lib/make_sbom.py", wheel, version], cwd=ROOT, check=True)
    bom = json.loads(pathlib.Path(f"{wheel}.cdx.json").read_text())
    assert bom["bomFormat"] == "CycloneDX" and bom["metadata"]["component"]["name"] == "hiif-client"
    assert {c["name"]: c["type"] for c in bom["components"]} == {"grpcio": "library",
                                                                "edsr-baseline-hiif-fast": "machine-learning-model"}


def tar(files):
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def test_an_image_says_what_its_last_layers_hold(tmp_path):
    """As docker and podman save it. A package that was removed is none, a file counts as the last layer has it."""
    status = "Package: libvips42\nStatus: install ok installed\nVersion: {}\n"
    gone = "\nPackage: gcc\nStatus: deinstall ok config-files\nVersion: 1\n"
    layers = {"base.tar": tar({"var/lib/dpkg/status": status.format(1).encode()}),
              "own.tar": tar({"var/lib/dpkg/status": (status.format(2) + gone).encode(), "opt/hiif/lib/libtorch_cpu.so": b"",
                              "models/bicubic.safetensors": (ROOT / "models/bicubic.safetensors").read_bytes()})}
    image = tmp_path / "hiif-serve-image_0.1.0_amd64.tar.gz"
    image.write_bytes(gzip.compress(tar({"manifest.json": json.dumps([{"Layers": list(layers)}]).encode(), **layers})))
    subprocess.run(["scripts/setup", "--package"], cwd=ROOT, check=True, capture_output=True)
    subprocess.run([ROOT / ".venv/bin/python", "scripts/lib/make_sbom.py", image, "0.1.0"], cwd=ROOT, check=True)
    bom = json.loads(pathlib.Path(f"{image}.cdx.json").read_text())
    versions = {c["name"]: c["version"] for c in bom["components"]}
    assert bom["metadata"]["component"]["name"] == "hiif-serve-image"
    assert versions.keys() == {"libvips42", "libtorch", "bicubic"} and versions["libvips42"] == "2"


def test_installed_programs_find_their_libraries_and_models(tmp_path):
    """cmake --install into a prefix; used from elsewhere, with nothing in the environment."""
    prefix = tmp_path / "prefix"
    subprocess.run(["cmake", "--install", BIN.parent, "--component", "runtime", "--prefix", prefix], check=True,
                   capture_output=True)  # fmt: skip
    assert (prefix / "share/man/man1/hiif.1").stat().st_size > 1000
    linked = subprocess.run(["ldd", prefix / "bin/hiif-server"], capture_output=True, text=True, check=True).stdout
    assert re.search(rf"libtorch_cpu.so => {prefix}/\S*lib/\S*hiif/", linked), linked
    done = subprocess.run([prefix / "bin/hiif", "upscale", ROOT / "examples/chelsea.png", "-o", tmp_path / "large.png",
                           "--scale", "1.5", "--crop", "0,0,60,40", "-n", "edsr-baseline-hiif-fast"], cwd=tmp_path,
                          env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "large.png").size == (90, 60)


def test_the_client_ships_no_module_that_was_removed(tmp_path):
    """What an earlier build left in build/python."""
    shutil.copytree(ROOT / "clients/python", tmp_path / "clients/python", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    shutil.copy(ROOT / "CMakeLists.txt", tmp_path)
    left = tmp_path / "build/python/lib/hiif/torch/removed.py"
    left.parent.mkdir(parents=True)
    left.touch()
    subprocess.run([ROOT / ".venv/bin/python", "setup.py", "-q", "build"], cwd=tmp_path / "clients/python", check=True,
                   capture_output=True)  # fmt: skip
    assert {path.name for path in left.parent.iterdir()} == {
        path.name for path in (ROOT / "clients/python/hiif/torch").glob("*.py")}
    assert (tmp_path / "build/python/lib/hiif/v1/super_resolution_pb2.py").exists()


def test_figures_of_a_package_take_that_of_an_earlier_version_for_none():
    """They find it by a pattern, which both would match."""
    made = {}
    for path in (ROOT / "scripts/verify.d").iterdir():
        before, call, after = path.read_text().partition("scripts/package ")
        if call:
            made[after.split()[0]] = re.findall(r"rm -f (build/dist/\S+)", before)
    assert made == {"deb": ["build/dist/*.deb"], "wheel": ["build/dist/hiif_serve-*"],
                    "client": ["build/dist/hiif_client-*"], "image": ["build/dist/hiif-serve-image_*"]}


def test_setup_without_dpkg_names_the_packages(tmp_path):
    """As on Fedora: a PATH without dpkg and apt."""
    for tool in ("bash", "env", "dirname", "basename", "awk", "sort", "tr", "sed", "cat", "python3", "uname"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    done = subprocess.run(["bash", "scripts/setup"], cwd=ROOT, env={"PATH": str(tmp_path), "LIBTORCH_ROOT": "/somewhere"},
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "dnf install" in done.stdout and "grpc-devel" in done.stdout and "gtest-devel" not in done.stdout


def test_health_check_of_the_image_with_tls_and_proxies(tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout",
                    tmp_path / "key.pem", "-out", tmp_path / "cert.pem"], check=True, capture_output=True)  # fmt: skip
    flags = ["--tls-certificate", tmp_path / "cert.pem", "--tls-key", tmp_path / "key.pem"]
    nowhere = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy")}

    def check(listen):
        return subprocess.run([ROOT / "packaging/image/healthcheck"], env={**nowhere, "HIIF_MANAGEMENT_LISTEN": listen},
                              capture_output=True, timeout=30, check=False).returncode

    with run_server(tmp_path, *flags) as server:
        port = server.management.rsplit(":", 1)[1]
        assert check(f"0.0.0.0:{port}") == 0 and check(f"127.0.0.1:{port}") == 0
    assert check(f"127.0.0.1:{port}") == 1


def test_health_check_of_the_image_without_a_management_port(tmp_path):
    """The service itself is asked, where it can be: by a program that stands in for hiif."""
    def check(**settings):
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HIIF_MANAGEMENT_LISTEN": "", **settings}
        return subprocess.run([ROOT / "packaging/image/healthcheck"], env=environment, capture_output=True, text=True,
                              timeout=30, check=False)

    assert check().returncode == 0  # no hiif: nobody can be asked
    stub = tmp_path / "hiif"
    stub.write_text('#!/bin/bash\necho "$@"\nexit "${SERVING:-0}"\n')
    stub.chmod(0o755)
    for listen, server in {"[::]:8500": "127.0.0.1:8500", "0.0.0.0:85,unix:/run/b": "127.0.0.1:85",
                           "10.0.0.1:1": "10.0.0.1:1", "[::1]:85": "[::1]:85", "unix:/run/hiif": "unix:/run/hiif",
                           "": "127.0.0.1:8500"}.items():
        asked = check(HIIF_LISTEN=listen)
        assert asked.returncode == 0 and asked.stdout.startswith(f"health --server {server} "), (listen, asked)
    assert check(SERVING="1").returncode == 1 and check(SERVING="3").returncode != 0
    # Whom it trusts is not known here.
    tls = check(HIIF_LISTEN="[::]:8500", HIIF_TLS_CERTIFICATE="/tls/tls.crt", SERVING="3")
    assert tls.returncode == 0 and not tls.stdout


@pytest.mark.usefixtures("clone")
def test_nothing_is_left_in_the_tree():
    """What setuptools writes goes to build/."""
    written = subprocess.run(["git", "ls-files", "--others", "--exclude-standard", "--directory"], cwd=ROOT,
                             capture_output=True, text=True, check=True).stdout.split()  # fmt: skip
    assert not [path for path in written if "egg-info" in path or "build" in path]
    assert not (ROOT / "clients/python/build").exists()


def test_what_would_break_a_client_is_found(tmp_path):
    """buf breaking, which scripts/lint runs, against the proto of the last release."""
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    proto = tmp_path / "proto/hiif/v1/super_resolution.proto"
    buf = [ROOT / ".venv/bin/buf", "breaking", tmp_path / "proto", "--against", ROOT / "proto/released.binpb"]
    assert subprocess.run(buf, capture_output=True, check=False).returncode == 0
    field = re.search(r"^  int64 height = (\d+);", proto.read_text(), re.MULTILINE)
    proto.write_text(proto.read_text().replace(field[0], f"  string height = {field[1]};", 1))
    done = subprocess.run(buf, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "height" in done.stdout
