#!/usr/bin/env bash
# Builds and runs a throw-away crate outside the workspace for each stage crate, like a user of that crate alone.
#
# Every file of scripts/consumers is the main program of such a crate. NAME.rs depends on crates/NAME by path, and on
# the crates that a line `// needs: NAME...` lists. It has no workspace, no features and no inherited versions.
# Afterwards, `cargo tree` checks that the crates that must not depend on candle do not, and that those with candle as a
# feature do not without their default features; the latter are also built in that way.
#
# Usage: scripts/consumer-crates.sh [NAME...]    without arguments: all of them
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Crates whose normal dependencies must not include candle, as the documentation promises.
readonly WITHOUT_CANDLE=(boxes checkpoint data graph kernels metrics onnx plots prune sparsity tensorrt yolov8)
# Crates with candle as a feature that is on by default.
readonly CANDLE_AS_FEATURE=(detector exec train)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The programs run briefly, so an unoptimised build saves time.
export CARGO_PROFILE_DEV_DEBUG=false CARGO_INCREMENTAL=0
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$repository/target}/consumers

if [ $# -eq 0 ]; then
    cd "$repository/scripts/consumers"
    set -- *.rs
    set -- "${@%.rs}"
fi

# make_crate NAME MAIN DEPENDENCY... writes a separate crate, with the workspace's lock file for equal versions.
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

# has_candle FOLDER: whether the crate in FOLDER depends on candle
has_candle() {
    # Not piped to grep -q, because grep would close the pipe and cargo would fail.
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
        echo "$0: bonsai-$name depends on candle, but must not" >&2
        cargo tree --manifest-path "$scratch/tree-$name/Cargo.toml" --edges normal --invert candle-core >&2
        exit 1
    fi
done
for name in "${bare[@]}"; do
    cargo check --quiet --manifest-path "$scratch/tree-$name/Cargo.toml"
done
# The check must be able to fail: with default features, these crates depend on candle.
for name in "${CANDLE_AS_FEATURE[@]}"; do
    make_crate "tree-$name" "$scratch/empty.rs" "$name"
    if ! has_candle "$scratch/tree-$name"; then
        echo "$0: the check did not find candle under bonsai-$name, which depends on it: the check is broken" >&2
        exit 1
    fi
done
echo "no candle under: ${WITHOUT_CANDLE[*]}; nor, without default features, under: ${CANDLE_AS_FEATURE[*]}"
