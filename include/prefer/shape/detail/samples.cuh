// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/pair_fold.cuh>
#include <prefer/shape/detail/samples.hpp>

namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class Call>
std::size_t own_bytes(Call& call) {
  arena own;
  call.carve(own);
  return own.bytes();
}
template <class Call>
std::size_t call_bytes(const cuda& exec, Call& call) {
  return lent_bytes(own_bytes(call)) + call.inner_bytes(exec);
}
template <class Call>
status run_in_memory(const cuda& exec, Call& call) {
  return with_scratch(exec, own_bytes(call), [&](char* memory, const cuda& rest) {
    arena own(memory);
    call.carve(own);
    return call.run(rest);
  });
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
