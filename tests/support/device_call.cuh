// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <support/cuda.cuh>
#include <support/loss_suite.cuh>

#include <map>
#include <memory>

namespace prefer_test {

// The buffers of a call, mirrored on the device.
template <class Kind, class S>
struct device_call {
  kind_call<Kind, S>& host;
  std::vector<std::unique_ptr<device<S>>> in, out;
  std::vector<std::unique_ptr<device<double>>> total;
  device<S> weight;
  device<bool> mask;

  explicit device_call(kind_call<Kind, S>& c) : host(c), weight(c.weight), mask(c.mask) {
    mirrors_ = {{&c.weight, &weight}, {&c.mask, &mask}};
    mirror(c.in, in), mirror(c.out, out), mirror(c.total, total);
  }
  void send() {
    for (auto& d : in) d->send();
    weight.send(), mask.send();
  }
  void fetch() {
    for (auto& d : in) d->fetch();
    for (auto& d : out) d->fetch();
    for (auto& d : total) d->fetch();
  }
  auto inputs(bool with_weight = true, bool with_mask = true) {
    return host.template make_inputs<inputs_in<Kind, prefer::cuda>>(
        [&](auto& b) {
          using T = std::remove_cvref_t<decltype(b.at(0))>;
          return prefer::view<const T, 1, prefer::space::device>(find(b).read());
        },
        with_weight, with_mask);
  }
  auto outputs() {
    return host.template make_outputs<outputs_in<Kind, prefer::cuda>>([&](auto& b) { return find(b).view(); });
  }

 private:
  std::map<const void*, void*> mirrors_;  // of host buffers

  template <class T>
  void mirror(std::vector<buffer<T>>& from, std::vector<std::unique_ptr<device<T>>>& to) {
    for (auto& b : from) {
      to.push_back(std::make_unique<device<T>>(b));
      mirrors_[&b] = to.back().get();
    }
  }
  template <class T>
  device<T>& find(buffer<T>& b) {
    return *static_cast<device<T>*>(mirrors_.at(&b));
  }
};

template <class Kind, class S>
prefer::status run(const cuda_subject<Kind>& loss, const prefer::cuda& exec, device_call<Kind, S>& d,
                   bool with_mask = true) {
  return loss.template evaluate<compute_for<S>>(exec, d.inputs(true, with_mask), d.outputs());
}

}  // namespace prefer_test
