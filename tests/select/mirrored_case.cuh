// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <select/stored_case.hpp>
#include <support/cuda.cuh>

#include <cstdint>
#include <vector>

// Cases of the oracle, and outputs, on both sides.
namespace prefer_test {

// A case in host and in device memory, in groups by offsets, of equal size, or in one.
template <class S>
struct mirrored {
  pareto_case& c;
  stored<S> host;
  buffer<std::int64_t> offsets;
  std::int64_t group_size;  // 0: by offsets, or one group
  device<S> rewards, violation;
  device<bool> mask;
  device<std::int64_t> begins;

  explicit mirrored(pareto_case& of, const std::vector<std::int64_t>& at = {}, std::int64_t size = 0,
                    std::int64_t gap = 0, bool transposed = false)
      : c(of),
        host(of, gap, transposed),
        offsets(static_cast<std::int64_t>(at.size()), 2),
        group_size(size),
        rewards(host.rewards),
        violation(host.violation),
        mask(host.mask),
        begins(offsets) {
    for (std::size_t b = 0; b < at.size(); ++b) offsets.at(static_cast<std::int64_t>(b)) = at[b];
    begins.send();
  }
  std::int64_t groups() const {
    return group_size > 0 ? c.n / group_size : offsets.size() > 0 ? offsets.size() - 1 : 1;
  }
  std::int64_t begin(std::int64_t b) {
    return group_size > 0 ? b * group_size : offsets.size() > 0 ? offsets.at(b) : b * c.n;
  }
  prefer::objective_samples<prefer::space::host> on_host() {
    return samples<prefer::space::host>(host.rewards.data(), host.violation.read(), host.mask.read(), offsets.read());
  }
  prefer::objective_samples<prefer::space::device> on_device() {
    return samples<prefer::space::device>(rewards.data(), violation.read(), mask.read(), begins.read());
  }

 private:
  template <prefer::space M, class V, class F, class O>
  prefer::objective_samples<M> samples(S* x, const V& amounts, const F& flags, const O& at) {
    prefer::objective_samples<M> in;
    if (group_size > 0)
      in.reward_groups = {x, groups(), group_size, c.k, group_size * host.row, host.row, host.along};
    else
      in.rewards = {x, c.n, c.k, host.row, host.along};
    if (!c.violation.empty()) in.violation = amounts;
    if (!c.mask.empty()) in.mask = flags;
    if (offsets.size() > 0) in.offsets = at;
    return in;
  }
};

// An output on both sides.
template <class T>
struct result {
  buffer<T> host, fetched;
  device<T> there;

  explicit result(std::int64_t n, std::int64_t stride = 1) : host(n, stride), fetched(n, stride), there(fetched) {}
  // Also what is between the elements and around them.
  bool agrees() {
    there.fetch();
    return host.bytes() == fetched.bytes();
  }
};

}  // namespace prefer_test
