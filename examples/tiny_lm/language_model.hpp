// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/perceptron.hpp"
#include "text.hpp"

#include <cstdint>

// A model of characters: embeddings of the last few, two hidden layers, and logits of the next one.
class language_model {
 public:
  static constexpr int context = packed_lines::context, features = 12, hidden = 96;

  explicit language_model(std::uint64_t seed) : language_model(dice(seed)) {}

  // The logits [vocabulary, tokens] of tokens [first, first + count).
  MatrixXf logits(const packed_lines& lines, std::int64_t first, std::int64_t count) {
    MatrixXf x(context * features, count);
    for (std::int64_t t = 0; t < count; ++t)
      for (int k = 0; k < context; ++k)
        x.col(t).segment<features>(k * features) = embedding_.value().col(lines.before(first + t)[k]);
    return layers_.forward(std::move(x));
  }
  MatrixXf logits(const packed_lines& lines) { return logits(lines, 0, lines.tokens()); }

  // One step of Adam along the gradient of a loss by the last logits, which were those of all tokens of `lines`.
  void learn(const packed_lines& lines, MatrixXf by_logits, float rate) {
    const MatrixXf by_input = layers_.learn(std::move(by_logits), rate);
    MatrixXf by_embedding = MatrixXf::Zero(features, vocabulary);
    for (std::int64_t t = 0; t < by_input.cols(); ++t)
      for (int k = 0; k < context; ++k)
        by_embedding.col(lines.before(t)[k]) += by_input.col(t).segment<features>(k * features);
    embedding_.learn(by_embedding, rate);
  }

  void forget_moments() { embedding_.forget_moments(), layers_.forget_moments(); }

 private:
  parameter embedding_;
  perceptron layers_;

  explicit language_model(dice random)
      : embedding_(random.normals(features, vocabulary)),
        layers_({context * features, hidden, hidden, vocabulary}, random) {}
};
