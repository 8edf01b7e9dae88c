"""Times pycocotools on the boxes of crates/metrics/benches/coco.rs: evaluate and accumulate, without reading files."""
import contextlib
import io
import time

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def numbers():
    state = 1
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield (state >> 33) / 2**31


draw = numbers()
box = lambda: [next(draw) * 500, next(draw) * 500, 4 + next(draw) * 190, 4 + next(draw) * 190]
category = lambda: int(next(draw) * 80)
truth, found = [], []
for image in range(1, 5001):
    objects = [(box(), category()) for _ in range(7)]
    for b, c in objects:
        truth.append(dict(id=len(truth) + 1, image_id=image, category_id=c, bbox=b, area=b[2] * b[3], iscrowd=0))
    for i in range(100):
        b, c = ([v + 8 * next(draw) for v in objects[i][0]], objects[i][1]) if i < 7 else (box(), category())
        found.append(dict(image_id=image, category_id=c, bbox=b, score=next(draw)))
with contextlib.redirect_stdout(io.StringIO()):
    coco = COCO()
    coco.dataset = dict(images=[dict(id=i) for i in range(1, 5001)], annotations=truth, info={},
                        categories=[dict(id=c, name=str(c)) for c in range(80)])
    coco.createIndex()
    results = coco.loadRes(found)
    start = time.perf_counter()
    run = COCOeval(coco, results, "bbox")
    run.evaluate()
    run.accumulate()
    seconds = time.perf_counter() - start
    run.summarize()
print(f"AP {run.stats[0]:.10f}, {seconds:.3f} s")
