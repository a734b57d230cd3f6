// expect: an output needs a view of non-const elements
// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/interop/span.hpp>
#include <prefer/loss/dpo.hpp>

#include <vector>

int main() {
#if defined(PREFER_FAIL)
  const std::vector<float> losses(4);
#else
  std::vector<float> losses(4);
#endif
  const prefer::pair_outputs<prefer::space::host> out{.losses = prefer::as_vector(losses)};
  return out.losses.given() ? 0 : 1;
}
