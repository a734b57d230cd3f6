// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// Direct preference optimisation of the smallest policy there is: one softmax over the items of a leaderboard, from a
// uniform reference, tuned on the same comparisons. DPO's theorem says that its implicit rewards beta log(pi / pi_ref)
// are then the maximum-likelihood Bradley-Terry ratings up to a constant; this program trains and checks that.
#include <prefer/core/evaluate_indexed.hpp>
#include <prefer/core/thread_pool.hpp>
#include <prefer/loss/dpo.hpp>
#include <prefer/rank/bradley_terry_fit.hpp>
#include <support/comparisons_csv.hpp>
#include <support/gnuplot.hpp>
#include <support/progress.hpp>

#include <CLI/CLI.hpp>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <numeric>

namespace {

struct options {
  std::string file, output = ".";
  double beta = 0.1;
  int steps = 400, threads = 2;
  double tolerance = 1e-6;  // of the agreement that is claimed
  bool quick = false;
};

using column = std::vector<double>;

// Every pair that met, with the share of wins of `chosen` as its label and the number of games as its weight; a tie is
// half a win and half a loss.
struct preferences {
  std::vector<std::int32_t> chosen, rejected;
  column label, weight;

  explicit preferences(const comparison_data& data) : chosen(data.first), rejected(data.second) {
    for (std::size_t k = 0; k < chosen.size(); ++k) {
      const double games = data.first_wins[k] + data.second_wins[k] + data.ties[k];
      weight.push_back(games);
      label.push_back(games > 0 ? (data.first_wins[k] + 0.5 * data.ties[k]) / games : 0.5);
    }
  }
  std::int64_t n() const { return static_cast<std::int64_t>(chosen.size()); }
  double games() const { return std::accumulate(weight.begin(), weight.end(), 0.0); }
};

// The policy: log-probabilities from logits, and the gradient back.
struct softmax_policy {
  column logits, log_probability;

  explicit softmax_policy(std::size_t items) : logits(items), log_probability(items) { normalise(); }
  void normalise() {
    const double top = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (double x : logits) sum += std::exp(x - top);
    for (std::size_t i = 0; i < logits.size(); ++i) log_probability[i] = logits[i] - top - std::log(sum);
  }
  column pull_back(const column& grad) const {
    const double total = std::accumulate(grad.begin(), grad.end(), 0.0);
    column g(grad);
    for (std::size_t i = 0; i < g.size(); ++i) g[i] -= std::exp(log_probability[i]) * total;
    return g;
  }
};

// DPO's loss and its gradient by the log-probabilities, over pairs by index.
class objective {
 public:
  objective(const preferences& p, std::size_t items, const options& o)
      : p_(p),
        n_(static_cast<std::int64_t>(items)),
        loss_{.beta = o.beta},
        offsets_(items + 1),
        entries_(2 * p.chosen.size()),
        scratch_(prefer::evaluate_indexed_workspace<double>(prefer::cpu{}, loss_, p.n())),
        pool_(o.threads) {
    prefer::check(prefer::make_pair_plan(prefer::cpu{}, {p.chosen.data(), p.n()}, {p.rejected.data(), p.n()}, n_,
                                         {offsets_.data(), n_ + 1}, {entries_.data(), 2 * p.n()}));
  }
  double operator()(const column& policy, const column& reference, column& grad) {
    double loss = 0;
    const prefer::cpu exec{.pool = pool_, .workspace = {scratch_.data(), scratch_.size()}};
    prefer::check(prefer::evaluate_indexed<double>(exec, loss_,
                                                   {.policy = {policy.data(), n_},
                                                    .reference = {reference.data(), n_},
                                                    .chosen = {p_.chosen.data(), p_.n()},
                                                    .rejected = {p_.rejected.data(), p_.n()},
                                                    .label = {p_.label.data(), p_.n()},
                                                    .weight = {p_.weight.data(), p_.n()},
                                                    .normalizer = p_.games(),
                                                    .plan = {{offsets_.data(), n_ + 1}, {entries_.data(), 2 * p_.n()}}},
                                                   {.loss = {&loss, 1}, .grad_policy = {grad.data(), n_}}));
    return loss;
  }

 private:
  const preferences& p_;
  std::int64_t n_;
  prefer::dpo loss_;
  std::vector<std::int64_t> offsets_, entries_;
  std::vector<std::byte> scratch_;
  prefer::thread_pool pool_;
};

// Nesterov's accelerated gradient descent, restarted when it turns uphill. The loss's curvature by the logits is at
// most beta^2 / 2 times an item's share of the games, hence the step.
class optimiser {
 public:
  optimiser(const preferences& p, std::size_t items, double beta) : previous_(items) {
    column share(items);
    for (std::size_t k = 0; k < p.chosen.size(); ++k) {
      share[static_cast<std::size_t>(p.chosen[k])] += p.weight[k] / p.games();
      share[static_cast<std::size_t>(p.rejected[k])] += p.weight[k] / p.games();
    }
    // Each logit by its own share: the Laplacian of the comparisons is at most twice its diagonal.
    for (double s : share) step_.push_back(s > 0 ? 2 / (beta * beta * s) : 0);
  }
  void move(column& x, const column& gradient) {
    double uphill = 0;
    for (std::size_t i = 0; i < x.size(); ++i) uphill += gradient[i] * (x[i] - step_[i] * gradient[i] - previous_[i]);
    age_ = uphill > 0 ? 0 : age_ + 1;
    const double momentum = static_cast<double>(age_) / static_cast<double>(age_ + 3);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double next = x[i] - step_[i] * gradient[i];
      x[i] = next + momentum * (next - previous_[i]);
      previous_[i] = next;
    }
  }
  const column& solution() const { return previous_; }

 private:
  column step_, previous_;
  std::int64_t age_ = 0;
};

column maximum_likelihood(const comparison_data& data) {
  column ratings(data.names.size());
  std::vector<std::byte> scratch(prefer::fit_bradley_terry_workspace(prefer::cpu{}, {}, data.view()));
  prefer::check(prefer::fit_bradley_terry(prefer::cpu{.workspace = {scratch.data(), scratch.size()}}, {}, data.view(),
                                          {.ratings = {ratings.data(), data.items()}}));
  return ratings;
}

// The largest difference after both have been given the mean 0.
double disagreement(const column& a, const column& b) {
  const double n = static_cast<double>(a.size());
  const double shift = (std::accumulate(a.begin(), a.end(), 0.0) - std::accumulate(b.begin(), b.end(), 0.0)) / n;
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::fabs(a[i] - b[i] - shift));
  return worst;
}

struct record {
  int step;
  double loss, disagreement;
};

std::vector<record> train(const preferences& p, const column& fitted, const options& o) {
  const std::size_t items = fitted.size();
  softmax_policy policy(items);
  const column reference = policy.log_probability;
  objective dpo(p, items, o);
  optimiser steps(p, items, o.beta);
  std::vector<record> history;
  column grad(items), reward(items);
  for (int step = 0; step <= o.steps; ++step) {
    policy.normalise();
    const double loss = dpo(policy.log_probability, reference, grad);
    for (std::size_t i = 0; i < items; ++i) reward[i] = o.beta * (policy.log_probability[i] - reference[i]);
    history.push_back({step, loss, disagreement(reward, fitted)});
    const column slope = policy.pull_back(grad);
    const bool flat = std::all_of(slope.begin(), slope.end(), [](double g) { return std::fabs(g) < 1e-14; });
    show_progress("step", flat ? o.steps : step, o.steps, "loss " + std::to_string(loss));
    if (flat) break;
    steps.move(policy.logits, slope);
  }
  return history;
}

std::string draw(const std::vector<record>& history, const options& o) {
  const std::filesystem::path source(o.file);
  const std::string path = (std::filesystem::path(o.output) / ("align_" + source.stem().string() + ".svg")).string();
  std::string script = svg_header(
      path, 800, 480, "DPO on " + source.stem().string() + ": loss, and distance of implicit rewards to the fit");
  script +=
      "set xlabel 'step'\nset ylabel 'loss (nats per comparison)' textcolor rgb '#1f5fa8'\nset ytics nomirror\n"
      "set y2label 'largest difference of rewards (nats)' textcolor rgb '#b5432a'\nset logscale y2\n"
      "set y2tics format '%.0e'\nset key at graph 0.98, graph 0.6 right\n$data << END\n";
  char line[96];
  for (const record& r : history) {
    std::snprintf(line, sizeof line, "%d %.12g %.6g\n", r.step, r.loss, std::max(r.disagreement, 1e-16));
    script += line;
  }
  script +=
      "END\nplot $data using 1:2 with lines lw 2 lc rgb '#1f5fa8' title 'loss', "
      "$data using 1:3 axes x1y2 with lines lw 2 lc rgb '#b5432a' title 'rewards off by'\n";
  draw_svg(script);
  return path;
}

}  // namespace

int main(int argc, char** argv) try {
  options o;
  CLI::App app{
      "Tunes a softmax policy with DPO on comparisons and checks its implicit rewards against the Bradley-Terry fit"};
  app.add_option("file", o.file, "the comparisons (CSV with left,right,winner[,count])")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("--beta", o.beta)->check(CLI::PositiveNumber);
  app.add_option("--steps", o.steps, "at most; training ends where the gradient does")->check(CLI::PositiveNumber);
  app.add_option("--threads", o.threads)->check(CLI::Range(1, 256));
  app.add_option("--output", o.output, "folder for the picture")->check(CLI::ExistingDirectory);
  app.add_flag("--quick", o.quick, "half the steps");
  CLI11_PARSE(app, argc, argv);
  if (o.quick) o.steps /= 2;

  const comparison_data data = read_comparisons(o.file);
  const preferences p(data);
  const column fitted = maximum_likelihood(data);
  const std::vector<record> history = train(p, fitted, o);
  const record& first = history.front();
  const record& last = history.back();
  std::printf("%ld pairs of %ld items, %.0f comparisons; beta %g, %d steps.\n", static_cast<long>(p.n()),
              static_cast<long>(data.items()), p.games(), o.beta, last.step);
  std::printf("Loss %.6f -> %.6f nats per comparison (log 2 = 0.693147 at the reference).\n", first.loss, last.loss);
  std::printf(
      "Implicit rewards and maximum-likelihood ratings differ by at most %.1e (%.1e at the start); claimed: %.0e.\n",
      last.disagreement, first.disagreement, o.tolerance);
  std::printf("Picture: %s\n", draw(history, o).c_str());
  if (last.disagreement > o.tolerance)
    throw std::runtime_error("the implicit rewards do not agree with the fit: more --steps?");
} catch (const std::exception& e) {
  std::fprintf(stderr, "align: %s\n", e.what());
  return 1;
}
