// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/refinement.hpp>
#include <support/side.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

// Loops of many items against a controller written with states and their history, on either side.
namespace prefer_test {

// One loop by the words of its description: it keeps all states it has seen.
class described_loop {
 public:
  described_loop(double gate, std::int64_t rounds, bool roll_back) : gate_(gate), rounds_(rounds), back_(roll_back) {}

  prefer::refine_action next(double score) {
    using prefer::refine_action;
    if (over_) return refine_action::stopped;
    const double s = std::isnan(score) ? -HUGE_VAL : score;
    seen_.push_back(s);
    const auto best = static_cast<std::size_t>(std::max_element(seen_.begin(), seen_.end()) - seen_.begin());
    if (!std::isnan(score) && score >= gate_) return over_ = true, states_.push_back(s), refine_action::stop;
    if (static_cast<std::int64_t>(seen_.size()) == rounds_) {
      over_ = true, states_.push_back(s);
      return best + 1 == seen_.size() ? refine_action::stop : refine_action::take_best;
    }
    if (back_ && !states_.empty() && s < states_.back()) return refine_action::roll_back;
    states_.push_back(s);
    return refine_action::go_on;
  }
  std::int64_t best_round() const { return std::max_element(seen_.begin(), seen_.end()) - seen_.begin() + 1; }
  double best() const { return *std::max_element(seen_.begin(), seen_.end()); }
  double accepted() const { return states_.back(); }
  std::int64_t round() const {
    const auto n = static_cast<std::int64_t>(seen_.size());
    return over_ ? -n : n;
  }

 private:
  double gate_;
  std::int64_t rounds_;
  bool back_, over_ = false;
  std::vector<double> seen_, states_;
};

template <class S>
struct refine_case {
  std::int64_t n;
  buffer<S> score;
  buffer<bool> mask;
  buffer<std::int32_t> round;
  buffer<std::int64_t> best_round;
  buffer<double> accepted, best;
  buffer<std::uint8_t> action;

  refine_case(std::int64_t items, std::int64_t stride)
      : n(items),
        score(n, stride),
        mask(n),
        round(n, stride),
        best_round(n),
        accepted(n),
        best(n, stride),
        action(n, stride) {
    for (std::int64_t i = 0; i < n; ++i) {
      round.at(i) = 0, best_round.at(i) = 0, accepted.set(i, 0), best.set(i, 0), mask.at(i) = true;
    }
  }
  template <class Side>
  void run(Side& side, const prefer::refinement& rule) {
    prefer::check(refine_step(side.exec, rule, {.score = side.read(score), .mask = side.read(mask)},
                              {.round = side.write(round),
                               .accepted = side.write(accepted),
                               .best = side.write(best),
                               .best_round = side.write(best_round)},
                              {.action = side.write(action)}));
    side.done();
  }
};

template <class S, class Side>
void check_refinement(std::int64_t stride) {
  for (const bool roll_back : {true, false})
    for (const std::int64_t n : {0, 1, 7, 255, 256, 257, 600}) {
      const prefer::refinement rule{.gate = 7.5, .rounds = 5, .roll_back = roll_back};
      refine_case<S> c(n, stride);
      std::vector<described_loop> loops(static_cast<std::size_t>(n), described_loop(7.5, 5, roll_back));
      noise random(static_cast<std::uint64_t>(n));
      for (int step = 0; step < 7; ++step) {
        for (std::int64_t i = 0; i < n; ++i) {
          // Ties, losses, now and then no number and now and then a pass.
          const double u = random.uniform(0, 1);
          c.score.set(i, u < 0.1 ? not_a_number : std::floor(random.uniform(0, 17)) / 2);
          c.mask.at(i) = random.uniform(0, 1) < 0.9;
        }
        Side side;
        c.run(side, rule);
        bool ok = c.action.intact() && c.round.intact() && c.best.intact() && c.accepted.intact();
        for (std::int64_t i = 0; i < n; ++i) {
          described_loop& l = loops[static_cast<std::size_t>(i)];
          const auto expected = c.mask.at(i) ? l.next(c.score.get(i)) : prefer::refine_action::stopped;
          ok = ok && c.action.at(i) == static_cast<std::uint8_t>(expected) && c.round.at(i) == l.round();
          if (l.round() == 0) continue;
          ok = ok && c.best_round.at(i) == l.best_round() && c.best.get(i) == l.best();
          ok = ok && c.accepted.get(i) == l.accepted();
        }
        CHECK(ok);
      }
    }
  covers<S>("refinement", "sizes");
  covers("refinement", "masked");
}

}  // namespace prefer_test
