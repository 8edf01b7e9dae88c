#!/usr/bin/env bash
# Builds and runs a throw-away crate outside the workspace on each stage crate, as somebody would who uses that crate alone.
#
# Every file of scripts/consumers is the main program of one: NAME.rs uses crates/NAME by path, and further crates of ours
# that it names in a line `// needs: NAME...`. Nothing else is given: no workspace, no features, no inherited versions.
# Crates that promise to do without candle are then checked with `cargo tree` not to bring it; those that have it as a
# feature are checked, and built, without their default features.
#
# Usage: scripts/consumer-crates.sh [NAME...]    without arguments: all of them
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# What design and documentation promise to run without candle, under its normal dependencies.
readonly WITHOUT_CANDLE=(boxes checkpoint data graph kernels metrics onnx plots prune sparsity tensorrt yolov8)
# What has candle as a feature that is on by default.
readonly CANDLE_AS_FEATURE=(detector exec train)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Nothing here runs for long, and unoptimised code is built in a fraction of the time.
export CARGO_PROFILE_DEV_DEBUG=false CARGO_INCREMENTAL=0
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$repository/target}/consumers

if [ $# -eq 0 ]; then
    cd "$repository/scripts/consumers"
    set -- *.rs
    set -- "${@%.rs}"
fi

# make_crate NAME MAIN DEPENDENCY... writes a crate of its own, with the workspace's lock file so that versions agree.
# A DEPENDENCY that ends in `-bare` is used without its default features.
make_crate() {
    local folder=$scratch/$1 main=$2
    mkdir -p "$folder/src" "$folder/files"
    cp "$main" "$folder/src/main.rs"
    cp "$repository/Cargo.lock" "$folder/Cargo.lock"
    {
        printf '[package]\nname = "consumer-of-%s"\nversion = "0.0.0"\nedition = "2024"\n' "$1"
        printf '\n[workspace]\n\n[dependencies]\n'
        for dependency in "${@:3}"; do
            local crate=${dependency%-bare} features=''
            if [ "$crate" != "$dependency" ]; then features=', default-features = false'; fi
            printf "bonsai-%s = { path = '%s/crates/%s'%s }\n" "$crate" "$repository" "$crate" "$features"
        done
    } > "$folder/Cargo.toml"
}

# has_candle FOLDER
has_candle() {
    # Not in a pipe to grep -q: cargo would die of the closed pipe.
    local tree
    tree=$(cargo tree --quiet --manifest-path "$1/Cargo.toml" --edges normal --prefix none --format '{p}')
    grep -q '^candle' <<< "$tree"
}

for name in "$@"; do
    main=$repository/scripts/consumers/$name.rs
    needs=$(sed -n 's|^// needs: ||p' "$main")
    # shellcheck disable=SC2086 # a list of words
    make_crate "$name" "$main" "$name" $needs
    cargo run --quiet --manifest-path "$scratch/$name/Cargo.toml" -- "$scratch/$name/files"
done

echo 'fn main() {}' > "$scratch/empty.rs"
bare=("${CANDLE_AS_FEATURE[@]/%/-bare}")
for name in "${WITHOUT_CANDLE[@]}" "${bare[@]}"; do
    make_crate "tree-$name" "$scratch/empty.rs" "$name"
    if has_candle "$scratch/tree-$name"; then
        echo "$0: candle stands under bonsai-$name, which promises to do without" >&2
        cargo tree --manifest-path "$scratch/tree-$name/Cargo.toml" --edges normal --invert candle-core >&2
        exit 1
    fi
done
for name in "${bare[@]}"; do
    cargo check --quiet --manifest-path "$scratch/tree-$name/Cargo.toml"
done
# The check must be able to fail, and a crate has candle unless somebody asks for none.
for name in "${CANDLE_AS_FEATURE[@]}"; do
    make_crate "tree-$name" "$scratch/empty.rs" "$name"
    if ! has_candle "$scratch/tree-$name"; then
        echo "$0: candle was not found under bonsai-$name, so the check sees nothing" >&2
        exit 1
    fi
done
echo "no candle under: ${WITHOUT_CANDLE[*]}; nor, without default features, under: ${CANDLE_AS_FEATURE[*]}"
