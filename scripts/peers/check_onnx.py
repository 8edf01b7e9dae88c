#!/usr/bin/env python3
"""Who accepts an ONNX file, and how far what it computes there is from a reference.

One line per file and client: the file, the client, `ok` or `FAIL` or `skip`, and what it says.
Clients: onnx.checker (full), strict shape inference with data propagation, onnxruntime, OpenVINO (computing in f32), and
TensorRT-RTX's parser where `tensorrt_rtx_bindings` can be imported. Python packages: numpy, onnx, onnxruntime, openvino.

    check_onnx.py FILE.onnx... [--images INPUT.npy] [--reference OUTPUT.npy] [--size H W] [--batch N] [--time ROUNDS]

INPUT.npy is [n, 3, h, w] in 0..1, OUTPUT.npy the raw output [n, 4 + classes, anchors] that `output0` should be; without
INPUT.npy a fixed random picture is used. A file with another layout is brought into that form, one with suppression inside
is compared with nothing. With --time, median and lowest milliseconds of that many runs are printed, with two threads.
The exit status is 1 if any client refused a file.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--size", nargs=2, type=int, metavar=("H", "W"), help="where the file leaves it open")
    parser.add_argument("--batch", type=int, default=2, help="where the file leaves it open [default: 2]")
    parser.add_argument("--time", type=int, default=0, metavar="ROUNDS")
    return parser.parse_args()


def input_dims(model, size, batch):
    """Name, numpy type and shape of the input, with sizes for what the file leaves open."""
    import onnx

    value = model.graph.input[0]
    tensor = value.type.tensor_type
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    height, width = size or eval(metadata.get("imgsz", "[640, 640]"), {"__builtins__": {}})
    free = [batch, 3, height, width]
    dims = [d.dim_value if d.HasField("dim_value") else free[i] for i, d in enumerate(tensor.shape.dim)]
    return value.name, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type), dims


def as_ultralytics(output):
    """The output as [n, 4 + classes, anchors]; None for rows of suppressed boxes."""
    if output.ndim == 3 and output.shape[2] == 6 and output.shape[1] > 6:
        return None
    if output.shape[1] > output.shape[2]:
        assert (output[:, :, 4] == 1).all(), "objectness is not 1"
        output = np.delete(output, 4, axis=2).transpose(0, 2, 1)
    return output


def difference(output, reference):
    """Largest distance of boxes in pixels and of scores, in words."""
    if reference is None:
        return ""
    ours = as_ultralytics(output.astype(np.float32))
    if ours is None:
        return ", suppressed inside"
    boxes, scores = np.abs(ours[:, :4] - reference[:, :4]), np.abs(ours[:, 4:] - reference[:, 4:])
    # Boxes that somebody would look at: the logits of the others may be far from any object.
    seen = (reference[:, 4:].max(1) > 0.25)[:, None].repeat(4, 1)
    near = boxes[seen].max() if seen.any() else 0.0
    return f", boxes {boxes.max():.4f} px ({near:.4f} where the score is over 0.25), scores {scores.max():.2e}"


def timed(run, rounds):
    """What `run` gives, and its times in words."""
    output, times = run(), []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    return output, f", {np.median(times):.1f} ms median, {min(times):.1f} lowest" if times else ""


def checker(path, model, feed, rounds):
    import onnx

    onnx.checker.check_model(str(path), full_check=True)
    return None, f"{len(model.graph.node)} nodes, opset {model.opset_import[0].version}"


def strict(path, model, feed, rounds):
    import onnx

    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    values = {v.name for v in list(model.graph.value_info) + list(model.graph.output)}
    made = {o for node in model.graph.node for o in node.output}
    assert made == values, f"without value_info: {sorted(made ^ values)[:5]}"
    # What is inferred without our shapes must be what they say, wherever both know a number.
    del bare.graph.value_info[:]
    alone = onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True, data_prop=True)
    shapes = {v.name: v.type.tensor_type for v in inferred.graph.value_info}
    agreed = 0
    for value in alone.graph.value_info:
        ours, theirs = shapes[value.name], value.type.tensor_type
        assert ours.elem_type == theirs.elem_type, f"type of {value.name}"
        for mine, other in zip(ours.shape.dim, theirs.shape.dim, strict=True):
            if mine.HasField("dim_value") and other.HasField("dim_value"):
                assert mine.dim_value == other.dim_value, f"shape of {value.name}"
                agreed += 1
    return None, f"{len(made)} values, {agreed} dimensions agree"


def onnxruntime(path, model, feed, rounds):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    network = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    output, times = timed(lambda: network.run(None, feed)[0], rounds)
    return output, f"{ort.__version__}: {list(output.shape)} {output.dtype}{times}"


def openvino(path, model, feed, rounds):
    import openvino as ov

    core = ov.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "2"}
    request = core.compile_model(core.read_model(str(path)), "CPU", settings).create_infer_request()
    output, times = timed(lambda: request.infer(feed)[request.model_outputs[0]].copy(), rounds)
    return output, f"{ov.__version__.split('-')[0]}: {list(output.shape)} {output.dtype}{times}"


def tensorrt_rtx(path, model, feed, rounds):
    import tensorrt_rtx_bindings as trt

    if any(node.op_type == "NonMaxSuppression" for node in model.graph.node):
        raise ImportError("the library parses NonMaxSuppression, but has no kernel for it on any GPU")
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(path.read_bytes()):
        raise RuntimeError("; ".join(parser.get_error(i).desc() for i in range(parser.num_errors)))
    config = builder.create_builder_config()
    source = network.get_input(0)
    if -1 in source.shape:
        profile = builder.create_optimization_profile()
        shape = tuple(next(iter(feed.values())).shape)
        least = (1, *shape[1:])
        profile.set_shape(source.name, least, shape, shape)
        config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    assert engine is not None, "no engine was built"
    return None, f"{trt.__version__}: {network.num_layers} layers, engine of {engine.nbytes / 1e6:.1f} MB"


CLIENTS = {
    "onnx.checker": checker,
    "strict inference": strict,
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "tensorrt-rtx": tensorrt_rtx,
}


def main():
    import onnx

    options = arguments()
    images = np.load(options.images) if options.images else None
    reference = np.load(options.reference) if options.reference else None
    refused = 0
    for path in options.files:
        model = onnx.load(path)
        name, kind, dims = input_dims(model, options.size, options.batch)
        picture = np.random.default_rng(0).random(dims) if images is None else np.resize(images, dims)
        feed = {name: np.ascontiguousarray(picture, kind)}
        expected = None if reference is None else np.resize(reference, (dims[0], *reference.shape[1:]))
        for client, check in CLIENTS.items():
            try:
                output, said = check(path, model, feed, options.time)
                word = "ok  "
                if output is not None:
                    said += difference(output, expected)
            except ImportError as error:
                word, said = "skip", str(error)
            except Exception as error:  # noqa: BLE001: whatever a client says is the answer
                word, said = "FAIL", " ".join(str(error).split())[:300]
                refused += 1
            print(f"{path.name}  {client:16}  {word}  {said}", flush=True)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
