// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/importance_weights.hpp>
#include <support/buffer.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

// Responses of tokens as memory, and every rule by its definition, in long double and on numbers copied out first.
namespace prefer_test {

using log_ratios = std::vector<long double>;  // of the selected tokens of one response

inline long double held_log(long double x) { return std::min(20.0L, std::max(-20.0L, x)); }
inline long double total_of(const log_ratios& x) { return std::accumulate(x.begin(), x.end(), 0.0L); }
inline long double average_of(const log_ratios& x) {
  return x.empty() ? 0 : total_of(x) / static_cast<long double>(x.size());
}
template <class F>
log_ratios each_of(const log_ratios& x, F f) {
  log_ratios y = x;
  std::transform(x.begin(), x.end(), y.begin(), f);
  return y;
}
inline long double largest_in(const log_ratios& x) { return x.empty() ? 0 : *std::max_element(x.begin(), x.end()); }

// Of the tokens, and of the response.
struct weights {
  log_ratios of_token;
  long double whole = 1;
};
inline weights alike(const log_ratios& x, long double w) { return {log_ratios(x.size(), w), w}; }

inline long double k3(long double x) { return std::expm1(x) - x; }

using importance_definition = std::function<weights(const log_ratios& x, long double advantage)>;

// A rule as a call, so that what tests do with it is compiled once.
template <class Exec>
struct importance_rule {
  using inputs = prefer::importance_inputs<Exec::memory>;
  using outputs = prefer::importance_outputs<Exec::memory>;

  const char* name;
  bool reads_advantage, per_response;
  std::function<prefer::status(const Exec&, const inputs&, const outputs&)> run;
  importance_definition definition;
};

// Every rule, with defaults and without.
template <class Exec>
std::vector<importance_rule<Exec>> importance_rules() {
  using namespace prefer;
  using level = importance_level;
  std::vector<importance_rule<Exec>> all;
  const auto f = [&](const char* name, const auto& rule, const importance_definition& definition) {
    using in = typename importance_rule<Exec>::inputs;
    using out = typename importance_rule<Exec>::outputs;
    all.push_back({name, rule.reads_advantage, rule.per_response(),
                   [rule](const Exec& exec, const in& i, const out& o) { return importance_weights(exec, rule, i, o); },
                   definition});
  };
  const auto token = [](auto w) { return [=](const log_ratios& x, long double) { return weights{each_of(x, w), 0}; }; };
  f("truncated_importance", truncated_importance{1.25},
    token([](long double x) { return std::min(std::exp(x), 1.25L); }));
  f("truncated_importance", truncated_importance{.level = level::sequence},
    [](const log_ratios& x, long double) { return alike(x, std::min(std::exp(held_log(total_of(x))), 2.0L)); });
  f("truncated_importance", truncated_importance{HUGE_VAL, level::geometric},
    [](const log_ratios& x, long double) { return alike(x, std::exp(average_of(x))); });
  f("masked_importance", masked_importance{0.75, 1.5},
    token([](long double x) { return x < std::log(0.75L) || x > std::log(1.5L) ? 0 : std::exp(x); }));
  f("masked_importance", masked_importance{0.0, 3.0, level::sequence}, [](const log_ratios& x, long double) {
    return alike(x, total_of(x) > std::log(3.0L) ? 0 : std::exp(held_log(total_of(x))));
  });
  f("masked_importance", masked_importance{0.9375, 1.0625, level::geometric, true},
    [](const log_ratios& x, long double) {
      return alike(x, average_of(x) < std::log(0.9375L) || average_of(x) > std::log(1.0625L) ? 0 : 1);
    });
  f("carm", carm{1.375}, [](const log_ratios& x, long double) {
    return alike(x, average_of(each_of(x, [](long double v) { return std::fabs(v); })) > std::log(1.375L) ? 0 : 1);
  });
  using over = divergence_rejection::over;
  f("divergence_rejection", divergence_rejection{.limit = 0.0546875},
    [](const log_ratios& x, long double) { return alike(x, average_of(each_of(x, k3)) > 0.0546875L ? 0 : 1); });
  f("divergence_rejection", divergence_rejection{.limit = 0.0625, .of = over::token},
    token([](long double x) { return k3(x) > 0.0625L ? 0 : 1; }));
  f("divergence_rejection", divergence_rejection{kl_estimator::k2, 0.875, over::sum},
    [](const log_ratios& x, long double) {
      return alike(x, total_of(each_of(x, [](long double v) { return v * v / 2; })) > 0.875L ? 0 : 1);
    });
  f("divergence_rejection", divergence_rejection{kl_estimator::k1, 0.71875, over::largest},
    [](const log_ratios& x, long double) {
      return alike(x, std::max(0.0L, largest_in(each_of(x, [](long double v) { return -v; }))) > 0.71875L ? 0 : 1);
    });
  f("drift_mask", drift_mask{0.03125},
    [](const log_ratios& x, long double a) { return alike(x, a < 0 && -average_of(x) > 0.03125L ? 0 : 1); });
  f("gmpo_bound", gmpo_bound{0.375}, [](const log_ratios& x, long double a) {
    return weights{each_of(x, [=](long double v) { return a > 0 ? v <= 0.375L : v >= -0.375L; }), 0};
  });
  f("importance_product",
    importance_product{masked_importance{0.9375, 1.0625, level::geometric, true}, truncated_importance{1.25}},
    [](const log_ratios& x, long double) {
      const bool keep = !(average_of(x) < std::log(0.9375L) || average_of(x) > std::log(1.0625L));
      return weights{each_of(x, [=](long double v) { return keep ? std::min(std::exp(v), 1.25L) : 0; }), 0};
    });
  return all;
}

inline std::vector<int> response_sizes() { return {5, 0, 1, 7, 8, 9, 2, 130, 511, 512, 513, 1100, 0, 3}; }

// Responses of the given sizes, a few tokens before the first and behind the last.
template <class S>
struct importance_case {
  static constexpr std::int64_t before = 3, behind = 5;
  std::int64_t n, total;
  buffer<std::int32_t> offsets;
  buffer<S> policy, sampler, weight;
  buffer<S> advantage;
  buffer<bool> mask, keep;
  buffer<double> response_weight, mean_log_ratio, length, kept;
  bool masked = false, mean_of_tokens = false;

  explicit importance_case(const std::vector<int>& sizes, std::uint64_t seed = 5, std::int64_t stride = 1)
      : n(static_cast<std::int64_t>(sizes.size())),
        total(std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}) + before + behind),
        offsets(n + 1),
        policy(total, stride, stride - 1),
        sampler(total, stride),
        weight(total, stride),
        advantage(n, stride),
        mask(total, stride),
        keep(total, stride),
        response_weight(n, stride),
        mean_log_ratio(n, stride),
        length(n, stride),
        kept(n, stride) {
    noise random(seed);
    offsets.at(0) = static_cast<std::int32_t>(before);
    for (std::int64_t i = 0; i < n; ++i) {
      offsets.at(i + 1) = offsets.at(i) + sizes[static_cast<std::size_t>(i)];
      advantage.set(i, random.uniform(-2, 2));
    }
    for (std::int64_t t = 0; t < total; ++t) {
      const double p = random.uniform(-3, 0);
      policy.set(t, p);
      sampler.set(t, p + random.uniform(-0.75, 0.75));
      mask.at(t) = random.uniform(0, 1) < 0.7;
    }
    if (total > 60) policy.set(40, -60), sampler.set(50, -60);  // beyond the limits of x
  }

  prefer::importance_inputs<prefer::space::host> inputs(bool with_advantage) {
    prefer::importance_inputs<prefer::space::host> in{
        .policy = policy.read(), .sampler = sampler.read(), .offsets = offsets.read()};
    if (with_advantage) in.advantage = advantage.read();
    if (masked) in.mask = mask.read();
    in.mean_of_tokens = mean_of_tokens;
    return in;
  }
  prefer::importance_outputs<prefer::space::host> outputs(bool per_response) {
    prefer::importance_outputs<prefer::space::host> out{.weight = weight.view(),
                                                        .keep = keep.view(),
                                                        .response_weight = response_weight.view(),
                                                        .mean_log_ratio = mean_log_ratio.view(),
                                                        .length = length.view(),
                                                        .kept = kept.view()};
    if (!per_response) out.response_weight = {};
    return out;
  }

  bool selected(std::int64_t t) { return (!masked || mask.at(t)) && !std::isnan(policy.get(t) - sampler.get(t)); }

  // The largest error of any weight or number of a response, in units of 1e-12 plus the rounding of storage.
  double worst(const importance_definition& definition, bool per_response) {
    double most = 0;
    const long double least = std::ldexp(1.0L, storage<S>::least_exponent);  // e^-20 is less than any half
    const auto compare = [&](double got, long double exact, long double rounding) {
      const long double error = std::fabs(got - exact) / (1e-12L + least + rounding * std::fabs(exact));
      most = std::isnan(got) ? HUGE_VAL : std::max(most, static_cast<double>(error));
    };
    const long double stored = std::ldexp(1.0L, -storage<S>::digits);
    for (std::int64_t i = 0; i < n; ++i) {
      log_ratios x;
      for (std::int64_t t = offsets.at(i); t < offsets.at(i + 1); ++t)
        if (selected(t)) x.push_back(held_log(static_cast<long double>(policy.get(t)) - sampler.get(t)));
      const weights w = definition(x, advantage.get(i));
      const auto count = static_cast<long double>(x.size());
      std::size_t k = 0;
      double dropped = 0;
      for (std::int64_t t = offsets.at(i); t < offsets.at(i + 1); ++t) {
        const long double exact = selected(t) ? w.of_token[k++] : 0;
        compare(weight.get(t), mean_of_tokens && count > 0 ? exact / count : exact, stored);
        if (keep.at(t) != (exact != 0)) most = HUGE_VAL;
        dropped += selected(t) && exact == 0;
      }
      compare(length.get(i), count, 0);
      compare(kept.get(i), count - dropped, 0);
      compare(mean_log_ratio.get(i), average_of(x), 0);
      if (per_response) compare(response_weight.get(i), w.whole, 1e-12L);
    }
    return most;
  }
  bool untouched_around() {
    bool ok = weight.intact() && keep.intact() && response_weight.intact() && mean_log_ratio.intact() &&
              length.intact() && kept.intact() && policy.intact() && sampler.intact();
    buffer<S> none(total, 1);
    for (std::int64_t t = 0; t < total; ++t)
      if (t < offsets.at(0) || t >= offsets.at(n)) ok = ok && std::memcmp(&weight.at(t), &none.at(t), sizeof(S)) == 0;
    return ok;
  }
  std::vector<unsigned char> written() const {
    std::vector<unsigned char> all;
    const auto add = [&](const auto& b) { all.insert(all.end(), b.bytes().begin(), b.bytes().end()); };
    add(weight), add(keep), add(response_weight), add(mean_log_ratio), add(length), add(kept);
    return all;
  }
};

}  // namespace prefer_test
