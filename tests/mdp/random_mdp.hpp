// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/mdp/bellman.hpp>
#include <support/numbers.hpp>

#include <vector>

// A batch of random processes as tables; the last state of each is terminal.
namespace prefer_test {

struct random_mdp {
  std::int64_t batch, states, actions, features;
  std::vector<double> reward, transition, policy, phi;
  std::vector<std::int32_t> next;
  std::vector<unsigned char> terminal;
  double discount = 0.9;

  random_mdp(std::int64_t b, std::int64_t s, std::int64_t a, std::int64_t f = 3)
      : batch(b), states(s), actions(a), features(f), terminal(static_cast<std::size_t>(b * s)) {
    noise random(9);
    for (std::int64_t i = 0; i < b * s * a; ++i) {
      reward.push_back(random.uniform(-1, 1));
      next.push_back(static_cast<std::int32_t>(random.uniform(0, static_cast<double>(s))));
      add_distribution(transition, s, random);
    }
    for (std::int64_t i = 0; i < b * s; ++i) {
      add_distribution(policy, a, random);
      terminal[static_cast<std::size_t>(i)] = i % s == s - 1;
    }
    for (std::int64_t i = 0; i < s * a * f; ++i) phi.push_back(random.uniform(-1, 1));
  }
  const bool* ends() const { return reinterpret_cast<const bool*>(terminal.data()); }
  prefer::mdp<prefer::space::host> deterministic() const {
    return {.reward = {reward.data(), batch, states, actions},
            .next = {next.data(), batch, states, actions},
            .terminal = {ends(), batch, states},
            .discount = discount};
  }
  prefer::mdp<prefer::space::host> stochastic() const {
    return {.reward = {reward.data(), batch, states, actions},
            .transition = {transition.data(), batch, states * actions, states},
            .terminal = {ends(), batch, states},
            .discount = discount};
  }

 private:
  static void add_distribution(std::vector<double>& to, std::int64_t n, noise& random) {
    const std::size_t first = to.size();
    double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) to.push_back(random.uniform(0, 1)), sum += to.back();
    for (std::size_t i = first; i < to.size(); ++i) to[i] /= sum;
  }
};

}  // namespace prefer_test
