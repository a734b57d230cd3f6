// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/rank/comparisons.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>

using namespace prefer;

namespace {

using data = comparisons<space::host>;

const std::int32_t first[] = {0, 1, 2}, second[] = {1, 2, 0}, columns[] = {1, 2, 0};
const std::int64_t offsets[] = {0, 1, 2, 3};
const double wins[9] = {}, counts[3] = {1, 2, 3};

comparison_shape shape_of(const data& c) {
  comparison_shape shape;
  const status s = require::comparison_views(c, shape);
  INFO(message(s).c_str());
  CHECK(s.ok());
  return shape;
}

void refused(const data& c, errc code, const char* argument) {
  comparison_shape shape;
  const status s = require::comparison_views(c, shape);
  INFO(message(s).c_str());
  CHECK(s.code == code);
  CHECK(std::string(s.argument) == argument);
}

}  // namespace

TEST_CASE("each of the three forms is recognised by its fields, and the extents say how many items there are") {
  const comparison_shape pairs = shape_of({.items = 3, .first = {first, 3}, .second = {second, 3}});
  CHECK((pairs.form == comparison_form::pairs && pairs.items == 3 && pairs.rows == 3 && !pairs.ties));
  const comparison_shape tied = shape_of(
      {.items = 3, .first = {first, 3}, .second = {second, 3}, .first_wins = {counts, 3}, .ties = {counts, 3}});
  CHECK(tied.ties);
  const comparison_shape matrix = shape_of({.win_matrix = {wins, 3, 3}});
  CHECK((matrix.form == comparison_form::matrix && matrix.items == 3 && matrix.rows == 9));
  const comparison_shape sparse =
      shape_of({.row_offsets = {offsets, 4}, .columns = {columns, 3}, .row_wins = {counts, 3}});
  CHECK((sparse.form == comparison_form::sparse && sparse.items == 3 && sparse.rows == 3));
}

TEST_CASE("two forms at once, a missing column and shapes that do not fit are named") {
  refused({.items = 3, .first = {first, 3}, .win_matrix = {wins, 3, 3}}, errc::unused_input, "first");
  refused({.win_matrix = {wins, 3, 3}, .columns = {columns, 3}}, errc::unused_input, "columns");
  refused({.items = 3, .first = {first, 3}}, errc::missing_input, "second");
  refused({.items = 3, .first = {first, 3}, .second = {second, 3}, .ties = {counts, 3}}, errc::missing_input,
          "first_wins");
  refused({.items = 3, .first = {first, 3}, .second = {second, 2}}, errc::bad_extent, "second");
  refused({.items = 3, .first = {counts, 3}, .second = {second, 3}}, errc::bad_element, "first");
  refused({.win_matrix = {wins, 3, 2}}, errc::bad_extent, "win_matrix");
  refused({.tie_matrix = {wins, 3, 3}}, errc::missing_input, "win_matrix");
  refused({.items = 4, .win_matrix = {wins, 3, 3}}, errc::bad_extent, "win_matrix");
  refused({.items = 3, .row_offsets = {offsets, 3}, .columns = {columns, 3}, .row_wins = {counts, 3}}, errc::bad_extent,
          "row_offsets");
  refused({.row_offsets = {offsets, 4}, .columns = {columns, 3}}, errc::missing_input, "row_wins");
  refused({.items = -1}, errc::bad_parameter, "items");
  refused({.items = 0, .first = {first, 0}, .second = {second, 0}}, errc::bad_parameter, "items");
  refused({.win_matrix = {wins, std::int64_t{1} << 32, std::int64_t{1} << 32}}, errc::bad_parameter, "items");
}

TEST_CASE("columns of one matrix do not overlap, matrices do by their first and last byte") {
  double m[8] = {};
  const auto status_of = [](auto... write) {
    require::address_ranges all;
    (all.write("output", write), ...);
    return all.check().code;
  };
  using column = output_view<1, space::host>;
  using matrix = output_view<2, space::host>;
  CHECK(status_of(column{m, 4, 2}, column{m + 1, 4, 2}) == errc::ok);
  CHECK(status_of(column{m, 4, 2}, column{m + 2, 3, 2}) == errc::overlap);
  CHECK(status_of(column{m, 4, 2}, column{m + 1, 3, 1}) == errc::overlap);
  CHECK(status_of(matrix{m, 2, 2}, column{m + 4, 4}) == errc::ok);
  CHECK(status_of(matrix{m, 2, 2, 3, 1}, column{m + 4, 4}) == errc::overlap);
}
