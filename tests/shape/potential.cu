// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/shape/potential.cuh>
#include <shape/potential.hpp>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <type_traits>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::covers;
using prefer_test::device;
using prefer_test::storage;
using prefer_test::stream;
using prefer_test::transitions;

namespace {

template <class S>
using compute = std::conditional_t<std::is_same_v<S, double>, double, float>;

// The vectors of a call on the device, found by those of the host.
template <class S>
struct mirror {
  transitions<S>& host;
  device<S> reward, potential, next, discount, upstream, shaped, bonus, by_potential, by_next;
  device<bool> terminal, mask;

  explicit mirror(transitions<S>& t)
      : host(t),
        reward(t.reward),
        potential(t.potential),
        next(t.next),
        discount(t.discount),
        upstream(t.upstream),
        shaped(t.shaped),
        bonus(t.bonus),
        by_potential(t.by_potential),
        by_next(t.by_next),
        terminal(t.terminal),
        mask(t.mask) {}
  device<S>& of(const buffer<S>& v) {
    return &v == &host.reward         ? reward
           : &v == &host.potential    ? potential
           : &v == &host.next         ? next
           : &v == &host.discount     ? discount
           : &v == &host.upstream     ? upstream
           : &v == &host.shaped       ? shaped
           : &v == &host.bonus        ? bonus
           : &v == &host.by_potential ? by_potential
                                      : by_next;
  }
  status run(const cuda& exec, const potential_shaping& how, bool own) {
    return prefer_test::shape<compute<S>>(
        exec, how, host, own, [&](auto& v) { return of(v).read(); }, [&](auto& v) { return of(v).view(); },
        [&](auto& v) { return &v == &host.mask ? mask.read() : terminal.read(); });
  }
  void check_outputs(double discount_of_all, bool own) {
    buffer<S>* const out[] = {&host.shaped, &host.bonus, &host.by_potential, &host.by_next};
    for (int k = 0; k < 4; ++k) {
      of(*out[k]).fetch();
      for (std::int64_t i = 0; i < host.n; ++i) {
        INFO("output " << k << " of transition " << i << " of " << host.n);
        const double exact = static_cast<double>(host.expected(k, i, own ? host.discount.get(i) : discount_of_all));
        CHECK(std::fabs(out[k]->get(i) - exact) <= std::ldexp(8.0, -storage<compute<S>>::digits) +
                                                       std::ldexp(std::fabs(exact), 1 - storage<S>::digits) +
                                                       std::ldexp(1.0, storage<S>::least_exponent));
      }
      CHECK(out[k]->intact());
    }
  }
};

template <class S>
void check_all(std::int64_t n, std::int64_t stride, bool own) {
  stream s;
  transitions<S> t(n, stride);
  mirror<S> m(t);
  const prefer_test::device_workspace memory(shape_rewards_workspace(n));
  prefer_test::enqueues_only("shaping", n > 0 ? 1 : 0, [&] {
    check(m.run(cuda{.stream = s.handle, .workspace = memory.get()}, {.discount = 0.875}, own));
  });
  s.wait();
  m.check_outputs(0.875, own);
  covers<S>("potential_shaping", "sizes");
  covers("potential_shaping", "allocation");
}

}  // namespace

TEST_CASE("shaped rewards on CUDA are the formula's, in one launch") {
  for (std::int64_t n : {0, 1, 31, 257, 2500}) check_all<float>(n, 1, n % 2 == 0);
  check_all<double>(300, 2, true), check_all<half>(300, 1, false), check_all<bfloat16>(300, 2, true);
}

TEST_CASE("a captured call takes the discount that is there when it is replayed; errors are named") {
  stream s;
  transitions<float> t(40);
  mirror<float> m(t);
  buffer<double> discount(1);
  device<double> there(discount);
  const prefer_test::device_workspace memory(shape_rewards_workspace(40));
  const cuda exec{.stream = s.handle, .workspace = memory.get()};
  const auto graph = prefer_test::capture(s.handle, [&] { check(m.run(exec, {.discount = there.data()}, false)); });
  for (const double x : {0.25, 1.0}) {
    discount.set(0, x), there.send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    m.check_outputs(x, false);
  }
  cudaGraphExecDestroy(graph);
  const status st = m.run(exec, {.discount = 2.0}, false);
  CHECK((st.code == errc::bad_parameter && std::string(st.argument) == "discount"));
  for (const char* tag : {"capture", "bad-argument"}) covers("potential_shaping", tag);
}
