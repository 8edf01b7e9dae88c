"""Times Torch-Pruning on the network of crates/prune/benches/yolov8x.rs: dependency graph, and half of every layer by L2.

Needs torch, ultralytics 8.4 and torch-pruning 1.6.1. C2f is taken apart as in fixtures/prune/generate_torch_pruning.py.
"""
import statistics
import sys
import time
from pathlib import Path

import torch
import torch_pruning as tp
from ultralytics.nn.tasks import DetectionModel

sys.path.insert(0, str(Path(__file__).parents[2] / "fixtures" / "prune"))
from generate_torch_pruning import heads, take_apart

times = []
for _ in range(3):
    model = DetectionModel("yolov8x.yaml", nc=80, verbose=False)
    take_apart(model)
    model.train()
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    start = time.perf_counter()
    pruner = tp.pruner.BasePruner(model, torch.zeros(1, 3, 640, 640), pruning_ratio=0.5, ignored_layers=heads(model)[1],
                                  importance=tp.importance.GroupMagnitudeImportance(p=2))
    built = time.perf_counter()
    pruner.step()
    end = time.perf_counter()
    times.append(end - start)
    params = sum(p.numel() for p in model.parameters())
    print(f"graph {built - start:.2f} s, step {end - built:.2f} s: {end - start:.2f} s, {params} params")
print(f"median {statistics.median(times):.2f} s")
