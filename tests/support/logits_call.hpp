// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/logp/evaluate_logits.hpp>
#include <prefer/loss/dpo.hpp>
#include <support/token_call.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

// Preference pairs as a trainer has them: prompts and responses packed into one array of tokens, each with a row of
// logits of the policy and of a reference, and what must come out of them for DPO, by the textbook in long double.
namespace prefer_test {

// prompt | chosen | rejected | prompt | ...; some tokens are masked, some have no target, one response is empty. Rows
// that must not be read hold NaN.
template <class S>
struct logits_batch {
  std::int64_t n, m, v;
  token_matrix<S> logits, reference, gradient;
  buffer<std::int64_t> target;
  buffer<std::int32_t> begin[2], end[2];  // of chosen, rejected
  buffer<bool> mask[2], pair_mask;
  buffer<double> loss, losses;
  prefer::token_softmax softmax = {.temperature = 1.25};

  static constexpr std::int64_t prompt = 2;
  static std::int64_t length(std::int64_t i, int side) { return (i * 5 + 3 * side) % 7; }
  static std::int64_t total(std::int64_t pairs) {
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < pairs; ++i) sum += prompt + length(i, 0) + length(i, 1);
    return sum;
  }

  logits_batch(std::int64_t pairs, std::int64_t vocabulary, std::int64_t gap = 0, std::int64_t offset = 0,
               std::int64_t step = 1)
      : n(pairs),
        m(total(pairs)),
        v(vocabulary),
        logits(m, v, gap, offset, step),
        reference(m, v, gap, offset, step),
        gradient(m, v, gap, offset, step),
        target(m, step),
        begin{buffer<std::int32_t>(n), buffer<std::int32_t>(n)},
        end{buffer<std::int32_t>(n), buffer<std::int32_t>(n)},
        mask{buffer<bool>(m), buffer<bool>(m, step)},
        pair_mask(n),
        loss(1),
        losses(n) {
    noise random(5);
    logits.fill(random, -4, 4), reference.fill(random, -4, 4);
    std::int32_t at = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      at += static_cast<std::int32_t>(prompt);
      pair_mask.at(i) = i % 4 != 3;
      for (int p = 0; p < 2; ++p) {
        begin[p].at(i) = at;
        at += static_cast<std::int32_t>(length(i, p));
        end[p].at(i) = at;
      }
    }
    for (std::int64_t t = 0; t < m; ++t) {
      target.at(t) = t % 8 == 5 ? -100 : t * 31 % v;
      mask[0].at(t) = t % 5 != 4, mask[1].at(t) = t % 7 != 2;
    }
    for (std::int64_t t = 0; t < m; ++t)
      if (!counts(t)) spoil(t);
  }

  // The pair and the side of a token, or -1.
  struct place {
    std::int64_t pair = -1;
    int side = 0;
  };
  place place_of(std::int64_t t) {
    for (std::int64_t i = 0; i < n; ++i)
      for (int p = 0; p < 2; ++p)
        if (t >= begin[p].at(i) && t < end[p].at(i)) return {i, p};
    return {};
  }
  bool counts(std::int64_t t) {
    const place at = place_of(t);
    return at.pair >= 0 && pair_mask.at(at.pair) && mask[at.side].at(t) && target.at(t) != -100;
  }
  void spoil(std::int64_t t) {
    for (std::int64_t e = 0; e < v; ++e)
      for (auto* x : {&logits, &reference}) x->set(t, e, std::numeric_limits<double>::quiet_NaN());
    if (target.at(t) != -100) target.at(t) = v + 5;
  }

  prefer::policy_logits<prefer::space::host> matrices() {
    return {.logits = logits.read(),
            .reference_logits = reference.read(),
            .target = target.read(),
            .softmax = softmax,
            .grad_logits = gradient.view()};
  }
  prefer::pair_token_inputs<prefer::space::host> tokens() {
    return {.chosen_offsets = begin[0].read(),
            .rejected_offsets = begin[1].read(),
            .chosen_mask = mask[0].read(),
            .rejected_mask = mask[1].read(),
            .chosen_ends = end[0].read(),
            .rejected_ends = end[1].read(),
            .mask = pair_mask.read()};
  }
  prefer::pair_outputs<prefer::space::host> outputs() { return {.loss = loss.view(), .losses = losses.view()}; }
  std::vector<std::byte> workspace() const {
    return std::vector<std::byte>(prefer::evaluate_logits_workspace<double>(prefer::cpu{}, prefer::dpo{}, m, v, n));
  }
  bool intact() {
    return logits.gaps_intact() && gradient.gaps_intact() && loss.intact() && losses.intact() && target.intact();
  }
  // Every bit of the answer.
  std::vector<unsigned char> bits() {
    std::vector<unsigned char> all = gradient.memory.bytes();
    for (const buffer<double>* b : {&loss, &losses}) all.insert(all.end(), b->bytes().begin(), b->bytes().end());
    return all;
  }
};

// DPO of a batch, with how far it may be off in arithmetic T: errors of log-probabilities add up in a pair's margin.
template <class S>
struct logits_truth {
  long double loss = 0, loss_error = 0;
  std::vector<std::vector<long double>> gradient, error;  // [M][V]; empty for tokens that do not count

  logits_truth(logits_batch<S>& b, double beta) : gradient(size(b.m)), error(size(b.m)) {
    using T = compute_of<S>;
    std::vector<long double> margin(size(b.n)), off(size(b.n));
    long double selected = 0;
    for (std::int64_t i = 0; i < b.n; ++i) selected += b.pair_mask.at(i);
    for (std::int64_t t = 0; t < b.m; ++t) {
      if (!b.counts(t)) continue;
      const auto [pair, side] = b.place_of(t);
      for (auto* x : {&b.logits, &b.reference}) {
        const std::vector<double> row = x->logits(t);
        const token_truth truth = token_textbook(row, b.target.at(t), b.softmax);
        margin[size(pair)] += beta * (side == 0 ? 1 : -1) * (x == &b.logits ? 1 : -1) * truth.logp;
        off[size(pair)] += beta * token_bounds<T>(row, b.softmax).logp(truth);
      }
    }
    std::vector<long double> slope(size(b.n));
    for (std::int64_t i = 0; i < b.n; ++i) {
      slope[size(i)] = -beta / (1 + std::exp(margin[size(i)])) / selected;
      if (!b.pair_mask.at(i)) continue;
      loss += std::log1p(std::exp(-margin[size(i)])) / selected;
      loss_error += off[size(i)] / selected;
    }
    for (std::int64_t t = 0; t < b.m; ++t) {
      if (!b.counts(t)) continue;
      const auto [pair, side] = b.place_of(t);
      token_weights w;
      w.logp = static_cast<double>((side == 0 ? 1 : -1) * slope[size(pair)]);
      const std::vector<double> row = b.logits.logits(t);
      const token_truth truth = token_textbook(row, b.target.at(t), b.softmax, w);
      gradient[size(t)] = truth.gradient;
      for (std::size_t e = 0; e < row.size(); ++e)
        error[size(t)].push_back(token_bounds<T>(row, b.softmax).gradient(truth, e) + 1e-15L * truth.size[e] +
                                 off[size(pair)] * std::fabs(truth.gradient[e]) + rounding<S>(truth.gradient[e]));
    }
  }

  // What a call wrote for the batch.
  void check(logits_batch<S>& b) const {
    CHECK(std::fabs(b.loss.get(0) - loss) <= loss_error + 1e-15L);
    for (std::int64_t t = 0; t < b.m; ++t)
      for (std::int64_t e = 0; e < b.v; ++e) {
        const double got = b.gradient.get(t, e);
        INFO("token " << t << ", column " << e << ": " << got);
        if (gradient[size(t)].empty())
          CHECK(got == 0);
        else
          CHECK(std::fabs(got - gradient[size(t)][size(e)]) <= error[size(t)][size(e)]);
      }
  }

 private:
  static std::size_t size(std::int64_t x) { return static_cast<std::size_t>(x); }
};

// A head of `features` x V weights behind hidden states, in double, whose logits exist a chunk at a time. With the
// gradient of a chunk it accumulates those of hidden states and weights.
struct linear_head {
  std::int64_t m, h, v;
  std::vector<double> hidden, weight, grad_hidden, grad_weight;
  std::vector<double>* buffer;
  int made = 0, taken = 0;

  linear_head(std::int64_t rows, std::int64_t features, std::int64_t columns, std::vector<double>& chunk)
      : m(rows),
        h(features),
        v(columns),
        hidden(static_cast<std::size_t>(m * h)),
        weight(static_cast<std::size_t>(h * v)),
        grad_hidden(hidden.size()),
        grad_weight(weight.size()),
        buffer(&chunk) {}

  void make(std::int64_t first, std::int64_t count) {
    ++made;
    for (std::int64_t i = 0; i < count; ++i)
      for (std::int64_t e = 0; e < v; ++e) {
        double sum = 0;
        for (std::int64_t k = 0; k < h; ++k) sum += at(hidden, (first + i) * h + k) * at(weight, k * v + e);
        at(*buffer, i * v + e) = sum;
      }
  }
  void take(std::int64_t first, std::int64_t count) {
    ++taken;
    for (std::int64_t i = 0; i < count; ++i)
      for (std::int64_t e = 0; e < v; ++e)
        for (std::int64_t k = 0; k < h; ++k) {
          at(grad_hidden, (first + i) * h + k) += at(*buffer, i * v + e) * at(weight, k * v + e);
          at(grad_weight, k * v + e) += at(*buffer, i * v + e) * at(hidden, (first + i) * h + k);
        }
  }

  static double& at(std::vector<double>& x, std::int64_t i) { return x[static_cast<std::size_t>(i)]; }
};

}  // namespace prefer_test
