// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <support/coverage.hpp>
#include <support/loss_call.hpp>

// What every loss owes its users whatever its formula, checked for any loss of any kind. A loss's own test adds golden
// values, tails and identities, and calls loss_suite once.
namespace prefer_test {

template <class S>
using compute_for = std::conditional_t<std::is_same_v<S, double>, double, float>;

template <class Kind>
using cpu_subject = subject<Kind, prefer::cpu>;

template <class Kind, class S>
prefer::status run(const cpu_subject<Kind>& loss, const prefer::cpu& exec, kind_call<Kind, S>& c,
                   bool with_weight = true, bool with_mask = true) {
  return loss.template evaluate<compute_for<S>>(exec, c.inputs(with_weight, with_mask), c.outputs());
}

// Compiled once per kind, in loss_suite.cpp. `roundings` bounds the error of an output in units of the compute type.
template <class Kind>
void check_promises(const char* name, const cpu_subject<Kind>& loss, double roundings);

template <class Loss>
void loss_suite(const char* name, const Loss& loss, double roundings = 64) {
  using kind = prefer::kind_of<Loss>;
  check_promises<kind>(name, cpu_subject<kind>(loss), roundings);
}

}  // namespace prefer_test
