"""Detector and predict against the program itself."""

from __future__ import annotations

import json
import os
import subprocess
import unittest
from pathlib import Path

from bonsai_yolo import BonsaiError, Detection, Detector, predict, program
from bonsai_yolo import _detector

from . import drawn

try:
    import numpy
except ImportError:
    numpy = None


def array(data: bytes) -> memoryview:
    """An array without numpy."""
    return memoryview(data).cast("B", shape=(drawn.HEIGHT, drawn.WIDTH, 3))


def reversed_colours(data: bytes) -> bytes:
    out = bytearray(data)
    out[0::3], out[2::3] = data[2::3], data[0::3]
    return bytes(out)


class DetectorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        # What the program prints is the oracle.
        words = [program(), "predict", "--json", "--conf", "0", "--max-det", "4"]
        words += ["--weights", os.fspath(drawn.weights()), "--source", os.fspath(drawn.png())]
        line = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
        cls.expected = [Detection.from_json(found) for found in line["detections"]]
        cls.detector = Detector(drawn.weights(), **drawn.OPTIONS)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.detector.close()

    def test_the_network_is_described(self) -> None:
        self.assertEqual(len(self.expected), 4)
        for found in self.expected:
            self.assertEqual(self.detector.names[found.class_id], found.name)
        self.assertRegex(self.detector.version, r"^\d+\.\d+\.\d+")

    @unittest.skipUnless(hasattr(os, "fork"), "the system has no fork")
    def test_a_forked_process_makes_its_own_detector(self) -> None:
        self.assertEqual(predict(drawn.png(), drawn.weights(), **drawn.OPTIONS), self.expected)
        children = []
        for _ in range(3):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    try:
                        self.detector.predict(drawn.png())
                    except BonsaiError as error:
                        found = [predict(drawn.png(), drawn.weights(), **drawn.OPTIONS) for _ in range(20)]
                        if "another process" in str(error) and found == [self.expected] * 20:
                            code = 0
                    _detector._close_kept()
                finally:
                    os._exit(code)
            children.append(child)
        for _ in range(20):
            self.assertEqual(predict(drawn.png(), drawn.weights(), **drawn.OPTIONS), self.expected)
        for child in children:
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        self.assertEqual(self.detector.predict(drawn.png()), self.expected)

    def test_a_kept_process_that_ended_is_replaced(self) -> None:
        self.assertEqual(predict(drawn.png(), drawn.weights(), **drawn.OPTIONS), self.expected)
        assert _detector._kept is not None and _detector._kept[1]._process is not None
        _detector._kept[1]._process.kill()
        _detector._kept[1]._process.wait()
        self.assertEqual(predict(drawn.png(), drawn.weights(), **drawn.OPTIONS), self.expected)

    def test_a_path_longer_than_a_line_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "longer than"):
            self.detector.predict("a" * 70_000)
        self.assertEqual(self.detector.predict(drawn.png()), self.expected)

    def test_paths_and_arrays_give_the_objects_of_the_program(self) -> None:
        data = drawn.pixels()
        for source in (drawn.png(), os.fspath(drawn.png()), array(data)):
            self.assertEqual(self.detector.predict(source), self.expected)
        bgr = array(reversed_colours(data))
        self.assertEqual(self.detector.predict(bgr, bgr=True), self.expected)
        self.assertNotEqual(self.detector.predict(bgr), self.expected)
        self.assertGreater(self.detector.milliseconds, 0)

    def test_a_list_gives_a_list(self) -> None:
        several = [drawn.png(), array(drawn.pixels()), drawn.png()] * 3
        self.assertEqual(self.detector.predict(several), [self.expected] * 9)
        self.assertEqual(self.detector.predict([drawn.png()]), [self.expected])
        self.assertEqual(self.detector.predict([]), [])

    def test_a_relative_path_is_from_the_current_folder(self) -> None:
        before = os.getcwd()
        os.chdir(drawn.folder())
        try:
            self.assertEqual(self.detector.predict(drawn.png().name), self.expected)
        finally:
            os.chdir(before)

    def test_a_bad_image_costs_only_itself(self) -> None:
        with self.assertRaisesRegex(BonsaiError, "gone.png"):
            self.detector.predict(["gone.png", drawn.png()])
        with self.assertRaisesRegex(BonsaiError, "picture.txt"):
            bad = drawn.folder() / "picture.txt"
            bad.write_text("no picture")
            self.detector.predict(bad)
        self.assertEqual(self.detector.predict(drawn.png()), self.expected)

    def test_wrong_arrays_are_refused(self) -> None:
        data = drawn.pixels()
        shape = (drawn.HEIGHT, drawn.WIDTH, 3)
        floats = memoryview(bytes(4 * len(data))).cast("f", shape=shape)
        for source, kind, text in [
            (floats, TypeError, "format 'f'"),
            (memoryview(data), ValueError, r"height x width x 3"),
            (memoryview(data).cast("B", shape=(3, drawn.HEIGHT, drawn.WIDTH)), ValueError, r"shape \(3, 60, 90\)"),
            (array(data)[::2], ValueError, "contiguous"),
            (5, TypeError, "got int"),
            (None, TypeError, "got NoneType"),
        ]:
            with self.assertRaisesRegex(kind, text):
                self.detector.predict(source)
        self.assertEqual(self.detector.predict(array(data)), self.expected)

    @unittest.skipIf(numpy is None, "numpy is not installed")
    def test_numpy_arrays(self) -> None:
        image = numpy.frombuffer(drawn.pixels(), numpy.uint8).reshape(drawn.HEIGHT, drawn.WIDTH, 3)
        self.assertEqual(self.detector.predict(image), self.expected)
        bgr = numpy.ascontiguousarray(image[..., ::-1])
        self.assertEqual(self.detector.predict([bgr, bgr], bgr=True), [self.expected] * 2)
        with self.assertRaisesRegex(ValueError, "bgr=True"):
            self.detector.predict(image[..., ::-1])
        with self.assertRaisesRegex(TypeError, "astype"):
            self.detector.predict(image / 255)

    def test_predict_keeps_its_process(self) -> None:
        given = drawn.OPTIONS
        self.assertEqual(predict(drawn.png(), drawn.weights(), **given), self.expected)
        kept = _detector._kept[1]
        self.assertEqual(predict([drawn.png()], drawn.weights(), **given), [self.expected])
        self.assertIs(_detector._kept[1], kept)
        self.assertEqual(len(predict(drawn.png(), drawn.weights(), conf=0.0, max_det=2)), 2)
        self.assertIsNot(_detector._kept[1], kept)
        self.assertEqual(repr(kept), "<Detector: closed>")


class ProcessTest(unittest.TestCase):
    def test_the_error_of_the_program_is_raised(self) -> None:
        for given, text in [
            ({"conf": 2}, "between 0 and 1"),
            ({"classes": ["no such"]}, "no such"),
            ({"imgsz": 33}, "33"),
        ]:
            with self.assertRaisesRegex(BonsaiError, text):
                Detector(drawn.weights(), **given)
        with self.assertRaisesRegex(BonsaiError, "gone.pt"):
            Detector("gone.pt")

    def test_classes_are_chosen(self) -> None:
        with Detector(drawn.weights(), **drawn.OPTIONS) as detector:
            best = detector.predict(drawn.png())[0]
        for classes in ([best.class_id], [best.name]):
            with Detector(drawn.weights(), conf=0.0, classes=classes) as detector:
                found = detector.predict(drawn.png())
            self.assertEqual(found[0], best)
            self.assertEqual({one.class_id for one in found}, {best.class_id})

    def test_a_closed_detector_is_refused(self) -> None:
        with Detector(drawn.weights()) as detector:
            process = detector._process
        self.assertEqual(process.returncode, 0)
        detector.close()
        with self.assertRaisesRegex(BonsaiError, "closed"):
            detector.predict(drawn.png())

    def test_a_process_that_dies_is_an_error(self) -> None:
        detector = Detector(drawn.weights())
        detector._process.kill()
        with self.assertRaisesRegex(BonsaiError, "signal 9"):
            detector.predict(drawn.png())
        with self.assertRaisesRegex(BonsaiError, "closed"):
            detector.predict(drawn.png())

    def test_a_missing_program_is_named(self) -> None:
        before = os.environ.get("BONSAI_PROGRAM")
        os.environ["BONSAI_PROGRAM"] = os.fspath(Path(__file__))
        try:
            with self.assertRaisesRegex(BonsaiError, "test_detector.py"):
                program()
        finally:
            if before is None:
                del os.environ["BONSAI_PROGRAM"]
            else:
                os.environ["BONSAI_PROGRAM"] = before


if __name__ == "__main__":
    unittest.main()
