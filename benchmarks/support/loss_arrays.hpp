// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>

#include <cstdint>
#include <string_view>

namespace bench {

// A call of any loss on contiguous arrays: everything that it reads, its value, and its gradients by policies or
// scores.
template <class Loss>
struct loss_arrays {
  using kind = prefer::kind_of<Loss>;
  prefer::detail::traits_of_loss<Loss> traits;

  explicit loss_arrays(const Loss& loss) : traits(loss) {}

  int inputs() const {
    int count = 0;
    for (int k = 0; k < prefer::detail::loss_body<Loss>::fields; ++k) count += reads(k) ? 1 : 0;
    return count;
  }
  int outputs() const {
    int count = 0;
    for (int m = 0; m < prefer::detail::loss_body<Loss>::outputs; ++m) count += writes(m) ? 1 : 0;
    return count;
  }

  // array(i): the i-th of inputs() + outputs() arrays of n elements.
  template <class Exec, class Array>
  auto make_inputs(std::int64_t n, Array array) const {
    prefer::inputs_of<Loss, Exec> in;
    int k = 0, i = 0;
    kind::each_input(in, [&](auto& v) {
      if (reads(k++)) v = {array(i++), n};
    });
    return in;
  }
  template <class Exec, class Array, class Total>
  auto make_outputs(std::int64_t n, Array array, Total* total) const {
    prefer::outputs_of<Loss, Exec> out;
    int m = 0, i = inputs();
    kind::each_output(out, [&](auto& v) {
      if (writes(m++)) v = {array(i++), n};
    });
    out.loss = {total, 1};
    return out;
  }

 private:
  // Inputs with a meaningful default stay out, as in most calls.
  bool reads(int k) const { return (traits.reads >> k & 1u) != 0 && kind::input_fields[k].required; }
  bool writes(int m) const {
    const std::string_view name = kind::output_fields[m];
    const bool wanted = name.starts_with("grad_") && !name.starts_with("grad_reference") && name != "grad_margin";
    return traits.provides[m] && wanted;
  }
};

}  // namespace bench
