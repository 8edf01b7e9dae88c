"""Times a PyTorch training step of any network in Bonsai's text form: forward, mean square of the outputs, backward.

Usage: narrow_step_time.py [GRAPH] [--imgsz 320] [--batch 8] [--threads 2] [--steps 6] [--channels-last]
GRAPH is a file, or `-` for standard input (the default): what `cargo xtask bench step --narrow SEED --print-graph`
prints. The modules are the usual ones, a wire is freed by PyTorch when nothing needs it, and SiLU works in place where
nobody else reads its input, as in Ultralytics.
Prints one JSON line: step_ms_median, step_ms_min, peak_rss_mb, params.
"""
import argparse
import json
import re
import resource
import statistics
import sys
import time

import torch
from torch import nn

LINE = re.compile(r"(\S+)\s*=\s*(\w+)\(([^)]*)\)\s*(.*)")


class Layer:
    """One line of the text form."""

    def __init__(self, name, kind, inputs, fields):
        self.name, self.kind, self.inputs, self.fields = name, kind, inputs, fields


def parse(text):
    """The layers in order, and the names of the outputs."""
    layers, outputs = [], []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        left, _, right = line.partition("=")
        if left.strip() == "outputs":
            outputs = [name.strip() for name in right.split(",")]
            continue
        match = LINE.fullmatch(line)
        if not match:
            sys.exit(f"line {number}: expected `name = layer(inputs) key=value ...`, found `{line}`")
        name, kind, inputs, fields = match.groups()
        fields = dict(field.split("=", 1) for field in fields.split())
        layers.append(Layer(name, kind, [i.strip() for i in inputs.split(",") if i.strip()], fields))
    if not layers or not outputs:
        sys.exit("this is no network: it needs layers and a line `outputs = ...`")
    return layers, outputs


class Network(nn.Module):
    """Runs the layers one after the other."""

    def __init__(self, layers, outputs):
        super().__init__()
        self.layers, self.outputs = layers, outputs
        self.modules_by_name = nn.ModuleDict()
        readers = {layer.name: [] for layer in layers}
        for layer in layers:
            for name in layer.inputs:
                readers[name].append(layer)
        channels = {}
        for layer in layers:
            module, channels[layer.name] = build(layer, [channels[n] for n in layer.inputs], readers)
            if module is not None:
                self.modules_by_name[key(layer.name)] = module
        # A wire is dropped behind the last layer that reads it, so that only autograd keeps what it needs.
        self.dropped = {layer.name: [] for layer in layers}
        for name, reading in readers.items():
            if reading and name not in outputs:
                self.dropped[reading[-1].name].append(name)

    def forward(self, images):
        wires = {}
        for layer in self.layers:
            inputs = [wires[name] for name in layer.inputs]
            wires[layer.name] = self.run(layer, inputs, images)
            del inputs
            for name in self.dropped[layer.name]:
                wires.pop(name, None)
        return [wires[name] for name in self.outputs]

    def run(self, layer, inputs, images):
        if layer.kind == "input":
            return images
        if layer.kind == "add":
            total = inputs[0]
            for other in inputs[1:]:
                total = total + other
            return total
        if layer.kind == "concat":
            return torch.cat(inputs, 1)
        if layer.kind == "slice":
            return inputs[0].narrow(1, int(layer.fields["start"]), int(layer.fields["len"]))
        return self.modules_by_name[key(layer.name)](inputs[0])


def key(name):
    """A module's name may hold no dot."""
    return name.replace(".", "/")


def build(layer, channels, readers):
    """The module of a layer, if it has one, and its output channels."""
    def number(field):
        return int(layer.fields[field])

    if layer.kind == "input":
        return None, number("channels")
    if layer.kind == "conv2d":
        bias = layer.fields["bias"] == "true"
        out = number("out_channels")
        return nn.Conv2d(channels[0], out, number("kernel"), number("stride"), number("padding"), bias=bias), out
    if layer.kind == "batch_norm":
        eps, momentum = float(layer.fields["eps"]), float(layer.fields["momentum"])
        return nn.BatchNorm2d(channels[0], eps=eps, momentum=momentum), channels[0]
    if layer.kind == "silu":
        return nn.SiLU(inplace=len(readers[layer.inputs[0]]) == 1), channels[0]
    if layer.kind == "max_pool":
        return nn.MaxPool2d(number("kernel"), number("stride"), number("padding")), channels[0]
    if layer.kind == "upsample":
        return nn.Upsample(scale_factor=number("scale"), mode="nearest"), channels[0]
    if layer.kind == "add":
        return None, channels[0]
    if layer.kind == "concat":
        return None, sum(channels)
    if layer.kind == "slice":
        return None, number("len")
    sys.exit(f"`{layer.name}`: no layer kind `{layer.kind}`")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("graph", nargs="?", default="-")
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--channels-last", action="store_true")
    args = parser.parse_args()
    if args.graph == "-":
        text = sys.stdin.read()
    else:
        with open(args.graph, encoding="utf-8") as file:
            text = file.read()

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = Network(*parse(text)).train()
    images = torch.rand(args.batch, 3, args.imgsz, args.imgsz)
    if args.channels_last:
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)

    times = []
    for i in range(args.steps + 2):
        start = time.perf_counter()
        sum(output.square().mean() for output in model(images)).backward()
        for parameter in model.parameters():
            parameter.grad = None
        if i >= 2:
            times.append((time.perf_counter() - start) * 1e3)
    print(json.dumps({
        "step_ms_median": statistics.median(times),
        "step_ms_min": min(times),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "params": sum(p.numel() for p in model.parameters()),
    }))


if __name__ == "__main__":
    main()
