#!/usr/bin/env python3
"""Which client accepts which form of export, as a table: networks x forms x clients of check_onnx.py.

    accept_onnx.py --xtask BIN --raw BIN --data data.yaml --out DIR NAME=WEIGHTS[:IMAGE.png[:OUTPUT.npy]]...

Every form is exported by the command line with its parity check, at 640 px, and given to every client; NAME-FORM.onnx stays in
DIR. What comes out is compared with the executor's output for the same images (`--raw` is the example raw_output of
bonsai-detector), or with OUTPUT.npy where it is given. Without IMAGE.png (of 640 px) the images are coarse colours, which no
calibration has seen. Lines of check_onnx.py go to DIR/clients.txt, and one
Markdown row per file is printed. The exit status is 1 if a client refused a file.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import check_onnx

SIDE = 640
INT8 = ["--int8"]
FORMS = {
    "fp32": [],
    "half": ["--half"],
    "half, fp16 I/O": ["--half", "--io", "fp16"],
    "dynamic batch": ["--dynamic", "batch"],
    "dynamic batch, half": ["--dynamic", "batch", "--half"],
    "dynamic shape": ["--dynamic", "shape"],
    "dynamic shape, half": ["--dynamic", "shape", "--half"],
    "yolo_trt_sim": ["--layout", "yolo_trt_sim"],
    "yolo_trt_sim, half": ["--layout", "yolo_trt_sim", "--half"],
    "int8": INT8,
    "int8, yolo_trt_sim": [*INT8, "--layout", "yolo_trt_sim"],
    "int8, dynamic batch": [*INT8, "--dynamic", "batch"],
    "int8, dynamic shape": [*INT8, "--dynamic", "shape"],
    "NMS inside": ["--nms", "onnx"],
    "opset 11": ["--opset", "11"],
    "opset 17": ["--opset", "17"],
}
SUPPRESSED = "NMS inside"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+", metavar="NAME=WEIGHTS[:IMAGE.png[:OUTPUT.npy]]")
    parser.add_argument("--xtask", required=True)
    parser.add_argument("--raw", required=True)
    parser.add_argument("--data", required=True, help="whose training images calibrate int8")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--forms", help="only these, separated by semicolons")
    return parser.parse_args()


def images_and_reference(parts, options, name):
    """The network's input, and what should come out."""
    if len(parts) > 1:
        from PIL import Image

        image = np.asarray(Image.open(parts[1]).convert("RGB"), np.float32) / 255
        images = np.ascontiguousarray(image.transpose(2, 0, 1)[None])
    else:
        # No white noise: it looks like no image that a network was made for.
        coarse = np.random.default_rng(0).random((2, 3, 16, 16), np.float32)
        images = coarse.repeat(SIDE // 16, 2).repeat(SIDE // 16, 3)
    if len(parts) == 3:
        return images, np.load(parts[2])
    files = options.out / f"{name}.images.f32", options.out / f"{name}.output.f32"
    images.tofile(files[0])
    subprocess.run([options.raw, parts[0], files[0], str(SIDE), files[1]], check=True)
    anchors = sum((SIDE // stride) ** 2 for stride in (8, 16, 32))
    return images, np.fromfile(files[1], np.float32).reshape(len(images), -1, anchors)


def main():
    import onnx

    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    lines = (options.out / "clients.txt").open("a")
    chosen = options.forms.split(";") if options.forms else FORMS
    clients = check_onnx.CLIENTS
    print("| network | form | nodes | MB | export, s | " + " | ".join([*clients, "rten (parity)"]) + " |")
    print("|---|---|--:|--:|--:|" + "---|" * (len(clients) + 1))
    refused = 0
    for network in options.networks:
        name, parts = network.split("=")[0], network.split("=", 1)[1].split(":")
        images, reference = images_and_reference(parts, options, name)
        for form in chosen:
            path = options.out / f"{name}-{form.replace(', ', '-').replace('/', '').replace(' ', '_')}.onnx"
            command = [options.xtask, "export", "--weights", parts[0], "--out", path, "--imgsz", str(SIDE), *FORMS[form]]
            command += ["--data", options.data] if "--int8" in command else []
            start = time.perf_counter()
            export = subprocess.run(command, capture_output=True, text=True)
            seconds = time.perf_counter() - start
            if export.returncode:
                print(f"| {name} | {form} | | | {seconds:.2f} | {export.stderr.strip()} |", flush=True)
                refused += 1
                continue
            model = onnx.load(path)
            wire, kind, dims = check_onnx.input_dims(model, [SIDE, SIDE], len(images))
            feed = {wire: np.ascontiguousarray(np.resize(images, dims), kind)}
            cells = []
            for client, check in clients.items():
                try:
                    output, said = check(path, model, feed, 0)
                    if output is not None:
                        said += check_onnx.difference(output, reference[: dims[0]])
                    cells.append("ok" + (said[said.index(", boxes") :] if ", boxes" in said else ""))
                except ImportError as error:
                    cells.append(f"not run: {error}")
                    said = str(error)
                except Exception as error:  # noqa: BLE001: whatever a client says is the answer
                    said = " ".join(str(error).split())[:300]
                    cells.append(f"**refused**: {said}")
                    refused += 1
                print(f"{path.name}  {client:16}  {cells[-1].split(',')[0]}  {said}", file=lines, flush=True)
            parity = export.stdout.strip().splitlines()[-1]
            row = [name, form, str(len(model.graph.node)), f"{path.stat().st_size / 1e6:.1f}", f"{seconds:.2f}"]
            print("| " + " | ".join([*row, *cells, parity]) + " |", flush=True)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
