// expect: a view of host memory cannot be given to a call on prefer::cuda
// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/interop/span.hpp>
#include <prefer/loss/dpo.hpp>

#include <span>
#include <vector>

int main() {
  std::vector<float> x(4);
#if defined(PREFER_FAIL)
  const auto v = prefer::as_vector(x);
#else
  const auto v = prefer::as_vector(std::span<float>(x));  // a span may be of either memory
#endif
  const prefer::pair_inputs<prefer::space::device> in{.policy_chosen = v};
  return in.policy_chosen.given() ? 0 : 1;
}
