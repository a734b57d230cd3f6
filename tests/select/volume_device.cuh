// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <select/volume_case.hpp>
#include <support/cuda.cuh>

#include <map>
#include <memory>
#include <vector>

namespace prefer_test {

// A set of samples and its mirror on the device.
template <class S>
struct device_case {
  volume_case<S>& host;

  explicit device_case(volume_case<S>& c) : host(c) {
    for (auto* b : {&c.rewards, &c.reference, &c.violation, &c.grad_rewards}) add(*b, elements_);
    for (auto* b : {&c.hypervolume, &c.contribution, &c.gain}) add(*b, doubles_);
    add(c.least, numbers_), add(c.indices, numbers_), add(c.mask, flags_), add(c.offsets, indices_);
  }
  void send() {
    for (auto& b : elements_) b->send();
  }
  void fetch() {
    for (auto& b : elements_) b->fetch();
    for (auto& b : doubles_) b->fetch();
    for (auto& b : numbers_) b->fetch();
  }
  auto inputs() {
    return host.template inputs_at<prefer::space::device>([&](auto& b) { return find(b); });
  }
  auto volume_outputs() {
    return host.template volume_outputs_at<prefer::space::device>([&](auto& b) { return find(b); });
  }
  auto subset_outputs() {
    return host.template subset_outputs_at<prefer::space::device>([&](auto& b) { return find(b); });
  }
  auto contribution_outputs() {
    return host.template contribution_outputs_at<prefer::space::device>([&](auto& b) { return find(b); });
  }

 private:
  template <class T>
  using mirrors = std::vector<std::unique_ptr<device<T>>>;
  mirrors<S> elements_;
  mirrors<double> doubles_;
  mirrors<std::int64_t> numbers_;
  mirrors<bool> flags_;
  mirrors<std::int32_t> indices_;
  std::map<const void*, void*> found_;

  template <class T>
  void add(buffer<T>& b, mirrors<T>& to) {
    to.push_back(std::make_unique<device<T>>(b));
    found_[&b] = to.back().get();
  }
  template <class T>
  T* find(buffer<T>& b) {
    return static_cast<device<T>*>(found_.at(&b))->data();
  }
};

// Fewer than on the CPU, but all kinds.
inline std::vector<volume_shape> device_shapes() {
  std::vector<volume_shape> some;
  int nth = 0;
  for (const auto& shape : volume_shapes())
    if (shape.samples != 8 && nth++ % 3 != 1) some.push_back(shape);
  some.push_back({4, 70, grouping::offsets, false, false, false, 30});  // two tiers of groups
  return some;
}

}  // namespace prefer_test
