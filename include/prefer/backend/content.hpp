// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/item.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/core/kind.hpp>
#include <prefer/core/math.hpp>

// Looking at content before a call on the CPU computes: indices and labels always, NaN on request. Items that the mask
// leaves out may hold anything. On CUDA kernels guard themselves instead (see execution.hpp, content_report).
namespace prefer {
inline namespace PREFER_ABI {

// What is asked of one input of a call.
struct content_rule {
  const char* name = "";
  const char* index_name = "";
  content_of content = content_of::any;
};

namespace detail {

inline status check_elements(const source& s, const source& mask, const content_rule& rule, content level, bool values,
                             std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    if (!selects(mask, i)) continue;
    std::int64_t at = i;
    if (s.index != nullptr) {
      at = load_index(s.index, s.index_type, i * s.index_stride);
      if (at < 0 || at >= s.bound)
        return require::fail(errc::bad_index, rule.index_name, "0 or above and below the number of samples",
                             static_cast<double>(at), 0, i);
    }
    if (!values) continue;
    const double x = load_element<double>(s.data, s.type, at * s.stride);
    if (level == content::all && math::is_nan(x))
      return require::fail(errc::not_a_number, rule.name, "a number, but it is NaN", x, 0, i);
    if (rule.content == content_of::probability && !(x >= 0 && x <= 1))
      return require::fail(errc::bad_label, rule.name, "a probability, from 0 to 1", x, 0, i);
  }
  return {};
}

// Most inputs need no look: small calls notice what it costs to find that out.
inline status check_source(const source& s, const source& mask, const content_rule& rule, content level,
                           std::int64_t n) {
  const bool values = level == content::all || rule.content != content_of::any;
  return s.data == nullptr || (!values && s.index == nullptr) ? status{}
                                                              : check_elements(s, mask, rule, level, values, n);
}

}  // namespace detail

template <int Inputs, class Arguments>
status check_content(const cpu& exec, const content_rule (&rules)[Inputs], const Arguments& a) {
  if (exec.content == content::none) return {};
  for (int k = 0; k < Inputs; ++k)
    if (const status s = detail::check_source(a.in[k], a.mask, rules[k], exec.content, a.n); !s.ok()) return s;
  return {};
}

template <int Inputs, class Arguments>
status check_content(const cuda&, const content_rule (&)[Inputs], const Arguments&) {
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
