// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <support/buffer.hpp>
#include <support/subject.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>
#include <vector>

namespace prefer_test {

// The input that output m is the gradient of, or -1.
template <class Kind>
int differentiated(int m) {
  const std::string_view output = Kind::output_fields[m];
  for (int k = 0; k < field_count<Kind>; ++k)
    if (output.starts_with("grad_") && output.substr(5) == Kind::input_fields[k].name) return k;
  return -1;
}

// The memory of one call of any loss of a kind: a buffer for every input that it reads and every output that it
// provides, filled with random numbers in the range that the field's name suggests.
template <class Kind, class S>
struct kind_call {
  loss_facts<Kind> facts;
  std::int64_t n;
  std::vector<buffer<S>> in;
  buffer<S> weight;
  buffer<bool> mask;
  std::vector<buffer<S>> out;
  std::vector<buffer<double>> total;
  double divisor = 0;  // 0: the default

  explicit kind_call(const loss_facts<Kind>& f, std::int64_t items, std::int64_t stride = 1, std::int64_t offset = 0)
      : facts(f),
        n(items),
        in(field_count<Kind>, buffer<S>(n, stride, offset)),
        weight(n, stride, offset),
        mask(n, stride, offset),
        out(output_count<Kind>, buffer<S>(n, stride, offset)),
        total(total_count<Kind>, buffer<double>(1)) {
    noise random(17);
    for (std::int64_t i = 0; i < n; ++i) {
      for (int k = 0; k < field_count<Kind>; ++k) in[at(k)].set(i, draw(k, random));
      weight.set(i, random.uniform(-2, 2));
      mask.at(i) = random.uniform(0, 1) < 0.7;
    }
  }

  static std::size_t at(int k) { return static_cast<std::size_t>(k); }
  bool reads(int k) const { return (facts.reads >> k & 1u) != 0; }

  static double draw(int k, noise& random) {
    const std::string_view name = Kind::input_fields[k].name;
    if (Kind::input_fields[k].content == prefer::content_of::probability) return random.uniform(0, 1);
    if (name.starts_with("length")) return std::floor(random.uniform(1, 60));
    if (name.starts_with("policy") || name.starts_with("reference")) return random.uniform(-40, 0);
    return random.uniform(-3, 3);
  }

  // Structs of views; `view_of(buffer)` says in which memory.
  template <class Inputs, class ViewOf>
  Inputs make_inputs(ViewOf view_of, bool with_weight = true, bool with_mask = true) {
    Inputs x;
    int k = 0;
    Kind::each_input(x, [&](auto& v) {
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
    Kind::each_output(x, [&](auto& v) {
      if (facts.provides[m]) v = view_of(out[at(m)]);
      ++m;
    });
    Kind::each_total(x, [&](auto& v) {
      if (facts.provides_total[r]) v = view_of(total[at(r)]);
      ++r;
    });
    return x;
  }
  auto inputs(bool with_weight = true, bool with_mask = true) {
    return make_inputs<inputs_in<Kind, prefer::cpu>>([](auto& b) { return b.read(); }, with_weight, with_mask);
  }
  auto outputs() {
    return make_outputs<outputs_in<Kind, prefer::cpu>>([](auto& b) { return b.view(); });
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

// The same for one loss.
template <class Loss, class S>
struct loss_call : kind_call<prefer::kind_of<Loss>, S> {
  explicit loss_call(const Loss& loss, std::int64_t items)
      : kind_call<prefer::kind_of<Loss>, S>(loss_facts<prefer::kind_of<Loss>>(loss), items) {}
};

// What a call must give: every item's loss evaluated in long double, its gradients by dual numbers, its totals added up
// item by item. Nothing of the library takes part but the loss's formula for the value.
template <class Kind>
struct expectation {
  std::vector<std::vector<long double>> out;
  std::vector<long double> largest;  // of each output, the size that errors are relative to
  long double total[total_count<Kind>] = {}, total_size[total_count<Kind>] = {};

  template <class S>
  explicit expectation(kind_call<Kind, S>& c, bool with_weight = true, bool with_mask = true) {
    long double selected = 0;
    for (std::int64_t i = 0; i < c.n; ++i) selected += !with_mask || c.mask.at(i) ? 1 : 0;
    const long double divisor = c.divisor != 0 ? c.divisor : std::max(selected, 1.0L);
    out.assign(output_count<Kind>, std::vector<long double>(static_cast<std::size_t>(c.n)));
    largest.assign(output_count<Kind>, 0);
    for (std::int64_t i = 0; i < c.n; ++i) {
      if (with_mask && !c.mask.at(i)) continue;
      exact_item<Kind> item;
      for (int k = 0; k < field_count<Kind>; ++k)
        item.in[k] = c.reads(k) ? static_cast<long double>(c.in[c.at(k)].get(i)) : Kind::input_fields[k].neutral;
      item.weight = with_weight ? c.weight.get(i) : 1;
      item.divisor = divisor;
      c.facts.evaluate_exactly(item);
      for (int m = 0; m < output_count<Kind>; ++m) {
        out[c.at(m)][c.at(static_cast<int>(i))] = item.out[m];
        largest[c.at(m)] = std::max(largest[c.at(m)], std::fabs(item.out[m]));
      }
      for (int r = 0; r < total_count<Kind>; ++r) {
        total[r] += item.total[r];
        total_size[r] += std::fabs(item.total[r]);
      }
    }
  }
};

}  // namespace prefer_test
