"""Finds objects through an installed wheel, and measures the time for it; scripts/build-wheel.sh runs it.

Usage: check_wheel.py NETWORK PICTURE STARTED MOST, where STARTED is the time at which the installation began, and MOST
the seconds that may have passed until the first objects are found.
"""

import statistics
import sys
import time

from bonsai_yolo import Detector, program

IMAGES = 50
SIDE = 640


def main() -> None:
    network, picture, started, most = sys.argv[1:]
    with Detector(network, conf=0.0, max_det=3) as detector:
        found = detector.predict(picture)
        passed = time.time() - float(started)
        print(f"{program()}: {found[0].name} {found[0].confidence:.3f} at {found[0].xyxy}")
        print(f"{passed:.1f} s from the start of the installation to the first objects")
        if len(found) != 3:
            sys.exit(f"expected 3 objects, found {len(found)}")
        if passed > float(most):
            sys.exit(f"more than {most} s")
    pixels = bytes(at * 7 % 256 for at in range(SIDE)) * (SIDE * 3)
    image = memoryview(pixels).cast("B", shape=(SIDE, SIDE, 3))
    with Detector(network, imgsz=SIDE) as detector:
        detector.predict(image)
        inside, overhead = [], []
        for _ in range(IMAGES):
            before = time.perf_counter()
            detector.predict(image)
            taken = (time.perf_counter() - before) * 1e3
            inside.append(detector.milliseconds)
            overhead.append(taken - detector.milliseconds)
    print(
        f"{SIDE} x {SIDE} pixels, {IMAGES} images: {statistics.median(inside):.2f} ms in the program; the module and "
        f"the pipe add {statistics.median(overhead):.2f} ms (median; lowest {min(overhead):.2f} ms)"
    )


main()
