#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
set -u
if [ "${1:-}" = --help ] || [ "${1:-}" = -h ]; then
  cat <<'TXT'
usage: examples/run.sh [--quick] [comparisons.csv]

Installs what the examples need (Debian packages; says which), builds them in build/examples, runs the main ones on real
input (the shipped data sets, or the file given) and says where it put the pictures. --quick takes seconds.
TXT
  exit 0
fi
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build
mkdir -p "$build"
quick=
if [ "${1:-}" = --quick ]; then quick=--quick; shift; fi
. "$root/tests/tooling/install.sh"
need_packages g++ cmake ninja-build ccache libeigen3-dev libxtensor-dev libfccp-dev libcli11-dev gnuplot-nox
cuda=$(nvcc_home)
[ -n "$cuda" ] && export CUDA_HOME=$cuda
build_examples() {
  cmake -S "$root" -B "$build/examples" -G Ninja -DPREFER_BUILD_EXAMPLES=ON -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O2 \
    -DCMAKE_CXX_COMPILER_LAUNCHER=ccache >"$build/examples.log" || { cat "$build/examples.log"; return 1; }
  nice cmake --build "$build/examples" >"$build/examples.log" 2>&1 || { tail -n 60 "$build/examples.log"; return 1; }
}
pictures=$build/pictures
mkdir -p "$pictures"
run_suite build build_examples
[ $failed -eq 0 ] || exit 1
bin=$build/examples/examples
for example in raw_pointers eigen xtensor custom_loss logits_dpo; do
  [ -x "$bin/$example" ] && run_suite "$example" "$bin/$example"
done
if [ -x "$bin/cuda_stream" ]; then
  if nvidia-smi -L >/dev/null 2>&1; then run_suite cuda_stream "$bin/cuda_stream"
  elif [ -x "$build/ptxrun/ptxrun" ]; then run_suite cuda_stream "$build/ptxrun/ptxrun" "$bin/cuda_stream"
  else echo "cuda_stream: skipped, there is no GPU"
  fi
else
  echo "cuda_stream: skipped, there is no nvcc"
fi
for example in regret_gridworld diffusion_toy intransitive pareto_batch multi_reward imitation; do
  [ -x "$bin/$example" ] && run_suite "$example" "$bin/$example" $quick --output "$pictures"
done
[ -x "$bin/tiny_lm" ] && run_suite tiny_lm "$bin/tiny_lm" $quick --output "$pictures" "$root/docs"
for example in leaderboard align; do
  [ -x "$bin/$example" ] || continue
  if [ $# -gt 0 ]; then
    run_suite "$example $1" "$bin/$example" $quick --output "$pictures" "$1"
  else
    for data in "$root"/examples/data/*.csv; do
      run_suite "$example $(basename "$data" .csv)" "$bin/$example" $quick --output "$pictures" "$data"
    done
  fi
done
print_suites
echo "Pictures: $pictures"
ls "$pictures"
exit $failed
