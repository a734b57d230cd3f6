// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/rank/comparisons.hpp>

#include <libfccp/csv.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// Comparisons from a CSV file with the columns left, right, winner (left, right or tie) and, if there is one, count.
struct comparison_data {
  std::vector<std::string> names;           // of the items, in order of appearance
  std::vector<std::int32_t> first, second;  // one row per pair of items that met
  std::vector<double> first_wins, second_wins, ties;

  std::int64_t items() const { return static_cast<std::int64_t>(names.size()); }
  std::int64_t rows() const { return static_cast<std::int64_t>(first.size()); }
  bool has_ties() const {
    return std::any_of(ties.begin(), ties.end(), [](double t) { return t > 0; });
  }
  prefer::comparisons<prefer::space::host> view() const {
    return {.items = items(),
            .first = {first.data(), rows()},
            .second = {second.data(), rows()},
            .first_wins = {first_wins.data(), rows()},
            .second_wins = {second_wins.data(), rows()},
            .ties = {ties.data(), rows()}};
  }
};

namespace detail {

using csv_reader = io::CSVReader<4, io::trim_chars<' ', '\t'>, io::double_quote_escape<',', '"'>>;

// What the parser cannot know is wrong, in its own form: which line of which file.
[[noreturn]] inline void refuse(const csv_reader& file, const std::string& what) {
  throw std::runtime_error(std::string(file.get_truncated_file_name()) + ", line " +
                           std::to_string(file.get_file_line()) + ": " + what);
}

inline double count_from(const csv_reader& file, const std::string& text) {
  std::size_t used = 0;
  double count = -1;
  try {
    count = std::stod(text, &used);
  } catch (const std::logic_error&) {
  }
  if (used != text.size() || !(count >= 0 && count < 1e15))
    refuse(file, "count is \"" + text + "\", expected a number, 0 or above");
  return count;
}

}  // namespace detail

// Throws an exception whose text names the file, the line, and what was expected.
inline comparison_data read_comparisons(const std::string& path) {
  detail::csv_reader file(path);
  file.read_header(io::ignore_missing_column, "left", "right", "winner", "count");
  for (const char* column : {"left", "right", "winner"})
    if (!file.has_column(column)) throw std::runtime_error(path + ", line 1: no column \"" + column + "\"");

  comparison_data data;
  std::map<std::string, std::int32_t> index;
  const auto item = [&](const std::string& name) {
    if (name.empty()) detail::refuse(file, "an item without a name");
    const auto [at, added] = index.try_emplace(name, static_cast<std::int32_t>(data.names.size()));
    if (added) data.names.push_back(name);
    return at->second;
  };
  std::map<std::pair<std::int32_t, std::int32_t>, std::size_t> row_of;
  std::string left, right, winner, count = "1";
  while (file.read_row(left, right, winner, count)) {
    if (winner != "left" && winner != "right" && winner != "tie")
      detail::refuse(file, "winner is \"" + winner + "\", expected left, right or tie");
    if (left == right) detail::refuse(file, "\"" + left + "\" is compared with itself");
    const double games = detail::count_from(file, count);
    std::int32_t a = item(left), b = item(right);
    if (a > b) {
      std::swap(a, b);
      if (winner != "tie") winner = winner == "left" ? "right" : "left";
    }
    const auto [at, added] = row_of.try_emplace({a, b}, data.first.size());
    if (added) {
      data.first.push_back(a), data.second.push_back(b);
      data.first_wins.push_back(0), data.second_wins.push_back(0), data.ties.push_back(0);
    }
    (winner == "left" ? data.first_wins : winner == "right" ? data.second_wins : data.ties)[at->second] += games;
  }
  if (data.rows() == 0) throw std::runtime_error(path + ": no comparisons after the header");
  return data;
}
