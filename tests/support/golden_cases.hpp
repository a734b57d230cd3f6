// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <support/loss_suite.hpp>

#include <iterator>
#include <string>
#include <string_view>

// The tests that a loss gets from its `cases`: its golden table, how to make it from a row's parameters, and one
// typical instance. What only this loss promises (identities, corners) is in the loss's own file.
namespace prefer_test {

// A size is what errors are relative to.
struct golden_number {
  long double exact, size;
};
// A row of tests/golden/losses.py: parameters, the first inputs of the kind, the value, the derivatives that are the
// first outputs of the kind, and the implicit rewards (scores, the margin) that are the first of its last ones.
template <int Inputs, int Derivatives, int Rewards>
struct golden_row {
  static constexpr int inputs = Inputs, derivatives = Derivatives, rewards = Rewards;
  long double parameter[3];
  long double in[Inputs];
  golden_number value;
  golden_number derivative[Derivatives];
  golden_number reward[Rewards];
};
using pair_row = golden_row<10, 2, 2>;
using reward_pair_row = golden_row<5, 2, 1>;
using response_row = golden_row<4, 1, 1>;
using segment_pair_row = golden_row<11, 10, 2>;
using scored_row = golden_row<2, 1, 1>;
using transition_row = golden_row<6, 5, 2>;

// The rows from `first` on that have its parameters.
template <class Row>
const Row* same_parameters(const Row* first, const Row* last) {
  const Row* r = first;
  while (r != last && std::equal(first->parameter, first->parameter + 3, r->parameter)) ++r;
  return r;
}

// A call on rows that share their parameters, as memory.
template <class S, class Loss, class Row>
loss_call<Loss, S> golden_call(const Loss& loss, const Row* first, const Row* last) {
  loss_call<Loss, S> c(loss, last - first);
  c.divisor = 1;
  for (std::int64_t i = 0; i < c.n; ++i) {
    c.weight.set(i, 1);
    c.mask.at(i) = true;
    for (int k = 0; k < Row::inputs; ++k) c.in[c.at(k)].set(i, static_cast<double>(first[i].in[k]));
  }
  return c;
}

template <class S>
void check_number(const char* what, double got, const golden_number& g, double roundings) {
  const long double largest = largest_of<S>;
  INFO(what << ": " << got << " for " << static_cast<double>(g.exact));
  if (std::fabs(g.exact) > largest) {
    CHECK((std::fabs(got) > 0.99L * largest && (got > 0) == (g.exact > 0)));
    return;
  }
  const long double bound = std::ldexp(roundings * g.size, 1 - storage<compute_for<S>>::digits) +
                            std::ldexp(std::fabs(g.exact), 1 - storage<S>::digits) +
                            std::ldexp(4.0L, storage<S>::least_exponent);  // a few roundings below the normal numbers
  CHECK(std::fabs(got - g.exact) <= bound);
}

template <class Loss, class S, class Row>
void check_golden_call(loss_call<Loss, S>& c, const Row* first, double roundings) {
  using kind = prefer::kind_of<Loss>;
  for (std::int64_t i = 0; i < c.n; ++i) {
    INFO("row " << i << " of its parameters");
    int reward = 0;
    for (int m = 0; m < output_count<Loss>; ++m) {
      const std::string_view name = kind::output_fields[m];
      const golden_number* expected = name == "losses"                                     ? &first[i].value
                                      : m < Row::derivatives                               ? &first[i].derivative[m]
                                      : name.starts_with("grad") || reward == Row::rewards ? nullptr
                                                                                           : &first[i].reward[reward++];
      if (expected != nullptr && c.traits.provides[m])
        check_number<S>(kind::output_fields[m], c.out[c.at(m)].get(i), *expected, roundings);
    }
  }
}

template <class Cases, class S>
void check_golden() {
  const auto* last = std::begin(Cases::rows);
  for (const auto* first = last; first != std::end(Cases::rows); first = last) {
    last = same_parameters(first, std::end(Cases::rows));
    auto c = golden_call<S>(Cases::make(first->parameter), first, last);
    for (prefer::isa level : levels()) {
      REQUIRE(run(prefer::cpu{.isa = level}, c, true, false).ok());
      check_golden_call(c, first, Cases::roundings);
    }
  }
  for (const char* tag : {"golden", "tails"}) covers<S>(Cases::name, tag);
}

template <class Cases>
void loss_tests() {
  SUBCASE("golden values and gradients in both tails, in every storage type and at every level") {
    check_golden<Cases, float>();
    check_golden<Cases, double>();
    check_golden<Cases, prefer::half>();
    check_golden<Cases, prefer::bfloat16>();
  }
  loss_suite(Cases::name, Cases::typical());
}

// The name of the parameter that a loss is refused for; nothing is written.
template <class Loss>
std::string refused(const Loss& loss) {
  loss_call<Loss, float> c(Loss{}, 4);
  const prefer::status s = prefer::evaluate<float>(prefer::cpu{}, loss, c.inputs(), c.outputs());
  CHECK(s.code == prefer::errc::bad_parameter);
  CHECK(c.untouched());
  return s.argument == nullptr ? "" : s.argument;
}

// One pair in double, by name.
struct pair_answer {
  double value = 0, d_chosen = 0, d_rejected = 0;
};
template <class Loss>
pair_answer ask(const Loss& loss, const prefer::pair<double>& p) {
  const prefer::pair_term<double> t = loss(p);
  return {t.value, t.d_policy_chosen, t.d_policy_rejected};
}

}  // namespace prefer_test
