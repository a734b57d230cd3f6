// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/launch.cuh>
#include <prefer/select/validate.hpp>

#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

// The CUDA half of select/validate.hpp: waits for the work on exec.stream, copies the inputs to the host, allocating
// memory for all of them, and looks at them there. Cannot be captured. For finding a fault, not for every step.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Views of device memory as views of copies, of all from the first element to the last. Read them after wait().
class fetched_views {
 public:
  explicit fetched_views(const cuda& exec) : stream_(exec.stream.stream) {}

  template <bool Mutable, int Rank>
  auto operator()(const erased_view<Mutable, Rank, space::device>& v) {
    erased_view<Mutable, Rank, space::host> to;
    to.type = v.type, to.data = v.data;
    std::int64_t elements = v.given() ? 1 : 0;
    for (int r = 0; r < Rank; ++r) {
      to.extent[r] = v.extent[r], to.stride[r] = v.stride[r];
      elements = v.extent[r] == 0 ? 0 : elements == 0 ? 0 : elements + (v.extent[r] - 1) * v.stride[r];
    }
    if (elements == 0) return to;
    std::vector<char>& copy = copies_.emplace_back(static_cast<std::size_t>(elements * size_of(v.type)));
    const cudaError_t e = cudaMemcpyAsync(copy.data(), v.data, copy.size(), cudaMemcpyDeviceToHost, stream_);
    first_ = first_error(first_, cuda_status(e, "cudaMemcpyAsync"));
    to.data = copy.data();
    return to;
  }
  objective_samples<space::host> operator()(const objective_samples<space::device>& in) {
    return {(*this)(in.rewards), (*this)(in.reward_groups), (*this)(in.offsets), (*this)(in.violation),
            (*this)(in.mask)};
  }
  running_front operator()(const device_running_front& f) {
    return {(*this)(f.rewards), (*this)(f.ids), (*this)(f.violation), (*this)(f.count)};
  }
  status wait() { return first_error(first_, cuda_status(cudaStreamSynchronize(stream_), "cudaStreamSynchronize")); }

 private:
  cudaStream_t stream_;
  std::vector<std::vector<char>> copies_;
  status first_;
};

}  // namespace detail

inline status validate_samples(const cuda& exec, const objectives& options,
                               const objective_samples<space::device>& in) {
  if (const status s = detail::check_shapes(options, in); !s.ok()) return s;
  detail::fetched_views fetch(exec);
  const objective_samples<space::host> here = fetch(in);
  const status s = fetch.wait();
  return s.ok() ? validate_samples(cpu{}, options, here) : s;
}

inline status validate_scalarized_picks(const cuda& exec, const scalarization& options,
                                        const scalarized_pick_inputs<space::device>& in) {
  detail::pick_call call;
  if (const status s = detail::check_shapes(options, in, call); !s.ok()) return s;
  detail::fetched_views fetch(exec);
  const scalarized_pick_inputs<space::host> here = {fetch(in.samples), fetch(in.weights), fetch(in.reference)};
  const status s = fetch.wait();
  return s.ok() ? validate_scalarized_picks(cpu{}, options, here) : s;
}

inline status validate_scores(const cuda& exec, const top_inputs<space::device>& in) {
  detail::group_table t;
  if (const status s = detail::check_shapes(in, t); !s.ok()) return s;
  detail::fetched_views fetch(exec);
  const top_inputs<space::host> here = {
      fetch(in.score), fetch(in.mask), {.offsets = fetch(in.groups.offsets), .size = in.groups.size}};
  const status s = fetch.wait();
  return s.ok() ? validate_scores(cpu{}, here) : s;
}

inline status validate_hierarchy(const cuda& exec, const hierarchy_inputs<space::device>& in) {
  std::int64_t pairs = 0;
  detail::hierarchy_work work;
  if (const status s = detail::check_shapes(in, pairs, work); !s.ok()) return s;
  detail::fetched_views fetch(exec);
  const hierarchy_inputs<space::host> here = {fetch(in.factors), fetch(in.margins), fetch(in.signs), fetch(in.first),
                                              fetch(in.second)};
  const status s = fetch.wait();
  return s.ok() ? validate_hierarchy(cpu{}, here) : s;
}

inline status validate_front(const cuda& exec, const objectives& options, const device_running_front& front,
                             const device_front_samples& in) {
  if (const status s =
          first_error(detail::check_front(options, front), detail::check_front_samples(front, in)); !s.ok())
    return s;
  detail::fetched_views fetch(exec);
  const running_front here = fetch(front);
  const front_samples block = {fetch(in.rewards), fetch(in.ids), fetch(in.violation), fetch(in.mask), in.first_id};
  const status s = fetch.wait();
  return s.ok() ? validate_front(cpu{}, options, here, block) : s;
}

}  // namespace PREFER_ABI
}  // namespace prefer
