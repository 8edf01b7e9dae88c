"""Images a second from Ultralytics' training dataloader with its default augmentation.

    python scripts/peers/loader_time.py DATA.yaml IMGSZ BATCH WORKERS ram|none EPOCHS

Prints one line of JSON per epoch, the first one apart (it starts the workers). Needs ultralytics 8.4.
"""

import json
import sys
import time

from ultralytics.cfg import get_cfg
from ultralytics.data import build_dataloader, build_yolo_dataset
from ultralytics.data.utils import check_det_dataset

data_yaml, imgsz, batch, workers, cache, epochs = sys.argv[1:]
data = check_det_dataset(data_yaml)
cfg = get_cfg(overrides={"imgsz": int(imgsz), "cache": "ram" if cache == "ram" else False, "task": "detect"})
dataset = build_yolo_dataset(cfg, data["train"], int(batch), data, mode="train", rect=False, stride=32)
loader = build_dataloader(dataset, int(batch), int(workers), shuffle=True, rank=-1)
for epoch in range(int(epochs)):
    start = time.perf_counter()
    count = sum(len(item["img"].float().div_(255)) for item in loader)  # the step gets 0..1 floats, as ours does
    print(json.dumps({"epoch": epoch, "images_per_s": round(count / (time.perf_counter() - start), 1)}), flush=True)
