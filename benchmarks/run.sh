#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail
if [ "${1:-}" = --help ] || [ "${1:-}" = -h ]; then
  cat <<'TXT'
usage: benchmarks/run.sh [--quick] [filter]

Installs what the benchmarks need (Debian packages; says which), builds them in build/bench-* with g++ and clang in a plain
-O2 build, runs those whose name matches the filter (a regular expression; see the names in the output) and ends with a
table, compiler by level. --quick runs a few sizes of the losses only. Everything takes about half an hour.
TXT
  exit 0
fi
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build
mkdir -p "$build"
. "$root/tests/tooling/install.sh"
need_packages g++ clang-14 cmake ninja-build ccache libbenchmark-dev libeigen3-dev
quick='.'
if [ "${1:-}" = --quick ]; then quick='^[^/]*/[^/]*/[^/]*$|threads:[12]/odd/n:(65536|4194304)|call|100/|1000/'; shift; fi
filter=${1:-.}
cuda=$(nvcc_home)
[ -n "$cuda" ] && export CUDA_HOME=$cuda

# build_with NAME COMPILER CMAKE-OPTIONS...
build_with() {
  local name=$1 compiler=$2
  shift 2
  cmake -S "$root" -B "$build/bench-$name" -G Ninja -DPREFER_BUILD_BENCHMARKS=ON -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O2 \
    -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_CXX_COMPILER_LAUNCHER=ccache "$@" >"$build/bench-$name.log" 2>&1 &&
    cmake --build "$build/bench-$name" >"$build/bench-$name.log" 2>&1 || { tail -n 40 "$build/bench-$name.log"; return 1; }
}
# run_with NAME: runs every program that has something to do; figures go to build/bench-NAME/results/*.json.
run_with() {
  local name=$1 results=$build/bench-$1/results chosen
  rm -rf "$results"
  mkdir -p "$results"
  for program in "$build/bench-$name"/benchmarks/bench.*; do
    case $program in *cu) nvidia-smi -L >/dev/null 2>&1 || { echo "$(basename "$program"): skipped, there is no GPU"; continue; } ;; esac
    local names
    names=$results/$(basename "$program").names
    "$program" --benchmark_list_tests=true | grep -E "$quick" | grep -E -- "$filter" >"$names" || continue
    echo "$(basename "$program") ($name): $(wc -l <"$names") benchmarks"
    chosen=$(sed 's/\/iterations:1\/manual_time$//; s/\/real_time$//' "$names" | paste -sd '|' | sed 's/|/($|\/)|^/g; s/^/^/; s/$/($|\/)/')
    "$program" --benchmark_filter="$chosen" --benchmark_out="${names%.names}.json" --benchmark_out_format=json 2>/dev/null |
      cut -c 1-150 || return 1
  done
  return 0
}
run_suite "build with g++" build_with gcc g++
run_suite "build with clang" build_with clang clang++-14 -DCMAKE_CUDA_COMPILER=NOTFOUND
[ $failed -eq 0 ] || exit 1
echo "load before: $(cut -d' ' -f1-3 /proc/loadavg)"
run_suite "g++" run_with gcc
run_suite "clang" run_with clang
print_suites
python3 "$root/benchmarks/table.py" "$build" || exit 1
exit $failed
