// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// A language model of characters, from nothing to preferences. It learns by maximum likelihood to write the lines of a
// folder of Markdown, and is then tuned by DPO: other lines are preferred to themselves with a mistake. Beside it a
// copy goes on with the likelihood of the same lines, which shows what the preferences add.
#include "language_model.hpp"
#include "text.hpp"

#include "support/gnuplot.hpp"
#include "support/interval.hpp"
#include "support/progress.hpp"

#include <prefer/core/thread_pool.hpp>
#include <prefer/interop/eigen.hpp>
#include <prefer/logp/evaluate_logits.hpp>
#include <prefer/loss/combine.hpp>
#include <prefer/loss/dpo.hpp>
#include <prefer/loss/nll.hpp>

#include <CLI/CLI.hpp>

#include <atomic>
#include <cstdio>
#include <string>
#include <vector>

namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

struct options {
  std::string text, output = ".";
  double beta = 0.1;
  double likelihood = 0.2;  // weight of the likelihood of preferred lines, beside DPO
  int reading_steps = 900, tuning_steps = 300;
  std::uint64_t seed = 1;
  bool quick = false;
};
constexpr int lines_per_step = 16, examinations = 5;

// Three parts of the text that share no line.
struct text_parts {
  std::vector<std::string> reading, tuning, held_out;

  text_parts(std::vector<std::string> lines, dice random) {
    random.shuffle(lines);
    const auto first = lines.begin() + lines.size() * 2 / 5, second = lines.begin() + lines.size() * 4 / 5;
    reading.assign(lines.begin(), first), tuning.assign(first, second), held_out.assign(second, lines.end());
  }
};
const std::string& any_of(const std::vector<std::string>& lines, dice& random) {
  return lines[random.below(lines.size())];
}

// One step of maximum likelihood. Answers with the mean loss of a character, in nats. Its derivative by the loss of
// each character is known beforehand, so value and gradient are one call; the gradient takes the place of the logits.
double learn_lines(language_model& model, const packed_lines& lines, float rate) {
  const std::int64_t n = lines.tokens();
  const float one = 1;
  VectorXd loss(n);
  MatrixXf logits = model.logits(lines);
  const auto rows = prefer::as_matrix(logits.transpose());
  prefer::check(prefer::token_logp<float>(
      prefer::cpu{}, prefer::token_softmax{},
      {.logits = rows, .target = {lines.target(), n}, .grad_loss = {&one, n, 0}, .grad_scale = 1.0 / n},
      {.loss = prefer::as_vector(loss), .grad_logits = rows}));
  model.learn(lines, std::move(logits), rate);
  return loss.mean();
}

// One step of a loss of pairs: line 0 is preferred to line 1, line 2 to line 3, and so on.
template <class Loss>
void learn_preferences(language_model& model, language_model& reference, const packed_lines& lines, const Loss& loss,
                       float rate) {
  const std::int64_t n = lines.tokens(), pairs = lines.lines() / 2;
  const std::int64_t* const begin = lines.offsets();
  MatrixXf logits = model.logits(lines), expected = reference.logits(lines);
  const auto rows = prefer::as_matrix(logits.transpose());
  std::vector<std::byte> scratch(prefer::evaluate_logits_workspace<float>(prefer::cpu{}, loss, n, vocabulary, pairs));
  prefer::check(prefer::evaluate_logits<float>(prefer::cpu{.workspace = {scratch.data(), scratch.size()}}, loss,
                                               {.logits = rows,
                                                .reference_logits = prefer::as_matrix(expected.transpose()),
                                                .target = {lines.target(), n},
                                                .grad_logits = rows},
                                               {.chosen_offsets = {begin, pairs, 2},
                                                .rejected_offsets = {begin + 1, pairs, 2},
                                                .chosen_ends = {begin + 1, pairs, 2},
                                                .rejected_ends = {begin + 2, pairs, 2}},
                                               {}));
  model.learn(lines, std::move(logits), rate);
}

// The log-probability of every line. The logits of no more than 1024 tokens exist at a time.
VectorXd log_probabilities(language_model& model, const packed_lines& lines) {
  const std::int64_t n = lines.tokens();
  VectorXd token(n), line(lines.lines());
  MatrixXf buffer(vocabulary, 1024);
  auto logits = [&](std::int64_t first, std::int64_t count) {
    buffer.leftCols(count) = model.logits(lines, first, count);
  };
  prefer::check(
      prefer::token_logp_chunks<float>(prefer::cpu{}, prefer::token_softmax{},
                                       {.rows = n, .buffer = prefer::as_matrix(buffer.transpose()), .logits = logits},
                                       {.target = {lines.target(), n}}, {.logp = prefer::as_vector(token)}));
  const std::int64_t* const begin = lines.offsets();
  for (std::int64_t i = 0; i < lines.lines(); ++i) line(i) = token.segment(begin[i], begin[i + 1] - begin[i]).sum();
  return line;
}

// How well scores of lines tell held-out lines from the same lines with a mistake of each kind.
class exam {
 public:
  exam(const std::vector<std::string>& lines, dice random) {
    for (const std::string& line : lines) {
      lines_.add(line);
      for (const mistake& m : mistakes) lines_.add(with_mistake(line, m, random));
      characters_ += line.size() + 1;
    }
  }
  const packed_lines& lines() const { return lines_; }

  // [kinds of mistakes, lines]: 1 where the line scores above itself with the mistake, 1/2 where they score the same.
  MatrixXd told_apart(const VectorXd& score) const {
    const auto all = by_line(score).array();
    const auto line = all.row(0).replicate(kinds_of_mistakes, 1);
    const auto spoilt = all.bottomRows(kinds_of_mistakes);
    return (line > spoilt).cast<double>() + 0.5 * (line == spoilt).cast<double>();
  }
  // Nats per character of the lines without mistakes.
  double loss(const VectorXd& log_probability) const { return -by_line(log_probability).row(0).sum() / characters_; }

 private:
  packed_lines lines_;
  double characters_ = 0;

  // A column per line: without a mistake, then with each kind.
  static Eigen::Map<const MatrixXd> by_line(const VectorXd& score) {
    return {score.data(), 1 + kinds_of_mistakes, score.size() / (1 + kinds_of_mistakes)};
  }
};

struct reading {
  language_model model;
  std::vector<double> loss;  // of each step
};
reading read(const std::vector<std::string>& lines, const options& o) {
  reading r{language_model(o.seed), {}};
  dice random(o.seed + 1);
  for (int step = 0; step < o.reading_steps; ++step) {
    packed_lines batch;
    for (int i = 0; i < lines_per_step; ++i) batch.add(any_of(lines, random));
    const float left = 1 - static_cast<float>(step) / o.reading_steps;
    r.loss.push_back(learn_lines(r.model, batch, 3e-3f * left));
    show_progress("reading, step", step + 1, o.reading_steps, std::to_string(r.loss.back()) + " nats per character");
  }
  return r;
}

struct result {
  int step;
  MatrixXd by_likelihood, by_reward;  // told apart by log model, and by log model / model before
  double loss;
};
// A copy of the model that is tuned, with DPO or, if its weight is 0, without.
struct arm {
  std::string name;
  double dpo;
  language_model model;
  std::vector<result> results;
};
template <class AfterStep>
void tune(arm& a, const std::vector<std::string>& lines, const exam& held_out, const options& o, AfterStep after_step) {
  language_model reference = a.model;
  const VectorXd before = log_probabilities(reference, held_out.lines());
  const auto examine = [&](int step, const VectorXd& now) {
    a.results.push_back({step, held_out.told_apart(now), held_out.told_apart(now - before), held_out.loss(now)});
  };
  examine(0, before);
  const auto loss = prefer::combine(a.dpo, prefer::dpo{.beta = o.beta}, o.likelihood, prefer::nll{});
  dice random(o.seed + 2);  // every arm sees the same pairs
  a.model.forget_moments();
  for (int step = 1; step <= o.tuning_steps; ++step) {
    packed_lines pairs;
    for (int i = 0; i < lines_per_step; ++i) {
      const std::string& line = any_of(lines, random);
      pairs.add(line);
      pairs.add(with_mistake(line, mistakes[random.below(kinds_of_mistakes)], random));
    }
    learn_preferences(a.model, reference, pairs, loss, 1e-3f);
    if (step % (o.tuning_steps / examinations) == 0 || step == o.tuning_steps)
      examine(step, log_probabilities(a.model, held_out.lines()));
    after_step();
  }
}

// A line that the model writes, with probabilities sharpened by a temperature.
std::string write_line(language_model& model, dice& random) {
  constexpr float temperature = 0.6f;
  std::string line;
  while (line.size() < 100) {
    const packed_lines so_far({line});
    const Eigen::ArrayXf logits = model.logits(so_far, so_far.tokens() - 1, 1);
    const Eigen::ArrayXf weight = ((logits - logits.maxCoeff()) / temperature).exp();
    float left = static_cast<float>(random.uniform()) * weight.sum();
    std::int32_t symbol = 0;
    while (symbol < vocabulary - 1 && (left -= weight(symbol)) > 0) ++symbol;
    if (symbol == end_of_line) break;
    line += character_of(symbol);
  }
  return line;
}
void print_samples(const char* title, language_model& model, const options& o) {
  dice random(o.seed + 3);
  std::printf("%s\n", title);
  for (int i = 0; i < 5; ++i) std::printf("  %s\n", write_line(model, random).c_str());
}

void print_table(const std::vector<arm>& arms) {
  const auto print_row = [&](const char* name, auto share) {
    std::printf("%-16s%8.1f", name, 100 * share(arms[0].results.front().by_likelihood));
    for (const arm& a : arms)
      std::printf("%12.1f%12.1f", 100 * share(a.results.back().by_likelihood), 100 * share(a.results.back().by_reward));
    std::puts("");
  };
  std::printf("\nHeld-out pairs told apart, in percent, by likelihood and by reward (log of model / model before):\n");
  std::printf("%-16s%8s", "", "before");
  for (const arm& a : arms) std::printf("%12s%12s", a.name.c_str(), "reward");
  std::puts("");
  for (int k = 0; k < kinds_of_mistakes; ++k)
    print_row(mistakes[k].name, [k](const MatrixXd& told_apart) { return told_apart.row(k).mean(); });
  print_row("all", [](const MatrixXd& told_apart) { return told_apart.mean(); });
  std::printf("%-16s%8.3f", "nats/character", arms[0].results.front().loss);
  for (const arm& a : arms) std::printf("%12.3f%12s", a.results.back().loss, "");
  std::puts("\n");
}

// Prints how many more pairs are told apart, in points, with a 95 % interval over lines. Whether that is above 0.
bool claim(const char* what, const MatrixXd& more, const MatrixXd& less) {
  const VectorXd gain = 100 * (more - less).colwise().mean();
  const auto [low, high] = mean_interval(gain);
  std::printf("%-59s %+5.1f [%+.1f, %+.1f]%s\n", what, gain.mean(), low, high, low > 0 ? "" : ": NOT BETTER");
  return low > 0;
}

void draw(const std::string& folder, const reading& base, const std::vector<arm>& arms) {
  std::string script = svg_header(folder + "/tiny_lm.svg", 1000, 420, "") + "unset title\nset multiplot layout 1,2\n";
  script += "$reading << EOD\n";
  for (std::size_t i = 0; i < base.loss.size(); ++i)
    script += std::to_string(i) + " " + std::to_string(base.loss[i]) + "\n";
  script +=
      "EOD\nset title 'Reading'\nset xlabel 'step'\nset ylabel 'nats per character'\n"
      "plot $reading using 1:2 with lines lc rgb '#1b6ca8' notitle\n";
  for (const arm& a : arms) {
    script += "$" + a.name + " << EOD\n";
    for (const result& r : a.results)
      script += std::to_string(r.step) + " " + std::to_string(100 * r.by_likelihood.mean()) + " " +
                std::to_string(100 * r.by_reward.mean()) + "\n";
    script += "EOD\n";
  }
  script += "set title 'Tuning'\nset ylabel 'held-out pairs told apart, %'\nset key below\nplot ";
  const char* const colour[] = {"#1b6ca8", "#d1495b"};
  for (std::size_t k = 0; k < arms.size(); ++k) {
    const std::string style = std::string(" lw 2 lc rgb '") + colour[k] + "' title '" + arms[k].name;
    script += "$" + arms[k].name + " using 1:2 with linespoints pt 7" + style + ": by likelihood', ";
    script += "$" + arms[k].name + " using 1:3 with linespoints pt 6 dt 2" + style + ": by reward', ";
  }
  draw_svg(script + "\nunset multiplot\n");
}

}  // namespace

int main(int argc, char** argv) try {
  options o;
  CLI::App app{
      "Teaches a small language model the lines of a folder, and by DPO to prefer them to lines with mistakes."};
  app.add_option("text", o.text, "folder with .md files")->required()->check(CLI::ExistingDirectory);
  app.add_option("--beta", o.beta, "of DPO")->check(CLI::PositiveNumber);
  app.add_option("--likelihood", o.likelihood, "its weight beside DPO")->check(CLI::PositiveNumber);
  app.add_option("--reading-steps", o.reading_steps)->check(CLI::PositiveNumber);
  app.add_option("--tuning-steps", o.tuning_steps)->check(CLI::Range(examinations, 1000000));
  app.add_option("--seed", o.seed);
  app.add_option("-o,--output", o.output, "folder of the picture")->check(CLI::ExistingDirectory);
  app.add_flag("--quick", o.quick, "a third of the steps of reading, a fifth of those of tuning");
  CLI11_PARSE(app, argc, argv);
  if (o.quick) o.reading_steps /= 3, o.tuning_steps /= 5;

  const text_parts text(read_lines(o.text), dice(o.seed + 4));
  const exam held_out(text.held_out, dice(o.seed + 5));
  reading base = read(text.reading, o);
  print_samples("A model that has read writes:", base.model, o);

  std::vector<arm> arms = {{"DPO", 1, base.model, {}}, {"likelihood", 0, base.model, {}}};
  std::atomic<int> done{0};
  const auto after_step = [&] { show_progress("tuning, step", ++done, 2 * o.tuning_steps); };
  prefer::thread_pool pool(2);
  pool(2, [&](std::int64_t i) { tune(arms[i], text.tuning, held_out, o, after_step); });
  print_samples("and when it has been tuned:", arms[0].model, o);
  print_table(arms);
  draw(o.output, base, arms);

  const result &before = arms[0].results.front(), &dpo = arms[0].results.back(), &more_text = arms[1].results.back();
  std::puts("Told apart more often, in points, with the 95 % interval over lines:");
  bool holds = claim("by likelihood after DPO than before", dpo.by_likelihood, before.by_likelihood);
  holds &= claim("by the reward of DPO than by likelihood before", dpo.by_reward, before.by_likelihood);
  if (!o.quick)  // where it is too close to call
    holds &= claim("by likelihood after DPO than after as much likelihood alone", dpo.by_likelihood,
                   more_text.by_likelihood);
  return holds ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "tiny_lm: %s\n", e.what());
  return 1;
}
