"""The Dockerfile, read: what `scripts/verify image`, which builds the target cpu, cannot say of the target cuda."""

import json
import re
import shutil
import subprocess

from dockerfile import TEXT, environment, stages
from processes import BIN, ROOT


def test_hadolint():
    done = subprocess.run([ROOT / ".venv/bin/hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_one_argument_pins_the_base_of_every_stage():
    assert re.findall(r"^ARG BASE=debian:\S+$", TEXT.split("FROM")[0], re.MULTILINE)
    assert {instructions[0][1] for instructions in stages().values()} == {"${BASE}"}


def test_an_edit_of_a_source_installs_nothing():
    """What installs stands before the sources, with nothing of the tree below it but what scripts/setup reads."""
    for name in "build-cpu", "build-cuda":
        instructions = stages()[name]
        sources = instructions.index(["COPY", ".", "."])
        installs = [i for i, words in enumerate(instructions) if {"scripts/setup", "install"} & set(words) and words[0] == "RUN"]
        assert installs and max(installs) < sources, name
        copied = {path for words in instructions[:sources] if words[0] == "COPY" for path in words[1:-1]}
        assert copied == {"scripts/setup", "scripts/lib/common.sh", "scripts/lib/packages.txt", "scripts/lib/versions.sh"}


def test_setup_needs_no_more_than_is_copied_for_it(tmp_path):
    folder, tools = tmp_path / "src", tmp_path / "tools"
    for words in stages()["dependencies"]:
        for path in words[1:-1] if words[0] == "COPY" else ():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, folder / words[-1])
    tools.mkdir()
    for tool in "bash", "env", "dirname", "basename", "awk", "sort", "tr", "sed", "cat":  # no dpkg: nothing is installed
        (tools / tool).symlink_to(shutil.which(tool))
    done = subprocess.run(["bash", "scripts/setup"], cwd=folder, env={"PATH": str(tools), "LIBTORCH_ROOT": "/opt/libtorch"},
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "libvips" in done.stdout or "vips-devel" in done.stdout


def test_cuda_has_the_libtorch_that_is_tested():
    assert '"torch==${CUDA_TORCH_VERSION}"' in TEXT and not re.search(r"torch==\d", TEXT)
    assert '"torch==$CUDA_TORCH_VERSION"' in (ROOT / "scripts/verify.d/cuda-links").read_text()
    presets = {preset["name"] for preset in json.loads((ROOT / "CMakePresets.json").read_text())["buildPresets"]}
    assert set(re.findall(r"scripts/build (\S+) ", TEXT)) == {"programs", "cuda"} <= presets


def test_cpu_and_cuda_run_alike():
    """Below each other's names and the variables for devices: the same instructions, as a user that is a number."""
    def comparable(name):
        own = re.compile(rf"(?<=build-){name}|(?<=image/){name}")
        return [[own.sub("own", word) for word in words] for words in stages()[name]
                if not (words[0] == "ENV" and words[1].startswith("NVIDIA_"))]

    assert comparable("cpu") == comparable("cuda")
    assert comparable("cpu")[-1] == ["USER", "10001:10001"]
    assert any(words[0] == "HEALTHCHECK" for words in comparable("cuda"))
    assert list(stages())[-1] == "cpu", "docker build without --target makes the last"


def test_settings_are_a_file_that_another_one_replaces():
    """Not variables, which win over every file; and what is in it fits what else the Dockerfile says."""
    read = {}
    for name in "cpu", "cuda":
        copied = {words[-1]: words[-2] for words in stages()[name] if words[0] == "COPY"}
        variables = {k: v for k, v in environment(name).items() if k.startswith("HIIF_")}
        assert variables == {"HIIF_CONFIG": "/etc/hiif/server.json"}
        read[name] = json.loads((ROOT / copied[variables["HIIF_CONFIG"]]).read_text())
        exposed = next(words[1:] for words in stages()[name] if words[0] == "EXPOSE")
        assert [*read[name]["listen"], read[name]["management_listen"]] == [f"[::]:{port}" for port in exposed]
        assert f"{read[name]['model_dir']}/" in copied
    assert read["cuda"] == {**read["cpu"], "device": "cuda"}
    done = subprocess.run([BIN / "hiif-server", "--print-config"], env={"HIIF_CONFIG": str(ROOT / "packaging/image/cpu.json")},
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert {name: printed[name] for name in read["cpu"]} == read["cpu"]


def test_who_builds_it_is_told_of_buildkit():
    """It mounts and changes modes, which the builder that docker before 23 takes unless told does not know."""
    assert "RUN --mount" in TEXT and "COPY --chmod" in TEXT
    pages = {path.name for path in (ROOT / "README.md", ROOT / "Dockerfile", *(ROOT / "docs").glob("*.md"))
             if re.search(r"docker build (?=.*-t )", path.read_text()) and "DOCKER_BUILDKIT=1" not in path.read_text()}
    assert not pages


def test_what_is_copied_is_for_everybody_to_read():
    """Whatever the umask of who builds: the server is a user of its own."""
    for name in "cpu", "cuda":
        for words in stages()[name]:
            if words[0] == "COPY" and not words[1].startswith("--from="):
                assert words[1] == ("--chmod=0755" if words[-1].endswith("bin/") else "--chmod=0644"), words


def test_the_devcontainer_names_what_is_there():
    told = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert (ROOT / ".devcontainer" / told["build"]["dockerfile"]).resolve() == ROOT / "Dockerfile"
    assert (ROOT / ".devcontainer" / told["build"]["context"]).resolve() == ROOT
    assert told["build"]["target"] in stages()
    for command in told["postCreateCommand"].split("&&"):
        assert (ROOT / command.split()[0]).is_file()
