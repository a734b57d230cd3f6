// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/checks.hpp>
#include <prefer/core/execution.hpp>
#include <prefer/logp/token_softmax.hpp>

#include <cstdint>
#include <type_traits>

// Log-probabilities of tokens whose vocabulary is cut into parts, from what token_logp answered for each part.
namespace prefer {

// What K shards answered, [K, M] each in the order of their columns, and what that is for the whole vocabulary.
template <space S>
struct token_shard_inputs {
  input_view<2, S> shard_max = {}, shard_sum = {}, shard_target = {};
  input_view<1, S> target = {};  // [M], to know the ignored rows
};
template <space S>
struct token_shard_outputs {
  output_view<1, S> logp = {}, max = {}, log_sum = {};
};

inline namespace PREFER_ABI {
namespace detail {

// The shards of one row, merged in their order.
struct token_merge {
  std::int64_t shards = 0, rows = 0;
  row_source max, sum, own;
  source target;
  std::int64_t ignore_index = 0;
  token_body<double, false, false> body;  // of the outputs

  static PREFER_HD double at(const row_source& x, std::int64_t shard, std::int64_t row) {
    return load_element<double>(x.data, x.type, shard * x.row_stride + row * x.stride);
  }
  PREFER_HD void operator()(std::int64_t row) const {
    row_state<1> all;
    double z = -math::detail::infinity<double>();
    for (std::int64_t k = 0; k < shards; ++k) {
      row_state<1> part;
      part.max = at(max, k, row);
      part.sum[0] = at(sum, k, row);
      append(body, all, part);
      const double here = at(own, k, row);
      z = here > z || math::is_nan(here) ? here : z;
    }
    const bool ignored =
        target.data != nullptr && load_index(target.data, target.type, row * target.stride) == ignore_index;
    body.answer(row, ignored ? token_row::filled_with(0) : body.distribution(all, -1, z));
  }
};

template <class Exec>
status run_token_merge(const Exec&, const token_merge&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
inline status run_token_merge(const cpu&, const token_merge& merge) {
  for (std::int64_t i = 0; i < merge.rows; ++i) merge(i);
  return {};
}

template <space S>
status check_token_merge(const token_shard_inputs<S>& in, const token_shard_outputs<S>& out) {
  if (!in.shard_max.given()) return require::fail(errc::missing_input, "shard_max", "one row per shard");
  if (!in.shard_sum.given()) return require::fail(errc::missing_input, "shard_sum", "one row per shard");
  if (!in.shard_target.given()) return require::fail(errc::missing_input, "shard_target", "one row per shard");
  const std::int64_t shards = in.shard_max.extent[0], rows = in.shard_max.extent[1];
  if (shards < 1 || rows < 0)
    return require::fail(errc::bad_extent, "shard_max", "at least", static_cast<double>(shards < 1 ? shards : rows),
                         shards < 1 ? 1 : 0);
  using require::holds;
  static constexpr const char* whose = "one per row of a shard:";
  const auto optional = [&](const char* name, const auto& v, holds what) {
    return v.given() ? require::vector(name, v, rows, whose, what) : status{};
  };
  const status s =
      first_error(require::matrix("shard_max", in.shard_max, shards, rows),
                  require::matrix("shard_sum", in.shard_sum, shards, rows),
                  require::matrix("shard_target", in.shard_target, shards, rows),
                  optional("target", in.target, holds::indices), optional("logp", out.logp, holds::numbers),
                  optional("max", out.max, holds::totals), optional("log_sum", out.log_sum, holds::totals));
  if (!s.ok()) return s;
  if (!out.logp.given() && !out.max.given() && !out.log_sum.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  require::footprints<4, 3> all;
  all.read("shard_max", in.shard_max), all.read("shard_sum", in.shard_sum);
  all.read("shard_target", in.shard_target), all.read("target", in.target);
  all.write("logp", out.logp), all.write("max", out.max), all.write("log_sum", out.log_sum);
  return all.check();
}

}  // namespace detail

// The whole vocabulary from its shards (token_logp with .shard and the shard_ outputs): max, log_sum and logp, merged
// in the order of the shards in double; the same bits on every device that has all shards. Then each shard calls
// token_logp_gradient with its own .shard. Ignored rows are 0 if the targets are given. Error: as that of token_logp,
// plus the rounding of what was stored between. Errors: shapes, types, overlap.
template <class Exec>
status combine_token_shards(const Exec& exec, const token_softmax& options,
                            const std::type_identity_t<token_shard_inputs<Exec::memory>>& in,
                            const std::type_identity_t<token_shard_outputs<Exec::memory>>& out) {
  if (const status s = detail::check_token_merge(in, out); !s.ok()) return s;
  const auto matrix = [](const auto& v) { return row_source{v.data, v.stride[0], v.stride[1], v.type}; };
  detail::token_merge merge;
  merge.shards = in.shard_max.extent[0], merge.rows = in.shard_max.extent[1];
  merge.max = matrix(in.shard_max), merge.sum = matrix(in.shard_sum), merge.own = matrix(in.shard_target);
  merge.target = detail::place_of(in.target);
  merge.ignore_index = options.ignore_index;
  merge.body.io.logp = detail::place_of(out.logp), merge.body.io.max = detail::place_of(out.max);
  merge.body.io.log_sum = detail::place_of(out.log_sum);
  return run_token_merge(exec, merge);
}

}  // namespace PREFER_ABI
}  // namespace prefer
