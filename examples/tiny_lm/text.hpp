// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/random.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// The vocabulary: printable ASCII, and the end of a line.
constexpr int vocabulary = 96, end_of_line = 95;
inline std::int32_t symbol_of(char c) { return c >= ' ' && c <= '~' ? c - ' ' : c == '\n' ? end_of_line : '?' - ' '; }
inline char character_of(std::int32_t symbol) { return symbol == end_of_line ? '\n' : static_cast<char>(' ' + symbol); }

// Every different line of the .md files in a folder, if it has at least 24 characters and a space among them.
inline std::vector<std::string> read_lines(const std::string& folder) {
  std::set<std::string> lines;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".md") continue;
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      line.erase(0, line.find_first_not_of(' '));
      if (line.size() >= 24 && line.find(' ') != std::string::npos) lines.insert(line);
    }
  }
  if (lines.size() < 500) throw std::runtime_error(folder + " has fewer than 500 different lines in .md files");
  return {lines.begin(), lines.end()};
}

// Lines behind one another, one token per character and one for the end of each line.
class packed_lines {
 public:
  static constexpr int context = 8;  // a token is predicted from so many before it; before a line are ends of lines

  packed_lines() = default;
  explicit packed_lines(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) add(line);
  }
  void add(const std::string& line) {
    std::vector<std::int32_t> symbols(context, end_of_line);
    for (char c : line + '\n') {
      before_.insert(before_.end(), symbols.end() - context, symbols.end());
      target_.push_back(symbol_of(c));
      symbols.push_back(target_.back());
    }
    offsets_.push_back(tokens());
  }

  std::int64_t lines() const { return static_cast<std::int64_t>(offsets_.size()) - 1; }
  std::int64_t tokens() const { return static_cast<std::int64_t>(target_.size()); }
  const std::int32_t* before(std::int64_t token) const { return before_.data() + token * context; }
  const std::int32_t* target() const { return target_.data(); }
  const std::int64_t* offsets() const { return offsets_.data(); }  // one more than lines

 private:
  std::vector<std::int32_t> before_, target_;
  std::vector<std::int64_t> offsets_ = {0};
};

// Where words begin and end: words are what spaces separate.
inline std::vector<std::pair<std::size_t, std::size_t>> words_of(const std::string& line) {
  std::vector<std::pair<std::size_t, std::size_t>> words;
  for (std::size_t begin = 0; (begin = line.find_first_not_of(' ', begin)) != std::string::npos;) {
    const std::size_t end = std::min(line.find(' ', begin), line.size());
    words.push_back({begin, end});
    begin = end;
  }
  return words;
}

// The mistakes of somebody who types: ways to spoil a line of at least 24 characters. The last three make it shorter,
// and a shorter line is likelier.
struct mistake {
  const char* name;
  std::string (*make)(std::string line, dice& random);
};
inline const mistake mistakes[] = {
    {"other letter",
     [](std::string line, dice& random) {
       line[random.below(line.size())] = static_cast<char>('a' + random.below(26));
       return line;
     }},
    {"swapped letters",
     [](std::string line, dice& random) {
       const auto i = random.below(line.size() - 1);
       std::swap(line[i], line[i + 1]);
       return line;
     }},
    {"lost letter", [](std::string line, dice& random) { return line.erase(random.below(line.size()), 1); }},
    {"lost word",
     [](std::string line, dice& random) {
       const auto words = words_of(line);
       const auto [begin, end] = words[random.below(words.size())];
       return line.erase(begin, end + 1 - begin);
     }},
    {"cut short", [](std::string line, dice& random) { return line.substr(0, line.size() - 1 - random.below(12)); }},
};
constexpr int kinds_of_mistakes = std::size(mistakes);

inline std::string with_mistake(const std::string& line, const mistake& m, dice& random) {
  std::string spoilt = line;
  while (spoilt == line) spoilt = m.make(line, random);
  return spoilt;
}
