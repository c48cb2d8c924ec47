"""The scripts, called from elsewhere than the root of the repository, and after a call that was cut off."""

import os
import re
import shutil
import stat
import subprocess

import pytest

from processes import ROOT


@pytest.fixture
def tree(tmp_path):
    """The scripts in a repository of their own."""
    root = tmp_path / "repository"
    shutil.copytree(ROOT / "scripts", root / "scripts", symlinks=True)
    return root


def run(script, *arguments, cwd, **environment):
    return subprocess.run([script, *arguments], cwd=cwd, capture_output=True, text=True, timeout=300, check=False,
                          env={**os.environ, **environment})


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/usr/bin/env bash\nset -eu\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize("script, file", [("get-dat", "dat-light-x4"), ("get-realesrgan", "realesrgan-x4plus")])
def test_a_folder_for_weights_is_the_callers(tree, tmp_path, script, file):
    (tmp_path / "mine" / "weights").mkdir(parents=True)
    (tmp_path / "mine" / "weights" / f"{file}.safetensors").touch()
    for folder in ("weights", tmp_path / "mine" / "weights"):
        done = run(tree / "scripts" / script, folder, cwd=tmp_path / "mine")
        assert done.returncode == 0 and "is there" in done.stdout, done.stderr
    (tree / "runs" / "teachers").mkdir(parents=True)
    (tree / "runs" / "teachers" / f"{file}.safetensors").touch()
    assert run(tree / "scripts" / script, cwd=tmp_path).stdout.startswith("runs/teachers/")


def test_the_demo_takes_the_callers_picture(tree, tmp_path):
    (tmp_path / "mine").mkdir()
    (tree / "photo.png").touch()
    done = run(tree / "scripts" / "demo", "photo.png", cwd=tmp_path / "mine")
    assert done.returncode == 1 and f"cannot read {tmp_path}/mine/photo.png" in done.stderr


def test_a_figures_arguments_are_the_callers(tree, tmp_path):
    program(tree / "scripts/verify.d/told", '. "$(dirname "$0")/../lib/verify.sh"\necho "$PWD $(from_caller "$1") $(from_caller /x)"\n')
    done = run(tree / "scripts/verify", "told", "file", cwd=tmp_path)
    assert done.stdout.split() == [str(tree), str(tmp_path / "file"), "/x"], done.stderr


def test_decoders_are_trained_from_anywhere(tree, tmp_path):
    """And gone on with where a run has options, with a checkpoint or without."""
    mine = tmp_path / "mine"
    (mine / "photos").mkdir(parents=True)
    calls = tmp_path / "calls"
    log = f'echo "$(basename "$0") $PWD $*" >>{calls}\n'
    program(tree / "build/release/bin/hiif-data", log + 'touch "$4"\n')
    program(tree / "build/release/bin/hiif-eval", log)
    program(tree / "build/release/bin/hiif-train",
            log + 'mkdir -p "$2"; touch "$2/options.json"; [ -z "${FAIL:-}" ]; touch "$2/weights.safetensors"\n')

    def trained(**environment):
        calls.unlink(missing_ok=True)
        done = run(tree / "scripts/train-decoders", "photos", "--out", "out", "--decoders", "liif", "--validation", "held.pack",
                   cwd=mine, HIIF_EVAL_DATA="photos", **environment)
        return done.returncode, calls.read_text().splitlines()

    folder = mine / "out" / "runs" / "edsr-baseline-liif"
    code, lines = trained(FAIL="1")
    assert code == 1 and lines[0].startswith(f"hiif-data {tree} pack {mine}/photos -o {mine}/out/photos.pack")
    assert lines[1].startswith(f"hiif-train {mine} --run {folder} --preset decoders-liif --seed 1 --data {mine}/out/photos.pack")
    assert lines[1].endswith("--validation held.pack") and len(lines) == 2
    code, lines = trained()
    base = tree / "models" / "edsr-baseline-hiif.safetensors"
    assert code == 0 and lines[0] == (
        f"hiif-train {mine} --run {folder} --data {mine}/out/photos.pack --teacher {base} --validation held.pack")
    assert (mine / "out" / "edsr-baseline-liif.safetensors").exists()
    assert f"--data {mine}/photos" in lines[1] and lines[1].startswith(f"hiif-eval {tree} report")
    # Other photographs are packed anew.
    (mine / "photos" / "another.jpg").touch()
    assert trained()[1][0].startswith(f"hiif-data {tree} pack") and not trained()[1][0].startswith("hiif-data")


def test_an_environment_that_was_cut_off_is_made_anew(tree):
    """Its python is there, and no pip."""
    python = tree / ".venv/bin/python"
    program(python, 'echo "No module named pip" >&2; exit 1\n')
    (tree / ".venv" / "rest").touch()
    tools = tree / "tools"
    tools.mkdir()
    for tool in "bash", "env", "dirname", "basename", "awk", "sort", "tr", "sed", "cat":  # no dpkg: nothing is installed
        (tools / tool).symlink_to(shutil.which(tool))

    def setup():
        done = subprocess.run(["bash", "scripts/setup"], cwd=tree, env={"PATH": str(tools), "LIBTORCH_ROOT": "/somewhere"},
                              capture_output=True, text=True, timeout=300, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr

    setup()
    assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    assert not (tree / ".venv" / "rest").exists()
    (tree / ".venv" / "kept").touch()
    setup()
    assert (tree / ".venv" / "kept").exists()


def test_every_environment_is_made_so():
    """By make_venv, but where there can be none before: a chroot just made, a folder just emptied."""
    made = {}
    for path in (ROOT / "scripts").rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            lines = [line for line in path.read_text().splitlines()
                     if re.search(r"-m[\s\"',]+venv\b|virtualenv|EnvBuilder", line)]
            if lines:
                made[str(path.relative_to(ROOT / "scripts"))] = lines
    (own,) = made.pop("lib/common.sh")
    assert own.startswith("make_venv() { ")
    assert made == {"verify.d/wheel": ['/usr/bin/python3 -m venv "$venv"'],
                    "verify.d/client-versions": ["/usr/bin/python3 -m venv venv"]}


def test_what_is_packaged_is_for_everybody_to_read():
    """Also where the one who makes it keeps files to himself."""
    for script in "package", "release":
        lines = (ROOT / "scripts" / script).read_text().splitlines()
        assert any(line.startswith("umask 022") for line in lines), script


def test_a_release_looks_for_its_tools_before_it_makes_anything(tree):
    calls = tree.parent / "calls"
    program(tree / "scripts/package",
            f'echo "package $*" >>{calls}\nmkdir -p build/dist\ntouch build/dist/hiif_client.whl\n')
    program(tree / ".venv/bin/python", f'echo "$1" >>{calls}\n')
    for name, text in {"CMakeLists.txt": "project(hiif VERSION 1.2.3 LANGUAGES CXX)\n",
                       "Dockerfile": "ARG VERSION=1.2.3\n", ".gitignore": "/build/\n/.venv\n",
                       "helm/hiif/Chart.yaml": 'version: 1.2.3\nappVersion: "1.2.3"\n',
                       "CHANGELOG.md": "## 1.2.3, 2026-01-02\n\n- All of it.\n", "proto/released.binpb": ""}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    who = {f"GIT_{role}_{what}": "somebody" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for command in ("init -q -b main", "add -A", "commit -q -m all"):
        subprocess.run(["git", *command.split()], cwd=tree, check=True, env={**os.environ, **who})

    def tags():
        return subprocess.run(["git", "tag"], cwd=tree, capture_output=True, text=True, check=True).stdout.split()

    done = run(tree / "scripts/release", cwd=tree, **who)
    assert done.returncode == 1 and "no buf: scripts/setup --test" in done.stderr, done.stderr
    assert not calls.exists() and not tags()
    program(tree / ".venv/bin/buf", 'echo released >"${@: -1}"\n')
    done = run(tree / "scripts/release", cwd=tree, **who)
    assert done.returncode == 0, done.stderr
    assert calls.read_text().startswith("package deb wheel client") and tags() == ["v1.2.3"]
    assert subprocess.run(["git", "show", "v1.2.3:proto/released.binpb"], cwd=tree, capture_output=True, text=True,
                          check=True).stdout == "released\n"  # fmt: skip
