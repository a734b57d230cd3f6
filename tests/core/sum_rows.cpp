// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/sum_rows.hpp>
#include <prefer/core/thread_pool.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>
#include <support/row_call.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::covers;
using prefer_test::matrix;
using prefer_test::storage;

namespace {

// Numbers of few bits, so that sums are exact in any order.
template <class S>
void check_sums() {
  for (std::int64_t n : {0, 1, 3, 40})
    for (std::int64_t d : {0, 1, 17, 513, 1100}) {
      matrix<S> m(n, d, 2);
      buffer<S> sum(d, 3, 1);
      std::vector<double> expected(static_cast<std::size_t>(d));
      for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t k = 0; k < d; ++k) {
          m.set(i, k, static_cast<double>((i * 7 + k) % 5 - 2) / 4);
          expected[static_cast<std::size_t>(k)] += m.get(i, k);
        }
      check(sum_rows(cpu{}, m.read(), sum.view()));
      CHECK(sum.values() == expected);
      check(sum_rows(cpu{}, m.read(), sum.view(), true));
      for (double& x : expected) x *= 2;
      CHECK(sum.values() == expected);
      CHECK(sum.intact());
    }
  covers<S>("sum_rows", "sizes");
}

}  // namespace

TEST_CASE("sums of rows, overwritten and added to, of every size, layout and storage type") {
  SUBCASE("float") { check_sums<float>(); }
  SUBCASE("double") { check_sums<double>(); }
  SUBCASE("half") { check_sums<half>(); }
  SUBCASE("bfloat16") { check_sums<bfloat16>(); }
  // A transposed matrix: sums over what lies together.
  const double x[] = {1, 2, 3, 10, 20, 30};
  double sum[2];
  check(sum_rows(cpu{}, {x, 3, 2, 1, 3}, {sum, 2}));
  CHECK((sum[0] == 6 && sum[1] == 60));
  covers("sum_rows", "identity");
}

TEST_CASE("sum_rows: the same bits for any threads, nothing allocated, and what is wrong is named") {
  matrix<float> m(30, 5000, 0);
  prefer_test::noise random(9);
  m.fill(random, -1, 1);
  buffer<double> sum(5000);
  check(sum_rows(cpu{}, m.read(), sum.view()));
  const auto expected = sum.values();
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    check(sum_rows(cpu{.pool = pool}, m.read(), sum.view()));
    CHECK(sum.values() == expected);
  }
  const auto in = m.read();
  const auto out = sum.view();
  const long before = prefer_test::allocation_count();
  const status s = sum_rows(cpu{}, in, out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK(s.ok());
  const auto refused = [](errc code, const char* argument, const input_view<2, space::host>& x,
                          const output_view<1, space::host>& y) {
    const status st = sum_rows(cpu{}, x, y);
    CHECK(st.code == code);
    CHECK(std::string(st.argument) == argument);
  };
  const float a[6] = {};
  float b[6] = {};
  refused(errc::missing_input, "matrix", {}, {b, 3});
  refused(errc::missing_output, "sum", {a, 2, 3}, {});
  refused(errc::bad_extent, "sum", {a, 2, 3}, {b, 2});
  refused(errc::bad_extent, "matrix", {a, -1, 3}, {b, 3});
  refused(errc::bad_stride, "matrix", {a, 2, 3, 3, -1}, {b, 3});
  refused(errc::null_data, "matrix", {static_cast<const float*>(nullptr), 2, 3}, {b, 3});
  refused(errc::overlap, "sum", {static_cast<const float*>(b), 2, 3}, {b + 3, 3});
  for (const char* tag : {"threads", "allocation", "bad-argument"}) covers("sum_rows", tag);
}
