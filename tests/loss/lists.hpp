// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/lists.hpp>
#include <support/buffer.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

// Lists as memory, and the losses by their definitions in long double: sorted, summed and enumerated, with gradients by
// differences of those sums.
namespace prefer_test {

template <class S>
struct lists {
  std::int64_t n, total;
  buffer<std::int32_t> offsets, ranking;
  buffer<S> score, grade, grad;
  buffer<bool> item_mask, mask;
  buffer<double> weight, losses, loss, count;

  // Lists of 0, 1, 2, ... items and a long one; distinct grades, or grades that tie.
  explicit lists(bool ties = false, std::int64_t longest = 70)
      : n(11),
        total(45 + longest),
        offsets(n + 1),
        ranking(total),
        score(total),
        grade(total),
        grad(total),
        item_mask(total),
        mask(n),
        weight(n),
        losses(n),
        loss(1),
        count(1) {
    noise random(13);
    std::int32_t at = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      offsets.at(i) = at;
      const auto size = static_cast<std::int32_t>(i < 10 ? i : longest);
      std::vector<std::int32_t> order(static_cast<std::size_t>(size));
      std::iota(order.begin(), order.end(), 0);
      for (std::size_t k = order.size(); k > 1; --k) std::swap(order[k - 1], order[random.bits() % k]);
      for (std::int32_t k = 0; k < size; ++k) {
        ranking.at(at + k) = order[static_cast<std::size_t>(k)];
        grade.set(at + order[static_cast<std::size_t>(k)], ties ? -(k / 3) : -k);
        score.set(at + k, random.uniform(-3, 3));
        item_mask.at(at + k) = (at + k) % 5 != 3;
      }
      at += size;
      mask.at(i) = i != 4, weight.set(i, random.uniform(-2, 2));
    }
    offsets.at(n) = at;
  }
  // Without an order for a loss that takes none.
  template <class Loss>
  prefer::list_inputs<prefer::space::host> inputs_of(bool by_ranking = false) {
    auto in = inputs(by_ranking);
    if (Loss::order == prefer::list_order::none) in.grade = in.ranking = {};
    return in;
  }
  prefer::list_inputs<prefer::space::host> inputs(bool by_ranking = false) {
    prefer::list_inputs<prefer::space::host> in = {.score = score.read(),
                                                   .offsets = offsets.read(),
                                                   .item_mask = item_mask.read(),
                                                   .weight = weight.read(),
                                                   .mask = mask.read()};
    if (by_ranking)
      in.ranking = ranking.read();
    else
      in.grade = grade.read();
    return in;
  }
  prefer::list_outputs<prefer::space::host> outputs() {
    return {.loss = loss.view(), .grad_score = grad.view(), .losses = losses.view(), .count = count.view()};
  }

  // The present items of a list, best first; items of a tie in any order.
  std::vector<std::int64_t> order(std::int64_t list) {
    std::vector<std::int64_t> items;
    for (std::int64_t i = offsets.at(list); i < offsets.at(list + 1); ++i)
      if (item_mask.at(i)) items.push_back(i);
    std::stable_sort(items.begin(), items.end(), [&](auto a, auto b) { return grade.get(a) > grade.get(b); });
    return items;
  }
};

using numbers = std::vector<long double>;

inline long double softplus(long double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }

// s and g: scores and grades, best first.
inline long double by_definition(const prefer::plackett_luce& loss, const numbers& s, const numbers& g) {
  long double value = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    long double rest = 0;
    std::int64_t above = 0;
    for (std::size_t j = 0; j < s.size(); ++j) {
      above += g[j] > g[i];
      if (g[j] <= g[i]) rest += std::exp(s[j]);
    }
    if (loss.top == 0 || above < loss.top) value += std::log(rest) - s[i];
  }
  return value;
}
inline long double by_definition(const prefer::ranknet& loss, const numbers& s, const numbers& g) {
  long double value = 0;
  for (std::size_t i = 0; i < s.size(); ++i)
    for (std::size_t j = 0; j < s.size(); ++j)
      if (g[i] - g[j] > static_cast<long double>(loss.gap)) value += softplus(s[j] - s[i]);
  const auto k = static_cast<long double>(s.size());
  return loss.mean && k > 1 ? value / (k * (k - 1) / 2) : value;
}

inline long double by_definition(const prefer::meta_rm_difference& loss, const numbers& s, const numbers&) {
  long double value = 0;
  for (std::size_t i = 0; i < s.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) value += 1 / (1 + std::exp(-std::fabs(s[i] - s[j])));
  using divisor = prefer::meta_rm_difference::divisor;
  const auto k = static_cast<long double>(s.size());
  if (loss.mean == divisor::none || k < 2) return value;
  return 2 * value / (k * (loss.mean == divisor::pairs ? k - 1 : k));
}

inline long double by_definition(const prefer::gvpo& loss, const numbers& s, const numbers& r) {
  const auto k = static_cast<long double>(s.size());
  long double mean = 0, value = 0;
  const auto gap = [&](std::size_t i) { return static_cast<long double>(loss.beta.as<double>()) * s[i] - r[i]; };
  for (std::size_t i = 0; i < s.size(); ++i) mean += gap(i) / k;
  for (std::size_t i = 0; i < s.size(); ++i) value += (gap(i) - mean) * (gap(i) - mean) / 2;
  return k < 2 ? 0 : value / (k - 1);
}
inline long double by_definition(const prefer::real_classes& loss, const numbers& s, const numbers& r) {
  const long double tau = loss.tau.as<double>(), threshold = loss.threshold.as<double>();
  long double right = 0, wrong = 0;
  for (std::size_t i = 0; i < s.size(); ++i)
    (r[i] > threshold ? right : wrong) += std::exp((r[i] > threshold ? -s[i] : s[i]) / tau);
  return right > 0 && wrong > 0 ? std::log1p(right) + std::log1p(wrong) : 0;
}

}  // namespace prefer_test
