// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// Learns the reward of the delivery task (Knox et al. 2022) from preferences between short segments, with the regret
// model and with the partial-return model, and compares what the learned rewards are good for.
#include "delivery.hpp"

#include "support/gnuplot.hpp"
#include "support/interval.hpp"
#include "support/progress.hpp"

#include <prefer/core/random.hpp>
#include <prefer/core/thread_pool.hpp>
#include <prefer/loss/regret.hpp>
#include <prefer/mdp/bellman.hpp>
#include <prefer/mdp/softmax_value.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

namespace {

using delivery::actions;
using delivery::features;
using delivery::states;
using weights = std::array<double, features>;
constexpr double discount = 0.999;
const delivery::tables world;

// Solves the task under one reward; what is asked for is written.
struct solution {
  std::vector<double> value = std::vector<double>(states), policy = std::vector<double>(states * actions);
};
prefer::mdp<prefer::space::host> task_with(const std::vector<double>& reward) {
  return {.reward = {reward.data(), 1, states, actions},
          .next = {world.next.data(), 1, states, actions},
          .terminal = {world.terminal.data(), 1, states},
          .discount = discount};
}
std::vector<double> rewards_of(const weights& w) {
  std::vector<double> r(states * actions);
  for (std::int64_t i = 0; i < states * actions; ++i)
    r[static_cast<std::size_t>(i)] = world.reward(i / actions, i % actions, w.data());
  return r;
}
prefer::cpu scratch(std::vector<double>& memory, std::int64_t width = 1) {
  memory.resize(prefer::bellman_workspace(1, states, width) / sizeof(double));
  return {.workspace = {memory.data(), memory.size() * sizeof(double)}};
}
solution best_behaviour(const weights& w) {
  solution s;
  std::vector<double> memory;
  const auto reward = rewards_of(w);
  prefer::check(
      prefer::value_iteration(scratch(memory), task_with(reward), {.tolerance = 1e-3},
                              {.value = {s.value.data(), 1, states}, .policy = {s.policy.data(), 1, states, actions}}));
  return s;
}
// The mean value of a policy over all starts, under the true reward.
double mean_return(const std::vector<double>& policy) {
  std::vector<double> memory, value(states);
  static const auto reward = rewards_of(delivery::true_weights);
  prefer::check(prefer::policy_evaluation(scratch(memory), task_with(reward), {policy.data(), 1, states, actions},
                                          {.tolerance = 1e-3}, {.value = {value.data(), 1, states}}));
  double sum = 0;
  for (std::int64_t s : world.starts) sum += value[static_cast<std::size_t>(s)];
  return sum / static_cast<double>(world.starts.size());
}

// Successor features [K, S, F] of behaviours that are best for random rewards; the truly best one is left out.
std::vector<double> known_behaviours(std::int64_t wanted) {
  static constexpr double choices[] = {-1, 50, -50, 1, -1, -2};
  const solution truth = best_behaviour(delivery::true_weights);
  std::vector<std::vector<double>> seen = {truth.policy};
  std::vector<double> all, memory;
  for (std::uint64_t draw = 0; static_cast<std::int64_t>(seen.size()) <= wanted && draw < 1000; ++draw) {
    weights w;
    for (std::size_t f = 0; f < features; ++f) w[f] = choices[prefer::to_below(prefer::draw_pair(1, f, draw).first, 6)];
    const solution s = best_behaviour(w);
    if (std::find(seen.begin(), seen.end(), s.policy) != seen.end()) continue;
    seen.push_back(s.policy);
    std::vector<double> psi(states * features);
    const auto reward = rewards_of(w);
    prefer::check(prefer::successor_features(scratch(memory, features), task_with(reward),
                                             {s.policy.data(), 1, states, actions},
                                             {world.phi.data(), states, actions, features}, {.tolerance = 1e-3},
                                             {.successor = {psi.data(), 1, states, features}}));
    all.insert(all.end(), psi.begin(), psi.end());
  }
  return all;
}

// Preferences between pairs of segments of three random moves, by a person who minds regret.
struct preferences {
  std::vector<double> phi[2];                // summed features [N, F] of both segments
  std::vector<std::int64_t> from[2], to[2];  // their ends
  std::vector<double> label;                 // 1: the first is preferred, 1/2: a tie

  preferences(std::int64_t n, std::uint64_t seed, const std::vector<double>& best_value) {
    for (std::int64_t i = 0; i < n; ++i) {
      double score[2];
      for (std::uint64_t side = 0; side < 2; ++side)
        score[side] = add_segment(static_cast<int>(side), prefer::draw_block(seed, side, static_cast<std::uint64_t>(i)),
                                  best_value);
      const double gap = std::round((score[0] - score[1]) * 10) / 10;
      label.push_back(gap > 0 ? 1 : gap < 0 ? 0 : 0.5);
    }
  }
  std::int64_t size() const { return static_cast<std::int64_t>(label.size()); }

 private:
  double add_segment(int side, const prefer::random_block& random, const std::vector<double>& best_value) {
    std::int64_t s = world.starts[prefer::to_below(std::uint64_t{random.word[0]} << 32, world.starts.size())];
    from[side].push_back(s);
    weights sum = {};
    for (int t = 0; t < 3; ++t) {
      const auto a = static_cast<std::int64_t>(random.word[t + 1] % actions);
      if (delivery::is_terminal(s)) break;
      for (std::size_t f = 0; f < features; ++f)
        sum[f] += world.phi[static_cast<std::size_t>((s * actions + a) * features) + f];
      s = world.next[static_cast<std::size_t>(s * actions + a)];
    }
    to[side].push_back(s);
    phi[side].insert(phi[side].end(), sum.begin(), sum.end());
    double earned = 0;
    for (std::size_t f = 0; f < features; ++f) earned += sum[f] * delivery::true_weights[f];
    return earned + best_value[static_cast<std::size_t>(s)] - best_value[static_cast<std::size_t>(from[side].back())];
  }
};

// One objective: the mean loss of the preferences under the reward w, and its gradient.
class objective {
 public:
  objective(const preferences& p, const std::vector<double>* successor) : p_(p), successor_(successor) {
    const auto n = static_cast<std::size_t>(p.size());
    for (auto* v : {&earned_[0], &earned_[1], &start_[0], &start_[1], &end_[0], &end_[1], &slope_}) v->assign(n, 0);
    value_.assign(states, 0), upstream_.assign(states, 0);
  }

  double operator()(const weights& w, weights& gradient) {
    const std::int64_t n = p_.size();
    for (int side = 0; side < 2; ++side)
      for (std::size_t i = 0; i < label_size(); ++i) {
        earned_[side][i] = 0;
        for (std::size_t f = 0; f < features; ++f) earned_[side][i] += w[f] * p_.phi[side][i * features + f];
      }
    if (successor_ != nullptr) look_up_values(w);
    // With no values at the ends this is the partial return.
    double loss = 0;
    prefer::check(prefer::evaluate<double>(prefer::cpu{}, prefer::deterministic_regret(),
                                           {.reward_chosen = {earned_[0].data(), n},
                                            .reward_rejected = {earned_[1].data(), n},
                                            .start_value_chosen = {start_[0].data(), n},
                                            .start_value_rejected = {start_[1].data(), n},
                                            .end_value_chosen = {end_[0].data(), n},
                                            .end_value_rejected = {end_[1].data(), n},
                                            .label = {p_.label.data(), n}},
                                           {.loss = {&loss, 1}, .grad_reward_chosen = {slope_.data(), n}}));
    gradient = {};
    for (std::size_t i = 0; i < label_size(); ++i)
      for (std::size_t f = 0; f < features; ++f)
        gradient[f] += slope_[i] * (p_.phi[0][i * features + f] - p_.phi[1][i * features + f]);
    if (successor_ != nullptr) add_value_gradient(w, gradient);
    return loss;
  }

 private:
  const preferences& p_;
  const std::vector<double>* successor_;
  std::vector<double> earned_[2], start_[2], end_[2], slope_, value_, upstream_;

  std::size_t label_size() const { return p_.label.size(); }
  prefer::policy_values<prefer::space::host> behaviours(const weights& w) const {
    const auto k = static_cast<std::int64_t>(successor_->size()) / (states * features);
    return {.successor = {successor_->data(), k, states, features}, .weights = {w.data(), features}};
  }
  void look_up_values(const weights& w) {
    prefer::check(prefer::softmax_value(prefer::cpu{}, behaviours(w), {value_.data(), states}));
    for (int side = 0; side < 2; ++side)
      for (std::size_t i = 0; i < label_size(); ++i) {
        start_[side][i] = value_[static_cast<std::size_t>(p_.from[side][i])];
        const auto to = static_cast<std::size_t>(p_.to[side][i]);
        end_[side][i] = world.terminal[to] ? 0 : value_[to];
      }
  }
  void add_value_gradient(const weights& w, weights& gradient) {
    std::fill(upstream_.begin(), upstream_.end(), 0.0);
    for (int side = 0; side < 2; ++side)
      for (std::size_t i = 0; i < label_size(); ++i) {
        const double g = side == 0 ? slope_[i] : -slope_[i];
        upstream_[static_cast<std::size_t>(p_.from[side][i])] -= g;
        if (const auto to = static_cast<std::size_t>(p_.to[side][i]); !world.terminal[to]) upstream_[to] += g;
      }
    weights by_value;
    prefer::check(prefer::softmax_value_gradient(prefer::cpu{}, behaviours(w), {upstream_.data(), states},
                                                 {by_value.data(), features}));
    for (std::size_t f = 0; f < features; ++f) gradient[f] += by_value[f];
  }
};

// Full-batch Adam with the hyper-parameters of the paper's code: the regret model keeps its best weights (its rate of 2
// makes it oscillate), the partial return its last.
weights learn(const preferences& p, const std::vector<double>* successor, std::uint64_t seed, double effort) {
  const bool regret = successor != nullptr;
  const double rate = regret ? 2 : 0.5;
  const int iterations = static_cast<int>((regret ? 5000 : 30000) * effort);
  objective loss(p, successor);
  weights w, best = {}, m = {}, v = {}, g;
  for (std::size_t f = 0; f < features; ++f)
    w[f] = (2 * prefer::to_uniform(prefer::draw_pair(seed, 77, f).first) - 1) / std::sqrt(double{features});
  double lowest = HUGE_VAL;
  for (int t = 1; t <= iterations; ++t) {
    const double now = loss(w, g);
    if (now < lowest) lowest = now, best = w;
    for (std::size_t f = 0; f < features; ++f) {
      m[f] = 0.9 * m[f] + 0.1 * g[f];
      v[f] = 0.999 * v[f] + 0.001 * g[f] * g[f];
      w[f] -= rate * m[f] / (1 - std::pow(0.9, t)) / (std::sqrt(v[f] / (1 - std::pow(0.999, t))) + 1e-8);
    }
  }
  return regret ? best : w;
}

struct arm {
  std::vector<int> near_optimal;      // runs, per number of preferences
  std::vector<weights> mean_weights;  // scaled to a largest weight of 1, per number of preferences
};

void draw(const std::string& folder, const std::vector<int>& sizes, int runs, const arm (&arms)[2]) {
  static const char* const name[] = {"regret", "partial return"};
  std::string data;
  for (int a = 0; a < 2; ++a) {
    data += "$arm" + std::to_string(a) + " << EOD\n";
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const auto range = share_interval(arms[a].near_optimal[i], runs);
      data += std::to_string(sizes[i]) + " " + std::to_string(arms[a].near_optimal[i] / double(runs)) + " " +
              std::to_string(range[0]) + " " + std::to_string(range[1]) + "\n";
    }
    data += "EOD\n";
  }
  draw_svg(data + svg_header(folder + "/regret_gridworld.svg", 720, 440, "Delivery task: share of near-optimal runs") +
           "set logscale x\nset xrange [20:1500]\nset xlabel 'preferences'\nset ylabel 'share of " +
           std::to_string(runs) + " runs, 95 % interval'\nset yrange [-0.03:1.03]\nset key bottom right\n" +
           "plot $arm0 using 1:2:3:4 with yerrorlines lw 2 pt 7 lc rgb '#1b6ca8' title '" + name[0] +
           "', $arm1 using 1:2:3:4 with yerrorlines lw 2 pt 5 lc rgb '#d1495b' title '" + name[1] + "'\n");
  static const char* const feature[] = {"gas", "goal", "sheep", "coin", "roadblock", "mud"};
  std::string bars = "$weights << EOD\n";
  for (std::size_t f = 0; f < features; ++f)
    bars += std::string(feature[f]) + " " + std::to_string(delivery::true_weights[f] / 50) + " " +
            std::to_string(arms[0].mean_weights.back()[f]) + " " + std::to_string(arms[1].mean_weights.back()[f]) +
            "\n";
  draw_svg(
      bars + "EOD\n" +
      svg_header(folder + "/regret_gridworld_rewards.svg", 720, 440,
                 "Delivery task: learned rewards, " + std::to_string(sizes.back()) + " preferences, mean of the runs") +
      "set style data histogram\nset style fill solid 0.8\nset ylabel 'reward / largest'\nplot $weights using "
      "2:xtic(1) lc rgb "
      "'#888888' title 'true', '' using 3 lc rgb '#1b6ca8' title 'regret', '' using 4 lc rgb '#d1495b' title 'partial "
      "return'\n");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Learns the reward of the delivery task from preferences, by regret and by partial return."};
  std::string output = ".";
  bool quick = false;
  app.add_option("-o,--output", output, "folder of the pictures")->check(CLI::ExistingDirectory);
  app.add_flag("--quick", quick, "four seeds, one size, a quarter of the iterations");
  CLI11_PARSE(app, argc, argv);

  const double best = mean_return(best_behaviour(delivery::true_weights).policy);
  const double random = mean_return(std::vector<double>(states * actions, 1.0 / actions));
  std::printf("%zu starts, mean return of the best policy %.4f, of a random one %.4f\n", world.starts.size(), best,
              random);
  if (std::fabs(best - 41.2079) > 1e-4 || std::fabs(random + 71.2410) > 1e-4) {
    std::puts("The task is not the published one.");
    return 1;
  }
  const std::vector<double> successor = known_behaviours(70);
  const std::vector<double> best_value = best_behaviour(delivery::true_weights).value;
  const int runs = quick ? 4 : 20;
  const std::vector<int> sizes = quick ? std::vector<int>{100} : std::vector<int>{30, 100, 300, 1000};
  const double effort = quick ? 0.25 : 1;

  arm arms[2];
  std::vector<weights> learned(sizes.size() * static_cast<std::size_t>(2 * runs));
  std::vector<char> good(learned.size());
  std::atomic<int> done{0};
  prefer::thread_pool pool(static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
  pool(static_cast<std::int64_t>(learned.size()), [&](std::int64_t task) {
    const auto at = static_cast<std::size_t>(task);
    const auto seed = static_cast<std::uint64_t>(task % runs);
    const auto size = sizes[at / static_cast<std::size_t>(2 * runs)];
    const bool regret = task / runs % 2 == 0;
    const preferences p(size, seed + 1000, best_value);
    learned[at] = learn(p, regret ? &successor : nullptr, seed, effort);
    const double reached = mean_return(best_behaviour(learned[at]).policy);
    good[at] = (reached - random) / (best - random) >= 0.9;
    show_progress("run", ++done, static_cast<std::int64_t>(learned.size()));
  });

  std::printf("%12s %18s %18s\n", "preferences", "regret", "partial return");
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    for (std::size_t a = 0; a < 2; ++a) {
      int hits = 0;
      weights mean = {};
      for (int r = 0; r < runs; ++r) {
        const std::size_t at = (2 * i + a) * static_cast<std::size_t>(runs) + static_cast<std::size_t>(r);
        hits += good[at];
        double largest = 0;
        for (double x : learned[at]) largest = std::max(largest, std::fabs(x));
        for (std::size_t f = 0; f < features; ++f) mean[f] += learned[at][f] / largest / runs;
      }
      arms[a].near_optimal.push_back(hits);
      arms[a].mean_weights.push_back(mean);
    }
    const auto r = share_interval(arms[0].near_optimal[i], runs), p = share_interval(arms[1].near_optimal[i], runs);
    std::printf("%12d %3d/%d [%.2f, %.2f] %3d/%d [%.2f, %.2f]\n", sizes[i], arms[0].near_optimal[i], runs, r[0], r[1],
                arms[1].near_optimal[i], runs, p[0], p[1]);
  }
  draw(output, sizes, runs, arms);
  const std::size_t judged = quick ? 0 : 1;  // 100 preferences
  const bool apart =
      share_interval(arms[0].near_optimal[judged], runs)[0] > share_interval(arms[1].near_optimal[judged], runs)[1];
  const bool beaten = quick ? arms[0].near_optimal[0] >= arms[1].near_optimal[0] : apart;
  std::printf("With %d preferences the regret model is %s.\n", sizes[judged],
              !beaten ? "NOT better, against the publication"
              : apart ? "clearly better"
                      : "at least as good");
  return beaten ? 0 : 1;
}
