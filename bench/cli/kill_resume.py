"""`hiif upscale DIR -r -o OUT --resume`, killed at random times and started again: the bytes of an unbroken run,
no half file at any time, nothing done twice."""

import random
import signal
import subprocess
import time

import numpy
from PIL import Image

from tools import FOLDER, arguments, files_of, run, run_server, start, verdict


def pictures(count):
    """A folder with folders in it."""
    rng = numpy.random.default_rng(7)
    source = FOLDER / "in"
    for index in range(count):
        extension = ["png", "jpg", "tif", "webp"][index % 4]
        path = source / ["", "a", "a/b", "c"][index % 3] / f"{index:03}.{extension}"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (7, 8, 3), numpy.uint8)
        Image.fromarray(pixels).resize((48 + index % 5, 40)).save(path)
    return source


def state(folder):
    """What tells a file that was written again from one that was left alone, of all but temporaries."""
    found = {}
    for name in files_of(folder):
        if not name.endswith(".part"):
            info = (folder / name).stat()
            found[name] = (info.st_ino, info.st_mtime_ns)
    return found


def main():
    options = arguments(__doc__, kills=20, files=60, seed=1, jobs=2)
    rng = random.Random(options.seed)
    source = pictures(options.files)
    whole, out = FOLDER / "whole", FOLDER / "out"
    problems = []
    with run_server(FOLDER) as server:
        flags = ["upscale", source, "-r", "-s", 3.3, "--jobs", options.jobs, "--log-format", "json", "--server",
                 server.address]
        code, _, _, seconds = run(*flags, "-o", whole)
        assert code == 0
        done, in_time = {}, 0
        for _ in range(options.kills):
            process = start(*flags, "-o", out, "--resume", start_new_session=True)
            # As many of them as there are kills take about one unbroken run.
            time.sleep(rng.uniform(0.01, 2.2 * seconds / options.kills))
            in_time += process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.communicate()
            now = state(out) if out.exists() else {}
            problems += [f"{name} was done again" for name, id_ in done.items() if now.get(name) != id_]
            problems += [f"{name} is not whole" for name in now
                         if (out / name).read_bytes() != (whole / name).read_bytes()]
            print(f"{len(now)} of {options.files} files", flush=True)
            done = now
        before_last = len(done)
        code, lines, _, _ = run(*flags, "-o", out, "--resume")
        if code != 0:
            problems.append(f"exit code {code} at last")
        now = state(out)
        problems += [f"{name} was done again" for name, id_ in done.items() if now.get(name) != id_]
        problems += [f"{line['input']} was {line['status']} at last" for line in lines if line["event"] == "file" and
                     line["status"] not in ("done", "skipped")]
        if files_of(out) != files_of(whole):
            problems.append(f"other files: {set(files_of(out)) ^ set(files_of(whole))}")
        problems += [f"{name} differs" for name in files_of(whole) if name in now and
                     (out / name).read_bytes() != (whole / name).read_bytes()]
    left = subprocess.run(["find", FOLDER, "-name", "*.part"], capture_output=True, text=True, check=True).stdout
    if left:
        problems.append("temporaries are left: " + left)
    for problem in problems[:20]:
        print(problem)
    verdict("kill-resume", not problems,
            f"{options.files} files, killed {options.kills} times ({in_time} while it worked), "
            f"{options.files - before_last} left for the last run: {len(problems)} problems")


if __name__ == "__main__":
    main()
