// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate_rows.hpp>
#include <prefer/core/math.hpp>

namespace prefer {

// Rows of embeddings: n x D each, of any length (they are normalised here).
template <space S>
struct embedding_rows {
  input_view<2, S> embedding = {};
  input_view<2, S> reference = {};  // what it is compared with: a target, or the anchor of a triplet
};
template <space S>
struct embedding_gradients {
  output_view<2, S> embedding = {};
  output_view<2, S> reference = {};
};

// The cosine of two embeddings as a score of evaluate_rows.
//
//   score = e.r / (|e| |r|),   d score / d e = r / (|e| |r|) - score e / |e|^2,   d score / d r likewise
//
// Loss 1 - cos to a reference embedding: `reward_linear` with slope -1 and offset 1. Triplet loss on the squared
// distances of unit vectors, max(0, |a - p|^2 - |a - n|^2 + m) = max(0, m - 2 (cos(a, p) - cos(a, n))): twice
// `score_hinge` with target m / 2, the anchor as `reference` of both sides; its gradient is the sum of both sides'.
// Contrast of one pair against one other: `bradley_terry`. One reference for all: a row stride of 0.
//
// An embedding of norm 0 (no face was found, say) has cosine 0 and no gradient. Squares are summed in Compute inside a
// tile: norms whose squares leave its range (1e-19 to 1e19 in float) are 0 or infinite. Sources: ID-Aligner, arXiv
// 2404.15449 (identity feedback); triplets: Schroff et al. 2015, arXiv 1503.03832, as in Social Reward, 2402.09872.
struct cosine {
  static constexpr bool mean = false;
  static constexpr int arrays = 2, gradients = 2, factors = 1, sums = 3, kept = 3;
  template <space S>
  using rows = embedding_rows<S>;
  template <space S>
  using gradient_rows = embedding_gradients<S>;
  template <space S>
  struct item_factors {};
  static constexpr const char* pair_names[2][2] = {{"chosen.embedding", "chosen.reference"},
                                                   {"rejected.embedding", "rejected.reference"}};
  static constexpr const char* response_names[1][2] = {{"rows.embedding", "rows.reference"}};
  static constexpr const char* factor_names[1] = {""};
  struct gradient_names {
    static constexpr const char* pair_names[2][2] = {{"grad_chosen.embedding", "grad_chosen.reference"},
                                                     {"grad_rejected.embedding", "grad_rejected.reference"}};
    static constexpr const char* response_names[1][2] = {{"grad.embedding", "grad.reference"}};
  };

  constexpr status check() const { return {}; }
  constexpr bool reads(int) const { return true; }
  constexpr bool provides(int) const { return true; }
  template <class Rows, class F>
  static void each_row(const Rows& r, F f) {
    f(r.embedding), f(r.reference);
  }
  template <class Rows, class F>
  static void each_gradient(const Rows& r, F f) {
    f(r.embedding), f(r.reference);
  }
  template <class Factors, class F>
  static void each_factor(const Factors&, F) {}

  template <class V>
  PREFER_HD void terms(const V (&x)[arrays], const V (&)[factors], V (&t)[sums]) const {
    t[0] = x[0] * x[1], t[1] = x[0] * x[0], t[2] = x[1] * x[1];
  }
  // Keeps 1 / (|e| |r|), score / |e|^2 and score / |r|^2.
  PREFER_HD double finish(const double (&sum)[sums], double (&keep)[kept]) const {
    const bool nothing = sum[1] == 0 || sum[2] == 0;
    const double scale = nothing ? 0 : 1 / (math::sqrt(sum[1]) * math::sqrt(sum[2]));
    const double score = nothing ? 0 : sum[0] * scale;
    keep[0] = scale;
    keep[1] = nothing ? 0 : score / sum[1];
    keep[2] = nothing ? 0 : score / sum[2];
    return score;
  }
  template <class V>
  PREFER_HD void slopes(const V (&x)[arrays], const V (&)[factors], const V (&keep)[kept],
                        V (&slope)[gradients]) const {
    slope[0] = keep[0] * x[1] - keep[1] * x[0];
    slope[1] = keep[0] * x[0] - keep[2] * x[1];
  }
};

}  // namespace prefer
