// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <stdexcept>
#include <string>

// Draws an SVG by feeding a script to gnuplot; the text goes to its standard input, so nothing is quoted for a shell.
inline void draw_svg(const std::string& script) {
  std::FILE* gnuplot = popen("gnuplot", "w");
  if (gnuplot == nullptr) throw std::runtime_error("gnuplot cannot be started");
  std::fputs(script.c_str(), gnuplot);
  if (pclose(gnuplot) != 0) throw std::runtime_error("gnuplot failed; is it installed? (apt-get install gnuplot-nox)");
}

// A string as gnuplot reads it, in double quotes, without enhanced text.
inline std::string quoted(const std::string& text) {
  std::string q = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') q += '\\';
    q += c;
  }
  return q + "\"";
}

inline std::string svg_header(const std::string& path, int width, int height, const std::string& title) {
  return "set terminal svg noenhanced size " + std::to_string(width) + "," + std::to_string(height) +
         " font 'sans-serif,13' background 'white'\nset output " + quoted(path) + "\nset title " + quoted(title) +
         "\nset grid lc rgb '#dddddd'\nset border lc rgb '#666666'\n";
}
