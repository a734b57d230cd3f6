// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/launch.cuh>
#include <prefer/game/validate.hpp>

#include <vector>

namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// A view of device memory becomes one of a copy in host memory, of all from its first element to its last. `memory` is
// filled once the stream has been waited for.
template <class T, int Rank>
status fetch_elements(const cuda& exec, view<const T, Rank>& v, std::vector<char>& memory) {
  std::int64_t elements = v.data == nullptr ? 0 : 1;
  for (int r = 0; r < Rank; ++r) elements = v.extent[r] == 0 ? 0 : elements + (v.extent[r] - 1) * v.stride[r];
  if (v.data == nullptr || elements <= 0) return {};
  memory.resize(static_cast<std::size_t>(elements) * sizeof(T));
  const cudaError_t e =
      cudaMemcpyAsync(memory.data(), v.data, memory.size(), cudaMemcpyDeviceToHost, exec.stream.stream);
  v.data = reinterpret_cast<const T*>(memory.data());
  return cuda_status(e, "cudaMemcpyAsync");
}

}  // namespace detail

template <class T = double>
status validate_games(const cuda& exec, const std::type_identity_t<games<space::device, T>>& in,
                      const std::type_identity_t<view<const T, 2, space::device>>& policy = {}) {
  detail::game_tables<T> g;
  if (const status s = detail::prepare_look(in, policy, g); !s.ok()) return s;
  view<const T, 2> weights = detail::any_space(policy);
  std::vector<char> memory[7];
  const status copies[] = {
      detail::fetch_elements(exec, g.preference, memory[0]), detail::fetch_elements(exec, g.reference, memory[1]),
      detail::fetch_elements(exec, g.possible, memory[2]),   detail::fetch_elements(exec, g.actions, memory[3]),
      detail::fetch_elements(exec, g.offsets, memory[4]),    detail::fetch_elements(exec, g.tables, memory[5]),
      detail::fetch_elements(exec, weights, memory[6]),
      detail::cuda_status(cudaStreamSynchronize(exec.stream.stream), "cudaStreamSynchronize")};
  for (const status& s : copies)
    if (!s.ok()) return s;
  const cpu looking = {.content = content::all};
  return first_error(detail::check_games(looking, g), detail::check_log_weights(looking, "policy", g, weights));
}

}  // namespace PREFER_ABI
}  // namespace prefer
