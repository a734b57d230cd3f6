// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/prefer.hpp>

#include <cmath>
#include <cstdio>

int other();

int main() {
  const float chosen[] = {1, 2}, rejected[] = {0, 3};
  float loss = 0;
  prefer::check(prefer::evaluate<float>(prefer::cpu{}, prefer::bradley_terry{},
                                        {.chosen = {chosen, 2}, .rejected = {rejected, 2}}, {.loss = {&loss, 1}}));
  std::printf("loss %g\n", static_cast<double>(loss));
  return std::fabs(loss - 0.81326f) < 1e-4f ? other() : 1;
}
