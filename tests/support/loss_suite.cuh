// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <support/cuda.cuh>
#include <support/loss_suite.hpp>

#include <map>
#include <memory>

// What every loss owes its users on CUDA: see loss_suite.hpp.
namespace prefer_test {

// The buffers of a loss_call, mirrored on the device.
template <class Loss, class S>
struct device_loss_call {
  loss_call<Loss, S>& host;
  std::vector<std::unique_ptr<device<S>>> in, out;
  std::vector<std::unique_ptr<device<double>>> total;
  device<S> weight;
  device<bool> mask;

  explicit device_loss_call(loss_call<Loss, S>& c) : host(c), weight(c.weight), mask(c.mask) {
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
    return host.template make_inputs<prefer::inputs_of<Loss, prefer::cuda>>(
        [&](auto& b) {
          using T = std::remove_cvref_t<decltype(b.at(0))>;
          return prefer::view<const T, 1, prefer::space::device>(find(b).read());
        },
        with_weight, with_mask);
  }
  auto outputs() {
    return host.template make_outputs<prefer::outputs_of<Loss, prefer::cuda>>([&](auto& b) { return find(b).view(); });
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

template <class S, class Loss>
prefer::status run(const prefer::cuda& exec, device_loss_call<Loss, S>& d, bool with_mask = true) {
  return prefer::evaluate<compute_for<S>>(exec, d.host.loss, d.inputs(true, with_mask), d.outputs());
}

template <class S, class Loss>
void check_sizes_on_cuda(const char* name, const Loss& loss, double roundings) {
  stream s;
  for (std::int64_t n : {0, 1, 31, 33, 1023, 1025})
    for (std::int64_t stride : {1, 3}) {
      loss_call<Loss, S> c(loss, n, stride, stride - 1);
      const expectation<Loss> exact(c);
      device_loss_call<Loss, S> d(c);
      REQUIRE(run(prefer::cuda{s.handle}, d).ok());
      s.wait();
      d.fetch();
      check_against(c, exact, roundings);
      CHECK(c.intact());
    }
  for (const char* tag : {"sizes", "strides", "sentinel", "gradient"}) covers<S>(name, tag);
}

template <class S, class Loss>
void check_masked_on_cuda(const char* name, const Loss& loss) {
  stream s;
  loss_call<Loss, S> clean(loss, 1500), dirty(loss, 1500);
  poison(clean, 0.5), poison(dirty, std::numeric_limits<double>::quiet_NaN());
  device_loss_call<Loss, S> dc(clean), dd(dirty);
  REQUIRE(run(prefer::cuda{s.handle}, dc).ok());
  REQUIRE(run(prefer::cuda{s.handle}, dd).ok());
  s.wait();
  dc.fetch(), dd.fetch();
  CHECK(clean.written() == dirty.written());
  covers<S>(name, "masked");
}

// One launch, two where the default normaliser has to count a mask; no other call of the runtime.
template <class Loss>
void check_launches(const char* name, const Loss& loss) {
  stream s;
  loss_call<Loss, float> c(loss, 3000);
  device_loss_call<Loss, float> d(c);
  const device_workspace memory(prefer::evaluate_workspace(loss, 3000));
  const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
  enqueues_only((std::string(name) + " plain").c_str(), 1, [&] { prefer::check(run(exec, d, false)); });
  enqueues_only((std::string(name) + " masked").c_str(), 2, [&] { prefer::check(run(exec, d)); });
  c.divisor = 3000;
  enqueues_only((std::string(name) + " normalised").c_str(), 1, [&] { prefer::check(run(exec, d)); });
  s.wait();
  covers(name, "allocation");
}

// A captured call computes with the data and the normaliser of the replay.
template <class Loss>
void check_capture(const char* name, const Loss& loss) {
  stream s;
  loss_call<Loss, double> c(loss, 500), expected(loss, 500);
  buffer<double> divisor(1);
  divisor.set(0, 500);
  device<double> ddivisor(divisor);
  device_loss_call<Loss, double> d(c), de(expected);
  const device_workspace memory(prefer::evaluate_workspace(loss, 500));
  const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
  auto in = d.inputs();
  in.normalizer = static_cast<const double*>(ddivisor.data());
  const cudaGraphExec_t graph =
      capture(s.handle, [&] { prefer::check(prefer::evaluate<double>(exec, loss, in, d.outputs())); });
  for (double x : {500.0, 123.0}) {
    divisor.set(0, x);
    c.weight.set(7, x / 100), expected.weight.set(7, x / 100), expected.divisor = x;
    ddivisor.send(), d.send(), de.send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    REQUIRE(run(prefer::cuda{s.handle}, de).ok());
    s.wait();
    d.fetch(), de.fetch();
    CHECK(c.written() == expected.written());
  }
  cudaGraphExecDestroy(graph);
  covers(name, "capture");
}

template <class Loss>
void check_bad_arguments_on_cuda(const char* name, const Loss& loss) {
  stream s;
  loss_call<Loss, float> c(loss, 8);
  device_loss_call<Loss, float> d(c);
  each_bad_argument(
      c, d.inputs(), d.outputs(), [&](prefer::errc code, const char* argument, const auto& in, const auto& out) {
        const prefer::status st = prefer::evaluate<float>(prefer::cuda{s.handle}, loss, in, out);
        INFO(prefer::message(st).c_str() << " expected for " << argument << ": " << prefer::name_of(code));
        CHECK(st.code == code);
        CHECK(std::string(st.argument) == argument);
      });
  const device_workspace little(64);
  CHECK(run(prefer::cuda{.stream = s.handle, .workspace = little.get()}, d).code == prefer::errc::small_workspace);
  s.wait();
  d.fetch();
  CHECK(c.untouched());
  covers(name, "bad-argument");
}

template <class Loss>
void loss_suite_on_cuda(const char* name, const Loss& loss, double roundings = 64) {
  SUBCASE(
      "every size, stride and storage type gives the loss in long double and its derivative by dual numbers; no byte "
      "beside") {
    check_sizes_on_cuda<float>(name, loss, roundings);
    check_sizes_on_cuda<double>(name, loss, roundings);
    check_sizes_on_cuda<prefer::half>(name, loss, roundings);
    check_sizes_on_cuda<prefer::bfloat16>(name, loss, roundings);
  }
  SUBCASE("a mask selects: what it leaves out changes no bit") {
    check_masked_on_cuda<float>(name, loss);
    check_masked_on_cuda<double>(name, loss);
    check_masked_on_cuda<prefer::half>(name, loss);
    check_masked_on_cuda<prefer::bfloat16>(name, loss);
  }
  SUBCASE("with a workspace a call only enqueues") { check_launches(name, loss); }
  SUBCASE("a captured call replays with changed data and scalars") { check_capture(name, loss); }
  SUBCASE("every bad argument is named, and nothing is written") { check_bad_arguments_on_cuda(name, loss); }
}

}  // namespace prefer_test
