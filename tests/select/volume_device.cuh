// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <select/volume_case.hpp>
#include <support/coverage.hpp>
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

// The call of all shapes against its definition: Call is a device_case with run().
template <class Call, class Set, class Check>
void check_on_device(stream& s, Call& d, Set& c, Check check) {
  prefer::check(d.run(prefer::cuda{s.handle}));
  s.wait();
  d.fetch();
  check(c);
}

// With a workspace there are so many launches and nothing else; one byte less is an error, and so is capturing without;
// what was captured is replayed on other rewards.
template <class Call, class Set, class Check>
void check_enqueues(const char* name, int launches, Call& d, Set& c, Check check) {
  stream s;
  device_workspace memory(d.workspace(prefer::cuda{s.handle}));
  const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
  enqueues_only(name, launches, [&] { prefer::check(d.run(exec)); });
  const prefer::cuda small{.stream = s.handle, .workspace = {memory.get().data, memory.bytes - 1}};
  CHECK(d.run(small).code == prefer::errc::small_workspace);
  const cudaGraphExec_t graph = capture(s.handle, [&] {
    prefer::check(d.run(exec));
    CHECK(d.run(prefer::cuda{s.handle}).code == prefer::errc::capture_needs_workspace);
  });
  c.rewards.set(0, c.low(0, 0) + 3), c.rewards.set(7, c.low(0, 3) - 4);
  d.send();
  REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
  s.wait();
  d.fetch();
  cudaGraphExecDestroy(graph);
  check(c);
  covers(name, "allocation"), covers(name, "capture");
}

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
