// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/pair.hpp>
#include <support/loss_suite.hpp>

#include <doctest/doctest.h>

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
using action_row = golden_row<6, 1, 2>;

// The rows from `first` on that have its parameters.
template <class Row>
const Row* same_parameters(const Row* first, const Row* last) {
  const Row* r = first;
  while (r != last && std::equal(first->parameter, first->parameter + 3, r->parameter)) ++r;
  return r;
}

// Rows that share their parameters, in every storage type and at every level; compiled once per kind, in
// golden_cases.cpp.
template <class Kind, class Row>
void check_golden(const char* name, double roundings, const cpu_subject<Kind>& loss, const Row* first, const Row* last);

// check(loss, first, last) for every run of rows that share their parameters.
template <class Cases, class Check>
void each_golden_loss(Check check) {
  const auto* last = std::begin(Cases::rows);
  for (const auto* first = last; first != std::end(Cases::rows); first = last) {
    last = same_parameters(first, std::end(Cases::rows));
    check(Cases::make(first->parameter), first, last);
  }
}

template <class Cases>
void loss_tests() {
  SUBCASE("golden values and gradients in both tails, in every storage type and at every level") {
    each_golden_loss<Cases>([](const auto& loss, const auto* first, const auto* last) {
      using kind = prefer::kind_of<std::remove_cvref_t<decltype(loss)>>;
      check_golden(Cases::name, Cases::roundings, cpu_subject<kind>(loss), first, last);
    });
  }
  loss_suite(Cases::name, Cases::typical());
}

// The cases of a loss without parameters, but for its name and table.
template <class Loss>
struct plain_cases {
  static constexpr double roundings = 8;
  static Loss make(const long double (&)[3]) { return {}; }
  static Loss typical() { return {}; }
};

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
