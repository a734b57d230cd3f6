// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>
#include <prefer/core/reward_pair.hpp>
#include <support/buffer.hpp>
#include <support/dual.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>
#include <vector>

namespace prefer_test {

template <class Loss>
inline constexpr int field_count = prefer::detail::loss_body<Loss>::fields;
template <class Loss>
inline constexpr int output_count = prefer::detail::loss_body<Loss>::outputs;
template <class Loss>
inline constexpr int total_count = prefer::detail::loss_body<Loss>::own_totals;

// The input that output m is the gradient of, or -1.
template <class Loss>
int differentiated(int m) {
  using kind = prefer::kind_of<Loss>;
  const std::string_view output = kind::output_fields[m];
  for (int k = 0; k < field_count<Loss>; ++k)
    if (output.starts_with("grad_") && output.substr(5) == kind::input_fields[k].name) return k;
  return -1;
}

// The memory of one call of any loss: a buffer for every input that it reads and every output that it provides, filled
// with random numbers in the range that the field's name suggests.
template <class Loss, class S>
struct loss_call {
  using kind = prefer::kind_of<Loss>;

  Loss loss;
  std::int64_t n;
  prefer::detail::traits_of_loss<Loss> traits;
  std::vector<buffer<S>> in;
  buffer<S> weight;
  buffer<bool> mask;
  std::vector<buffer<S>> out;
  std::vector<buffer<double>> total;
  double divisor = 0;  // 0: the default

  explicit loss_call(const Loss& l, std::int64_t items, std::int64_t stride = 1, std::int64_t offset = 0)
      : loss(l),
        n(items),
        traits(l),
        in(field_count<Loss>, buffer<S>(n, stride, offset)),
        weight(n, stride, offset),
        mask(n, stride, offset),
        out(output_count<Loss>, buffer<S>(n, stride, offset)),
        total(total_count<Loss>, buffer<double>(1)) {
    noise random(17);
    for (std::int64_t i = 0; i < n; ++i) {
      for (int k = 0; k < field_count<Loss>; ++k) in[at(k)].set(i, draw(k, random));
      weight.set(i, random.uniform(-2, 2));
      mask.at(i) = random.uniform(0, 1) < 0.7;
    }
  }

  static std::size_t at(int k) { return static_cast<std::size_t>(k); }
  bool reads(int k) const { return (traits.reads >> k & 1u) != 0; }

  static double draw(int k, noise& random) {
    const std::string_view name = kind::input_fields[k].name;
    if (kind::input_fields[k].content == prefer::content_of::probability) return random.uniform(0, 1);
    if (name.starts_with("length")) return std::floor(random.uniform(1, 60));
    if (name.starts_with("policy") || name.starts_with("reference")) return random.uniform(-40, 0);
    return random.uniform(-3, 3);
  }

  // Structs of views; `view_of(buffer)` says in which memory.
  template <class Inputs, class ViewOf>
  Inputs make_inputs(ViewOf view_of, bool with_weight = true, bool with_mask = true) {
    Inputs x;
    int k = 0;
    kind::each_input(x, [&](auto& v) {
      if (reads(k)) v = view_of(in[at(k)]);
      ++k;
    });
    if (with_weight) x.weight = view_of(weight);
    if (with_mask) x.mask = view_of(mask);
    if (divisor != 0) x.normalizer = divisor;
    return x;
  }
  template <class Outputs, class ViewOf>
  Outputs make_outputs(ViewOf view_of) {
    Outputs x;
    int m = 0, r = 0;
    kind::each_output(x, [&](auto& v) {
      if (traits.provides[m]) v = view_of(out[at(m)]);
      ++m;
    });
    kind::each_total(x, [&](auto& v) {
      if (traits.provides_total[r]) v = view_of(total[at(r)]);
      ++r;
    });
    return x;
  }
  auto inputs(bool with_weight = true, bool with_mask = true) {
    return make_inputs<prefer::inputs_of<Loss, prefer::cpu>>([](auto& b) { return b.read(); }, with_weight, with_mask);
  }
  auto outputs() {
    return make_outputs<prefer::outputs_of<Loss, prefer::cpu>>([](auto& b) { return b.view(); });
  }

  // What was written, bit by bit.
  std::vector<unsigned char> written() const {
    std::vector<unsigned char> all;
    for (const auto& b : out) all.insert(all.end(), b.bytes().begin(), b.bytes().end());
    for (const auto& b : total) all.insert(all.end(), b.bytes().begin(), b.bytes().end());
    return all;
  }
  bool intact() {
    bool ok = weight.intact() && mask.intact();
    for (auto& b : in) ok = ok && b.intact();
    for (auto& b : out) ok = ok && b.intact();
    for (auto& b : total) ok = ok && b.intact();
    return ok;
  }
  bool untouched() const {
    bool ok = true;
    for (const auto& b : out) ok = ok && b.untouched();
    for (const auto& b : total) ok = ok && b.untouched();
    return ok;
  }
};

// What a call must give: every item's loss evaluated in long double, its gradients by dual numbers, its totals added up
// item by item. Nothing of the library takes part but the loss's formula for the value.
template <class Loss>
struct expectation {
  std::vector<std::vector<long double>> out;
  std::vector<long double> largest;  // of each output, the size that errors are relative to
  long double total[total_count<Loss>] = {}, total_size[total_count<Loss>] = {};

  template <class S>
  explicit expectation(loss_call<Loss, S>& c, bool with_weight = true, bool with_mask = true) {
    using kind = prefer::kind_of<Loss>;
    using D = dual<long double>;
    long double selected = 0;
    for (std::int64_t i = 0; i < c.n; ++i) selected += !with_mask || c.mask.at(i) ? 1 : 0;
    const long double divisor = c.divisor != 0 ? c.divisor : std::max(selected, 1.0L);
    out.assign(output_count<Loss>, std::vector<long double>(static_cast<std::size_t>(c.n)));
    largest.assign(output_count<Loss>, 0);
    for (std::int64_t i = 0; i < c.n; ++i) {
      if (with_mask && !c.mask.at(i)) continue;
      const long double w = with_weight ? c.weight.get(i) : 1;
      typename kind::template item<D> item;
      D* field[field_count<Loss>];
      int k = 0;
      kind::each_input(item, [&](D& x) {
        x = c.reads(k) ? D(c.in[c.at(k)].get(i)) : D(kind::input_fields[k].neutral);
        field[k++] = &x;
      });
      const auto term = c.loss(item);
      int m = 0, r = 0;
      kind::emit(item, term, D(w), D(w / divisor),
                 [&](const D& x) { out[c.at(m++)][c.at(static_cast<int>(i))] = x.value; });
      kind::add_up(item, term, D(w), [&](const D& x) {
        const long double share = r == kind::count_total ? x.value : x.value / divisor;
        total[r] += share;
        total_size[r++] += std::fabs(share);
      });
      for (m = 0; m < output_count<Loss>; ++m) {
        long double& x = out[c.at(m)][c.at(static_cast<int>(i))];
        if (const int f = differentiated<Loss>(m); f >= 0 && c.traits.provides[m]) {
          field[f]->slope = 1;
          x = c.loss(item).value.slope * w / divisor;
          field[f]->slope = 0;
        }
        largest[c.at(m)] = std::max(largest[c.at(m)], std::fabs(x));
      }
    }
  }
};

}  // namespace prefer_test
