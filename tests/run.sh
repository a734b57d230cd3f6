#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
set -u
if [ "${1:-}" = --help ] || [ "${1:-}" = -h ]; then
  cat <<'TXT'
usage: tests/run.sh [--fast] [ctest options]

Installs what the tests need (Debian packages; says which), builds them in build/ and runs them all:
  g++      the whole CPU suite, headers, consumers, linking, compile failures, and the CUDA tests where there is nvcc
           (on the GPU, else under ../shared/ptxrun if that is there, else reported as skipped)
  clang    the primitives and one loss of each kind at every instruction-set level, all other losses at this machine's own
  sanitize all but the losses that are a formula (one of each kind is there) with clang's address and undefined-behaviour
           sanitizers, at this machine's own level (three levels in one file take minutes; the loads and stores are the same)
  thread   what uses threads with the thread sanitizer
--fast runs the first only. A second run builds what changed. Other options go to ctest (for example -R dpo).
TXT
  exit 0
fi
fast=0
if [ "${1:-}" = --fast ]; then fast=1; shift; fi
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build
mkdir -p "$build"
. "$root/tests/tooling/install.sh"
need_packages g++ cmake ninja-build ccache binutils doctest-dev python3-mpmath python3-gmpy2 libeigen3-dev \
  libxtensor-dev libbenchmark-dev clang-14 libclang-rt-14-dev

cuda=$(nvcc_home)
options=()
ptxrun=
if [ -n "$cuda" ]; then
  export CUDA_HOME=$cuda
  if ! nvidia-smi -L >/dev/null 2>&1 && [ -d "$root/../shared/ptxrun" ]; then
    # Rebuilt only when its sources change; the build folder is ours, the sources are not.
    mkdir -p "$build/ptxrun"
    cp -ru "$root/../shared/ptxrun/." "$build/ptxrun/" && chmod -R u+w "$build/ptxrun"
    (cd "$build/ptxrun" && ./ptxrun-build.sh >/dev/null) && ptxrun=$build/ptxrun/ptxrun
  fi
  echo "CUDA tests: nvcc in $cuda, run by ${ptxrun:-the GPU if there is one}"
else
  echo "CUDA tests: skipped, there is no nvcc"
fi

# build_and_test NAME CTEST-OPTIONS -- CMAKE-OPTIONS
build_and_test() {
  local name=$1
  shift
  local ctest_options=()
  while [ "$1" != -- ]; do ctest_options+=("$1"); shift; done
  shift
  cmake -S "$root" -B "$build/$name" -G Ninja -DPREFER_BUILD_TESTS=ON -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O2 \
    -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache \
    -DPREFER_GOLDEN="$build/golden" "$@" >"$build/$name.log" || { cat "$build/$name.log"; return 1; }
  nice cmake --build "$build/$name" >"$build/$name.log" 2>&1 || { tail -n 60 "$build/$name.log"; return 1; }
  nice ctest --test-dir "$build/$name" --output-on-failure -j 2 "${ctest_options[@]}"
}

run_suite "g++" build_and_test gcc "$@" -- -DCMAKE_CXX_COMPILER=g++ -DPREFER_PTXRUN="$ptxrun" \
  -DCMAKE_CUDA_FLAGS_RELEASE=-O0  # of host code, which only arranges and compares
# For compile time: what null and object-size look for, the address sanitizer finds, and its checks are calls and not code in
# place; pointer-overflow is looked at where pointers are moved, in core and backend (tests/CMakeLists.txt), and not everywhere.
sanitizers="-fsanitize=address,undefined -fno-sanitize=null,object-size,pointer-overflow -fno-sanitize-recover=all"
sanitizers+=" -mllvm -asan-instrumentation-with-call-threshold=0"
if [ $fast -eq 0 ]; then
  run_suite "clang" build_and_test clang "$@" -- -DCMAKE_CXX_COMPILER=clang++-14 -DPREFER_SUITE=cpu -DCMAKE_CUDA_COMPILER=NOTFOUND
  run_suite "sanitize" build_and_test sanitize "$@" -- -DCMAKE_CXX_COMPILER=clang++-14 -DPREFER_SUITE=memory -DCMAKE_CUDA_COMPILER=NOTFOUND \
    -DCMAKE_CXX_FLAGS_RELEASE=-O1 -DCMAKE_CXX_FLAGS="-march=native $sanitizers"
  run_suite "thread" build_and_test thread "$@" -- \
    -DCMAKE_CXX_COMPILER=g++ -DPREFER_SUITE=threads -DCMAKE_CUDA_COMPILER=NOTFOUND \
    -DCMAKE_CXX_FLAGS_RELEASE=-O1 -DCMAKE_CXX_FLAGS=-fsanitize=thread
fi
print_suites
[ $failed -eq 0 ] && echo "All suites passed." || echo "$failed suites failed."
exit $failed
