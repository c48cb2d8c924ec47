"""The scripts, called from elsewhere than the root of the repository, and after a call that was cut off."""

import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile

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
    calls, builds = tmp_path / "calls", tmp_path / "builds"
    log = f'echo "$(basename "$0") $PWD $*" >>{calls}\n'
    program(tree / "scripts/build", f'echo "$*" >>{builds}\n')
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
    # The programs are made anew where their sources changed, whichever of them are there.
    assert builds.read_text() == "release hiif_train_main hiif_data_main hiif_eval_main\n" * 4


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


def test_a_folder_that_cd_looks_in_changes_nothing(tree):
    """CDPATH, which somebody exported."""
    program(tree / "scripts/told", '. "$(dirname "$0")/lib/common.sh"\necho "$ROOT"\n')
    assert run("scripts/told", cwd=tree, CDPATH=str(tree)).stdout == f"{tree}\n"


def test_who_may_not_install_packages_is_told_so(tree):
    """Not root, and no sudo."""
    tools = tree / "tools"
    for tool, text in {"id": "echo 1000", "dpkg-query": "exit 1", "apt-cache": ":", "apt-get": "exit 1"}.items():
        program(tools / tool, text + "\n")
    for tool in "bash", "env", "dirname", "basename", "awk", "sort", "tr", "sed", "cat", "mktemp", "tail", "rm":
        (tools / tool).symlink_to(shutil.which(tool))
    done = subprocess.run(["bash", "scripts/setup"], cwd=tree, env={"PATH": str(tools), "TMPDIR": str(tree)}, capture_output=True,
                          text=True, timeout=300, check=False)  # fmt: skip
    assert done.returncode == 1 and "not root and no sudo: install " in done.stderr and "cmake" in done.stderr, done


@pytest.mark.parametrize("script", ["convert-checkpoint", "average-checkpoints", "edsr-to-rdn"])
def test_what_needs_torch_has_it_installed(tree, script):
    """Where .venv is there, made without."""
    program(tree / ".venv/bin/python", '[ "$1" = -c ] || { echo "$*"; exit; }\n[ -e torch ]\n')
    program(tree / "scripts/setup", 'echo set up >&2\n[ -n "${FAIL:-}" ] || touch torch\n')
    done = run(tree / "scripts" / script, "file", cwd=tree.parent, FAIL="1")
    assert done.returncode == 1 and "no torch" in done.stderr and not done.stdout
    for said in "set up\n", "":
        done = run(tree / "scripts" / script, "file", cwd=tree.parent)
        assert done.returncode == 0 and done.stdout == f"{tree}/scripts/lib/{script.replace('-', '_')}.py file\n", done
        assert done.stderr == said


def test_a_skipped_test_proves_nothing_whatever_colours_are_wished_for(tree, tmp_path):
    program(tree / "scripts/verify.d/told", f""". "$(dirname "$0")/../lib/verify.sh"
tests_pass {sys.executable} -p no:cacheprovider "$1" || verdict told 1 skipped
verdict told 0 fine
""")
    (tmp_path / "temporary").mkdir()
    for text, code in {"pass": 0, "pytest.skip('because')": 1, "pytest.skip('no IPv6 here')": 0, "assert False": 1}.items():
        (tmp_path / "test_it.py").write_text(f"import pytest\n\n\ndef test_it():\n    {text}\n")
        done = run(tree / "scripts/verify", "told", tmp_path / "test_it.py", cwd=tmp_path, FORCE_COLOR="1", PY_COLORS="1",
                   TMPDIR=str(tmp_path / "temporary"))
        assert done.returncode == code, (text, done.stdout, done.stderr)
    assert not list((tmp_path / "temporary").iterdir())


def test_an_environment_of_a_figure_is_what_was_asked_for(tree):
    """Also where a file of requirements says something else, and after an installation that failed."""
    installed = tree / "installed"
    program(tree / ".venv/bin/python", f"""case "$*" in
  "-m venv --clear "*) mkdir -p "$4/bin"; cp "$0" "$4/bin/python" ;;
  *install*) echo "${{@:6}}" >>{installed}; [ -z "${{FAIL:-}}" ] ;;
  -c*) dirname "$0" ;;
esac
""")
    program(tree / "scripts/verify.d/told", '. "$(dirname "$0")/../lib/verify.sh"\nown_venv one -r wanted.txt other\n')

    def installs(text, **environment):
        (tree / "wanted.txt").write_text(text)
        installed.unlink(missing_ok=True)
        run(tree / "scripts/verify", "told", cwd=tree, **environment)
        return installed.exists() and installed.read_text() == "-r wanted.txt other\n"

    assert [installs("a==1\n"), installs("a==1\n"), installs("a==2\n"), installs("a==2\n")] == [True, False, True, False]
    assert [installs("a==3\n", FAIL="1"), installs("a==2\n"), installs("a==2\n")] == [True, True, False]


def test_packages_of_the_page_that_came_in_part_are_fetched_anew(tree):
    (tree / "web/dist").mkdir(parents=True)
    for name in "package-lock.json", "dist/index.html":
        (tree / "web" / name).touch()
    fetched = tree / "fetched"
    program(tree / "tools/npm", f"""[ "$1" = ci ] || exit 0
touch {fetched}
mkdir -p node_modules
[ -z "${{FAIL:-}}" ]
touch node_modules/.package-lock.json
""")

    def fetches(**environment):
        fetched.unlink(missing_ok=True)
        done = run(tree / "scripts/build-page", cwd=tree, PATH=f"{tree}/tools:{os.environ['PATH']}", **environment)
        return done.returncode == 0, fetched.exists()

    assert [fetches(FAIL="1"), fetches(), fetches()] == [(False, True), (True, True), (True, False)]


def test_a_base_system_that_cannot_be_made_leaves_nothing(tree):
    """Neither by debootstrap, nor by tar; and what is there is for everybody to read."""
    tools, temporary, cache = tree / "tools", tree / "temporary", tree / "cache"
    temporary.mkdir()
    program(tools / "apt-get", ":\n")
    program(tools / "unshare", 'touch "$6"/made\n[ "${FAIL:-}" != debootstrap ]\n')
    program(tools / "tar", 'echo part >"$4"\n[ "${FAIL:-}" != tar ]\n')
    program(tree / "scripts/told", """. "$(dirname "$0")/lib/common.sh"
umask 077
. scripts/lib/chroot.sh
tarball=$(chroot_base bookworm)
stat -c %A "$tarball"
""")

    def base(**environment):
        done = run(tree / "scripts/told", cwd=tree, PATH=f"{tools}:{os.environ['PATH']}", TMPDIR=str(temporary),
                   HIIF_CHROOT_CACHE=str(cache), **environment)
        return done.returncode, done.stdout, [path.name for folder in (temporary, cache) for path in folder.iterdir()]

    assert base(FAIL="debootstrap") == base(FAIL="tar") == (1, "", [])
    assert base() == (0, "-rw-r--r--\n", ["bookworm.tar"])


@pytest.fixture
def figure(tree, tmp_path):
    """Runs one with programs that stand in for those of the tree; all that it wrote into the folder of temporary files."""
    for script in "build", "setup", "get-liif":
        program(tree / "scripts" / script, ":\n")
    shared, temporary = tmp_path / "shared", tmp_path / "temporary"
    (shared / "data/Set5").mkdir(parents=True)
    (shared / "fixtures").mkdir()
    (shared / "fixtures/hiif.safetensors").touch()
    temporary.mkdir()

    def measured(name, **environment):
        done = run(tree / "scripts/verify", name, cwd=tree, HIIF_SHARED=str(shared), TMPDIR=str(temporary), **environment)
        return done, list(temporary.iterdir())
    return measured


def test_figures_that_fail_leave_no_files(tree, figure):
    program(tree / "build/release/bin/hiif-eval", 'for out in "$@"; do :; done\ntouch "$out"\n[[ $out != *.14 ]]\n')
    done, left = figure("liif-psnr")
    assert done.returncode == 1 and not left
    # And takes a wheel of an earlier version for none of its own.
    (tree / "build/dist").mkdir()
    (tree / "build/dist/hiif_client-0.0.1-py3-none-any.whl").touch()
    program(tree / "scripts/package", "ls build/dist >&2\nexit 1\n")
    done, left = figure("client-versions")
    assert done.returncode == 1 and not left and not done.stderr, done.stderr


def test_the_sanitizers_leave_what_they_found_alone(tree, figure):
    for preset, code in {"asan-ubsan": 0, "tsan": 1}.items():
        program(tree / f"build/{preset}/tests/some_test", f'echo "[  PASSED  ] 3 tests."\nexit {code}\n')
    done, left = figure("sanitizers", ADDRESS="some_test", THREAD="some_test")
    assert done.returncode == 1 and "2 programs, 6 tests" in done.stdout, done.stdout
    assert [f"tsan: some_test FAILED: {path}" for path in left] == [done.stdout.splitlines()[0]]


def test_an_encoder_without_a_case_is_no_good_one(tree, figure):
    program(tree / "build/release/bin/hiif-eval",
            'echo "none of this machine\'s avx2"\n[ "${HIIF_FORCE_ISA:-}" = none ] || echo "1 cases, 0 failed, 0 skipped"\n')
    for count in 0, 3:
        program(tree / "build/release/tests/upscaler_test", f'echo "[  PASSED  ] {count} tests."\n')
        done, _ = figure("engines")
        assert f"| the encoder of dat | {count} | 0 | 0 |" in done.stdout and done.returncode == (count == 0), done.stdout


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


def git(tree, *arguments):
    return subprocess.run(["git", *arguments], cwd=tree, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("whose", ["nobodys", "somebody elses", "around it"])
def test_lint_is_left_out_where_git_lists_no_files(tree, whose):
    """An archive that was unpacked, perhaps in another repository, and a clone that git does not trust."""
    trusts = {"GIT_CEILING_DIRECTORIES": str(tree.parent.parent), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    if whose != "nobodys":
        git(tree if whose == "somebody elses" else tree.parent, "init", "-q")
    if whose == "somebody elses":
        git(tree, "add", "scripts")
        trusts["GIT_TEST_ASSUME_DIFFERENT_OWNER"] = "1"
    for mode in "--fast", "--fix", "":
        done = run(tree / "scripts/lint", *mode.split(), cwd=tree, **trusts)
        assert done.returncode == 1 and f"safe.directory '{tree}'" in done.stderr, done
    for script in "setup", "build", "generate-docs":
        program(tree / "scripts" / script, ":\n")
    program(tree / "tools/ctest", "echo tested\n")
    done = run(tree / "scripts/test", "--fast", cwd=tree, PATH=f"{tree}/tools:{os.environ['PATH']}", **trusts)
    assert done.returncode == 0 and "no lint: git lists no files" in done.stdout and "tested" in done.stdout, done


def test_lint_waits_for_no_files(tree):
    """Of clang-format, which reads standard input where it is given none."""
    git(tree, "init", "-q")
    git(tree, "add", "scripts")
    program(tree / ".venv/bin/clang-format", "touch called\n")
    done = run(tree / "scripts/lint", "--fast", cwd=tree)
    assert done.returncode == 1 and "git lists no sources here" in done.stderr and not (tree / "called").exists(), done


def test_what_cmake_finds_is_the_systems(tree):
    """Where conda's programs, packages and compilers come before; what the system does not have is taken from where it is."""
    conda = tree.parent / "conda"
    program(conda / "bin/protoc", ":\n")
    program(conda / "bin/pkg-config", ":\n")
    for package in conda / "lib/cmake/nlohmann_json", tree / "own/lib/cmake/own":
        package.mkdir(parents=True)
        (package / f"{package.name}Config.cmake").touch()
    program(tree / "own/bin/nvcc", ":\n")
    (tree / "CMakePresets.json").write_text("""{"version": 3,
        "configurePresets": [{"name": "release", "generator": "Ninja", "binaryDir": "${sourceDir}/build/release"}],
        "buildPresets": [{"name": "release", "configurePreset": "release"}]}""")
    (tree / "CMakeLists.txt").write_text("""cmake_minimum_required(VERSION 3.25)
        project(told NONE)
        find_program(FOUND_PROTOC protoc)
        find_program(FOUND_PKG_CONFIG pkg-config)
        find_program(FOUND_NVCC nvcc)
        find_package(nlohmann_json REQUIRED CONFIG)
        set(FOUND_JSON "${nlohmann_json_DIR}" CACHE STRING "")
        find_package(own REQUIRED CONFIG)
        foreach(name CC CXX CXXFLAGS CMAKE_PREFIX_PATH PKG_CONFIG_PATH)
          set(FOUND_${name} "$ENV{${name}}" CACHE STRING "")
        endforeach()
        """)
    done = run(tree / "scripts/build", cwd=tree, PATH=f"{conda}/bin:{tree}/own/bin:{os.environ['PATH']}", CONDA_PREFIX=str(conda),
               CC=f"{conda}/bin/x86_64-conda-linux-gnu-cc", CXX="clang++", CXXFLAGS=f"-isystem {conda}/include",
               CMAKE_PREFIX_PATH=str(conda), PKG_CONFIG_PATH="/somewhere")  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = dict(re.findall(r"^FOUND_(\w+):\w+=(.*)$", (tree / "build/release/CMakeCache.txt").read_text(), re.MULTILINE))
    assert re.match(r"/usr/(lib|share)/", found.pop("JSON"))
    assert found == {"PROTOC": "/usr/bin/protoc", "PKG_CONFIG": "/usr/bin/pkg-config", "NVCC": f"{tree}/own/bin/nvcc",
                     "CC": "", "CXX": "clang++", "CXXFLAGS": "", "CMAKE_PREFIX_PATH": "", "PKG_CONFIG_PATH": "/somewhere"}


def test_every_call_of_cmake_is_so():
    calls = [(path.name, words) for path in (ROOT / "scripts").rglob("*") if path.is_file() and path.suffix not in (".pyc", ".py")
             for words in re.findall(r"^[^#\n]*?(?:^|[;&|({] *|\w+ )(?:cmake|cpack) (?=-|>)", path.read_text(), re.MULTILINE)]
    assert {name for name, _ in calls} == {"build", "package", "traces"}
    assert not [call for call in calls if not re.search(r"\bof_system (cmake|cpack) $", call[1])]


@pytest.mark.skipif(shutil.which("ccache") is None, reason="no ccache")
def test_a_cache_that_cannot_be_written_is_done_without(tree, tmp_path):
    """Where one only reads, the temporary files are what is written."""
    program(tree / "scripts/told", """. "$(dirname "$0")/lib/common.sh"
. scripts/lib/cmake.sh
of_system bash -c 'echo "int main() {}" >"$1.cc" && ccache c++ -c "$1.cc" -o "$1.o" && echo "${CCACHE_DISABLE:-cached}"' bash "$1"
""")
    (tmp_path / "file").touch()
    nowhere, cache, temporary = str(tmp_path / "file/cache"), str(tmp_path / "cache"), str(tmp_path / "temporary")

    def told(*before, folder=tmp_path, **environment):
        return subprocess.run([*before, "env", "-i", "PATH=/usr/bin:/bin", *(f"{k}={v}" for k, v in environment.items()),
                               "bash", tree / "scripts/told", f"{folder}/it"], capture_output=True, text=True, check=False).stdout

    assert told(HOME=str(tmp_path)) == told(HOME=nowhere, CCACHE_DIR=cache) == "cached\n"
    assert told(HOME=nowhere) == told(HOME=str(tmp_path), CCACHE_DIR=nowhere) == "1\n"
    assert told(HOME=nowhere, CCACHE_DIR=cache, CCACHE_TEMPDIR=nowhere) == "1\n"
    reader = {"HOME": nowhere, "CCACHE_READONLY": "1", "CCACHE_DIR": nowhere}
    assert told(**reader) == "1\n" and told(**reader, CCACHE_TEMPDIR=temporary) == "cached\n"
    if os.geteuid() != 0:
        return
    # A user whom nobody knows has no home at all; ccache wants to know it even to do nothing.
    with tempfile.TemporaryDirectory() as folder:  # that such a one may look into
        os.chmod(folder, 0o777)
        shutil.copytree(tree, f"{folder}/tree")
        tree = pathlib.Path(folder, "tree")
        nobody = "setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"
        assert told(*nobody, folder=folder) == told(*nobody, folder=folder, HOME="/") == "1\n"


def test_the_image_is_built_by_buildkit(tree):
    """Which docker before 23 takes only when told to."""
    program(tree / "scripts/setup", ":\n")
    program(tree / "tools/docker", """case $1 in
  build) echo "$DOCKER_BUILDKIT" >built ;;
  save) echo saved ;;
esac
""")
    program(tree / "tools/dpkg", "echo amd64\n")
    (tree / "Dockerfile").write_text("ARG VERSION=1.2.3\n")
    done = run(tree / "scripts/package", "image", cwd=tree, PATH=f"{tree}/tools:{os.environ['PATH']}")
    assert done.returncode == 0 and (tree / "built").read_text() == "1\n", done
    assert (tree / "build/dist/hiif-serve-image_1.2.3_amd64.tar.gz").exists()


def test_sudo_lets_the_proxies_through(tree):
    """Which it would drop with the rest of the environment."""
    tools = tree / "tools"
    for tool, text in {"id": "echo 1000", "dpkg-query": "exit 1", "apt-cache": ":",
                       "sudo": f'exec /usr/bin/env -i PATH="{tools}" "$@"',
                       "apt-get": 'echo "$1 ${http_proxy:-} ${https_proxy-unset} ${no_proxy:-} ${DEBIAN_FRONTEND:-}"; exit 1',
                       }.items():  # fmt: skip
        program(tools / tool, text + "\n")
    for tool in "bash", "env", "dirname", "basename", "awk", "sort", "tr", "sed", "cat", "mktemp", "tail", "rm":
        (tools / tool).symlink_to(shutil.which(tool))
    done = subprocess.run(["bash", "scripts/setup"], cwd=tree, capture_output=True, text=True, timeout=300, check=False, env={
        "PATH": str(tools), "TMPDIR": str(tree), "http_proxy": "http://proxy:3128", "no_proxy": "a, b"})
    assert done.returncode == 1 and "update http://proxy:3128 unset a, b noninteractive\n" in done.stderr, done


def test_why_torch_could_not_be_installed_is_told(tree):
    """And pip installs into .venv, whatever is said of other places."""
    program(tree / ".venv/bin/python", """[ "$1" = -m ] || exit 1
[ "$*" != "-m pip --version" ] || exit 0
echo "there is no such index: ${PIP_USER:-} ${PIP_TARGET:-} ${PIP_PREFIX:-} ${PIP_CERT:-}" >&2
exit 1
""")
    tools = tree / "tools"
    tools.mkdir()
    for tool in "bash", "env", "dirname", "basename", "awk", "sort", "tr", "sed", "cat", "mktemp", "tail", "rm", "python3":
        (tools / tool).symlink_to(shutil.which(tool))
    done = subprocess.run(["bash", "scripts/setup"], cwd=tree, capture_output=True, text=True, timeout=300, check=False, env={
        "PATH": str(tools), "TMPDIR": str(tree), "PIP_USER": "1", "PIP_TARGET": "/t", "PIP_PREFIX": "/p", "PIP_CERT": "/c"})
    assert done.returncode == 1 and "there is no such index: 0   /c\n" in done.stderr, done
    log = re.search(r"all that pip said is in (\S+)", done.stderr)[1]
    assert done.stderr.startswith("there is") and len(open(log, encoding="ascii").readlines()) == 10


def test_pip_of_the_scripts_installs_into_its_environment(tree):
    """Where a user's configuration says that all goes elsewhere, which a virtual environment refuses."""
    wheel = tree / "told-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("told-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: told\nVersion: 1\n")
        archive.writestr("told-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("told-1.dist-info/RECORD", "")
    program(tree / "scripts/told", """. "$(dirname "$0")/lib/common.sh"
"$1" -m pip install -q --no-index "$2"
""")
    (tree / "pip.conf").write_text("[install]\nuser = true\n")
    venv = tree.parent / "venv"
    subprocess.run(["/usr/bin/python3", "-m", "venv", venv], check=True)
    done = run(tree / "scripts/told", venv / "bin/python", wheel, cwd=tree, PIP_CONFIG_FILE=str(tree / "pip.conf"),
               PIP_USER="1", PIP_TARGET=str(tree / "elsewhere"), PIP_PREFIX=str(tree / "elsewhere"))  # fmt: skip
    assert done.returncode == 0 and list(venv.glob("lib/python3*/site-packages/told-1.dist-info")), done


def test_the_demo_ends_with_its_picture(tree):
    """It waits for no load balancer, which the server does unless told."""
    for script in "setup", "build":
        program(tree / "scripts" / script, ":\n")
    program(tree / "build/release/bin/hiif-server", """echo "$*" >called
while [ "$1" != --port-file ]; do shift; done
echo 8500 >"$2"
""")
    program(tree / "build/release/bin/hiif", ":\n")
    program(tree / ".venv/bin/python", ":\n")
    (tree / "photo.png").touch()
    done = run(tree / "scripts/demo", "photo.png", cwd=tree)
    assert done.returncode == 0 and " --shutdown-delay 0s" in (tree / "called").read_text(), done
