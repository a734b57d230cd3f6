// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/row_reduce.hpp>
#include <prefer/logp/logit_rows.hpp>
#include <prefer/logp/picked_softmax.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

// The K most probable tokens of each row of logits.
namespace prefer {

template <space S>
struct top_k_logp_inputs {
  input_view<2, S> logits = {};  // [M, V], any row stride and alignment
  input_view<1, S> rows = {};    // [R] ascending rows of the logits: the answers then have R rows or elements
};
template <space S>
struct top_k_logp_outputs {
  output_view<2, S> logp = {};     // [M, K], descending
  output_view<2, S> index = {};    // [M, K] the tokens; int32 or int64
  output_view<1, S> max = {};      // of z; float or double
  output_view<1, S> log_sum = {};  // log-sum-exp minus max; float or double
};

inline namespace PREFER_ABI {
namespace detail {

template <space S>
class top_k_call {
 public:
  static constexpr std::int64_t most = top_k_body<float, false>::most_kept;

  top_k_call(const token_softmax& options, const top_k_logp_inputs<S>& in, const top_k_logp_outputs<S>& out)
      : options_(options),
        in_(in),
        out_(out),
        items_(in.rows.given() ? in.rows.extent[0] : in.logits.extent[0]),
        picks_(out.index.given() ? out.index.extent[1] : out.logp.extent[1]) {}

  status check() const {
    status s = check_inputs();
    if (s.ok()) s = check_outputs();
    return s.ok() ? check_overlap() : s;
  }
  // What can be said without outputs.
  status check_inputs() const {
    const status s = first_error(check_picked_options(options_), check_logits(in_.logits, output_view<2, S>{}));
    return s.ok() ? optional("rows", in_.rows, require::holds::indices) : s;
  }

  row_reduce_arguments rows() const { return logit_rows(in_.logits, in_.rows, output_view<2, S>{}); }
  picked_arguments arguments() const {
    picked_arguments a;
    a.columns = in_.logits.extent[1];
    a.picks = static_cast<int>(picks_);
    a.logp = place_of(out_.logp), a.index = place_of(out_.index);
    a.max = place_of(out_.max), a.log_sum = place_of(out_.log_sum);
    return a;
  }

 private:
  const token_softmax& options_;
  const top_k_logp_inputs<S>& in_;
  const top_k_logp_outputs<S>& out_;
  std::int64_t items_, picks_;

  template <class View>
  status optional(const char* name, const View& v, require::holds what) const {
    return check_row_vector(name, v, items_, what);
  }

  status check_outputs() const {
    using require::holds;
    const auto& index = out_.index;
    const auto& logp = out_.logp;
    if (!index.given() && !logp.given())
      return require::fail(errc::missing_output, "index", "index or logp, whose columns are the K largest");
    const char* const name = index.given() ? "index" : "logp";
    const auto wrong = [&](const char* expected, std::int64_t limit) {
      return require::fail(errc::bad_extent, name, expected, static_cast<double>(picks_), static_cast<double>(limit));
    };
    if (picks_ < 1) return wrong("columns, at least", 1);
    if (picks_ > most) return wrong("columns, at most", most);
    const std::int64_t columns = in_.logits.extent[1];
    if (picks_ > columns) return wrong("columns, at most as many as the logits have,", columns);
    return first_error(index.given() ? require::matrix("index", index, items_, picks_, holds::indices) : status{},
                       logp.given() ? require::matrix("logp", logp, items_, picks_) : status{},
                       optional("max", out_.max, holds::totals), optional("log_sum", out_.log_sum, holds::totals));
  }

  status check_overlap() const {
    require::footprints<2, 4> all;
    all.read("logits", in_.logits), all.read("rows", in_.rows);
    all.write("logp", out_.logp), all.write("index", out_.index);
    all.write("max", out_.max), all.write("log_sum", out_.log_sum);
    return all.check();
  }
};

template <class T, bool Capped, class Exec, class Call>
status run_top_k_call(const Exec& exec, const token_softmax& options, const Call& call) {
  top_k_body<T, Capped> body;
  body.options = options;
  body.call = call.arguments();
  const row_reduce_arguments rows = call.rows();
  if (const status s = check_logit_rows(exec, rows, [](std::int64_t) { return item_look{}; }); !s.ok()) return s;
  return row_reduce<T>(exec, body, rows);
}

}  // namespace detail

// The K largest log-probabilities of each of M rows of V logits with their tokens, and the row's max and log_sum, in
// one read of the logits; K is the number of columns of `index` and `logp`, from 1 to 64 and at most V:
//
//   top_k_logp<float>(cpu{}, {}, {.logits = {x, M, V}}, {.logp = {logp, M, K}, .index = {token, M, K}});
//
// The options are temperature, logit_scale and soft_cap of token_logp. Tokens are ordered by their logits as numbers
// of Compute, which is the order of log p and exact under a soft cap too; equal logits go to the lower token. Logits of
// -inf come last, with logp -inf. A row without a distribution (a NaN or +inf in it, without a soft cap, or nothing but
// -inf) has NaN in all answers and the token -1, save max, which may be a number.
//
// The largest is kept out of the sums, so that log p close to 0 keeps its digits; error as token_logp. The gradient is
// that of candidate_logp_gradient with index as candidates and this call's max and log_sum: selecting has none of its
// own (where two logits change places the K-th log p has a kink).
//
// The limit of 64 is what a warp has room for in its part of a block's shared memory, with as many that wait to be
// sorted in. Cost: that of token_logp and a comparison per logit, two on the CPU, where a chunk of the row is passed
// through again from the second cache. On CUDA about K (1 + log(V / K)) numbers of a row in random order enter the list,
// and all V of a row in ascending order. Workspace: none on the CPU; on CUDA top_k_logp_workspace(M, V) bytes, else
// taken in stream order. Answers are the same bits for any number of threads, rows and blocks.
//
// Errors: shapes, element types, memory that overlaps, K, parameters. `rows` that do not ascend are an error on the
// CPU; on CUDA that row's answers are NaN and -1, and it is reported.
template <class Compute, class Exec>
status top_k_logp(const Exec& exec, const token_softmax& options,
                  const std::type_identity_t<top_k_logp_inputs<Exec::memory>>& in,
                  const std::type_identity_t<top_k_logp_outputs<Exec::memory>>& out) {
  static_assert(std::same_as<Compute, float> || std::same_as<Compute, double>,
                "prefer: top_k_logp<Compute> computes in float or double; the views choose their own element types");
  const detail::top_k_call<Exec::memory> call(options, in, out);
  if (const status s = call.check(); !s.ok()) return s;
  return options.soft_cap.is_zero() ? detail::run_top_k_call<Compute, false>(exec, options, call)
                                    : detail::run_top_k_call<Compute, true>(exec, options, call);
}

}  // namespace PREFER_ABI
}  // namespace prefer
