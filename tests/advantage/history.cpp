// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <advantage/history.hpp>
#include <prefer/core/thread_pool.hpp>
#include <prefer/select/extremes.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::covers;
using prefer_test::group_case;

namespace {

constexpr std::int64_t windows = 7;
constexpr double missing = std::numeric_limits<double>::quiet_NaN();

template <class S>
history_inputs<space::host> inputs_of(group_case<S>& c) {
  const auto in = c.inputs();
  history_inputs<space::host> h{.score = in.score, .offsets = in.offsets, .mask = in.mask};
  h.exclude_nan = in.exclude_nan;
  return h;
}

template <class S, class Ring>
void check_rounds(std::int64_t size, std::int64_t stride, bool masked) {
  const auto keys = prefer_test::round_windows();
  prefer_test::queues expected(windows, static_cast<std::size_t>(size), 5);
  buffer<Ring> ring(windows * size, stride);
  buffer<std::int64_t> pushed(windows, stride);
  for (std::int64_t w = 0; w < windows; ++w) pushed.at(w) = 0;
  for (std::uint64_t round = 1; round < 6; ++round) {
    group_case<S> c(prefer_test::round_sizes(), round, stride);
    c.masked = masked;
    for (std::int64_t i = 0; masked && i < c.total; ++i)
      if (!c.mask.at(i)) c.score.set(i, missing);
    buffer<double> found(3 * c.n);
    auto in = inputs_of(c);
    in.window = {keys.data(), c.n};
    const view<Ring, 2> rows(ring.data(), windows, size, size * stride, stride);
    check(history_moments(cpu{}, history{.least = 5}, in,
                          {.ring = rows, .pushed = pushed.view(), .moments = {found.data(), c.n, 3}}));
    const auto moments_of = expected.push(c.selected(), keys);
    for (std::int64_t g = 0; g < c.n; ++g)
      CHECK(prefer_test::near(found.data() + 3 * g, moments_of[static_cast<std::size_t>(g)]));
    CHECK((found.intact() && ring.intact() && pushed.intact()));
  }
  covers<S>("history_moments", "sizes");
}

}  // namespace

TEST_CASE(
    "windows keep the last scores of a prompt over rounds: sizes, shared windows, masks, strides, storage types") {
  SUBCASE("float") { check_rounds<float, float>(32, 1, false); }
  SUBCASE("double, strided, a window of one") { check_rounds<double, double>(1, 3, false); }
  SUBCASE("half, masked, fewer than a group") { check_rounds<half, float>(3, 1, true); }
  SUBCASE("bfloat16, masked, strided") { check_rounds<bfloat16, bfloat16>(17, 2, true); }
}

namespace {

// Rows of tests/golden/scores.py.
struct golden_window {
  int least;
  bool sample;
  long double score[3][8], advantage[8], size[8];
};
constexpr golden_window golden_windows[] = {
#include <golden_history.inc>
};

}  // namespace

TEST_CASE("advantages by windows of five scores at 50 digits, after three rounds, in every storage type") {
  for (const golden_window& g : golden_windows)
    CHECK(
        prefer_test::near_golden_in_all(g.score[2], g.advantage, g.size, [&](auto score, auto offsets, auto advantage) {
          double ring[4 * 5] = {}, found[12];
          std::int64_t pushed[4] = {};
          for (const auto& round : g.score) {
            double x[8];
            for (int i = 0; i < 8; ++i) x[i] = static_cast<double>(round[i]);
            const input_view<1, space::host> last = score;
            check(history_moments(
                cpu{}, history{.least = g.least},
                {.score = &round == &g.score[2] ? last : input_view<1, space::host>{x, 8}, .offsets = offsets},
                {.ring = {ring, 4, 5}, .pushed = {pushed, 4}, .moments = {found, 4, 3}}));
          }
          const grpo rule{.epsilon = 1e-6, .std = g.sample ? deviation::sample : deviation::population};
          check(group_advantages(cpu{}, rule, {.score = score, .offsets = offsets, .moments = {found, 4, 3}},
                                 {.advantage = advantage}));
        }));
}

TEST_CASE("windows longer than any tile hold their moments") {
  group_case<double> c({700, 1500, 2500, 5});
  std::vector<double> ring(4 * 3000);
  std::int64_t pushed[4] = {};
  double found[12];
  const auto x = c.selected();
  for (int round = 1; round < 4; ++round) {
    check(history_moments(cpu{}, history{.least = 0}, inputs_of(c),
                          {.ring = {ring.data(), 4, 3000}, .pushed = {pushed, 4}, .moments = {found, 4, 3}}));
    for (std::size_t g = 0; g < 4; ++g) {
      std::deque<long double> all;
      for (int k = 0; k < round; ++k) all.insert(all.end(), x[g].begin(), x[g].end());
      while (all.size() > 3000) all.pop_front();
      CHECK(prefer_test::near(found + 3 * g, prefer_test::moments_by_definition({all.begin(), all.end()})));
    }
  }
}

TEST_CASE("the prompt of RLCM: 1, 3, 6 have mean 3.3333 and population deviation 2.0548") {
  const double x[] = {1, 3, 6};
  const std::int32_t o[] = {0, 3};
  double ring[32], found[3], a[3];
  std::int64_t pushed = 0;
  check(history_moments(cpu{}, history{.least = 3}, {.score = {x, 3}, .offsets = {o, 2}},
                        {.ring = {ring, 1, 32}, .pushed = {&pushed, 1}, .moments = {found, 1, 3}}));
  CHECK(pushed == 3);
  CHECK(found[1] == doctest::Approx(3.3333).epsilon(1e-4));
  CHECK(std::sqrt(found[2] / found[0]) == doctest::Approx(2.0548).epsilon(1e-4));
  const grpo rule{.epsilon = 1e-6, .std = deviation::population};
  check(group_advantages(cpu{}, rule, {.score = {x, 3}, .offsets = {o, 2}, .moments = {found, 1, 3}},
                         {.advantage = {a, 3}}));
  CHECK(a[2] == doctest::Approx((6 - 10.0 / 3) / (2.0548 + 1e-6)).epsilon(1e-4));
}

TEST_CASE("a window of equal scores gives advantages of exactly 0, whatever the number; a group alone does not") {
  covers("history_moments", "identity");
  for (const double value : {0.7, 0.35, -1e-3, 1e17}) {
    std::vector<double> x(11, value), ring(2 * 8);
    const std::int32_t o[] = {0, 5, 11};
    std::int64_t pushed[2] = {};
    double found[6], a[11];
    const auto round = [&] {
      check(history_moments(cpu{}, history{.least = 4}, {.score = {x.data(), 11}, .offsets = {o, 3}},
                            {.ring = {ring.data(), 2, 8}, .pushed = {pushed, 2}, .moments = {found, 2, 3}}));
      check(group_advantages(cpu{}, grpo{}, {.score = {x.data(), 11}, .offsets = {o, 3}, .moments = {found, 2, 3}},
                             {.advantage = {a, 11}}));
    };
    round(), round();
    for (const double v : a) CHECK(v == 0);
    for (double& v : x) v += 1 + std::fabs(value);
    round();
    CHECK((a[0] > 0 && a[0] == a[4]));  // better than the prompt used to be
  }
}

TEST_CASE("given moments take the place of those of the groups, in short and long groups, for any rule") {
  group_case<float> c({4, 100, 0, 3000, 70000, 7});
  std::vector<double> m;
  for (std::int64_t g = 0; g < c.n; ++g)
    m.insert(m.end(), {8.0 + static_cast<double>(g), 0.25, 2.0 * static_cast<double>(g)});
  auto in = c.inputs();
  in.moments = {m.data(), c.n, 3};
  const auto x = c.selected();
  for (const int threads : {1, 3}) {
    thread_pool pool(threads);
    check(group_advantages(cpu{.pool = pool}, grpo{.std = deviation::population}, in, c.outputs()));
    auto expected = x;
    for (std::size_t g = 0; g < x.size(); ++g)
      for (long double& v : expected[g])
        v = prefer_test::over(v - 0.25L,
                              std::sqrt(2.0L * static_cast<long double>(g) / (8 + static_cast<long double>(g))),
                              static_cast<long double>(1e-4));
    CHECK(c.worst(expected, 1e-14) < 1);
    CHECK((c.mean.get(3) == 0.25 && c.count.get(4) == 12));
  }
  in.batch = {m.data(), 3};
  check(group_advantages(cpu{}, lite_ppo{}, in, c.outputs()));
  CHECK(c.advantage.get(c.offsets.at(1)) == 0);  // the batch's deviation is 0
}

TEST_CASE("branches are judged by their prompt's history, then the best and the worst are kept (B2-DiffuRL)") {
  // Two prompts of two branch groups of three; the history of both is five scores of 0 and five of 1.
  const double x[12] = {0, 0.5, 1, 0.5, 0.5, 0.5, 0.6, 0.4, 0.2, 1, 1, 0.7};
  const std::int32_t prompts[] = {0, 6, 12};
  double ring[2 * 64], found[6], z[12], a[12];
  std::int64_t pushed[2] = {10, 10};
  for (int i = 0; i < 2 * 64; ++i) ring[i] = i % 64 < 5 ? 0 : 1;
  check(history_moments(cpu{}, history{.least = 0}, {.score = {x, 12}, .offsets = {prompts, 3}},
                        {.ring = {ring, 2, 64}, .pushed = {pushed, 2}, .moments = {found, 2, 3}}));
  check(group_advantages(cpu{}, grpo{.epsilon = 1e-8},
                         {.score = {x, 12}, .offsets = {prompts, 3}, .moments = {found, 2, 3}},
                         {.advantage = {z, 12}}));
  check(select(cpu{}, select_branches{}, {.score = {z, 12}, .groups = {.size = 3}}, {.advantage = {a, 12}}));
  CHECK((a[0] == z[0] && a[1] == 0 && a[2] == z[2]));  // far on either side of the mean
  CHECK((a[3] == 0 && a[4] == 0 && a[5] == 0));        // all at the mean
  CHECK((a[6] == 0 && a[8] == z[8] && z[8] < -0.5));   // only the worst is far enough
  CHECK((a[9] == z[9] && a[10] == 0 && a[11] == 0));   // the first of the best
}

TEST_CASE("history: the same bits for any threads, nothing allocated, NaN stay in a window or are left out") {
  std::vector<int> sizes;
  for (int i = 0; i < 2000; ++i) sizes.push_back(i % 12);
  group_case<float> c(sizes);
  const auto n = static_cast<std::size_t>(c.n);
  std::vector<double> found(3 * n);
  std::vector<float> ring(n * 40);
  std::vector<std::int64_t> pushed(n);
  const auto run = [&](const cpu& exec) {
    std::fill(pushed.begin(), pushed.end(), 0);
    const auto in = inputs_of(c);
    const history_outputs<space::host> out{
        .ring = {ring.data(), n, 40}, .pushed = {pushed.data(), n}, .moments = {found.data(), n, 3}};
    const long before = prefer_test::allocation_count();
    const status s = history_moments(exec, history{}, in, out);
    if (!exec.pool) CHECK(prefer_test::allocation_count() == before);
    check(s);
    return found;
  };
  const auto expected = run({});
  for (const int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(run({.pool = pool}) == expected);
  }
  covers("history_moments", "threads"), covers("history_moments", "allocation");
  c.score.set(c.offsets.at(20) + 1, missing);
  CHECK(std::isnan(run({})[3 * 20 + 1]));
  c.exclude_nan = true;
  CHECK(!std::isnan(run({})[3 * 20 + 1]));
  CHECK(pushed[20] == 7);
}

TEST_CASE("history_moments names what is wrong, and writes nothing") {
  covers("history_moments", "bad-argument");
  const double x[4] = {1, 2, 3, 4};
  const std::int32_t o[] = {0, 2, 4}, falling[] = {0, 3, 2}, far[] = {0, 3};
  double ring[6] = {-7, -7, -7, -7, -7, -7}, found[6];
  std::int64_t pushed[3] = {}, negative[3] = {0, -1, 0};
  std::int32_t narrow[3] = {};
  using in = history_inputs<space::host>;
  using out = history_outputs<space::host>;
  const in good{.score = {x, 4}, .offsets = {o, 3}};
  const out to{.ring = {ring, 3, 2}, .pushed = {pushed, 3}, .moments = {found, 2, 3}};
  const auto refused = [&](const char* message_of, const history& h, const in& i, const out& where) {
    CHECK(std::string(message(history_moments(cpu{}, h, i, where)).c_str()) == message_of);
    for (const double v : ring) CHECK(v == -7);
    for (const std::int64_t p : pushed) CHECK(p == 0);
  };
  refused("prefer: bad parameter: least is -1, expected 0 or above", {.least = -1}, good, to);
  refused("prefer: missing input: offsets: expected where each group begins, and the end", {}, {.score = {x, 4}}, to);
  refused("prefer: missing output: ring: expected a row of scores for each window", {}, good,
          {.pushed = {pushed, 3}, .moments = {found, 2, 3}});
  refused("prefer: missing output: pushed: expected one number per window", {}, good,
          {.ring = {ring, 3, 2}, .moments = {found, 2, 3}});
  refused("prefer: missing output: moments: expected three doubles per group", {}, good,
          {.ring = {ring, 3, 2}, .pushed = {pushed, 3}});
  refused("prefer: bad element type: pushed: expected elements of type int64", {}, good,
          {.ring = {ring, 3, 2}, .pushed = {narrow, 3}, .moments = {found, 2, 3}});
  refused("prefer: bad extent: ring is 1, expected without `window` a row for each group, that is at least 2", {}, good,
          {.ring = {ring, 1, 2}, .pushed = {pushed, 1}, .moments = {found, 2, 3}});
  refused("prefer: bad extent: ring is 0, expected scores per window: at least 1", {}, good,
          {.ring = {ring, 3, 0}, .pushed = {pushed, 3}, .moments = {found, 2, 3}});
  refused("prefer: bad extent: pushed is 2, expected one per row of ring: 3", {}, good,
          {.ring = {ring, 3, 2}, .pushed = {pushed, 2}, .moments = {found, 2, 3}});
  refused("prefer: bad index: window[1] is 3, expected 0 or above, and below the number of rows of ring", {},
          {.score = {x, 4}, .offsets = {o, 3}, .window = {far, 2}}, to);
  refused("prefer: bad index: pushed[1] is -1, expected 0 or above", {}, good,
          {.ring = {ring, 3, 2}, .pushed = {negative, 3}, .moments = {found, 2, 3}});
  refused("prefer: overlap: moments: expected memory of its own, not shared with another output", {}, good,
          {.ring = {ring, 3, 2}, .pushed = {pushed, 3}, .moments = {ring, 2, 3}});
  CHECK(history_moments(cpu{}, {}, {.score = {x, 4}, .offsets = {falling, 3}}, to).code == errc::bad_offsets);
  // Of group_advantages with given moments:
  double a[4] = {};
  const status s = group_advantages(cpu{}, lite_ppo{}, {.score = {x, 4}, .offsets = {o, 3}, .moments = {found, 2, 3}},
                                    {.advantage = {a, 4}});
  CHECK(std::string(message(s).c_str()) ==
        "prefer: missing input: batch: expected three numbers, since the moments of the groups are given");
  CHECK(group_advantages(cpu{}, grpo{}, {.score = {x, 4}, .offsets = {o, 3}, .moments = {found, 1, 3}},
                         {.advantage = {a, 4}})
            .code == errc::bad_extent);
}
