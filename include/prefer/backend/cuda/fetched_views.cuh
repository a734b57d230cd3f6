// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/launch.cuh>
#include <prefer/core/scalar.hpp>
#include <prefer/core/view.hpp>

#include <cstdint>
#include <vector>

// For calls that look at device memory on the host, which say so: they wait, and allocate.
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
    for (int r = 0; r < Rank; ++r) to.extent[r] = v.extent[r], to.stride[r] = v.stride[r];
    if (void* const copy = copy_of(v, size_of(v.type))) to.data = copy;
    return to;
  }
  // A view that says nothing of where its memory is.
  template <class T, int Rank>
  void in_place(view<const T, Rank>& v) {
    if (const void* const copy = copy_of(v, sizeof(T))) v.data = static_cast<const T*>(copy);
  }
  status wait() { return first_error(first_, cuda_status(cudaStreamSynchronize(stream_), "cudaStreamSynchronize")); }

 private:
  cudaStream_t stream_;
  std::vector<std::vector<char>> copies_;
  status first_;

  template <class View>
  void* copy_of(const View& v, std::int64_t size) {
    std::int64_t elements = v.data == nullptr ? 0 : 1;
    for (int r = 0; r < View::rank; ++r)
      elements = v.extent[r] <= 0 || elements == 0 ? 0 : elements + (v.extent[r] - 1) * v.stride[r];
    if (elements == 0) return nullptr;
    std::vector<char>& copy = copies_.emplace_back(static_cast<std::size_t>(elements * size));
    const cudaError_t e = cudaMemcpyAsync(copy.data(), v.data, copy.size(), cudaMemcpyDeviceToHost, stream_);
    first_ = first_error(first_, cuda_status(e, "cudaMemcpyAsync"));
    return copy.data();
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
