// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/fipo.hpp>
#include <support/allocations.hpp>

#include <string>
#include <vector>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("FIPO's weights are their definition: sizes, masks, strides, storage types") {
  SUBCASE("float") { check_influence<float, host_side>(1, false); }
  SUBCASE("double, strided, masked") { check_influence<double, host_side>(3, true); }
  SUBCASE("half, masked") { check_influence<half, host_side>(1, true); }
  SUBCASE("bfloat16, strided") { check_influence<bfloat16, host_side>(2, false); }
  SUBCASE("at every level") {
    influence_case<float> c({5, 9, 600}, 1);
    for (const isa level : levels()) {
      host_side side{cpu{.isa = level}};
      check(c.run(side, fipo_rules()[1]));
      CHECK(c.matches(fipo_rules()[1]));
    }
  }
}

namespace {

struct four_tokens {
  double policy[4] = {-1, -1, -1, -1}, old[4] = {-1.5, -1, -1.25, -0.75}, advantage = 1, weight[4], future[4];
  std::int64_t offsets[2] = {0, 4};
  void run(const fipo& f) {
    check(future_influence(cpu{}, f,
                           {.policy = {policy, 4},
                            .old_policy = {old, 4},
                            .offsets = {offsets, 2},
                            .advantage = {&advantage, f.has_safe_ratio() ? 1 : 0}},
                           {.weight = {weight, 4}, .future = {future, 4}}));
  }
};

}  // namespace

TEST_CASE("a policy that has not moved, or bounds of 1, weigh every token by 1; the last token has its own ratio") {
  covers("fipo", "identity");
  four_tokens c;
  for (double& x : c.old) x = -1;
  c.run({});
  for (int t = 0; t < 4; ++t) CHECK((c.weight[t] == 1 && c.future[t] == 0));
  four_tokens d;
  d.run({.least = 1.0, .most = 1.0});
  for (const double w : d.weight) CHECK(w == 1);
  // x = 0.5, 0, 0.25, -0.25, by hand with gamma = 1/2.
  d.run({.half_life = 1.0, .least = 0.0, .most = 9.0});
  const double future[] = {0.53125, 0.0625, 0.125, -0.25};
  for (int t = 0; t < 4; ++t) {
    CHECK(d.future[t] == doctest::Approx(future[t]).epsilon(1e-14));
    CHECK(d.weight[t] == doctest::Approx(std::exp(future[t])).epsilon(1e-14));
  }
  // The defaults only ever raise a weight, to 1.2 at most.
  d.run({});
  CHECK((d.weight[0] == 1.2 && d.weight[3] == 1));
}

TEST_CASE("the safe bounds take a token of negative advantage whose ratio is beyond, the filter what it would add") {
  four_tokens c;
  c.policy[1] = 1;  // x = 0.5, 2, 0.25, -0.25
  const fipo wide{.half_life = HUGE_VAL, .least = 0.1, .most = 99.0};
  c.run(wide);
  CHECK(c.weight[1] == doctest::Approx(std::exp(2.0)).epsilon(1e-14));
  c.advantage = -1;
  c.run(wide);
  CHECK(c.weight[1] == 1);
  CHECK(c.weight[0] == doctest::Approx(std::exp(2.5)).epsilon(1e-14));  // its own ratio is small
  c.policy[2] = -4, c.run(wide);  // the sum behind falls below: x = 2, -2.75, -0.25
  CHECK(c.weight[1] == 0.8);
  c.policy[2] = -1, c.advantage = 1;
  fipo filtered = wide;
  filtered.ratio_max = 4.0;
  c.run(filtered);
  CHECK(c.future[0] == doctest::Approx(0.5).epsilon(1e-14));
  CHECK(c.future[1] == 0);
  // Ratios beyond every number are held at 20.
  c.policy[3] = 5000, c.run({.half_life = HUGE_VAL, .most = 1e30});
  CHECK(c.future[3] == 20);
}

TEST_CASE("FIPO's weights have the same bits for any threads and in any batch; nothing is allocated") {
  std::vector<int> sizes = response_sizes();
  for (int i = 0; i < 1500; ++i) sizes.push_back(i % 40);
  influence_case<float> c(sizes, 1);
  c.masked = true;
  host_side side;
  const long before = allocation_count();
  const status s = c.run(side, fipo{});
  CHECK(allocation_count() == before);
  CHECK(s.ok());
  const auto expected = c.future.values();
  const auto weights = c.weight.values();
  for (const int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    host_side on{cpu{.pool = pool}};
    check(c.run(on, fipo{}));
    CHECK((c.future.values() == expected && c.weight.values() == weights));
  }
  const std::int32_t alone[] = {c.offsets.at(9), c.offsets.at(10)};
  buffer<float> future(c.total);
  check(future_influence(cpu{}, fipo{},
                         {.policy = c.policy.read(),
                          .old_policy = c.sampler.read(),
                          .offsets = {alone, 2},
                          .advantage = {&c.advantage.at(9), 1},
                          .mask = c.mask.read()},
                         {.future = future.view()}));
  for (std::int64_t t = alone[0]; t < alone[1]; ++t) CHECK(future.get(t) == expected[static_cast<std::size_t>(t)]);
  // Parameters may be pointers.
  const double most = 1.5, half_life = 3;
  check(c.run(side, fipo{.half_life = &half_life, .most = &most}));
  CHECK(c.matches(fipo{.half_life = 3.0, .most = 1.5}));
  for (const char* tag : {"threads", "allocation"}) covers("fipo", tag);
}

TEST_CASE("FIPO names what is wrong, and writes nothing") {
  const double x[4] = {-1, -1, -1, not_a_number}, a[2] = {1, -1};
  const std::int32_t o[] = {0, 2, 4}, falling[] = {0, 5, 4};
  double w[4] = {7, 7, 7, 7};
  using in = influence_inputs<space::host>;
  const in good{.policy = {x, 4}, .old_policy = {x, 4}, .offsets = {o, 3}, .advantage = {a, 2}};
  const auto refused = [&](const fipo& f, auto change, const cpu& exec = {}) {
    in i = good;
    influence_outputs<space::host> out{.weight = {w, 4}};
    change(i, out);
    const status s = future_influence(exec, f, i, out);
    for (const double v : w) CHECK(v == 7);
    return std::string(message(s).c_str()).substr(8);
  };
  const auto as_it_is = [](in&, auto&) {};
  CHECK(refused({}, [](in& i, auto&) { i.policy = {}; }) ==
        "missing input: policy: expected one log-probability per token");
  CHECK(refused({}, [](in& i, auto&) { i.old_policy = {}; }) ==
        "missing input: old_policy: expected one log-probability per token");
  CHECK(refused({}, [](in& i, auto&) { i.offsets = {}; }) ==
        "missing input: offsets: expected where each response begins, and the end");
  CHECK(refused({}, [](in& i, auto&) { i.advantage = {}; }) ==
        "missing input: advantage: expected one number per response, since safe_ratio is finite");
  CHECK(refused({.safe_ratio = HUGE_VAL}, as_it_is) ==
        "unused input: advantage: expected to be left out, since safe_ratio is infinite");
  CHECK(refused({}, [](in&, auto& out) { out = {}; }) ==
        "missing output: outputs: expected at least one output to write");
  CHECK(refused({}, [&](in& i, auto&) {
          i.old_policy = {x, 3};
        }) == "bad extent: old_policy is 3, expected one per token: 4");
  CHECK(refused({}, [&](in& i, auto&) { i.offsets = {o, 0}; }) == "bad extent: offsets is 0, expected at least 1");
  CHECK(refused({}, [&](in&, auto& out) { out.future = {w, 4}; }).substr(0, 15) == "overlap: future");
  CHECK(refused({}, [&](in& i, auto&) { i.offsets = {falling, 3}; }).substr(0, 29) == "bad offsets: offsets[1] is 5,");
  CHECK(refused({}, as_it_is, cpu{.content = content::all}).substr(0, 20) == "not a number: policy");
  CHECK(refused({.half_life = 0.0}, as_it_is) == "bad parameter: half_life is 0, expected above 0, or infinite");
  CHECK(refused({.least = -1.0}, as_it_is) == "bad parameter: least is -1, expected a finite number, 0 or above");
  CHECK(refused({.most = 0.5}, as_it_is) == "bad parameter: most is 0.5, expected at least `least`");
  CHECK(refused({.safe_ratio = -1.0}, as_it_is) == "bad parameter: safe_ratio is -1, expected above 0, or infinite");
  CHECK(refused({.safe_least = 1.5}, as_it_is) == "bad parameter: safe_least is 1.5, expected from 0 to 1");
  CHECK(refused({.ratio_max = 0.0}, as_it_is) == "bad parameter: ratio_max is 0, expected above 0, or infinite");
  covers("fipo", "bad-argument");
}
