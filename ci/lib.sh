# Shared by the scripts beside it; each sources it first. POSIX sh.
set -eu
cd "$(dirname "$0")/.."
export CARGO_INCREMENTAL=0

# Logs and times of the stages.
STAGE_DIR=${STAGE_DIR:-target/stages}

die() {
    echo "$*" >&2
    exit 1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# NO_NEXTEST=1 runs the tests as a machine without it would.
have_nextest() {
    [ -z "${NO_NEXTEST:-}" ] && cargo nextest --version >/dev/null 2>&1
}

# Names of the integration tests, one a line.
all_tests() {
    for file in core/tests/*.rs; do
        basename "$file" .rs
    done
}

# Tests that ask a real Erlang node: those that use core/tests/common/erl.rs, or start the program themselves.
beam_tests() {
    for name in $(all_tests); do
        if grep -qE 'common/erl\.rs|"erl"' "core/tests/$name.rs"; then
            echo "$name"
        fi
    done
}

# The fuzz targets are a workspace of their own and must not drift from the library: their lock file begins as a copy
# of the library's each time, and cargo adds the little that only they need.
fuzz_lock() {
    cp Cargo.lock fuzz/Cargo.lock
    cargo fetch --manifest-path fuzz/Cargo.toml
}
