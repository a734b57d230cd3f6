// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/game/win_rate.hpp>
#include <support/buffer.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

// Batches of preferences as memory, and their win rates by definition. What nobody meets holds NaN.
namespace prefer_test {

struct win_rate_shape {
  std::int64_t batch, samples, opponents;
  bool queue = false, self = false, masks = false, sizes = false, games = false, transposed = false;
};

// Shapes that matter: no batch, no opponent, a lane and a tile more or less, both layouts, everything together.
inline std::vector<win_rate_shape> win_rate_shapes() {
  return {{.batch = 0, .samples = 3, .opponents = 3},
          {.batch = 1, .samples = 1, .opponents = 1},
          {.batch = 2, .samples = 2, .opponents = 2, .self = true},
          {.batch = 1, .samples = 5, .opponents = 0, .queue = true},
          {.batch = 3, .samples = 8, .opponents = 8, .masks = true},
          {.batch = 2, .samples = 17, .opponents = 17, .self = true, .masks = true, .transposed = true},
          {.batch = 2, .samples = 9, .opponents = 33, .queue = true, .masks = true, .sizes = true},
          {.batch = 3, .samples = 24, .opponents = 24, .masks = true, .sizes = true, .games = true},
          {.batch = 1, .samples = 3, .opponents = 530, .queue = true, .games = true, .transposed = true},
          {.batch = 1, .samples = 2, .opponents = 1100, .queue = true, .masks = true}};
}

template <class S>
struct win_rate_case {
  win_rate_shape shape;
  std::int64_t row, matrix;  // strides in memory
  buffer<S> preference, games, grad_preference;
  buffer<S> grad_reward, reward, advantage, met;
  buffer<bool> sample_mask, opponent_mask;
  buffer<std::int32_t> sample_count, opponent_count;

  explicit win_rate_case(const win_rate_shape& s)
      : shape(s),
        row((s.transposed ? s.samples : s.opponents) + 3),
        matrix((s.transposed ? s.opponents : s.samples) * row),
        preference(s.batch * matrix),
        games(s.batch * matrix),
        grad_preference(s.batch * s.samples * s.opponents),
        grad_reward(s.batch * s.samples),
        reward(s.batch * s.samples, 2),
        advantage(s.batch * s.samples),
        met(s.batch * s.samples),
        sample_mask(s.batch * s.samples),
        opponent_mask(s.batch * s.opponents),
        sample_count(s.batch),
        opponent_count(s.batch) {
    noise random(31);
    for (std::int64_t k = 0; k < grad_reward.size(); ++k) {
      grad_reward.set(k, random.uniform(-2, 2));
      sample_mask.at(k) = random.uniform(0, 1) < 0.7;
    }
    for (std::int64_t k = 0; k < opponent_mask.size(); ++k) opponent_mask.at(k) = random.uniform(0, 1) < 0.7;
    for (std::int64_t b = 0; b < s.batch; ++b) {
      sample_count.at(b) = static_cast<std::int32_t>(s.sizes ? s.samples - 2 * b : s.samples);
      opponent_count.at(b) = static_cast<std::int32_t>(s.sizes ? s.opponents - b : s.opponents);
    }
    each_cell([&](std::int64_t b, std::int64_t i, std::int64_t j) {
      const double played = std::floor(random.uniform(0, 5)), p = random.uniform(0, 1);
      const bool meet = meets(b, i, j), plays = meet && (!s.games || played > 0);
      constexpr double nothing = std::numeric_limits<double>::quiet_NaN();
      games.set(at(b, i, j), meet ? played : nothing);
      preference.set(at(b, i, j), plays ? (s.games ? std::floor(2 * p * played) / 2 : p) : nothing);
    });
  }

  std::int64_t at(std::int64_t b, std::int64_t i, std::int64_t j) const {
    return b * matrix + (shape.transposed ? j * row + i : i * row + j);
  }
  template <class F>
  void each_cell(F f) const {
    for (std::int64_t b = 0; b < shape.batch; ++b)
      for (std::int64_t i = 0; i < shape.samples; ++i)
        for (std::int64_t j = 0; j < shape.opponents; ++j) f(b, i, j);
  }
  bool present(std::int64_t b, std::int64_t i) {
    return i < sample_count.at(b) && (!shape.masks || sample_mask.at(b * shape.samples + i));
  }
  bool meets(std::int64_t b, std::int64_t i, std::int64_t j) {
    if (!present(b, i)) return false;
    if (!shape.queue) return i != j && present(b, j);
    return j < opponent_count.at(b) && (!shape.masks || opponent_mask.at(b * shape.opponents + j));
  }
  prefer::win_rate options() const {
    using opponents = prefer::win_rate::opponents;
    return {.against = shape.queue ? opponents::queue : opponents::each_other, .include_self = shape.self};
  }

  // Structs of views; `of(buffer)` is where a buffer is on the side of the call.
  template <prefer::space M, class Of>
  prefer::win_rate_inputs<M> make_inputs(Of of) {
    const std::int64_t b = shape.batch, n = shape.samples, q = shape.opponents;
    const std::int64_t down = shape.transposed ? 1 : row, along = shape.transposed ? row : 1;
    using cube = prefer::input_view<3, M>;
    using plane = prefer::input_view<2, M>;
    using vector = prefer::input_view<1, M>;
    prefer::win_rate_inputs<M> in;
    in.preference = cube(of(preference), b, n, q, matrix, down, along);
    if (shape.games) in.games = cube(of(games), b, n, q, matrix, down, along);
    if (shape.masks) in.sample_mask = plane(of(sample_mask), b, n);
    if (shape.masks && shape.queue) in.opponent_mask = plane(of(opponent_mask), b, q);
    if (shape.sizes) in.samples = vector(of(sample_count), b);
    if (shape.sizes && shape.queue) in.opponents = vector(of(opponent_count), b);
    in.grad_reward = plane(of(grad_reward), b, n);
    return in;
  }
  template <prefer::space M, class Of>
  prefer::win_rate_outputs<M> make_outputs(Of of) {
    const std::int64_t b = shape.batch, n = shape.samples;
    using plane = prefer::output_view<2, M>;
    prefer::win_rate_outputs<M> out;
    out.reward = plane(of(reward), b, n, 2 * n, 2);
    out.advantage = plane(of(advantage), b, n);
    out.met = plane(of(met), b, n);
    out.grad_preference = prefer::output_view<3, M>(of(grad_preference), b, n, shape.opponents);
    return out;
  }
  auto inputs() {
    return make_inputs<prefer::space::host>([](auto& x) { return x.data(); });
  }
  auto outputs() {
    return make_outputs<prefer::space::host>([](auto& x) { return x.data(); });
  }

  // Every output against the mean as it is written. Sums of at most 1100 numbers in double are exact to 1e-13; storing
  // rounds once.
  void check_definition() {
    const auto near = [](double got, long double exact) {
      const long double unit = std::ldexp(1.0L, 1 - storage<S>::digits);
      return std::fabs(got - exact) <= unit * std::fabs(exact) + 1e-13L + std::ldexp(1.0L, storage<S>::least_exponent);
    };
    for (std::int64_t b = 0; b < shape.batch; ++b)
      for (std::int64_t i = 0; i < shape.samples; ++i) {
        const std::int64_t k = b * shape.samples + i;
        long double sum = shape.self ? 0.5L : 0, all = shape.self ? 1 : 0;
        const auto plays = [&](std::int64_t j) {
          return meets(b, i, j) && (!shape.games || games.get(at(b, i, j)) > 0);
        };
        for (std::int64_t j = 0; j < shape.opponents; ++j) {
          if (!plays(j)) continue;
          const long double wins = preference.get(at(b, i, j)), played = shape.games ? games.get(at(b, i, j)) : 1;
          sum += wins / played, all += 1;
        }
        INFO("batch " << b << ", sample " << i << " of " << shape.samples << " against " << shape.opponents);
        const bool there = present(b, i);
        const long double rate = !there ? 0 : all > 0 ? sum / all : 0.5L;
        CHECK(near(reward.get(k), rate));
        CHECK(near(advantage.get(k), there ? rate - 0.5L : 0));
        CHECK(near(met.get(k), there ? all : 0));
        bool slopes = true;
        for (std::int64_t j = 0; j < shape.opponents; ++j) {
          const long double played = shape.games && plays(j) ? games.get(at(b, i, j)) : 1;
          const long double slope = plays(j) ? grad_reward.get(k) / all / played : 0;
          slopes = slopes && near(grad_preference.get(k * shape.opponents + j), slope);
        }
        CHECK(slopes);
      }
    CHECK((reward.intact() && advantage.intact() && met.intact() && grad_preference.intact()));
  }
};

}  // namespace prefer_test
