"""Makes hiif/v1 from the proto, which lies beside this folder in the repository."""

import pathlib

from setuptools import setup

HERE = pathlib.Path(__file__).resolve().parent
PROTO = HERE.parents[1] / "proto"


def generate():
    (HERE / "hiif" / "v1").mkdir(exist_ok=True)
    if not PROTO.exists():
        return  # a source distribution, which has the generated files
    from grpc_tools import protoc
    code = protoc.main(["protoc", f"-I{PROTO}", f"--python_out={HERE}", f"--pyi_out={HERE}",
                        f"--grpc_python_out={HERE}", "hiif/v1/super_resolution.proto"])
    if code != 0:
        raise SystemExit("the proto could not be compiled")


generate()
setup()
