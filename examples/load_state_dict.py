"""Loads weights that `cargo xtask export --format pt-state` wrote into a stock model of Ultralytics'.

Usage: load_state_dict.py WEIGHTS.safetensors MODEL.yaml [OUT.pt]

MODEL.yaml is the published model of the same scale, for example yolov8n.yaml; a pruned network has other widths than any
published one, and PyTorch then says which tensors do not fit.
"""
import sys

from safetensors.torch import load_file
from ultralytics import YOLO
from ultralytics.nn.tasks import DetectionModel


def main():
    weights, config = load_file(sys.argv[1]), sys.argv[2]
    num_classes = next(t for name, t in weights.items() if name.endswith("cv3.0.2.bias")).shape[0]
    model = YOLO(config, task="detect")
    model.model = DetectionModel(config, nc=num_classes)
    model.model.load_state_dict(weights, strict=True)
    print(f"{sys.argv[1]}: all {len(weights)} tensors fit {config}")
    if len(sys.argv) > 3:
        model.save(sys.argv[3])
        print(f"saved as {sys.argv[3]}")


if __name__ == "__main__":
    main()
