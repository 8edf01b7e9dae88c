#!/usr/bin/env python3
"""Whether files that another program decodes give the detections that ours gives.

    check_detections.py --xtask BIN --weights FILE --source IMAGE.png... [--imgsz 640] [--conf 0.25] [--iou 0.7]

Exports the layout yolo_trt_sim and a file with NMS inside, runs both in onnxruntime, decodes the first as its client does
(objectness times class score, boxes from centre and size, greedy suppression within a class, here in numpy), and compares
either with `predict --json` of the checkpoint. The images are to be squares of imgsz stored without loss, so that both sides
see the same numbers. The exit status is 1 if any detection has no counterpart within 0.05 px and 0.0001.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image

# The same sums in another order over some sixty layers, on boxes of hundreds of pixels.
BOX_PX, SCORE = 0.05, 1e-4


def suppress(boxes, scores, classes, iou, most):
    """Indices that stay, best first."""
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        if len(kept) == most:
            break
        for k in kept:
            if classes[k] != classes[i]:
                continue
            sides = np.minimum(boxes[i, 2:], boxes[k, 2:]) - np.maximum(boxes[i, :2], boxes[k, :2])
            shared = np.prod(np.clip(sides, 0, None))
            areas = np.prod(boxes[i, 2:] - boxes[i, :2]) + np.prod(boxes[k, 2:] - boxes[k, :2])
            if shared > iou * (areas - shared):
                break
        else:
            kept.append(i)
    return kept


def as_client(output, conf, iou, most=300):
    """Rows of x1, y1, x2, y2, score, class from [anchors, 5 + classes]."""
    assert (output[:, 4] == 1).all(), "objectness is not 1"
    scores = output[:, 5:] * output[:, 4:5]
    best, classes = scores.max(1), scores.argmax(1)
    seen = best > conf
    centre, half = output[seen, :2], output[seen, 2:4] / 2
    boxes = np.concatenate([centre - half, centre + half], 1)
    kept = suppress(boxes, best[seen], classes[seen], iou, most)
    return np.column_stack([boxes[kept], best[seen][kept], classes[seen][kept]])


def worst(ours, theirs):
    """Largest differences of boxes and scores between rows in order of score; None where they do not pair up."""
    if len(ours) != len(theirs):
        return None
    order = lambda rows: rows[np.lexsort((rows[:, 0], rows[:, 5], -rows[:, 4].round(3)))]  # noqa: E731: read once
    if len(ours) == 0:
        return 0.0, 0.0
    a, b = order(ours), order(theirs)
    return None if (a[:, 5] != b[:, 5]).any() else (np.abs(a - b)[:, :4].max(), np.abs(a - b)[:, 4].max())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--xtask", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--source", required=True, nargs="+")
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--conf", type=float, default=0.25)
    parser.add_argument("--iou", type=float, default=0.7)
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        limits = ["--conf", str(options.conf), "--iou", str(options.iou)]
        for form, flags in {
            "yolo_trt_sim": ["--layout", "yolo_trt_sim"],
            "NMS inside": ["--nms", "onnx", *limits],
        }.items():
            file = Path(folder) / "file.onnx"
            export = [options.xtask, "export", "--weights", options.weights, "--out", file, "--imgsz", str(options.imgsz)]
            subprocess.run([*export, *flags], check=True, stdout=subprocess.DEVNULL)
            network = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
            (wire,), (made,) = network.get_inputs(), network.get_outputs()
            if form == "yolo_trt_sim":
                assert made.name == "outputs" and wire.name == "images" and made.type == wire.type == "tensor(float)"
            for source in options.source:
                image = np.asarray(Image.open(source).convert("RGB"))
                assert image.shape[:2] == (options.imgsz, options.imgsz), f"{source} is {image.shape[1]}x{image.shape[0]}"
                output = network.run(None, {wire.name: image.transpose(2, 0, 1)[None].astype(np.float32) / 255})[0][0]
                theirs = output[output[:, 4] > 0] if form == "NMS inside" else as_client(output, options.conf, options.iou)
                theirs[:, :4] = theirs[:, :4].clip(0, options.imgsz)  # As ours: what is outside the picture is nobody's.
                predict = [options.xtask, "predict", "--weights", options.weights, "--source", source, "--json", *limits]
                predict += ["--imgsz", str(options.imgsz)]
                answer = subprocess.run(predict, check=True, capture_output=True, text=True).stdout
                found = json.loads(answer.splitlines()[0])["detections"]
                ours = np.array([[*d["xyxy"], d["confidence"], d["class_id"]] for d in found]).reshape(-1, 6)
                far = worst(ours, theirs)
                ok = far is not None and far[0] <= BOX_PX and far[1] <= SCORE
                failed += not ok
                said = "do not pair up" if far is None else f"within {far[0]:.2g} px and {far[1]:.2g}"
                print(f"{form:14} {Path(source).name}: ours {len(ours)}, theirs {len(theirs)}, {said}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
