"""Loads weights that `cargo xtask export --format pt-state` wrote into a stock model of Ultralytics'.

Usage: load_state_dict.py WEIGHTS.safetensors MODEL.yaml [OUT.pt]

MODEL.yaml is the published model of the same scale, for example yolov8n.yaml; a pruned network has other widths than any
published one, and PyTorch then says which tensors do not fit.

Tensors do not say where activations are, and Ultralytics 8.4.0 to 8.4.140 built YOLOv8 without the SiLU behind `SPPF.cv1`.
So the file says it in its header, and where this Ultralytics builds another network, that is told and put right.
"""
import sys

from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn
from ultralytics import YOLO
from ultralytics.nn.modules import Conv
from ultralytics.nn.tasks import DetectionModel


def set_activations(model, without_silu):
    """SiLU behind every block but those named."""
    for name, module in model.named_modules():
        if not isinstance(module, Conv):
            continue
        wanted = nn.Identity if name in without_silu else nn.SiLU
        if not isinstance(module.act, wanted):
            print(f"{name}: this Ultralytics builds it with {type(module.act).__name__}, the weights were made with "
                  f"{wanted.__name__}: set to {wanted.__name__}")
            module.act = wanted()


def main():
    weights, config = load_file(sys.argv[1]), sys.argv[2]
    with safe_open(sys.argv[1], framework="pt") as file:
        said = (file.metadata() or {}).get("bonsai.without_silu")
    if said is None:
        print(f"{sys.argv[1]} does not say where activations are: SiLU is assumed behind every block")
    num_classes = next(t for name, t in weights.items() if name.endswith("cv3.0.2.bias")).shape[0]
    model = YOLO(config, task="detect")
    model.model = DetectionModel(config, nc=num_classes)
    model.model.load_state_dict(weights, strict=True)
    set_activations(model.model, (said or "").split())
    print(f"{sys.argv[1]}: all {len(weights)} tensors fit {config}")
    if len(sys.argv) > 3:
        model.save(sys.argv[3])
        print(f"saved as {sys.argv[3]}")


if __name__ == "__main__":
    main()
