// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <aggregate/group_covariance.hpp>
#include <prefer/core/thread_pool.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace prefer;
using prefer_test::covariance_case;
using prefer_test::covers;

namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN();
const group_covariance forms[] = {
    {}, {.std = deviation::sample}, {.correlation = true}, {.correlation = true, .std = deviation::sample}};

struct memory {
  std::vector<char> bytes;
  memory(std::int64_t n, std::int64_t samples, std::int64_t k) : bytes(group_covariances_workspace(n, samples, k)) {}
  workspace get() { return {bytes.data() + 1, bytes.size() - 1}; }
};

template <class S>
void check_sizes(std::int64_t rewards, std::int64_t gap, bool masked) {
  covariance_case<S> c(prefer_test::group_sizes(), rewards, gap);
  c.masked = masked;
  for (std::int64_t i = 0; masked && i < c.total; ++i)
    if (!c.mask.at(i)) c.reward.set(i * c.row, missing), c.score.set(i, missing);
  memory scratch(c.n, c.total, rewards);
  for (const group_covariance& form : forms) {
    check(group_covariances(cpu{.workspace = scratch.get()}, form, c.inputs(), {.covariance = c.covariance.view()}));
    CHECK(c.worst_covariance(form) < 1e-14);
    CHECK(c.covariance.intact());
  }
  covers<S>("group_covariance", "sizes");
}

}  // namespace

TEST_CASE("covariances of rewards with a score are their definition: sizes, forms, masks, storage types") {
  SUBCASE("float") { check_sizes<float>(2, 0, false); }
  SUBCASE("double, with gaps and masked") { check_sizes<double>(4, 1, true); }
  SUBCASE("half, masked") { check_sizes<half>(3, 0, true); }
  SUBCASE("bfloat16") { check_sizes<bfloat16>(1, 2, false); }
}

TEST_CASE("covariances: of a score with itself, turned round, shifted, constant; of no groups; NaN") {
  const double r[] = {1, -1, 0.7, 2, -2, 0.7, 6, -6, 0.7, 5, -5, 0.7, 5, -5, 0.7},
               w[] = {1e9 + 1, 1e9 + 2, 1e9 + 6, 3, 3};
  const int o[] = {0, 3, 5};
  double c[3];
  memory scratch(2, 5, 3);
  const cpu exec{.workspace = scratch.get()};
  const covariance_inputs<space::host> in{.rewards = {r, 5, 3}, .score = {w, 5}, .offsets = {o, 3}};
  check(group_covariances(exec, {}, in, {.covariance = {c, 3}}));
  CHECK((c[0] == doctest::Approx(7.0 / 3) && c[1] == -c[0] && c[2] == 0));  // 14 / 3, and 0 in the second group
  check(group_covariances(exec, {.correlation = true}, in, {.covariance = {c, 3}}));
  CHECK((c[0] == doctest::Approx(0.5) && c[1] == -c[0] && c[2] == 0));
  check(
      group_covariances(exec, {}, {.rewards = {r, 5, 3}, .score = {w, 5}, .offsets = {o, 1}}, {.covariance = {c, 3}}));
  for (const double x : c) CHECK(std::isnan(x));
  const double holed[] = {1, missing, 6, 3, 3};
  check(group_covariances(exec, {}, {.rewards = {r, 5, 3}, .score = {holed, 5}, .offsets = {o, 3}},
                          {.covariance = {c, 3}}));
  CHECK(std::isnan(c[0]));
  covers("group_covariance", "identity");
}

TEST_CASE("covariances: the same bits for any threads; no allocation") {
  covariance_case<float> c({4, 300, 7, 2000, 9000}, 3, 0);
  memory scratch(c.n, c.total, 3);
  const auto in = c.inputs();
  const covariance_outputs<space::host> out{.covariance = c.covariance.view()};
  const long before = prefer_test::allocation_count();
  const status s = group_covariances(cpu{.workspace = scratch.get()}, {}, in, out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK(s.ok());
  const auto bytes = c.covariance.bytes();
  for (const int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    check(group_covariances(cpu{.pool = pool, .workspace = scratch.get()}, {}, in, out));
    CHECK(c.covariance.bytes() == bytes);
  }
  for (const char* tag : {"threads", "allocation"}) covers("group_covariance", tag);
}

TEST_CASE("group_covariances names what is wrong, and writes nothing") {
  const double r[6] = {1, 2, 3, 4, 5, 6};
  double to[2] = {-7, -7};
  const std::int32_t o[] = {0, 3}, beyond[] = {0, 4};
  memory scratch(1, 3, 2);
  const cpu exec{.workspace = scratch.get()};
  using in = covariance_inputs<space::host>;
  const auto refused = [&](const char* text, const in& i, const covariance_outputs<space::host>& out, const cpu& on) {
    CHECK(std::string(message(group_covariances(on, {}, i, out)).c_str()).find(text) == 0);
    CHECK((to[0] == -7 && to[1] == -7));
  };
  const covariance_outputs<space::host> out{.covariance = {to, 2}};
  const in good{.rewards = {r, 3, 2}, .score = {r, 3}, .offsets = {o, 2}};
  refused("prefer: missing input: rewards", {}, out, exec);
  refused("prefer: missing input: score", {.rewards = {r, 3, 2}, .offsets = {o, 2}}, out, exec);
  refused("prefer: missing input: offsets", {.rewards = {r, 3, 2}, .score = {r, 3}}, out, exec);
  refused("prefer: missing output: covariance", good, {}, exec);
  refused("prefer: bad extent: rewards is 3", {.rewards = {r, 3, 2}, .score = {r, 2}, .offsets = {o, 2}}, out, exec);
  refused("prefer: bad extent: covariance is 1, expected one per reward: 2", good, {.covariance = {to, 1}}, exec);
  refused("prefer: bad offsets: offsets[1] is 4", {.rewards = {r, 3, 2}, .score = {r, 3}, .offsets = {beyond, 2}}, out,
          exec);
  refused("prefer: workspace too small: exec.workspace.bytes is 0", good, out, cpu{});
  refused("prefer: overlap: covariance", {.rewards = {r, 3, 2}, .score = {to, 3, 0}, .offsets = {o, 2}}, out, exec);
  const double holed[] = {1, 2, 3, std::nan(""), 5, 6};
  cpu strict = exec;
  strict.content = content::all;
  refused("prefer: not a number: rewards[1]", {.rewards = {holed, 3, 2}, .score = {r, 3}, .offsets = {o, 2}}, out,
          strict);
  covers("group_covariance", "bad-argument");
}
