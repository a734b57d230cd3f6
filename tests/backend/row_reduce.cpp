// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/backend/cpu/row_reduce.hpp>
#include <prefer/core/thread_pool.hpp>
#include <support/numbers.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace prefer;

namespace {

// A body other than a softmax: the sum of squared distances from the largest value, and back that distance times 2.
template <class T>
struct spread_body {
  static constexpr int sums = 3;  // of d^2, d, 1
  struct coefficients {
    T shift, apart;
  };
  sink max, square, count, first;

  spread_body ready() const { return *this; }
  bool reduces() const { return true; }
  row_plan begin(std::int64_t item) const {
    row_plan p;
    if (item % 3 == 1) p.left_out = 2;
    if (item % 3 == 2) p.reduces = p.slopes = false, p.fill = 0.5f;
    return p;
  }
  template <class V>
  PREFER_HD V value(const V& x) const {
    return x + x;
  }
  double unit() const { return 1; }
  template <class V>
  PREFER_HD void terms(const V& d, V (&term)[sums]) const {
    const auto present = d > -math::detail::infinity<V>();
    term[0] = math::select(present, d * d, V(0));
    term[1] = math::select(present, d, V(0));
    term[2] = math::select(present, V(1), V(0));
  }
  template <class V>
  PREFER_HD void rebase(V (&sum)[sums], const V& by) const {
    sum[0] += by * (V(2) * sum[1] + by * sum[2]);
    sum[1] += by * sum[2];
  }
  coefficients finish(std::int64_t item, const row_plan&, const row_state<sums>& s, double left_out) const {
    detail::write_item(max, item, true, s.max, false);
    detail::write_item(square, item, true, s.sum[0], false);
    detail::write_item(count, item, true, s.sum[2], false);
    detail::write_item(first, item, true, static_cast<double>(s.arg), false);
    return {static_cast<T>(s.max), static_cast<T>(left_out)};
  }
  template <class V>
  PREFER_HD V slope(const V&, const V& d, const coefficients&) const {
    return V(2) * d;
  }
  T slope_left_out(T, const coefficients& c) const { return c.apart; }
};

sink to(std::vector<double>& x) {
  return {x.data(), 1, element::f64};
}

template <class T>
void check_rows(std::int64_t m, std::int64_t v, const cpu& exec) {
  std::vector<T> x(static_cast<std::size_t>(m * v)), gradient(x.size());
  prefer_test::noise random(static_cast<std::uint64_t>(v));
  for (T& e : x) e = static_cast<T>(static_cast<int>(random.uniform(-64, 64)));  // sums of integers are exact
  const auto rows = static_cast<std::size_t>(m);
  std::vector<double> max(rows), square(rows), count(rows), first(rows);
  const spread_body<T> body{to(max), to(square), to(count), to(first)};
  row_reduce_arguments a;
  a.items = a.rows = m, a.columns = v, a.arg = true;
  a.x = {x.data(), v, 1, element_of<T>()};
  a.gradient = {gradient.data(), v, 1, element_of<T>()};
  REQUIRE(row_reduce<T>(exec, body, a).ok());
  for (std::size_t i = 0; i < rows; ++i) {
    const T* row = x.data() + static_cast<std::int64_t>(i) * v;
    const T* g = gradient.data() + static_cast<std::int64_t>(i) * v;
    INFO("row " << i << " of " << v);
    if (i % 3 == 2) {
      CHECK((count[i] == 0 && first[i] == -1 && max[i] == -HUGE_VAL));
      for (std::int64_t e = 0; e < v; ++e) CHECK(g[e] == T(0.5));
      continue;
    }
    const std::int64_t apart = i % 3 == 1 ? 2 : -1;
    double top = -HUGE_VAL, sum = 0;
    std::int64_t where = -1;
    for (std::int64_t e = 0; e < v; ++e)
      if (e != apart && 2 * row[e] > top) top = static_cast<double>(2 * row[e]), where = e;
    for (std::int64_t e = 0; e < v; ++e)
      if (e != apart) sum += (2.0 * row[e] - top) * (2.0 * row[e] - top);
    CHECK((max[i] == top && first[i] == static_cast<double>(where)));
    CHECK(count[i] == static_cast<double>(apart < 0 ? v : v - 1));
    CHECK(square[i] == doctest::Approx(sum).epsilon(1e-6));
    for (std::int64_t e = 0; e < v; ++e)
      CHECK(g[e] == (e == apart ? 2 * row[e] : 2 * (2 * row[e] - static_cast<T>(top))));
  }
}

}  // namespace

TEST_CASE("row_reduce: any body of a maximum and sums relative to it, columns left out, rows not read") {
  thread_pool pool(3);
  for (isa level : prefer_test::levels())
    for (std::int64_t v : {3, 40, 2049, 40000}) {
      check_rows<float>(4, v, cpu{.isa = level});
      check_rows<double>(3, v, cpu{.pool = pool, .isa = level});
    }
  check_rows<float>(70, 5000, cpu{.pool = pool});
}

TEST_CASE("row_reduce: a row is cut by its length alone, at most 64 chunks, all columns once") {
  constexpr std::int64_t one = 1, million = one << 20;
  for (std::int64_t v : {std::int64_t{0}, one, 16384 * one, 16385 * one, million, million + 1, one << 33}) {
    const detail::row_chunks cut(v);
    CHECK((cut.count >= 1 && cut.count <= 64 && cut.begin(0) == 0 && cut.end(cut.count - 1) == v));
    for (std::int64_t c = 1; c < cut.count; ++c) CHECK((cut.begin(c) == cut.end(c - 1) && cut.begin(c) < cut.end(c)));
  }
}

TEST_CASE("row_reduce: states without a number merge into nothing, NaN and infinity stay") {
  using body = spread_body<double>;
  row_state<3> nothing, some, merged;
  some.max = 3, some.arg = 7, some.sum[2] = 2, some.sum[1] = -1, some.sum[0] = 1;
  detail::append(body{}, merged, nothing);
  CHECK((merged.max == -HUGE_VAL && merged.arg == -1 && merged.sum[2] == 0));
  detail::append(body{}, merged, some);
  detail::append(body{}, merged, nothing);
  CHECK((merged.max == 3 && merged.arg == 7 && merged.sum[0] == 1 && merged.sum[1] == -1 && merged.sum[2] == 2));
  row_state<3> larger = some;
  larger.max = 5, larger.arg = 9;
  detail::append(body{}, merged, larger);
  CHECK((merged.max == 5 && merged.arg == 9 && merged.sum[2] == 4));
  CHECK(merged.sum[0] == 1 + (4 + 9));  // distances 0 and -1 became -2 and -3
}
