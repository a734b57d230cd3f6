// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <core/to_go.hpp>
#include <prefer/core/thread_pool.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <string>
#include <vector>

using namespace prefer;
using prefer_test::covers;
using prefer_test::to_go_case;

namespace {

template <class S>
response_token_inputs<space::host> inputs_of_case(to_go_case<S>& c) {
  return {.policy = c.policy.read(),
          .reference = c.reference.read(),
          .offsets = c.offsets.read(),
          .token_mask = c.token_mask.read(),
          .label = c.label.read(),
          .weight = c.weight.read(),
          .mask = c.mask.read()};
}

template <class S>
void check_case() {
  to_go_case<S> c;
  check(evaluate_to_go(cpu{}, c.loss(), inputs_of_case(c), {.grad_policy = c.grad.view()}));
  c.check_definition();
  covers<S>("evaluate_to_go", "sizes");
}

}  // namespace

TEST_CASE("every token's gradient is that of the sums from it on: lengths, masks, weights, storage types") {
  SUBCASE("float") { check_case<float>(); }
  SUBCASE("double") { check_case<double>(); }
  SUBCASE("half") { check_case<half>(); }
  SUBCASE("bfloat16") { check_case<bfloat16>(); }
}

TEST_CASE("the first token has the gradient of the whole response, the last its own; accumulated, on any threads") {
  constexpr std::int64_t n = 200, length = 100;
  std::vector<double> policy(n * length), reference(n * length), label(n), whole(n * length), grad(n * length);
  std::vector<std::int64_t> offsets;
  prefer_test::noise random(4);
  for (double& x : policy) x = random.uniform(-2, 0);
  for (double& x : reference) x = random.uniform(-2, 0);
  for (double& x : label) x = random.uniform(0, 1);
  for (std::int64_t i = 0; i <= n; ++i) offsets.push_back(i * length);
  const nash_md_pg loss{.tau = 0.1};
  const response_token_inputs<space::host> in = {.policy = {policy.data(), n * length},
                                                 .reference = {reference.data(), n * length},
                                                 .offsets = {offsets.data(), n + 1},
                                                 .label = {label.data(), n}};
  response_outputs<space::host> out = {.grad_policy = {grad.data(), n * length}};
  check(evaluate_tokens(cpu{}, loss, in, {.grad_policy = {whole.data(), n * length}}));
  const long before = prefer_test::allocation_count();
  const status s = evaluate_to_go(cpu{}, loss, in, out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK(s.ok());
  for (std::size_t i = 0; i < n; ++i) {
    CHECK(grad[i * length] == doctest::Approx(whole[i * length]).epsilon(1e-12));
    const std::size_t last = i * length + length - 1;
    CHECK(grad[last] == doctest::Approx(-(label[i] - 0.5 - 0.1 * (policy[last] - reference[last])) / n).epsilon(1e-12));
  }
  const auto once = grad;
  for (int threads : {2, 3}) {
    thread_pool pool(threads);
    check(evaluate_to_go(cpu{.pool = pool}, loss, in, out));
    CHECK(grad == once);
  }
  out.accumulate = true;
  check(evaluate_to_go(cpu{}, loss, in, out));
  for (std::size_t t = 0; t < grad.size(); ++t) CHECK(grad[t] == 2 * once[t]);
  for (const char* tag : {"identity", "threads", "allocation"}) covers("evaluate_to_go", tag);
}

TEST_CASE("evaluate_to_go: what has no meaning token by token is refused, and nothing is written") {
  to_go_case<float> c;
  const auto bytes = c.grad.bytes();
  float x = 0, rewards[to_go_case<float>::n];
  const auto refused = [&](errc code, const char* argument, const response_token_inputs<space::host>& in,
                           const response_outputs<space::host>& out) {
    const status s = evaluate_to_go(cpu{}, c.loss(), in, out);
    INFO(message(s).c_str());
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
    CHECK((c.grad.bytes() == bytes && x == 0));
  };
  const auto good = inputs_of_case(c);
  refused(errc::unavailable_output, "loss", good, {.loss = {&x, 1}, .grad_policy = c.grad.view()});
  refused(errc::unavailable_output, "reward", good, {.reward = {rewards, c.n}});
  auto in = good;
  in.token_weight = c.policy.read();
  refused(errc::unused_input, "token_weight", in, {.grad_policy = c.grad.view()});
  in = good, in.discount = 0.9;
  refused(errc::bad_parameter, "discount", in, {.grad_policy = c.grad.view()});
  in = good, in.offsets = {};
  refused(errc::missing_input, "offsets", in, {.grad_policy = c.grad.view()});
  c.offsets.at(3) = 1000000;
  refused(errc::bad_offsets, "offsets", good, {.grad_policy = c.grad.view()});
  covers("evaluate_to_go", "bad-argument");
}
