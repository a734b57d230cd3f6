// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/action.hpp>
#include <prefer/core/pair.hpp>
#include <prefer/core/response.hpp>
#include <prefer/core/reward_pair.hpp>
#include <prefer/core/scored.hpp>
#include <prefer/core/segment_pair.hpp>
#include <prefer/core/transition.hpp>
#include <support/device_call.cuh>
#include <support/loss_checks.hpp>

namespace prefer_test {

template <class S, class Kind>
void check_sizes_on_cuda(const char* name, const cuda_subject<Kind>& loss, double roundings) {
  stream s;
  for (std::int64_t n : {0, 1, 31, 33, 1023, 1025})
    for (std::int64_t stride : {1, 3}) {
      kind_call<Kind, S> c(loss, n, stride, stride - 1);
      const expectation<Kind> exact(c);
      device_call<Kind, S> d(c);
      REQUIRE(run(loss, prefer::cuda{s.handle}, d).ok());
      s.wait();
      d.fetch();
      check_against(c, exact, roundings);
      CHECK(c.intact());
    }
  for (const char* tag : {"sizes", "strides", "sentinel", "gradient"}) covers<S>(name, tag);
}

template <class S, class Kind>
void check_masked_on_cuda(const char* name, const cuda_subject<Kind>& loss) {
  stream s;
  kind_call<Kind, S> clean(loss, 1500), dirty(loss, 1500);
  poison(clean, 0.5), poison(dirty, std::numeric_limits<double>::quiet_NaN());
  device_call<Kind, S> dc(clean), dd(dirty);
  REQUIRE(run(loss, prefer::cuda{s.handle}, dc).ok());
  REQUIRE(run(loss, prefer::cuda{s.handle}, dd).ok());
  s.wait();
  dc.fetch(), dd.fetch();
  CHECK(clean.written() == dirty.written());
  covers<S>(name, "masked");
}

// One launch, two where the default normaliser has to count a mask; no other call of the runtime.
template <class Kind>
void check_launches(const char* name, const cuda_subject<Kind>& loss) {
  stream s;
  kind_call<Kind, float> c(loss, 3000);
  device_call<Kind, float> d(c);
  const device_workspace memory(loss.workspace(3000));
  const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
  enqueues_only((std::string(name) + " plain").c_str(), 1, [&] { prefer::check(run(loss, exec, d, false)); });
  enqueues_only((std::string(name) + " masked").c_str(), 2, [&] { prefer::check(run(loss, exec, d)); });
  c.divisor = 3000;
  enqueues_only((std::string(name) + " normalised").c_str(), 1, [&] { prefer::check(run(loss, exec, d)); });
  s.wait();
  covers(name, "allocation");
}

// A captured call computes with the data and the normaliser of the replay.
template <class Kind>
void check_capture(const char* name, const cuda_subject<Kind>& loss) {
  stream s;
  kind_call<Kind, double> c(loss, 500), expected(loss, 500);
  buffer<double> divisor(1);
  divisor.set(0, 500);
  device<double> ddivisor(divisor);
  device_call<Kind, double> d(c), de(expected);
  const device_workspace memory(loss.workspace(500));
  const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
  auto in = d.inputs();
  in.normalizer = static_cast<const double*>(ddivisor.data());
  const cudaGraphExec_t graph =
      capture(s.handle, [&] { prefer::check(loss.template evaluate<double>(exec, in, d.outputs())); });
  for (double x : {500.0, 123.0}) {
    divisor.set(0, x);
    c.weight.set(7, x / 100), expected.weight.set(7, x / 100), expected.divisor = x;
    ddivisor.send(), d.send(), de.send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    REQUIRE(run(loss, prefer::cuda{s.handle}, de).ok());
    s.wait();
    d.fetch(), de.fetch();
    CHECK(c.written() == expected.written());
  }
  cudaGraphExecDestroy(graph);
  covers(name, "capture");
}

template <class Kind>
void check_bad_arguments_on_cuda(const char* name, const cuda_subject<Kind>& loss) {
  stream s;
  kind_call<Kind, float> c(loss, 8);
  device_call<Kind, float> d(c);
  each_bad_argument(
      c, d.inputs(), d.outputs(), [&](prefer::errc code, const char* argument, const auto& in, const auto& out) {
        const prefer::status st = loss.template evaluate<float>(prefer::cuda{s.handle}, in, out);
        INFO(prefer::message(st).c_str() << " expected for " << argument << ": " << prefer::name_of(code));
        CHECK(st.code == code);
        CHECK(std::string(st.argument) == argument);
      });
  const device_workspace little(64);
  const prefer::cuda cramped{.stream = s.handle, .workspace = little.get()};
  CHECK(run(loss, cramped, d).code == prefer::errc::small_workspace);
  s.wait();
  d.fetch();
  CHECK(c.untouched());
  covers(name, "bad-argument");
}

template <class Kind>
void check_promises_on_cuda(const char* name, const cuda_subject<Kind>& loss, double roundings) {
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

template void check_promises_on_cuda(const char*, const cuda_subject<prefer::pair_kind>&, double);
template void check_promises_on_cuda(const char*, const cuda_subject<prefer::reward_pair_kind>&, double);
template void check_promises_on_cuda(const char*, const cuda_subject<prefer::response_kind>&, double);
template void check_promises_on_cuda(const char*, const cuda_subject<prefer::segment_pair_kind>&, double);
template void check_promises_on_cuda(const char*, const cuda_subject<prefer::scored_kind>&, double);
template void check_promises_on_cuda(const char*, const cuda_subject<prefer::transition_kind>&, double);
template void check_promises_on_cuda(const char*, const cuda_subject<prefer::action_kind>&, double);

}  // namespace prefer_test
