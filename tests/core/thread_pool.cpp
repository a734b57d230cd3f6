// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/evaluate_tokens.hpp>
#include <prefer/core/thread_pool.hpp>
#include <prefer/loss/dpo.hpp>
#include <support/buffer.hpp>

#include <doctest/doctest.h>

#include <numeric>

using namespace prefer;

TEST_CASE("every task runs once, whatever the number of threads and tasks") {
  for (int threads : {1, 2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(pool.size() == threads);
    for (std::int64_t tasks : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> count(static_cast<std::size_t>(tasks));
      pool(tasks, [&](std::int64_t i) { ++count[static_cast<std::size_t>(i)]; });
      for (const auto& c : count) CHECK(c == 1);
    }
  }
}

TEST_CASE("many short calls, calls from several threads, and a call inside a task") {
  thread_pool pool(3);
  std::atomic<long> sum{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 3; ++c)
    callers.emplace_back([&] {
      for (int i = 0; i < 200; ++i) pool(5, [&](std::int64_t t) { sum += t; });
    });
  for (std::thread& t : callers) t.join();
  CHECK(sum == 3 * 200 * 10);
  std::atomic<long> inner{0};
  pool(4, [&](std::int64_t) { pool(4, [&](std::int64_t) { ++inner; }); });
  CHECK(inner == 16);
}

namespace {

// Bits of all outputs of one call over n pairs.
template <class Call>
void same_for_every_thread(Call call) {
  const std::vector<double> alone = call(cpu{});
  for (int threads : {1, 2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(call(cpu{.pool = pool}) == alone);
  }
  const auto reversed = [](std::int64_t tasks, auto task) {
    for (std::int64_t i = tasks; i-- > 0;) task(i);
  };
  const auto strided = [](std::int64_t tasks, auto task) {
    for (std::int64_t first = 0; first < 7; ++first)
      for (std::int64_t i = first; i < tasks; i += 7) task(i);
  };
  CHECK(call(cpu{.parallel_for = reversed}) == alone);
  CHECK(call(cpu{.parallel_for = strided}) == alone);
}

}  // namespace

TEST_CASE("evaluate gives the same bits for any number of threads and any order of tasks") {
  constexpr std::int64_t n = 100003;
  std::vector<float> x(4 * n);
  prefer_test::noise random(2);
  for (float& v : x) v = static_cast<float>(random.uniform(-30, 0));
  same_for_every_thread([&](const cpu& exec) {
    std::vector<float> grad(n);
    float loss = 0;
    check(evaluate<float>(exec, dpo{},
                          {.policy_chosen = {x.data(), n},
                           .policy_rejected = {x.data() + n, n},
                           .reference_chosen = {x.data() + 2 * n, n},
                           .reference_rejected = {x.data() + 3 * n, n}},
                          {.loss = {&loss, 1}, .grad_policy_chosen = {grad.data(), n}}));
    std::vector<double> all(grad.begin(), grad.end());
    all.push_back(static_cast<double>(loss));
    return all;
  });
}

TEST_CASE("evaluate_tokens gives the same bits for any number of threads and any order of tasks") {
  constexpr std::int64_t n = 700;
  std::vector<std::int64_t> offsets(n + 1);
  for (std::int64_t i = 0; i < n; ++i)
    offsets[static_cast<std::size_t>(i + 1)] = offsets[static_cast<std::size_t>(i)] + (i * 37) % 90;
  const std::int64_t tokens = offsets.back();
  std::vector<float> x(static_cast<std::size_t>(2 * tokens));
  prefer_test::noise random(4);
  for (float& v : x) v = static_cast<float>(random.uniform(-3, 0));
  same_for_every_thread([&](const cpu& exec) {
    std::vector<float> grad(static_cast<std::size_t>(tokens));
    double loss = 0;
    const input_view<1, space::host> policy(x.data(), tokens), reference(x.data() + tokens, tokens),
        starts(offsets.data(), n + 1);
    check(evaluate_tokens(exec, dpo{},
                          {.policy_chosen = policy,
                           .policy_rejected = reference,
                           .reference_chosen = reference,
                           .reference_rejected = policy,
                           .chosen_offsets = starts,
                           .rejected_offsets = starts},
                          {.loss = {&loss, 1}, .grad_policy_chosen = {grad.data(), tokens}}));
    std::vector<double> all(grad.begin(), grad.end());
    all.push_back(loss);
    return all;
  });
}
