// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <support/cuda.cuh>
#include <support/row_call.hpp>

#include <memory>

namespace prefer_test {

// n x D matrices and their mirrors on the device: inputs, and four gradients with what is expected of them.
template <class S>
struct rows_on_both {
  std::int64_t n, d, row;
  std::vector<matrix<S>> in, grad, expected;
  std::vector<std::unique_ptr<device<S>>> din, dgrad;

  rows_on_both(int arrays, std::int64_t items, std::int64_t elements, std::int64_t gap) : n(items), d(elements) {
    noise random(77);
    for (int k = 0; k < arrays; ++k) in.emplace_back(n, d, gap), in.back().fill(random, -1, 1);
    for (int k = 0; k < 4; ++k) grad.emplace_back(n, d, gap), expected.emplace_back(n, d, gap);
    row = in[0].row;
    for (auto& m : in) din.push_back(std::make_unique<device<S>>(m.memory));
    for (auto& m : grad) dgrad.push_back(std::make_unique<device<S>>(m.memory));
  }
  prefer::view<const S, 2, prefer::space::device> read(std::size_t k) { return {din[k]->data(), n, d, row, 1}; }
  prefer::view<S, 2, prefer::space::device> write(std::size_t k) { return {dgrad[k]->data(), n, d, row, 1}; }
};

}  // namespace prefer_test
