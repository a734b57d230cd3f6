// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// A leaderboard from pairwise comparisons: reads a CSV, fits Bradley-Terry ratings by maximum likelihood, prints the
// table with intervals and draws it.
#include <prefer/core/thread_pool.hpp>
#include <prefer/rank/bootstrap.hpp>
#include <prefer/rank/bradley_terry_fit.hpp>
#include <prefer/rank/comparison_groups.hpp>
#include <prefer/rank/standard_errors.hpp>
#include <support/comparisons_csv.hpp>
#include <support/gnuplot.hpp>

#include <CLI/CLI.hpp>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <numeric>

namespace {

const double elo = 400 / std::log(10.0);

struct options {
  std::string file, output = ".";
  prefer::tie_model ties = prefer::tie_model::half;
  std::string intervals = "hessian";
  std::int64_t resamples = 1000;
  double pseudo_count = 0;
  int threads = 2;
  bool quick = false;
};

struct leaderboard {
  std::vector<double> rating, lower, upper;  // natural log-odds
  double tie_parameter = 0, gradient = 0;
  std::int32_t sweeps = 0, newton_steps = 0, cg_iterations = 0, failed_resamples = 0;
};

struct memory {
  std::vector<std::byte> bytes;
  explicit memory(std::size_t n) : bytes(n) {}
  prefer::workspace get() { return {bytes.data(), bytes.size()}; }
};

// Comparisons that do not determine finite ratings: which items are never reached from which.
[[noreturn]] void explain_groups(const comparison_data& data, const prefer::status& why) {
  const auto n = data.items();
  std::vector<std::int32_t> group(data.names.size());
  std::int32_t count = 0;
  memory scratch(prefer::comparison_groups_workspace(prefer::cpu{}, data.view()));
  prefer::check(prefer::comparison_groups(prefer::cpu{.workspace = scratch.get()}, data.view(),
                                          {.group = {group.data(), n}, .count = {&count, 1}}));
  std::string text = std::string(prefer::message(why).c_str()) +
                     "\nGroups, the strongest first; between groups somebody only won or never met:\n";
  for (std::int32_t g = 0; g < count; ++g) {
    text += "  ";
    for (std::size_t i = 0; i < group.size(); ++i)
      if (group[i] == g) text += data.names[i] + ", ";
    text.replace(text.size() - 2, 2, "\n");
  }
  throw std::runtime_error(text + "Try --pseudo-count 1, a prior under which finite ratings always exist.");
}

leaderboard fit(const comparison_data& data, const options& o, prefer::thread_pool& pool) {
  const auto n = data.items();
  leaderboard board;
  for (auto* v : {&board.rating, &board.lower, &board.upper}) v->resize(data.names.size());
  const prefer::bradley_terry_fit model{.ties = o.ties, .pseudo_count = o.pseudo_count};
  memory scratch(prefer::fit_bradley_terry_workspace(prefer::cpu{}, model, data.view()));
  const prefer::status st =
      prefer::fit_bradley_terry(prefer::cpu{.pool = pool, .workspace = scratch.get()}, model, data.view(),
                                {.ratings = {board.rating.data(), n},
                                 .tie_parameter = {&board.tie_parameter, 1},
                                 .gradient = {&board.gradient, 1},
                                 .sweeps = {&board.sweeps, 1},
                                 .newton_steps = {&board.newton_steps, 1},
                                 .cg_iterations = {&board.cg_iterations, 1}});
  if (st.code == prefer::errc::not_connected) explain_groups(data, st);
  prefer::check(st);

  if (o.intervals == "bootstrap") {
    const prefer::bradley_terry_bootstrap bootstrap{.fit = model, .replicates = o.resamples, .seed = 1};
    memory more(prefer::bootstrap_bradley_terry_workspace(prefer::cpu{}, bootstrap, data.view()));
    prefer::check(prefer::bootstrap_bradley_terry(
        prefer::cpu{.pool = pool, .workspace = more.get()}, bootstrap, data.view(),
        {.lower = {board.lower.data(), n}, .upper = {board.upper.data(), n}, .failed = {&board.failed_resamples, 1}}));
    return board;
  }
  const prefer::bradley_terry_errors errors{
      .fit = model,
      .estimate = o.intervals == "sandwich" ? prefer::error_estimate::sandwich : prefer::error_estimate::hessian};
  prefer::fitted_ratings<prefer::space::host> at{.ratings = {board.rating.data(), n}};
  if (o.ties != prefer::tie_model::half) at.tie_parameter = {&board.tie_parameter, 1};
  std::vector<double> error(data.names.size());
  memory more(prefer::standard_errors_workspace(prefer::cpu{}, errors, data.view(), at));
  prefer::check(prefer::standard_errors(prefer::cpu{.pool = pool, .workspace = more.get()}, errors, data.view(), at,
                                        {.standard_errors = {error.data(), n}}));
  const double z = 1.959963984540054;  // of 95 %
  for (std::size_t i = 0; i < error.size(); ++i)
    board.lower[i] = board.rating[i] - z * error[i], board.upper[i] = board.rating[i] + z * error[i];
  return board;
}

std::vector<std::size_t> by_rating(const leaderboard& board) {
  std::vector<std::size_t> order(board.rating.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return board.rating[a] > board.rating[b]; });
  return order;
}

double points(double rating) { return 1000 + elo * rating; }

void print(const comparison_data& data, const leaderboard& board, const options& o) {
  std::vector<double> won(data.names.size()), lost(data.names.size()), tied(data.names.size());
  for (std::size_t k = 0; k < data.first.size(); ++k) {
    const auto a = static_cast<std::size_t>(data.first[k]), b = static_cast<std::size_t>(data.second[k]);
    won[a] += data.first_wins[k], lost[b] += data.first_wins[k];
    won[b] += data.second_wins[k], lost[a] += data.second_wins[k];
    tied[a] += data.ties[k], tied[b] += data.ties[k];
  }
  std::size_t width = 4;
  for (const std::string& name : data.names) width = std::max(width, name.size());
  std::printf("%4s  %-*s  %6s  %15s  %7s %7s %7s\n", "rank", static_cast<int>(width), "name", "rating", "95 % interval",
              "won", "lost", "tied");
  int rank = 0;
  for (std::size_t i : by_rating(board))
    std::printf("%4d  %-*s  %6.0f  %6.0f ..%6.0f  %7.0f %7.0f %7.0f\n", ++rank, static_cast<int>(width),
                data.names[i].c_str(), points(board.rating[i]), points(board.lower[i]), points(board.upper[i]), won[i],
                lost[i], tied[i]);
  std::printf("Ratings: 1000 + 400 / ln 10 times the log-odds, mean 1000. Intervals: %s.\n", o.intervals.c_str());
  if (o.ties != prefer::tie_model::half) std::printf("Tie parameter: %.4f.\n", board.tie_parameter);
  if (board.failed_resamples > 0)
    std::printf("%d of %ld resamples have no finite ratings and are left out.\n", board.failed_resamples,
                static_cast<long>(o.resamples));
  std::printf(
      "Converged to a gradient of %.1e per game in %d sweeps and %d Newton steps (%d conjugate-gradient iterations).\n",
      board.gradient, board.sweeps, board.newton_steps, board.cg_iterations);
}

// One line per item: its rating as a point on its interval.
std::string draw(const comparison_data& data, const leaderboard& board, const options& o) {
  const std::filesystem::path source(o.file);
  const std::string path =
      (std::filesystem::path(o.output) / ("leaderboard_" + source.stem().string() + ".svg")).string();
  const auto order = by_rating(board);
  const int n = static_cast<int>(order.size());
  std::string script = svg_header(path, 900, 130 + 22 * n, "Bradley-Terry ratings: " + source.stem().string());
  script += "set xlabel 'rating (400 points: ten to one) with 95 % interval'\nset yrange [" + std::to_string(n) +
            ".5:0.5]\nunset key\n";
  script += "set xrange [*:*]\nset offsets graph 0.03, graph 0.03, 0, 0\n$data << END\n";
  for (int k = 0; k < n; ++k) {
    const std::size_t i = order[static_cast<std::size_t>(k)];
    char line[128];
    std::snprintf(line, sizeof line, " %.3f %.3f %.3f %d\n", points(board.rating[i]), points(board.lower[i]),
                  points(board.upper[i]), k + 1);
    script += quoted(data.names[i]) + line;
  }
  script += "END\nplot $data using 2:5:3:4:ytic(1) with xerrorbars pt 7 ps 0.6 lw 1.6 lc rgb '#1f5fa8'\n";
  draw_svg(script);
  return path;
}

}  // namespace

int main(int argc, char** argv) try {
  options o;
  CLI::App app{"A leaderboard from pairwise comparisons (CSV with left,right,winner[,count])"};
  const std::map<std::string, prefer::tie_model> models = {{"half", prefer::tie_model::half},
                                                           {"rao_kupper", prefer::tie_model::rao_kupper},
                                                           {"davidson", prefer::tie_model::davidson}};
  app.add_option("file", o.file, "the comparisons")->required()->check(CLI::ExistingFile);
  app.add_option("--ties", o.ties, "how ties enter: half, rao_kupper or davidson")
      ->transform(CLI::CheckedTransformer(models));
  app.add_option("--intervals", o.intervals, "hessian, sandwich or bootstrap")
      ->check(CLI::IsMember({"hessian", "sandwich", "bootstrap"}));
  app.add_option("--resamples", o.resamples, "of the bootstrap")->check(CLI::PositiveNumber);
  app.add_option("--pseudo-count", o.pseudo_count, "prior wins and losses of every item against a rating of 1000")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--threads", o.threads)->check(CLI::Range(1, 256));
  app.add_option("--output", o.output, "folder for the picture")->check(CLI::ExistingDirectory);
  app.add_flag("--quick", o.quick, "fewer resamples");
  CLI11_PARSE(app, argc, argv);
  if (o.quick) o.resamples = std::min<std::int64_t>(o.resamples, 100);

  prefer::thread_pool pool(o.threads);
  const comparison_data data = read_comparisons(o.file);
  const leaderboard board = fit(data, o, pool);
  print(data, board, o);
  std::printf("Picture: %s\n", draw(data, board, o).c_str());
} catch (const std::exception& e) {
  std::fprintf(stderr, "leaderboard: %s\n", e.what());
  return 1;
}
