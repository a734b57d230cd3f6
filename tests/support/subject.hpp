// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>
#include <support/dual.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <type_traits>

// A loss as the suites see it: what its kind says of it, and calls that hide its type. So a suite is compiled once per
// kind and not once per loss, which is most of what the tests of fifty losses would cost.
namespace prefer_test {

template <class Kind>
inline constexpr int field_count = static_cast<int>(std::size(Kind::input_fields));
template <class Kind>
inline constexpr int output_count = static_cast<int>(std::size(Kind::output_fields));
template <class Kind>
inline constexpr int total_count = static_cast<int>(std::size(Kind::total_fields));

template <class Kind, class Exec>
using inputs_in = typename Kind::template inputs<Exec::memory>;
template <class Kind, class Exec>
using outputs_in = typename Kind::template outputs<Exec::memory>;

// One item, and what a call must give for it.
template <class Kind>
struct exact_item {
  long double in[field_count<Kind>], weight, divisor;
  long double out[output_count<Kind>], total[total_count<Kind>];
};

template <class Kind>
int differentiated(int m);

template <class Kind>
struct loss_facts {
  std::uint64_t reads = 0;
  bool provides[output_count<Kind>] = {};
  bool provides_total[total_count<Kind>] = {};
  std::function<void(exact_item<Kind>&)> evaluate_exactly;

  template <class Loss>
  requires(!std::is_base_of_v<loss_facts, Loss>) explicit loss_facts(const Loss& loss) {
    const prefer::detail::traits_of_loss<Loss> traits(loss);
    reads = traits.reads;
    std::copy(std::begin(traits.provides), std::end(traits.provides), provides);
    std::copy(std::begin(traits.provides_total), std::end(traits.provides_total), provides_total);
    evaluate_exactly = [loss](exact_item<Kind>& x) { evaluate_by_duals(loss, x); };
  }

 private:
  template <class Loss>
  static void evaluate_by_duals(const Loss& loss, exact_item<Kind>& x) {
    using D = dual<long double>;
    typename Kind::template item<D> item;
    D* field[field_count<Kind>];
    int k = 0, m = 0, r = 0;
    Kind::each_input(item, [&](D& f) {
      f = D(x.in[k]);
      field[k++] = &f;
    });
    const auto term = loss(item);
    Kind::emit(item, term, D(x.weight), D(x.weight / x.divisor), [&](const D& v) { x.out[m++] = v.value; });
    Kind::add_up(item, term, D(x.weight), [&](const D& v) {
      x.total[r] = r == Kind::count_total ? v.value : v.value / x.divisor;
      ++r;
    });
    for (m = 0; m < output_count<Kind>; ++m) {
      const int f = differentiated<Kind>(m);
      if (f < 0) continue;
      field[f]->slope = 1;
      x.out[m] = loss(item).value.slope * x.weight / x.divisor;
      field[f]->slope = 0;
    }
  }
};

template <class Kind, class Exec>
using call_of = std::function<prefer::status(const Exec&, const inputs_in<Kind, Exec>&, const outputs_in<Kind, Exec>&)>;

template <class Kind, class Exec>
struct subject : loss_facts<Kind> {
  call_of<Kind, Exec> in_float, in_double;

  template <class Loss>
  requires(!std::is_base_of_v<loss_facts<Kind>, Loss>) explicit subject(const Loss& loss) : loss_facts<Kind>(loss) {
    in_float = [loss](const Exec& exec, const inputs_in<Kind, Exec>& in, const outputs_in<Kind, Exec>& out) {
      return prefer::evaluate<float>(exec, loss, in, out);
    };
    in_double = [loss](const Exec& exec, const inputs_in<Kind, Exec>& in, const outputs_in<Kind, Exec>& out) {
      return prefer::evaluate<double>(exec, loss, in, out);
    };
  }

  template <class Compute>
  prefer::status evaluate(const Exec& exec, const inputs_in<Kind, Exec>& in, const outputs_in<Kind, Exec>& out) const {
    return (std::is_same_v<Compute, double> ? in_double : in_float)(exec, in, out);
  }
};

}  // namespace prefer_test
