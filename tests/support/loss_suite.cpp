// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/action.hpp>
#include <prefer/core/pair.hpp>
#include <prefer/core/response.hpp>
#include <prefer/core/reward_pair.hpp>
#include <prefer/core/scored.hpp>
#include <prefer/core/segment_pair.hpp>
#include <prefer/core/thread_pool.hpp>
#include <prefer/core/transition.hpp>
#include <support/allocations.hpp>
#include <support/loss_checks.hpp>

namespace prefer_test {

template <class S, class Kind>
void check_sizes(const char* name, const cpu_subject<Kind>& loss, double roundings) {
  for (std::int64_t n : {0, 1, 7, 8, 9, 15, 16, 17, 511, 512, 513, 1025}) {
    kind_call<Kind, S> plain(loss, n), strided(loss, n, 3, 1);
    const expectation<Kind> exact(plain);
    for (prefer::isa level : levels()) {
      REQUIRE(run(loss, prefer::cpu{.isa = level}, plain).ok());
      REQUIRE(run(loss, prefer::cpu{.isa = level}, strided).ok());
      check_against(plain, exact, roundings);
      CHECK((plain.intact() && strided.intact()));
      for (int m = 0; m < output_count<Kind>; ++m)
        if (plain.facts.provides[m]) CHECK(plain.out[plain.at(m)].values() == strided.out[plain.at(m)].values());
      for (int r = 0; r < total_count<Kind>; ++r)
        if (plain.facts.provides_total[r])
          CHECK(plain.total[plain.at(r)].values() == strided.total[plain.at(r)].values());
    }
  }
  for (const char* tag : {"sizes", "strides", "sentinel", "gradient"}) covers<S>(name, tag);
}

// The same item alone and in a batch, bit for bit.
template <class Kind>
void check_alone(const cpu_subject<Kind>& loss) {
  kind_call<Kind, float> all(loss, 600), one(loss, 1);
  all.divisor = one.divisor = 1;
  for (prefer::isa level : levels()) {
    REQUIRE(run(loss, prefer::cpu{.isa = level}, all, true, false).ok());
    for (std::int64_t i : {0, 15, 16, 511, 599}) {
      for (std::size_t k = 0; k < all.in.size(); ++k) one.in[k].at(0) = all.in[k].at(i);
      one.weight.at(0) = all.weight.at(i);
      REQUIRE(run(loss, prefer::cpu{.isa = level}, one, true, false).ok());
      for (int m = 0; m < output_count<Kind>; ++m)
        if (all.facts.provides[m]) CHECK(one.out[all.at(m)].at(0) == all.out[all.at(m)].at(i));
    }
  }
}

template <class S, class Kind>
void check_masked(const char* name, const cpu_subject<Kind>& loss) {
  kind_call<Kind, S> clean(loss, 300), dirty(loss, 300);
  poison(clean, 0.5);
  REQUIRE(run(loss, prefer::cpu{}, clean).ok());
  for (double x : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), -1e30}) {
    poison(dirty, x);
    REQUIRE(run(loss, prefer::cpu{}, dirty).ok());
    CHECK(clean.written() == dirty.written());
  }
  // A mask that leaves nothing out is no mask, bit for bit: in whole tiles, which have a loop of their own without one,
  // and in a tail.
  kind_call<Kind, S> all(loss, 1040), unmasked(loss, 1040);
  for (std::int64_t i = 0; i < 1040; ++i) all.mask.at(i) = true;
  for (prefer::isa level : levels()) {
    REQUIRE(run(loss, prefer::cpu{.isa = level}, all).ok());
    REQUIRE(run(loss, prefer::cpu{.isa = level}, unmasked, true, false).ok());
    CHECK(all.written() == unmasked.written());
  }
  for (std::int64_t i = 0; i < 300; ++i) clean.mask.at(i) = false;
  REQUIRE(run(loss, prefer::cpu{}, clean).ok());
  for (int m = 0; m < output_count<Kind>; ++m)
    if (clean.facts.provides[m]) CHECK(clean.out[clean.at(m)].values() == std::vector<double>(300, 0.0));
  for (int r = 0; r < total_count<Kind>; ++r)
    if (clean.facts.provides_total[r]) CHECK(clean.total[clean.at(r)].get(0) == 0);
  covers<S>(name, "masked");
}

template <class Kind>
void check_threads(const char* name, const cpu_subject<Kind>& loss) {
  kind_call<Kind, float> c(loss, 40009);
  REQUIRE(run(loss, prefer::cpu{}, c).ok());
  const auto bits = c.written();
  const auto same = [&](const prefer::cpu& exec) {
    for (int r = 0; r < total_count<Kind>; ++r)
      if (c.facts.provides_total[r]) c.total[c.at(r)].set(0, -1);
    REQUIRE(run(loss, exec, c).ok());
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
template <class Kind>
void check_batches(const char* name, const cpu_subject<Kind>& loss) {
  kind_call<Kind, double> whole(loss, 1000), parts(loss, 1000);
  whole.divisor = parts.divisor = 1000;
  REQUIRE(run(loss, prefer::cpu{}, whole).ok());
  for (auto& b : parts.out) b.fill(std::vector<double>(1000));
  for (auto& b : parts.total) b.set(0, 0);
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
    Kind::each_input(in, part);
    part(in.weight), part(in.mask);
    Kind::each_output(out, part);
    out.accumulate = true;
    REQUIRE(loss.template evaluate<double>(prefer::cpu{}, in, out).ok());
  }
  for (int m = 0; m < output_count<Kind>; ++m)
    if (whole.facts.provides[m]) CHECK(parts.out[whole.at(m)].values() == whole.out[whole.at(m)].values());
  for (int r = 0; r < total_count<Kind>; ++r)
    if (whole.facts.provides_total[r])
      CHECK(parts.total[whole.at(r)].get(0) == doctest::Approx(whole.total[whole.at(r)].get(0)).epsilon(1e-12));
  covers(name, "accumulation");
}

template <class Kind>
void check_allocations(const char* name, const cpu_subject<Kind>& loss) {
  kind_call<Kind, float> c(loss, 5000);
  const auto in = c.inputs();
  const auto out = c.outputs();
  const long before = allocation_count();
  const prefer::status s = loss.template evaluate<float>(prefer::cpu{}, in, out);
  CHECK(allocation_count() == before);
  CHECK(s.ok());
  covers(name, "allocation");
}

template <class Kind>
void check_bad_arguments(const char* name, const cpu_subject<Kind>& loss) {
  kind_call<Kind, float> c(loss, 8);
  each_bad_argument(c, c.inputs(), c.outputs(),
                    [&](prefer::errc code, const char* argument, const auto& in, const auto& out) {
                      const prefer::status s = loss.template evaluate<float>(prefer::cpu{}, in, out);
                      INFO(prefer::message(s).c_str() << " expected for " << argument << ": " << prefer::name_of(code));
                      CHECK(s.code == code);
                      CHECK(std::string(s.argument) == argument);
                    });
  for (int k = 0; k < field_count<Kind>; ++k) {
    if (!c.reads(k)) continue;
    const float good = c.in[c.at(k)].at(3);
    c.mask.at(3) = true;
    c.in[c.at(k)].set(3, std::numeric_limits<double>::quiet_NaN());
    const prefer::status s = run(loss, prefer::cpu{.content = prefer::content::all}, c);
    CHECK(s.code == prefer::errc::not_a_number);
    CHECK(s.index == 3);
    CHECK(std::string(s.argument) == Kind::input_fields[k].name);
    if (Kind::input_fields[k].content == prefer::content_of::probability) {
      c.in[c.at(k)].set(3, 1.5);
      CHECK(run(loss, prefer::cpu{}, c).code == prefer::errc::bad_label);
    }
    c.in[c.at(k)].at(3) = good;
  }
  CHECK(c.untouched());
  covers(name, "bad-argument");
}

template <class Kind>
void check_promises(const char* name, const cpu_subject<Kind>& loss, double roundings) {
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

template void check_promises(const char*, const cpu_subject<prefer::pair_kind>&, double);
template void check_promises(const char*, const cpu_subject<prefer::reward_pair_kind>&, double);
template void check_promises(const char*, const cpu_subject<prefer::response_kind>&, double);
template void check_promises(const char*, const cpu_subject<prefer::segment_pair_kind>&, double);
template void check_promises(const char*, const cpu_subject<prefer::scored_kind>&, double);
template void check_promises(const char*, const cpu_subject<prefer::transition_kind>&, double);
template void check_promises(const char*, const cpu_subject<prefer::action_kind>&, double);

}  // namespace prefer_test
