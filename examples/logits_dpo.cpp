// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// DPO from hidden states: the logits of a linear head exist 8 rows at a time, Eigen multiplies them in the callbacks.
#include <prefer/interop/eigen.hpp>
#include <prefer/logp/evaluate_logits.hpp>
#include <prefer/loss/dpo.hpp>

#include <Eigen/Dense>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

int main() {
  constexpr int pairs = 50, length = 6, tokens = 2 * pairs * length, features = 16, vocabulary = 40, chunk = 8;
  std::srand(2);
  // Chosen responses use the first half of the vocabulary, rejected ones the second.
  const matrix hidden = matrix::Random(tokens, features), reference = matrix::Random(features, vocabulary) * 0.3f;
  matrix head = reference, grad_head(features, vocabulary), buffer(chunk, vocabulary);
  std::vector<std::int32_t> target, offsets;
  for (int t = 0; t < tokens; ++t) target.push_back(std::rand() % 20 + (t / length % 2 == 0 ? 0 : 20));
  for (int r = 0; r <= 2 * pairs; ++r) offsets.push_back(r * length);

  const auto product = [&](const matrix& weights, std::int64_t first, std::int64_t count) {
    buffer.topRows(count).noalias() = hidden.middleRows(first, count) * weights;
  };
  auto logits = [&](std::int64_t first, std::int64_t count) { product(head, first, count); };
  auto reference_logits = [&](std::int64_t first, std::int64_t count) { product(reference, first, count); };
  auto grad_logits = [&](std::int64_t first, std::int64_t count) {
    grad_head.noalias() += hidden.middleRows(first, count).transpose() * buffer.topRows(count);
  };
  const prefer::dpo dpo{.beta = 0.1};
  const std::size_t bytes = prefer::evaluate_logits_workspace<float>(prefer::cpu{}, dpo, tokens, vocabulary, pairs);
  std::vector<std::byte> scratch(bytes);
  float loss = 0, accuracy = 0;
  for (int step = 0; step <= 100; ++step) {
    grad_head.setZero();
    prefer::check(
        prefer::evaluate_logits_chunks<float>(prefer::cpu{.workspace = {scratch.data(), bytes}}, dpo,
                                              {.chunks = {tokens, prefer::as_matrix(buffer), logits, grad_logits},
                                               .reference_logits = reference_logits,
                                               .target = {target.data(), tokens}},
                                              {.chosen_offsets = {offsets.data(), pairs, 2},
                                               .rejected_offsets = {offsets.data() + 1, pairs, 2},
                                               .chosen_ends = {offsets.data() + 1, pairs, 2},
                                               .rejected_ends = {offsets.data() + 2, pairs, 2}},
                                              {.loss = {&loss, 1}, .accuracy = {&accuracy, 1}}));
    if (step % 50 == 0) std::printf("step %3d: loss %.4f, accuracy %.3f\n", step, loss, accuracy);
    head -= 2 * grad_head;
  }
  return accuracy > 0.95f && loss < 0.5f ? 0 : 1;
}
