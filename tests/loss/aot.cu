// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/loss/aot.cuh>
#include <loss/aot.hpp>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <string>

using namespace prefer;
using prefer_test::covers;
using prefer_test::device;
using prefer_test::storage;
using prefer_test::stream;
using prefer_test::transport;

namespace {

template <class S>
void check_batch(std::int64_t n, bool paired) {
  stream s;
  transport<S> here(n), there(n);
  for (std::int64_t i = 2; i < n; i += 5) there.in[2].set(i, std::numeric_limits<double>::quiet_NaN());
  std::vector<double> memory(aot_workspace(n) / sizeof(double) + 1);
  const aot loss{.beta = 0.3, .label_smoothing = 0.1, .paired = paired};
  check(evaluate_aot(cpu{.workspace = {memory.data(), memory.size() * sizeof(double)}}, loss,
                     {here.in[0].read(), here.in[1].read(), here.in[2].read(), here.in[3].read(), here.mask.read()},
                     {here.loss.view(), here.grad[0].view(), here.grad[1].view(), here.count.view()}));
  device<S> in[4] = {device<S>(there.in[0]), device<S>(there.in[1]), device<S>(there.in[2]), device<S>(there.in[3])};
  device<S> grad[2] = {device<S>(there.grad[0]), device<S>(there.grad[1])};
  device<bool> mask(there.mask);
  device<double> total(there.loss), count(there.count);
  const prefer_test::device_workspace scratch(aot_cuda_workspace(n));
  prefer_test::enqueues_only("aot", prefer_test::any_number, [&] {
    check(evaluate_aot(prefer::cuda{.stream = s.handle, .workspace = scratch.get()}, loss,
                       {in[0].read(), in[1].read(), in[2].read(), in[3].read(), mask.read()},
                       {total.view(), grad[0].view(), grad[1].view(), count.view()}));
  });
  s.wait();
  total.fetch(), count.fetch(), grad[0].fetch(), grad[1].fetch();
  CHECK(there.loss.get(0) == doctest::Approx(here.loss.get(0)).epsilon(1e-13));
  CHECK(there.count.get(0) == here.count.get(0));
  for (std::size_t k = 0; k < 2; ++k)
    for (std::int64_t i = 0; i < n; ++i)
      CHECK(there.grad[k].get(i) ==
            doctest::Approx(here.grad[k].get(i)).epsilon(std::ldexp(1.0, 1 - storage<S>::digits) + 1e-12));
  CHECK((there.grad[0].intact() && there.grad[1].intact()));
  covers<S>("aot", "sizes");
}

}  // namespace

TEST_CASE("AOT on CUDA: ranks, ties and masks as on the CPU") {
  for (bool paired : {true, false}) {
    for (std::int64_t n : {0, 1, 40, 700}) check_batch<double>(n, paired);
    check_batch<float>(300, paired), check_batch<prefer::half>(100, paired), check_batch<prefer::bfloat16>(100, paired);
  }
  for (const char* tag : {"masked", "allocation"}) covers("aot", tag);
}

TEST_CASE("AOT on CUDA names what is wrong") {
  stream s;
  transport<float> t(8);
  device<float> in[4] = {device<float>(t.in[0]), device<float>(t.in[1]), device<float>(t.in[2]),
                         device<float>(t.in[3])};
  device<double> total(t.loss);
  const prefer_test::device_workspace little(64);
  const aot_inputs<space::device> all = {in[0].read(), in[1].read(), in[2].read(), in[3].read()};
  CHECK(evaluate_aot(prefer::cuda{.stream = s.handle, .workspace = little.get()}, aot{}, all, {.loss = total.view()})
            .code == errc::small_workspace);
  CHECK(evaluate_aot(prefer::cuda{s.handle}, aot{.beta = 0.0}, all, {.loss = total.view()}).code ==
        errc::bad_parameter);
  covers("aot", "bad-argument");
}
