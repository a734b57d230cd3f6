// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/check_numbers.hpp>
#include <prefer/backend/cpu/row_map_reduce.hpp>
#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>
#include <prefer/core/response.hpp>
#include <prefer/core/reward_pair.hpp>
#include <prefer/core/scored.hpp>

#include <cstdint>

// evaluate_rows: a loss over pairs or single items whose numbers come from rows (the squared errors of a noise
// prediction, the log-ratio of a denoising step, the cosine of two embeddings), with its gradient down to the rows, in
// one call.
namespace prefer {

// Gradients by the rows of one side: n x D each. A score with other gradients brings its own struct.
template <space S>
struct row_gradients {
  output_view<2, S> prediction = {};
  output_view<2, S> unconditional_prediction = {};  // with guidance only
};

// Pairs: rows of both sides, factors per pair. `Score` says which rows and factors there are.
template <class Score, space S>
struct row_pair_inputs {
  typename Score::template rows<S> chosen = {}, rejected = {};
  typename Score::template item_factors<S> step = {};
  input_view<1, S> label = {};
  input_view<1, S> margin = {};
  input_view<1, S> weight = {};
  input_view<1, S> mask = {};
  prefer::normalizer normalizer = {};
};
template <space S, class Gradients = row_gradients<S>>
struct row_pair_outputs {
  output_view<1, S> loss = {};
  Gradients grad_chosen = {}, grad_rejected = {};
  output_view<1, S> losses = {};
  output_view<1, S> reward_chosen = {}, reward_rejected = {};
  output_view<1, S> reward_margin = {};
  output_view<1, S> accuracy = {};
  output_view<1, S> count = {};
  output_view<1, S> terms = {};
  bool accumulate = false;
};

// Of losses over pairs of scores.
template <space S, class Gradients>
struct row_reward_pair_outputs {
  output_view<1, S> loss = {};
  Gradients grad_chosen = {}, grad_rejected = {};
  output_view<1, S> losses = {};
  output_view<1, S> reward_margin = {};
  output_view<1, S> accuracy = {};
  output_view<1, S> count = {};
  output_view<1, S> terms = {};
  bool accumulate = false;
};

// Single responses, and single scores.
template <class Score, space S>
struct row_response_inputs {
  typename Score::template rows<S> rows = {};
  typename Score::template item_factors<S> step = {};
  input_view<1, S> label = {};
  input_view<1, S> weight = {};
  input_view<1, S> mask = {};
  prefer::normalizer normalizer = {};
};
template <space S, class Gradients = row_gradients<S>>
struct row_response_outputs {
  output_view<1, S> loss = {};
  Gradients grad = {};
  output_view<1, S> losses = {};
  output_view<1, S> reward = {};
  output_view<1, S> mean_reward = {};
  output_view<1, S> count = {};
  output_view<1, S> terms = {};
  bool accumulate = false;
};
template <space S, class Gradients>
struct row_scored_outputs {
  output_view<1, S> loss = {};
  Gradients grad = {};
  output_view<1, S> losses = {};
  output_view<1, S> probability = {};
  output_view<1, S> mean_probability = {};
  output_view<1, S> count = {};
  output_view<1, S> terms = {};
  bool accumulate = false;
};

inline namespace PREFER_ABI {
namespace detail {

// The gradients that a score has by its rows: their struct, and the names of its members.
template <class Score>
struct gradients_of_score {
  template <space S>
  using type = row_gradients<S>;
  static constexpr int count = 2;
  static constexpr const char* pair_names[2][2] = {
      {"grad_chosen.prediction", "grad_chosen.unconditional_prediction"},
      {"grad_rejected.prediction", "grad_rejected.unconditional_prediction"}};
  static constexpr const char* response_names[1][2] = {{"grad.prediction", "grad.unconditional_prediction"}};
  template <class Gradients, class F>
  static void each(const Gradients& g, F f) {
    f(g.prediction), f(g.unconditional_prediction);
  }
};
template <class Score>
requires requires { typename Score::template gradient_rows<space::host>; }
struct gradients_of_score<Score> : Score::gradient_names {
  template <space S>
  using type = typename Score::template gradient_rows<S>;
  static constexpr int count = Score::gradients;
  template <class Gradients, class F>
  static void each(const Gradients& g, F f) {
    Score::each_gradient(g, f);
  }
};

// How items of two rows and of one row are laid out: f(side, rows) and f(side, gradients).
struct two_row_sides {
  static constexpr int sides = 2;
  template <class Score, space S>
  using inputs = row_pair_inputs<Score, S>;
  template <class Names>
  static constexpr const auto& names() {
    return Names::pair_names;
  }
  template <class Inputs, class F>
  static void each_rows(const Inputs& in, F f) {
    f(0, in.chosen), f(1, in.rejected);
  }
  template <class Outputs, class F>
  static void each_gradient(const Outputs& out, F f) {
    f(0, out.grad_chosen), f(1, out.grad_rejected);
  }
};
struct one_row_side {
  static constexpr int sides = 1;
  template <class Score, space S>
  using inputs = row_response_inputs<Score, S>;
  template <class Names>
  static constexpr const auto& names() {
    return Names::response_names;
  }
  template <class Inputs, class F>
  static void each_rows(const Inputs& in, F f) {
    f(0, in.rows);
  }
  template <class Outputs, class F>
  static void each_gradient(const Outputs& out, F f) {
    f(0, out.grad);
  }
};

// Per kind: the call's structs, what of them belongs to the items, and how many of the kind's inputs the rows give
// (the scores, and references, which are 0).
template <class Kind>
struct row_kind {
  static_assert(sizeof(Kind) == 0,
                "prefer: evaluate_rows takes losses over pair<V>, response<V>, reward_pair<V> or scored<V>");
};
template <>
struct row_kind<pair_kind> : two_row_sides {
  static constexpr int computed_inputs = 4;
  template <space S, class Gradients>
  using outputs = row_pair_outputs<S, Gradients>;

  template <class Score, space S>
  static pair_inputs<S> items(const row_pair_inputs<Score, S>& in) {
    return {.label = in.label, .margin = in.margin, .weight = in.weight, .mask = in.mask, .normalizer = in.normalizer};
  }
  template <space S, class Gradients>
  static pair_outputs<S> items(const row_pair_outputs<S, Gradients>& out) {
    return {.loss = out.loss,
            .losses = out.losses,
            .reward_chosen = out.reward_chosen,
            .reward_rejected = out.reward_rejected,
            .reward_margin = out.reward_margin,
            .accuracy = out.accuracy,
            .count = out.count,
            .terms = out.terms,
            .accumulate = out.accumulate};
  }
};
template <>
struct row_kind<reward_pair_kind> : two_row_sides {
  static constexpr int computed_inputs = 2;
  template <space S, class Gradients>
  using outputs = row_reward_pair_outputs<S, Gradients>;

  template <class Score, space S>
  static reward_pair_inputs<S> items(const row_pair_inputs<Score, S>& in) {
    return {.label = in.label, .margin = in.margin, .weight = in.weight, .mask = in.mask, .normalizer = in.normalizer};
  }
  template <space S, class Gradients>
  static reward_pair_outputs<S> items(const row_reward_pair_outputs<S, Gradients>& out) {
    return {.loss = out.loss,
            .losses = out.losses,
            .reward_margin = out.reward_margin,
            .accuracy = out.accuracy,
            .count = out.count,
            .terms = out.terms,
            .accumulate = out.accumulate};
  }
};
template <>
struct row_kind<response_kind> : one_row_side {
  static constexpr int computed_inputs = 2;
  template <space S, class Gradients>
  using outputs = row_response_outputs<S, Gradients>;

  template <class Score, space S>
  static response_inputs<S> items(const row_response_inputs<Score, S>& in) {
    return {.label = in.label, .weight = in.weight, .mask = in.mask, .normalizer = in.normalizer};
  }
  template <space S, class Gradients>
  static response_outputs<S> items(const row_response_outputs<S, Gradients>& out) {
    return {.loss = out.loss,
            .losses = out.losses,
            .reward = out.reward,
            .mean_reward = out.mean_reward,
            .count = out.count,
            .terms = out.terms,
            .accumulate = out.accumulate};
  }
};
template <>
struct row_kind<scored_kind> : one_row_side {
  static constexpr int computed_inputs = 1;
  template <space S, class Gradients>
  using outputs = row_scored_outputs<S, Gradients>;

  template <class Score, space S>
  static scored_inputs<S> items(const row_response_inputs<Score, S>& in) {
    return {.label = in.label, .weight = in.weight, .mask = in.mask, .normalizer = in.normalizer};
  }
  template <space S, class Gradients>
  static scored_outputs<S> items(const row_scored_outputs<S, Gradients>& out) {
    return {.loss = out.loss,
            .losses = out.losses,
            .probability = out.probability,
            .mean_probability = out.mean_probability,
            .count = out.count,
            .terms = out.terms,
            .accumulate = out.accumulate};
  }
};

template <class Score, class Loss, class Exec>
using row_inputs_of = typename row_kind<kind_of<Loss>>::template inputs<Score, Exec::memory>;
template <class Score, class Loss, class Exec>
using row_outputs_of =
    typename row_kind<kind_of<Loss>>::template outputs<Exec::memory,
                                                       typename gradients_of_score<Score>::template type<Exec::memory>>;

// One call, with what its checks and its primitive need.
template <class Score, class Loss, class Exec>
class row_call {
 public:
  static constexpr space S = Exec::memory;
  using kind = row_kind<kind_of<Loss>>;
  using body = loss_body<Loss>;
  using inputs = row_inputs_of<Score, Loss, Exec>;
  using outputs = row_outputs_of<Score, Loss, Exec>;
  using gradients = gradients_of_score<Score>;
  static constexpr int sides = kind::sides;
  using arguments = row_arguments<Score, body, sides>;

  row_call(const Score& score, const Loss& loss, const inputs& in, const outputs& out)
      : score_(score), loss_(loss), in_(in), out_(out), items_in_(kind::items(in)), items_out_(kind::items(out)) {
    list_items(items_in_, items_out_, list_, [&](auto f) { kind_of<Loss>::each_input(items_in_, f); });
    for (int k = 0; k < kind::computed_inputs; ++k) list_.in[k].group = computed;  // the scores, and references of 0
  }
  row_call(const row_call&) = delete;

  // All checks of `evaluate_rows`, and what it computes from.
  status prepare(const Exec& exec, purpose why, arguments& a) {
    const traits_of_loss<Loss> traits(loss_);
    if (const status s = first_error(score_.check(), check_parameters(loss_)); !s.ok()) return s;
    if (const status s = check_rows(); !s.ok()) return s;
    if (const status s = check_inputs(list_, traits.reads, extent_); !s.ok()) return s;
    if (const status s = check_gradients(traits); !s.ok()) return s;
    list_.needs_output = why == purpose::compute && !any_gradient_;
    if (const status s = check_outputs(list_, traits, extent_); !s.ok()) return s;
    if (const status s = check_overlap(); !s.ok()) return s;
    fill(a);
    return look_at(exec, a);
  }

  // Labels; with content::all NaN too, in the rows of selected items as well. The index is that of the item.
  static status look_at(const cpu& exec, const arguments& a) {
    static constexpr content_rules<Loss> rules;
    if (const status s = check_content(exec, rules.list, a.items); !s.ok()) return s;
    if (exec.content != content::all) return {};
    for (int k = 0; k < Score::factors; ++k)
      if (const status s = check_source(a.factor[k], a.items.mask, {Score::factor_names[k]}, exec.content, a.items.n);
          !s.ok())
        return s;
    for (int side = 0; side < sides; ++side)
      for (int k = 0; k < Score::arrays; ++k)
        if (const status s = check_numbers(exec, kind::template names<Score>()[side][k], a.row[side][k], a.items.mask,
                                           a.items.n, a.elements);
            !s.ok())
          return s;
    return {};
  }
  static status look_at(const cuda&, const arguments&) { return {}; }

 private:
  Score score_;
  Loss loss_;
  const inputs& in_;
  const outputs& out_;
  decltype(kind::items(std::declval<const inputs&>())) items_in_;
  decltype(kind::items(std::declval<const outputs&>())) items_out_;
  call_list<Loss, S> list_;
  std::int64_t extent_[3] = {-1, -1, -1};
  std::int64_t elements_ = -1;
  bool any_gradient_ = false;

  // f(side, k, name, view) of every row array, in the order of the score's arrays.
  template <class F>
  void each_array(F f) const {
    kind::each_rows(in_, [&](int side, const auto& rows) {
      int k = 0;
      Score::each_row(rows, [&](const auto& v) {
        f(side, k, kind::template names<Score>()[side][k], v);
        ++k;
      });
    });
  }
  template <class F>
  void each_gradient(F f) const {
    kind::each_gradient(out_, [&](int side, const auto& g) {
      int k = 0;
      gradients::each(g, [&](const auto& v) {
        f(side, k, kind::template names<gradients>()[side][k], v);
        ++k;
      });
    });
  }

  status check_rows() {
    status first;
    each_array([&](int, int k, const char* name, const auto& v) {
      if (!first.ok()) return;
      const bool read = score_.reads(k);
      if (!v.given()) {
        if (read) first = require::fail(errc::missing_input, name, "one row per item, since this score reads it");
        return;
      }
      if (!read) {
        first = require::fail(errc::unused_input, name, "to be left out, since this score does not read it");
        return;
      }
      if (extent_[0] < 0) extent_[0] = v.extent[0], elements_ = v.extent[1];
      if (extent_[0] < 0 || elements_ < 0)
        first = require::fail(errc::bad_extent, name, "at least",
                              static_cast<double>(extent_[0] < 0 ? extent_[0] : elements_), 0);
      else
        first = require::matrix(name, v, extent_[0], elements_);
    });
    if (!first.ok()) return first;
    int k = 0;
    Score::each_factor(in_.step, [&](const auto& v) {
      const char* name = Score::factor_names[k++];
      if (!first.ok()) return;
      first = v.given() ? require::vector(name, v, extent_[0], same_extent, require::holds::numbers)
                        : require::fail(errc::missing_input, name, "one number per item, since this score reads it");
    });
    return first;
  }

  status check_gradients(const traits_of_loss<Loss>& traits) {
    status first;
    each_gradient([&](int side, int g, const char* name, const auto& v) {
      if (!first.ok() || !v.given()) return;
      any_gradient_ = true;
      if (!traits.provides[side] || !score_.provides(g))
        first = require::fail(errc::unavailable_output, name, "to be left out, since this call does not provide it");
      else
        first = require::matrix(name, v, extent_[0], elements_);
    });
    return first;
  }

  status check_overlap() const {
    using list_type = call_list<Loss, S>;
    require::footprints<list_type::inputs + 2 + sides * Score::arrays + Score::factors,
                        list_type::outputs + list_type::totals + 1 + sides * gradients::count>
        all;
    add_footprints(list_, all);
    each_array([&](int, int, const char* name, const auto& v) {
      if (v.given()) all.read(require::footprint_of(name, v));
    });
    int k = 0;
    Score::each_factor(in_.step, [&](const auto& v) {
      all.read(listed<input_view<1, S>>{Score::factor_names[k], &v, 0});
      ++k;
    });
    each_gradient([&](int, int, const char* name, const auto& v) {
      if (v.given()) all.write(require::footprint_of(name, v));
    });
    return all.check();
  }

  void fill(arguments& a) const {
    a.items = make_arguments(list_, extent_[0]);
    a.elements = elements_;
    a.computed = kind::computed_inputs;
    a.scale = score_.mean && elements_ > 0 ? 1.0 / static_cast<double>(elements_) : 1.0;
    each_array([&](int side, int k, const char*, const auto& v) {
      if (v.given()) a.row[side][k] = {v.data, v.stride[0], v.stride[1], v.type};
    });
    each_gradient([&](int side, int g, const char*, const auto& v) {
      if (v.given() && g < Score::gradients) a.gradient[side][g] = {v.data, v.stride[0], v.stride[1], v.type};
    });
    int k = 0;
    Score::each_factor(in_.step, [&](const auto& v) { a.factor[k++] = {v.data, v.stride[0], v.type}; });
  }
};

}  // namespace detail

// Value of `loss` over n items whose scores come from rows of D elements, and its gradient by the rows: `score` is
// noise_error (Diffusion-DPO, SePPO, Diffusion-KTO), denoising_step (D3PO, step-aware SPO), gaussian_log_ratio and
// gaussian_logp, cosine (triplets, identity), gaussian_kl, or a class of that shape. The score of a side is what a loss
// over pairs and responses knows as policy minus reference, and a loss over reward_pair and scored as the score.
//
//   evaluate_rows<float>(cpu{}, noise_error{}, diffusion_dpo{}, {.chosen = {.prediction = {p, n, D}, ...}, ...},
//                        {.loss = {&loss, 1}, .grad_chosen = {.prediction = {g, n, D}}, ...});
//
// Terms are computed in Compute (float or double). Memory: each row is read from memory once and each gradient written
// once, if the rows of one item fit in a cache. Returns the first thing that is wrong; then nothing has been written.
template <class Compute, class Exec, class Score, class Loss>
status evaluate_rows(const Exec& exec, const Score& score, const Loss& loss,
                     const std::type_identity_t<detail::row_inputs_of<Score, Loss, Exec>>& in,
                     const std::type_identity_t<detail::row_outputs_of<Score, Loss, Exec>>& out) {
  static_assert(std::same_as<Compute, float> || std::same_as<Compute, double>,
                "prefer: evaluate_rows<Compute> computes in float or double; the views choose their own element types");
  using call = detail::row_call<Score, Loss, Exec>;
  typename call::arguments arguments;
  if (const status s = call(score, loss, in, out).prepare(exec, detail::purpose::compute, arguments); !s.ok()) return s;
  return row_map_reduce<Compute>(exec, score, detail::loss_body<Loss>{loss}, arguments);
}

}  // namespace PREFER_ABI
}  // namespace prefer
