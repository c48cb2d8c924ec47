"""FILE.cdx.json beside a .deb, a .whl or an image of scripts/package: what is inside and what it depends on, as CycloneDX 1.6."""

import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

FILE, VERSION = pathlib.Path(sys.argv[1]), sys.argv[2]
ROOT = pathlib.Path(__file__).resolve().parents[2]
TORCH = re.search(r"^TORCH_VERSION=(.*)$", (ROOT / "scripts/lib/versions.sh").read_text(), re.MULTILINE)[1]
LICENCES = LicenseFactory()


def component(name, version, licence=None, kind=ComponentType.LIBRARY, purl=None, content=None, scope=None,
              description=None):
    return Component(
        name=name, version=version, type=kind, purl=purl, scope=scope, bom_ref=f"{name}@{version}",
        description=description,
        licenses=[LICENCES.make_from_string(licence)] if licence else (),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(content).hexdigest())] if content else ())


def debian(package, scope=None):
    """A Debian package as it is installed here, which is what was linked."""
    got = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=False)
    version = got.stdout or None
    return component(package, version, purl=PackageURL("deb", "debian", package, version), scope=scope)


def models(folder):
    """Their versions are the beginning of the digest, as the server says it; the licence is in their metadata."""
    for path in sorted(folder.rglob("*.safetensors")):
        content = path.read_bytes()
        metadata = json.loads(content[8:8 + int.from_bytes(content[:8], "little")])["__metadata__"]
        yield component(path.stem, hashlib.sha256(content).hexdigest()[:12], metadata.get("license"),
                        ComponentType.MACHINE_LEARNING_MODEL, content=content)


def unpack_image(folder):
    """Of an image (as docker and podman save it) what parts() reads, each file as the last layer has it."""
    wanted = re.compile(r"(?:\./)?(var/lib/dpkg/status|models/[^/]+\.safetensors|.*/libtorch_cpu\.so)$")
    with tarfile.open(FILE) as image:
        for name in json.load(image.extractfile("manifest.json"))[0]["Layers"]:
            with tarfile.open(fileobj=image.extractfile(name)) as layer:
                for member in layer:
                    if member.isfile() and (found := wanted.match(member.name)):
                        path = folder / found[1]
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.write_bytes(layer.extractfile(member).read())


def installed(status):
    """The packages of a system, by dpkg's own list of them."""
    for paragraph in status.read_text().split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Status): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status") == "install ok installed":
            purl = PackageURL("deb", "debian", fields["Package"], fields["Version"])
            yield component(fields["Package"], fields["Version"], purl=purl)


def parts(folder):
    """The components of an unpacked package."""
    if FILE.suffix == ".deb":
        depends = subprocess.run(["dpkg-deb", "-f", FILE, "Depends"], capture_output=True, text=True, check=True).stdout
        for name in sorted({re.match(r"[^\s(|]+", entry.strip())[0] for entry in depends.split(",")}):
            yield debian(name, ComponentScope.REQUIRED)
    elif FILE.suffix == ".gz":
        yield from installed(folder / "var/lib/dpkg/status")
    else:
        for metadata in folder.glob("*.dist-info/METADATA"):
            for name, bounds in re.findall(r"^Requires-Dist: ([\w-]+)([^;\n]*)$", metadata.read_text(), re.MULTILINE):
                yield component(name, None, description=f"declared as {name}{bounds}", purl=PackageURL("pypi", name=name))
        for licence in sorted(folder.glob("hiif_serve/licenses/*")):
            if not licence.name.startswith(("hiif-serve.", "libtorch", "SOURCES")):
                yield debian(licence.name)
    if any(folder.rglob("libtorch_cpu*")):
        yield component("libtorch", TORCH, "BSD-3-Clause", purl=PackageURL("pypi", name="torch", version=TORCH))
    yield from models(folder)


bom = Bom()
bom.metadata.component = component(re.split(r"[_-]\d", FILE.name)[0].replace("_", "-"), VERSION, "Apache-2.0",
                                   ComponentType.APPLICATION, content=FILE.read_bytes())
with tempfile.TemporaryDirectory() as temporary:
    unpacked = pathlib.Path(temporary)
    if FILE.suffix == ".deb":
        subprocess.run(["dpkg-deb", "-x", FILE, unpacked], check=True)
    elif FILE.suffix == ".gz":
        unpack_image(unpacked)
    else:
        zipfile.ZipFile(FILE).extractall(unpacked)
    for part in parts(unpacked):
        bom.components.add(part)
bom.register_dependency(bom.metadata.component, bom.components)
text = JsonV1Dot6(bom).output_as_string(indent=1)
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
if error:
    sys.exit(f"make_sbom: not CycloneDX: {error}")
FILE.with_name(FILE.name + ".cdx.json").write_text(text)
