// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/rules.hpp>
#include <prefer/aggregate/aggregate.hpp>
#include <prefer/aggregate/detail/for_rewards.hpp>
#include <prefer/backend/check_numbers.hpp>
#include <prefer/core/arena.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// group_covariances: how each reward goes along, within groups, with a score, such as what the update weighs samples
// by.
namespace prefer {

// N samples with K rewards each, and one score each, in n groups.
template <space S>
struct covariance_inputs {
  input_view<2, S> rewards = {};  // [N, K]
  input_view<1, S> score = {};    // N
  input_view<1, S> offsets = {};  // n + 1; int32 or int64
  input_view<1, S> mask = {};     // N; bool or uint8: zero leaves the sample out
};
template <space S>
struct covariance_outputs {
  output_view<1, S> covariance = {};  // K: the mean over the groups; NaN if there is none
};

inline namespace PREFER_ABI {

// The covariance within a group divides by its n, or by n - 1 (then 0 in a group of one); the correlation is 0 where
// either does not vary. Groups without a selected sample do not count.
struct group_covariance {
  bool correlation = false;
  deviation std = deviation::population;  // of covariances; correlations do not depend on it

  constexpr status check() const { return {}; }
};

namespace detail {

// The products of deviations of a group as the group's contribution to the mean over all.
struct mean_product {
  deviation how;
  PREFER_HD moments contribution(const moments& group) const {
    if (group.count == 0) return {};
    const double n = group.count;
    return {1, how == deviation::population ? group.mean : n > 1 ? group.mean * (n / (n - 1)) : 0, 0};
  }
  PREFER_HD advantage_line operator()(const moments&, const moments&) const { return {}; }
};

struct covariance_work {
  const double* batch;  // [K, 3]
  sink out;
  PREFER_HD void operator()(int k) const {
    const bool none = batch[3 * k] == 0;
    write_item(out, k, true, none ? math::detail::not_a_number<double>() : batch[3 * k + 1], false);
  }
  PREFER_HD void finish() const {}
};

// a[i] *= b[i] where groups are.
struct grouped_product {
  group_arguments groups;
  double* a;
  const double* b;
};
inline void multiply(const cpu& exec, const grouped_product& p) {
  if (p.groups.groups == 0) return;
  const std::int64_t begin = range_of(p.groups.scores, 0).begin;
  const std::int64_t end = range_of(p.groups.scores, p.groups.groups - 1).end;
  const std::int64_t blocks = (end - begin + 1023) / 1024;
  for_blocks(exec, blocks, end - begin, [&](std::int64_t first, std::int64_t last) {
    const std::int64_t stop = smaller(begin + last * 1024, end);
    for (std::int64_t i = begin + first * 1024; i < stop; ++i) p.a[i] *= p.b[i];
  });
}

template <class Exec>
status run_group_covariances(const Exec& exec, const group_covariance& form, const group_arguments& score,
                             const row_source& reward, int rewards, double* scratch, const sink& out) {
  const std::int64_t n = score.scores.tokens;
  double *const own = scratch, *const other = scratch + n, *const batch = scratch + 2 * n;
  const auto deviations = [&](const source& of, double* to) -> status {
    group_arguments g = score;
    g.score = of, g.out = {to, 1, element::f64};
    // Both forms are lines, whose work is compiled once.
    return form.correlation ? group_map(exec, grpo{.epsilon = 0.0, .std = deviation::population}, g)
                            : group_map(exec, dr_grpo{}, g);
  };
  if (const status s = deviations(score.score, other); !s.ok()) return s;
  for (int k = 0; k < rewards; ++k) {
    const source column = {static_cast<const char*>(reward.data) + k * reward.stride * size_of(reward.type),
                           reward.row_stride, reward.type};
    if (const status s = deviations(column, own); !s.ok()) return s;
    multiply(exec, grouped_product{score, own, other});
    group_arguments g = score;
    g.score = {own, 1, element::f64}, g.batch_out = batch + 3 * k;
    const mean_product rule{form.correlation ? deviation::population : form.std};
    if (const status s = group_map(exec, rule, g); !s.ok()) return s;
  }
  return for_rewards(exec, rewards, covariance_work{batch, out});
}

template <space S>
status check_covariances(const covariance_inputs<S>& in, const covariance_outputs<S>& out) {
  if (const status s = check_rewards(in.rewards); !s.ok()) return s;
  if (!out.covariance.given()) return require::fail(errc::missing_output, "covariance", "one number per reward");
  const advantage_inputs<S> groups{.score = in.score, .offsets = in.offsets, .mask = in.mask};
  if (const status s = check_groups(groups, advantage_outputs<S>{}, false); !s.ok()) return s;
  const std::int64_t k = in.rewards.extent[1];
  if (const status s =
          first_error(require::matrix("rewards", in.rewards, in.score.extent[0], k),
                      require::vector("covariance", out.covariance, k, "one per reward:", require::holds::numbers));
      !s.ok())
    return s;
  require::footprints<4, 1> all;
  all.read("rewards", in.rewards), all.read("score", in.score), all.read("offsets", in.offsets),
      all.read("mask", in.mask);
  all.write("covariance", out.covariance);
  return all.check();
}

}  // namespace detail

// Bytes of workspace for group_covariances of N samples with K rewards in n groups, on either backend.
inline std::size_t group_covariances_workspace(std::int64_t n, std::int64_t samples, std::int64_t rewards) {
  const auto doubles = static_cast<std::size_t>(2 * samples + 3 * rewards);
  constexpr std::size_t fixed = 33024;  // CUDA: parts of the batch, alignments
  return doubles * sizeof(double) + static_cast<std::size_t>(n) * sizeof(moments) +
         (static_cast<std::size_t>(samples) / 256 + 1) * 64 + fixed;
}

// The mean over n groups of the covariance (or correlation) of each of K rewards with a score, as
// adapt_weights(covariance_targeted) takes it. Two passes of group_map per reward and one more; what a NaN reaches is
// NaN. Workspace: group_covariances_workspace(n, N, K) bytes (on CUDA optional). Accuracy, determinism and errors as
// group_map's.
//
//   group_covariances(exec, group_covariance{.correlation = true},
//       {.rewards = {r, N, K}, .score = {w, N}, .offsets = {o, n + 1}}, {.covariance = {c, K}});
template <class Exec>
status group_covariances(const Exec& exec, const group_covariance& form,
                         const std::type_identity_t<covariance_inputs<Exec::memory>>& in,
                         const std::type_identity_t<covariance_outputs<Exec::memory>>& out) {
  if (const status s = detail::check_covariances(in, out); !s.ok()) return s;
  advantage_inputs<Exec::memory> groups{.score = in.score, .offsets = in.offsets, .mask = in.mask};
  const group_arguments score = detail::make_group_arguments(groups, advantage_outputs<Exec::memory>{});
  const row_source reward = detail::place_of(in.rewards);
  const auto rewards = static_cast<int>(in.rewards.extent[1]);
  if (const status s =
          first_error(detail::check_group_content(exec, score),
                      detail::check_numbers(exec, "rewards", reward, score.scores.mask, score.scores.tokens, rewards));
      !s.ok())
    return s;
  const auto doubles = static_cast<std::size_t>(2 * score.scores.tokens + 3 * rewards);
  return with_scratch(exec, doubles * sizeof(double), [&](char* scratch, const Exec& rest) {
    return detail::run_group_covariances(rest, form, score, reward, rewards, reinterpret_cast<double*>(scratch),
                                         detail::place_of(out.covariance));
  });
}

}  // namespace PREFER_ABI
}  // namespace prefer
