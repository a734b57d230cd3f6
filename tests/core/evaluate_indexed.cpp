// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/evaluate_indexed.hpp>
#include <prefer/core/thread_pool.hpp>
#include <prefer/loss/bradley_terry.hpp>
#include <prefer/loss/dpo.hpp>
#include <support/allocations.hpp>
#include <support/buffer.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace prefer;
using prefer_test::buffer;

namespace {

// n pairs of N samples; sample 0 takes part in nearly all of them and sample 1 in none.
struct fixture {
  std::int64_t n, samples;
  std::vector<std::int32_t> chosen, rejected;
  buffer<double> policy, reference, grad;
  std::vector<std::int64_t> offsets, entries;
  std::vector<char> scratch;

  fixture(std::int64_t pairs, std::int64_t count)
      : n(pairs),
        samples(count),
        policy(count),
        reference(count),
        grad(count),
        offsets(static_cast<std::size_t>(count + 1)),
        entries(static_cast<std::size_t>(2 * pairs)),
        scratch(evaluate_indexed_workspace<double>(cpu{}, dpo{}, pairs)) {
    prefer_test::noise random(31);
    for (std::int64_t i = 0; i < n; ++i) {
      const auto draw = [&] {
        return static_cast<std::int32_t>(2 + random.bits() % static_cast<std::uint64_t>(samples - 2));
      };
      chosen.push_back(i % 5 == 0 ? draw() : 0);
      rejected.push_back(draw());
    }
    for (std::int64_t s = 0; s < samples; ++s)
      policy.set(s, random.uniform(-9, 0)), reference.set(s, random.uniform(-9, 0));
    check(make_pair_plan(cpu{}, {chosen.data(), n}, {rejected.data(), n}, samples, {offsets.data(), samples + 1},
                         {entries.data(), 2 * n}));
  }
  pair_index_inputs<space::host> inputs() {
    return {.policy = policy.read(),
            .reference = reference.read(),
            .chosen = {chosen.data(), n},
            .rejected = {rejected.data(), n},
            .plan = {{offsets.data(), samples + 1}, {entries.data(), 2 * n}}};
  }
  cpu exec() { return {.workspace = {scratch.data(), scratch.size()}}; }
};

}  // namespace

TEST_CASE("a plan lists every use of every sample once, in pair order") {
  fixture f(57, 9);
  CHECK(f.offsets.front() == 0);
  CHECK(f.offsets.back() == 2 * f.n);
  for (std::size_t s = 0; s < 9; ++s)
    for (auto i = f.offsets[s]; i < f.offsets[s + 1]; ++i) {
      const std::int64_t entry = f.entries[static_cast<std::size_t>(i)];
      const auto pair = static_cast<std::size_t>(entry / 2);
      CHECK((entry % 2 == 0 ? f.chosen[pair] : f.rejected[pair]) == static_cast<std::int32_t>(s));
      if (i > f.offsets[s]) CHECK(entry > f.entries[static_cast<std::size_t>(i - 1)]);
    }
  CHECK(f.offsets[1] == f.offsets[2]);  // sample 1 is in no pair
}

TEST_CASE("indexed pairs equal the same pairs gathered, and shared gradients are summed") {
  fixture f(200, 12);
  buffer<double> losses(200);
  double loss = 0;
  REQUIRE(evaluate_indexed<double>(f.exec(), dpo{.beta = 0.3}, f.inputs(),
                                   {.loss = {&loss, 1}, .grad_policy = f.grad.view(), .losses = losses.view()})
              .ok());
  std::vector<double> pc, pr, rc, rr, gc(200), gr(200), expected_losses(200), sum(12);
  for (std::size_t i = 0; i < 200; ++i) {
    pc.push_back(f.policy.get(f.chosen[i])), pr.push_back(f.policy.get(f.rejected[i]));
    rc.push_back(f.reference.get(f.chosen[i])), rr.push_back(f.reference.get(f.rejected[i]));
  }
  double expected = 0;
  REQUIRE(evaluate<double>(cpu{}, dpo{.beta = 0.3},
                           {.policy_chosen = {pc.data(), 200},
                            .policy_rejected = {pr.data(), 200},
                            .reference_chosen = {rc.data(), 200},
                            .reference_rejected = {rr.data(), 200}},
                           {.loss = {&expected, 1},
                            .grad_policy_chosen = {gc.data(), 200},
                            .grad_policy_rejected = {gr.data(), 200},
                            .losses = {expected_losses.data(), 200}})
              .ok());
  CHECK(loss == expected);
  CHECK(losses.values() == expected_losses);
  for (std::size_t i = 0; i < 200; ++i) {
    sum[static_cast<std::size_t>(f.chosen[i])] += gc[i];
    sum[static_cast<std::size_t>(f.rejected[i])] += gr[i];
  }
  CHECK(f.grad.values() == sum);  // the same additions in the same order
  CHECK(f.grad.get(1) == 0);
  CHECK(f.grad.intact());
}

TEST_CASE("gradients are derivatives: finite differences in a shared sample") {
  fixture f(60, 6);
  const auto loss_at = [&](std::int64_t sample, double step) {
    f.policy.set(sample, f.policy.get(sample) + step);
    double loss = 0;
    check(evaluate_indexed<double>(cpu{}, dpo{.beta = 0.5}, f.inputs(), {.loss = {&loss, 1}}));
    f.policy.set(sample, f.policy.get(sample) - step);
    return loss;
  };
  REQUIRE(evaluate_indexed<double>(f.exec(), dpo{.beta = 0.5}, f.inputs(), {.grad_policy = f.grad.view()}).ok());
  for (std::int64_t s = 0; s < 6; ++s)
    CHECK(f.grad.get(s) == doctest::Approx((loss_at(s, 1e-5) - loss_at(s, -1e-5)) / 2e-5).epsilon(1e-7).scale(1e-3));
}

TEST_CASE(
    "accumulation adds to samples and pairs alike; any number of threads gives the same bits; nothing is allocated") {
  fixture f(30000, 40);
  const long before = prefer_test::allocation_count();
  const status s = evaluate_indexed<double>(f.exec(), dpo{}, f.inputs(), {.grad_policy = f.grad.view()});
  CHECK(prefer_test::allocation_count() == before);
  REQUIRE(s.ok());
  const std::vector<double> once = f.grad.values();
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    cpu exec = f.exec();
    exec.pool = pool;
    REQUIRE(evaluate_indexed<double>(exec, dpo{}, f.inputs(), {.grad_policy = f.grad.view()}).ok());
    CHECK(f.grad.values() == once);
  }
  REQUIRE(
      evaluate_indexed<double>(f.exec(), dpo{}, f.inputs(), {.grad_policy = f.grad.view(), .accumulate = true}).ok());
  for (std::int64_t i = 0; i < 40; ++i) CHECK(f.grad.get(i) == 2 * once[static_cast<std::size_t>(i)]);
}

TEST_CASE("Bradley-Terry over scores by index") {
  fixture f(100, 8);
  double loss = 0;
  REQUIRE(evaluate_indexed<double>(f.exec(), bradley_terry{},
                                   {.score = f.policy.read(),
                                    .chosen = {f.chosen.data(), 100},
                                    .rejected = {f.rejected.data(), 100},
                                    .plan = {{f.offsets.data(), 9}, {f.entries.data(), 200}}},
                                   {.loss = {&loss, 1}, .grad_score = f.grad.view()})
              .ok());
  double total = 0, sum = 0;
  for (std::size_t i = 0; i < 100; ++i)
    sum += std::log1p(std::exp(f.policy.get(f.rejected[i]) - f.policy.get(f.chosen[i]))) / 100;
  for (double g : f.grad.values()) total += g;
  CHECK(loss == doctest::Approx(sum).epsilon(1e-13));
  CHECK(std::fabs(total) < 1e-15);  // shifting all scores changes nothing
}

TEST_CASE("bad indices, plans and workspaces are named, and nothing is written") {
  fixture f(10, 5);
  const auto refused = [&](auto change, errc code, const char* argument, const cpu& exec) {
    pair_index_inputs<space::host> in = f.inputs();
    change(in);
    const status s = evaluate_indexed<double>(exec, dpo{}, in, {.grad_policy = f.grad.view()});
    INFO(message(s).c_str());
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
  };
  std::vector<std::int32_t> out_of_range = f.chosen;
  out_of_range[7] = 5;
  refused([&](auto& in) { in.chosen = {out_of_range.data(), 10}; }, errc::bad_index, "chosen", f.exec());
  out_of_range[7] = -1;
  refused([&](auto& in) { in.rejected = {out_of_range.data(), 10}; }, errc::bad_index, "rejected", f.exec());
  refused([&](auto& in) { in.rejected = {f.rejected.data(), 9}; }, errc::bad_extent, "rejected", f.exec());
  refused([&](auto& in) { in.chosen = {}; }, errc::missing_input, "chosen", f.exec());
  refused([&](auto& in) { in.policy = {}; }, errc::missing_input, "policy", f.exec());
  refused([&](auto& in) { in.reference.extent[0] = 4; }, errc::bad_extent, "reference", f.exec());
  refused([&](auto& in) { in.plan = {}; }, errc::missing_input, "plan", f.exec());
  refused([&](auto& in) { in.plan.entries.extent[0] = 3; }, errc::bad_extent, "plan.entries", f.exec());
  refused([](auto&) {}, errc::small_workspace, "exec.workspace.bytes", cpu{});
  CHECK(f.grad.untouched());
  const status s = make_pair_plan(cpu{}, {out_of_range.data(), 10}, {f.rejected.data(), 10}, 5, {f.offsets.data(), 6},
                                  {f.entries.data(), 20});
  CHECK(s.code == errc::bad_index);
  CHECK(s.index == 7);
}
