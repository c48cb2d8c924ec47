"""A folder, or a Parquet or WebDataset of images, enlarged by Ray Data through several hiif-servers.

    python upscale_folder.py photos enlarged --servers 10.0.0.1:8500,10.0.0.2:8500 --scale 2.7
    python upscale_folder.py s3://bucket/photos.parquet enlarged --column image --name path --servers ...

Ray spreads the work over its cluster and starts workers again that die; a file that is there already is left alone, so a run
that was broken off goes on where it was. Each worker asks the servers in turn, waits as long as a full one tells it to,
resumes streams that break, and goes to another server when one is gone. Results have 8 bits a sample: Pillow holds no
more of colours. Needs ray[data] and hiif-client.
"""

import argparse
import hashlib
import ipaddress
import os
import pathlib
import sys
import uuid

import ray

import hiif


def target_name(name):
    """Of its own for each name: a/photo.jpg, a/photo.png and b/photo.jpg are three."""
    return f"{pathlib.PurePosixPath(name).stem[:60]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}.png"


def address_of(servers):
    """As hiif.Client takes it: one server, or several by their numbers. Raises ValueError."""
    several = servers.split(",")
    if len(several) == 1:
        return servers
    hosts = [server.rpartition(":")[0].strip("[]") for server in several]
    try:
        (version,) = {ipaddress.ip_address(host).version for host in hosts}
    except ValueError:
        raise ValueError(f"--servers {servers}: several are told by numeric addresses of one kind, each with its port "
                         "(10.0.0.1:8500,10.0.0.2:8500), or by one name that stands for all of them") from None
    return f"ipv{version}:{servers}"


class Upscale:
    """One worker: a client of all servers."""

    def __init__(self, servers, scale, model, out):
        self.client = hiif.Client(address_of(servers), attempts=20)
        self.options = {"scale": scale, "model": model, "sample_type": "SAMPLE_TYPE_U8"}
        self.out = pathlib.Path(out)

    def __call__(self, row):
        target = self.out / target_name(row["name"])
        if target.exists():
            return {"name": row["name"], "result": "there"}
        try:
            image = self.client.upscale(row["bytes"], **self.options)
        except hiif.Error as error:  # of this picture; the others go on
            return {"name": row["name"], "result": f"{error.code.name}: {error}"}
        part = target.with_suffix(f".{uuid.uuid4().hex}.part")  # whole or not at all
        image.save(part, "PNG")
        os.replace(part, target)
        return {"name": row["name"], "result": "done"}


def read(source, column, name):
    """A dataset of {"name", "bytes"}."""
    if source.endswith(".parquet"):
        data = ray.data.read_parquet(source, columns=[column, name])
    elif source.endswith(".tar"):
        data = ray.data.read_webdataset(source, decoder=None)
    else:
        data, column, name = ray.data.read_binary_files(source, include_paths=True), "bytes", "path"
    return data.map(lambda row: {"name": str(row[name]), "bytes": row[column]})


def upscale(source, out, servers, scale=2.0, model="", workers=2, column="image", name="name"):
    """{result: count}."""
    address_of(servers)  # before Ray begins
    pathlib.Path(out).mkdir(parents=True, exist_ok=True)
    for part in pathlib.Path(out).glob("*.part"):  # of a run that was broken off
        part.unlink()
    done = read(source, column, name).map(
        Upscale, fn_constructor_args=(servers, scale, model, os.path.abspath(out)), concurrency=workers, num_cpus=0.1)
    counts = {}
    for row in done.iter_rows():
        counts[row["result"]] = counts.get(row["result"], 0) + 1
        if row["result"] not in ("done", "there"):
            print(f"{row['name']}: {row['result']}", file=sys.stderr)
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("out", help="folder that all workers see")
    parser.add_argument("--servers", required=True,
                        help="host:port; several by commas as numbers, or one name that stands for all")
    parser.add_argument("--scale", type=float, default=2.0)
    parser.add_argument("--model", default="")
    parser.add_argument("--workers", type=int, default=2, help="requests at once")
    parser.add_argument("--column", default="image", help="of the files' bytes, in Parquet and WebDataset")
    parser.add_argument("--name", default="name", help="of their names")
    options = parser.parse_args()
    result = upscale(**vars(options))
    print(", ".join(f"{count} {what}" for what, count in result.items()))
    sys.exit(0 if set(result) <= {"done", "there"} else 1)
