// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <support/loss_suite.hpp>

#include <iterator>
#include <string>

// The tests that a loss over pairs gets from its `cases`: its golden table, how to make it from a row's parameters, and
// one typical instance. What only this loss promises (identities, corners) is in the loss's own file.
namespace prefer_test {

// A row of tests/golden/pair_losses.py. A size is what errors are relative to.
struct golden_number {
  long double exact, size;
};
struct pair_row {
  long double parameter[3];
  long double in[10];
  golden_number value, d_chosen, d_rejected;
};

// The rows from `first` on that have its parameters.
inline const pair_row* same_parameters(const pair_row* first, const pair_row* last) {
  const pair_row* r = first;
  while (r != last && std::equal(first->parameter, first->parameter + 3, r->parameter)) ++r;
  return r;
}

// A call on rows that share their parameters, as memory.
template <class Loss, class S>
loss_call<Loss, S> golden_call(const Loss& loss, const pair_row* first, const pair_row* last) {
  loss_call<Loss, S> c(loss, last - first);
  c.divisor = 1;
  for (std::int64_t i = 0; i < c.n; ++i) {
    c.weight.set(i, 1);
    c.mask.at(i) = true;
    for (int k = 0; k < 10; ++k) c.in[c.at(k)].set(i, static_cast<double>(first[i].in[k]));
  }
  return c;
}

template <class S>
void check_number(const char* what, double got, const golden_number& g, double roundings) {
  const long double largest = std::is_same_v<S, prefer::half> ? 65504.0L
                              : std::is_same_v<S, double>     ? std::numeric_limits<double>::max()
                                                              : 3.38e38L;
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

template <class Loss, class S>
void check_golden_call(loss_call<Loss, S>& c, const pair_row* first, double roundings) {
  enum { grad_chosen = 0, grad_rejected = 1, losses = 4 };  // places in pair_kind::output_fields
  for (std::int64_t i = 0; i < c.n; ++i) {
    INFO("row " << i << " of its parameters");
    check_number<S>("value", c.out[losses].get(i), first[i].value, roundings);
    if (c.traits.provides[grad_chosen])
      check_number<S>("d_policy_chosen", c.out[grad_chosen].get(i), first[i].d_chosen, roundings);
    if (c.traits.provides[grad_rejected])
      check_number<S>("d_policy_rejected", c.out[grad_rejected].get(i), first[i].d_rejected, roundings);
  }
}

template <class Cases, class S>
void check_golden() {
  for (const pair_row *first = std::begin(Cases::rows), *last; first != std::end(Cases::rows); first = last) {
    last = same_parameters(first, std::end(Cases::rows));
    const auto loss = Cases::make(first->parameter);
    auto c = golden_call<std::remove_const_t<decltype(loss)>, S>(loss, first, last);
    for (prefer::isa level : levels()) {
      REQUIRE(run(prefer::cpu{.isa = level}, c, true, false).ok());
      check_golden_call(c, first, Cases::roundings);
    }
  }
  for (const char* tag : {"golden", "tails"}) covers<S>(Cases::name, tag);
}

template <class Cases>
void pair_loss_tests() {
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
