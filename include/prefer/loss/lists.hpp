// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate_lists.hpp>
#include <prefer/core/math.hpp>

#include <cstdint>

namespace prefer {

// The Plackett-Luce model: the best item is chosen from all, the next from the rest, and so on.
//
//   value = sum over the first `top` places i of  LSE_i - s_i,  LSE_i = log sum over items j not above i of e^(s_j)
//   d value / d s_k = sum over places i not below k (within top) of e^(s_k - LSE_i)  -  [k is within top]
//
// top = 0 takes the whole ranking, top = 1 is the choice among a set, two items are Bradley-Terry. Items of equal grade
// are chosen from the same rest (Breslow's treatment of ties). Errors: top must not be negative.
// Source: Luce 1959, Plackett 1975; ties: Breslow 1974.
struct plackett_luce {
  std::int64_t top = 0;

  static constexpr list_order order = list_order::any;
  constexpr status check() const {
    return require::that(top >= 0, "top", static_cast<double>(top), "0 (the whole ranking) or a number of places");
  }

  // LSE_i, or infinity below the first `top` places.
  template <class List>
  PREFER_HD double prepare(const List& l, std::int64_t i) const {
    std::int64_t above = 0;
    double largest = l.score(i), sum = 0;
    for (std::int64_t j = 0; j < l.size(); ++j) {
      if (!l.present(j)) continue;
      if (l.key(j) > l.key(i))
        ++above;
      else
        largest = math::max(l.score(j), largest);
    }
    if (top > 0 && above >= top) return math::detail::infinity<double>();
    for (std::int64_t j = 0; j < l.size(); ++j)
      if (l.present(j) && l.key(j) <= l.key(i)) sum += math::exp(l.score(j) - largest);
    return largest + math::log(sum);
  }

  template <class List>
  PREFER_HD list_term term(const List& l, std::int64_t i) const {
    const double s = l.score(i), own = l.prepared(i);
    const bool chosen = own < math::detail::infinity<double>();
    list_term t{chosen ? own - s : 0.0, chosen ? -1.0 : 0.0};
    for (std::int64_t j = 0; j < l.size(); ++j)
      if (l.present(j) && l.key(j) >= l.key(i)) t.slope += math::exp(s - l.prepared(j));
    return t;
  }
};

// RankNet over lists: Bradley-Terry on every pair of items whose grades differ by more than `gap`.
//
//   value = sum over pairs (i better than j) of log(1 + e^-(s_i - s_j)),  with `mean` divided by K (K - 1) / 2
//   d value / d s_k = sum over better j of sigmoid(s_k - s_j) - sum over worse j of sigmoid(s_j - s_k)
//
// K is the number of items that are present; the division is that of reward models trained on K-wise rankings. Errors:
// gap must be finite and not negative. Source: Burges et al. 2005; the division: Ouyang et al. 2022, arXiv 2203.02155.
struct ranknet {
  double gap = 0.0;
  bool mean = true;

  static constexpr list_order order = list_order::any;
  constexpr status check() const { return require::not_negative(gap, "gap"); }

  // The number of other items.
  template <class List>
  PREFER_HD double prepare(const List& l, std::int64_t i) const {
    double others = 0;
    for (std::int64_t j = 0; j < l.size(); ++j) others += l.present(j) && j != i ? 1 : 0;
    return others;
  }

  template <class List>
  PREFER_HD list_term term(const List& l, std::int64_t i) const {
    const double others = l.prepared(i), scale = mean && others > 0 ? 2 / (others * (others + 1)) : 1.0;
    list_term t;
    for (std::int64_t j = 0; j < l.size(); ++j) {
      const double ahead = l.key(i) - l.key(j);
      if (!l.present(j) || !(ahead > gap || -ahead > gap)) continue;
      const double lead = l.score(i) - l.score(j);  // of the better one over the worse, up to the sign
      if (ahead > gap) {
        const auto loss = math::logistic_loss(lead);
        t.value += scale * loss.value;
        t.slope += scale * loss.derivative;
      } else {
        t.slope -= scale * math::logistic_loss(-lead).derivative;
      }
    }
    return t;
  }
};

// The log-sum-exp form of RankNet over skips: items k places apart are compared together.
//
//   a_(i,k) = s at place i - s at place i + k,   value = sum over k = 1 ... skips of log(1 + sum_i e^(-a_(i,k)))
//   d value / d a_(i,k) = -e^(-a_(i,k)) / (1 + sum_j e^(-a_(j,k)))
//
// At most RankNet's sum over the same pairs, and equal to it for one pair. skips = 0 takes all. It needs a ranking;
// items that are left out keep their places and take part in no pair. Errors: skips must not be negative. Source:
// proposed in "RankList", arXiv 2508.09826; reconstructed from its abstract, not from its text.
struct ranknet_skipwise {
  std::int64_t skips = 0;

  static constexpr list_order order = list_order::ranking;
  constexpr status check() const {
    return require::that(skips >= 0, "skips", static_cast<double>(skips), "0 (all) or a number of places");
  }

  // Kept with item k - 1: log(1 + sum_i e^(-a_(i,k))).
  template <class List>
  PREFER_HD double prepare(const List& l, std::int64_t item) const {
    return of_skip(l, item + 1);
  }

  template <class List>
  PREFER_HD list_term term(const List& l, std::int64_t item) const {
    list_term t;
    const std::int64_t place = l.position(item);
    // Every present item carries the value of one skip: the first the first, and so on.
    std::int64_t before = 0, present = 0;
    for (std::int64_t j = 0; j < l.size(); ++j)
      present += l.present(j) ? 1 : 0, before += l.present(j) && j < item ? 1 : 0;
    for (std::int64_t k = 1; k <= most(l); ++k) {
      const double all = l.prepared(k - 1);
      if ((k - 1) % present == before) t.value += all;
      t.slope += share(l, item, place + k, false, all) + share(l, item, place - k, true, all);
    }
    return t;
  }

 private:
  template <class List>
  PREFER_HD std::int64_t most(const List& l) const {
    return skips > 0 && skips < l.size() ? skips : l.size() - 1;
  }
  template <class List>
  PREFER_HD double of_skip(const List& l, std::int64_t k) const {
    double largest = 0, sum = 0;
    if (k > most(l)) return 0;
    for (int pass = 0; pass < 2; ++pass)
      for (std::int64_t i = 0; i + k < l.size(); ++i) {
        const std::int64_t first = l.at(i), second = l.at(i + k);
        if (!l.present(first) || !l.present(second)) continue;
        const double behind = l.score(second) - l.score(first);
        if (pass == 0)
          largest = math::max(behind, largest);
        else
          sum += math::exp(behind - largest);
      }
    return largest + math::log(math::exp(-largest) + sum);
  }
  // What the pair with the item at another place adds to the derivative by the item's score.
  template <class List>
  PREFER_HD double share(const List& l, std::int64_t item, std::int64_t other, bool other_is_better, double all) const {
    if (other < 0 || other >= l.size() || !l.present(l.at(other))) return 0;
    const double lead = l.score(item) - l.score(l.at(other));
    return other_is_better ? math::exp(lead - all) : -math::exp(-lead - all);
  }
};

// How far a reward model tells the answers to one prompt apart, the objective that MetaRM raises before it takes a step
// on its ranking loss: so that differences do not fade while the policy moves.
//
//   value = c sum over pairs of sigmoid(|s_i - s_j|),   c = 2 / (K (K - 1)) (pairs), 2 / K^2 (squares) or 1 (none)
//   d value / d s_k = c sum over other j of sigmoid(s_k - s_j) sigmoid(s_j - s_k) sign(s_k - s_j),  sign(0) = 0
//
// K is the number of present items, which have no order: neither grade nor ranking may be given. It is an objective, to
// be raised: step along grad_score, or give the lists a weight of -1. It is the same for gaps of either sign and lies
// between 1/2 and 1 per pair: a small perturbation, not a loss of its own. A list of one item is 0.
// Source: Wang et al. 2024 (MetaRM), arXiv 2405.00438, from a summary in which the divisor could not be read: `pairs`
// is this library's choice.
struct meta_rm_difference {
  enum class divisor { pairs, squares, none };

  divisor mean = divisor::pairs;

  static constexpr list_order order = list_order::none;
  constexpr status check() const { return {}; }

  // The number of other items.
  template <class List>
  PREFER_HD double prepare(const List& l, std::int64_t i) const {
    return ranknet{}.prepare(l, i);
  }

  template <class List>
  PREFER_HD list_term term(const List& l, std::int64_t i) const {
    const double others = l.prepared(i), items = others + 1;
    const double scale =
        mean == divisor::none || others == 0 ? 1 : 2 / (items * (mean == divisor::pairs ? others : items));
    list_term t;
    for (std::int64_t j = 0; j < l.size(); ++j) {
      if (!l.present(j) || j == i) continue;
      const double lead = l.score(i) - l.score(j);
      const auto gap = math::logistic(math::abs(lead));
      if (j > i) t.value += scale * gap.sigmoid;
      const double slope = scale * (gap.sigmoid * gap.sigmoid_of_minus);
      t.slope += lead > 0 ? slope : lead < 0 ? -slope : lead == 0 ? 0 : lead;  // NaN stays NaN
    }
    return t;
  }
};

// Group variance policy optimisation (GVPO): the log-ratios of the responses to one prompt should differ as their
// rewards do. Scores are log-ratios, sums over tokens of log pi - log pi_old; grades are rewards.
//
//   d_i = beta s_i - r_i,   value = sum_i (d_i - mean d)^2 / (2 (K - 1))
//   d value / d s_k = beta (d_k - mean d) / (K - 1)
//
// K counts the present items; a list of one is 0. A constant added to scores or rewards changes nothing. A ranking in
// place of grades makes the reward the place, from 0 down. Errors: beta must be finite and above 0.
// Source: arXiv 2504.19599, from notes on released code; the default of beta is not verified.
struct gvpo {
  scalar beta = 0.1;

  static constexpr list_order order = list_order::any;
  constexpr status check() const { return require::positive(beta, "beta"); }

  // The mean of d, from the first present item on, so that a large common part of the rewards does no harm.
  template <class List>
  PREFER_HD double prepare(const List& l, std::int64_t) const {
    double first = 0, sum = 0, present = 0;
    for (std::int64_t j = 0; j < l.size(); ++j) {
      if (!l.present(j)) continue;
      if (present == 0) first = gap(l, j);
      sum += gap(l, j) - first, present += 1;
    }
    return present > 0 ? first + sum / present : 0;
  }

  template <class List>
  PREFER_HD list_term term(const List& l, std::int64_t i) const {
    double others = -1;
    for (std::int64_t j = 0; j < l.size(); ++j) others += l.present(j) ? 1 : 0;
    if (others < 1) return {};
    const double d = gap(l, i) - l.prepared(i);
    return {d * d / (2 * others), beta.as<double>() * d / others};
  }

 private:
  template <class List>
  PREFER_HD double gap(const List& l, std::int64_t i) const {
    return beta.as<double>() * l.score(i) - l.key(i);
  }
};

// REAL: rewards as labels. Right answers to a prompt are pushed above, wrong ones below a fixed 0, each class with a
// log-sum-exp of its own. Scores are mean log-ratios of responses; an item is right where its grade is above
// `threshold`.
//
//   value = log(1 + sum over right of e^(-s / tau)) + log(1 + sum over wrong of e^(s / tau))
//   d value / d s_k = -e^(-s_k / tau - L) / tau (right),  e^(s_k / tau - L) / tau (wrong),  L the logarithm of its
//   class
//
// A list whose present items are all right, or all wrong, is 0. Errors: tau must be finite and above 0, threshold
// finite. Source: arXiv 2602.05630, from notes on released code (ms-swift).
struct real_classes {
  scalar tau = 0.5;
  scalar threshold = 0.0;

  static constexpr list_order order = list_order::any;
  constexpr status check() const {
    return first_error(require::positive(tau, "tau"), require::is_finite(threshold, "threshold"));
  }

  // The logarithm of the item's class.
  template <class List>
  PREFER_HD double prepare(const List& l, std::int64_t i) const {
    double largest = 0, sum = 0;
    for (int pass = 0; pass < 2; ++pass)
      for (std::int64_t j = 0; j < l.size(); ++j) {
        if (!l.present(j) || right(l, j) != right(l, i)) continue;
        if (pass == 0)
          largest = math::max(cost(l, j), largest);
        else
          sum += math::exp(cost(l, j) - largest);
      }
    return largest + math::log(math::exp(-largest) + sum);
  }

  template <class List>
  PREFER_HD list_term term(const List& l, std::int64_t i) const {
    bool first = true, both = false;
    for (std::int64_t j = 0; j < l.size(); ++j) {
      if (!l.present(j)) continue;
      if (right(l, j) != right(l, i))
        both = true;
      else if (j < i)
        first = false;
    }
    if (!both) return {};
    const double all = l.prepared(i), slope = math::exp(cost(l, i) - all) / tau.as<double>();
    return {first ? all : 0, right(l, i) ? -slope : slope};
  }

 private:
  template <class List>
  PREFER_HD bool right(const List& l, std::int64_t i) const {
    return l.key(i) > threshold.as<double>();
  }
  template <class List>
  PREFER_HD double cost(const List& l, std::int64_t i) const {
    const double s = l.score(i) / tau.as<double>();
    return right(l, i) ? -s : s;
  }
};

}  // namespace prefer
