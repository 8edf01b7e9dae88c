"""Tests of bonsai_yolo; see README.md of the folder above for how to run them."""
