// expect: an output needs a view of non-const elements
// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/interop/eigen.hpp>
#include <prefer/loss/dpo.hpp>

int main() {
  Eigen::VectorXf v(4);
#if defined(PREFER_FAIL)
  const Eigen::VectorXf& losses = v;
#else
  Eigen::VectorXf& losses = v;
#endif
  const prefer::pair_outputs<prefer::space::host> out{.losses = prefer::as_vector(losses)};
  return out.losses.given() ? 0 : 1;
}
