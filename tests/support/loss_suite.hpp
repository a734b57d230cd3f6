// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/thread_pool.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>
#include <support/loss_call.hpp>

#include <doctest/doctest.h>

#include <string>

// What every loss owes its users whatever its formula, checked for any loss of any kind. A loss's own test adds golden
// values, tails and identities, and calls loss_suite once.
namespace prefer_test {

template <class S>
using compute_for = std::conditional_t<std::is_same_v<S, double>, double, float>;

template <class S, class Loss>
prefer::status run(const prefer::cpu& exec, loss_call<Loss, S>& c, bool with_weight = true, bool with_mask = true) {
  return prefer::evaluate<compute_for<S>>(exec, c.loss, c.inputs(with_weight, with_mask), c.outputs());
}

// `roundings` bounds the error of an output in units of the compute type, relative to the largest element of that
// output (a slope inherits the rounding of its argument); storing adds a unit of the storage type.
template <class S, class Loss>
void check_against(loss_call<Loss, S>& c, const expectation<Loss>& e, double roundings) {
  using C = compute_for<S>;
  using kind = prefer::kind_of<Loss>;
  const long double unit = std::ldexp(1.0L, 1 - storage<C>::digits);
  for (int m = 0; m < output_count<Loss>; ++m) {
    if (!c.traits.provides[m]) continue;
    for (std::int64_t i = 0; i < c.n; ++i) {
      const long double exact = e.out[c.at(m)][static_cast<std::size_t>(i)];
      const long double bound = roundings * unit * e.largest[c.at(m)] +
                                std::ldexp(std::fabs(exact), 1 - storage<S>::digits) +
                                std::ldexp(1.0L, storage<S>::least_exponent);
      INFO(kind::output_fields[m] << " of item " << i << " of " << c.n << ": " << c.out[c.at(m)].get(i) << " for "
                                  << static_cast<double>(exact));
      if (std::fabs(exact) > largest_of<S>)
        CHECK((std::fabs(c.out[c.at(m)].get(i)) > 0.99 * largest_of<S> && (c.out[c.at(m)].get(i) > 0) == (exact > 0)));
      else
        CHECK(std::fabs(c.out[c.at(m)].get(i) - exact) <= bound);
    }
  }
  for (int r = 0; r < total_count<Loss>; ++r) {
    if (!c.traits.provides_total[r]) continue;
    INFO(kind::total_fields[r] << " of " << c.n << ": " << c.total[c.at(r)].get(0) << " for "
                               << static_cast<double>(e.total[r]));
    // A sum in a tile passes through at most 36 additions.
    CHECK(std::fabs(c.total[c.at(r)].get(0) - e.total[r]) <= (roundings + 36) * unit * e.total_size[r]);
  }
}

template <class S, class Loss>
void check_sizes(const char* name, const Loss& loss, double roundings) {
  for (std::int64_t n : {0, 1, 7, 8, 9, 15, 16, 17, 511, 512, 513, 1025}) {
    loss_call<Loss, S> plain(loss, n), strided(loss, n, 3, 1);
    const expectation<Loss> exact(plain);
    for (prefer::isa level : levels()) {
      REQUIRE(run(prefer::cpu{.isa = level}, plain).ok());
      REQUIRE(run(prefer::cpu{.isa = level}, strided).ok());
      check_against(plain, exact, roundings);
      CHECK((plain.intact() && strided.intact()));
      for (int m = 0; m < output_count<Loss>; ++m)
        if (plain.traits.provides[m]) CHECK(plain.out[plain.at(m)].values() == strided.out[plain.at(m)].values());
      for (int r = 0; r < total_count<Loss>; ++r)
        if (plain.traits.provides_total[r])
          CHECK(plain.total[plain.at(r)].values() == strided.total[plain.at(r)].values());
    }
  }
  for (const char* tag : {"sizes", "strides", "sentinel", "gradient"}) covers<S>(name, tag);
}

// The same item alone and in a batch, bit for bit.
template <class Loss>
void check_alone(const Loss& loss) {
  loss_call<Loss, float> all(loss, 600), one(loss, 1);
  all.divisor = one.divisor = 1;
  for (prefer::isa level : levels()) {
    REQUIRE(run(prefer::cpu{.isa = level}, all, true, false).ok());
    for (std::int64_t i : {0, 15, 16, 511, 599}) {
      for (std::size_t k = 0; k < all.in.size(); ++k) one.in[k].at(0) = all.in[k].at(i);
      one.weight.at(0) = all.weight.at(i);
      REQUIRE(run(prefer::cpu{.isa = level}, one, true, false).ok());
      for (int m = 0; m < output_count<Loss>; ++m)
        if (all.traits.provides[m]) CHECK(one.out[all.at(m)].at(0) == all.out[all.at(m)].at(i));
    }
  }
}

// Fills what the mask leaves out with a number that must not matter.
template <class Loss, class S>
void poison(loss_call<Loss, S>& c, double x) {
  for (std::int64_t i = 0; i < c.n; ++i) {
    if (c.mask.at(i)) continue;
    for (auto& b : c.in) b.set(i, x);
    c.weight.set(i, x);
  }
}

template <class S, class Loss>
void check_masked(const char* name, const Loss& loss) {
  loss_call<Loss, S> clean(loss, 300), dirty(loss, 300);
  poison(clean, 0.5);
  REQUIRE(run(prefer::cpu{}, clean).ok());
  for (double x : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), -1e30}) {
    poison(dirty, x);
    REQUIRE(run(prefer::cpu{}, dirty).ok());
    CHECK(clean.written() == dirty.written());
  }
  // A mask that leaves nothing out is no mask, bit for bit: in whole tiles, which have a loop of their own without one,
  // and in a tail.
  loss_call<Loss, S> all(loss, 1040), unmasked(loss, 1040);
  for (std::int64_t i = 0; i < 1040; ++i) all.mask.at(i) = true;
  for (prefer::isa level : levels()) {
    REQUIRE(run(prefer::cpu{.isa = level}, all).ok());
    REQUIRE(run(prefer::cpu{.isa = level}, unmasked, true, false).ok());
    CHECK(all.written() == unmasked.written());
  }
  for (std::int64_t i = 0; i < 300; ++i) clean.mask.at(i) = false;
  REQUIRE(run(prefer::cpu{}, clean).ok());
  for (int m = 0; m < output_count<Loss>; ++m)
    if (clean.traits.provides[m]) CHECK(clean.out[clean.at(m)].values() == std::vector<double>(300, 0.0));
  for (int r = 0; r < total_count<Loss>; ++r)
    if (clean.traits.provides_total[r]) CHECK(clean.total[clean.at(r)].get(0) == 0);
  covers<S>(name, "masked");
}

template <class Loss>
void check_threads(const char* name, const Loss& loss) {
  loss_call<Loss, float> c(loss, 40009);
  REQUIRE(run(prefer::cpu{}, c).ok());
  const auto bits = c.written();
  const auto same = [&](const prefer::cpu& exec) {
    for (int r = 0; r < total_count<Loss>; ++r)
      if (c.traits.provides_total[r]) c.total[c.at(r)].set(0, -1);
    REQUIRE(run(exec, c).ok());
    CHECK(c.written() == bits);
  };
  for (int threads : {1, 2, 3, 8}) {
    prefer::thread_pool pool(threads);
    same({.pool = pool});
  }
  auto backwards = [](std::int64_t tasks, auto task) {
    while (tasks-- > 0) task(tasks);
  };
  same({.parallel_for = backwards});
  covers(name, "threads");
}

// Micro-batches that are given the size of the whole batch add up to it, whatever the parts.
template <class Loss>
void check_batches(const char* name, const Loss& loss) {
  loss_call<Loss, double> whole(loss, 1000), parts(loss, 1000);
  whole.divisor = parts.divisor = 1000;
  REQUIRE(run(prefer::cpu{}, whole).ok());
  for (auto& b : parts.out) b.fill(std::vector<double>(1000));
  for (auto& b : parts.total) b.set(0, 0);
  using kind = prefer::kind_of<Loss>;
  for (std::int64_t first = 0; first < 1000; first += 130) {
    const std::int64_t count = std::min<std::int64_t>(130, 1000 - first);
    auto in = parts.inputs();
    auto out = parts.outputs();
    const auto part = [&](auto& v) {
      if (!v.given()) return;
      v.data =
          reinterpret_cast<decltype(v.data)>(reinterpret_cast<std::intptr_t>(v.data) + first * prefer::size_of(v.type));
      v.extent[0] = count;
    };
    kind::each_input(in, part);
    part(in.weight), part(in.mask);
    kind::each_output(out, part);
    out.accumulate = true;
    REQUIRE(prefer::evaluate<double>(prefer::cpu{}, loss, in, out).ok());
  }
  for (int m = 0; m < output_count<Loss>; ++m)
    if (whole.traits.provides[m]) CHECK(parts.out[whole.at(m)].values() == whole.out[whole.at(m)].values());
  for (int r = 0; r < total_count<Loss>; ++r)
    if (whole.traits.provides_total[r])
      CHECK(parts.total[whole.at(r)].get(0) == doctest::Approx(whole.total[whole.at(r)].get(0)).epsilon(1e-12));
  covers(name, "accumulation");
}

template <class Loss>
void check_allocations(const char* name, const Loss& loss) {
  loss_call<Loss, float> c(loss, 5000);
  const auto in = c.inputs();
  const auto out = c.outputs();
  const long before = allocation_count();
  const prefer::status s = prefer::evaluate<float>(prefer::cpu{}, loss, in, out);
  CHECK(allocation_count() == before);
  CHECK(s.ok());
  covers(name, "allocation");
}

// Calls that must be refused, built from good inputs by breaking one thing at a time; each is given to
// refused(code, argument, in, out).
template <class Loss, class S, class Inputs, class Outputs, class Refused>
void each_bad_argument(loss_call<Loss, S>& c, const Inputs& in, const Outputs& out, Refused refused) {
  using kind = prefer::kind_of<Loss>;
  // Breaks the k-th input of a copy.
  const auto broken = [&](int k, auto change) {
    Inputs x = in;
    int j = 0;
    kind::each_input(x, [&](auto& v) {
      if (j++ == k) change(v);
    });
    return x;
  };
  int first = -1;  // sets the extent, so that its own is never the odd one out
  for (int k = 0; k < field_count<Loss>; ++k) {
    const char* name = kind::input_fields[k].name;
    if (!c.reads(k)) {
      refused(prefer::errc::unused_input, name, broken(k, [&](auto& v) { v = in.weight; }), out);
      continue;
    }
    if (kind::input_fields[k].required)
      refused(prefer::errc::missing_input, name, broken(k, [](auto& v) { v = {}; }), out);
    if (first >= 0)
      refused(prefer::errc::bad_extent, name, broken(k, [](auto& v) { v.extent[0] -= 1; }), out);
    else
      first = k;
    refused(prefer::errc::null_data, name, broken(k, [](auto& v) { v.data = nullptr; }), out);
    refused(prefer::errc::bad_stride, name, broken(k, [](auto& v) { v.stride[0] = -1; }), out);
    refused(prefer::errc::bad_element, name, broken(k, [&](auto& v) { v = in.mask; }), out);
  }
  const auto with = [&](auto change) {
    Inputs x = in;
    change(x);
    return x;
  };
  refused(prefer::errc::bad_extent, "weight", with([](Inputs& x) { x.weight.extent[0] += 1; }), out);
  refused(prefer::errc::bad_extent, "mask", with([](Inputs& x) { x.mask.extent[0] += 1; }), out);
  refused(prefer::errc::bad_element, "mask", with([](Inputs& x) { x.mask = x.weight; }), out);
  for (double bad : {0.0, -2.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
    refused(prefer::errc::bad_parameter, "normalizer", with([&](Inputs& x) { x.normalizer = bad; }), out);
  refused(prefer::errc::missing_output, "outputs", in, Outputs{});
  for (int m = 0; m < output_count<Loss>; ++m) {
    const auto spoilt = [&](auto change) {
      Outputs x = out;
      int j = 0;
      kind::each_output(x, [&](auto& v) {
        if (j++ == m) change(v);
      });
      return x;
    };
    const char* name = kind::output_fields[m];
    if (!c.traits.provides[m]) {
      Outputs x = out;
      int j = 0, some = 0;
      while (!c.traits.provides[some]) ++some;
      decltype(x.loss) other;
      kind::each_output(x, [&](auto& v) {
        if (j++ == some) other = v;
      });
      j = 0;
      kind::each_output(x, [&](auto& v) {
        if (j == some) v = {};
        if (j++ == m) v = other;
      });
      refused(prefer::errc::unavailable_output, name, in, x);
      continue;
    }
    refused(prefer::errc::bad_extent, name, in, spoilt([](auto& v) { v.extent[0] -= 1; }));
    refused(prefer::errc::null_data, name, in, spoilt([](auto& v) { v.data = nullptr; }));
    refused(prefer::errc::bad_stride, name, in, spoilt([](auto& v) { v.stride[0] = 0; }));
    refused(prefer::errc::overlap, name, in, spoilt([&](auto& v) { v.data = const_cast<void*>(in.weight.data); }));
  }
}

template <class Loss>
void check_bad_arguments(const char* name, const Loss& loss) {
  loss_call<Loss, float> c(loss, 8);
  each_bad_argument(c, c.inputs(), c.outputs(),
                    [&](prefer::errc code, const char* argument, const auto& in, const auto& out) {
                      const prefer::status s = prefer::evaluate<float>(prefer::cpu{}, loss, in, out);
                      INFO(prefer::message(s).c_str() << " expected for " << argument << ": " << prefer::name_of(code));
                      CHECK(s.code == code);
                      CHECK(std::string(s.argument) == argument);
                    });
  for (int k = 0; k < field_count<Loss>; ++k) {
    if (!c.reads(k)) continue;
    const float good = c.in[c.at(k)].at(3);
    c.mask.at(3) = true;
    c.in[c.at(k)].set(3, std::numeric_limits<double>::quiet_NaN());
    const prefer::status s = run(prefer::cpu{.content = prefer::content::all}, c);
    CHECK(s.code == prefer::errc::not_a_number);
    CHECK(s.index == 3);
    CHECK(std::string(s.argument) == prefer::kind_of<Loss>::input_fields[k].name);
    if (prefer::kind_of<Loss>::input_fields[k].content == prefer::content_of::probability) {
      c.in[c.at(k)].set(3, 1.5);
      CHECK(run(prefer::cpu{}, c).code == prefer::errc::bad_label);
    }
    c.in[c.at(k)].at(3) = good;
  }
  CHECK(c.untouched());
  covers(name, "bad-argument");
}

template <class Loss>
void loss_suite(const char* name, const Loss& loss, double roundings = 64) {
  SUBCASE(
      "every size, stride, storage type and level gives the loss in long double and its derivative by dual numbers; no "
      "byte beside") {
    check_sizes<float>(name, loss, roundings);
    check_sizes<double>(name, loss, roundings);
    check_sizes<prefer::half>(name, loss, roundings);
    check_sizes<prefer::bfloat16>(name, loss, roundings);
  }
  SUBCASE("an item is the same item in every batch") { check_alone(loss); }
  SUBCASE("a mask selects: what it leaves out changes no bit and its outputs are zero") {
    check_masked<float>(name, loss);
    check_masked<double>(name, loss);
    check_masked<prefer::half>(name, loss);
    check_masked<prefer::bfloat16>(name, loss);
  }
  SUBCASE("the same bits for any number of threads and any order of tasks") { check_threads(name, loss); }
  SUBCASE("micro-batches add up") { check_batches(name, loss); }
  SUBCASE("a call allocates nothing") { check_allocations(name, loss); }
  SUBCASE("every bad argument is named, and nothing is written") { check_bad_arguments(name, loss); }
}

}  // namespace prefer_test
