// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/reward_pair.hpp>

namespace prefer {

// The Bradley-Terry loss of reward models, with margin, soft labels, label smoothing and centring.
//
//   d = chosen - rejected - margin
//   p = label (1 - 2 label_smoothing) + label_smoothing       (a tie with label 1/2 is half a win and half a loss)
//   value = -p log sigmoid(d) - (1 - p) log sigmoid(-d) + centering (chosen + rejected)^2
//   d value / d chosen   =  (sigmoid(d) - p) + 2 centering (chosen + rejected)
//   d value / d rejected = -(sigmoid(d) - p) + 2 centering (chosen + rejected)
//   d value / d margin   = -(sigmoid(d) - p)
//
// Scores are log-strengths. label is 1 and margin 0 if not given; `tie` is not read. Exact in both tails.
// Errors: label_smoothing must be in [0, 1/2), centering finite and not negative.
// Cost: 4 n elements of memory traffic for the loss and both gradients.
// Sources: Bradley & Terry 1952; margin: Touvron et al. 2023, arXiv 2307.09288, eq. 2; centring: Eisenstein et al.
// 2023, arXiv 2312.09244.
struct bradley_terry {
  scalar label_smoothing = 0.0;
  scalar centering = 0.0;

  constexpr status check() const {
    return first_error(require::below(label_smoothing, 0.5, "label_smoothing", "0 or above and below 0.5"),
                       require::not_negative(centering, "centering"));
  }

  template <class V>
  PREFER_HD reward_pair_term<V> operator()(const reward_pair<V>& p) const {
    const V smoothing = label_smoothing.as<V>();
    const V eta = centering.as<V>();
    const V d = (p.chosen - p.rejected) - p.margin;
    const auto loss = math::cross_entropy(d, math::fma(p.label, V(1) - (smoothing + smoothing), smoothing));
    const V sum = p.chosen + p.rejected;
    const V pull = (eta + eta) * sum;
    reward_pair_term<V> t;
    t.value = math::fma(eta * sum, sum, loss.value);
    t.d_chosen = pull + loss.derivative;
    t.d_rejected = pull - loss.derivative;
    t.d_margin = -loss.derivative;
    return t;
  }
};

// Bradley-Terry with ties after Rao and Kupper: a tie happens when the difference is below a threshold eta > 0.
//
//   d = chosen - rejected - margin
//   P(chosen) = sigmoid(d - eta),  P(rejected) = sigmoid(-d - eta),  P(tie) = (e^(2 eta) - 1) P(chosen) P(rejected)
//   value = -log P(chosen) where tie = 0,  -log P(tie) where tie = 1
//   d value / d d   = -sigmoid(eta - d) where tie = 0,  sigmoid(eta + d) - sigmoid(eta - d) where tie = 1
//   d value / d eta =  sigmoid(eta - d) where tie = 0,
//                     -2 / (e^(2 eta) - 1) - P(chosen) - P(rejected) where tie = 1      (output grad_tie_parameter)
//
// A tie between 0 and 1 mixes the two linearly; `label` is not read. eta is the logarithm of a ratio of strengths.
// Errors: eta must be finite and above 0 (at 0 a tie has no probability).
// Source: Rao & Kupper 1967, with theta = e^eta. The forms used here were derived for this library: they subtract no
// nearly equal numbers, so that value and slopes keep their relative accuracy for large eta and around d = 0.
struct rao_kupper {
  scalar eta = 0.5;

  constexpr status check() const { return require::positive(eta, "eta"); }

  template <class V>
  PREFER_HD reward_pair_term<V> operator()(const reward_pair<V>& p) const {
    const V e = eta.as<V>();
    const V d = (p.chosen - p.rejected) - p.margin;
    const auto won = math::logistic(d - e), lost = math::logistic(-d - e);
    const V softplus_won = math::max(d - e, V(0)) + won.log1p_exp;
    const V softplus_lost = math::max(-d - e, V(0)) + lost.log1p_exp;
    const V win_value = math::max(e - d, V(0)) + won.log1p_exp;
    const V tie_value = (softplus_won + softplus_lost) - math::log1mexp(V(-2) * e);
    // sigmoid(eta + d) - sigmoid(eta - d) for d >= 0, and its mirror image
    const auto negative = d < V(0);
    const V product = math::select(negative, won.sigmoid_of_minus * lost.sigmoid, lost.sigmoid_of_minus * won.sigmoid);
    const V gap = -product * math::expm1(V(-2) * math::abs(d));
    const V tie_slope = math::select(negative, -gap, gap);
    const V not_tie = V(1) - p.tie;
    reward_pair_term<V> t;
    t.value = math::share(not_tie, win_value) + math::share(p.tie, tie_value);
    const V slope = p.tie * tie_slope - not_tie * won.sigmoid_of_minus;
    t.d_chosen = slope;
    t.d_rejected = -slope;
    t.d_margin = -slope;
    t.d_tie_parameter =
        not_tie * won.sigmoid_of_minus - p.tie * (V(2) / math::expm1(e + e) + won.sigmoid + lost.sigmoid);
    return t;
  }
};

// Bradley-Terry with ties after Davidson: the three outcomes are a softmax over (d / 2, -d / 2, log nu).
//
//   d = chosen - rejected - margin,  L = log(e^(d/2) + e^(-d/2) + nu)
//   value = L - d / 2 where tie = 0,  L - log nu where tie = 1
//   d value / d d      = -(P(rejected) + P(tie) / 2) where tie = 0,  (P(chosen) - P(rejected)) / 2 where tie = 1
//   d value / d log nu = P(tie) - tie                                                   (output grad_tie_parameter)
//
// A tie between 0 and 1 mixes the two linearly; `label` is not read. At d = 0, nu = 2 makes a tie as likely as a win of
// either side. Errors: log_nu must be finite.
// Source: Davidson 1970.
struct davidson {
  scalar log_nu = 0.0;

  constexpr status check() const { return require::is_finite(log_nu, "log_nu"); }

  template <class V>
  PREFER_HD reward_pair_term<V> operator()(const reward_pair<V>& p) const {
    const V l = log_nu.as<V>();
    const V d = (p.chosen - p.rejected) - p.margin;
    const V size = math::abs(d);
    const V h = V(0.5) * size;
    // The outcomes' weights relative to the largest, so that one of them is exactly 1 and the rest sum to at most 2.
    const auto tie_leads = h < l;
    const V top = math::select(tie_leads, l, h);
    const V larger = math::exp(h - top), smaller = math::exp(-h - top), tied = math::exp(l - top);
    const V rest = smaller + math::select(tie_leads, larger, tied);
    const V total = V(1) + rest;
    const V p_smaller = smaller / total, p_larger = larger / total, p_tied = tied / total;
    const auto negative = d < V(0);
    const V p_rejected = math::select(negative, p_larger, p_smaller);
    const V gap = -p_larger * math::expm1(-size);  // larger minus smaller probability of a win
    const V not_tie = V(1) - p.tie;
    reward_pair_term<V> t;
    const V win_value = math::select(tie_leads, l - V(0.5) * d, math::select(negative, size, V(0)));
    const V tie_value = math::select(tie_leads, V(0), h - l);
    t.value = math::log1p(rest) + (math::share(not_tie, win_value) + math::share(p.tie, tie_value));
    const V slope = p.tie * (V(0.5) * math::select(negative, -gap, gap)) - not_tie * (p_rejected + V(0.5) * p_tied);
    t.d_chosen = slope;
    t.d_rejected = -slope;
    t.d_margin = -slope;
    t.d_tie_parameter = not_tie * p_tied - p.tie * (p_larger + p_smaller);
    return t;
  }
};

}  // namespace prefer
