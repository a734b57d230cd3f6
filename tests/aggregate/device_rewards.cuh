// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <aggregate/aggregate.hpp>
#include <prefer/aggregate/aggregate.cuh>
#include <support/cuda.cuh>

namespace prefer_test {

// A case and its mirror on the device.
template <class S>
struct device_rewards {
  static constexpr auto on = prefer::space::device;
  reward_case<S>& host;
  device<S> reward, grad, aggregate, upstream;
  device<double> weight, moments;
  device<bool> mask;
  device<std::int32_t> offsets;

  explicit device_rewards(reward_case<S>& c)
      : host(c),
        reward(c.reward),
        grad(c.grad),
        aggregate(c.aggregate),
        upstream(c.upstream),
        weight(c.weight),
        moments(c.moments),
        mask(c.mask),
        offsets(c.offsets) {}

  template <class T>
  prefer::view<T, 2, on> matrix(T* data) const {
    return {data, host.n, host.rewards, host.row, 1};
  }
  prefer::aggregate_inputs<on> inputs(bool learns) {
    prefer::aggregate_inputs<on> in;
    in.reward = matrix<const S>(reward.data()), in.weight = weight.read(), in.upstream = upstream.read();
    if (host.masked) in.mask = mask.read();
    if (learns) in.moments = prefer::view<const double, 2, on>(moments.data(), host.rewards, 3);
    return in;
  }
  prefer::aggregate_outputs<on> outputs() {
    return {.aggregate = aggregate.view(), .grad_reward = matrix(grad.data())};
  }
  prefer::status find_moments(const prefer::cuda& exec) {
    prefer::advantage_inputs<on> groups{.offsets = offsets.read()};
    if (host.masked) groups.mask = mask.read();
    return prefer::reward_moments(exec, matrix<const S>(reward.data()), groups,
                                  prefer::view<double, 2, on>(moments.data(), host.rewards, 3));
  }
};

}  // namespace prefer_test
