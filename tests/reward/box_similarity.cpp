// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <reward/rewards.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("box similarities are their definition: gaps, storage types") {
  each_storage([](auto s) { check_boxes<decltype(s), host_side>(); });
}

TEST_CASE("box similarities: known boxes, no area, NaN") {
  covers("box_similarity", "identity");
  const auto giou = [](const std::array<double, 4>& p, const std::array<double, 4>& g) {
    double x = 0;
    check(box_similarities(cpu{}, {}, {.predicted = {p.data(), 1, 1, 4}, .target = {g.data(), 1, 1, 4}},
                           {.giou = {&x, 1, 1, 1}}));
    return x;
  };
  CHECK(giou({0, 0, 2, 2}, {1, 1, 3, 3}) == doctest::Approx(1.0 / 7 - 2.0 / 9).epsilon(1e-15));  // -0.079365
  CHECK(giou({0, 0, 1, 1}, {2, 2, 3, 3}) == doctest::Approx(-7.0 / 9).epsilon(1e-15));
  CHECK(giou({0, 0, 2, 1}, {0, 0, 2, 1}) == 1);
  CHECK(giou({1, 1, 1, 1}, {1, 1, 1, 1}) == 0);   // two points in one place
  CHECK(giou({0, 0, 0, 0}, {1, 1, 1, 1}) == -1);  // two points: all of the hull is empty
  CHECK(giou({2, 0, 1, 1}, {0, 0, 2, 1}) == 0);   // turned over: no area, inside the other
  for (std::size_t k = 0; k < 4; ++k) {
    std::array<double, 4> p = {0, 0, 1, 1};
    p[k] = not_a_number;
    CHECK(std::isnan(giou(p, {0, 0, 1, 1})));
    CHECK(std::isnan(giou({0, 0, 1, 1}, p)));
  }
}

TEST_CASE("box similarities have the same bits for any threads, and allocate nothing") {
  const auto a = shares(8000);
  check_threads("box_similarity", 20000, [&](const cpu& exec, float* to) {
    return box_similarities(exec, {}, {.predicted = {a.data(), 200, 10, 4}, .target = {a.data(), 200, 10, 4}},
                            {.score = {to, 200, 10, 10}});
  });
}

TEST_CASE("box similarities name what is wrong, and write nothing") {
  covers("box_similarity", "bad-argument");
  const double x[24] = {};
  double to[6] = {7, 7, 7, 7, 7, 7};
  const auto refused = [&](const box_similarity& rule, const box_inputs<space::host>& in,
                           const box_outputs<space::host>& out) {
    const status s = box_similarities(cpu{}, rule, in, out);
    for (const double v : to) CHECK(v == 7);
    return text_of(s);
  };
  const box_inputs<space::host> in{.predicted = {x, 1, 3, 4}, .target = {x, 1, 2, 4}};
  const box_outputs<space::host> out{.score = {to, 1, 3, 2}};
  CHECK(refused({}, {.target = {x, 1, 2, 4}}, out) == "prefer: missing input: predicted: expected boxes, [B, n, 4]");
  CHECK(refused({}, {.predicted = {x, 1, 3, 4}}, out) == "prefer: missing input: target: expected boxes, [B, m, 4]");
  CHECK(refused({}, in, {}) == "prefer: missing output: outputs: expected at least one output to write");
  constexpr const char* shape = "expected the shape that the other arguments have:";
  CHECK(refused({}, {.predicted = {x, 1, 3, 5}, .target = {x, 1, 2, 4}}, out) ==
        std::string("prefer: bad extent: predicted is 5, ") + shape + " 4");
  CHECK(refused({}, {.predicted = {x, 1, 3, 4}, .target = {x, 2, 2, 4}}, out) ==
        std::string("prefer: bad extent: target is 2, ") + shape + " 1");
  CHECK(refused({}, in, {.giou = {to, 1, 2, 3}}) == std::string("prefer: bad extent: giou is 3, ") + shape + " 2");
  CHECK(refused({}, {.predicted = {x, 1, 3, 4}, .target = {x, 1, 2, 4}, .class_score = {x, 1, 3, 1}}, out) ==
        std::string("prefer: bad extent: class_score is 1, ") + shape + " 2");
  CHECK(refused({}, {.predicted = {x, 1, -3, 4}, .target = {x, 1, 2, 4}}, out) ==
        "prefer: bad extent: predicted is -3, expected at least 0");
  CHECK(refused({}, in, {.score = {to, 1, 3, 2}, .giou = {to, 1, 3, 2}}) ==
        "prefer: overlap: giou: expected memory of its own, not shared with another output");
  CHECK(refused({.giou_weight = HUGE_VAL}, in, out) ==
        "prefer: bad parameter: giou_weight is inf, expected a finite number");
  CHECK(refused({.class_weight = HUGE_VAL}, in, out) ==
        "prefer: bad parameter: class_weight is inf, expected a finite number");
  CHECK(refused({.distance_weight = HUGE_VAL}, in, out) ==
        "prefer: bad parameter: distance_weight is inf, expected a finite number");
}

TEST_CASE("box similarities look for NaN where they are asked to, in every input") {
  double boxes[2][2][4] = {}, truth[2][1][4] = {}, named[2][2][1] = {}, to[4] = {7, 7, 7, 7};
  const auto call = [&](prefer::content look) {
    return box_similarities(cpu{.content = look}, {},
                            {.predicted = {&boxes[0][0][0], 2, 2, 4},
                             .target = {&truth[0][0][0], 2, 1, 4},
                             .class_score = {&named[0][0][0], 2, 2, 1}},
                            {.score = {to, 2, 2, 1}});
  };
  double* const places[] = {&boxes[1][1][2], &truth[1][0][3], &named[1][0][0]};
  const char* const names[] = {"predicted", "target", "class_score"};
  for (int k = 0; k < 3; ++k) {
    *places[k] = not_a_number;
    const status s = call(content::all);
    CHECK((s.code == errc::not_a_number && std::string(s.argument) == names[k] && s.index == 1 && to[0] == 7));
    *places[k] = 0;
  }
  boxes[0][1][0] = not_a_number;
  CHECK(call(content::structure).ok());
  CHECK((std::isnan(to[1]) && to[0] == 0));
}
