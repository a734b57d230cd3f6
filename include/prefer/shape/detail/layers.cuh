// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/row_map_reduce.cuh>
#include <prefer/shape/detail/layers.hpp>

// The CUDA half of shape/detail/layers.hpp.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class Call>
std::size_t layer_bytes(const cuda&, Call& call) {
  return lent_bytes(carved_bytes(call)) + row_workspace<layer_rows>(call.maps());
}
template <class Call>
status run_layer(const cuda& exec, Call& call) {
  return with_scratch(exec, carved_bytes(call), [&](char* memory, const cuda& rest) {
    arena own(memory);
    call.carve(own);
    return call.run(rest);
  });
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
