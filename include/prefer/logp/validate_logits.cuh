// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/validate.cuh>
#include <prefer/logp/validate_logits.hpp>

#include <algorithm>
#include <cstdint>

// The CUDA half of logp/validate_logits.hpp: waits for the work on exec.stream, copies targets, rows and logits to the
// host and looks at them there. Allocates host memory, for 4 million logits (one row at least) at a time; synchronises,
// and cannot be captured. For finding a fault, not for every step.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Looks for NaN in the rows of items [0, n), some rows of the matrix at a time.
template <class Look>
status look_at_device_rows(const cuda& exec, const row_reduce_arguments& a, std::int64_t n, const Look& look,
                           const char* name) {
  const std::int64_t at_once = std::max<std::int64_t>(row_elements_at_once / std::max<std::int64_t>(a.columns, 1), 1);
  for (std::int64_t item = 0; item < n;) {
    const std::int64_t first = row_of(a, item);
    std::int64_t last = item;
    while (last + 1 < n && row_of(a, last + 1) - first < at_once) ++last;
    host_copy host(exec);
    row_reduce_arguments part = a;
    host.take(part.x, first, row_of(a, last) - first + 1, a.columns);
    if (const status s = host.wait(); !s.ok()) return s;
    for (; item <= last; ++item) {
      if (!look(item).reads) continue;
      const std::int64_t row = row_of(a, item);
      if (const status s = check_logit_row(part, row - first, row, name); !s.ok()) return s;
    }
  }
  return {};
}

// What the CPU's check answers for rows in device memory.
inline auto looking_at_rows(const cuda& exec) {
  return [exec](row_reduce_arguments rows, const auto& look, auto& tokens, const char* name) {
    // `look` sees what `tokens` becomes; the next call may begin with it again.
    const auto on_device = tokens;
    host_copy host(exec);
    host.take(rows.index, 0, rows.items);
    if constexpr (requires { tokens.row_stride; })
      host.take(tokens, 0, rows.items, look.call.picks);
    else
      host.take(tokens, 0, rows.items);
    if (const status s = host.wait(); !s.ok()) return s;
    const status wrong = check_logit_rows(cpu{}, rows, look);
    const status number = look_at_device_rows(exec, rows, wrong.ok() ? rows.items : wrong.index, look, name);
    tokens = on_device;
    return first_error(number, wrong);
  };
}

}  // namespace detail

inline status validate_token_logp(const cuda& exec, const token_softmax& options,
                                  const token_logp_inputs<space::device>& in) {
  return detail::with_token_rows(options, in, detail::looking_at_rows(exec));
}
inline status validate_candidate_logp(const cuda& exec, const token_softmax& options,
                                      const candidate_logp_inputs<space::device>& in) {
  return detail::with_candidate_rows(options, in, detail::looking_at_rows(exec));
}
inline status validate_top_k_logp(const cuda& exec, const token_softmax& options,
                                  const top_k_logp_inputs<space::device>& in) {
  return detail::with_top_k_rows(options, in, detail::looking_at_rows(exec));
}
inline status validate_token_divergence(const cuda& exec, const row_divergence& options,
                                        const token_divergence_inputs<space::device>& in) {
  return detail::with_divergence_rows(options, in, detail::looking_at_rows(exec));
}

}  // namespace PREFER_ABI
}  // namespace prefer
