// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <backend/pair_fold.hpp>

using namespace prefer_test;
using prefer::pairs_among;

// Every level and number of threads finds the same pairs.
template <class F>
static void on_every_level(F f) {
  for (prefer::isa level : {prefer::isa::base, prefer::isa::avx2, prefer::isa::avx512}) {
    prefer::isa found;
    if (!prefer::resolve_isa(prefer::cpu{.isa = level}, found).ok()) continue;
    f([&](prefer::cpu& exec) { exec.isa = level; });
  }
  prefer::thread_pool pool(3);
  f([&](prefer::cpu& exec) { exec.pool = pool; });
}

TEST_CASE("pair_fold finds the best of all pairs, ties to the lowest point") {
  on_every_level([](const auto& change) {
    check_pair_fold<float, host_side>(pairs_among::later, change);
    check_pair_fold<float, host_side>(pairs_among::query_and_point, change);
    check_pair_fold<double, host_side>(pairs_among::others, change);
    check_pair_fold<double, host_side>(pairs_among::all, change);
  });
}

TEST_CASE("nearest lists the nearest points, ties to the lowest") {
  on_every_level([](const auto& change) {
    check_nearest<float, host_side>(pairs_among::others, change);
    check_nearest<double, host_side>(pairs_among::query_and_point, change);
  });
}

TEST_CASE("listed_fold finds the best of the listed pairs, whatever the order of the list") {
  on_every_level([](const auto& change) {
    check_listed_fold<float, host_side>(pairs_among::others, change);
    check_listed_fold<double, host_side>(pairs_among::query_and_point, change);
  });
}
