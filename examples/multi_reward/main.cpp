// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// Three rewards of different scale and noise and one policy, trained by policy gradients under every rule that makes
// one advantage of them. Which of the rewards does the policy learn? In three worlds: one in which the largest reward
// has heavy tails, which log-tamed aggregation is made for; one in which it is large and steady, where taming meets the
// wrong rewards; and one with a reward of nothing but small noise, which decoupled advantages blow up. Ends with 1 if
// one of the claims at the bottom does not hold.
#include <prefer/advantage/group_advantage.hpp>
#include <prefer/aggregate/aggregate.hpp>
#include <prefer/aggregate/decoupled.hpp>
#include <prefer/loss/reinforce.hpp>
#include <support/gnuplot.hpp>
#include <support/interval.hpp>
#include <support/progress.hpp>
#include <support/random.hpp>

#include <CLI/CLI.hpp>
#include <Eigen/Core>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace {

using matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using column = std::vector<double>;

constexpr std::int64_t rewards = 3;
constexpr std::int64_t points = 24;  // of a curve

struct options {
  std::string output = ".";
  std::int64_t prompts = 16, answers = 24, samples = 8, steps = 240, runs = 30;
  double step = 0.05;  // of Adam, which makes all rules' gradients alike in size
  bool quick = false;
};

// How a reward is made of the quality of an answer, a number between 0 and 1. All of them stay positive.
enum class world { heavy, steady, noise };
constexpr std::array<world, 3> worlds = {world::heavy, world::steady, world::noise};
const char* name_of(world w) {
  return w == world::heavy ? "heavy tails" : w == world::steady ? "large and steady" : "nothing but noise";
}
double observe(world w, std::int64_t reward, double quality, dice& random) {
  const double z = static_cast<double>(random.normal());
  if (reward == 0) return std::fabs(quality + 0.1 * z);
  if (reward == 1) return 2 * std::fabs(quality + 0.2 * z);
  if (w == world::heavy) return 50 * quality * std::exp(0.8 * z - 0.32);
  return w == world::steady ? 200 + 50 * quality + 5 * z : 0.5 + 0.01 * z;
}

// The qualities of all answers, unknown to the policy and independent of each other.
std::vector<matrix> qualities(const options& o, dice& random) {
  std::vector<matrix> q(static_cast<std::size_t>(o.prompts));
  for (matrix& one : q) one = matrix::NullaryExpr(o.answers, rewards, [&] { return random.uniform(); });
  return q;
}

// A softmax over the answers to each prompt, and Adam.
class policy {
 public:
  policy(const options& o)
      : step_(o.step), logits_(matrix::Zero(o.prompts, o.answers)), first_(logits_), second_(logits_) {}
  Eigen::RowVectorXd probabilities(std::int64_t prompt) const {
    const auto row = logits_.row(prompt).array();
    const Eigen::ArrayXXd p = (row - row.maxCoeff()).exp();
    return p / p.sum();
  }
  void descend(const matrix& gradient) {
    ++count_;
    first_ = 0.9 * first_ + 0.1 * gradient;
    second_ = 0.999 * second_ + 0.001 * gradient.cwiseAbs2();
    const double a = 1 - std::pow(0.9, count_), b = 1 - std::pow(0.999, count_);
    logits_.array() -= step_ * (first_.array() / a) / ((second_.array() / b).sqrt() + 1e-12);
  }

 private:
  double step_;
  matrix logits_, first_, second_;
  int count_ = 0;
};

// Some answers to each prompt and their rewards.
struct batch {
  std::vector<std::int64_t> answer, offsets;
  matrix reward;

  std::int64_t size() const { return reward.rows(); }
  std::int64_t groups() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  batch(const options& o, const policy& p, world w, const std::vector<matrix>& quality, dice& random)
      : reward(o.prompts * o.samples, rewards) {
    for (std::int64_t prompt = 0; prompt < o.prompts; ++prompt) {
      offsets.push_back(prompt * o.samples);
      const Eigen::RowVectorXd share = p.probabilities(prompt);
      for (std::int64_t i = 0; i < o.samples; ++i) {
        std::int64_t a = 0;
        for (double left = random.uniform() - share(0); left > 0 && a + 1 < o.answers;) left -= share(++a);
        for (std::int64_t k = 0; k < rewards; ++k)
          reward(prompt * o.samples + i, k) = observe(w, k, quality[static_cast<std::size_t>(prompt)](a, k), random);
        answer.push_back(a);
      }
    }
    offsets.push_back(size());
  }
};

// A rule: what the library makes of a batch.
struct rule {
  std::string aggregation, advantage;
  std::function<column(const batch&)> advantages;
};

template <class Aggregation>
column scores(const batch& b, const Aggregation& aggregation) {
  column score(static_cast<std::size_t>(b.size()));
  std::array<double, 3 * rewards> moments;
  prefer::aggregate_inputs<prefer::space::host> in{.rewards = {b.reward.data(), b.size(), rewards}};
  if constexpr (Aggregation::learns_batch) {
    prefer::check(prefer::reward_moments(prefer::cpu{}, in.rewards, {.offsets = {b.offsets.data(), b.groups() + 1}},
                                         {moments.data(), rewards, 3}));
    in.moments = {moments.data(), rewards, 3};
  }
  prefer::check(prefer::aggregate(prefer::cpu{}, aggregation, in, {.aggregate = {score.data(), b.size()}}));
  return score;
}

template <class Aggregation, class Advantage>
rule one_score(const std::string& name, const Aggregation& aggregation, const std::string& advantage_name,
               const Advantage& advantage) {
  return {name, advantage_name, [=](const batch& b) {
            const column score = scores(b, aggregation);
            column result(score.size());
            prefer::check(prefer::group_advantages(
                prefer::cpu{}, advantage,
                {.score = {score.data(), b.size()}, .offsets = {b.offsets.data(), b.groups() + 1}},
                {.advantage = {result.data(), b.size()}}));
            return result;
          }};
}

rule decoupled(const std::string& name, const prefer::decoupled<>& how) {
  return {name, "", [=](const batch& b) {
            column result(static_cast<std::size_t>(b.size()));
            std::vector<char> memory(prefer::decoupled_advantages_workspace(b.groups(), b.size()));
            prefer::check(prefer::decoupled_advantages(
                prefer::cpu{.workspace = {memory.data(), memory.size()}}, how,
                {.rewards = {b.reward.data(), b.size(), rewards}, .offsets = {b.offsets.data(), b.groups() + 1}},
                {.advantage = {result.data(), b.size()}}));
            return result;
          }};
}

template <class Advantage>
std::vector<rule> every_aggregation(const std::string& name, const Advantage& advantage) {
  return {one_score("sum", prefer::weighted_sum{}, name, advantage),
          one_score("log-tamed", prefer::log_tamed{}, name, advantage),
          one_score("soft minimum", prefer::soft_min{}, name, advantage),
          one_score("geometric mean", prefer::geometric_mean{}, name, advantage),
          one_score("harmonic mean", prefer::harmonic_mean{}, name, advantage)};
}

// The rules that are compared in all worlds.
std::vector<rule> main_rules() {
  std::vector<rule> all = every_aggregation("GRPO", prefer::grpo{});
  all.push_back(decoupled("MO-GRPO", {.rule = {.epsilon = 0.0}, .whiten = {.on = false}}));
  all.push_back(decoupled("GDPO", {}));
  return all;
}
enum : std::size_t { sum, tamed, soft, geometric, harmonic, mo_grpo, gdpo };

// Other advantages of the same scores.
std::vector<std::vector<rule>> other_advantages() {
  return {every_aggregation("Dr. GRPO", prefer::dr_grpo{}),
          every_aggregation("RLOO", prefer::rloo{}),
          every_aggregation("MaxRL", prefer::max_rl{}),
          every_aggregation("REINFORCE++", prefer::reinforce_plus_plus{}),
          every_aggregation("Lite PPO", prefer::lite_ppo{}),
          every_aggregation("whitened", prefer::batch_whitened{prefer::dr_grpo{}}),
          every_aggregation("clipped", prefer::clipped{prefer::grpo{}, 1.0})};
}

void train_step(policy& p, const rule& r, const batch& b) {
  const column weight = r.advantages(b);
  std::vector<Eigen::RowVectorXd> share;
  for (std::int64_t g = 0; g < b.groups(); ++g) share.push_back(p.probabilities(g));
  const std::int64_t n = b.size(), samples = n / b.groups();
  column logp, by_logp(weight.size());
  for (std::int64_t i = 0; i < n; ++i)
    logp.push_back(std::log(share[static_cast<std::size_t>(i / samples)](b.answer[static_cast<std::size_t>(i)])));
  prefer::check(prefer::evaluate<double>(
      prefer::cpu{}, prefer::reinforce{},
      {.policy = {logp.data(), n}, .weight = {weight.data(), n}, .normalizer = static_cast<double>(n)},
      {.grad_policy = {by_logp.data(), n}}));
  matrix gradient = matrix::Zero(b.groups(), share[0].size());
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t g = i / samples;
    const double d = by_logp[static_cast<std::size_t>(i)];
    gradient.row(g) -= d * share[static_cast<std::size_t>(g)];
    gradient(g, b.answer[static_cast<std::size_t>(i)]) += d;
  }
  p.descend(gradient);
}

using quality_row = std::array<double, rewards>;

// The expected quality of an answer in the eyes of each reward.
quality_row learnt(const policy& p, const std::vector<matrix>& quality) {
  Eigen::RowVectorXd mean = Eigen::RowVectorXd::Zero(rewards);
  for (std::size_t g = 0; g < quality.size(); ++g) mean += p.probabilities(static_cast<std::int64_t>(g)) * quality[g];
  mean /= static_cast<double>(quality.size());
  return {mean(0), mean(1), mean(2)};
}

// The curves of one run; runs of one seed have the same answers under all rules.
std::vector<quality_row> train(const rule& r, world w, const options& o, std::uint64_t seed) {
  dice truth(seed), random(1000 + seed);
  const std::vector<matrix> quality = qualities(o, truth);
  policy p(o);
  std::vector<quality_row> curve = {learnt(p, quality)};
  for (std::int64_t t = 0; t < o.steps; ++t) {
    train_step(p, r, batch(o, p, w, quality, random));
    if ((t + 1) * points / o.steps != t * points / o.steps) curve.push_back(learnt(p, quality));
  }
  return curve;
}

struct arm {
  std::string title, note;
  std::vector<std::vector<quality_row>> runs;

  column last(const std::function<double(const quality_row&)>& of) const { return at(points, of); }
  column at(std::int64_t point, const std::function<double(const quality_row&)>& of) const {
    column x;
    for (const auto& run : runs) x.push_back(of(run[static_cast<std::size_t>(point)]));
    return x;
  }
  estimate last(std::int64_t reward) const {
    return student_interval(last([&](const quality_row& q) { return q[static_cast<std::size_t>(reward)]; }));
  }
};

double worst_of(const quality_row& q) { return *std::min_element(q.begin(), q.end()); }

class workshop {
 public:
  workshop(const options& o, std::int64_t arms) : options_(o), all_(arms) {}
  arm operator()(const rule& r, world w) {
    arm a{r.aggregation + (r.advantage.empty() ? "" : ", " + r.advantage), name_of(w), {}};
    for (std::int64_t k = 0; k < options_.runs; ++k)
      a.runs.push_back(train(r, w, options_, static_cast<std::uint64_t>(k + 1)));
    show_progress("arms", ++done_, all_, a.note + ": " + a.title);
    return a;
  }

 private:
  const options& options_;
  std::int64_t all_, done_ = 0;
};

// One panel per arm, a curve per reward with the 95 % interval of its mean.
std::string draw(const std::string& file, const std::string& title, const std::vector<std::vector<arm>>& rows,
                 const options& o) {
  const std::string path = (std::filesystem::path(o.output) / file).string();
  const std::size_t columns = rows[0].size();
  std::string script = svg_header(path, static_cast<int>(190 * columns), static_cast<int>(170 * rows.size()) + 60, "");
  script += "set multiplot layout " + std::to_string(rows.size()) + "," + std::to_string(columns) + " title " +
            quoted(title + " (r1 blue, r2 green, r3 orange; 95 % intervals)") +
            "\nset yrange [0.4:1]\nset ytics 0.2\nset xrange [0:" + std::to_string(o.steps) + "]\nset xtics (0, " +
            std::to_string(o.steps) +
            ")\nset title font ',10'\nset tics font ',9'\nunset key\n"
            "set style fill transparent solid 0.25 noborder\n";
  constexpr const char* colours[] = {"#0072b2", "#009e73", "#d55e00"};
  for (const auto& row : rows)
    for (const arm& a : row) {
      script += "$d << EOD\n";
      for (std::size_t t = 0; t < a.runs[0].size(); ++t) {
        script += std::to_string(static_cast<std::int64_t>(t) * o.steps / points);
        for (std::size_t k = 0; k < rewards; ++k) {
          column x;
          for (const auto& run : a.runs) x.push_back(run[t][k]);
          const estimate e = student_interval(x);
          script += " " + std::to_string(e.mean) + " " + std::to_string(e.half);
        }
        script += "\n";
      }
      script += "EOD\nset title " + quoted(a.note) + ".\"\\n\"." + quoted(a.title) + "\nplot ";
      for (std::size_t k = 0; k < rewards; ++k) {
        const std::string m = std::to_string(2 + 2 * k), h = std::to_string(3 + 2 * k),
                          colour = std::string(" lc rgb '") + colours[k] + "'";
        script += "$d using 1:($" + m + "-$" + h + "):($" + m + "+$" + h + ") with filledcurves" + colour +
                  ", $d using 1:" + m + " with lines lw 2" + colour + (k + 1 < rewards ? ", " : "\n");
      }
    }
  draw_svg(script + "unset multiplot\n");
  return path;
}

void print(const arm& a) {
  std::printf("%-34s", a.title.c_str());
  for (std::int64_t k = 0; k < rewards; ++k) std::printf("  %.3f +- %.3f", a.last(k).mean, a.last(k).half);
  std::printf("   %.3f\n", student_interval(a.last(worst_of)).mean);
}

// Runs of two rules share their seeds: differences are taken run by run.
estimate difference(const arm& a, const arm& b, const std::function<double(const quality_row&)>& of,
                    std::int64_t point = points) {
  column x = a.at(point, of), y = b.at(point, of);
  for (std::size_t k = 0; k < x.size(); ++k) x[k] -= y[k];
  return student_interval(x);
}

bool claim(const std::string& what, const estimate& e, bool holds) {
  std::printf("%s: %s (%.3f +- %.3f)\n", holds ? "holds" : "DOES NOT HOLD", what.c_str(), e.mean, e.half);
  return holds;
}

bool check_claims(const std::vector<std::vector<arm>>& by_world) {
  const auto &heavy = by_world[0], &steady = by_world[1], &noise = by_world[2];
  const auto lead = [](const quality_row& q) { return q[2] - std::max(q[0], q[1]); };
  const auto others = [](const quality_row& q) { return (q[0] + q[1]) / 2; };
  const auto above = [](const estimate& e) { return e.mean - e.half > 0; };
  const auto below = [](const estimate& e) { return e.mean + e.half < 0; };
  bool all = true;
  const auto state = [&](const char* what, const estimate& e, bool holds) { all = claim(what, e, holds) && all; };
  estimate e = student_interval(heavy[sum].last(lead));
  state("heavy tails: the sum learns the largest reward, r3, and leaves the others behind, by more than 0.2", e,
        e.mean - e.half > 0.2);
  e = difference(heavy[tamed], heavy[sum], worst_of);
  state("heavy tails: taming lifts the reward that is learnt least", e, above(e));
  e = difference(heavy[tamed], heavy[mo_grpo], [](const quality_row& q) { return q[0]; });
  state("limit: taming does not make scales equal: r1, the smallest, is learnt less well than under MO-GRPO", e,
        below(e));
  e = student_interval(steady[tamed].last(lead));
  state("limit: a large, steady reward varies little for its mean and is not tamed: r3 leads by more than 0.2", e,
        e.mean - e.half > 0.2);
  e = difference(steady[tamed], steady[sum], worst_of);
  state("limit: there taming lifts nothing; it meets the small rewards", e, !above(e));
  e = difference(steady[mo_grpo], steady[tamed], worst_of);
  state("large and steady: MO-GRPO lifts the reward that is learnt least", e, above(e));
  e = difference(noise[mo_grpo], noise[tamed], others, points / 2);
  state("nothing but noise: MO-GRPO makes that as large as the others: half-way it has learnt those less well", e,
        below(e));
  return all;
}

int run(const options& o) {
  const std::vector<rule> rules = main_rules();
  const std::vector<std::vector<rule>> others = other_advantages();
  workshop work(o, static_cast<std::int64_t>(rules.size() * worlds.size() + others.size() * others[0].size()));
  std::vector<std::vector<arm>> by_world, by_advantage;
  for (const world w : worlds) {
    by_world.emplace_back();
    for (const rule& r : rules) by_world.back().push_back(work(r, w));
  }
  by_advantage.emplace_back(by_world[0].begin(), by_world[0].begin() + harmonic + 1);
  for (const auto& row : others) {
    by_advantage.emplace_back();
    for (const rule& r : row) by_advantage.back().push_back(work(r, world::heavy));
  }
  std::printf(
      "%ld runs of %ld steps of %ld prompts with %ld of %ld answers; quality learnt, as each reward sees it: at "
      "random 0.5, the best for one reward alone 0.96\n",
      static_cast<long>(o.runs), static_cast<long>(o.steps), static_cast<long>(o.prompts), static_cast<long>(o.samples),
      static_cast<long>(o.answers));
  for (std::size_t w = 0; w < worlds.size(); ++w) {
    std::printf("%-34s  %-16s%-16s%-16s  least\n", name_of(worlds[w]), "r1", "r2", "r3, 95 %");
    for (const arm& a : by_world[w]) print(a);
  }
  std::printf("other advantages, %s\n", name_of(world::heavy));
  for (std::size_t row = 1; row < by_advantage.size(); ++row)
    for (const arm& a : by_advantage[row]) print(a);
  std::printf("%s\n", draw("multi_reward.svg", "Three rewards into one: quality learnt by steps", by_world, o).c_str());
  std::printf("%s\n", draw("multi_reward_advantages.svg", "Heavy tails: quality learnt by steps, under every advantage",
                           by_advantage, o)
                          .c_str());
  return check_claims(by_world) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  options o;
  CLI::App app("Three rewards of different scale and noise under every rule that makes one advantage of them");
  app.add_option("--output", o.output, "Folder for the pictures")->check(CLI::ExistingDirectory);
  app.add_option("--steps", o.steps, "Steps of training")->check(CLI::Range(points, std::int64_t{100000}));
  app.add_flag("--quick", o.quick, "Fewer runs: seconds");
  CLI11_PARSE(app, argc, argv);
  if (o.quick) o.runs = 10, o.steps = std::min<std::int64_t>(o.steps, 120);
  try {
    return run(o);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
