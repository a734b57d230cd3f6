// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <select/validate.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("validates of selections say what is wrong, and where") { check_validates<host_side>(); }

TEST_CASE("validates of selections see what a call would refuse without looking") {
  float x[6] = {};
  CHECK(refused_argument(validate_samples(cpu{}, {}, {})) == "rewards");
  CHECK(refused_argument(validate_samples(cpu{}, {}, {.rewards = {x, 2, 0}})) == "rewards");
  const direction one[] = {direction::maximize};
  CHECK(refused_argument(validate_samples(cpu{}, {.directions = one}, {.rewards = {x, 2, 3}})) == "directions");
  CHECK(refused_argument(validate_scores(cpu{}, {})) == "score");
  CHECK(refused_argument(validate_scores(cpu{}, {.score = {x, 6}, .groups = {.size = 4}})) == "groups.size");
  CHECK(refused_argument(validate_hierarchy(cpu{}, {})) == "factors");
  CHECK(refused_argument(validate_hierarchy(cpu{}, {.factors = {x, 2, 3}})) == "first");
  CHECK(refused_argument(validate_scalarized_picks(
            cpu{}, {}, {.samples = {.rewards = {x, 2, 3}}, .weights = {x, 1, 2}})) == "weights");
  CHECK(refused_argument(validate_scalarized_picks(cpu{}, {.augmentation = -1}, {.samples = {.rewards = {x, 2, 3}}})) ==
        "augmentation");
  CHECK(refused_argument(validate_front(cpu{}, {}, {}, {})) == "front.rewards");
}
