// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/validate.hpp>
#include <prefer/loss/bradley_terry.hpp>
#include <prefer/loss/dpo.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace prefer;

TEST_CASE("validate says what evaluate would refuse, and finds NaN") {
  double chosen[] = {1, 2, 3}, rejected[] = {0, 1, 0}, label[] = {1, 0.5, 0};
  bool mask[] = {true, true, false};
  const reward_pair_inputs<space::host> in = {
      .chosen = {chosen, 3}, .rejected = {rejected, 3}, .label = {label, 3}, .mask = {mask, 3}};
  const auto says = [&](const bradley_terry& loss, const reward_pair_inputs<space::host>& x) {
    return std::string(message(validate(cpu{}, loss, x)).c_str());
  };
  CHECK(says({}, in) == "prefer: ok");
  CHECK(says({.centering = -1.0}, in) ==
        "prefer: bad parameter: centering is -1, expected a finite number, 0 or above");
  reward_pair_inputs<space::host> missing = in;
  missing.rejected = {};
  CHECK(validate(cpu{}, bradley_terry{}, missing).code == errc::missing_input);
  label[2] = 7;  // masked
  CHECK(says({}, in) == "prefer: ok");
  label[1] = 7;
  CHECK(says({}, in) == "prefer: bad label: label[1] is 7, expected a probability, from 0 to 1");
  chosen[0] = std::numeric_limits<double>::quiet_NaN();
  const status s = validate(cpu{}, bradley_terry{}, in);
  CHECK(s.code == errc::not_a_number);
  CHECK(std::string(s.argument) == "chosen");
  CHECK(s.index == 0);
}
