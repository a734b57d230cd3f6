// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/validate.cuh>
#include <prefer/loss/bradley_terry.cuh>
#include <support/cuda.cuh>

#include <string>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::device;

TEST_CASE("validate gives on CUDA the sentence of the CPU, whatever the stride and the part that the fault is in") {
  prefer_test::stream s;
  for (std::int64_t n : {0, 5, 70000}) {
    buffer<float> chosen(n, 2), rejected(1), label(n);
    buffer<bool> mask(n);
    rejected.set(0, 0);
    for (std::int64_t i = 0; i < n; ++i) chosen.set(i, 0.5), label.set(i, 0.5), mask.at(i) = i % 2 == 1;
    if (n > 0) label.set(0, 9);  // masked
    const auto check = [&] {
      device<float> c(chosen), r(rejected), l(label);
      device<bool> m(mask);
      const reward_pair_inputs<space::device> in = {.chosen = c.read(),
                                                    .rejected = {static_cast<const float*>(r.data()), n, 0},
                                                    .label = l.read(),
                                                    .mask = m.read()};
      const reward_pair_inputs<space::host> host = {
          .chosen = chosen.read(), .rejected = {rejected.data(), n, 0}, .label = label.read(), .mask = mask.read()};
      const status there = validate(prefer::cuda{s.handle}, bradley_terry{}, in);
      CHECK(std::string(message(there).c_str()) == message(validate(cpu{}, bradley_terry{}, host)).c_str());
      return there;
    };
    CHECK(check().ok());
    if (n == 0) continue;
    label.set(n - n % 2 - 1, -2);
    CHECK(check().index == n - n % 2 - 1);
    chosen.set(3, std::numeric_limits<double>::quiet_NaN());
    CHECK(check().code == errc::not_a_number);
  }
}
