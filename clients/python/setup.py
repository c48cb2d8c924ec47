"""Makes hiif/v1 from the proto, which lies beside this folder in the repository.

Nothing is left in this folder: what setuptools writes goes to build/python of the repository.
"""

import importlib.metadata
import pathlib
import re
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = pathlib.Path(__file__).resolve().parent
PROTO = HERE.parents[1] / "proto"
WORK = HERE.parents[1] / "build" / "python"
VERSION = re.search(r"^project\(\S+ VERSION (\S+)", (HERE.parents[1] / "CMakeLists.txt").read_text(), re.MULTILINE)[1]


class BuildWithStubs(build_py):
    """The package's own modules, then those of the proto."""

    def run(self):
        if not self.editable_mode:  # what lies there goes into the wheel, also of an earlier version
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        out = HERE if self.editable_mode else pathlib.Path(self.build_lib)
        (out / "hiif" / "v1").mkdir(parents=True, exist_ok=True)
        from grpc_tools import protoc
        if protoc.main(["protoc", f"-I{PROTO}", f"--python_out={out}", f"--pyi_out={out}", f"--grpc_python_out={out}",
                        "hiif/v1/super_resolution.proto"]) != 0:
            raise SystemExit("the proto could not be compiled")


# The generated code needs the protobuf that its generator was made for, or a newer one, and is told by it which.
(PROTOBUF,) = (re.search(r">=\s*([\d.]+)", line)[1] for line in importlib.metadata.requires("grpcio-tools")
               if line.startswith("protobuf"))

WORK.mkdir(parents=True, exist_ok=True)
setup(version=VERSION,
      install_requires=["grpcio>=1.51.1", "grpcio-status>=1.51.1", f"protobuf>={PROTOBUF}", "numpy", "pillow"],
      cmdclass={"build_py": BuildWithStubs},
      options={"build": {"build_base": str(WORK)}, "egg_info": {"egg_base": str(WORK)}})
