// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <game/win_rate.hpp>
#include <prefer/game/win_rate.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <string>

using namespace prefer_test;

namespace {

// A case and its mirror on the device.
template <class S>
struct device_case {
  win_rate_case<S>& host;
  std::vector<std::unique_ptr<device<S>>> numbers;
  device<bool> sample_mask, opponent_mask;
  device<std::int32_t> sample_count, opponent_count;

  explicit device_case(win_rate_case<S>& c)
      : host(c),
        sample_mask(c.sample_mask),
        opponent_mask(c.opponent_mask),
        sample_count(c.sample_count),
        opponent_count(c.opponent_count) {
    for (auto* b : {&c.preference, &c.games, &c.grad_reward, &c.reward, &c.advantage, &c.met, &c.grad_preference}) {
      numbers.push_back(std::make_unique<device<S>>(*b));
      mirrors_[b] = numbers.back().get();
    }
    mirrors_[&c.sample_mask] = &sample_mask, mirrors_[&c.opponent_mask] = &opponent_mask;
    mirrors_[&c.sample_count] = &sample_count, mirrors_[&c.opponent_count] = &opponent_count;
  }
  void send() {
    for (auto& b : numbers) b->send();
    sample_count.send();
  }
  void fetch() {
    for (auto& b : numbers) b->fetch();
  }
  auto inputs() {
    return host.template make_inputs<prefer::space::device>([&](auto& b) { return find(b); });
  }
  auto outputs() {
    return host.template make_outputs<prefer::space::device>([&](auto& b) { return find(b); });
  }
  prefer::status run(const prefer::cuda& exec) { return prefer::win_rates(exec, host.options(), inputs(), outputs()); }

 private:
  std::map<const void*, void*> mirrors_;  // of host buffers

  template <class T>
  T* find(buffer<T>& b) {
    return static_cast<device<T>*>(mirrors_.at(&b))->data();
  }
};

template <class S>
void check_all_on_cuda() {
  stream s;
  for (const auto& shape : win_rate_shapes()) {
    win_rate_case<S> c(shape);
    device_case<S> d(c);
    prefer::check(d.run(prefer::cuda{s.handle}));
    s.wait();
    d.fetch();
    c.check_definition();
  }
  covers<S>("win_rate", "sizes");
}

}  // namespace

TEST_CASE("win rates on CUDA are their definition: shapes, layouts, masks, sizes, games; NaN where nobody meets") {
  SUBCASE("float") { check_all_on_cuda<float>(); }
  SUBCASE("double") { check_all_on_cuda<double>(); }
  SUBCASE("half") { check_all_on_cuda<prefer::half>(); }
  SUBCASE("bfloat16") { check_all_on_cuda<prefer::bfloat16>(); }
  covers("win_rate", "masked");
}

TEST_CASE("win rates on CUDA: one launch and nothing else, captured and replayed, the same bits in any batch") {
  stream s;
  win_rate_case<float> c({.batch = 30, .samples = 11, .opponents = 11, .masks = true, .sizes = true});
  for (std::int64_t b = 0; b < 30; ++b) c.sample_count.at(b) = 11;
  c.each_cell([&](std::int64_t b, std::int64_t i, std::int64_t j) {
    c.preference.set(c.at(b, i, j), static_cast<double>((i * 5 + j * 7 + b) % 11) / 11);
  });
  device_case<float> d(c);
  enqueues_only("win_rates", 1, [&] { prefer::check(d.run(prefer::cuda{s.handle})); });
  const cudaGraphExec_t graph = capture(s.handle, [&] { prefer::check(d.run(prefer::cuda{s.handle})); });
  c.preference.set(c.at(3, 2, 1), 0.875);
  d.send();
  REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
  s.wait();
  d.fetch();
  cudaGraphExecDestroy(graph);
  c.check_definition();
  const auto bits = c.reward.bytes();
  const std::int64_t all = c.shape.batch;
  c.shape.batch = 2;
  prefer::check(d.run(prefer::cuda{s.handle}));
  s.wait();
  d.fetch();
  CHECK(c.reward.bytes() == bits);
  c.shape.batch = all;
  covers("win_rate", "allocation"), covers("win_rate", "capture");
}

TEST_CASE("win rates on CUDA: a size out of range makes its batch NaN and is reported; bad arguments are named") {
  stream s;
  win_rate_case<double> c({.batch = 4, .samples = 6, .opponents = 6, .sizes = true});
  c.sample_count.at(2) = 7;
  buffer<unsigned long long> word(1);
  word.at(0) = ~0ull;
  device<unsigned long long> report(word);
  device_case<double> d(c);
  prefer::check(d.run(prefer::cuda{
      .stream = s.handle, .report = reinterpret_cast<prefer::content_report*>(report.data())}));
  s.wait();
  d.fetch(), report.fetch();
  const prefer::content_report found{word.at(0)};
  CHECK((found.code() == prefer::errc::bad_index && found.index() == 2));
  for (std::int64_t k = 0; k < 24; ++k) CHECK(std::isnan(c.reward.get(k)) == (k / 6 == 2));
  auto in = d.inputs();
  in.samples.extent[0] = 3;
  CHECK(std::string(prefer::win_rates(prefer::cuda{s.handle}, {}, in, d.outputs()).argument) == "samples");
  covers("win_rate", "bad-argument");
}
