"""Holds files of `bonsai export --format ultralytics` against an installed Ultralytics (8.0.90 or newer).

Usage: check_ultralytics_file.py RAW_OUTPUT SIDE CHECKPOINT=FILE.pt... [--val DATA.yaml] [--train DATA.yaml]
       [--export FORMAT...]

RAW_OUTPUT is the built example `raw_output` of bonsai-detector, which runs a checkpoint on prepared images. Every
file is loaded by `YOLO(FILE.pt)`; its raw output must agree with that of its checkpoint within 1e-4 of the value (1
below 1). --val prints the metrics of Ultralytics, to be held against those of `bonsai val --rect`. --train trains each
file for one epoch with examples/train_pruned.py and compares the widths before and after. --export runs Ultralytics'
own export and the exported file.
"""
import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("YOLO_OFFLINE", "1")
# Ultralytics before 8.3 loads pickles with PyTorch's default, which has changed since.
os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")

import numpy as np
import torch
from ultralytics import YOLO, __version__
from ultralytics.nn.tasks import DetectionModel

LIMIT = 1e-4


def ours(program, checkpoint, images, side, folder):
    before, after = folder / "images.f32", folder / "output.f32"
    images.tofile(before)
    subprocess.run([program, checkpoint, before, str(side), after], check=True)
    return np.fromfile(after, dtype=np.float32)


def widths(model):
    return [tuple(parameter.shape) for parameter in model.state_dict().values()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("raw_output")
    parser.add_argument("side", type=int)
    parser.add_argument("pairs", nargs="+", metavar="CHECKPOINT=FILE.pt")
    parser.add_argument("--val")
    parser.add_argument("--train")
    parser.add_argument("--export", nargs="+", default=[])
    args = parser.parse_args()
    print(f"Ultralytics {__version__}, PyTorch {torch.__version__}")
    images = np.random.default_rng(0).random((2, 3, args.side, args.side), dtype=np.float32)
    failed = False
    for pair in args.pairs:
        checkpoint, file = pair.split("=")
        yolo = YOLO(file)
        with torch.no_grad():
            output = yolo.model.float().eval()(torch.from_numpy(images))
        output = (output[0] if isinstance(output, (list, tuple)) else output).numpy().ravel()
        with tempfile.TemporaryDirectory() as folder:
            expected = ours(args.raw_output, checkpoint, images, args.side, Path(folder))
        worst = float((np.abs(output - expected) / np.maximum(np.abs(expected), 1)).max())
        failed |= not worst <= LIMIT
        described = "backbone" in yolo.model.yaml
        if described:
            rebuilt = DetectionModel(dict(yolo.model.yaml), verbose=False)
            same = widths(rebuilt) == widths(yolo.model)
            if same:
                rebuilt.load_state_dict(yolo.model.state_dict())
                rebuilt.model[-1].stride = yolo.model.model[-1].stride
                with torch.no_grad():
                    again = rebuilt.float().eval()(torch.from_numpy(images))
                again = (again[0] if isinstance(again, (list, tuple)) else again).numpy().ravel()
                same = bool((np.abs(again - output) <= LIMIT * np.maximum(np.abs(output), 1)).all())
            failed |= not same
            print(f"{file}: built again from its description, {'the same network' if same else 'ANOTHER NETWORK'}")
        modules = {type(module).__module__.split(".")[0] for module in yolo.model.modules()}
        print(f"{file}: worst difference {worst:.1e} of {output.size} numbers, modules of {sorted(modules)}")
        if args.val:
            metrics = YOLO(file).val(data=args.val, imgsz=args.side, batch=16, workers=0, plots=False, verbose=False)
            print(f"{file}: mAP50 {metrics.box.map50:.4f}, mAP50-95 {metrics.box.map:.4f}")
        for name in args.export:
            exported = YOLO(file).export(format=name, imgsz=args.side)
            picture = (images[0].transpose(1, 2, 0) * 255).astype(np.uint8)
            found = YOLO(exported, task="detect").predict(picture, imgsz=args.side, conf=0.001, verbose=False)
            here = YOLO(file).predict(picture, imgsz=args.side, conf=0.001, verbose=False)
            print(f"{file}: {name} runs, {len(found[0].boxes)} boxes, {len(here[0].boxes)} from the .pt file")
        if args.train:
            before = widths(YOLO(file).model)
            with tempfile.TemporaryDirectory() as folder:
                script = Path(__file__).parents[2] / "examples" / "train_pruned.py"
                options = [f"data={args.train}", "epochs=1", f"imgsz={args.side}", "workers=0", f"project={folder}",
                           "plots=False", "name=run", "device='cpu'"]
                subprocess.run([sys.executable, script, file, *options], check=True)
                after = widths(YOLO(f"{folder}/run/weights/last.pt").model)
            print(f"{file}: after one epoch, {'the same widths' if before == after else 'OTHER WIDTHS'}")
            failed |= before != after
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
