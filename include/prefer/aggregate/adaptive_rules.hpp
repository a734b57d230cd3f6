// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/rules.hpp>
#include <prefer/aggregate/rules.hpp>
#include <prefer/core/math.hpp>
#include <prefer/core/moments.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/core/status.hpp>

#include <cstdint>
#include <type_traits>

// Rules for decoupled_advantages that look at all rewards of a sample at once, and at what its group and its batch say
// of each of them. Below, d_k is how far reward k lies above its mean in the group, s_k its standard deviation there,
// z_k = d_k / (s_k + epsilon), which is 0 where s_k is 0, and w_k its weight. A rule is a value:
//
//   struct rule {
//     constexpr status check() const;
//     whitening batch() const;                                            // what happens to the results over the batch
//     PREFER_HD double scale(const group_rewards& g, int k) const;        // row[k] is d_k times this; may be a
//     template
//                                                      // on V of basic_group_rewards<V>: lanes of groups on the CPU
//     template <class Row> PREFER_HD auto operator()(const Row& r) const;  // the advantage, before whitening
//
//     // To learn of the batch: a number per reward, r.state(k), of the shares of groups in which each reward varies.
//     PREFER_HD double prepare(const active_rewards& all, int k) const;
//     // To multiply the advantages of a group: a number per sample, and what its moments in the group make of it.
//     template <class Row> PREFER_HD auto companion(const Row& r) const;
//     PREFER_HD group_factor factor() const;
//   };
//
// A row has r.count() rewards r[k], numbers or lanes, with r.deviation(k) = d_k, weights r.weight(k), and r.present(k):
// 1, or 0 for a reward that is NaN where those are excluded, whose r[k] and d_k are 0 then. A reward whose weight is 0
// is not looked at. Advantages are constants of the policy gradient: no derivative is given.
namespace prefer {
inline namespace PREFER_ABI {

// The rewards of one group, or of a lane of them: number, mean and deviation of each, and the weights.
template <class V>
struct basic_group_rewards {
  int count = 0;
  const double *number = nullptr, *mean_of = nullptr, *std_of = nullptr, *weights = nullptr;
  std::int64_t stride = 1;  // from one reward to the next

  PREFER_HD double weight(int k) const { return weights[k]; }
  PREFER_HD V mean(int k) const { return load(mean_of, k); }
  PREFER_HD V std(int k, deviation how) const {
    const V s = load(std_of, k);
    if (how == deviation::population) return s;
    const V n = load(number, k);
    return math::select(s == V(0), s, s * math::sqrt(n / (n - V(1))));
  }
  // 1 / (s_k + epsilon); 0 where all are equal.
  PREFER_HD V inverse_std(int k, deviation how, const scalar& epsilon) const {
    const V s = std(k, how);
    return math::select(s == V(0), V(0), V(1) / (s + V(epsilon.as<double>())));
  }

 private:
  PREFER_HD V load(const double* p, int k) const {
    if constexpr (std::is_same_v<V, double>)
      return p[k * stride];
    else
      return V::load(p + k * stride);
  }
};
using group_rewards = basic_group_rewards<double>;

// The share of the groups of a batch in which each reward varies, and the weights.
struct active_rewards {
  int count = 0;
  const moments* groups = nullptr;  // how many, and the mean of [the reward varies]
  const double* weights = nullptr;

  PREFER_HD double share(int k) const { return groups[k].mean; }
};

// What a group's advantages are multiplied by: the mean of its samples' companions, or 1 / (their standard deviation +
// epsilon) with a variance of at least `least`.
struct group_factor {
  enum class kind : std::uint8_t { mean, inverse_std };
  kind how = kind::mean;
  scalar epsilon = 0.0, least = 0.0;
  bool drops = false;  // samples whose companion is 0 get 0 and are left out of whitening
  bool after_whitening = false;

  PREFER_HD double of(const moments& companions) const {
    if (how == kind::mean) return companions.mean;
    const double variance = companions.variance(deviation::population), floor = least.as<double>();
    const double s = ::sqrt(variance < floor ? floor : variance) + epsilon.as<double>();
    return s == 0 ? 0 : 1 / s;
  }
};

// sum_k w_k z_k, then whitened. Source: GDPO (arXiv 2601.05242), equations as in its TRL patch, which whitens over
// sequences; its verl patch whitens over tokens (give .tokens), where long answers count more. `decoupled<>` is the
// same over sequences, for any rule in the place of z.
struct gdpo {
  scalar epsilon = 1e-4;
  deviation std = deviation::sample;
  whitening whiten = {};

  constexpr status check() const { return first_error(require::not_negative(epsilon, "epsilon"), whiten.check()); }
  whitening batch() const { return whiten; }
  template <class V>
  PREFER_HD V scale(const basic_group_rewards<V>& g, int k) const {
    return g.inverse_std(k, std, epsilon);
  }
  template <class Row>
  PREFER_HD auto operator()(const Row& r) const {
    return detail::weighted(r, [&](int k) PREFER_HD_LAMBDA { return r[k]; });
  }
};

// sum_k w_k d_k / sum_k |w_k| s_k, not whitened: the normalised rewards, weighed by their part of the deviation of the
// group. Advantages of a group have a mean square of at most 1, less where the rewards disagree. The order within a
// group is that of the weighted sum: a reward that varies more does not count more than there. 0 where the divisor is
// at most epsilon. Source: DVAO (arXiv 2605.25604), reconstructed: its equation 8 as three reimplementations have it;
// the absolute value for negative weights is proposed here.
struct dvao {
  scalar epsilon = 1e-8;

  constexpr status check() const { return require::not_negative(epsilon, "epsilon"); }
  whitening batch() const { return {.on = false}; }
  template <class V>
  PREFER_HD V scale(const basic_group_rewards<V>& g, int) const {
    V sum(0);
    for (int k = 0; k < g.count; ++k)
      if (g.weight(k) != 0) sum += V(::fabs(g.weight(k))) * g.std(k, deviation::population);
    return math::select(sum <= V(epsilon.as<double>()), V(0), V(1) / sum);
  }
  template <class Row>
  PREFER_HD auto operator()(const Row& r) const {
    return detail::weighted(r, [&](int k) PREFER_HD_LAMBDA { return r[k]; });
  }
};

// The soft minimum of the z_k, -1/beta log(sum_k v_k e^(-beta z_k)) with v = w / sum w, then whitened. For
// small beta the mean less beta / 2 times the variance over the rewards (GDPO at beta to 0), for large the worst
// reward. Weights must not be negative; a reward that is left out takes its weight with it. The paper raises beta
// linearly from 0.5 to 2: give a pointer. Source: RVPO (arXiv 2605.05750), reconstructed from notes, without weights
// there.
struct rvpo {
  scalar beta = 1.0;
  scalar epsilon = 1e-4;
  deviation std = deviation::sample;
  whitening whiten = {};

  constexpr status check() const {
    return first_error(require::positive(beta, "beta"), require::not_negative(epsilon, "epsilon"), whiten.check());
  }
  whitening batch() const { return whiten; }
  template <class V>
  PREFER_HD V scale(const basic_group_rewards<V>& g, int k) const {
    return g.inverse_std(k, std, epsilon);
  }
  template <class Row>
  PREFER_HD auto operator()(const Row& r) const {
    return detail::soft_minimum(r, beta, [&](int k) PREFER_HD_LAMBDA { return r.present(k); });
  }
};

// Rewards that rarely vary count more: u_k = min(most, sqrt(max_l p_l / p_k)) with p_k the share of the groups of the
// batch in which reward k varies, 1 where it never does. sum_k w_k (z_k + (u_k - 1) max(z_k, 0)), or with `symmetric`
// sum_k w_k u_k z_k; then whitened. All u = 1 is `gdpo` to the bit. Source: DARA (arXiv 2610.00574), the table of
// methods of its code, which whitens over tokens; "varies" is |z_k| > 1e-8 there and s_k > 0 here.
struct dara {
  scalar most = 5.0;
  bool symmetric = false;
  scalar epsilon = 1e-6;
  deviation std = deviation::sample;
  whitening whiten = {.epsilon = 1e-8, .under_root = true};

  constexpr status check() const {
    return first_error(require::positive(most, "most"), require::not_negative(epsilon, "epsilon"), whiten.check());
  }
  whitening batch() const { return whiten; }
  template <class V>
  PREFER_HD V scale(const basic_group_rewards<V>& g, int k) const {
    return g.inverse_std(k, std, epsilon);
  }
  PREFER_HD double prepare(const active_rewards& all, int k) const {
    double largest = 0;
    for (int l = 0; l < all.count; ++l)
      if (all.weights[l] != 0 && all.share(l) > largest) largest = all.share(l);
    if (all.share(k) == 0) return 1;
    const double u = ::sqrt(largest / all.share(k)), limit = most.as<double>();
    return u < limit ? u : limit;
  }
  template <class Row>
  PREFER_HD auto operator()(const Row& r) const {
    using V = typename Row::value;
    return detail::weighted(r, [&](int k) PREFER_HD_LAMBDA {
      const V z = r[k];
      return symmetric ? V(r.state(k)) * z : z + V(r.state(k) - 1) * math::select(z < V(0), V(0), z);
    });
  }
};

// sum_k w_k z_k of the samples whose rewards agree, times the share of the group that is kept, then whitened over those
// that are kept; the others get 0. A sample is in conflict where some w_k z_k > slack and some < -slack; it is dropped
// then, if `hard`, or else if |sum_k w_k z_k| < agreement * (sum_k |w_k z_k| + slack). Two rewards and `hard` drop
// every mixed sample. Source: GD2PO (arXiv 2606.16771) and its code, whose agreement is 0.8 in scripts and 0.2
// otherwise; `after_whitening`: the share multiplies whitened advantages, as a reimplementation has it. Weights are
// proposed here.
struct gd2po {
  scalar agreement = 0.8;
  bool hard = false;
  bool after_whitening = false;
  scalar slack = 1e-8;
  scalar epsilon = 1e-6;
  deviation std = deviation::sample;
  whitening whiten = {.epsilon = 1e-8, .under_root = true};

  constexpr status check() const {
    return first_error(require::not_negative(agreement, "agreement"), require::not_negative(slack, "slack"),
                       require::not_negative(epsilon, "epsilon"), whiten.check());
  }
  whitening batch() const { return whiten; }
  PREFER_HD group_factor factor() const { return {.drops = true, .after_whitening = after_whitening}; }
  template <class V>
  PREFER_HD V scale(const basic_group_rewards<V>& g, int k) const {
    return g.inverse_std(k, std, epsilon);
  }
  template <class Row>
  PREFER_HD auto operator()(const Row& r) const {
    return detail::weighted(r, [&](int k) PREFER_HD_LAMBDA { return r[k]; });
  }
  // 1: kept.
  template <class Row>
  PREFER_HD auto companion(const Row& r) const {
    using V = typename Row::value;
    const V e(slack.as<double>()), zero(0), one(1);
    V sum(0), size(0), most(0), least(0);
    for (int k = 0; k < r.count(); ++k) {
      if (r.weight(k) == 0) continue;
      const V x = V(r.weight(k)) * r[k];
      sum += x, size += math::abs(x);
      most = math::select(x > most, x, most), least = math::select(x < least, x, least);
    }
    const V weak = hard ? one : math::select(math::abs(sum) < V(agreement.as<double>()) * (size + e), one, zero);
    const V conflict = math::select(most > e, math::select(least < -e, one, zero), zero);
    return one - weak * conflict;
  }
};

// sum_k w_k d_k / (sqrt(sum_jk c_jk) + epsilon), c the correlations of the rewards within the group, not whitened:
// independent rewards are divided by sqrt(K), copies of one reward by K. A reward that does not vary has correlations
// of 0, with itself too. One reward is only centred. The sum of correlations is the variance of sum_k sign(w_k) z_k; it
// nears 0 for rewards that oppose each other, and is taken to be `least` at least (proposed here; 0 for the source's
// form). Source: CorrGRPO (arXiv 2609.36820), reconstructed from two notes that agree; weights are proposed here: w_k
// r_k takes the place of r_k.
struct corr_grpo {
  scalar epsilon = 1e-6;
  scalar least = 0.05;

  constexpr status check() const {
    return first_error(require::not_negative(epsilon, "epsilon"), require::not_negative(least, "least"));
  }
  whitening batch() const { return {.on = false}; }
  PREFER_HD group_factor factor() const {
    return {.how = group_factor::kind::inverse_std, .epsilon = epsilon, .least = least};
  }
  template <class V>
  PREFER_HD V scale(const basic_group_rewards<V>& g, int k) const {
    return g.inverse_std(k, deviation::population, 0.0);
  }
  template <class Row>
  PREFER_HD auto operator()(const Row& r) const {
    return detail::weighted(r, [&](int k) PREFER_HD_LAMBDA { return r.deviation(k); });
  }
  template <class Row>
  PREFER_HD auto companion(const Row& r) const {
    typename Row::value sum(0);
    for (int k = 0; k < r.count(); ++k)
      if (r.weight(k) != 0) sum += r.weight(k) > 0 ? r[k] : -r[k];
    return sum;
  }
};

}  // namespace PREFER_ABI
}  // namespace prefer
