// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/checks.hpp>
#include <prefer/core/execution.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/core/status.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <type_traits>

TEST_CASE("a status is a plain value and says what was wrong") {
  static_assert(std::is_trivially_copyable_v<prefer::status>);
  static_assert(std::is_trivially_copyable_v<prefer::view<float, 3>> &&
                std::is_standard_layout_v<prefer::view<float, 3>>);
  CHECK(prefer::status{}.ok());
  const prefer::status s = prefer::require::positive(-1.0, "beta");
  CHECK(!s);
  CHECK(s.code == prefer::errc::bad_parameter);
  CHECK(std::string(prefer::message(s).c_str()) ==
        "prefer: bad parameter: beta is -1, expected a finite number above 0");
  CHECK_THROWS_AS(prefer::check(s), prefer::error);
  CHECK_NOTHROW(prefer::check(prefer::status{}));
}

TEST_CASE("parameters: finite, positive, below; pointers are left to execution") {
  const double x = -5;
  CHECK(prefer::require::positive(&x, "beta").ok());
  for (double bad : {0.0, -1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
    CHECK(!prefer::require::positive(bad, "beta").ok());
  CHECK(prefer::require::below(0.0, 0.5, "e", "").ok());
  CHECK(!prefer::require::below(0.5, 0.5, "e", "").ok());
}

TEST_CASE("views: contiguous and strided extents, ranks 1 to 3") {
  float x[24] = {};
  const prefer::view<float, 3> v(x, 2, 3, 4);
  CHECK(v.stride[0] == 12);
  CHECK(v.stride[1] == 4);
  CHECK(v.stride[2] == 1);
  const prefer::view<float, 2> t(x, 3, 2, 1, 3);
  CHECK(t.stride[0] == 1);
  CHECK(t.stride[1] == 3);
  const prefer::input_view<1, prefer::space::host> none;
  CHECK(!none.given());
  const prefer::input_view<1, prefer::space::host> some(x, 24u);
  CHECK(some.type == prefer::element::f32);
  CHECK(some.extent[0] == 24);
}

TEST_CASE("overlap is exact for columns of one matrix and by address otherwise") {
  float x[20] = {};
  const auto column = [&](int c) {
    return prefer::require::footprint_of("x", prefer::output_view<1, prefer::space::host>(x + c, 10, 2));
  };
  CHECK(!prefer::require::overlap(column(0), column(1)));
  CHECK(prefer::require::overlap(column(0), column(0)));
  const auto row = prefer::require::footprint_of("x", prefer::output_view<1, prefer::space::host>(x, 4));
  CHECK(prefer::require::overlap(row, column(1)));
  const auto behind = prefer::require::footprint_of("x", prefer::output_view<1, prefer::space::host>(x + 4, 4));
  CHECK(!prefer::require::overlap(row, behind));
}

TEST_CASE("a content report remembers the code and the first item") {
  prefer::content_report r;
  CHECK(r.code() == prefer::errc::ok);
  CHECK(r.index() == -1);
  r.word = (7ull << 8) | static_cast<unsigned long long>(prefer::errc::bad_label);
  CHECK(r.code() == prefer::errc::bad_label);
  CHECK(r.index() == 7);
}
