// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/parrot.hpp>
#include <support/side.hpp>

namespace prefer_test {

// Every shape of groups, with and without conditioning and baseline, against the definition; what is outside the sets
// holds NaN.
template <class S, class Side>
void check_parrot() {
  for (const auto& sizes : group_shapes())
    for (const bool conditioned : {false, true})
      for (const std::int64_t k : {1, 3}) {
        ragged_groups groups(sizes);
        const std::int64_t n = groups.samples, row = k + 2;
        buffer<S> rewards(n * row), baseline(k), advantage(n, 2), weight(n);
        buffer<std::int64_t> size(groups.count());
        buffer<std::int32_t> index(n, 3);
        buffer<bool> mask(n);
        noise random(7);
        for (std::int64_t i = 0; i < n; ++i) {
          mask.at(i) = random.uniform(0, 1) < 0.4;
          index.at(i) = mask.at(i) ? static_cast<std::int32_t>(i % k) : -7;
          for (std::int64_t j = 0; j < row; ++j)
            rewards.set(i * row + j, mask.at(i) && j < k ? random.uniform(-2, 2) : not_a_number);
        }
        for (std::int64_t j = 0; j < k; ++j) baseline.set(j, 0.25 * static_cast<double>(j + 1));
        Side side;
        prefer::parrot_inputs<Side::memory> in = {.rewards = side.read(rewards, n, k, row),
                                                  .mask = side.read(mask),
                                                  .groups = {.offsets = side.read(groups.offsets)}};
        if (conditioned) in.reward_index = side.read(index), in.baseline = side.read(baseline);
        prefer::check(prefer::parrot_weights(
            side.exec, in,
            {.advantage = side.write(advantage), .weight = side.write(weight), .size = side.write(size)}));
        side.done();
        CHECK((advantage.intact() && weight.intact() && size.intact()));
        for (std::int64_t b = 0; b < groups.count(); ++b) {
          std::int64_t in_set = 0;
          for (std::int64_t i = groups.begin(b); i < groups.end(b); ++i) in_set += mask.at(i) ? 1 : 0;
          CHECK(size.at(b) == in_set);
          for (std::int64_t i = groups.begin(b); i < groups.end(b); ++i) {
            double a = 0;
            for (std::int64_t j = 0; mask.at(i) && j < k; ++j)
              if (!conditioned)
                a += rewards.get(i * row + j);
              else if (j == index.at(i))
                a = rewards.get(i * row + j) - baseline.get(j);
            const double w = mask.at(i) ? a / static_cast<double>(in_set) : 0;
            CHECK(rounded_right<S>(advantage.get(i), a));
            CHECK(rounded_right<S>(weight.get(i), w));
          }
        }
      }
  covers<S>("parrot", "sizes");
}

}  // namespace prefer_test
