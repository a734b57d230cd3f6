// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// Compiled with -ffast-math: what the README promises to keep then.
#include <prefer/core/validate.hpp>
#include <prefer/loss/bradley_terry.hpp>

#include <cmath>
#include <cstdio>
#include <cstring>

namespace {

// A NaN that the optimiser does not see.
float quiet_nan() {
  const volatile std::uint32_t bits = 0x7fc00000u;
  const std::uint32_t copy = bits;
  float x;
  std::memcpy(&x, &copy, sizeof x);
  return x;
}

int failures = 0;
void check(bool holds, const char* what) {
  if (holds) return;
  std::printf("broken under -ffast-math: %s\n", what);
  ++failures;
}

void check_level(prefer::isa level) {
  constexpr std::int64_t n = 40;
  float chosen[n], rejected[n], grad[n];
  bool mask[n];
  double loss = 0, expected = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    chosen[i] = static_cast<float>(i) - 20, rejected[i] = 0.25f * static_cast<float>(i), mask[i] = i % 3 != 0;
    if (!mask[i]) chosen[i] = quiet_nan();
    if (mask[i])
      expected += std::log1p(std::exp(static_cast<double>(rejected[i]) - static_cast<double>(chosen[i]))) / 26;
  }
  const prefer::reward_pair_inputs<prefer::space::host> in = {
      .chosen = {chosen, n}, .rejected = {rejected, n}, .mask = {mask, n}};
  const prefer::status s = prefer::evaluate<float>(prefer::cpu{.isa = level}, prefer::bradley_terry{}, in,
                                                   {.loss = {&loss, 1}, .grad_chosen = {grad, n}});
  if (s.code == prefer::errc::unsupported_isa) return;
  check(s.ok(), "a call succeeds");
  check(std::fabs(loss - expected) < 1e-5 * expected, "values, and masks that select past NaN");
  check(grad[0] == 0 && grad[1] < -0.9f / 26, "gradients");
  check(prefer::validate(prefer::cpu{}, prefer::bradley_terry{}, in).ok(), "masked NaN is not looked at");
  mask[3] = true;
  check(prefer::validate(prefer::cpu{}, prefer::bradley_terry{}, in).index == 3, "NaN is found");
}

}  // namespace

int main() {
  check(prefer::math::is_nan(quiet_nan()), "is_nan");
  for (prefer::isa level : {prefer::isa::base, prefer::isa::avx2, prefer::isa::avx512}) check_level(level);
  return failures;
}
