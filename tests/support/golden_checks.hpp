// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <support/golden_cases.hpp>
#include <support/loss_checks.hpp>

// What the golden tables check on both backends.
namespace prefer_test {

// A call on rows that share their parameters, as memory.
template <class S, class Kind, class Row>
kind_call<Kind, S> golden_call(const loss_facts<Kind>& loss, const Row* first, const Row* last) {
  kind_call<Kind, S> c(loss, last - first);
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

template <class Kind, class S, class Row>
void check_golden_call(kind_call<Kind, S>& c, const Row* first, double roundings) {
  for (std::int64_t i = 0; i < c.n; ++i) {
    INFO("row " << i << " of its parameters");
    int reward = 0;
    for (int m = 0; m < output_count<Kind>; ++m) {
      const std::string_view name = Kind::output_fields[m];
      const golden_number* expected = name == "losses"                                     ? &first[i].value
                                      : m < Row::derivatives                               ? &first[i].derivative[m]
                                      : name.starts_with("grad") || reward == Row::rewards ? nullptr
                                                                                           : &first[i].reward[reward++];
      if (expected != nullptr && c.facts.provides[m])
        check_number<S>(Kind::output_fields[m], c.out[c.at(m)].get(i), *expected, roundings);
    }
  }
}

}  // namespace prefer_test
