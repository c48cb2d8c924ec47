"""The documents: their commands run, their links lead somewhere, and what they list is what there is."""

import os
import re
import signal
import subprocess

import pytest
import yaml
from PIL import Image

import dashboard
from processes import BIN, ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("helm/*/README.md"),
                    *ROOT.glob("clients/*/README.md"), *ROOT.glob("examples/*.md"), *ROOT.glob("models/*.md")])
# Blocks whose info string begins with this are shown as commands that are not run, with the reason.
NOT_RUN = "not-run-here: "
# Lines that a test would run within itself, or that other tests run with care.
ELSEWHERE = ("scripts/demo", "scripts/test", "scripts/setup", "scripts/build", "scripts/lint", "scripts/verify",
             "scripts/get-liif")


def blocks():
    """(name, info, text) of every block of shell commands."""
    found = []
    for document in DOCUMENTS:
        for number, match in enumerate(re.finditer(r"^```sh *([^\n]*)\n(.*?)^```", document.read_text(),
                                                   re.MULTILINE | re.DOTALL)):
            found.append((f"{document.relative_to(ROOT)}#{number}", match[1], match[2]))
    return found


def runnable(text):
    return "\n".join(line for line in text.splitlines() if not line.startswith(ELSEWHERE)).strip()


@pytest.fixture
def folder(tmp_path):
    """The repository's root as a reader has it, with a photo.jpg; outputs stay here."""
    for entry in ROOT.iterdir():
        if entry.name not in (".git", "out", "manifest.txt"):
            (tmp_path / entry.name).symlink_to(entry)
    picture = Image.open(ROOT / "examples/chelsea.png").convert("RGB")
    picture.crop((60, 60, 190, 68)).save(tmp_path / "photo.jpg")
    return tmp_path


@pytest.mark.parametrize("info,text", [pytest.param(i, t, id=n) for n, i, t in blocks()])
def test_commands(info, text, folder):
    if info:
        assert info.startswith(NOT_RUN) and len(info) > len(NOT_RUN), info
        pytest.skip(info)
    if not runnable(text):
        pytest.skip("run by other tests or by hand")
    environment = {**os.environ, "PATH": f"{BIN}:{ROOT / '.venv/bin'}:{os.environ['PATH']}",
                   "HIIF_SHUTDOWN_DELAY": "0s"}
    process = subprocess.Popen(["bash", "-euo", "pipefail", "-c", runnable(text)], cwd=folder, env=environment,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        # Servers that the block leaves running keep the pipe open: the shell's end is what counts.
        process.wait(timeout=600)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        output = process.stdout.read()
    assert process.returncode == 0, output


def anchor(title):
    return re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_links(document):
    text = document.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, part = target.partition("#")
        file = document.parent / path if path else document
        assert file.exists(), target
        if part and file.suffix == ".md":
            assert part in [anchor(t) for t in re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)], target


def test_every_alert_has_its_page():
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text())["groups"][0]["rules"]
    titles = re.findall(r"^### (\w+)$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    assert sorted(titles) == sorted(r["alert"] for r in rules if "alert" in r)


def test_every_metric_named_is_one():
    """In documents, dashboard and rules."""
    source = (ROOT / "server/metrics/metrics.cc").read_text()
    known = set(re.findall(r'"(hiif_[a-z_]+)"', source))
    known |= {name + suffix for name in known for suffix in ("_bucket", "_sum", "_count")}
    texts = [(ROOT / "docs" / n).read_text() for n in ("operations.md", "autoscaling.md", "deployment.md")]
    texts += [(ROOT / "deploy/prometheus/rules.yaml").read_text()]
    texts += [t["expr"] for p in dashboard.panels() for t in p["targets"]]
    named = {word for text in texts for word in re.findall(r"(?<![\w:])hiif_[a-z_]*[a-z]", text)}
    assert len(named) > 20 and named - known - {"hiif_queue"} == set()


def test_a_page_that_a_setting_names_speaks_of_it():
    """docs/configuration.md only repeats the setting."""
    text = (ROOT / "proto/hiif/config/v1/config.proto").read_text()
    settings = re.findall(r"(\w+) = \d+ \[\(setting\) = {(.*?)^  }\];", text, re.MULTILINE | re.DOTALL)
    named = [(name, page) for name, about in settings for page in re.findall(r"docs/[\w-]+\.md", about)]
    assert len(named) >= 3
    for name, page in named:
        flag = "--" + name.replace("_", "-")
        assert page != "docs/configuration.md" and flag in (ROOT / page).read_text(), (flag, page)


def test_every_flag_named_is_one():
    known = "".join(subprocess.run([BIN / "hiif-server", "--help"], capture_output=True, text=True,
                                   check=True).stdout)
    for command in ([], ["upscale"], ["query"], ["models"], ["health"], ["bench"], ["compare"]):
        known += subprocess.run([BIN / "hiif", *command, "--help"], capture_output=True, text=True, check=True).stdout
    for name in ("operations.md", "reliability.md", "security.md"):
        for flag in re.findall(r"`(--[a-z-]+)", (ROOT / "docs" / name).read_text()):
            assert flag in known, (name, flag)
