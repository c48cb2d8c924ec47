"""hiif-data pack and hiif-train as a user runs them: on a folder of photographs, stopped, killed, gone on with."""

import csv
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("HIIF_BIN", ROOT / "build" / "release" / "bin"))
MODEL = ROOT / "models" / "edsr-baseline-hiif.safetensors"
FINISHED, FAILED, USAGE, STOPPED = 0, 1, 2, 3

# A network of a few thousand parameters, so that a step takes milliseconds.
TINY = [
    "--encoder", 'edsr-baseline {"features":16,"blocks":2}',
    "--decoder", 'hiif {"width":32,"levels":3,"heads":4,"attention_blocks":1,"ablation":"none"}',
    "--batch", "4", "--patch", "16", "--queries", "128", "--schedule", "cosine", "--learning-rate", "0.002",
    "--clip", "1", "--average", "0.9", "--log-every", "1", "--checkpoint-minutes", "0.01",
    "--validate-every", "40", "--validation-scales", "2", "--validation-crop", "48",
]  # fmt: skip


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Parts of the example photograph, packed; every fourth to validate on."""
    folder = tmp_path_factory.mktemp("photos")
    image = Image.open(ROOT / "examples" / "chelsea.png").convert("RGB")
    for i in range(8):
        left, top = (i % 4) * 100, (i // 4) * 140
        image.crop((left, top, left + 100, top + 100)).save(folder / f"{i}.png")
    (folder / "notes.txt").write_text("not an image")
    out = tmp_path_factory.mktemp("packed")
    subprocess.run([BIN / "hiif-data", "pack", folder, "-o", out / "train.pack", "--hold-out", out / "held.pack",
                    "--every", "4", "--min-side", "64"], check=True)  # fmt: skip
    return ["--data", str(out / "train.pack"), "--validation", str(out / "held.pack")]


def test_photographs_are_packed_in_several_sizes_and_held_out_in_all_of_them(tmp_path):
    image = Image.open(ROOT / "examples" / "chelsea.png").convert("RGB")
    for i in range(4):
        image.crop((i * 80, 0, i * 80 + 90, 100)).save(tmp_path / f"{i}.png")
    subprocess.run([BIN / "hiif-data", "pack", tmp_path, "-o", tmp_path / "a.pack", "--hold-out", tmp_path / "b.pack",
                    "--every", "4", "--min-side", "40", "--shrink", "1,2"], check=True)  # fmt: skip
    listed = {}
    for name in "ab":
        info = subprocess.run([BIN / "hiif-data", "info", tmp_path / f"{name}.pack"], check=True, capture_output=True,
                              text=True).stdout  # fmt: skip
        listed[name] = [line.split(None, 2)[::2] for line in info.splitlines()[:-1]]
    assert listed["b"] == [["90x100", "2.png"], ["45x50", "2.png / 2"]]
    assert [size for size, _ in listed["a"]] == ["90x100", "45x50"] * 3


def command(run, *arguments):
    return [str(BIN / "hiif-train"), "--run", str(run), *map(str, arguments)]


def train(run, *arguments):
    return subprocess.run(command(run, *arguments), capture_output=True, text=True, timeout=300)


def results(run):
    """What must not depend on interruptions: weights, and the losses that were logged."""
    with open(run / "log.csv", newline="") as file:
        losses = [(row["step"], row["loss"], row["skipped"]) for row in csv.DictReader(file)]
    with open(run / "validation.csv", newline="") as file:
        validations = [(row["step"], row["mean"]) for row in csv.DictReader(file)]
    # The metadata of the weights tell the time that was spent.
    weights = (run / "weights.safetensors").read_bytes()
    header = int.from_bytes(weights[:8], "little")
    return losses, validations, weights[8 + header :]


def test_lowers_the_loss_and_ends_alike_when_stopped_and_killed(data, tmp_path):
    steps = 120
    unbroken = train(tmp_path / "unbroken", *data, *TINY, "--steps", steps)
    assert unbroken.returncode == FINISHED, unbroken.stderr
    assert "samples/s" in unbroken.stdout and "left" in unbroken.stdout
    expected = results(tmp_path / "unbroken")
    losses = [float(loss) for _, loss, _ in expected[0]]
    assert len(losses) == steps and [step for step, _ in expected[1]] == ["40", "80", "120"]
    assert sum(losses[-20:]) < 0.7 * sum(losses[:20])

    broken = tmp_path / "broken"
    arguments = [*data, *TINY, "--steps", steps]
    chance = random.Random(4)
    ends = []
    for signal_number in [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGKILL]:
        process = subprocess.Popen(command(broken, *arguments), stdout=subprocess.PIPE, text=True)
        arguments = []  # the run knows them
        for line in process.stdout:  # some way into this part
            if line.startswith("step"):
                break
        time.sleep(chance.uniform(0.0, 0.4))
        process.send_signal(signal_number)
        output = process.communicate(timeout=60)[0]
        ends.append(process.returncode)
        if process.returncode == FINISHED:
            break
        if signal_number != signal.SIGKILL:
            assert process.returncode == STOPPED and f"hiif-train --run {broken} goes on" in output
    assert ends[0] == STOPPED, "the run was over before it could be stopped"
    last = train(broken)
    assert last.returncode == FINISHED, last.stderr
    assert results(broken) == expected
    assert {path.name for path in broken.iterdir()} == {
        "lock", "log.csv", "validation.csv", "options.json", "state.safetensors", "weights.safetensors",
        "best.safetensors"}  # fmt: skip


def test_fine_tunes_the_shipped_weights(data, tmp_path):
    if MODEL.stat().st_size < 1_000_000:
        pytest.skip("models/ holds no weights")
    done = train(tmp_path / "run", "--preset", "edsr-finetune", *data, "--init", MODEL, "--patch", "24", "--batch", "2",
                 "--queries", "64", "--steps", "2", "--log-every", "1", "--validation-crop", "48")  # fmt: skip
    assert done.returncode == FINISHED, done.stderr
    (tmp_path / "photo").mkdir()
    Image.open(ROOT / "examples" / "chelsea.png").crop((80, 40, 176, 136)).save(tmp_path / "photo" / "cat.png")
    measured = subprocess.run(
        [BIN / "hiif-eval", "psnr", "--model", tmp_path / "run" / "weights.safetensors", "--data", tmp_path / "photo",
         "--scales", "2"], capture_output=True, text=True)  # fmt: skip
    assert measured.returncode == 0, measured.stderr
    psnr = float(measured.stdout.splitlines()[-1].split("|")[3])
    assert psnr > 30, "two careful steps must leave good weights good"


def test_a_run_that_died_before_its_first_checkpoint_begins_anew_with_its_options(data, tmp_path):
    run = tmp_path / "run"
    late = [60 if before == "--checkpoint-minutes" else word for before, word in zip(["", *TINY], TINY)]
    process = subprocess.Popen(command(run, *data, *late, "--steps", 100_000), stdout=subprocess.PIPE)
    assert process.stdout.readline()
    process.kill()
    process.communicate(timeout=60)
    assert (run / "options.json").exists() and not (run / "state.safetensors").exists()
    done = train(run, "--steps", 2)
    assert done.returncode == FINISHED, done.stderr
    assert "step 2 of 2" in done.stdout
    # Or with others: it has no course yet.
    (run / "state.safetensors").unlink()
    assert "hiif-data pack" in train(run, "--preset", "edsr-finetune").stderr
    (run / "options.json").write_text('{"batch": "many"}')
    done = train(run)
    assert done.returncode == USAGE and "options.json" in done.stderr


def test_a_cache_that_is_stopped_says_so_and_goes_on(tmp_path):
    if MODEL.stat().st_size < 1_000_000:
        pytest.skip("models/ holds no weights")
    cache = [BIN / "hiif-data", "cache", "-o", tmp_path / "cache", "--encoder", MODEL, "--patterns", "1", "--patch", "16"]
    process = subprocess.Popen([*cache, "--records", "1000000"], stderr=subprocess.PIPE, text=True)
    while "of 1000000 records" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == STOPPED, said
    made = int(said.rsplit(" has ", 1)[1].split()[0])
    assert made >= 50 and "the same command goes on" in said
    done = subprocess.run([*cache, "--records", str(made + 2)], capture_output=True, text=True, timeout=60)
    assert done.returncode == FINISHED and f"going on at record {made}" in done.stderr, done.stderr


@pytest.mark.parametrize("option", [["--degrade", "0.5"], ["--patterns", "0.3"], ["--teachers", "x2.safetensors"],
                                    ["--patch", "64"], ["--min-factor", "2"], ["--max-factor", "2"], ["photos.pack"]])
def test_a_cache_of_another_refuses_what_it_takes_from_there(tmp_path, option):
    done = subprocess.run([BIN / "hiif-data", "cache", "-o", tmp_path / "cache", "--encoder", MODEL, "--from", "a.cache",
                           *option], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == USAGE and f"--from excludes {option[0] if option[1:] else 'data'}" in done.stderr + done.stdout


def test_recolouring_needs_a_cache(tmp_path):
    done = subprocess.run([BIN / "hiif-data", "cache", "-o", tmp_path / "cache", "--encoder", MODEL, "--recolour", "0.5"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == USAGE and "--from" in done.stderr + done.stdout


def test_packing_that_is_stopped_leaves_nothing(tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    out.mkdir()
    image = Image.open(ROOT / "examples" / "chelsea.png").convert("RGB")
    image.save(photos / "0.png")
    for i in range(1, 2000):
        os.link(photos / "0.png", photos / f"{i}.png")
    (photos / "-.txt").write_text("no image: there is a line of it when the first is read")
    process = subprocess.Popen([BIN / "hiif-data", "pack", photos, "-o", out / "a.pack", "--hold-out", out / "b.pack", "--min-side", "99"],
                               stderr=subprocess.PIPE, text=True)
    assert "left out" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == STOPPED and "was not made" in said, said
    assert not list(out.iterdir())


def test_folders_that_go_in_a_circle_and_folders_that_cannot_be_read():
    """lost+found at the root of a disk, and a link to where the walk is."""
    with tempfile.TemporaryDirectory() as name:  # others may enter it
        folder = pathlib.Path(name)
        folder.chmod(0o777)
        photos, closed = folder / "photos", folder / "photos" / "lost+found"
        closed.mkdir(parents=True)
        Image.open(ROOT / "examples" / "chelsea.png").convert("RGB").save(photos / "a.png")
        (photos / "again").symlink_to(".")
        closed.chmod(0)
        another = {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}
        pack = [shutil.copy(BIN / "hiif-data", folder), "pack", photos, "-o", folder / "a.pack", "--min-side", "99"]
        ran = subprocess.run(pack, capture_output=True, text=True, timeout=60, check=False, **another)
        assert ran.returncode == 0 and "1 images" in ran.stdout + ran.stderr, ran.stderr
        assert "lost+found: cannot list it" in ran.stderr + ran.stdout
        ran = subprocess.run([*pack, "--hold-out", folder / "." / "a.pack"], capture_output=True, text=True, timeout=60,
                             check=False)
        assert ran.returncode == FAILED and "both" in ran.stderr


def test_what_is_no_picture_is_left_out_by_its_first_bytes(tmp_path):
    """Not by all of them: a folder of photographs may hold a film."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.open(ROOT / "examples" / "chelsea.png").convert("RGB").save(folder / "a.png")
    with open(folder / "film.bin", "wb") as film:
        film.truncate(3 << 29)
    (folder / "empty.jpg").touch()
    # Of a small process: what one of many tests has counts as a child's until it becomes the program.
    measured = "import resource, subprocess, sys; status = subprocess.call(sys.argv[1:]); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(status)"
    ran = subprocess.run([sys.executable, "-c", measured, BIN / "hiif-data", "pack", folder, "-o", tmp_path / "a.pack", "--min-side", "99"],
                         capture_output=True, text=True, timeout=120)
    said = ran.stderr
    assert ran.returncode == FINISHED, said
    assert f"left out {folder / 'film.bin'}: not an image of a known format; allowed are PNG" in said
    assert f"left out {folder / 'empty.jpg'}: the image is empty" in said
    assert int(ran.stdout.split()[-1]) < 1 << 20, "KiB"


def test_options_that_would_change_the_course_of_a_run_are_refused(data, tmp_path):
    run = tmp_path / "run"
    assert train(run, *data, *TINY, "--steps", 2).returncode == FINISHED
    refused = train(run, "--batch", 8)
    assert refused.returncode == FAILED
    assert "batch" in refused.stderr and "--init" in refused.stderr
    assert train(run, "--log-every", 5).returncode == FINISHED


def test_a_preset_does_not_change_the_course_of_a_run_either(data, tmp_path):
    run = tmp_path / "run"
    first = ["--preset", "edsr-finetune", *data, *TINY, "--steps", 2]
    assert train(run, *first).returncode == FINISHED
    assert train(run, *first).returncode == FINISHED, "the very same command goes on"
    done = train(run, "--preset", "best")
    assert done.returncode == USAGE and "paper-edsr" in done.stderr
    for other in (["--preset", "paper-swinir"], ["--config", tmp_path / "other.json"]):
        (tmp_path / "other.json").write_text('{"steps": 3}')
        done = train(run, *other)
        assert done.returncode == FAILED and "steps" in done.stderr and other[0] in done.stderr
    assert train(run, "--config", run / "options.json").returncode == FINISHED


@pytest.mark.parametrize(
    "arguments, status, says",
    [
        (["--data", "absent.pack"], FAILED, "absent.pack"),
        ([], FAILED, "hiif-data pack"),
        (["--preset", "best"], USAGE, "paper-edsr"),
        (["--config", "absent.json"], USAGE, "absent.json"),
        (["--batch", "many"], USAGE, "--batch"),
        (["--data", "absent.pack", "--clip", "inf"], FAILED, "clip must be a finite number"),
        (["--data", "absent.pack", "--device", "gpu"], FAILED, "none of cpu, cuda, cuda:N"),
    ],
)
def test_mistakes_name_what_to_do(arguments, status, says, tmp_path):
    done = train(tmp_path / "run", *arguments)
    assert done.returncode == status
    assert says in done.stderr + done.stdout


def test_a_damaged_data_set_is_named(data, tmp_path):
    packed = bytearray(pathlib.Path(data[1]).read_bytes())
    packed[200] ^= 1
    (tmp_path / "damaged.pack").write_bytes(packed)
    done = train(tmp_path / "run", "--data", tmp_path / "damaged.pack", *TINY)
    assert done.returncode == FAILED
    assert "damaged.pack" in done.stderr
