// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// One generator, two rewards that want different things. A policy over points of a plane, with a token that says for
// which reward a sample is made, is trained by policy gradients: with the sum of both rewards, with Parrot (a reward
// goes to the samples of a prompt that no other dominates, and of it only the one the sample was made for), and, to see
// what the selection adds, with the token's reward alone. How large a part of what is possible do a prompt's samples
// cover? Ends with 1 if Parrot does not cover more than the sum.
#include <prefer/loss/reinforce.hpp>
#include <prefer/select/non_dominated.hpp>
#include <prefer/select/parrot.hpp>
#include <support/gnuplot.hpp>
#include <support/interval.hpp>

#include <CLI/CLI.hpp>
#include <Eigen/Core>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

namespace {

using matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr std::int64_t rewards = 2;

struct options {
  std::string output = ".";
  std::int64_t prompts = 16, samples = 8, steps = 400,
               runs = 10;  // samples per token; independent runs: 10, or 4 if quick
  double noise = 0.3;      // of the policy, fixed
  bool quick = false;
};

enum class rule { sum, token, parrot };
constexpr std::array<rule, 3> rules = {rule::sum, rule::token, rule::parrot};
const char* name_of(rule r) {
  return r == rule::sum ? "sum of rewards" : r == rule::token ? "token's reward alone" : "Parrot";
}

// Both rewards of a point, from 0 to 1. They agree about the second coordinate and disagree about the first, in which
// the first reward is far less particular: alone it hardly cares where a sample lies.
Eigen::RowVector2d rewards_of(const Eigen::RowVector2d& x, double prompt) {
  const auto bump = [&](double at, double width) {
    return std::exp(-std::pow((x(0) - prompt - at) / width, 2) / 2 - std::pow((x(1) - 1) / 1.5, 2) / 2);
  };
  return {bump(-1, 1.2), bump(1, 0.6)};
}

// x ~ N(w_token (prompt, 1), noise^2).
class generator {
 public:
  explicit generator(double noise) : noise_(noise) {
    for (auto& w : weights_) w = Eigen::Matrix2d::Zero();
  }
  Eigen::RowVector2d mean(std::int64_t token, double prompt) const {
    return Eigen::RowVector2d(prompt, 1) * weights_[static_cast<std::size_t>(token)];
  }
  Eigen::RowVector2d draw(std::int64_t token, double prompt, std::mt19937_64& random) const {
    std::normal_distribution<double> normal(0, noise_);
    return mean(token, prompt) + Eigen::RowVector2d(normal(random), normal(random));
  }
  double logp(std::int64_t token, double prompt, const Eigen::RowVector2d& x) const {
    return -(x - mean(token, prompt)).squaredNorm() / (2 * noise_ * noise_);  // up to a constant
  }
  // Adds the derivative by the parameters, given that of a loss by the log-probability of one sample.
  void add_gradient(std::int64_t token, double prompt, const Eigen::RowVector2d& x, double by_logp,
                    std::array<Eigen::Matrix2d, rewards>& gradient) const {
    const Eigen::RowVector2d by_mean = (x - mean(token, prompt)) * (by_logp / (noise_ * noise_));
    gradient[static_cast<std::size_t>(token)] += Eigen::Vector2d(prompt, 1) * by_mean;
  }
  void descend(const std::array<Eigen::Matrix2d, rewards>& gradient, double step) {
    for (std::size_t k = 0; k < weights_.size(); ++k) weights_[k] -= step * gradient[k];
  }

 private:
  double noise_;
  std::array<Eigen::Matrix2d, rewards> weights_;  // one per token
};

// The samples of a batch: for each prompt so many for each token.
struct batch {
  std::int64_t prompts, per_prompt;
  std::vector<double> prompt;
  std::vector<std::int64_t> token;
  matrix x, reward;

  batch(const generator& policy, std::int64_t prompt_count, std::int64_t samples, std::mt19937_64& random)
      : prompts(prompt_count), per_prompt(rewards * samples), x(size(), 2), reward(size(), rewards) {
    std::uniform_real_distribution<double> uniform(-1, 1);
    for (std::int64_t i = 0; i < size(); ++i) {
      prompt.push_back(i % per_prompt == 0 ? uniform(random) : prompt.back());
      token.push_back(i % rewards);
      x.row(i) = policy.draw(token.back(), prompt.back(), random);
      reward.row(i) = rewards_of(x.row(i), prompt.back());
    }
  }
  std::int64_t size() const { return prompts * per_prompt; }
};

// The samples of each prompt that no other of it dominates.
std::vector<std::uint8_t> front_of(const batch& b) {
  std::vector<std::uint8_t> mask(static_cast<std::size_t>(b.size()));
  prefer::check(prefer::non_dominated_set(prefer::cpu{}, {},
                                          {.reward_groups = {b.reward.data(), b.prompts, b.per_prompt, rewards}},
                                          {.mask = {mask.data(), b.size()}}));
  return mask;
}

// What multiplies -log-probabilities. Both comparisons get the usual mean over a prompt's samples (of a token) as their
// baseline, which Parrot's paper has not.
std::vector<double> weights_of(const batch& b, rule r) {
  const std::int64_t n = b.size();
  std::vector<double> weight(static_cast<std::size_t>(n));
  if (r == rule::parrot) {
    const std::vector<std::uint8_t> front = front_of(b);
    prefer::check(prefer::parrot_weights(prefer::cpu{},
                                         {.rewards = {b.reward.data(), n, rewards},
                                          .mask = {front.data(), n},
                                          .reward_index = {b.token.data(), n},
                                          .groups = {.size = b.per_prompt}},
                                         {.weight = {weight.data(), n}}));
    return weight;
  }
  const auto own = [&](std::int64_t i) {
    return r == rule::sum ? b.reward.row(i).sum() : b.reward(i, b.token[static_cast<std::size_t>(i)]);
  };
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t first = i - i % b.per_prompt + i % rewards;  // of this prompt and token
    double mean = 0;
    for (std::int64_t j = first; j < first + b.per_prompt; j += rewards) mean += own(j) * rewards;
    weight[static_cast<std::size_t>(i)] =
        (own(i) - mean / static_cast<double>(b.per_prompt)) / static_cast<double>(b.per_prompt);
  }
  return weight;
}

void train_step(generator& policy, rule r, const options& o, double step, std::mt19937_64& random) {
  const batch b(policy, o.prompts, o.samples, random);
  const std::vector<double> weight = weights_of(b, r);
  const std::int64_t n = b.size();
  std::vector<double> logp, by_logp(weight.size());
  const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  for (std::int64_t i = 0; i < n; ++i) logp.push_back(policy.logp(b.token[at(i)], b.prompt[at(i)], b.x.row(i)));
  prefer::check(prefer::evaluate<double>(
      prefer::cpu{}, prefer::reinforce{},
      {.policy = {logp.data(), n}, .weight = {weight.data(), n}, .normalizer = static_cast<double>(b.prompts)},
      {.grad_policy = {by_logp.data(), n}}));
  std::array<Eigen::Matrix2d, rewards> gradient;
  for (Eigen::Matrix2d& g : gradient) g.setZero();
  for (std::int64_t i = 0; i < n; ++i)
    policy.add_gradient(b.token[at(i)], b.prompt[at(i)], b.x.row(i), by_logp[at(i)], gradient);
  policy.descend(gradient, step);
}

// The area that a prompt's samples dominate, the mean over prompts: what a user who may pick among them can have.
double coverage(const batch& b) {
  const std::vector<std::uint8_t> front = front_of(b);
  double area = 0;
  for (std::int64_t p = 0; p < b.prompts; ++p) {
    std::vector<std::pair<double, double>> points;
    for (std::int64_t i = p * b.per_prompt; i < (p + 1) * b.per_prompt; ++i)
      if (front[static_cast<std::size_t>(i)] != 0) points.emplace_back(b.reward(i, 0), b.reward(i, 1));
    std::sort(points.rbegin(), points.rend());
    double above = 0;
    for (const auto& [first, second] : points)
      if (second > above) area += first * (second - above), above = second;
  }
  return area / static_cast<double>(b.prompts);
}

// Fresh samples, more of them and the same for all rules of a run.
batch judge(const generator& policy, const options& o, std::uint64_t seed) {
  std::mt19937_64 random(1000 + seed);
  return batch(policy, 4 * o.prompts, o.samples, random);
}

generator train(rule r, const options& o, double step, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  generator policy(o.noise);
  for (std::int64_t t = 0; t < o.steps; ++t) train_step(policy, r, o, step, random);
  return policy;
}

// The step of the grid that covers most on runs of their own: the same effort for every rule.
double tuned_step(rule r, const options& o) {
  double best = 0, most = -1;
  for (const double step : {0.003, 0.01, 0.03, 0.1, 0.3, 1.0}) {
    double sum = 0;
    for (std::uint64_t seed = 500; seed < 503; ++seed) sum += coverage(judge(train(r, o, step, seed), o, seed));
    if (sum > most) most = sum, best = step;
  }
  return best;
}

struct arm {
  std::string name;
  double step = 0;
  std::vector<double> covered;
  std::array<double, rewards> best = {};  // the mean over prompts of the best value of each reward
  matrix points;                          // rewards of the first run's samples
};

arm measure(rule r, const options& o) {
  arm a{name_of(r), tuned_step(r, o), {}, {}, {}};
  for (std::int64_t run = 0; run < o.runs; ++run) {
    const auto seed = static_cast<std::uint64_t>(run + 1);
    const batch b = judge(train(r, o, a.step, seed), o, seed);
    a.covered.push_back(coverage(b));
    if (run == 0) a.points = b.reward;
    for (std::int64_t p = 0; p < b.prompts; ++p)
      for (std::int64_t k = 0; k < rewards; ++k)
        a.best[static_cast<std::size_t>(k)] += b.reward.col(k).segment(p * b.per_prompt, b.per_prompt).maxCoeff() /
                                               static_cast<double>(b.prompts * o.runs);
  }
  return a;
}

arm untrained(const options& o) {
  arm a{"before", 0, {}, {}, {}};
  const batch b = judge(generator(o.noise), o, 1);
  a.covered.push_back(coverage(b));
  a.points = b.reward;
  return a;
}

std::string draw(const std::vector<arm>& arms, const options& o) {
  const std::string path = (std::filesystem::path(o.output) / "pareto_batch.svg").string();
  std::string script = svg_header(path, 640, 560, "Samples of one generator under two rewards, and what is possible");
  script +=
      "set xlabel 'reward 1'\nset ylabel 'reward 2'\nset xrange [0:1.05]\nset yrange [0:1.05]\nset key bottom "
      "left\nplot ";
  constexpr const char* colours[] = {"#999999", "#0072b2", "#e69f00", "#d55e00"};
  for (std::size_t a = 0; a < arms.size(); ++a)
    script +=
        std::string("'-' with points pt 7 ps 0.3 lc rgb '") + colours[a] + "' title " + quoted(arms[a].name) + ", ";
  script += "'-' with lines lw 2 lc rgb 'black' title 'possible'\n";
  for (const arm& a : arms) {
    for (Eigen::Index i = 0; i < std::min<Eigen::Index>(a.points.rows(), 400); ++i)
      script += std::to_string(a.points(i, 0)) + " " + std::to_string(a.points(i, 1)) + "\n";
    script += "e\n";
  }
  for (double x = -1; x <= 1; x += 0.02) {
    const Eigen::RowVector2d r = rewards_of({x, 1}, 0);
    script += std::to_string(r(0)) + " " + std::to_string(r(1)) + "\n";
  }
  draw_svg(script + "e\n");
  return path;
}

int run(const options& o) {
  std::vector<arm> arms = {untrained(o)};
  for (const rule r : rules) arms.push_back(measure(r, o));
  std::printf("%ld runs of %ld steps; %ld prompts with %ld samples for each of 2 rewards; steps tuned alike\n",
              static_cast<long>(o.runs), static_cast<long>(o.steps), static_cast<long>(o.prompts),
              static_cast<long>(o.samples));
  std::printf("%-22s %6s  %-22s %s\n", "", "step", "area dominated, 95 %", "best of each reward");
  std::printf("%-22s %6s  %.4f\n", arms[0].name.c_str(), "", arms[0].covered[0]);
  for (std::size_t a = 1; a < arms.size(); ++a) {
    const estimate i = student_interval(arms[a].covered);
    std::printf("%-22s %6g  %.4f +- %.4f       %.3f %.3f\n", arms[a].name.c_str(), arms[a].step, i.mean, i.half,
                arms[a].best[0], arms[a].best[1]);
  }
  std::printf("%s\n", draw(arms, o).c_str());
  // Runs of two rules share their seeds: the difference is taken run by run.
  std::vector<double> gain;
  for (std::size_t k = 0; k < arms[1].covered.size(); ++k) gain.push_back(arms[3].covered[k] - arms[1].covered[k]);
  const estimate i = student_interval(gain);
  const bool holds = i.mean - i.half > 0;
  std::printf("%s: Parrot's samples dominate a larger area than those of the sum, by %.4f +- %.4f\n",
              holds ? "holds" : "DOES NOT HOLD", i.mean, i.half);
  return holds ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  options o;
  CLI::App app("A generator with two conflicting rewards: their sum, and Pareto selection (Parrot)");
  app.add_option("--output", o.output, "Folder for the picture")->check(CLI::ExistingDirectory);
  app.add_option("--steps", o.steps, "Steps of training")->check(CLI::Range(1, 100000));
  app.add_flag("--quick", o.quick, "Fewer runs and steps: seconds");
  CLI11_PARSE(app, argc, argv);
  if (o.quick) o.runs = 4, o.steps = 150;
  try {
    return run(o);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
