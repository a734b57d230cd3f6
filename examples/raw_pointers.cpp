// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// DPO on the caller's own arrays: value and gradients in one call, errors as values.
#include <prefer/loss/dpo.hpp>

#include <cstdio>

int main() {
  // Log-probabilities of three pairs of responses under the policy and under the reference.
  const float policy_chosen[] = {-12.0f, -30.5f, -8.25f}, policy_rejected[] = {-14.0f, -29.0f, -8.25f};
  const float reference_chosen[] = {-13.0f, -31.0f, -8.0f}, reference_rejected[] = {-13.5f, -30.0f, -8.5f};
  float loss = 0, grad_chosen[3], grad_rejected[3];

  const prefer::status s = prefer::evaluate<float>(
      prefer::cpu{}, prefer::dpo{.beta = 0.1},
      {.policy_chosen = {policy_chosen, 3},
       .policy_rejected = {policy_rejected, 3},
       .reference_chosen = {reference_chosen, 3},
       .reference_rejected = {reference_rejected, 3}},
      {.loss = {&loss, 1}, .grad_policy_chosen = {grad_chosen, 3}, .grad_policy_rejected = {grad_rejected, 3}});
  if (!s) {
    std::fprintf(stderr, "%s\n", prefer::message(s).c_str());
    return 1;
  }
  std::printf("loss %.6f\n", static_cast<double>(loss));
  for (int i = 0; i < 3; ++i)
    std::printf("pair %d: d loss / d policy_chosen = %+.6f\n", i, static_cast<double>(grad_chosen[i]));

  // A mistake is named: nothing is written.
  const prefer::status wrong = prefer::evaluate<float>(prefer::cpu{}, prefer::dpo{.beta = -1},
                                                       {.policy_chosen = {policy_chosen, 3}}, {.loss = {&loss, 1}});
  std::printf("%s\n", prefer::message(wrong).c_str());
}
