// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/token_baseline.hpp>
#include <support/side.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

// The optimal baseline of each position by its definition, in long double, on either side.
namespace prefer_test {

// What a call is given beside offsets.
struct token_baseline_fields {
  bool score = true, reward = true, importance = true, masked = true, zero_alone = false;
  enum class energies { none, given, found } energy = energies::given;
};

template <class S>
struct token_baseline_case {
  using energies = token_baseline_fields::energies;
  token_baseline_fields with;
  ragged_groups responses, groups;  // runs of tokens, and of responses
  buffer<S> score, reward, energy, policy, log_square_sum, importance, advantage, baseline;
  buffer<bool> mask;
  buffer<double> memory;

  // Lengths of the responses, two of which belong to no group before them and three behind.
  token_baseline_case(const std::vector<std::int64_t>& lengths, const std::vector<std::int64_t>& sizes,
                      const token_baseline_fields& fields, std::int64_t stride = 1)
      : with(fields),
        responses(lengths),
        groups(sizes),
        score(responses.count(), stride),
        reward(responses.samples, stride),
        energy(responses.samples),
        policy(responses.samples, stride),
        log_square_sum(responses.samples),
        importance(responses.samples, stride),
        advantage(responses.samples, stride),
        baseline(responses.samples),
        mask(responses.samples, stride),
        memory(static_cast<std::int64_t>(prefer::token_baseline_workspace(responses.count()) / sizeof(double))) {
    noise random(static_cast<std::uint64_t>(responses.samples));
    fill_uniform(score, random, -1, 1);
    for (std::int64_t t = 0; t < responses.samples; ++t) {
      mask.at(t) = !with.masked || random.uniform(0, 1) < 0.75;
      // A token of probability p, the others of sizes that add up to 1 - p: two of them.
      const double p = random.uniform(0.05, 0.95), q = (1 - p) * random.uniform(0, 1), r = 1 - p - q;
      reward.set(t, mask.at(t) ? std::floor(random.uniform(-1, 2)) / 4 : not_a_number);
      energy.set(t, mask.at(t) ? random.uniform(0, 2) : not_a_number);
      policy.set(t, mask.at(t) ? std::log(p) : not_a_number);
      log_square_sum.set(t, mask.at(t) ? std::log(p * p + q * q + r * r) : not_a_number);
      importance.set(t, mask.at(t) ? random.uniform(0, 2) : not_a_number);
    }
  }

  template <class Side>
  prefer::status call(Side& side) {
    prefer::token_baseline_inputs<Side::memory> in{.offsets = side.read(responses.offsets),
                                                   .groups = side.read(groups.offsets)};
    if (with.score) in.score = side.read(score);
    if (with.reward) in.reward = side.read(reward);
    if (with.energy == energies::given) in.energy = side.read(energy);
    if (with.energy == energies::found) in.policy = side.read(policy), in.log_square_sum = side.read(log_square_sum);
    if (with.importance) in.importance = side.read(importance);
    if (with.masked) in.mask = side.read(mask);
    return prefer::token_baseline_advantages(side.exec, {.zero_alone = with.zero_alone}, in,
                                             {.advantage = side.write(advantage), .baseline = side.write(baseline)});
  }

  long double energy_of(std::int64_t t) {
    const long double p = std::exp(static_cast<long double>(policy.get(t)));
    const long double e = with.energy == energies::none ? 1
                          : with.energy == energies::given
                              ? energy.get(t)
                              : 1 - 2 * p + std::exp(static_cast<long double>(log_square_sum.get(t)));
    const long double rho = with.importance ? importance.get(t) : 1;
    return e * rho * rho;
  }
  long double to_come(std::int64_t i, std::int64_t t) {
    long double g = with.score ? score.get(i) : 0;
    for (std::int64_t j = t; with.reward && j < responses.end(i); ++j)
      if (mask.at(j)) g += reward.get(j);
    return g;
  }
  // Sums of up to some hundred numbers of size 1 in double, and a rounding to S.
  bool near(double got, long double exact) {
    return std::fabs(got - exact) <=
           1e-12L + std::ldexp(std::fabs(exact), -storage<S>::digits) + std::ldexp(1.0L, storage<S>::least_exponent);
  }
  bool matches() {
    bool ok = advantage.intact() && baseline.intact();
    std::vector<bool> owned(static_cast<std::size_t>(responses.samples));
    for (std::int64_t b = 0; b < groups.count(); ++b) {
      std::vector<long double> weight(static_cast<std::size_t>(groups.end(b) - groups.begin(b)));
      std::int64_t longest = 0;
      for (std::int64_t i = groups.begin(b); i < groups.end(b); ++i)
        longest = std::max(longest, responses.end(i) - responses.begin(i));
      for (std::int64_t k = 0; k < longest; ++k) {
        long double sum = 0, weights = 0, plain = 0;
        int alive = 0;
        const auto each = [&](const auto& f) {
          for (std::int64_t i = groups.begin(b); i < groups.end(b); ++i)
            if (const std::int64_t t = responses.begin(i) + k; t < responses.end(i)) f(i, t);
        };
        each([&](std::int64_t i, std::int64_t t) {
          owned[static_cast<std::size_t>(t)] = true;
          if (!mask.at(t)) return;
          long double& w = weight[static_cast<std::size_t>(i - groups.begin(b))];
          w += energy_of(t), sum += w * to_come(i, t), weights += w, plain += to_come(i, t), ++alive;
        });
        long double middle = alive == 0 ? 0 : weights == 0 ? plain / alive : sum / weights;
        if (alive == 1) middle = with.zero_alone ? 0 : plain;
        each([&](std::int64_t i, std::int64_t t) {
          ok = ok && near(advantage.get(t), mask.at(t) ? to_come(i, t) - middle : 0);
          ok = ok && near(baseline.get(t), mask.at(t) ? middle : 0);
        });
      }
    }
    buffer<S> fresh(responses.samples);
    for (std::int64_t t = 0; t < responses.samples; ++t)
      if (!owned[static_cast<std::size_t>(t)]) ok = ok && std::memcmp(&advantage.at(t), &fresh.at(t), sizeof(S)) == 0;
    return ok;
  }
};

// Responses around the tiles of both backends, in groups of none to some.
inline std::vector<std::int64_t> token_baseline_lengths() {
  std::vector<std::int64_t> lengths;
  for (const std::int64_t n :
       {5, 0, 1, 7, 8, 9, 127, 128, 129, 255, 256, 257, 511, 1100, 513, 1300, 3, 3, 0, 40, 41, 9})
    lengths.push_back(n);
  return lengths;
}
inline std::vector<std::int64_t> token_baseline_sizes() { return {4, 0, 1, 6, 2, 3, 1}; }

template <class S, class Side>
void check_token_baseline(std::int64_t stride) {
  using energies = token_baseline_fields::energies;
  for (const token_baseline_fields& with :
       {token_baseline_fields{}, token_baseline_fields{.reward = false, .masked = false, .zero_alone = true},
        token_baseline_fields{.score = false, .importance = false, .energy = energies::found},
        token_baseline_fields{.importance = false, .masked = false, .energy = energies::none}}) {
    token_baseline_case<S> c(token_baseline_lengths(), token_baseline_sizes(), with, stride);
    Side side;
    if constexpr (Side::memory == prefer::space::host)
      side.exec.workspace = {c.memory.data(), static_cast<std::size_t>(c.memory.size()) * sizeof(double)};
    prefer::check(c.call(side));
    side.done();
    CHECK(c.matches());
  }
  covers<S>("token_baseline", "sizes");
  covers("token_baseline", "masked");
}

}  // namespace prefer_test
