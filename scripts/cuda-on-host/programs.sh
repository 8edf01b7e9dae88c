# Builds the programs of Bonsai that need a GPU, for other scripts: the command line and the tests of exec and train.
# shellcheck shell=bash

# One command, so that dependencies are built once. It builds the program of xtask too, because its tests run it.
# BONSAI_GPU_FEATURES adds features of it, such as xtask/rtx.
build_programs() {
    built=$(cargo test --quiet --release --locked --package bonsai-exec --package bonsai-train --package xtask \
        --features "xtask/cuda${BONSAI_GPU_FEATURES:+,$BONSAI_GPU_FEATURES}" --lib --test it --no-run --message-format json-render-diagnostics)
}

# Prints the path of a program of a folder: the program itself (bin), the library's tests (lib), or those in tests/it (test).
program() {
    grep -F "/$1#" <<< "$built" | grep -F "\"kind\":[\"$2\"]" | grep -oE '"executable":"[^"]+"' | tail -n 1 |
        cut -d '"' -f 4
}
