// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/wpo.hpp>
#include <prefer/core/evaluate_tokens.cuh>
#include <prefer/loss/wpo.cuh>
#include <support/cuda.cuh>
#include <support/golden_cases.cuh>

#include <doctest/doctest.h>

#include <map>
#include <vector>

using namespace prefer_test;

TEST_CASE("golden values, and what every loss promises, on CUDA") {
  SUBCASE("wpo_weight") { loss_tests_on_cuda<wpo_weight_cases>(); }
}

TEST_CASE("weights of pairs from tokens: CUDA as CPU, one launch") {
  stream s;
  constexpr std::int64_t n = 7;
  buffer<std::int32_t> offsets(n + 1);
  for (std::int64_t i = 0; i <= n; ++i) offsets.at(i) = static_cast<std::int32_t>(i * i * 7);
  const std::int64_t total = offsets.at(n);
  buffer<float> policy(total), collision(total);
  buffer<double> weight(n), expected(n), each(n);
  buffer<bool> mask(total);
  noise random(5);
  for (std::int64_t t = 0; t < total; ++t) {
    policy.set(t, random.uniform(-2, 0)), collision.set(t, random.uniform(-2, 0));
    mask.at(t) = random.uniform(0, 1) < 0.7;
    if (!mask.at(t)) policy.set(t, std::numeric_limits<double>::quiet_NaN());
  }
  const auto call = [&](const auto& exec, auto read, auto write) {
    using E = std::remove_cvref_t<decltype(exec)>;
    const prefer::pair_token_inputs<E::memory> in = {.policy_chosen = read(policy),
                                                     .policy_rejected = read(policy),
                                                     .reference_chosen = read(collision),
                                                     .reference_rejected = read(collision),
                                                     .chosen_offsets = read(offsets),
                                                     .rejected_offsets = read(offsets),
                                                     .chosen_mask = read(mask),
                                                     .rejected_mask = read(mask)};
    return prefer::evaluate_tokens(exec, prefer::wpo_weight{}, in,
                                   {.losses = write(weight), .reward_chosen = write(each)});
  };
  prefer::check(call(
      prefer::cpu{}, [](auto& b) { return b.read(); }, [](auto& b) { return b.view(); }));
  expected.fill(weight.values());
  device<std::int32_t> doffsets(offsets);
  device<float> dpolicy(policy), dcollision(collision);
  device<double> dweight(weight), deach(each);
  device<bool> dmask(mask);
  const std::map<const void*, void*> mirror = {{&offsets, &doffsets}, {&policy, &dpolicy}, {&collision, &dcollision},
                                               {&weight, &dweight},   {&each, &deach},     {&mask, &dmask}};
  const auto find = [&]<class T>(buffer<T>& b) -> device<T>& { return *static_cast<device<T>*>(mirror.at(&b)); };
  const device_workspace memory(prefer::evaluate_tokens_workspace(prefer::wpo_weight{}, n));
  const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
  enqueues_only("wpo tokens", 1, [&] {
    prefer::check(call(
        exec, [&](auto& b) { return find(b).read(); }, [&](auto& b) { return find(b).view(); }));
  });
  s.wait();
  dweight.fetch();
  for (std::int64_t i = 0; i < n; ++i) CHECK(weight.get(i) == doctest::Approx(expected.get(i)).epsilon(1e-13));
  CHECK(weight.intact());
}
