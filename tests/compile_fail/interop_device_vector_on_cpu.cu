// expect: a view of device memory cannot be given to a call on prefer::cpu
// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/interop/thrust.cuh>
#include <prefer/loss/dpo.hpp>

int main() {
#if defined(PREFER_FAIL)
  thrust::device_vector<float> x(4);
#else
  thrust::host_vector<float> x(4);
#endif
  const prefer::pair_inputs<prefer::space::host> in{.policy_chosen = prefer::as_vector(x)};
  return in.policy_chosen.given() ? 0 : 1;
}
