// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/arena.hpp>
#include <prefer/core/lane.hpp>
#include <prefer/core/math.hpp>

#include <cstdint>

// What a point adds to the volume that others dominate, in any number of objectives: the exclusive volume, by slicing
// and limiting sets (While, Bradstreet, Barone 2012, "WFG"). All objectives are maximised here.
//
// The volume of a set under a reference r is a sum over its points, taken in descending order of the last objective:
//
//   volume_M(S, r) = sum_i (z_i,M - r_M) exclusive_{M-1}(z_i | those before i, r)
//   exclusive_M(p | S, r) = box(p, r) - volume_M({min(z, p) : z in S}, r)
//
// Three things make the sets small. A set keeps, of what came before, only the front of its projection. The reference
// of a point is raised: a point z that p exceeds in one objective k alone covers everything of p's box up to z_k, so
// that the box begins there, and whoever does not reach into what is left is dropped. And volumes of up to three
// objectives, or of up to two points, are known without more recursion.
//
// One pass over a front compares whole lanes; V is a lane on the CPU and double on CUDA.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

PREFER_HD double larger_of(double a, double b) { return a < b ? b : a; }
PREFER_HD double smaller_of(double a, double b) { return b < a ? b : a; }

// One bit per element, set where a < b. g++ makes a mask of a comparison and takes it apart again, so it is told the
// instruction; clang narrows the mask to bytes, which a multiplication gathers.
PREFER_HD unsigned bits_less(double a, double b) { return a < b ? 1u : 0u; }
template <class Level>
PREFER_HD unsigned bits_less(const lane<double, Level>& a, const lane<double, Level>& b) {
  [[maybe_unused]] constexpr int count = lane<double, Level>::count, each_has = 8 / count;
#if defined(__x86_64__) && !defined(__clang__) && !defined(__CUDACC__)
  unsigned all = 0;
  detail::each<count>([&](int i) PREFER_HD_LAMBDA {
    unsigned some;
    if constexpr (count == 1) {
      unsigned char byte;
      __asm__("vcmppd {$1, %2, %1, %0|%0, %1, %2, 1}" : "=Yk"(byte) : "v"(a.v[i]), "v"(b.v[i]));
      some = byte;
    } else {
      const auto less = a.v[i] < b.v[i];
      __asm__("%vmovmskpd {%1, %0|%0, %1}" : "=r"(some) : "x"(less));
    }
    all |= some << i * each_has;
  });
  return all;
#elif defined(__clang__) && !defined(__CUDACC__)
  typedef std::int8_t bytes __attribute__((vector_size(each_has)));
  std::uint64_t all = 0;
  detail::each<count>([&](int i) PREFER_HD_LAMBDA {
    const bytes some = __builtin_convertvector(a.v[i] < b.v[i], bytes);
    std::uint64_t word = 0;
    __builtin_memcpy(&word, &some, sizeof some);
    all |= word << i * each_has * 8;
  });
  return static_cast<unsigned>((all & 0x0101010101010101) * 0x0102040810204080 >> 56);
#else
  double x[8], y[8];
  a.store(x), b.store(y);
  unsigned all = 0;
  for (int i = 0; i < 8; ++i) all |= bits_less(x[i], y[i]) << i;
  return all;
#endif
}

PREFER_HD int lowest_bit(std::uint64_t x) {
#if defined(__CUDA_ARCH__)
  return __ffsll(static_cast<long long>(x)) - 1;
#else
  return __builtin_ctzll(x);
#endif
}

PREFER_HD double load_lane(const double* p, double) { return *p; }
template <class Level>
PREFER_HD lane<double, Level> load_lane(const double* p, const lane<double, Level>&) {
  return lane<double, Level>::load(p);
}
PREFER_HD constexpr std::int64_t padded(std::int64_t n) { return (n + 7) / 8 * 8; }

// Points in columns, padded to whole lanes with what reaches nowhere.
struct point_columns {
  double* data;         // [objectives, stride]
  std::int64_t stride;  // a multiple of 8
  std::int64_t count;

  PREFER_HD double* column(int k) const { return data + k * stride; }
};

// Points in rows, in descending order of the last objective.
struct point_rows {
  double* data;         // [count, objectives]
  std::int32_t* place;  // [count]: where they came from
  std::int64_t count;

  PREFER_HD double* row(std::int64_t i, int objectives) const { return data + i * objectives; }
};

// The staircase of two objectives: x descending and y ascending, none of its points dominated.
struct staircase {
  double* x;  // [room]
  double* y;  // [room]
  std::int64_t count = 0;

  // Adds a point and returns the area that it alone covers above (low_x, low_y); 0 for one that is covered already.
  PREFER_HD double add(double px, double py, double low_x, double low_y) {
    std::int64_t first = 0;  // that does not reach as far as px
    while (first < count && x[first] >= px) ++first;
    double under = first > 0 ? y[first - 1] : low_y, right = px, area = 0;
    if (under >= py) return 0;
    std::int64_t end = first;
    for (; end < count && y[end] <= py; ++end) {
      area += (right - x[end]) * (py - under);
      right = x[end], under = y[end];
    }
    area += (right - (end < count ? x[end] : low_x)) * (py - under);
    replace(first > 0 && x[first - 1] == px ? first - 1 : first, end, px, py);
    return area;
  }

 private:
  PREFER_HD void replace(std::int64_t first, std::int64_t end, double px, double py) {
    const std::int64_t shift = first + 1 - end;
    if (shift > 0)
      for (std::int64_t i = count; i > end; --i) x[i] = x[i - 1], y[i] = y[i - 1];
    else if (shift < 0)
      for (std::int64_t i = end; i < count; ++i) x[i + shift] = x[i], y[i + shift] = y[i];
    count += shift;
    x[first] = px, y[first] = py;
  }
};

// A set whose volume is being computed, one point after the other.
struct volume_frame {
  point_rows set;         // in descending order of the last objective
  point_columns front;    // of the projections of those taken so far
  const double* low;      // [objectives]: the reference
  double* raised;         // [objectives - 1]: the reference of the point at hand
  std::int64_t next;      // in the set
  double volume;
  double box, height, gain;  // of the point at hand

  PREFER_HD void add(double area) {
    gain = area;
    volume += area * height;
  }
  PREFER_HD void begin(const double* reference, int objectives) {
    low = reference;
    front.count = 0;
    for (int k = 0; k + 1 < objectives; ++k)
      for (int i = 0; i < 8; ++i) front.column(k)[i] = -math::detail::format<double>::infinity;
    next = 0;
    volume = 0;
  }
};

// The elements of one lane's worth of points that reach beyond `low` in every objective, one bit each.
template <class V, int Objectives>
PREFER_HD unsigned reaching(const double* at, std::int64_t stride, int objectives, const double* low) {
  unsigned reach = bits_less(V(low[0]), load_lane(at, V()));
  const auto along = [&](int k) PREFER_HD_LAMBDA { reach &= bits_less(V(low[k]), load_lane(at + k * stride, V())); };
  if constexpr (Objectives > 0)
    each<Objectives - 1>([&](int k) PREFER_HD_LAMBDA { along(k + 1); });
  else
    for (int k = 1; k < objectives; ++k) along(k);
  return reach;
}

// Infinity where a reaches as far as b, else -infinity: a mask that takes minima. g++ must not see that it is one, or
// it takes what becomes of it apart into elements (as in core/lane.hpp).
PREFER_HD double infinite_if_reaching(double a, double b) {
  constexpr double infinite = math::detail::format<double>::infinity;
  return a >= b ? infinite : -infinite;
}
template <class Level>
PREFER_HD lane<double, Level> infinite_if_reaching(const lane<double, Level>& a, const lane<double, Level>& b) {
  using V = lane<double, Level>;
  constexpr double infinite = math::detail::format<double>::infinity;
  V r = select(a >= b, V(infinite), V(-infinite));
  each<V::count>([&](int i) PREFER_HD_LAMBDA { settle(r.v[i]); });
  return r;
}

PREFER_HD double largest_of(double x) { return x; }
template <class Level>
PREFER_HD double largest_of(const lane<double, Level>& x) {
  double e[8];
  x.store(e);
  const auto of_two = [&](int i) PREFER_HD_LAMBDA { return larger_of(e[i], e[i + 1]); };
  return larger_of(larger_of(of_two(0), of_two(2)), larger_of(of_two(4), of_two(6)));
}

// Raises `raised` (which holds the reference) to where p's own box begins: a point that reaches at least as far as p in
// all objectives but one covers everything below it in that one. False if a point covers all of the box. The front is
// in descending order of its last objective: one that does not reach in there covers nothing, and nobody behind it. How
// many of such points there are is as good as random: this asks for none of them.
template <class V, int Objectives>
PREFER_HD bool raise_to_box(const point_columns& front, const double* p, double* raised) {
  constexpr int step = width_of<V>, chunk = 8 * step;
  constexpr double infinite = math::detail::format<double>::infinity;
  const std::int64_t stride = front.stride;
  const double* const last = front.column(Objectives - 1);
  V point[Objectives];
  each<Objectives>([&](int k) PREFER_HD_LAMBDA { point[k] = V(p[k]); });
  for (std::int64_t first = 0; first < front.count && last[first] > raised[Objectives - 1]; first += chunk) {
    V most[Objectives];
    each<Objectives>([&](int k) PREFER_HD_LAMBDA { most[k] = V(-infinite); });
    for (std::int64_t j = first; j < front.count && j < first + chunk; j += step) {
      V z[Objectives], reaches[Objectives], before[Objectives], least(infinite);
      each<Objectives>([&](int k) PREFER_HD_LAMBDA {
        z[k] = load_lane(front.data + j + k * stride, V());
        reaches[k] = infinite_if_reaching(z[k], point[k]);
        before[k] = least;  // of reaches[0] to reaches[k - 1]
        least = math::min(least, reaches[k]);
      });
      least = V(infinite);  // of those behind k
      each<Objectives>([&](int i) PREFER_HD_LAMBDA {
        const int k = Objectives - 1 - i;
        most[k] = math::max(most[k], math::min(z[k], math::min(before[k], least)));
        least = math::min(least, reaches[k]);
      });
    }
    bool covers = false;
    each<Objectives>([&](int k) PREFER_HD_LAMBDA {
      const double top = largest_of(most[k]);
      covers = covers | (top >= p[k]);
      raised[k] = larger_of(raised[k], top);
    });
    if (covers) return false;
  }
  return true;
}
// The same for any number of objectives.
template <class V>
PREFER_HD bool raise_to_box(const point_columns& front, int objectives, const double* p, double* raised) {
  const std::int64_t stride = front.stride;
  constexpr int step = width_of<V>;
  const double* const last = front.column(objectives - 1);
  for (std::int64_t j = 0; j < front.count && last[j] > raised[objectives - 1]; j += step) {
    const double* const at = front.data + j;
    unsigned exceeded = 0, twice = 0;
    for (int k = 0; k < objectives; ++k) {
      const unsigned here = bits_less(load_lane(at + k * stride, V()), V(p[k]));
      twice |= exceeded & here;
      exceeded |= here;
    }
    if (exceeded != (1u << step) - 1) return false;
    unsigned once = exceeded & ~twice;
    if (once != 0) once &= reaching<V, 0>(at, stride, objectives, raised);
    for (; once != 0; once &= once - 1) {
      const double* const z = at + lowest_bit(once);
      int k = 0;
      while (z[k * stride] >= p[k]) ++k;
      raised[k] = larger_of(raised[k], z[k * stride]);
    }
  }
  return true;
}

// Raises `raised`, and copies to `limited` the points that reach into p's box, cut to it, with their places in the
// front. False if one point covers all of the box. Objectives of 0: any number of them.
template <class V, int Objectives>
PREFER_HD bool limit_to(const point_columns& front, int any, const double* p, double* raised, point_rows& limited) {
  const int objectives = Objectives > 0 ? Objectives : any;
  const std::int64_t stride = front.stride;
  constexpr int step = width_of<V>;
  const double* const last = front.column(objectives - 1);
  if constexpr (Objectives > 0) {
    if (!raise_to_box<V, Objectives>(front, p, raised)) return false;
  } else {
    if (!raise_to_box<V>(front, objectives, p, raised)) return false;
  }
  std::int64_t found = 0;
  double* row = limited.data;
  for (std::int64_t first = 0; first < front.count && last[first] > raised[objectives - 1]; first += 64) {
    std::uint64_t reach = 0;
    for (int at = 0; at < 64 && first + at < front.count; at += step)
      reach |= std::uint64_t{reaching<V, Objectives>(front.data + first + at, stride, objectives, raised)} << at;
    for (; reach != 0; reach &= reach - 1, row += objectives) {
      const double* const z = front.data + first + lowest_bit(reach);
      for (int k = 0; k < objectives; ++k) row[k] = smaller_of(z[k * stride], p[k]);
      limited.place[found++] = static_cast<std::int32_t>(z - front.data);
    }
  }
  limited.count = found;
  return true;
}

template <class V>
PREFER_HD bool limit_front(const point_columns& front, int objectives, const double* p, double* raised,
                           point_rows& limited) {
  return objectives == 3   ? limit_to<V, 3>(front, 3, p, raised, limited)
         : objectives == 4 ? limit_to<V, 4>(front, 4, p, raised, limited)
                           : limit_to<V, 0>(front, objectives, p, raised, limited);
}

PREFER_HD void move_numbers(double* to, const double* from, std::int64_t count) {
#if defined(__CUDA_ARCH__)
  if (to < from)
    for (std::int64_t i = 0; i < count; ++i) to[i] = from[i];
  else
    for (std::int64_t i = count; i-- > 0;) to[i] = from[i];
#else
  __builtin_memmove(to, from, static_cast<std::size_t>(count) * sizeof(double));
#endif
}

// Puts p in its place on the front and takes those out that it dominates, which are among `limited`. The front stays in
// descending order of its last objective and keeps its padding.
PREFER_HD void put_on_front(point_columns& front, int objectives, const double* p, const point_rows& limited) {
  const double nowhere = -math::detail::format<double>::infinity;
  const double* const last = front.column(objectives - 1);
  std::int64_t at = 0;  // before those that are equal, so that what p dominates lies behind
  for (std::int64_t left = front.count, half; left > 0; left -= half) {
    half = (left + 1) / 2;
    at += last[at + half - 1] > p[objectives - 1] ? half : 0;
  }
  std::int64_t removed = 0, segment = at;
  for (std::int64_t i = 0; i < limited.count; ++i) {
    const std::int64_t place = limited.place[i];
    bool dominated = place >= at;
    for (int k = 0; k < objectives && dominated; ++k) dominated = front.column(k)[place] <= p[k];
    if (!dominated) continue;
    if (removed != 1)
      for (int k = 0; k < objectives; ++k)
        move_numbers(front.column(k) + segment + 1 - removed, front.column(k) + segment, place - segment);
    ++removed;
    segment = place + 1;
  }
  if (removed == 0 && front.count % 8 == 7)
    for (int k = 0; k < objectives; ++k)
      for (int i = 1; i < 9; ++i) front.column(k)[front.count + i] = nowhere;
  for (int k = 0; k < objectives; ++k) {
    double* const c = front.column(k);
    if (removed != 1) move_numbers(c + segment + 1 - removed, c + segment, front.count - segment);
    for (std::int64_t i = 1; i < removed; ++i) c[front.count - i] = nowhere;
    c[at] = p[k];
  }
  front.count += 1 - removed;
}

PREFER_HD double box_between(const double* low, const double* high, int objectives) {
  double v = 1;
  for (int k = 0; k < objectives; ++k) v *= high[k] - low[k];
  return v;
}

// The volume of two boxes.
PREFER_HD double volume_of_two(const double* a, const double* b, const double* low, int objectives) {
  double first = 1, second = 1, both = 1;
  for (int k = 0; k < objectives; ++k) {
    const double x = a[k] - low[k], y = b[k] - low[k];
    first *= x, second *= y, both *= smaller_of(x, y);
  }
  return first + (second - both);
}

// The volume of three objectives by one sweep; `stairs` has room for the set.
PREFER_HD double volume_by_sweep(const point_rows& s, const double* low, staircase& stairs) {
  stairs.count = 0;
  double volume = 0;
  for (std::int64_t i = 0; i < s.count; ++i) {
    const double* const p = s.row(i, 3);
    volume += stairs.add(p[0], p[1], low[0], low[1]) * (p[2] - low[2]);
  }
  return volume;
}
PREFER_HD double area_by_sweep(const point_rows& s, const double* low, staircase& stairs) {
  stairs.count = 0;
  double area = 0;
  for (std::int64_t i = 0; i < s.count; ++i) area += stairs.add(s.row(i, 2)[0], s.row(i, 2)[1], low[0], low[1]);
  return area;
}

// The volume of a set where it is known without recursion.
PREFER_HD bool known_volume(const point_rows& s, const double* low, int objectives, staircase& stairs, double& volume) {
  if (s.count == 0)
    volume = 0;
  else if (s.count == 1)
    volume = box_between(low, s.data, objectives);
  else if (s.count == 2)
    volume = volume_of_two(s.data, s.data + objectives, low, objectives);
  else if (objectives == 3)
    volume = volume_by_sweep(s, low, stairs);
  else if (objectives == 2)
    volume = area_by_sweep(s, low, stairs);
  else
    return false;
  return true;
}

// Frames of sets of M, M - 1, ... objectives, of which the last, of three, only holds rows.
struct volume_stack {
  volume_frame* frame;  // [M - 2], at least 2
  staircase stairs;
};

// What there is of an exclusive volume before recursion: all of it, or the set in `inner` that covers part of a box.
struct exclusive_start {
  bool known = true;
  double volume = 0;  // if known, else that of the box
};

// Point p of the front, or before it is put there; `raised` holds the reference. V and Objectives as in limit_to.
template <class V>
PREFER_HD exclusive_start start_exclusive(const point_columns& front, int objectives, const double* p, double* raised,
                                          volume_frame& inner, staircase& stairs) {
  if (!limit_front<V>(front, objectives, p, raised, inner.set)) {
    inner.set.count = -1;
    return {};
  }
  const double box = box_between(raised, p, objectives);
  if (!math::is_finite(box)) return {true, box};
  double covered;
  if (known_volume(inner.set, raised, objectives, stairs, covered)) return {true, larger_of(box - covered, 0)};
  inner.begin(raised, objectives);
  return {false, box};
}

// The sum over the points up to `last` of the set in the first frame, which has begun and perhaps gone some way, of
// what they add to its volume. With `gain`, what each of them adds to the projected volume, which is the derivative of
// the volume by its last objective.
template <class V>
PREFER_HD double volume_of_frames(volume_stack& stack, int objectives, std::int64_t last, double* gain) {
  int depth = 0;
  for (;;) {
    volume_frame& f = stack.frame[depth];
    const int m = objectives - depth, below = m - 1;
    if (f.next == (depth == 0 ? last : f.set.count)) {
      if (depth == 0) return f.volume;
      volume_frame& outer = stack.frame[--depth];
      outer.add(larger_of(outer.box - f.volume, 0));
      if (depth == 0 && gain != nullptr) gain[outer.next - 1] = outer.gain;
      continue;
    }
    const std::int64_t item = f.next++;
    const double* const p = f.set.row(item, m);
    for (int k = 0; k < below; ++k) f.raised[k] = f.low[k];
    volume_frame& inner = stack.frame[depth + 1];
    exclusive_start start = start_exclusive<V>(f.front, below, p, f.raised, inner, stack.stairs);
    if (inner.set.count >= 0) put_on_front(f.front, below, p, inner.set);
    f.height = p[below] - f.low[below];
    f.box = start.volume;
    if (!start.known) {
      ++depth;
      continue;
    }
    f.add(start.volume);
    if (depth == 0 && gain != nullptr) gain[item] = f.gain;
  }
}

// The exclusive volume of p among the points of `front`, p itself not being one of them.
template <class V>
PREFER_HD double exclusive_volume(volume_stack& stack, const point_columns& front, int objectives, const double* p,
                                  double* raised) {
  volume_frame& f = stack.frame[0];
  const exclusive_start start = start_exclusive<V>(front, objectives, p, raised, f, stack.stairs);
  if (start.known) return start.volume;
  return larger_of(start.volume - volume_of_frames<V>(stack, objectives, f.set.count, nullptr), 0);
}

// Takes the arrays of a stack for sets of up to n points, but for the rows of the first frame if they lie elsewhere.
PREFER_HD volume_stack take_stack(arena& memory, std::int64_t n, int objectives, bool own_rows) {
  volume_stack s;
  const std::int64_t stride = padded(n) + 8;
  const int frames = objectives > 3 ? objectives - 1 : 2;
  s.frame = memory.take<volume_frame>(frames);
  s.stairs.x = memory.take<double>(n), s.stairs.y = memory.take<double>(n);
  for (int d = 0; d < frames; ++d) {
    const int m = objectives - d;
    double* const rows = memory.take<double>(d > 0 || own_rows ? n * m : 0);
    auto* const place = memory.take<std::int32_t>(d > 0 || own_rows ? n : 0);
    double* const columns = memory.take<double>(stride * (m - 1));
    double* const raised = memory.take<double>(m);
    if (s.frame == nullptr) continue;
    s.frame[d].set = {rows, place, 0};
    s.frame[d].front = {columns, stride, 0};
    s.frame[d].raised = raised;
  }
  return s;
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
