// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/for_groups.cuh>
#include <prefer/backend/cuda/sort_ranked.cuh>
#include <prefer/shape/detail/samples.cuh>
#include <prefer/shape/lipschitz_projection.hpp>

namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline std::size_t order_bytes(const cuda&, const line_order& o) { return o.n == 0 ? 0 : lent_bytes(sort_bytes(o.n)); }

inline status sort_line(const cuda& exec, const line_order& o) {
  if (o.n == 0) return {};
  return with_scratch(exec, sort_bytes(o.n), [&](char* scratch, const cuda& rest) {
    return sort_ranked(rest, scratch, {o.key, o.places()}, {o.spare, o.sample}, o.n);
  });
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
