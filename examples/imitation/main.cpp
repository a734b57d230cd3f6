// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// Imitates an expert who swings up a pendulum, from a handful of its steps, by off-policy adversarial imitation with
// and without a penalty on the discriminator's gradient. Prints returns, slopes and claims, draws the returns and
// the learnt rewards with their gradients, and ends with 1 if a claim does not hold. Why the settings are what they
// are:
// --sweep, and docs/shape/imitation.md.
#include "imitator.hpp"

#include "support/gnuplot.hpp"
#include "support/interval.hpp"
#include "support/progress.hpp"

#include <prefer/core/thread_pool.hpp>
#include <prefer/logp/gaussian_logp.hpp>
#include <prefer/shape/value_bounds.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int between_evaluations = 250, judged = 6;  // steps, and how many evaluations make a score
constexpr int tuned_for = 6000, quick_steps = 5000;   // steps

struct options {
  std::string output = ".";
  int steps = 0, runs = 0;
  std::uint64_t first_seed = 1;
  bool quick = false, sweep = false;
};

// Every eighth step of four episodes.
MatrixXf demonstrate(std::uint64_t seed) {
  dice random(500 + seed);
  MatrixXf s = pendulum::start(4, random), all(pendulum::input, 0);
  for (int t = 0; t < pendulum::episode; ++t) {
    const MatrixXf a = pendulum::expert(s);
    if (t % 8 == 0) {
      MatrixXf more(pendulum::input, all.cols() + s.cols());
      more << all, pendulum::joined(s, a);
      all = more;
    }
    s = pendulum::step(s, a);
  }
  return all;
}

// The share of the time that a policy has pendulums up, from starts that are always the same.
template <class Policy>
double share_up(Policy&& act) {
  dice random(77);
  MatrixXf s = pendulum::start(32, random);
  double up = 0;
  for (int t = 0; t < pendulum::episode; ++t) up += pendulum::score(s = pendulum::step(s, act(s)));
  return up / pendulum::episode;
}
double expert_share() {
  static const double share = share_up(pendulum::expert);
  return share;
}

// The reward at zero torque over angle and velocity, and where it rises, in the discriminator's units.
class landscape {
 public:
  explicit landscape(imitator& learner) : x_(MatrixXf::Zero(pendulum::input, columns * lines)) {
    for (int i = 0; i < columns * lines; ++i)
      x_.col(i).head<pendulum::state>() = pendulum::state_of(angle(i), velocity(i));
    reward_ = learner.reward(x_), gradient_ = learner.reward_gradient(x_);
  }

  // Lines of angle, velocity, reward, length of the gradient, and an arrow of one length along it.
  std::string table() const {
    std::string all;
    for (int i = 0; i < columns * lines; ++i) {
      const double by_angle = gradient_(1, i) * x_(0, i) - gradient_(0, i) * x_(1, i), by_velocity = gradient_(2, i);
      const double scale = 0.35 / std::max(std::hypot(by_angle, by_velocity), 1e-9);
      char text[160];
      std::snprintf(text, sizeof text, "%.3f %.3f %.4f %.4f %.3f %.3f\n", angle(i), velocity(i),
                    static_cast<double>(reward_(0, i)), static_cast<double>(gradient_.col(i).norm()), scale * by_angle,
                    scale * by_velocity * static_cast<double>(pendulum::fastest));
      all += text;
      if ((i + 1) % columns == 0) all += "\n";
    }
    return all;
  }

 private:
  static constexpr int columns = 73, lines = 49;
  MatrixXf x_, reward_, gradient_;

  static float angle(int i) { return 6.2831853f * (static_cast<float>(i % columns) / (columns - 1) - 0.5f); }
  static float velocity(int i) {
    return 2 * pendulum::fastest * (static_cast<float>(i / columns) / (lines - 1) - 0.5f);
  }
};

struct run {
  std::vector<double> curve;                         // relative to the expert
  double tuned = 0, last = 0;                        // means of the evaluations up to there, and of the last ones
  double mean_slope = 0, steepest = 0;               // of the reward
  double value_slope = 0, dynamics = 0, policy = 0;  // the largest that were seen
  std::vector<landscape> rewards;                    // one, if asked for

  void judge() {
    const auto mean_up_to = [this](std::size_t end) {
      double sum = 0;
      for (std::size_t k = end - judged; k < end; ++k) sum += curve[k];
      return sum / judged;
    };
    last = mean_up_to(curve.size());
    tuned = mean_up_to(std::min<std::size_t>(curve.size(), tuned_for / between_evaluations));
  }
};

// |d next state / d (state, action)|, by differences; the Frobenius norm is no less than the operator norm.
double steepest_dynamics(const MatrixXf& x) {
  constexpr float h = 1e-2f;
  Eigen::RowVectorXf squares = Eigen::RowVectorXf::Zero(x.cols());
  for (int k = 0; k < pendulum::input; ++k) {
    MatrixXf side[2] = {x, x};
    side[0].row(k).array() -= h, side[1].row(k).array() += h;
    for (MatrixXf& s : side) s = pendulum::step(s.topRows<pendulum::state>(), s.bottomRows<pendulum::action>());
    squares += ((side[1] - side[0]) / (2 * h)).colwise().squaredNorm();
  }
  return std::sqrt(squares.maxCoeff());
}

run imitate(const recipe& how, std::uint64_t seed, int steps, bool with_landscape) {
  imitator learner(how, demonstrate(seed), seed, steps);
  run r;
  for (int t = 1; t <= steps; ++t) {
    learner.step();
    if (t % between_evaluations == 0)
      r.curve.push_back(share_up([&](const MatrixXf& s) { return learner.act(s); }) / expert_share());
  }
  r.judge();
  const MatrixXf x = learner.recent(1000), slopes = learner.reward_gradient(x).colwise().norm();
  r.mean_slope = slopes.mean(), r.steepest = slopes.maxCoeff();
  r.value_slope = learner.value_gradient(x).colwise().norm().maxCoeff();
  r.policy = learner.policy_gradient(x.topRows<pendulum::state>()).colwise().norm().maxCoeff();
  r.dynamics = steepest_dynamics(x);
  if (with_landscape) r.rewards.emplace_back(learner);
  return r;
}

// Behaviour cloning: the most likely Gaussian policy of fixed width, for comparison.
double clone(std::uint64_t seed) {
  const MatrixXf x = demonstrate(seed), s = x.topRows<pendulum::state>(), a = x.bottomRows<pendulum::action>();
  dice random(seed);
  perceptron policy({pendulum::state, 32, 32, pendulum::action}, random);
  const auto act = [&](const MatrixXf& states) { return MatrixXf(policy.forward(states).array().tanh()); };
  for (int t = 0; t < 2000; ++t) {
    const MatrixXf mean = act(s);
    const float width = 1;
    MatrixXf by_mean(mean.rows(), mean.cols());
    prefer::check(prefer::evaluate_rows<float>(
        prefer::cpu{}, prefer::gaussian_logp{}, prefer::reward_linear{},
        {.rows = {.x = rows(a), .mean = rows(mean), .sigma = {&width, mean.cols(), mean.rows(), 0, 0}}},
        {.grad = {.mean = prefer::as_matrix(by_mean.transpose())}}));
    policy.learn(by_mean.array() * (1 - mean.array().square()), 1e-3f);
  }
  return share_up(act) / expert_share();
}

struct arm {
  recipe how;
  std::vector<run> runs;

  std::vector<double> each(double run::*what) const {
    std::vector<double> x;
    for (const run& r : runs) x.push_back(r.*what);
    return x;
  }
  estimate of(double run::*what) const { return student_interval(each(what)); }
  estimate at(std::size_t evaluation) const {
    std::vector<double> x;
    for (const run& r : runs) x.push_back(r.curve[evaluation]);
    return student_interval(x);
  }
};

std::vector<arm> train(const std::vector<recipe>& recipes, const options& o) {
  std::vector<arm> arms;
  for (const recipe& how : recipes) arms.push_back({how, std::vector<run>(static_cast<std::size_t>(o.runs))});
  std::atomic<int> done{0};
  prefer::thread_pool pool(static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
  const auto all = static_cast<std::int64_t>(arms.size()) * o.runs;
  pool(all, [&](std::int64_t task) {
    const auto which = static_cast<std::size_t>(task / o.runs), seed = static_cast<std::size_t>(task % o.runs);
    arms[which].runs[seed] = imitate(arms[which].how, o.first_seed + seed, o.steps, seed == 0 && !o.sweep);
    show_progress("runs", ++done, all);
  });
  return arms;
}

// The settings with which an arm did best in --sweep, on other seeds.
recipe tuned(bool constrained) {
  return constrained ? recipe{.name = "constrained", .strength = 10, .discriminator_rate = 3e-4f}
                     : recipe{.name = "unconstrained, tuned", .discriminator_rate = 3e-5f, .real_label = 0.9f};
}
enum : std::size_t { same, best, constrained };
std::vector<recipe> main_recipes() {
  return {{.name = "unconstrained", .discriminator_rate = 3e-4f}, tuned(false), tuned(true)};
}

bool is_plain(const recipe& r) { return !r.one_sided && r.where == place::between && r.real_label == 1; }

// As many settings for either arm; then other strengths, and other penalties.
const std::vector<float> rates = {1e-5f, 3e-5f, 1e-4f, 3e-4f, 1e-3f};
std::vector<recipe> swept_recipes() {
  std::vector<recipe> all;
  const auto add = [&](std::string name, recipe r) {
    char rate[16];
    std::snprintf(rate, sizeof rate, "%.0e", static_cast<double>(r.discriminator_rate));
    r.name = std::move(name) + ", rate " + rate;
    all.push_back(r);
  };
  for (const float rate : rates) add("unconstrained", {.discriminator_rate = rate});
  for (const float rate : rates) add("smoothed labels", {.discriminator_rate = rate, .real_label = 0.9f});
  for (const float rate : rates) add("penalty 1", {.strength = 1, .discriminator_rate = rate});
  for (const float rate : rates) add("penalty 10", {.strength = 10, .discriminator_rate = rate});
  const float rate = tuned(true).discriminator_rate;
  for (const double s : {0.1, 100.0})
    add(s < 1 ? "penalty 0.1" : "penalty 100", {.strength = s, .discriminator_rate = rate});
  add("one-sided", {.strength = 10, .one_sided = true, .discriminator_rate = rate});
  add("at the policy's steps", {.strength = 10, .where = place::policy, .discriminator_rate = rate});
  add("expert's, noise 10 (DRAGAN)", {.strength = 10, .where = place::expert, .noise = 10, .discriminator_rate = rate});
  add("policy's, noise 10 (NAGARD)", {.strength = 10, .where = place::policy, .noise = 10, .discriminator_rate = rate});
  return all;
}

void print(const std::vector<arm>& arms, int steps) {
  struct column {
    std::string title;
    double run::*what;
  };
  std::vector<column> columns = {{"|dr|, mean", &run::mean_slope}, {"|dr|, largest", &run::steepest}};
  if (steps > tuned_for) columns.insert(columns.begin(), {"after " + std::to_string(tuned_for), &run::tuned});
  columns.insert(columns.begin() + (steps > tuned_for ? 1 : 0), {"after " + std::to_string(steps), &run::last});
  std::printf("%-38s", "returns, and slopes of the reward");
  for (const column& c : columns) std::printf("  %-15s", c.title.c_str());
  std::puts("");
  for (const arm& a : arms) {
    std::printf("%-38s", a.how.name.c_str());
    for (const column& c : columns) std::printf("  %5.2f +- %-6.2f", a.of(c.what).mean, a.of(c.what).half);
    std::puts("");
  }
}

// How smooth values are, and what may be said about it beforehand.
void print_value_bounds(const arm& a) {
  const prefer::smoothness x{.reward = a.of(&run::steepest).mean,
                             .dynamics = a.of(&run::dynamics).mean,
                             .policy = a.of(&run::policy).mean,
                             .discount = imitator::discount};
  std::printf("%-38s |dQ| up to %.1f; reward %.2f, dynamics %.2f, policy %.1f: bound %g, decorrelated %g\n",
              a.how.name.c_str(), a.of(&run::value_slope).mean, x.reward, x.dynamics, x.policy,
              prefer::worst_case_value_bound(x), prefer::decorrelated_value_bound(x));
}

constexpr const char* colours[] = {"#d55e00", "#e69f00", "#0072b2"};

std::string line(const std::string& data, const char* colour, const std::string& title) {
  return data + " using 1:($2-$3):($2+$3) with filledcurves fs transparent solid 0.2 noborder lc rgb '" + colour +
         "' notitle, " + data + " using 1:2 with lines lw 2 lc rgb '" + colour + "' title " + quoted(title);
}
std::string row(double x, const estimate& e) {
  return std::to_string(x) + " " + std::to_string(e.mean) + " " + std::to_string(e.half) + "\n";
}

void draw_returns(const std::string& folder, const std::vector<arm>& arms, double cloned) {
  std::string script =
      svg_header(folder + "/imitation.svg", 760, 460, "Time that the pendulum is up, over the expert's");
  for (std::size_t k = 0; k < arms.size(); ++k) {
    script += "$arm" + std::to_string(k) + " << EOD\n";
    for (std::size_t t = 0; t < arms[k].runs[0].curve.size(); ++t)
      script += row(static_cast<double>((t + 1) * between_evaluations), arms[k].at(t));
    script += "EOD\n";
  }
  script +=
      "set xlabel 'steps of learning; mean and 95 % interval of the seeds'\nset yrange [0:1.15]\nset key bottom "
      "right\nplot ";
  for (std::size_t k = 0; k < arms.size(); ++k)
    script += line("$arm" + std::to_string(k), colours[k], arms[k].how.name) + ", ";
  draw_svg(script + std::to_string(cloned) +
           " dt 2 lc rgb '#666666' title 'behaviour cloning', 1 dt 3 lc rgb '#000000' title 'expert'\n");
}

// Above, what the rewards of one seed are and where they rise (in the discriminator's units), with the steps of the
// expert that were to be imitated; below, how steep they are.
void draw_rewards(const std::string& folder, const std::vector<arm>& arms, const MatrixXf& demonstrations) {
  const std::string columns = std::to_string(arms.size());
  std::string script = svg_header(folder + "/imitation_rewards.svg", 370 * static_cast<int>(arms.size()), 700, "");
  script += "$expert << EOD\n";
  for (Eigen::Index i = 0; i < demonstrations.cols(); ++i)
    script += std::to_string(pendulum::angle_of(demonstrations, i)) + " " +
              std::to_string(pendulum::fastest * demonstrations(2, i)) + "\n";
  script += "EOD\n";
  for (std::size_t k = 0; k < arms.size(); ++k)
    script += "$reward" + std::to_string(k) + " << EOD\n" + arms[k].runs[0].rewards[0].table() + "EOD\n";
  script += "set multiplot layout 2," + columns +
            "\nunset key\nset xrange [-pi:pi]\nset yrange [-8:8]\nset xtics ('-180' -pi, '0' 0, '180' pi)\n"
            "set palette defined (0 '#440154', 1 '#3b528b', 2 '#21918c', 3 '#5ec962', 4 '#fde725')\nset lmargin 6\nset "
            "rmargin 8\n";
  for (std::size_t k = 0; k < arms.size(); ++k)
    script +=
        "set title " + quoted(arms[k].how.name + ": reward") + "\nplot $reward" + std::to_string(k) +
        " using 1:2:3 with image, '' every 6:6:3:3 using 1:2:5:6 with vectors head size 0.12,25 filled lc rgb 'white', "
        "$expert with points pt 7 ps 0.35 lc rgb '#d55e00'\n";
  script += "set logscale cb\nset cbrange [0.05:50]\n";
  for (std::size_t k = 0; k < arms.size(); ++k)
    script += "set title " + quoted("length of its gradient") + "\nset xlabel 'degrees from upright'\nplot $reward" +
              std::to_string(k) + " using 1:2:4 with image\n";
  draw_svg(script + "unset multiplot\n");
}

// Returns after the steps that settings were tuned for, by the discriminator's rate and by the penalty's strength.
void draw_sweep(const std::string& folder, const std::vector<arm>& arms) {
  std::string script = svg_header(folder + "/imitation_sweep.svg", 900, 400, "");
  const auto first_of = [](std::size_t block) { return block * rates.size(); };
  constexpr const char* names[] = {"unconstrained", "smoothed labels", "penalty 1", "penalty 10"};
  constexpr const char* shades[] = {"#d55e00", "#e69f00", "#56b4e9", "#0072b2"};
  std::string plots;
  for (std::size_t block = 0; block < 4; ++block) {
    const std::string data = "$rate" + std::to_string(block);
    script += data + " << EOD\n";
    for (std::size_t k = 0; k < rates.size(); ++k)
      script += row(static_cast<double>(rates[k]), arms[first_of(block) + k].of(&run::last));
    script += "EOD\n";
    plots += (block > 0 ? ", " : "plot ") + line(data, shades[block], names[block]);
  }
  script += "$strength << EOD\n";
  for (const arm& a : arms)
    if (a.how.discriminator_rate == tuned(true).discriminator_rate && is_plain(a.how))
      script += row(std::max(a.how.strength, 0.01), a.of(&run::last));
  script +=
      "EOD\nset multiplot layout 1,2\nset logscale x\nset format x '%g'\nset yrange [0:1.15]\nset key bottom "
      "right\n"
      "set xrange [8e-6:1.2e-3]\nset xlabel \"the discriminator's rate\"\nset title 'return, over the expert'\n" +
      plots +
      "\nset xrange [0.005:200]\nset xlabel 'strength of the penalty (far left: none), rate 3e-4'\nunset key\nplot "
      "$strength using 1:2:3 "
      "with yerrorbars pt 7 lw 2 lc rgb '#0072b2'\n";
  draw_svg(script + "unset multiplot\n");
}

bool claim(const std::string& what, const estimate& e, bool holds) {
  std::printf("%s: %s (%.3f +- %.3f)\n", holds ? "holds" : "DOES NOT HOLD", what.c_str(), e.mean, e.half);
  return holds;
}

// Runs of two arms share their seeds: differences are taken run by run.
estimate difference(const arm& a, const arm& b, double run::*what) {
  std::vector<double> x = a.each(what);
  const std::vector<double> y = b.each(what);
  for (std::size_t k = 0; k < x.size(); ++k) x[k] -= y[k];
  return student_interval(x);
}

bool check_claims(const std::vector<arm>& arms, const options& o) {
  const auto above = [](const estimate& e) { return e.mean - e.half > 0; };
  bool all = true;
  const auto state = [&](const char* what, const estimate& e, bool holds) { all = claim(what, e, holds) && all; };
  estimate e = difference(arms[same], arms[constrained], &run::mean_slope);
  if (o.quick) {  // two seeds, on any machine
    state("the constrained reward is less steep", e, e.mean > 1);
    e = arms[constrained].of(&run::last);
    state("it teaches: half of the expert's return", e, e.mean > 0.5);
    return all;
  }
  state("the constrained reward is less steep", e, above(e));
  e = difference(arms[constrained], arms[same], &run::tuned);
  state("the constrained run is the better one at the same rate", e, above(e));
  e = difference(arms[constrained], arms[best], &run::tuned);
  state("against publication: a slow unconstrained one, tuned as much, comes within 0.15 of it", e, e.mean < 0.15);
  // No claims: other rates are best for as many steps, see the page.
  for (const std::size_t other : {same, best}) {
    e = difference(arms[constrained], arms[other], &run::last);
    std::printf("after %d steps the constrained run is ahead of \"%s\" by %.3f +- %.3f\n", o.steps,
                arms[other].how.name.c_str(), e.mean, e.half);
  }
  return all;
}

int compare(const options& o) {
  std::vector<double> clones;
  for (int k = 0; k < o.runs; ++k) clones.push_back(clone(o.first_seed + static_cast<std::uint64_t>(k)));
  const estimate cloned = student_interval(clones);
  const std::vector<arm> arms = train(main_recipes(), o);
  std::printf("Upright for %.2f of the time: the expert. Returns are relative to it; behaviour cloning: %.2f +- %.2f\n",
              expert_share(), cloned.mean, cloned.half);
  print(arms, o.steps);
  for (const arm& a : arms) print_value_bounds(a);
  draw_returns(o.output, arms, cloned.mean);
  draw_rewards(o.output, arms, demonstrate(o.first_seed));
  return check_claims(arms, o) ? 0 : 1;
}

int sweep(options o) {
  o.first_seed = 101;
  const std::vector<arm> arms = train(swept_recipes(), o);
  print(arms, o.steps);
  draw_sweep(o.output, arms);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  options o;
  CLI::App app{"Imitates an expert who swings up a pendulum, with and without a Lipschitz constraint on the reward."};
  app.add_option("-o,--output", o.output, "folder of the pictures")->check(CLI::ExistingDirectory);
  app.add_option("--steps", o.steps, "steps of learning")->check(CLI::Range(between_evaluations * judged, 1000000));
  app.add_flag("--quick", o.quick, "two seeds and fewer steps: seconds");
  app.add_flag("--sweep", o.sweep, "instead: all settings that were tried, on other seeds; minutes");
  CLI11_PARSE(app, argc, argv);
  o.runs = o.quick ? 2 : o.sweep ? 8 : 10;
  if (o.steps == 0) o.steps = o.quick ? quick_steps : o.sweep ? tuned_for : 3 * tuned_for;
  try {
    return o.sweep ? sweep(o) : compare(o);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
