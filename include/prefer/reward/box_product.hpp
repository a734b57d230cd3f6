// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/check_numbers.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/reward/detail/columns.hpp>
#include <prefer/select/selection.hpp>

#include <cstdint>
#include <type_traits>

namespace prefer {

// The hypervolume reward of HVO: the volume of the box between a sample and the worst of its group in every reward.
//
//   reward_i = prod_k w_k (r_ik - min_j r_jk + margin)
//
// A sample has to be good at everything: the worst at anything keeps no more than the margin of it. No gradient: an
// advantage follows (group_advantages). Weights only scale the product, and vanish where an advantage is divided by a
// deviation. The released code takes the minimum over the whole batch: leave the groups out for that. A NaN makes its
// own sample NaN and is left out of the minimum (in the released code it spoils the batch). Equal infinities are 0
// apart.
// What a sample adds to the hypervolume of its group is another reward: hypervolume_contributions.
// Errors: margin not negative; 1 to 64 rewards, shapes, element types, memory that overlaps, offsets, with content::all
// NaN. O(n K); one launch, no workspace. Source: HVO (arXiv 2510.19325), released code; its margin was not read: the
// default is proposed here, for rewards in [0, 1].
struct box_product {
  scalar margin = 0.1;

  constexpr status check() const { return require::not_negative(margin, "margin"); }
};

template <space S>
struct box_product_inputs {
  input_view<2, S> rewards = {};  // [n, K], the more the better
  input_view<1, S> weight = {};   // K; 1 if not given
  input_view<1, S> mask = {};     // n; bool or uint8: zero leaves a sample out, which may hold anything and gets 0
  sample_groups<S> groups = {};
};

inline namespace PREFER_ABI {
namespace detail {

inline constexpr int most_box_rewards = 64;

struct box_product_work {
  box_product rule;
  row_source rewards;
  int count;
  source weight, mask;
  sink reward;

  PREFER_HD double at(std::int64_t i, int k) const {
    return load_element<double>(rewards.data, rewards.type, i * rewards.row_stride + k * rewards.stride);
  }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    double least[most_box_rewards];
    for (int k = 0; k < count; ++k) {
      const ranked worst = team.first(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
        return ranked{selects(mask, g.first + i) ? sortable(at(g.first + i, k)) : left_out, i};
      });
      least[k] = from_sortable(worst.key);
    }
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const std::int64_t s = g.first + i;
      const bool selected = selects(mask, s);
      double product = 1;
      for (int k = 0; selected && k < count; ++k) {
        const double x = at(s, k), above = x == least[k] ? 0 : x - least[k];
        product *= read_item<double>(weight, k) * (above + rule.margin.as<double>());
      }
      write_item(reward, s, selected, product, false);
    });
  }
};

template <space S>
status make_box_product(const box_product& rule, const box_product_inputs<S>& in, const reward_outputs<S>& outputs,
                        group_table& t, box_product_work& w) {
  using require::holds;
  const output_view<1, S>& out = outputs.reward;
  if (const status s = rule.check(); !s.ok()) return s;
  if (!in.rewards.given()) return require::fail(errc::missing_input, "rewards", "K rewards per sample, [n, K]");
  if (!out.given()) return require::fail(errc::missing_output, "reward", "one number per sample");
  const std::int64_t n = in.rewards.extent[0], k = in.rewards.extent[1];
  if (const status s = make_groups(in.groups, "rewards", n, t); !s.ok()) return s;
  if (const status s = require::one_to("rewards", k, most_box_rewards, "rewards per sample, at least",
                                       "rewards per sample, at most");
      !s.ok())
    return s;
  call_checks<4, 1> call;
  call.read("rewards", in.rewards, n, k);
  call.read("weight", in.weight, k, "one per reward:", holds::numbers);
  call.read("mask", in.mask, n, "the number of samples,", holds::flags);
  call.read("groups.offsets", in.groups.offsets, t.groups + 1, "", holds::indices);
  call.write("reward", out, n, "the number of samples,", holds::numbers);
  w = {rule, place_of(in.rewards), static_cast<int>(k), place_of(in.weight), place_of(in.mask), place_of(out)};
  w.weight.neutral = 1;
  return call.check();
}

}  // namespace detail

template <class Exec>
status box_products(const Exec& exec, const box_product& rule,
                    const std::type_identity_t<box_product_inputs<Exec::memory>>& in,
                    const std::type_identity_t<reward_outputs<Exec::memory>>& out) {
  detail::group_table groups;
  detail::box_product_work work;
  if (const status s = detail::make_box_product(rule, in, out, groups, work); !s.ok()) return s;
  if (const status s =
          first_error(detail::check_groups(exec, groups),
                      detail::check_numbers(exec, "rewards", work.rewards, work.mask, groups.samples, work.count),
                      detail::check_numbers(exec, "weight", work.weight, {}, work.count));
      !s.ok())
    return s;
  return for_groups(exec, groups, work);
}

}  // namespace PREFER_ABI
}  // namespace prefer
