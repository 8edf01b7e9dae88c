"""Trains on, in Ultralytics, a pruned file that `cargo xtask export --format ultralytics` wrote.

Usage: train_pruned.py PRUNED.pt data=DATA.yaml epochs=50 imgsz=640 (and other arguments of `yolo train`)

Ultralytics' trainer builds the network from a YAML, which cannot describe the widths that pruning left. Here its method
`get_model` returns the modules in the file.
"""
import ast
import sys

from ultralytics import YOLO

try:
    from ultralytics.models.yolo.detect import DetectionTrainer
except ImportError:  # before 8.0.136
    from ultralytics.yolo.v8.detect import DetectionTrainer


def get_model(self, cfg=None, weights=None, verbose=True):
    if weights.nc != self.data["nc"]:
        sys.exit(f"the file has {weights.nc} classes, the dataset {self.data['nc']}: prune a network of its classes")
    return weights


DetectionTrainer.get_model = get_model


def value(text):
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    arguments = dict(argument.split("=", 1) for argument in sys.argv[2:])
    arguments = {name: value(text) for name, text in arguments.items()}
    YOLO(sys.argv[1]).train(**arguments)
