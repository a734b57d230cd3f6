// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <support/side.hpp>
#include <support/cuda.cuh>

#include <functional>
#include <memory>

namespace prefer_test {

struct device_side {
  static constexpr prefer::space memory = prefer::space::device;
  stream on;
  prefer::cuda exec{on.handle};

  template <class S>
  prefer::view<const S, 1, memory> read(buffer<S>& b) {
    return copy(b)->read();
  }
  template <class S>
  prefer::view<const S, 2, memory> read(buffer<S>& b, std::int64_t rows, std::int64_t columns,
                                        std::int64_t row_stride) {
    return {copy(b)->data(), rows, columns, row_stride, std::int64_t{1}};
  }
  template <class S>
  prefer::view<S, 1, memory> write(buffer<S>& b) {
    auto d = copy(b);
    fetches_.push_back([d] { d->fetch(); });
    return d->view();
  }
  template <class S>
  prefer::view<S, 2, memory> write(buffer<S>& b, std::int64_t rows, std::int64_t columns, std::int64_t row_stride) {
    return {write(b).data, rows, columns, row_stride, std::int64_t{1}};
  }
  void done() {
    on.wait();
    for (auto& f : fetches_) f();
  }

 private:
  std::vector<std::function<void()>> fetches_;
  std::vector<std::shared_ptr<void>> kept_;

  template <class S>
  std::shared_ptr<device<S>> copy(buffer<S>& b) {
    auto d = std::make_shared<device<S>>(b);
    kept_.push_back(d);
    return d;
  }
};

}  // namespace prefer_test
