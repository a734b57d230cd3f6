// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <backend/pair_fold.hpp>
#include <prefer/backend/cuda/nearest.cuh>
#include <support/side.cuh>

using namespace prefer_test;
using prefer::pairs_among;

static const auto as_it_is = [](prefer::cuda&) {};

TEST_CASE("pair_fold on CUDA finds the best of all pairs, ties to the lowest point") {
  check_pair_fold<float, device_side>(pairs_among::later, as_it_is);
  check_pair_fold<float, device_side>(pairs_among::query_and_point, as_it_is);
  check_pair_fold<double, device_side>(pairs_among::others, as_it_is);
  check_pair_fold<double, device_side>(pairs_among::all, as_it_is);
}

TEST_CASE("nearest on CUDA lists the nearest points, ties to the lowest") {
  check_nearest<float, device_side>(pairs_among::others, as_it_is);
  check_nearest<double, device_side>(pairs_among::query_and_point, as_it_is);
}

TEST_CASE("listed_fold on CUDA finds the best of the listed pairs, whatever the order of the list") {
  check_listed_fold<float, device_side>(pairs_among::others, as_it_is);
  check_listed_fold<double, device_side>(pairs_among::query_and_point, as_it_is);
}
