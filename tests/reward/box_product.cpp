// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <reward/rewards.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("box products are their definition: groups, masks, storage types") {
  each_storage([](auto s) { check_box_products<decltype(s), host_side>(); });
}

TEST_CASE("box products: the worst at anything keeps the margin; a NaN spoils its own sample only") {
  covers("box_product", "identity");
  const double rewards[] = {0.5, 0, 0.25, 1, 0.25, 0.75, not_a_number, 0.5};
  double product[4];
  check(box_products(cpu{}, {}, {.rewards = {rewards, 4, 2}}, {.reward = {product, 4}}));
  CHECK(product[0] == doctest::Approx(0.35 * 0.1));
  CHECK(product[1] == doctest::Approx(0.1 * 1.1));
  CHECK(product[2] == doctest::Approx(0.1 * 0.85));
  CHECK(std::isnan(product[3]));
  const double endless[] = {-HUGE_VAL, HUGE_VAL, 1, HUGE_VAL, -HUGE_VAL, HUGE_VAL};
  check(box_products(cpu{}, {.margin = 0.5}, {.rewards = {endless, 3, 2}}, {.reward = {product, 3}}));
  CHECK((product[0] == 0.25 && product[1] == HUGE_VAL && product[2] == 0.25));
  // A shift of a reward changes nothing; a scale of everything is a scale of the product.
  double moved[3], scaled[3];
  const double shifted[] = {64.5, 0, 64.25, 1, 64.25, 0.75}, twice[] = {1, 0, 0.5, 2, 0.5, 1.5};
  check(box_products(cpu{}, {.margin = 0.125}, {.rewards = {rewards, 3, 2}}, {.reward = {product, 3}}));
  check(box_products(cpu{}, {.margin = 0.125}, {.rewards = {shifted, 3, 2}}, {.reward = {moved, 3}}));
  check(box_products(cpu{}, {.margin = 0.25}, {.rewards = {twice, 3, 2}}, {.reward = {scaled, 3}}));
  for (const int i : {0, 1, 2}) CHECK((moved[i] == product[i] && scaled[i] == 4 * product[i]));
}

TEST_CASE("box products have the same bits for any threads, and allocate nothing") {
  const auto a = shares(90000);
  check_threads("box_product", 30000, [&](const cpu& exec, float* to) {
    return box_products(exec, {}, {.rewards = {a.data(), 30000, 3}, .groups = {.size = 8}}, {.reward = {to, 30000}});
  });
}

TEST_CASE("box products name what is wrong, and write nothing") {
  covers("box_product", "bad-argument");
  const double x[6] = {};
  const int offsets[] = {0, 2, 1}, past[] = {0, 4};
  double to[3] = {7, 7, 7};
  const auto refused = [&](const box_product& rule, const box_product_inputs<space::host>& in,
                           const reward_outputs<space::host>& out) {
    const status s = box_products(cpu{}, rule, in, out);
    CHECK((to[0] == 7 && to[1] == 7 && to[2] == 7));
    return text_of(s);
  };
  const box_product_inputs<space::host> in{.rewards = {x, 3, 2}};
  CHECK(refused({}, {}, {{to, 3}}) == "prefer: missing input: rewards: expected K rewards per sample, [n, K]");
  CHECK(refused({}, in, {}) == "prefer: missing output: reward: expected one number per sample");
  CHECK(refused({}, {.rewards = {x, 3, 0}}, {{to, 3}}) ==
        "prefer: bad extent: rewards is 0, expected rewards per sample, at least 1");
  CHECK(refused({}, {.rewards = {x, 3, 65}}, {{to, 3}}) ==
        "prefer: bad extent: rewards is 65, expected rewards per sample, at most 64");
  CHECK(refused({}, {.rewards = {x, 3, 2}, .weight = {x, 3}}, {{to, 3}}) ==
        "prefer: bad extent: weight is 3, expected one per reward: 2");
  CHECK(refused({}, {.rewards = {x, 3, 2}, .groups = {.size = 2}}, {{to, 3}}) ==
        "prefer: bad parameter: groups.size is 2, expected above 0 and a divisor of the number of samples");
  CHECK(refused({}, {.rewards = {x, 3, 2}, .groups = {.offsets = {offsets, 3}}}, {{to, 3}}).find("offsets[2] is 1") !=
        std::string::npos);
  CHECK(refused({}, {.rewards = {x, 3, 2}, .groups = {.offsets = {past, 2}}}, {{to, 3}}).find("offsets[1] is 4") !=
        std::string::npos);
  CHECK(refused({}, in, {{to, 2}}) == "prefer: bad extent: reward is 2, expected the number of samples, 3");
  CHECK(refused({}, {.rewards = {to, 3, 1}}, {{to, 3}}) ==
        "prefer: overlap: reward: expected memory of its own, not shared with an input");
  CHECK(refused({.margin = -0.5}, in, {{to, 3}}) ==
        "prefer: bad parameter: margin is -0.5, expected a finite number, 0 or above");
  const double holed[] = {1, not_a_number, 2, 3};
  const bool kept[] = {false, true};
  const cpu strict{.content = content::all};
  CHECK(text_of(box_products(strict, {}, {.rewards = {holed, 2, 2}}, {{to, 2}})) ==
        "prefer: not a number: rewards[0]: expected numbers, but one of its row is NaN");
  CHECK(text_of(box_products(strict, {}, {.rewards = {x, 1, 2}, .weight = {holed, 2}}, {{to, 1}})) ==
        "prefer: not a number: weight[1]: expected a number, but it is NaN");
  CHECK(to[0] == 7);
  check(box_products(strict, {}, {.rewards = {holed, 2, 2}, .mask = {kept, 2}}, {{to, 2}}));
}
