// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/hypervolume_subset.hpp>
#include <support/buffer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

// Sets of samples whose volumes are whole numbers, and volumes by their definition.
namespace prefer_test {

// Distances to the reference, larger is better.
using point_set = std::vector<std::vector<double>>;

// The volume of the union of boxes from the origin, slab by slab: nothing that the library does.
inline double brute_volume(const point_set& s, std::size_t objectives) {
  if (s.empty()) return 0;
  if (objectives == 0) return 1;
  std::vector<double> cuts{0};
  for (const auto& p : s) cuts.push_back(p[objectives - 1]);
  std::sort(cuts.begin(), cuts.end());
  double volume = 0;
  for (std::size_t c = 0; c + 1 < cuts.size(); ++c) {
    if (cuts[c + 1] == cuts[c]) continue;
    point_set slab;
    for (const auto& p : s)
      if (p[objectives - 1] >= cuts[c + 1]) slab.push_back(p);
    volume += (cuts[c + 1] - cuts[c]) * brute_volume(slab, objectives - 1);
  }
  return volume;
}

inline bool brute_dominates(const std::vector<double>& a, const std::vector<double>& b) {
  bool somewhere = false;
  for (std::size_t k = 0; k < a.size(); ++k) {
    if (a[k] < b[k]) return false;
    somewhere = somewhere || a[k] > b[k];
  }
  return somewhere;
}

// What the volume loses without each point, among all of them or among those that no other dominates.
inline std::vector<double> brute_contributions(const point_set& all, std::size_t objectives, bool front) {
  std::vector<double> share(all.size(), 0);
  point_set s;
  std::vector<std::size_t> from;
  for (std::size_t i = 0; i < all.size(); ++i) {
    bool dominated = false;
    for (const auto& other : all) dominated = dominated || brute_dominates(other, all[i]);
    if (front && dominated) continue;
    s.push_back(all[i]), from.push_back(i);
  }
  const double whole = brute_volume(s, objectives);
  for (std::size_t i = 0; i < s.size(); ++i) {
    point_set rest = s;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
    share[from[i]] = whole - brute_volume(rest, objectives);
  }
  return share;
}

// The area of the facet of point i that looks along objective k: what its projection adds to those of the points above
// it, of which points that equal it in k are one if they come first from objective 0 on, then by number.
inline double brute_facet(const point_set& s, std::size_t i, std::size_t k) {
  const auto project = [&](const std::vector<double>& p) {
    std::vector<double> q = p;
    q.erase(q.begin() + static_cast<std::ptrdiff_t>(k));
    return q;
  };
  point_set above;
  for (std::size_t j = 0; j < s.size(); ++j) {
    if (j == i) continue;
    const bool tie = s[j][k] == s[i][k];
    if (s[j][k] > s[i][k] || (tie && (s[j] > s[i] || (s[j] == s[i] && j < i)))) above.push_back(project(s[j]));
  }
  const double without = brute_volume(above, s[i].size() - 1);
  above.push_back(project(s[i]));
  return brute_volume(above, s[i].size() - 1) - without;
}

enum class grouping { one, offsets, cube };

struct volume_shape {
  int objectives = 2;
  std::int64_t samples = 5;  // of a group, or of all with offsets
  grouping groups = grouping::one;
  bool strided = false, excluded = false, group_reference = false;
  int range = 5;  // of the whole numbers
};

inline std::vector<volume_shape> volume_shapes() {
  std::vector<volume_shape> all;
  for (int k = 1; k <= 6; ++k)
    for (const std::int64_t n : {0, 1, 2, 3, 7, 8, 9, 17}) {
      if (k > 4 && n > 9) continue;
      all.push_back({k, n, grouping::one, n % 2 == 0, n % 3 == 0, false, n > 8 ? 9 : 4});
      all.push_back({k, n, n % 2 == 0 ? grouping::cube : grouping::offsets, n % 2 == 1, n % 3 != 0, true});
    }
  return all;
}

template <class S>
struct volume_case {
  volume_shape shape;
  std::int64_t groups, samples;
  std::int64_t stride;  // of elements
  buffer<S> rewards, reference, violation, grad_rewards;
  buffer<double> hypervolume, contribution, gain;  // whole numbers that 16 bits do not hold
  buffer<std::int64_t> least, indices;
  buffer<bool> mask;
  buffer<std::int32_t> offsets;
  std::vector<prefer::direction> directions;

  explicit volume_case(const volume_shape& s, unsigned seed = 1)
      : shape(s),
        groups(s.groups == grouping::one ? 1 : 3),
        samples(s.groups == grouping::cube ? 3 * s.samples : s.samples),
        stride(s.strided ? 2 : 1),
        rewards(samples * s.objectives, stride, s.strided ? 1 : 0),
        reference((s.group_reference ? groups : 1) * s.objectives, stride),
        violation(samples, stride),
        grad_rewards(samples * s.objectives, stride),
        hypervolume(groups, stride),
        contribution(samples, stride),
        gain(groups * picks, stride),
        least(groups, stride),
        indices(groups * picks, stride),
        mask(samples, stride),
        offsets(groups + 1, stride) {
    std::mt19937 random(seed + static_cast<unsigned>(97 * s.objectives + s.samples));
    for (int k = 0; k < s.objectives; ++k)
      directions.push_back(k % 2 == 1 ? prefer::direction::minimize : prefer::direction::maximize);
    for (std::int64_t i = 0; i < reference.size(); ++i) reference.set(i, static_cast<double>(random() % 3) - 1);
    const std::int64_t cuts[4] = {s.samples > 1 ? 1 : 0, s.samples / 2, s.samples / 2,
                                  s.samples > 8 ? s.samples - 1 : s.samples};  // the second group is empty
    for (std::int64_t b = 0; b <= groups; ++b)
      offsets.at(b) = static_cast<std::int32_t>(s.groups == grouping::offsets ? cuts[b] : b * s.samples);
    for (std::int64_t i = 0; i < samples; ++i) {
      for (int k = 0; k < s.objectives; ++k) {
        const double x = static_cast<double>(random() % static_cast<unsigned>(s.range)) - (random() % 4 == 0 ? 1 : 0);
        rewards.set(i * s.objectives + k, low(group_of(i), k) + (minimizes(k) ? -x : x));
      }
      mask.at(i) = !s.excluded || i % 5 != 2;
      violation.set(i, !s.excluded || i % 7 != 3 ? -1.0 : 0.5);
      if (!mask.at(i)) rewards.set(i * s.objectives, std::numeric_limits<double>::quiet_NaN());
    }
    for (std::int64_t i = 0; i < samples; ++i) contribution.set(i, untouched);
    for (std::int64_t i = 0; i < grad_rewards.size(); ++i) grad_rewards.set(i, untouched);
    for (std::int64_t b = 0; b < groups; ++b) hypervolume.set(b, untouched), least.at(b) = 77;
  }
  static constexpr double untouched = 123;
  static constexpr std::int64_t picks = 4;  // of a subset

  bool minimizes(int k) const { return directions[static_cast<std::size_t>(k)] == prefer::direction::minimize; }
  double low(std::int64_t b, int k) { return reference.get((shape.group_reference ? b : 0) * shape.objectives + k); }
  std::int64_t group_of(std::int64_t i) {
    for (std::int64_t b = 0; b < groups; ++b)
      if (i >= offsets.at(b) && i < offsets.at(b + 1)) return b;
    return 0;
  }
  bool in_a_group(std::int64_t i) { return i >= offsets.at(0) && i < offsets.at(groups); }

  // Of a group, the points that count and their numbers.
  point_set points(std::int64_t b, std::vector<std::int64_t>& numbers) {
    point_set s;
    for (std::int64_t i = offsets.at(b); i < offsets.at(b + 1); ++i) {
      std::vector<double> p;
      bool counts = mask.at(i) && !(violation.get(i) > 0);
      for (int k = 0; k < shape.objectives; ++k) {
        const double d = rewards.get(i * shape.objectives + k) - low(b, k);
        p.push_back(minimizes(k) ? -d : d);
        counts = counts && p.back() > 0;
      }
      if (counts) s.push_back(p), numbers.push_back(i);
    }
    return s;
  }

  prefer::objectives objectives() const {
    return {.directions = {directions.data(), static_cast<std::int64_t>(directions.size())}};
  }

  // Views of host buffers or of what `at` finds for them.
  template <prefer::space Space, class F>
  prefer::hypervolume_inputs<Space> inputs_at(F at) {
    prefer::hypervolume_inputs<Space> in;
    const std::int64_t k = shape.objectives, row = k * stride;
    if (shape.groups == grouping::cube)
      in.samples.reward_groups = {at(rewards), groups, shape.samples, k, shape.samples * row, row, stride};
    else
      in.samples.rewards = {at(rewards), samples, k, row, stride};
    if (shape.groups == grouping::offsets) in.samples.offsets = {at(offsets), groups + 1, stride};
    if (shape.excluded) {
      in.samples.mask = {at(mask), samples, stride};
      in.samples.violation = {at(violation), samples, stride};
    }
    if (shape.group_reference)
      in.group_reference = {at(reference), groups, k, row, stride};
    else
      in.reference = {at(reference), k, stride};
    return in;
  }
  template <prefer::space Space, class F>
  prefer::hypervolume_outputs<Space> volume_outputs_at(F at) {
    const std::int64_t k = shape.objectives;
    return {.hypervolume = {at(hypervolume), groups, stride},
            .grad_rewards = {at(grad_rewards), samples, k, k * stride, stride}};
  }
  template <prefer::space Space, class F>
  prefer::contribution_outputs<Space> contribution_outputs_at(F at) {
    return {.contribution = {at(contribution), samples, stride}, .least = {at(least), groups, stride}};
  }
  template <prefer::space Space, class F>
  prefer::subset_outputs<Space> subset_outputs_at(F at) {
    return {.indices = {at(indices), groups, picks, picks * stride, stride},
            .gain = {at(gain), groups, picks, picks * stride, stride},
            .hypervolume = {at(hypervolume), groups, stride}};
  }
  prefer::subset_outputs<prefer::space::host> subset_outputs() {
    return subset_outputs_at<prefer::space::host>([](auto& b) { return b.data(); });
  }
  prefer::hypervolume_inputs<prefer::space::host> inputs() {
    return inputs_at<prefer::space::host>([](auto& b) { return b.data(); });
  }
  prefer::hypervolume_outputs<prefer::space::host> volume_outputs() {
    return volume_outputs_at<prefer::space::host>([](auto& b) { return b.data(); });
  }
  prefer::contribution_outputs<prefer::space::host> contribution_outputs() {
    return contribution_outputs_at<prefer::space::host>([](auto& b) { return b.data(); });
  }

  std::string name() const {
    return "K " + std::to_string(shape.objectives) + ", " + std::to_string(shape.samples) + " samples, grouping " +
           std::to_string(static_cast<int>(shape.groups));
  }

  // Exact but for what S makes of it.
  void check_volumes() {
    INFO(name());
    const auto k = static_cast<std::size_t>(shape.objectives);
    std::vector<double> facet(static_cast<std::size_t>(grad_rewards.size()), 0);
    for (std::int64_t b = 0; b < groups; ++b) {
      std::vector<std::int64_t> numbers;
      const point_set s = points(b, numbers);
      CHECK(hypervolume.get(b) == brute_volume(s, k));
      for (std::size_t i = 0; i < s.size(); ++i)
        for (std::size_t j = 0; j < k; ++j)
          facet[static_cast<std::size_t>(numbers[i]) * k + j] =
              brute_facet(s, i, j) * (minimizes(static_cast<int>(j)) ? -1 : 1);
    }
    for (std::int64_t i = 0; i < grad_rewards.size(); ++i) {
      const bool ours = in_a_group(i / shape.objectives);
      const double x = storage<S>::to(storage<S>::from(ours ? facet[static_cast<std::size_t>(i)] : untouched));
      CHECK(grad_rewards.get(i) == x);
    }
    CHECK((hypervolume.intact() && grad_rewards.intact()));
  }
  void check_contributions(bool front) {
    INFO(name());
    std::vector<double> share(static_cast<std::size_t>(samples), 0);
    for (std::int64_t b = 0; b < groups; ++b) {
      std::vector<std::int64_t> numbers;
      const point_set s = points(b, numbers);
      const auto of_points = brute_contributions(s, static_cast<std::size_t>(shape.objectives), front);
      const auto smallest = std::min_element(of_points.begin(), of_points.end());
      CHECK(least.at(b) == (s.empty() ? -1 : numbers[static_cast<std::size_t>(smallest - of_points.begin())]));
      for (std::size_t i = 0; i < s.size(); ++i) share[static_cast<std::size_t>(numbers[i])] = of_points[i];
    }
    for (std::int64_t i = 0; i < samples; ++i)
      CHECK(contribution.get(i) == (in_a_group(i) ? share[static_cast<std::size_t>(i)] : untouched));
    CHECK((contribution.intact() && least.intact()));
  }
  // Every pick is the first of those that add most to the ones before.
  void check_subsets() {
    INFO(name());
    const auto k = static_cast<std::size_t>(shape.objectives);
    for (std::int64_t b = 0; b < groups; ++b) {
      std::vector<std::int64_t> numbers;
      const point_set s = points(b, numbers);
      point_set picked;
      double volume = 0;
      for (std::int64_t slot = 0; slot < picks; ++slot) {
        double most = 0;
        std::size_t best = s.size();
        for (std::size_t i = 0; i < s.size(); ++i) {
          picked.push_back(s[i]);
          const double more = brute_volume(picked, k) - volume;
          picked.pop_back();
          if (more > most) most = more, best = i;
        }
        CHECK(gain.get(b * picks + slot) == most);
        CHECK(indices.at(b * picks + slot) == (best < s.size() ? numbers[best] : -1));
        if (best < s.size()) picked.push_back(s[best]), volume += most;
      }
      CHECK(hypervolume.get(b) == volume);
    }
    CHECK((gain.intact() && indices.intact() && hypervolume.intact()));
  }
};

// Random points on the part of a sphere that is a concave front, as minimised objectives below 1.
inline std::vector<double> sphere(std::int64_t n, int objectives, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> x(static_cast<std::size_t>(n * objectives));
  for (std::size_t i = 0; i < x.size(); i += static_cast<std::size_t>(objectives)) {
    double squares = 0;
    for (std::size_t k = i; k < i + static_cast<std::size_t>(objectives); ++k)
      x[k] = std::fabs(normal(random)), squares += x[k] * x[k];
    for (std::size_t k = i; k < i + static_cast<std::size_t>(objectives); ++k) x[k] = 1 - x[k] / std::sqrt(squares);
  }
  return x;
}

}  // namespace prefer_test
