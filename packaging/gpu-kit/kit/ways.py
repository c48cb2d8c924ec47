"""The ways of a GPU that are compared, by their names in the tables: what each sets in the environment (docs/gpu.md)."""

LAYERS = {"HIIF_CUDA_DECODER": "layers", "HIIF_CUDA_STREAMS": "one"}
FUSED = {"HIIF_CUDA_DECODER": "fused", "HIIF_CUDA_STREAMS": "one"}
OWN = {"HIIF_CUDA_STREAMS": "own"}
DECODERS = {"layers": LAYERS, "fused": FUSED}
OWN_STREAMS = {"layers, own streams": {**LAYERS, **OWN}, "fused, own streams": {**FUSED, **OWN}}


def every(machine):
    """Streams are a GPU's alone."""
    return {**DECODERS, **(OWN_STREAMS if machine.cuda else {})}
