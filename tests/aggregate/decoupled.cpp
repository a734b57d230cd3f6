// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <aggregate/decoupled.hpp>
#include <prefer/core/thread_pool.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace prefer;
using prefer_test::covers;
using prefer_test::decoupled_case;

namespace {

const decoupled<> gdpo, mo_grpo{.rule = {.epsilon = 0.0, .std = deviation::population}, .whiten = {.on = false}};

struct memory {
  std::vector<char> bytes;
  // NaN, so that what is read before it is written shows.
  memory(std::int64_t n, std::int64_t samples) : bytes(decoupled_advantages_workspace(n, samples), '\xff') {}
  workspace get() { return {bytes.data() + 1, bytes.size() - 1}; }
};

template <class S>
void check_sizes(std::int64_t rewards, std::int64_t gap, bool masked) {
  decoupled_case<S> c(prefer_test::group_sizes(), rewards, gap);
  c.masked = masked;
  for (std::int64_t i = 0; masked && i < c.total; ++i)
    if (!c.mask.at(i)) c.reward.set(i * c.row, std::numeric_limits<double>::quiet_NaN());
  memory scratch(c.n, c.total);
  const cpu exec{.workspace = scratch.get()};
  check(decoupled_advantages(exec, gdpo, c.inputs(), {.advantage = c.advantage.view()}));
  CHECK(c.worst_advantage(c.expected(true, true, 1e-4L)) < 1);
  CHECK(c.untouched_around());
  check(decoupled_advantages(exec, mo_grpo, c.inputs(), {.advantage = c.advantage.view()}));
  CHECK(c.worst_advantage(c.expected(false, false, 0)) < 1);
  CHECK(c.untouched_around());
  covers<S>("decoupled", "sizes");
}

}  // namespace

TEST_CASE("decoupled advantages are their definition: sizes, rewards, masks, storage types") {
  SUBCASE("float") { check_sizes<float>(2, 0, false); }
  SUBCASE("double, with gaps and masked") { check_sizes<double>(4, 1, true); }
  SUBCASE("half, masked") { check_sizes<half>(3, 0, true); }
  SUBCASE("bfloat16") { check_sizes<bfloat16>(1, 2, false); }
}

TEST_CASE("decoupled advantages of a group that threads share, of a rule with a shift, by a batch that is given") {
  decoupled_case<float> c({70000, 5}, 3, 0);
  memory scratch(c.n, c.total);
  const cpu exec{.workspace = scratch.get()};
  check(decoupled_advantages(exec, gdpo, c.inputs(), {.advantage = c.advantage.view()}));
  CHECK(c.worst_advantage(c.expected(true, true, 1e-4L)) < 1);
  const double r[] = {1, 8, 4, 2, 2, 4, 5, 1}, weight[] = {2, 0.5};
  const std::int64_t offsets[] = {0, 3, 4};
  double a[4], found[3];
  struct scores {  // as they are
    status check() const { return {}; }
    PREFER_HD advantage_line operator()(const moments& group) const { return {1, group.mean}; }
  };
  decoupled_inputs<space::host> in{.rewards = {r, 4, 2}, .offsets = {offsets, 3}, .weight = {weight, 2}};
  check(decoupled_advantages(exec, decoupled<scores>{.whiten = {.on = false}}, in, {.advantage = {a, 4}}));
  CHECK((a[0] == doctest::Approx(6) && a[1] == doctest::Approx(9) && a[2] == doctest::Approx(6) && a[3] == 10.5));
  const double batch[] = {4, 1, 12};  // mean 1, sample deviation 2
  in.batch = {batch, 3};
  const decoupled<scores> white{.whiten = {.epsilon = 0.0}};
  check(decoupled_advantages(exec, white, in, {.advantage = {a, 4}, .found_batch = {found, 3}}));
  CHECK((a[0] == doctest::Approx(2.5) && a[3] == doctest::Approx(4.75)));
  CHECK((found[0] == 4 && found[1] == doctest::Approx(7.875)));
}

TEST_CASE("decoupled advantages: identities") {
  // One reward without whitening is the rule, also where the scale of the reward changes; pairs know only who won.
  const double x[] = {1, 4, 2, 2, 0.7, 0.7}, scaled[] = {8, 1, 32, 3, 16, 5, 16, 9, 5.6, 2, 5.6, 2};
  const std::int64_t offsets[] = {0, 4, 6};
  double one[6], rule[6], two[6];
  memory scratch(2, 6);
  const cpu exec{.workspace = scratch.get()};
  check(decoupled_advantages(exec, mo_grpo, {.rewards = {x, 6, 1}, .offsets = {offsets, 3}}, {.advantage = {one, 6}}));
  check(group_advantages(exec, mo_grpo.rule, {.score = {x, 6}, .offsets = {offsets, 3}}, {.advantage = {rule, 6}}));
  const double weight[] = {1, 0};
  check(decoupled_advantages(exec, mo_grpo, {.rewards = {scaled, 6, 2}, .offsets = {offsets, 3}, .weight = {weight, 2}},
                             {.advantage = {two, 6}}));
  for (int i = 0; i < 6; ++i) CHECK((one[i] == rule[i] && two[i] == rule[i]));
  CHECK((one[4] == 0 && one[5] == 0));
  // A reward of weight 0 is not looked at.
  double holed[12];
  for (int i = 0; i < 12; ++i) holed[i] = i % 2 == 1 && i < 8 ? std::numeric_limits<double>::quiet_NaN() : scaled[i];
  for (const auto& form : {mo_grpo, gdpo}) {
    check(decoupled_advantages(exec, form, {.rewards = {scaled, 6, 2}, .offsets = {offsets, 3}, .weight = {weight, 2}},
                               {.advantage = {one, 6}}));
    check(decoupled_advantages(exec, form, {.rewards = {holed, 6, 2}, .offsets = {offsets, 3}, .weight = {weight, 2}},
                               {.advantage = {two, 6}}));
    for (int i = 0; i < 6; ++i) CHECK(two[i] == one[i]);
  }
  covers("decoupled", "identity");
}

TEST_CASE("decoupled advantages of independent rewards correlate with each alike, whatever their scales") {
  constexpr std::int64_t n = 20000;
  prefer_test::noise random(4);
  std::vector<double> r, a(n);
  for (std::int64_t i = 0; i < n; ++i)
    for (const double scale : {1.0, 0.3, 0.1}) r.push_back(scale * random.uniform(-1, 1));
  const std::int64_t offsets[] = {0, n};
  memory scratch(1, n);
  check(decoupled_advantages(cpu{.workspace = scratch.get()}, mo_grpo,
                             {.rewards = {r.data(), n, 3}, .offsets = {offsets, 2}}, {.advantage = {a.data(), n}}));
  for (std::size_t k = 0; k < 3; ++k) {
    double xy = 0, xx = 0, yy = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
      xy += a[i] * r[3 * i + k], xx += r[3 * i + k] * r[3 * i + k], yy += a[i] * a[i];
    CHECK(xy / std::sqrt(xx * yy) == doctest::Approx(1 / std::sqrt(3.0)).epsilon(0.03));
  }
}

TEST_CASE("decoupled advantages: NaN are left out of their reward alone; threads; no allocation") {
  decoupled_case<float> c({4, 300, 7, 2000}, 3, 0);
  for (const std::int64_t at : {1, 10, 40, 900}) c.reward.set(at * 7, std::numeric_limits<double>::quiet_NaN());
  c.exclude_nan = true;
  memory scratch(c.n, c.total);
  const cpu exec{.workspace = scratch.get()};
  const auto in = c.inputs();
  const decoupled_outputs<space::host> out{.advantage = c.advantage.view()};
  const long before = prefer_test::allocation_count();
  const status s = decoupled_advantages(exec, gdpo, in, out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK(s.ok());
  CHECK(c.worst_advantage(c.expected(true, true, 1e-4L)) < 1);
  const auto bytes = c.advantage.bytes();
  for (const int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    check(decoupled_advantages(cpu{.pool = pool, .workspace = scratch.get()}, gdpo, in, out));
    CHECK(c.advantage.bytes() == bytes);
  }
  for (const char* tag : {"threads", "allocation"}) covers("decoupled", tag);
}

TEST_CASE("decoupled_advantages names what is wrong, and writes nothing") {
  const double r[6] = {1, 2, 3, 4, 5, 6};
  double a[3] = {-7, -7, -7};
  const std::int32_t o[] = {0, 3}, beyond[] = {0, 4};
  memory scratch(1, 3);
  const cpu exec{.workspace = scratch.get()};
  using in = decoupled_inputs<space::host>;
  using out = decoupled_outputs<space::host>;
  const auto refused = [&](const char* text, const in& i, const out& to, const cpu& on, const auto& rule) {
    CHECK(std::string(message(decoupled_advantages(on, rule, i, to)).c_str()).find(text) == 0);
    for (const double v : a) CHECK(v == -7);
  };
  const out to{.advantage = {a, 3}};
  const in good{.rewards = {r, 3, 2}, .offsets = {o, 2}};
  refused("prefer: missing input: rewards", {}, to, exec, gdpo);
  refused("prefer: missing input: offsets", {.rewards = {r, 3, 2}}, to, exec, gdpo);
  refused("prefer: missing output: advantage", good, {}, exec, gdpo);
  refused("prefer: bad extent: weight is 3, expected one per reward: 2",
          {.rewards = {r, 3, 2}, .offsets = {o, 2}, .weight = {r, 3}}, to, exec, gdpo);
  refused("prefer: bad offsets: offsets[1] is 4", {.rewards = {r, 3, 2}, .offsets = {beyond, 2}}, to, exec, gdpo);
  refused("prefer: workspace too small: exec.workspace.bytes is 0", good, to, cpu{}, gdpo);
  refused("prefer: overlap: advantage", {.rewards = {r, 3, 2}, .offsets = {o, 2}, .weight = {a, 2}}, to, exec, gdpo);
  refused("prefer: bad parameter: epsilon is -1", good, to, exec, decoupled<>{.whiten = {.epsilon = -1.0}});
  refused("prefer: bad parameter: epsilon is -2", good, to, exec, decoupled<>{.rule = {.epsilon = -2.0}});
  covers("decoupled", "bad-argument");
}

TEST_CASE("columns of a matrix are its columns, and nothing behind it is read") {
  prefer_test::noise random(3);
  for (const isa level : prefer_test::levels())
    for (const int columns : {1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17})
      for (const std::int64_t rows : {0, 1, 7, 8, 15, 16, 17, 33, 64})
        for (const std::int64_t gap : {0, 3}) {
          // Exactly as long as the matrix: sanitizers see what is read behind it.
          const std::int64_t stride = columns + gap;
          std::vector<float> m(static_cast<std::size_t>(rows == 0 ? 0 : (rows - 1) * stride + columns));
          for (float& v : m) v = static_cast<float>(random.uniform(-1, 1));
          const std::int64_t first = rows / 5, count = rows - first;
          std::vector<double> to(static_cast<std::size_t>(columns * count) + 1, 7);
          prefer::detail::load_columns({m.data(), stride, 1, element::f32}, columns, rows, first,
                                       static_cast<int>(count), to.data(), static_cast<int>(count), level);
          bool same = to.back() == 7;
          for (int k = 0; k < columns; ++k)
            for (std::int64_t i = 0; i < count; ++i)
              same = same && to[static_cast<std::size_t>(k * count + i)] ==
                                 m[static_cast<std::size_t>((first + i) * stride + k)];
          INFO(columns, " columns, ", rows, " rows");
          CHECK(same);
        }
}

TEST_CASE("decoupled advantages have the same bits whether groups are held together or one by one") {
  // Groups of 3000 samples with 2 rewards do not fit where columns are held; alone, every group is what it is in a
  // batch.
  std::vector<float> x(2 * 12300);
  prefer_test::noise random(5);
  for (float& v : x) v = static_cast<float>(random.uniform(-1, 3));
  const std::vector<std::int32_t> offsets = {0, 4, 8, 8, 3008, 3072, 3073, 12300};
  std::vector<char> bytes(decoupled_advantages_workspace(7, 12300));
  const cpu exec{.workspace = {bytes.data(), bytes.size()}};
  std::vector<double> whole(12300), alone(12300);
  check(decoupled_advantages(exec, mo_grpo, {.rewards = {x.data(), 12300, 2}, .offsets = {offsets.data(), 8}},
                             {.advantage = {whole.data(), 12300}}));
  for (std::size_t g = 0; g < 7; ++g)
    check(decoupled_advantages(exec, mo_grpo, {.rewards = {x.data(), 12300, 2}, .offsets = {offsets.data() + g, 2}},
                               {.advantage = {alone.data(), 12300}}));
  CHECK(whole == alone);
}
