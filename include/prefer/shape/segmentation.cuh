// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/for_groups.cuh>
#include <prefer/shape/segmentation.hpp>

// The CUDA half of shape/segmentation.hpp: a block of threads per video, a thread per feature.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

static __global__ void __launch_bounds__(cuda_threads)
    segmentation_kernel(const segmentation_job job, content_report* report) {
  __shared__ double shared[cuda_threads / 32];
  const group_table table{job.frames, job.videos, 0, job.offsets};
  for (std::int64_t b = blockIdx.x; b < job.videos; b += gridDim.x) {
    group_range g;
    table.find(b, g);
    const auto v = job.make_video(g);
    const bool room = job.has_room(v);  // an impossible range has no frames
    const std::int64_t row = b * segmentation_job::padded(job.features);
    for (std::int64_t i = room ? v.count - 1 : -1; i >= 0; --i) {
      if (threadIdx.x == 0) job.begin_suffix(v, i);
      for (std::int64_t j = i + 1; j <= v.count; ++j) {
        const double share = 1 / static_cast<double>(j - i);
        double sum = 0;
        for (std::int64_t c = threadIdx.x; c < job.features; c += cuda_threads) {
          const double value = load_element<double>(
              job.feature.data, job.feature.type, (v.first + j - 1) * job.feature.row_stride + c * job.feature.stride);
          double mean = j - i == 1 ? value : job.mean[row + c], squares = j - i == 1 ? 0 : job.squares[row + c];
          sum += segmentation_job::join(value, share, mean, squares);
          job.mean[row + c] = mean, job.squares[row + c] = squares;
        }
        if (j - i < job.least) continue;
        sum = block_sum(sum, shared);
        if (threadIdx.x == 0) job.consider(v, i, j, sum / static_cast<double>(job.features));
      }
    }
    if (threadIdx.x != 0) continue;
    job.write(v);
    if (!room) report_content(report, errc::bad_offsets, b);
  }
}

inline status run_segmentation(const cuda& exec, const segmentation_job& job) {
  if (job.videos == 0) return {};
  const auto blocks = static_cast<unsigned>(smaller(job.videos, 65536));
  segmentation_kernel<<<blocks, cuda_threads, 0, exec.stream.stream>>>(job, exec.report);
  return launch_status("segment_steps");
}

}  // namespace detail

// Bytes of workspace that segment_steps needs on CUDA.
inline std::size_t segment_steps_workspace(const cuda&, const step_segmentation& how, std::int64_t frames,
                                           std::int64_t videos, std::int64_t features) {
  return detail::lent_bytes(detail::segmentation_scratch(how.steps, frames, videos, features));
}

}  // namespace PREFER_ABI
}  // namespace prefer
