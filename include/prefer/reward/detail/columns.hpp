// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/check_numbers.hpp>
#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/core/checks.hpp>

#include <cstdint>
#include <type_traits>

// Rewards that are a function of some columns, item by item: what their calls share. With content::all a NaN in any
// column is an error.
namespace prefer {

// What element-wise rewards write.
template <space S>
struct reward_outputs {
  output_view<1, S> reward = {};  // N
};

inline namespace PREFER_ABI {
namespace detail {

// A rule with `inputs` columns and call (in, reward) as a body of map_reduce, without sums.
template <class Rule>
struct reward_body {
  static constexpr int inputs = Rule::inputs, outputs = 1, sums = 1;
  Rule rule;

  PREFER_HD reward_body ready(double) const { return *this; }
  template <class V>
  PREFER_HD void operator()(const V (&in)[inputs], V (&out)[1], V (&sum)[1]) const {
    out[0] = rule.reward(in);
    sum[0] = V(0);
  }
};

template <class Rule>
using reward_arguments = map_reduce_arguments_of<reward_body<Rule>>;

// The columns of a call, in order. The first has to be there and says how many items there are. Numbers, integers and
// flags are all taken: what is compared with what is the caller's affair.
template <class Rule, space S>
struct reward_call {
  reward_arguments<Rule> arguments = {};
  const char* names[Rule::inputs] = {};
  status first = {};
  require::footprints<Rule::inputs, 1> all = {};
  int columns = 0;

  void read(const char* name, const input_view<1, S>& v, const char* meaning) {
    if (first.ok() && !v.given()) first = require::fail(errc::missing_input, name, meaning);
    if (columns == 0) {
      arguments.n = v.extent[0];
      if (first.ok() && arguments.n < 0)
        first = require::fail(errc::bad_extent, name, "at least", static_cast<double>(arguments.n), 0);
    }
    optional(name, v, 0);
  }
  void optional(const char* name, const input_view<1, S>& v, float neutral) {
    names[columns] = name;
    source& s = arguments.in[columns++];
    s.neutral = neutral;
    if (!first.ok() || !v.given()) return;
    input_view<1, S> shape = v;
    shape.type = element::f64;
    first = require::vector(name, shape, arguments.n, "the number of items,", require::holds::numbers);
    s.data = v.data, s.stride = v.stride[0], s.type = v.type;
    all.read(require::footprint_of(name, v));
  }
  status write(const output_view<1, S>& v, const char* name = "reward") {
    if (!first.ok()) return first;
    if (!v.given()) return require::fail(errc::missing_output, name, "one number per item");
    if (const status s = require::vector(name, v, arguments.n, "the number of items,", require::holds::numbers);
        !s.ok())
      return s;
    arguments.out[0] = {v.data, v.stride[0], v.type};
    arguments.normalizer = 1.0;  // there is nothing to count
    all.write(require::footprint_of(name, v));
    return all.check();
  }
  template <class Exec>
  status run(const Exec& exec, const Rule& rule) const {
    for (int k = 0; k < columns; ++k)
      if (const status s = check_numbers(exec, names[k], arguments.in[k], {}, arguments.n); !s.ok()) return s;
    return map_reward(exec, rule, arguments);
  }
};

}  // namespace detail

// Found by the backend's namespace, so outside `detail`.
template <class Exec, class Rule>
status map_reward(const Exec&, const Rule&, const detail::reward_arguments<Rule>&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
template <class Rule>
status map_reward(const cpu& exec, const Rule& rule, const detail::reward_arguments<Rule>& a) {
  return map_reduce<double>(exec, detail::reward_body<Rule>{rule}, a);
}

}  // namespace PREFER_ABI
}  // namespace prefer
