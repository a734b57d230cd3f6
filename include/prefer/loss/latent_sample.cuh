// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate_rows.cuh>
#include <prefer/loss/latent_sample.hpp>

namespace prefer {
inline namespace PREFER_ABI {

// Bytes of workspace that sample_latent and sample_latent_gradient need on CUDA for n rows.
inline std::size_t sample_latent_workspace(std::int64_t n) { return evaluate_rows_workspace(detail::spread_rows, n); }

}  // namespace PREFER_ABI
}  // namespace prefer
