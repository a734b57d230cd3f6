// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <loss/aot.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <numeric>
#include <string>

using namespace prefer;
using prefer_test::covers;
using prefer_test::storage;
using prefer_test::transport;

namespace {

template <class S>
aot_inputs<space::host> inputs(transport<S>& t) {
  return {.policy_chosen = t.in[0].read(),
          .policy_rejected = t.in[1].read(),
          .reference_chosen = t.in[2].read(),
          .reference_rejected = t.in[3].read(),
          .mask = t.mask.read()};
}
template <class S>
aot_outputs<space::host> outputs(transport<S>& t) {
  return {.loss = t.loss.view(),
          .grad_policy_chosen = t.grad[0].view(),
          .grad_policy_rejected = t.grad[1].view(),
          .count = t.count.view()};
}
struct scratch {
  std::vector<double> memory;
  explicit scratch(std::int64_t n) : memory(aot_workspace(n) / sizeof(double) + 1) {}
  cpu exec(task_runner pool = {}) {
    return {.pool = pool, .workspace = {memory.data(), memory.size() * sizeof(double)}};
  }
};

// Ties apart, moving one number a little changes no rank: differences of the definition are the gradient.
template <class S>
void check_batch(const aot& loss, std::int64_t n) {
  transport<S> t(n);
  for (std::int64_t i = 3; i < n; i += 7)  // no ties
    t.in[0].set(i, t.in[0].get(i) + 0.0625), t.in[3].set(i, t.in[3].get(i) + 0.125);
  scratch s(n);
  check(evaluate_aot(s.exec(), loss, inputs(t), outputs(t)));
  const double beta = loss.beta.value64, smoothing = loss.label_smoothing.value64;
  CHECK(t.loss.get(0) ==
        doctest::Approx(static_cast<double>(t.by_definition(beta, smoothing, loss.paired))).epsilon(1e-13));
  transport<double> moved(n);
  for (std::size_t k = 0; k < 4; ++k)
    for (std::int64_t i = 0; i < n; ++i) moved.in[k].set(i, t.in[k].get(i));
  for (std::int64_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < 2; ++k) {
      const double x = t.in[k].get(i), h = 1e-5;
      moved.in[k].set(i, x + h);
      const long double up = moved.by_definition(beta, smoothing, loss.paired);
      moved.in[k].set(i, x - h);
      const long double down = moved.by_definition(beta, smoothing, loss.paired);
      moved.in[k].set(i, x);
      const double slope = static_cast<double>((up - down) / (2 * static_cast<long double>(h)));
      CHECK(std::fabs(t.grad[k].get(i) - slope) <= 1e-9 + std::ldexp(std::fabs(slope), 1 - storage<S>::digits));
    }
  CHECK((t.grad[0].intact() && t.grad[1].intact()));
  covers<S>("aot", "sizes");
}

}  // namespace

TEST_CASE("AOT is its definition, paired and unpaired, in every storage type; gradients by differences") {
  for (bool paired : {true, false})
    for (double smoothing : {0.0, 0.1}) {
      const aot loss{.beta = 0.3, .label_smoothing = smoothing, .paired = paired};
      for (std::int64_t n : {0, 1, 2, 33}) check_batch<double>(loss, n), check_batch<float>(loss, n);
    }
  check_batch<half>(aot{.beta = 0.3}, 9), check_batch<bfloat16>(aot{.beta = 0.3, .paired = false}, 5);
  covers("aot", "golden");
}

TEST_CASE("a batch in another order is the same loss, and its gradients move with the items") {
  transport<double> t(40), other(40);
  std::vector<std::int64_t> order(40);
  std::iota(order.begin(), order.end(), 0);
  std::reverse(order.begin(), order.end());
  for (std::int64_t i = 0; i < 40; ++i) {
    t.in[0].set(i, t.in[0].get(i) + 1e-3 * static_cast<double>(i));  // no ties
    t.in[3].set(i, t.in[3].get(i) + 2e-3 * static_cast<double>(i));
    for (std::size_t k = 0; k < 4; ++k) other.in[k].set(39 - i, t.in[k].get(i));
    other.mask.at(39 - i) = t.mask.at(i);
  }
  for (bool paired : {true, false}) {
    scratch s(40);
    const aot loss{.beta = 0.5, .paired = paired};
    check(evaluate_aot(s.exec(), loss, inputs(t), outputs(t)));
    check(evaluate_aot(s.exec(), loss, inputs(other), outputs(other)));
    CHECK(t.loss.get(0) == doctest::Approx(other.loss.get(0)).epsilon(1e-14));
    for (std::int64_t i = 0; i < 40; ++i)
      for (std::size_t k = 0; k < 2; ++k) CHECK(t.grad[k].get(i) == other.grad[k].get(39 - i));
  }
  // One item is DPO, and two items whose orders agree are the mean of two.
  transport<double> one(1);
  one.mask.at(0) = true;
  scratch s(1);
  check(evaluate_aot(s.exec(), aot{.beta = 0.5}, inputs(one), outputs(one)));
  const double z = 0.5 * ((one.in[0].get(0) - one.in[1].get(0)) - (one.in[2].get(0) - one.in[3].get(0)));
  CHECK(one.loss.get(0) == doctest::Approx(std::log1p(std::exp(-z))).epsilon(1e-14));
  covers("aot", "identity");
}

TEST_CASE("the same bits for any number of threads; what is masked may be NaN; accumulated; nothing is allocated") {
  transport<float> t(20000);
  scratch s(20000);
  const auto bits = [&](const cpu& exec) {
    check(evaluate_aot(exec, aot{}, inputs(t), outputs(t)));
    auto all = t.grad[0].bytes();
    all.insert(all.end(), t.loss.bytes().begin(), t.loss.bytes().end());
    return all;
  };
  const auto expected = bits(s.exec());
  thread_pool pool(3);
  CHECK(bits(s.exec(pool)) == expected);
  for (std::int64_t i = 2; i < t.n; i += 5) t.in[1].set(i, std::numeric_limits<double>::quiet_NaN());
  CHECK(bits(s.exec()) == expected);
  CHECK(t.count.get(0) == 16000);
  for (std::int64_t i = 2; i < 100; i += 5) CHECK(t.grad[0].get(i) == 0);
  const auto in = inputs(t);
  auto out = outputs(t);
  out.accumulate = true;
  const auto once = t.grad[0].values();
  const double loss = t.loss.get(0);
  const cpu exec = s.exec();
  const long before = prefer_test::allocation_count();
  const status st = evaluate_aot(exec, aot{}, in, out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK(st.ok());
  CHECK(t.loss.get(0) == doctest::Approx(2 * loss));
  for (std::int64_t i = 0; i < 100; ++i)
    CHECK(t.grad[0].get(i) == 2 * static_cast<float>(once[static_cast<std::size_t>(i)]));
  t.in[0].set(0, std::numeric_limits<double>::quiet_NaN());
  check(evaluate_aot(exec, aot{}, in, {.loss = t.loss.view()}));
  CHECK(std::isnan(t.loss.get(0)));
  for (const char* tag : {"threads", "masked", "accumulation", "allocation"}) covers("aot", tag);
}

TEST_CASE("what is wrong with a batch is named, and nothing is written") {
  transport<float> t(8);
  scratch s(8);
  const auto refused = [&](errc code, const char* argument, auto change, const aot& loss = {}) {
    auto in = inputs(t);
    auto out = outputs(t);
    cpu exec = s.exec();
    change(in, out, exec);
    const status st = evaluate_aot(exec, loss, in, out);
    INFO(std::string(message(st).c_str()) << " expected for " << std::string(argument));
    CHECK(st.code == code);
    CHECK(std::string(st.argument) == argument);
  };
  const auto nothing = [](auto&, auto&, auto&) {};
  refused(errc::bad_parameter, "beta", nothing, {.beta = 0.0});
  refused(errc::bad_parameter, "label_smoothing", nothing, {.label_smoothing = 0.5});
  refused(errc::missing_input, "reference_chosen", [](auto& in, auto&, auto&) { in.reference_chosen = {}; });
  refused(errc::bad_extent, "policy_rejected", [](auto& in, auto&, auto&) { in.policy_rejected.extent[0] = 7; });
  refused(errc::null_data, "policy_chosen", [](auto& in, auto&, auto&) { in.policy_chosen.data = nullptr; });
  refused(errc::bad_element, "mask", [](auto& in, auto&, auto&) { in.mask = in.policy_chosen; });
  refused(errc::bad_parameter, "normalizer", [](auto& in, auto&, auto&) { in.normalizer = -1.0; });
  refused(errc::bad_extent, "grad_policy_chosen",
          [](auto&, auto& out, auto&) { out.grad_policy_chosen.extent[0] = 9; });
  refused(errc::overlap, "grad_policy_rejected",
          [](auto& in, auto& out, auto&) { out.grad_policy_rejected.data = const_cast<void*>(in.policy_chosen.data); });
  refused(errc::missing_output, "outputs", [](auto&, auto& out, auto&) { out = {}; });
  refused(errc::small_workspace, "exec.workspace.bytes", [](auto&, auto&, auto& exec) { exec.workspace.bytes = 8; });
  CHECK((t.grad[0].untouched() && t.loss.untouched()));
  covers("aot", "bad-argument");
}
