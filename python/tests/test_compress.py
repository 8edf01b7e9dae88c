"""compress on a drawn dataset."""

from __future__ import annotations

import unittest

from bonsai_yolo import BonsaiError, Detector, compress

from . import drawn


class CompressTest(unittest.TestCase):
    def test_a_network_is_made_smaller(self) -> None:
        events = []
        done = compress(
            drawn.trained(),
            drawn.dataset(),
            max_macs=0.6,
            project=drawn.folder() / "small",
            on_event=events.append,
            epochs=1,
            batch=4,
            imgsz=64,
            precision=["fp32"],
        )
        self.assertTrue(done.met, done.missed)
        self.assertEqual((events[0]["event"], events[-1]["event"]), ("start", "end"))
        self.assertTrue(done.file.is_file())
        self.assertEqual(done.details["missed"], done.missed)
        with Detector(done.file, conf=0.0, max_det=3) as detector:
            self.assertEqual(len(detector.predict(drawn.png())), 3)

    def test_a_refused_option_is_an_error(self) -> None:
        with self.assertRaisesRegex(BonsaiError, "max_macs|--max-macs|macs"):
            compress(drawn.trained(), drawn.dataset(), max_macs=7.0, project=drawn.folder() / "none")
        with self.assertRaisesRegex(BonsaiError, "gone.yaml"):
            compress(drawn.trained(), "gone.yaml", max_macs=0.5, project=drawn.folder() / "none")


if __name__ == "__main__":
    unittest.main()
