#!/usr/bin/env bash
# Times Bonsai, PyTorch, onnxruntime and OpenVINO in turns, and prints rows for BENCHMARKS.md.
#
# Usage: PEER_PYTHON=.../bin/python PEER_DIR=... scripts/compare-peers.sh [--rounds N] [--list] [ROW...]
#
# PEER_PYTHON  a Python with torch, ultralytics, onnxruntime, openvino and, for the int8 rows, nncf
# PEER_DIR     the folder with step_time.py and infer_time.py, each of which prints one line of JSON, and with
#              export_ultralytics.py and quantize_peers.py
# PEER_IMAGES  for the int8 rows, a folder of images that calibrate the peers' files
#
# Without ROW, the script times all rows, which takes an hour: each row is five rounds of both sides. For developers,
# on an otherwise idle machine; CI does not run it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

: "${PEER_PYTHON:?must be a Python with torch, ultralytics, onnxruntime and openvino}"
: "${PEER_DIR:?must be the folder with the scripts of the peers}"
cargo build --quiet --release --locked --package bonsai-cli
export XTASK=${CARGO_TARGET_DIR:-target}/release/bonsai
export PEER_PYTHON PEER_DIR
exec "$PEER_PYTHON" scripts/peers/compare.py "$@"
