// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// Preferences that go in circles. Four ways to a policy, from the same preferences and by exact expectations: a
// Bradley-Terry reward and the policy that is best under it, DPO, self-play (SPO: Hedge, the average of its iterates)
// and Nash-MD. How often is each beaten by the answer that beats it most often? The first two are exploitable whatever
// they are given, the last two are not: ends with 1 if that does not hold.
#include <prefer/game/duality_gap.hpp>
#include <prefer/game/preference.hpp>
#include <prefer/game/self_play.hpp>
#include <prefer/loss/bradley_terry.hpp>
#include <prefer/loss/dpo.hpp>
#include <support/gnuplot.hpp>

#include <CLI/CLI.hpp>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace {

using column = std::vector<double>;

struct options {
  std::string output = ".";
  std::int64_t answers = 9, games = 200, iterations = 10000;
  double beta = 0.02;  // of the penalty to the reference, the same for all three that have one
  bool quick = false;
};

// Random preferences P(i, j) = sigmoid(u_i - u_j + c_ij), half quality and half circles, in which every answer is
// beaten by another; the reference policy is uniform.
struct world {
  std::int64_t batch, n;
  column preference;

  explicit world(const options& o) : batch(o.games), n(o.answers) {
    std::mt19937_64 random(1);
    std::normal_distribution<double> normal;
    column one(static_cast<std::size_t>(n * n));
    for (std::int64_t b = 0; b < batch;) {
      column quality(static_cast<std::size_t>(n));
      for (double& u : quality) u = normal(random);
      const auto ask = [&](std::int64_t, std::int64_t i, std::int64_t j) {
        const double d = quality[static_cast<std::size_t>(i)] - quality[static_cast<std::size_t>(j)];
        return 1 / (1 + std::exp(-d - 1.5 * normal(random)));
      };
      prefer::check(prefer::preference_from(prefer::cpu{}, ask, {one.data(), 1, n, n}));
      if (some_answer_beats_all(one)) continue;
      preference.insert(preference.end(), one.begin(), one.end());
      ++b;
    }
  }
  prefer::games<prefer::space::host> view() const { return {.preference = {preference.data(), batch, n, n}}; }

 private:
  bool some_answer_beats_all(const column& p) const {
    for (std::int64_t i = 0; i < n; ++i) {
      bool all = true;
      for (std::int64_t j = 0; j < n; ++j) all = all && (i == j || p[static_cast<std::size_t>(i * n + j)] > 0.5);
      if (all) return true;
    }
    return false;
  }
};

// The pairs of one game as a data set of soft labels, all equally frequent, and gradient descent on n numbers: scores
// of a reward model, or logits of a policy.
class pairs {
 public:
  pairs(const world& w, std::int64_t game) : n_(w.n) {
    for (std::int64_t i = 0; i < n_; ++i)
      for (std::int64_t j = i + 1; j < n_; ++j) {
        first_.push_back(static_cast<std::size_t>(i)), second_.push_back(static_cast<std::size_t>(j));
        label_.push_back(w.preference[static_cast<std::size_t>((game * n_ + i) * n_ + j)]);
      }
    x_.resize(label_.size()), y_ = grad_x_ = grad_y_ = x_;
  }
  void reward_step(column& scores) {
    gather(scores);
    prefer::check(prefer::evaluate<double>(
        prefer::cpu{}, prefer::bradley_terry{},
        {.chosen = {x_.data(), size()}, .rejected = {y_.data(), size()}, .label = {label_.data(), size()}},
        {.grad_chosen = {grad_x_.data(), size()}, .grad_rejected = {grad_y_.data(), size()}}));
    descend(scores, 1);
  }
  // The reference is uniform, and log-ratios are only ever compared: logits serve as log-probabilities.
  void dpo_step(column& logits, double beta) {
    const column even(label_.size(), 0.0);
    gather(logits);
    prefer::check(prefer::evaluate<double>(
        prefer::cpu{}, prefer::dpo{.beta = beta},
        {.policy_chosen = {x_.data(), size()},
         .policy_rejected = {y_.data(), size()},
         .reference_chosen = {even.data(), size()},
         .reference_rejected = {even.data(), size()},
         .label = {label_.data(), size()}},
        {.grad_policy_chosen = {grad_x_.data(), size()}, .grad_policy_rejected = {grad_y_.data(), size()}}));
    descend(logits, beta);
  }

 private:
  std::int64_t size() const { return static_cast<std::int64_t>(label_.size()); }
  void gather(const column& values) {
    for (std::size_t k = 0; k < label_.size(); ++k) x_[k] = values[first_[k]], y_[k] = values[second_[k]];
  }
  // The curvature of the mean over all pairs is at most beta^2 / (2 (n - 1)); a step of one over that.
  void descend(column& values, double beta) {
    const double step = 2 * static_cast<double>(n_ - 1) / (beta * beta);
    for (std::size_t k = 0; k < label_.size(); ++k)
      values[first_[k]] -= step * grad_x_[k], values[second_[k]] -= step * grad_y_[k];
  }

  std::int64_t n_;
  std::vector<std::size_t> first_, second_;
  column label_, x_, y_, grad_x_, grad_y_;
};

// How exploitable each arm is after some iterations: the mean over games, and a 95 % interval.
struct point {
  std::int64_t iterations;
  double mean, half_width;
};
struct arm {
  std::string name;
  std::vector<point> path;
};

class measure {
 public:
  explicit measure(const world& w)
      : world_(w), memory_(prefer::game_workspace(w.batch, w.n)), worst_(static_cast<std::size_t>(w.batch)) {}
  prefer::cpu exec() { return {.workspace = {memory_.data(), memory_.size()}}; }
  point operator()(std::int64_t iterations, const column& policies) {
    prefer::check(prefer::exploitability(exec(), world_.view(), {policies.data(), world_.batch, world_.n},
                                         {worst_.data(), world_.batch}));
    const auto games = static_cast<double>(worst_.size());
    double mean = 0, square = 0;
    for (double x : worst_) mean += x / games;
    for (double x : worst_) square += (x - mean) * (x - mean) / (games - 1);
    return {iterations, mean, 1.96 * std::sqrt(square / games)};
  }

 private:
  const world& world_;
  std::vector<char> memory_;
  column worst_;
};

std::vector<std::int64_t> checkpoints(std::int64_t last) {
  std::vector<std::int64_t> at;
  for (double x = 1; x < static_cast<double>(last); x *= 1.5) at.push_back(std::llround(x));
  at.push_back(last);
  return at;
}

// Descends on every game's pairs; `policy` turns the numbers of a game into log-weights.
arm offline(const std::string& name, const world& w, const options& o, const std::function<void(pairs&, column&)>& step,
            double scale) {
  std::vector<pairs> data;
  for (std::int64_t b = 0; b < w.batch; ++b) data.emplace_back(w, b);
  std::vector<column> values(data.size(), column(static_cast<std::size_t>(w.n)));
  measure at(w);
  arm result{name, {}};
  std::int64_t done = 0;
  for (std::int64_t until : checkpoints(o.iterations)) {
    column policies;
    for (std::size_t b = 0; b < data.size(); ++b) {
      for (std::int64_t t = done; t < until; ++t) step(data[b], values[b]);
      for (double x : values[b]) policies.push_back(x * scale);
    }
    done = until;
    result.path.push_back(at(until, policies));
  }
  return result;
}

template <class Method>
arm game(const std::string& name, const world& w, const options& o, const Method& method, bool average) {
  measure at(w);
  arm result{name, {}};
  column policies(static_cast<std::size_t>(w.batch * w.n));
  const prefer::view<double, 2, prefer::space::host> out = {policies.data(), w.batch, w.n};
  for (std::int64_t until : checkpoints(o.iterations)) {
    prefer::play_outputs<prefer::space::host> wanted;
    (average ? wanted.average : wanted.policy) = out;
    prefer::check(prefer::self_play(at.exec(), method, w.view(), {.max_iterations = until}, wanted));
    result.path.push_back(at(until, policies));
  }
  return result;
}

std::string draw(const std::vector<arm>& arms, const options& o) {
  const std::string path = (std::filesystem::path(o.output) / "intransitive.svg").string();
  std::string script = svg_header(path, 800, 480, "Preferences that go in circles");
  script +=
      "set logscale xy\nset format y '%g'\nset xlabel 'iterations'\n"
      "set ylabel 'exploitability: worst win rate against the policy - 1/2'\nset key bottom left\nplot ";
  for (std::size_t a = 0; a < arms.size(); ++a)
    script += (a > 0 ? ", '-'" : "'-'") +
              std::string(" using 1:2:($2-$3):($2+$3) with yerrorlines pt 7 ps 0.3 lw ") + (a == 0 ? "5" : "2") +
              " title " + quoted(arms[a].name);
  script += "\n";
  for (const arm& a : arms) {
    for (const point& p : a.path)
      script += std::to_string(p.iterations) + " " + std::to_string(p.mean) + " " + std::to_string(p.half_width) + "\n";
    script += "e\n";
  }
  draw_svg(script);
  return path;
}

int run(const options& o) {
  const world w(o);
  const double beta = o.beta;
  const std::vector<arm> arms = {
      offline("Bradley-Terry reward, its best policy", w, o, [](pairs& d, column& x) { d.reward_step(x); }, 1 / beta),
      offline("DPO", w, o, [beta](pairs& d, column& x) { d.dpo_step(x, beta); }, 1),
      game("SPO (Hedge, average)", w, o,
           prefer::mirror_descent{.temperature = 0, .step = prefer::hedge_step(o.answers, o.iterations)}, true),
      game("Nash-MD", w, o, prefer::nash_md{.temperature = beta}, false)};
  std::printf("%ld games of %ld answers, none of which beats all others; penalty %g to a uniform reference\n",
              static_cast<long>(o.games), static_cast<long>(o.answers), beta);
  std::printf("%-40s %s\n", "", "exploitability after all iterations, 95 % interval");
  for (const arm& a : arms)
    std::printf("%-40s %.4f +- %.4f\n", a.name.c_str(), a.path.back().mean, a.path.back().half_width);
  std::printf("%s\n", draw(arms, o).c_str());
  const auto above = [&](std::size_t a) { return arms[a].path.back().mean - arms[a].path.back().half_width; };
  const auto below = [&](std::size_t a) { return arms[a].path.back().mean + arms[a].path.back().half_width; };
  const bool holds = above(0) > 0.1 && above(1) > 0.1 && below(2) < 0.02 && below(3) < 0.05;
  std::printf("%s: the routes through a reward stay exploitable (above 0.1), the game methods do not (SPO below 0.02, "
              "Nash-MD, which pays for its penalty, below 0.05)\n",
              holds ? "holds" : "DOES NOT HOLD");
  return holds ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  options o;
  CLI::App app("Exploitability of policies learnt from preferences that go in circles");
  app.add_option("--output", o.output, "Folder for the picture")->check(CLI::ExistingDirectory);
  app.add_option("--answers", o.answers, "Answers per game")->check(CLI::Range(3, 128));
  app.add_option("--games", o.games, "Games")->check(CLI::Range(2, 100000));
  app.add_option("--iterations", o.iterations, "Iterations of every method")->check(CLI::Range(1, 1000000));
  app.add_option("--beta", o.beta, "Penalty to the reference")->check(CLI::PositiveNumber);
  app.add_flag("--quick", o.quick, "Fewer games and iterations: seconds");
  CLI11_PARSE(app, argc, argv);
  if (o.quick) o.games = 20, o.iterations = 2000;
  try {
    return run(o);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
