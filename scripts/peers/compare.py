"""Times rows of both sides in turns and prints each as a row of Markdown. Started by scripts/compare-peers.sh.

A round is one process of ours and one of the peer's, with the same sizes; which comes first alternates. The ratio of a
round is the peer's time by ours, so above 1 is faster. Printed are the medians over the rounds, and the least and the
greatest ratio.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
AVX2_OURS = {"BONSAI_ISA": "avx2"}
AVX2_PEER = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}


class Row:
    """What both sides are asked. `time` names the figure that is compared, if both sides print it."""

    def __init__(self, title, ours, peer, ours_env=None, peer_env=None, time=None):
        self.title, self.ours, self.peer, self.time = title, ours, peer, time
        self.ours_env, self.peer_env = ours_env or {}, peer_env or {}


def step(title, arguments, peer=(), **environments):
    """A training step against PyTorch."""
    arguments = arguments.split()
    return Row(title, ["step", *arguments], ["step_time.py", *arguments, *peer], **environments)


def narrow(title, flag, seed, peer=()):
    """A narrow network against the same one in PyTorch."""
    sizes = "--imgsz 320 --batch 8 --threads 2 --steps 6".split()
    peer = ["narrow_step_time.py", f"GRAPH {flag} {seed}", *sizes, *peer]
    return Row(title, ["step", flag, str(seed), "--dummy-loss", *sizes], peer)


def infer(title, imgsz, engine):
    """An inference against a runtime that reads ONNX."""
    sizes = f"--imgsz {imgsz} --batch 1 --threads 2 --runs 20".split()
    peer = ["infer_time.py", f"ONNX yolov8n {imgsz}", "--engine", engine, *sizes]
    return Row(title, ["infer", "--model", "yolov8n", *sizes], peer)


def int8(title, imgsz, engine, threads, precision="int8"):
    """An inference in 8-bit codes against a runtime with its own 8-bit file, or with its default arithmetic. One
    thread is compared by processor time."""
    sizes = f"--imgsz {imgsz} --batch 1 --threads {threads} --runs 20".split()
    file = f"INT8 yolov8n {imgsz} {engine}" if precision == "int8" else f"ONNX yolov8n {imgsz}"
    hint = ["--precision", "default"] if precision == "default" else []
    peer = ["infer_time.py", file, "--engine", engine, *hint, *sizes]
    ours = ["infer", "--model", "yolov8n", "--precision", "int8", *sizes]
    return Row(title, ours, peer, time="cpu_ms_median" if threads == 1 else None)


STEP = "--model yolov8n --imgsz 320 --batch 8 --threads 2 --steps 6"
ROWS = {
    "step": step("step, n, 320 px, batch 8", STEP),
    "step-channels-last": step("step, the same, PyTorch channels_last", STEP, ["--channels-last"]),
    "step-dummy": step("step without loss and optimiser, n, 320 px, batch 8", f"{STEP} --dummy-loss"),
    "step-dummy-channels-last":
        step("step, the same, PyTorch channels_last", f"{STEP} --dummy-loss", ["--channels-last"]),
    "step-640": step("step, n, 640 px, batch 2", "--model yolov8n --imgsz 640 --batch 2 --threads 2 --steps 6"),
    "step-s": step("step, s, 320 px, batch 4", "--model yolov8s --imgsz 320 --batch 4 --threads 2 --steps 6"),
    "step-1-thread":
        step("step, n, 320 px, batch 8, one thread", "--model yolov8n --imgsz 320 --batch 8 --threads 1 --steps 6"),
    "step-batch-1": step("step, n, 320 px, batch 1", "--model yolov8n --imgsz 320 --batch 1 --threads 2 --steps 12"),
    "step-avx2":
        step("step, n, 320 px, batch 8, both held to AVX2", STEP, ours_env=AVX2_OURS, peer_env=AVX2_PEER),
    "narrow": narrow("step without loss, n at about half of its widths, none a multiple of 8", "--narrow", 1),
    "narrow-channels-last":
        narrow("step, the same, PyTorch channels_last", "--narrow", 1, ["--channels-last"]),
    "narrow-rounded": narrow("step, the same widths rounded up to 16", "--narrow-rounded", 1),
    "infer-640-onnxruntime": infer("inference, n, 640 px, against onnxruntime", 640, "onnxruntime"),
    "infer-640-openvino": infer("inference, n, 640 px, against OpenVINO", 640, "openvino"),
    "infer-320-onnxruntime": infer("inference, n, 320 px, against onnxruntime", 320, "onnxruntime"),
    "infer-320-openvino": infer("inference, n, 320 px, against OpenVINO", 320, "openvino"),
    "int8-640-openvino": int8("int8, n, 640 px, one thread, against OpenVINO int8 (NNCF)", 640, "openvino", 1),
    "int8-640-openvino-default":
        int8("int8, n, 640 px, one thread, against OpenVINO's default", 640, "openvino", 1, "default"),
    "int8-640-onnxruntime": int8("int8, n, 640 px, one thread, against onnxruntime int8", 640, "onnxruntime", 1),
    "int8-640-openvino-2": int8("int8, n, 640 px, two threads, against OpenVINO int8 (NNCF)", 640, "openvino", 2),
    "int8-320-openvino": int8("int8, n, 320 px, one thread, against OpenVINO int8 (NNCF)", 320, "openvino", 1),
}


def figures(command, environment):
    """The last line that a command prints, which is JSON."""
    run = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout.strip().splitlines()[-1])


class Peers:
    """Where the peers are, and the files they need, made when they are needed first."""

    def __init__(self, scratch):
        self.python, self.folder, self.xtask = (setting(n) for n in ("PEER_PYTHON", "PEER_DIR", "XTASK"))
        self.scratch, self.files = scratch, {}

    def command(self, row):
        script, *arguments = row.peer
        own = os.path.join(HERE, script)
        script = own if os.path.exists(own) else os.path.join(self.folder, script)
        return [self.python, script, *(self.file(a) if " " in a else a for a in arguments)]

    def file(self, wanted):
        if wanted not in self.files:
            kind, *words = wanted.split()
            make = {"GRAPH": self.graph, "ONNX": self.onnx, "INT8": self.int8}[kind]
            self.files[wanted] = make(*words)
        return self.files[wanted]

    def graph(self, *arguments):
        """A network of ours as text."""
        path = os.path.join(self.scratch, "-".join(a.strip("-") for a in arguments) + ".txt")
        with open(path, "w", encoding="utf-8") as file:
            subprocess.run([self.xtask, "bench", "step", *arguments, "--print-graph"], stdout=file, check=True)
        return path

    def onnx(self, model, imgsz):
        """Ultralytics' network with fresh weights as ONNX."""
        folder = os.path.join(self.scratch, f"{model}-{imgsz}")
        script = os.path.join(self.folder, "export_ultralytics.py")
        command = [self.python, script, f"{model}.yaml", folder, "--imgsz", imgsz]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        found = [name for name in os.listdir(folder) if name.endswith(".onnx")]
        if len(found) != 1:
            sys.exit(f"{script} made {found or 'no file'} in {folder}; expected one .onnx")
        return os.path.join(folder, found[0])


    def int8(self, model, imgsz, engine):
        """The same network in 8 bits, by NNCF for OpenVINO and by onnxruntime's own tool."""
        onnx = self.file(f"ONNX {model} {imgsz}")
        stem = os.path.join(self.scratch, f"{model}-{imgsz}-int8")
        made = {"openvino": stem + ".nncf.xml", "onnxruntime": stem + ".ort.onnx"}[engine]
        if not os.path.exists(made):
            script = os.path.join(self.folder, "quantize_peers.py")
            command = [self.python, script, onnx, setting("PEER_IMAGES"), stem, "--imgsz", imgsz]
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        return made


def setting(name):
    value = os.environ.get(name)
    if not value:
        sys.exit(f"{name} is not set; start scripts/compare-peers.sh, whose header says what it needs")
    return os.path.abspath(value) if os.path.exists(value) else value


def time_row(row, peers, rounds):
    """The figures of all rounds, as pairs of ours and the peer's."""
    ours, peer = [peers.xtask, "bench", *row.ours, "--json"], peers.command(row)
    pairs = []
    for number in range(rounds):
        sides = [(ours, row.ours_env), (peer, row.peer_env)]
        found = [figures(*side) for side in (sides if number % 2 == 0 else sides[::-1])]
        pairs.append(tuple(found if number % 2 == 0 else found[::-1]))
        print(f"  round {number + 1} of {rounds}: {milliseconds(row, pairs[-1][0]):.1f} ms, "
              f"peer {milliseconds(row, pairs[-1][1]):.1f} ms", file=sys.stderr)
    return pairs


def milliseconds(row, found):
    return found[row.time] if row.time else found.get("step_ms_median", found.get("latency_ms_median"))


def markdown(row, pairs):
    ratios = [milliseconds(row, peer) / milliseconds(row, ours) for ours, peer in pairs]
    memory = [peer["peak_rss_mb"] / ours["peak_rss_mb"] for ours, peer in pairs if ours["peak_rss_mb"]]
    ours, peer = ([milliseconds(row, pair[side]) for pair in pairs] for side in (0, 1))
    held = [statistics.median(pair[side]["peak_rss_mb"] or 0.0 for pair in pairs) for side in (0, 1)]
    return (f"| {row.title} | {statistics.median(ours):.1f} ms | {statistics.median(peer):.1f} ms "
            f"| {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) "
            f"| {held[0]:.0f} MiB | {held[1]:.0f} MiB | {statistics.median(memory) if memory else 0.0:.2f} |")


def main():
    parser = argparse.ArgumentParser(usage="compare-peers.sh [--rounds N] [--list] [ROW...]")
    parser.add_argument("rows", nargs="*", help="all without")
    parser.add_argument("--rounds", type=int, default=5, help="at least 5 for a figure that is kept")
    parser.add_argument("--list", action="store_true", help="say which rows there are")
    args = parser.parse_args()
    if args.list:
        for name, row in ROWS.items():
            print(f"{name:>24}  {row.title}")
        return
    unknown = [name for name in args.rows if name not in ROWS]
    if unknown or args.rounds < 1:
        parser.error(f"no row {', '.join(unknown)}; --list says which there are" if unknown else "no round")
    print("| | ours | peer | peer / ours (least to greatest) | our peak | peer's peak | peer / ours |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as scratch:
        peers = Peers(scratch)
        for name in args.rows or ROWS:
            print(f"{name}:", file=sys.stderr)
            print(markdown(ROWS[name], time_row(ROWS[name], peers, args.rounds)), flush=True)


if __name__ == "__main__":
    main()
