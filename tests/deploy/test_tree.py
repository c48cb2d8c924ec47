"""The tree as ARCHITECTURE.md draws it: arrows between folders run one way, files are short."""

import collections
import re

import pytest
from processes import ROOT

# What each room may include besides itself (ARCHITECTURE.md, "Rooms").
ROOMS = {
    "base": set(),
    "model": {"base"},
    "imaging": {"base"},
    "scheduling": {"base"},
    "jail": {"base", "imaging"},
    "server": {"base", "model", "imaging", "scheduling", "jail", "proto"},
    "client": {"base", "imaging", "proto"},
    "train": {"base", "model"},
    "eval": {"base", "model", "imaging", "train"},
}
GENERATED = re.compile(r'^#include "(?:hiif|google/rpc|grpc|inference)/.*\.pb\.h"', re.MULTILINE)


def sources(room):
    return [path for path in (ROOT / room).rglob("*") if path.suffix in (".h", ".cc", ".cu", ".cuh")]


def included_folders(path):
    """Folders of the files of this repository that the file includes."""
    names = re.findall(r'^#include "([^"]+)/[^/"]+"', path.read_text(), re.MULTILINE)
    return {name for name in names if (ROOT / name).is_dir()}


def test_rooms_include_only_what_they_may():
    wrong = [f"{path.relative_to(ROOT)} includes {folder}" for room, allowed in ROOMS.items() for path in sources(room)
             for folder in included_folders(path) if folder.split("/")[0] not in allowed | {room}]
    assert not wrong


@pytest.mark.parametrize("room", ROOMS)
def test_folders_of_a_room_depend_one_way(room):
    arrows = collections.defaultdict(set)
    for path in sources(room):
        folder = str(path.parent.relative_to(ROOT))
        arrows[folder] |= {other for other in included_folders(path) if other.split("/")[0] == room} - {folder}
    done = set()

    def visit(folder, path):
        assert folder not in path, " -> ".join([*path[path.index(folder):], folder])
        if folder not in done:
            for other in arrows[folder]:
                visit(other, [*path, folder])
            done.add(folder)

    for folder in list(arrows):
        visit(folder, [])
    assert len(done) >= len({path.parent for path in sources(room)})


def test_no_two_rooms_name_a_class_alike():
    """Where one program links both, it would have one of the two destructors for both."""
    rooms = collections.defaultdict(set)
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.h"):
            text = path.read_text()
            namespace = re.search(r"^namespace (hiif[\w:]*) \{", text, re.MULTILINE)
            for name in re.findall(r"^(?:class|struct) (\w+)[^;{]*\{", text, re.MULTILINE):
                rooms[(namespace and namespace[1], name)].add(room)
    assert len(rooms) > 100
    assert not {name: sorted(found) for name, found in rooms.items() if len(found) > 1}


def test_each_folder_of_the_server_is_one_library():
    for folder in {path.parent for path in sources("server") if path.suffix == ".cc"} - {ROOT / "server"}:
        libraries = re.findall(r"hiif_library\((\S+)\s+SOURCES ([^)]*?)PUBLIC", (folder / "CMakeLists.txt").read_text())
        assert len({name for name, _ in libraries}) == 1, folder
        named = {name for _, files in libraries for name in files.split()}
        assert named == {path.name for path in folder.glob("*.cc")}, folder


def test_files_of_the_model_are_short():
    long = {str(path.relative_to(ROOT)): lines for path in sources("model")
            if (lines := len(path.read_text().splitlines())) > 350}
    assert not long


def test_libtorch_and_protobuf_never_meet():
    both = [path for room in ROOMS for path in sources(room)
            if GENERATED.search(path.read_text()) and re.search(r"^#include [<\"](?:torch|ATen|c10)/", path.read_text(), re.M)]
    assert not both
