// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/math.hpp>

#include <cstdint>

// Weighted least squares under bounds on differences of neighbours, for samples in order on a line,
//
//   min over f of 1/2 sum w_k (f_k - r_k)^2   with   |f_k - f_(k+1)| <= reach_k,
//
// by dynamic programming, as Johnson (2013) solves the fused lasso, where knots are cut off and not moved. F_k(x), the
// least value over f_0 to f_(k-1) with f_k = x, has a derivative that rises and is linear between knots; what follows
// it, min over |y - x| <= reach of F_k(y), moves the knots below the smallest value down by reach, those above up, and
// leaves 0 between. Knots are two stacks that meet there. Moves and slopes that a stack's knots have in common wait at
// its top and go down when that one leaves, so that they are sums of what belongs to a knot, and weights may differ by
// any factor.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct line_knot {
  double at, lean;             // place and derivative, before what waits
  double moved, grows, gives;  // what waits for this knot and those under it: the place by `moved`, the derivative by
                               // grows * (the place before) + gives
};

struct line_projection {
  std::int64_t n = 0;                           // samples, in order
  double *reward = nullptr, *weight = nullptr;  // weights above 0
  double* reach = nullptr;                      // of a sample and the next
  double* least = nullptr;                      // where F_k is smallest
  double *dual = nullptr, *value = nullptr;     // what flows belong to; the answer, for which all pairs hold
  std::int8_t* tight = nullptr;                 // whether f_k - f_(k+1) is reach (1), -reach (-1), or neither (0)
  line_knot* knots = nullptr;                   // 2 n: from the left those below, from the right those above

  template <class Memory>
  void carve(Memory& memory, std::int64_t samples) {
    for (double** a : {&reward, &weight, &reach, &least, &dual, &value}) *a = memory.template take<double>(samples);
    tight = memory.template take<std::int8_t>(samples), knots = memory.template take<line_knot>(2 * samples);
  }

  // What is tight by the `rounding` of values is taken as tight, since what a light sample pulls at a heavy one is
  // below it, and let go again where nothing pulls.
  PREFER_HD void solve(double rounding) const {
    sweep();
    for (std::int64_t k = n; k-- > 0;) choose(k, least[k]), tight[k] = side(k, rounding);
    for (int again = 0; again < 4; ++again) {
      std::int64_t loosened = 0;
      for (std::int64_t last = n - 1, first; last >= 0; last = first - 1) {
        first = level(last);
        if (again < 3) loosened += loosen(first, last, rounding);
      }
      if (loosened == 0) break;
    }
    for (std::int64_t k = n; k-- > 0;) choose(k, dual[k]);
  }

  // What all values lack of the mean that the dual ones keep.
  PREFER_HD double shift() const {
    double sum = 0, weighs = 0;
    for (std::int64_t k = 0; k < n; ++k) sum += weight[k] * (dual[k] - value[k]), weighs += weight[k];
    return weighs > 0 ? sum / weighs : 0;
  }

  // What the samples from `first` to `last`, which move together, add to the duality gap of value + shift:
  // 1/2 sum w (value + shift - dual)^2 + sum of flows times what their pairs are away from being tight.
  PREFER_HD double gap(std::int64_t first, std::int64_t last, double shift) const {
    const std::int64_t top = heaviest(first, last);
    double sum = 0, rest = 0, noise = 0;  // rest: what does not come to 0 of sum w (r - dual), as rounded
    for (int direction : {1, -1}) {
      double flow = 0, all = 0;  // flow: towards the heaviest
      for (std::int64_t k = direction > 0 ? first : last; k != top; k += direction) {
        const double gives = weight[k] * (reward[k] - dual[k]);
        flow += gives, all += 0x1p-50 * math::abs(gives);
        const double apart = value[k] - value[k + direction], bound = reach[direction > 0 ? k : k - 1];
        sum += math::max((math::max(flow, 0.0) + all) * (bound - apart), 0.0);
        sum += math::max(math::max(all - flow, 0.0) * (bound + apart), 0.0);
      }
      rest += flow, noise += all;
    }
    const double gives = weight[top] * (reward[top] - dual[top]);
    const double off = (math::abs(rest + gives) + noise + 0x1p-50 * math::abs(gives)) / weight[top];
    for (std::int64_t k = first; k <= last; ++k) {
      const double away = math::abs(value[k] - dual[k] + shift) + (k == top ? off : 0.0);
      sum += weight[k] * away * away / 2;
    }
    return sum;
  }

 private:
  // A stack: its knots are `step` apart in memory, and at `top` is the last one.
  struct stack {
    line_knot* top;
    std::int64_t step, count;

    // The pair's bound moves all knots; then w (x - r) is added to the derivative.
    PREFER_HD void add(double move, double w, double r) const {
      if (count == 0) return;
      top->moved += move, top->grows += w, top->gives += w * (top->moved - r);
    }
    PREFER_HD void push(double at, double lean) {
      top += step, ++count;
      *top = {at, lean, 0, 0, 0};
    }
    // What waits is done at the top.
    PREFER_HD void settle() const {
      line_knot& k = *top;
      if (count > 1) {
        line_knot& under = *(top - step);
        under.gives += k.gives + k.grows * under.moved;
        under.grows += k.grows, under.moved += k.moved;
      }
      k = {k.at + k.moved, k.lean + k.grows * k.at + k.gives, 0, 0, 0};
    }
    PREFER_HD void pop() { top -= step, --count; }
  };
  static PREFER_HD void move_top(stack& from, stack& to) {
    const double at = from.top->at, lean = from.top->lean;
    from.pop(), to.push(at, lean);
  }

  // `least` of all.
  PREFER_HD void sweep() const {
    if (n == 0) return;
    stack low{knots - 1, 1, 0}, high{knots + 2 * n, -1, 0};
    double x = reward[0], weights = weight[0];
    least[0] = x;
    for (std::int64_t k = 1; k < n; ++k) {
      const double b = reach[k - 1], w = weight[k], r = reward[k];
      low.add(-b, w, r), high.add(b, w, r);
      low.push(x - b, w * (x - b - r)), high.push(x + b, w * (x + b - r));
      weights += w;
      for (; low.count > 0; move_top(low, high)) {
        low.settle();
        if (!(low.top->lean > 0)) break;
      }
      for (; high.count > 0; move_top(high, low)) {
        high.settle();
        if (!(high.top->lean < 0)) break;
      }
      least[k] = x = zero(low, high, weights);
    }
  }
  // Where the derivative is 0: between the tops, beyond the last knot with the weight of all samples for its slope.
  static PREFER_HD double zero(const stack& low, const stack& high, double weights) {
    if (high.count == 0) return low.top->at - low.top->lean / weights;
    if (low.count == 0) return high.top->at - high.top->lean / weights;
    const double rise = high.top->lean - low.top->lean;
    return rise > 0 ? low.top->at + (high.top->at - low.top->at) * (-low.top->lean / rise) : low.top->at;
  }

  // The value nearest to x that the next one allows.
  PREFER_HD void choose(std::int64_t k, double x) const {
    value[k] = k + 1 == n ? x : math::min(math::max(x, value[k + 1] - reach[k]), value[k + 1] + reach[k]);
  }
  PREFER_HD std::int8_t side(std::int64_t k, double rounding) const {
    if (k + 1 == n) return 0;
    const double apart = least[k] - value[k + 1];
    return static_cast<std::int8_t>(math::abs(apart) < reach[k] - rounding ? 0 : apart > 0 ? 1 : -1);
  }
  // The samples up to `last` that move with it keep their mean, which is found by how far they are from the heaviest of
  // them. Returns the first of them.
  PREFER_HD std::int64_t level(std::int64_t last) const {
    std::int64_t first = last;
    while (first > 0 && tight[first - 1] != 0) --first;
    const std::int64_t top = heaviest(first, last);
    double sum = 0, weighs = 0;
    const auto take = [&](std::int64_t k, double offset) PREFER_HD_LAMBDA {
      dual[k] = offset, sum += weight[k] * (reward[k] - offset), weighs += weight[k];
    };
    take(top, 0);
    for (std::int64_t k = top; k > first; --k) take(k - 1, dual[k] + tight[k - 1] * reach[k - 1]);
    for (std::int64_t k = top; k < last; ++k) take(k + 1, dual[k] - tight[k] * reach[k]);
    for (std::int64_t k = first; k <= last; ++k) dual[k] = first == last ? reward[k] : sum / weighs + dual[k];
    return first;
  }
  // Lets go of pairs without a flow to speak of, or with one the wrong way. Returns how many.
  PREFER_HD std::int64_t loosen(std::int64_t first, std::int64_t last, double rounding) const {
    const std::int64_t top = heaviest(first, last);
    std::int64_t loosened = 0;
    for (int direction : {1, -1}) {
      double flow = 0, nothing = 0;
      for (std::int64_t k = direction > 0 ? first : last; k != top; k += direction) {
        std::int8_t& pair = tight[direction > 0 ? k : k - 1];
        flow += weight[k] * (reward[k] - dual[k]), nothing += weight[k] * rounding;
        if (flow * (pair * direction) <= nothing) pair = 0, ++loosened;
      }
    }
    return loosened;
  }
  PREFER_HD std::int64_t heaviest(std::int64_t first, std::int64_t last) const {
    std::int64_t top = first;
    for (std::int64_t k = first; k <= last; ++k)
      if (weight[k] > weight[top]) top = k;
    return top;
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
