// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// Tunes a small diffusion model of six modes in the plane towards the three on the right, with D3PO, Diffusion-DPO and
// SePPO, and draws its samples before and after.
#include "denoiser.hpp"

#include "support/gnuplot.hpp"
#include "support/progress.hpp"

#include <prefer/interop/eigen.hpp>
#include <prefer/logp/noise_error.hpp>
#include <prefer/loss/d3po.hpp>
#include <prefer/loss/diffusion_dpo.hpp>
#include <prefer/loss/seppo.hpp>

#include <CLI/CLI.hpp>

#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace {

constexpr int modes = 6, batch = 256;

struct point {
  float x, y;
};
point centre(std::int64_t mode) {
  const float angle = 1.0471976f * static_cast<float>(mode);
  return {2 * std::cos(angle), 2 * std::sin(angle)};
}
point at(const MatrixXf& points, Eigen::Index i) { return {points(0, i), points(1, i)}; }
bool preferred(const point& p) { return p.x > 0; }
bool at_a_mode(const point& p) {
  for (int m = 0; m < modes; ++m)
    if (std::hypot(p.x - centre(m).x, p.y - centre(m).y) < 0.6f) return true;
  return false;
}
// Data: all modes, or those that are (not) preferred.
MatrixXf data(int n, dice& random, int side = 0) {
  MatrixXf x(2, n);
  for (int i = 0; i < n; ++i) {
    std::int64_t m = random.below(modes);
    while (side != 0 && preferred(centre(m)) != (side > 0)) m = random.below(modes);
    x(0, i) = centre(m).x + 0.15f * random.normal();
    x(1, i) = centre(m).y + 0.15f * random.normal();
  }
  return x;
}
std::vector<int> random_times(int n, dice& random) {
  std::vector<int> t;
  for (int i = 0; i < n; ++i) t.push_back(static_cast<int>(random.below(schedule::steps)));
  return t;
}
prefer::view<const float, 2> rows(const MatrixXf& m) { return {m.data(), m.cols(), m.rows()}; }
prefer::view<float, 2> rows(MatrixXf& m) { return {m.data(), m.cols(), m.rows()}; }

void pretrain(denoiser& model, int steps) {
  dice random(1);
  for (int i = 0; i < steps; ++i) {
    const MatrixXf x = data(batch, random), noise = random.normals(2, batch);
    const std::vector<int> t = random_times(batch, random);
    const MatrixXf gap = model.predict(noised(x, noise, t), t) - noise;
    model.learn(gap * (1.0f / batch), i < steps / 2 ? 3e-3f : 5e-4f);
    show_progress("denoiser", i + 1, steps);
  }
}

// One step on pairs of points that are noised with the same noise to the same times, for any loss over errors.
template <class Loss>
void learn_from_errors(denoiser& model, denoiser& reference, const Loss& loss, const MatrixXf& winner,
                       const MatrixXf& loser, dice& random, float rate) {
  const int n = static_cast<int>(winner.cols());
  const MatrixXf noise = random.normals(2, n);
  const std::vector<int> t = random_times(n, random);
  std::vector<int> twice = t;
  twice.insert(twice.end(), t.begin(), t.end());
  MatrixXf both(2, 2 * n), grad(2, 2 * n);
  both << noised(winner, noise, t), noised(loser, noise, t);
  const MatrixXf predicted = model.predict(both, twice), expected = reference.predict(both, twice);
  const auto half = [n](const MatrixXf& m, int side) {
    return prefer::view<const float, 2>(m.data() + 2 * n * side, n, 2);
  };
  prefer::check(prefer::evaluate_rows<float>(
      prefer::cpu{}, prefer::noise_error{}, loss,
      {.chosen = {.prediction = half(predicted, 0), .reference = half(expected, 0), .noise = rows(noise)},
       .rejected = {.prediction = half(predicted, 1), .reference = half(expected, 1), .noise = rows(noise)}},
      {.grad_chosen = {.prediction = {grad.data(), n, 2}},
       .grad_rejected = {.prediction = {grad.data() + 2 * n, n, 2}}}));
  model.learn(grad, rate);
}

void tune_diffusion_dpo(denoiser& model, const denoiser& base, int steps) {
  dice random(2);
  denoiser reference = base;
  for (int i = 0; i < steps; ++i) {
    learn_from_errors(model, reference, prefer::diffusion_dpo{.beta = 10.0}, data(batch, random, 1),
                      data(batch, random, -1), random, 2e-4f);
    show_progress("Diffusion-DPO", i + 1, steps);
  }
}

// Winners from the data only; the other point is drawn by an earlier checkpoint.
void tune_seppo(denoiser& model, const denoiser& base, int steps) {
  dice random(3);
  std::vector<denoiser> saved = {base};
  MatrixXf pool;
  std::int64_t which = 0;
  for (int i = 0; i < steps; ++i) {
    if (i % 20 == 0) {
      which = prefer::select_checkpoint(prefer::checkpoint::uniform, static_cast<std::int64_t>(saved.size()), 3,
                                        static_cast<std::uint64_t>(i));
      pool = draw_points(saved[static_cast<std::size_t>(which)], random.normals(2, batch), random);
    }
    learn_from_errors(model, saved[static_cast<std::size_t>(which)], prefer::seppo{.beta = 10.0},
                      data(batch, random, 1), pool, random, 2e-4f);
    if (i % 100 == 99) saved.push_back(model);
    show_progress("SePPO", i + 1, steps);
  }
}

// Two points drawn from one start; where one of them is preferred, all their steps are learnt from.
void tune_d3po(denoiser& model, const denoiser& base, int rounds) {
  dice random(4);
  denoiser reference = base;
  for (int r = 0; r < rounds; ++r) {
    const MatrixXf start = random.normals(2, batch);
    std::vector<MatrixXf> path[2];
    MatrixXf end[2];
    for (int k = 0; k < 2; ++k) end[k] = draw_points(model, start, random, &path[k]);
    Eigen::VectorXf label(batch);
    for (int i = 0; i < batch; ++i) {
      const int first = preferred(at(end[0], i)) && at_a_mode(at(end[0], i));
      const int second = preferred(at(end[1], i)) && at_a_mode(at(end[1], i));
      label(i) = 0.5f + 0.5f * static_cast<float>(first - second);
    }
    for (int k = 0; k + 1 < schedule::steps; ++k) {
      const int t = schedule::steps - 1 - k;
      const auto here = static_cast<std::size_t>(k);
      const prefer::ddim_transition step = prefer::ddim_step(times.alpha_bar[t], times.alpha_bar[t - 1]);
      MatrixXf both(2, 2 * batch), grad(2, 2 * batch);
      both << path[0][here], path[1][here];
      const std::vector<int> when(2 * batch, t);
      const MatrixXf predicted = model.predict(both, when), expected = reference.predict(both, when);
      const auto half = [](const MatrixXf& m, int side) {
        return prefer::view<const float, 2>(m.data() + 2 * batch * side, batch, 2);
      };
      const auto all = [](const double& x) { return prefer::view<const double, 1>(&x, batch, 0); };
      prefer::check(prefer::evaluate_rows<float>(
          prefer::cpu{}, prefer::denoising_step{.mean = false}, prefer::d3po{.beta = 1.0, .clip = 0.5},
          {.chosen = {.state = half(both, 0),
                      .next = rows(path[0][here + 1]),
                      .prediction = half(predicted, 0),
                      .reference = half(expected, 0)},
           .rejected = {.state = half(both, 1),
                        .next = rows(path[1][here + 1]),
                        .prediction = half(predicted, 1),
                        .reference = half(expected, 1)},
           .step = {all(step.state_factor), all(step.noise_factor), all(step.sigma)},
           .label = prefer::as_vector(label)},
          {.grad_chosen = {.prediction = {grad.data(), batch, 2}},
           .grad_rejected = {.prediction = {grad.data() + 2 * batch, batch, 2}}}));
      model.learn(grad, 2e-4f);
    }
    show_progress("D3PO", r + 1, rounds);
  }
}

struct outcome {
  std::string name;
  MatrixXf points;
  double right = 0, clean = 0;  // shares of preferred points, and of points at any mode
};
outcome judge(const std::string& name, denoiser model) {
  dice random(99);
  outcome o{name, draw_points(model, random.normals(2, 2000), random)};
  for (Eigen::Index i = 0; i < o.points.cols(); ++i) {
    const bool clean = at_a_mode(at(o.points, i));
    o.right += clean && preferred(at(o.points, i));
    o.clean += clean;
  }
  o.right /= static_cast<double>(o.points.cols()), o.clean /= static_cast<double>(o.points.cols());
  std::printf("%-14s %5.1f %% at a preferred mode, %5.1f %% at any\n", name.c_str(), 100 * o.right, 100 * o.clean);
  return o;
}

void draw(const std::string& folder, const std::vector<outcome>& all) {
  std::string script = svg_header(folder + "/diffusion_toy.svg", 900, 900, "");
  script += "unset title\nset multiplot layout 2,2 title 'Samples of a diffusion model, tuned towards the right'\n";
  script += "set xrange [-3.2:3.2]\nset yrange [-3.2:3.2]\nset size square\nunset key\n";
  for (std::size_t k = 0; k < all.size(); ++k) {
    const std::string block = "$points" + std::to_string(k);
    script += block + " << EOD\n";
    for (Eigen::Index i = 0; i < all[k].points.cols(); ++i)
      script += std::to_string(all[k].points(0, i)) + " " + std::to_string(all[k].points(1, i)) + "\n";
    script += "EOD\nset title " +
              quoted(all[k].name + ": " + std::to_string(static_cast<int>(100 * all[k].right + 0.5)) + " % preferred") +
              "\nplot " + block + " using 1:2 with points pt 7 ps 0.25 lc rgb '#1b6ca8'\n";
  }
  draw_svg(script + "unset multiplot\n");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Tunes a toy diffusion model with D3PO, Diffusion-DPO and SePPO towards preferred modes."};
  std::string output = ".";
  bool quick = false;
  app.add_option("-o,--output", output, "folder of the picture")->check(CLI::ExistingDirectory);
  app.add_flag("--quick", quick, "a third of the steps");
  CLI11_PARSE(app, argc, argv);
  const int part = quick ? 3 : 1;

  denoiser base(7);
  pretrain(base, 4000 / part);
  base.forget_moments();
  std::vector<outcome> all = {judge("before", base)};
  denoiser tuned = base;
  tune_d3po(tuned, base, 60 / part);
  all.push_back(judge("D3PO", tuned));
  tuned = base;
  tune_diffusion_dpo(tuned, base, 600 / part);
  all.push_back(judge("Diffusion-DPO", tuned));
  tuned = base;
  tune_seppo(tuned, base, 600 / part);
  all.push_back(judge("SePPO", tuned));
  draw(output, all);
  for (std::size_t k = 1; k < all.size(); ++k)
    if (all[k].right < all[0].right + 0.1) {
      std::printf("%s did not move samples towards the preferred modes.\n", all[k].name.c_str());
      return 1;
    }
  std::puts("All three moved samples towards the preferred modes.");
  return 0;
}
