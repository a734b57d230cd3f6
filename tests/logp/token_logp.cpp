// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/logp/token_logp.hpp>
#include <prefer/logp/token_shards.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>
#include <support/golden_logits.hpp>
#include <support/token_call.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace prefer;
using prefer_test::compute_of;
using prefer_test::storage;
using prefer_test::token_bounds;
using prefer_test::token_memory;
using prefer_test::token_textbook;
using prefer_test::token_truth;
using prefer_test::token_weights;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity(), not_a_number = std::numeric_limits<double>::quiet_NaN();

// The answers for a row and its gradient, and what rounding them to their types may have cost: the checks are the same
// for all types.
struct row_answers {
  double logp, loss, max, log_sum, entropy, choices, argmax_prob;
  std::int64_t target, argmax;
  std::vector<double> logits, gradient;
  long double (*rounding)(long double), (*gradient_rounding)(long double);
};

void check_answers(const row_answers& got, const token_softmax& options, const token_truth& t,
                   const token_bounds<double>& bound) {
  const auto near = [&](double answer, long double exact, long double by) {
    if (std::isinf(exact)) return answer == static_cast<double>(exact);
    return std::fabs(answer - exact) <= by + got.rounding(exact);
  };
  INFO("V = " << got.logits.size() << ", log-sum-exp " << static_cast<double>(t.log_sum_exp));
  CHECK(near(got.logp, t.logp, bound.logp(t)));
  CHECK(near(got.entropy, t.entropy, bound.entropy(t)));
  CHECK(near(got.argmax_prob, t.top, 4 * bound.unit * (bound.factor + 2 * bound.transform)));
  CHECK(near(got.max + got.log_sum, t.log_sum_exp, bound.log_sum_exp(t)));
  CHECK(got.choices == static_cast<double>(t.choices));
  CHECK(got.argmax == t.argmax);
  if (!std::isinf(t.logp)) {
    const prefer_test::token_numbers o(options);
    const long double all = std::fabs(t.log_sum_exp);
    const long double smooth = o.smoothing * (all + std::fabs(t.loss) + bound.transform + 1) * 2 * bound.factor;
    const long double square = o.z_loss * (2 * all + 1) * (bound.log_sum_exp(t) + bound.unit * all);
    CHECK(near(got.loss, t.loss, bound.logp(t) + bound.unit * smooth + square));
  }
  std::size_t wrong = 0, first = 0;
  for (std::size_t v = got.gradient.size(); v-- > 0;) {
    const long double exact = t.gradient[v];
    const long double by = bound.gradient(t, v) + got.gradient_rounding(exact) + 1e-37L * (bound.unit > 1e-10L);
    const bool absent = std::isinf(got.logits[v]) && static_cast<std::int64_t>(v) != got.target;
    if (std::fabs(got.gradient[v] - exact) <= by && (!absent || got.gradient[v] == 0)) continue;
    ++wrong, first = v;
  }
  INFO("column " << first << ": " << got.gradient[first] << " is " << static_cast<double>(t.gradient[first]));
  CHECK(wrong == 0);
}

// The answers and the gradient of row i.
template <class S, class A>
void check_row(token_memory<S, A>& c, std::int64_t i, const token_softmax& options, const token_truth& t) {
  token_bounds<double> bound(c.logits.logits(i), options);
  bound.unit = std::ldexp(1.0L, -storage<compute_of<S>>::digits);
  check_answers({c.logp.get(i), c.loss.get(i), c.max.get(i), c.log_sum.get(i), c.entropy.get(i), c.choices.get(i),
                 c.argmax_prob.get(i), c.target.at(i), c.argmax.at(i), c.logits.logits(i), c.gradient.logits(i),
                 prefer_test::rounding<A>, prefer_test::rounding<S>},
                options, t, bound);
}

template <class S>
void check_golden() {
  for (const prefer_test::golden_logits& g : prefer_test::golden_rows_of_logits) {
    const token_softmax options = g.softmax();
    token_memory<S> c(1, 6);
    for (int v = 0; v < 6; ++v) c.logits.set(0, v, g.logit(v));
    c.target.at(0) = g.target;
    token_weights w;
    w.logp = static_cast<double>(g.upstream[0]), w.loss = static_cast<double>(g.upstream[1]);
    w.entropy = static_cast<double>(g.upstream[2]), w.log_sum_exp = static_cast<double>(g.upstream[3]);
    c.set_weights(0, w);
    token_truth t = token_textbook(c.logits.logits(0), g.target, options, w);
    // The oracle of the other tests is itself held against the table.
    CHECK(std::fabs(t.logp - g.answer[0]) <= 1e-17L * std::fabs(g.answer[0]) + 1e-4000L);
    CHECK(std::fabs(t.entropy - g.answer[3]) <= 1e-15L);
    for (std::size_t v = 0; v < 6; ++v)
      CHECK(std::fabs(t.gradient[v] - g.gradient[v]) <= 1e-15L * (t.size[v] + std::fabs(g.gradient[v])));
    t.logp = g.answer[0], t.loss = g.answer[1], t.log_sum_exp = g.answer[2], t.entropy = g.answer[3];
    t.choices = g.answer[4], t.top = g.answer[5];
    for (std::size_t v = 0; v < 6; ++v) t.gradient[v] = g.gradient[v];
    for (isa level : prefer_test::levels()) {
      REQUIRE(token_logp<compute_of<S>>(cpu{.isa = level}, options, c.inputs(), c.outputs()).ok());
      check_row(c, 0, options, t);
      REQUIRE(token_logp_gradient<compute_of<S>>(cpu{.isa = level}, options, c.saved(options),
                                                 {.grad_logits = c.gradient.view()})
                  .ok());
      check_row(c, 0, options, t);
    }
  }
}

// Random rows, one of them ignored; answers and gradient against the textbook, then the gradient from saved answers and
// in place.
template <class S>
void check_random(std::int64_t v, const token_softmax& options, std::int64_t gap, std::int64_t offset,
                  std::int64_t step = 1, const cpu& exec = {}) {
  constexpr std::int64_t m = 3;
  using T = compute_of<S>;
  token_memory<S> c(m, v, gap, offset, step);
  prefer_test::noise random(static_cast<std::uint64_t>(v));
  c.logits.fill(random, -9, 9);
  for (std::int64_t i = 0; i < m; ++i) {
    c.target.at(i) = static_cast<std::int64_t>(random.uniform(0, static_cast<double>(v)));
    c.set_weights(i, {random.uniform(-1, 1), random.uniform(-1, 1), random.uniform(-1, 1), random.uniform(-1, 1)});
    if (v > 3) c.logits.set(i, v / 2, -inf);
  }
  c.target.at(1) = -100;
  for (std::int64_t e = 0; e < v; ++e) c.logits.set(1, e, not_a_number);
  if (c.logits.get(0, c.target.at(0)) == -inf || c.logits.get(2, c.target.at(2)) == -inf) return;
  REQUIRE(token_logp<T>(exec, options, c.inputs(), c.outputs()).ok());
  const auto check_rows = [&] {
    for (std::int64_t i : {0, 2})
      check_row(c, i, options, token_textbook(c.logits.logits(i), c.target.at(i), options, c.weights(i)));
    for (std::int64_t e = 0; e < v; ++e) CHECK(c.gradient.get(1, e) == 0);
    CHECK((c.logp.get(1) == 0 && c.loss.get(1) == 0 && c.entropy.get(1) == 0 && c.log_sum.get(1) == 0));
    CHECK(c.argmax.at(1) == -1);
  };
  check_rows();
  const auto fused = c.gradient.memory.bytes();
  REQUIRE(token_logp_gradient<T>(exec, options, c.saved(options), {.grad_logits = c.gradient.view()}).ok());
  check_rows();
  CHECK(c.intact());
  const auto apart = c.gradient.memory.bytes();
  // In place, the ignored row's logits included.
  token_memory<S> again = c;
  REQUIRE(token_logp_gradient<T>(exec, options, again.saved(options), {.grad_logits = again.logits.view()}).ok());
  CHECK(again.logits.memory.bytes() == apart);
  again = c;
  auto out = again.outputs();
  out.grad_logits = again.logits.view();
  REQUIRE(token_logp<T>(exec, options, again.inputs(), out).ok());
  CHECK(again.logits.memory.bytes() == fused);
}

template <class S>
void check_sizes() {
  const token_softmax all = {.temperature = 0.7, .logit_scale = 0.3, .soft_cap = 5.0, .label_smoothing = 0.1,
                             .z_loss = 0.01};
  for (std::int64_t v : {1, 2, 7, 15, 16, 17, 31, 32, 33, 63, 65, 129, 1000, 1023, 1025, 2047, 2048, 2049, 4099}) {
    check_random<S>(v, {}, 0, 0);
    check_random<S>(v, all, 3, 1);
  }
  check_random<S>(100, {.temperature = 2.0}, 0, 0, 2);
  check_random<S>(5000, {.soft_cap = 30.0}, 1, 3);
  for (const char* tag : {"sizes", "strides", "sentinel", "gradient", "masked"})
    prefer_test::covers<S>("token_logp", tag);
}

}  // namespace

TEST_CASE("token_logp: golden rows at 400 digits, every storage type and level, both ways to the gradient") {
  SUBCASE("float") { check_golden<float>(); }
  SUBCASE("double") { check_golden<double>(); }
  SUBCASE("half") { check_golden<half>(); }
  SUBCASE("bfloat16") { check_golden<bfloat16>(); }
  prefer_test::covers("token_logp", "golden");
}

TEST_CASE("token_logp: rows of every length agree with the textbook; in place, strided and misaligned alike") {
  SUBCASE("float") { check_sizes<float>(); }
  SUBCASE("double") { check_sizes<double>(); }
  SUBCASE("half") { check_sizes<half>(); }
  SUBCASE("bfloat16") { check_sizes<bfloat16>(); }
}

TEST_CASE("token_logp: log p keeps its digits where p is close to 1, and 1 - p does in the gradient") {
  for (double gap : {1.0, 10.0, 20.0, 40.0, 80.0}) {
    token_memory<float> c(1, 3);
    c.logits.set(0, 0, gap), c.logits.set(0, 1, 0), c.logits.set(0, 2, -1);
    c.target.at(0) = 0;
    c.set_weights(0, {.logp = 1});
    REQUIRE(token_logp<float>(cpu{}, {}, c.inputs(), c.outputs()).ok());
    const double rest = std::exp(-gap) * (1 + std::exp(-1.0));
    CHECK(c.logp.get(0) == doctest::Approx(-std::log1p(rest)).epsilon(1e-6));
    CHECK(c.gradient.get(0, 0) == doctest::Approx(rest / (1 + rest)).epsilon(1e-6));
  }
  const auto rounded_last = [](auto zero, double p) {  // to 16 bits after the 1 is taken off, not before
    using S = decltype(zero);
    token_memory<S> c(1, 2);
    c.logits.set(0, 0, std::log(p / (1 - p))), c.logits.set(0, 1, 0);
    c.target.at(0) = 0;
    c.set_weights(0, {.logp = -1});
    REQUIRE(token_logp<float>(cpu{}, {}, c.inputs(), c.outputs()).ok());
    const double exact = -1 / (1 + std::exp(c.logits.get(0, 0)));
    CHECK(prefer_test::ulps<S>(c.gradient.get(0, 0), exact) <= 0.51);
  };
  for (double p : {0.9, 0.99, 0.999, 0.9999}) rounded_last(bfloat16{}, p), rounded_last(half{}, p);
}

TEST_CASE("token_logp: a common offset changes nothing, and far below the maximum log p is the gap") {
  for (double offset : {-1e6, -1e4, -208.0, 0.0, 208.0, 1e4, 1e6}) {
    token_memory<float> c(1, 300);
    for (std::int64_t v = 0; v < 300; ++v) c.logits.set(0, v, offset + static_cast<double>(v % 7) - 112 * (v == 5));
    c.target.at(0) = 5;
    auto in = c.inputs();
    auto out = c.outputs();
    in.grad_logp = in.grad_loss = in.grad_entropy = in.grad_log_sum_exp = {};
    out.grad_logits = {};
    REQUIRE(token_logp<float>(cpu{}, {}, in, out).ok());
    token_memory<float> zero(1, 300);
    for (std::int64_t v = 0; v < 300; ++v) zero.logits.set(0, v, static_cast<double>(v % 7) - 112 * (v == 5));
    const token_truth t = token_textbook(zero.logits.logits(0), 5, {});
    CHECK(c.logp.get(0) == doctest::Approx(static_cast<double>(t.logp)).epsilon(1e-7));
    CHECK(c.log_sum.get(0) == doctest::Approx(static_cast<double>(t.log_sum_exp) - 6).epsilon(1e-7));
    CHECK(c.max.get(0) == offset + 6);
  }
  prefer_test::covers("token_logp", "tails");
}

TEST_CASE("token_logp: a maximum that rises or falls a little or a lot along the row, whatever the offset") {
  constexpr std::int64_t v = 20000;
  for (double step : {-150.0, -1.5, 0.25, 1.5, 2.5, 60.0, 150.0})
    for (double offset : {0.0, 1e6})  // where the distances of each new maximum are off in their own way
      for (const token_softmax& options : {token_softmax{}, token_softmax{.label_smoothing = 0.1}}) {
        token_memory<float> c(1, v);
        prefer_test::noise random(23);
        c.logits.fill(random, -1, 1);
        for (std::int64_t e = 0; e < v; ++e)
          c.logits.set(0, e, offset + (c.logits.get(0, e) + step * static_cast<double>(e / 1000)));
        c.target.at(0) = 12345;
        c.set_weights(0, {1, 0.5, 0.25, 0.125});
        const token_truth t = token_textbook(c.logits.logits(0), 12345, options, c.weights(0));
        for (isa level : prefer_test::levels()) {
          INFO("step " << step << " offset " << offset);
          REQUIRE(token_logp<float>(cpu{.isa = level}, options, c.inputs(), c.outputs()).ok());
          check_row(c, 0, options, t);
        }
      }
}

TEST_CASE("token_logp: a target anywhere, at the ends of steps, of tiles and of the row") {
  const auto check = [](auto zero) {
    using S = decltype(zero);
    constexpr std::int64_t v = 9221;
    token_memory<S> c(1, v, 0, 1);
    prefer_test::noise random(29);
    c.logits.fill(random, -3, 3);
    for (std::int64_t target : {0, 1, 31, 32, 1023, 1024, 1055, 2047, 2048, 4095, 4096, 8191, 9183, 9184, 9215, 9216,
                                9220}) {
      c.target.at(0) = target;
      c.set_weights(0, {.logp = 1});
      REQUIRE(token_logp<float>(cpu{}, {.temperature = 0.5}, c.inputs(), c.outputs()).ok());
      const token_truth t = token_textbook(c.logits.logits(0), target, {.temperature = 0.5}, c.weights(0));
      const token_bounds<float> bound(c.logits.logits(0), {.temperature = 0.5});
      CHECK(std::fabs(c.logp.get(0) - t.logp) <= bound.logp(t));
      CHECK(c.argmax.at(0) == t.argmax);
      int wrong = 0;
      for (std::size_t e = 0; e < t.gradient.size(); ++e) {
        const double got = c.gradient.get(0, static_cast<std::int64_t>(e));
        wrong += !(std::fabs(got - t.gradient[e]) <= bound.gradient(t, e) + prefer_test::rounding<S>(t.gradient[e]));
      }
      CHECK(wrong == 0);
    }
  };
  SUBCASE("float") { check(float{}); }
  SUBCASE("bfloat16") { check(bfloat16{}); }
  SUBCASE("half") { check(half{}); }
}

TEST_CASE("token_logp: one token left of 262144, wherever it is; then the row is certain") {
  constexpr std::int64_t v = 262144;
  token_memory<bfloat16> c(1, v);
  for (std::int64_t e = 0; e < v; ++e) c.logits.set(0, e, -inf);
  for (std::int64_t at : {std::int64_t{0}, std::int64_t{1}, std::int64_t{4095}, std::int64_t{16384}, v / 2 + 17, v - 1})
    for (std::int64_t target : {at, std::int64_t{7}}) {
      c.logits.set(0, at, -3);
      c.target.at(0) = target;
      c.set_weights(0, {.logp = 1, .entropy = 1});
      REQUIRE(token_logp<float>(cpu{}, {}, c.inputs(), c.outputs()).ok());
      CHECK(c.logp.get(0) == (at == target ? 0 : -inf));
      CHECK((c.max.get(0) == -3 && c.log_sum.get(0) == 0 && c.entropy.get(0) == 0 && c.choices.get(0) == 1));
      CHECK((c.argmax.at(0) == at && c.argmax_prob.get(0) == 1));
      CHECK(c.gradient.get(0, at) == (at == target ? 0 : -1));
      CHECK(c.gradient.get(0, target) == (at == target ? 0 : 1));
      int others = 0;
      for (std::int64_t e = 0; e < v; ++e) others += e != at && e != target && c.gradient.get(0, e) != 0;
      CHECK(others == 0);
      c.logits.set(0, at, -inf);
    }
}

TEST_CASE("token_logp: rows of the lowest or the largest number, as masks that are not -inf leave them") {
  constexpr std::int64_t v = 2100;
  constexpr double most = std::numeric_limits<float>::max();
  for (isa level : prefer_test::levels())
    for (double extreme : {-most, most, 1e38, -2.4e38})
      for (bool alone : {false, true}) {
        token_memory<float> c(1, v);
        for (std::int64_t e = 0; e < v; ++e) c.logits.set(0, e, alone && e != 1500 ? -most : extreme);
        if (alone) c.logits.set(0, 1500, extreme == -most ? -0.9 * most : extreme);
        c.target.at(0) = 1500;
        c.set_weights(0, {.logp = 1});
        token_logp_outputs<space::host> out = {
            .logp = c.logp.view(), .log_sum = c.log_sum.view(), .grad_logits = c.gradient.view()};
        REQUIRE(token_logp<float>(cpu{.isa = level}, {}, c.inputs(), out).ok());
        INFO(extreme << ", alone " << alone);
        const double logp = alone ? 0 : -std::log(static_cast<double>(v));
        CHECK(c.logp.get(0) == doctest::Approx(logp).epsilon(1e-6));
        CHECK(c.log_sum.get(0) == doctest::Approx(-logp).epsilon(1e-6));
        const double share = alone ? 0 : -1 / static_cast<double>(v);
        for (std::int64_t e : {std::int64_t{0}, std::int64_t{1499}, v - 1})
          CHECK(c.gradient.get(0, e) == doctest::Approx(share).epsilon(1e-6));
        CHECK(c.gradient.get(0, 1500) == doctest::Approx(alone ? 0 : 1 + share).epsilon(1e-6));
      }
}

TEST_CASE("token_logp: a logit that the lowest number masks is no choice, nor does smoothing pull at it") {
  const token_softmax options = {.label_smoothing = 0.25};
  const auto check = [&](std::int64_t v, auto masks, double choices, const cpu& exec) {
    token_memory<float> masked(1, v), without(1, v);
    prefer_test::noise random(31);
    masked.logits.fill(random, -3, 3);
    without.logits = masked.logits;
    for (std::int64_t e = 0; e < v; ++e)
      if (masks(e)) masked.logits.set(0, e, -std::numeric_limits<float>::max()), without.logits.set(0, e, -inf);
    for (auto* c : {&masked, &without}) {
      c->target.at(0) = v - 3, c->set_weights(0, {0, 1, 0.5, 0});
      REQUIRE(token_logp<float>(exec, options, c->inputs(), c->outputs()).ok());
      CHECK(c->choices.get(0) == choices);
    }
    CHECK(masked.loss.get(0) == without.loss.get(0));
    CHECK(masked.entropy.get(0) == without.entropy.get(0));
    CHECK(masked.gradient.memory.bytes() == without.gradient.memory.bytes());
  };
  for (isa level : prefer_test::levels()) {
    const cpu exec{.isa = level};
    check(70, [](std::int64_t e) { return e % 5 == 3; }, 56, exec);
    check(70, [](std::int64_t e) { return e != 67; }, 1, exec);                    // all but the target
    check(40000, [](std::int64_t e) { return e < 30000; }, 10000, exec);           // whole chunks
    check(40000, [](std::int64_t e) { return e % 64 > 0 && e != 39997; }, 626, exec);  // most lanes
  }
}

TEST_CASE("token_logp: a soft cap holds the largest numbers where it is") {
  const token_softmax options = {.temperature = 0.5, .logit_scale = 2.0, .soft_cap = 30.0};
  for (isa level : prefer_test::levels()) {
    token_memory<float> c(1, 40);
    prefer_test::noise random(37);
    c.logits.fill(random, -40, 40);
    c.logits.set(0, 5, 1e30), c.logits.set(0, 6, -1e30), c.logits.set(0, 39, -std::numeric_limits<float>::max());
    for (std::int64_t target : {5, 6, 12}) {
      c.target.at(0) = target, c.set_weights(0, {1, 0.5, 0.25, 0.125});
      REQUIRE(token_logp<float>(cpu{.isa = level}, options, c.inputs(), c.outputs()).ok());
      check_row(c, 0, options, token_textbook(c.logits.logits(0), target, options, c.weights(0)));
      CHECK(c.choices.get(0) == 40);
    }
  }
}

TEST_CASE("token_logp: rows more than 2^32 elements apart") {
  // Two rows of a matrix whose first element would lie far below: only their own memory exists.
  constexpr std::int64_t v = 40, row = 3, stride = (std::int64_t{1} << 31) + 5;
  token_memory<half> c(2, v);
  prefer_test::noise random(41);
  c.logits.fill(random, -3, 3);
  for (std::int64_t i = 0; i < 2; ++i) c.target.at(i) = 5 * i, c.set_weights(i, {1, 0, 0, 0});
  REQUIRE(token_logp<float>(cpu{}, {}, c.inputs(), c.outputs()).ok());
  const std::int64_t rows[] = {row}, target[] = {5};
  const double one = 1;
  double logp;
  std::vector<half> gradient(v);
  const auto far = [](const void* p) {
    return reinterpret_cast<std::uintptr_t>(p) - static_cast<std::uintptr_t>(row * stride) * sizeof(half);
  };
  REQUIRE(token_logp<float>(cpu{}, {},
                            {.logits = {reinterpret_cast<const half*>(far(&c.logits.at(1, 0))), row + 1, v, stride, 1},
                             .target = {target, 1},
                             .rows = {rows, 1},
                             .grad_logp = {&one, 1}},
                            {.logp = {&logp, 1},
                             .grad_logits = {reinterpret_cast<half*>(far(gradient.data())), row + 1, v, stride, 1}})
              .ok());
  CHECK(logp == c.logp.get(1));
  CHECK(std::memcmp(gradient.data(), &c.gradient.at(1, 0), v * sizeof(half)) == 0);
}

TEST_CASE("token_logp: a vocabulary of nothing has no distribution; without the check of content a bad target is NaN") {
  token_memory<float> c(3, 20);
  prefer_test::noise random(43);
  c.logits.fill(random, -3, 3);
  double log_sum[3];
  const view<const float, 2> nothing(c.logits.memory.data(), 3, 0, 20, 1);
  REQUIRE(token_logp<float>(cpu{}, {}, {.logits = nothing}, {.log_sum = {log_sum, 3}}).ok());
  for (double x : log_sum) CHECK(std::isnan(x));
  CHECK(token_logp<float>(cpu{}, {}, {.logits = nothing, .target = c.target.read()}, {.log_sum = {log_sum, 3}}).code ==
        errc::bad_index);
  for (std::int64_t bad : {std::int64_t{-1}, std::int64_t{20}, std::int64_t{1} << 40,
                           std::numeric_limits<std::int64_t>::min()}) {
    for (std::int64_t i = 0; i < 3; ++i) c.target.at(i) = i == 1 ? bad : i, c.set_weights(i, {1, 0, 0, 0});
    REQUIRE(token_logp<float>(cpu{.content = content::none}, {}, c.inputs(), c.outputs()).ok());
    for (std::int64_t i = 0; i < 3; ++i) {
      CHECK((std::isnan(c.logp.get(i)) == (i == 1) && std::isnan(c.log_sum.get(i)) == (i == 1)));
      for (std::int64_t e = 0; e < 20; ++e) CHECK(std::isnan(c.gradient.get(i, e)) == (i == 1));
    }
  }
}

TEST_CASE("token_logp: NaN, infinity or nothing at all makes a row NaN, and only that row") {
  for (double cap : {0.0, 4.0})
    for (std::int64_t v : {5, 3000})
      for (double bad : {not_a_number, inf, -inf}) {
        token_memory<float> c(3, v);
        prefer_test::noise random(5);
        c.logits.fill(random, -3, 3);
        const bool everywhere = bad == -inf;
        for (std::int64_t e = 0; e < v; ++e)
          if (everywhere || e == v - 2) c.logits.set(1, e, bad);
        for (std::int64_t target : {std::int64_t{1}, v - 2}) {
          for (std::int64_t i = 0; i < 3; ++i) c.target.at(i) = target, c.set_weights(i, {1, 1, 1, 1});
          const token_softmax options = {.soft_cap = cap, .label_smoothing = 0.1};
          REQUIRE(token_logp<float>(cpu{}, options, c.inputs(), c.outputs()).ok());
          const bool finite = cap > 0 && bad == inf;
          INFO("cap " << cap << " V " << v << " bad " << bad << " target " << target);
          for (std::int64_t i = 0; i < 3; ++i) {
            const bool number = i != 1 || finite;
            CHECK(std::isnan(c.logp.get(i)) != number);
            CHECK(std::isnan(c.entropy.get(i)) != number);
            CHECK(std::isnan(c.log_sum.get(i)) != number);
            CHECK(std::isnan(c.loss.get(i)) != number);
            CHECK(std::isnan(c.argmax_prob.get(i)) != number);
            CHECK((c.argmax.at(i) >= 0) == number);
            for (std::int64_t e = 0; e < v; ++e) CHECK(std::isnan(c.gradient.get(i, e)) != number);
          }
          auto in = c.inputs();
          in.grad_loss = in.grad_entropy = in.grad_log_sum_exp = {};
          REQUIRE(token_logp<float>(cpu{}, {.soft_cap = cap}, in,
                                    {.logp = c.logp.view(), .grad_logits = c.gradient.view()})
                      .ok());
          CHECK(std::isnan(c.logp.get(1)) == !finite);
          for (std::int64_t e = 0; e < v; ++e) CHECK(std::isnan(c.gradient.get(1, e)) == !finite);
        }
      }
}

TEST_CASE("token_logp: the gradient is the finite difference of the textbook, for every answer and option") {
  const token_softmax options = {.temperature = 1.5, .logit_scale = 0.5, .soft_cap = 3.0, .label_smoothing = 0.2,
                                 .z_loss = 0.05};
  const std::vector<token_weights> each = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}, {-0.5, 2, -1, 0.25}};
  for (const token_weights& w : each) {
    token_memory<double> c(1, 9);
    prefer_test::noise random(3);
    c.logits.fill(random, -4, 4);
    c.target.at(0) = 4;
    c.set_weights(0, w);
    auto in = c.inputs();
    in.grad_scale = -2.0;
    REQUIRE(token_logp<double>(cpu{}, options, in, c.outputs()).ok());
    for (std::size_t v = 0; v < 9; ++v) {
      const auto objective = [&](double by) {
        auto x = c.logits.logits(0);
        x[v] += by;
        const token_truth t = token_textbook(x, 4, options);
        return -2 * (w.logp * t.logp + w.loss * t.loss + w.entropy * t.entropy + w.log_sum_exp * t.log_sum_exp);
      };
      const double h = 0x1p-17;
      const long double slope = (objective(h) - objective(-h)) / (2 * h);
      CHECK(c.gradient.get(0, static_cast<std::int64_t>(v)) ==
            doctest::Approx(static_cast<double>(slope)).epsilon(1e-8).scale(0.1));
    }
  }
}

TEST_CASE("token_logp: probabilities add up to 1, ties go to the lowest index, every option counts") {
  token_memory<double> c(1, 7);
  double sum = 0;
  for (std::int64_t y = 0; y < 7; ++y) {
    for (std::int64_t v = 0; v < 7; ++v) c.logits.set(0, v, v == 3 || v == 5 ? 2 : 0.25 * static_cast<double>(v));
    c.target.at(0) = y;
    c.set_weights(0, {1, 0, 0, 0});
    REQUIRE(token_logp<double>(cpu{}, {}, c.inputs(), c.outputs()).ok());
    sum += std::exp(c.logp.get(0));
    CHECK(c.argmax.at(0) == 3);
    double total = 0;
    for (std::int64_t v = 0; v < 7; ++v) total += c.gradient.get(0, v);
    CHECK(std::fabs(total) < 1e-15);
  }
  CHECK(sum == doctest::Approx(1).epsilon(1e-14));
  const auto loss = [&](const token_softmax& options) {
    check(token_logp<double>(cpu{}, options, {.logits = c.logits.read(), .target = c.target.read()},
                             {.loss = c.loss.view()}));
    return c.loss.get(0);
  };
  const double plain = loss({});
  CHECK(plain == -c.logp.get(0));
  for (const token_softmax& o : {token_softmax{.temperature = 2.0}, token_softmax{.logit_scale = 2.0},
                                 token_softmax{.soft_cap = 1.0}, token_softmax{.label_smoothing = 0.1},
                                 token_softmax{.z_loss = 0.1}})
    CHECK(std::fabs(loss(o) - plain) > 1e-3);
  const double temperature = 2;
  CHECK(loss({.temperature = &temperature}) == loss({.temperature = 2.0}));
  prefer_test::covers("token_logp", "identity");
}

TEST_CASE("token_logp: without targets the distribution is the same; no answer depends on the others asked for") {
  token_memory<float> c(2, 777);
  prefer_test::noise random(9);
  c.logits.fill(random, -5, 5);
  c.target.at(0) = 3, c.target.at(1) = 776;
  REQUIRE(token_logp<float>(cpu{}, {}, {.logits = c.logits.read(), .target = c.target.read()},
                            {.logp = c.logp.view(), .argmax = c.argmax.view()})
              .ok());
  token_memory<float> all = c, blind = c;
  for (std::int64_t i = 0; i < 2; ++i) all.set_weights(i, {1, 1, 1, 1}), blind.set_weights(i, {0, 0, 1, 1});
  REQUIRE(token_logp<float>(cpu{}, {}, all.inputs(), all.outputs()).ok());
  CHECK(c.logp.bytes() == all.logp.bytes());
  CHECK(c.argmax.bytes() == all.argmax.bytes());
  auto in = blind.inputs();
  auto out = blind.outputs();
  in.target = in.grad_logp = in.grad_loss = {};
  out.logp = out.loss = {};
  REQUIRE(token_logp<float>(cpu{}, {}, in, out).ok());
  for (std::int64_t i = 0; i < 2; ++i) {
    CHECK(blind.log_sum.get(i) == doctest::Approx(all.log_sum.get(i)).epsilon(1e-6));
    CHECK(blind.entropy.get(i) == doctest::Approx(all.entropy.get(i)).epsilon(1e-6));
    CHECK(blind.argmax.at(i) == all.argmax.at(i));
    const token_truth t = token_textbook(c.logits.logits(i), 0, {}, {0, 0, 1, 1});
    for (std::size_t v = 0; v < 777; ++v)
      CHECK(blind.gradient.get(i, static_cast<std::int64_t>(v)) ==
            doctest::Approx(static_cast<double>(t.gradient[v])).epsilon(1e-5).scale(1e-3));
  }
}

TEST_CASE("token_logp: rows of a list are computed, the others are neither read nor written") {
  constexpr std::int64_t m = 6, v = 500;
  token_memory<float> dense(m, v, 2, 1);
  prefer_test::noise random(11);
  dense.logits.fill(random, -5, 5);
  for (std::int64_t i = 0; i < m; ++i) dense.target.at(i) = 10 * i, dense.set_weights(i, {1, 0, 0, 0});
  REQUIRE(token_logp<float>(cpu{}, {}, dense.inputs(), dense.outputs()).ok());
  const std::int32_t rows[] = {1, 2, 5};
  token_memory<float> listed(m, v, 2, 1);
  listed.logits = dense.logits;
  for (std::int64_t i : {0, 3, 4})
    for (std::int64_t e = 0; e < v; ++e) listed.logits.set(i, e, not_a_number);
  std::int32_t target[] = {10, 20, 50};
  const float one = 1;
  float logp[3];
  REQUIRE(token_logp<float>(cpu{}, {},
                            {.logits = listed.logits.read(),
                             .target = {target, 3},
                             .rows = {rows, 3},
                             .grad_logp = {&one, 3, 0}},
                            {.logp = {logp, 3}, .grad_logits = listed.gradient.view()})
              .ok());
  const token_memory<float> fresh(m, v, 2, 1);
  for (std::int64_t i = 0, k = 0; i < m; ++i) {
    const bool chosen = k < 3 && rows[k] == i;
    if (chosen) CHECK(logp[k++] == static_cast<float>(dense.logp.get(i)));
    token_memory<float> untouched = fresh;
    for (std::int64_t e = 0; e < v; ++e) {
      float& expected = chosen ? dense.gradient.at(i, e) : untouched.gradient.at(i, e);
      CHECK(std::memcmp(&listed.gradient.at(i, e), &expected, sizeof(float)) == 0);
    }
  }
}

TEST_CASE("token_logp: rows whose derivatives are all zero are not read for the gradient") {
  token_memory<half> c(3, 50);
  prefer_test::noise random(2);
  c.logits.fill(random, -5, 5);
  for (std::int64_t i = 0; i < 3; ++i) c.target.at(i) = 4, c.set_weights(i, {i == 1 ? -0.0 : -1.0, 0, 0, 0});
  REQUIRE(token_logp<float>(cpu{}, {}, c.inputs(), c.outputs()).ok());
  const auto once = c.gradient.memory.bytes();
  for (std::int64_t e = 0; e < 50; ++e) c.logits.set(1, e, not_a_number);
  c.logp.set(1, not_a_number);
  REQUIRE(token_logp_gradient<float>(cpu{}, {}, c.saved({}), {.grad_logits = c.gradient.view()}).ok());
  for (std::int64_t e = 0; e < 50; ++e) {
    CHECK(c.gradient.get(1, e) == 0);
    CHECK(c.gradient.get(0, e) != 0);
  }
  auto in = c.inputs();
  REQUIRE(token_logp<float>(cpu{}, {}, in, {.grad_logits = c.gradient.view()}).ok());
  CHECK(c.gradient.memory.bytes() == once);
}

TEST_CASE("token_logp: the same bits for any number of threads, few long rows and many, and for a row in any batch") {
  const auto bits = [](auto& c, const cpu& exec) {
    REQUIRE(token_logp<float>(exec, {.label_smoothing = 0.1}, c.inputs(), c.outputs()).ok());
    auto all = c.gradient.memory.bytes();
    for (auto* b : {&c.logp, &c.loss, &c.entropy}) all.insert(all.end(), b->bytes().begin(), b->bytes().end());
    return all;
  };
  const auto check_threads = [&](std::int64_t m, std::int64_t v) {
    token_memory<bfloat16> c(m, v);
    prefer_test::noise random(7);
    c.logits.fill(random, -20, 20);
    for (std::int64_t i = 0; i < m; ++i) c.target.at(i) = (i * 7919) % v, c.set_weights(i, {1, 0.5, -1, 2});
    if (m > 2) c.target.at(2) = -100;
    const auto expected = bits(c, cpu{});
    for (int threads : {1, 2, 3, 8}) {
      thread_pool pool(threads);
      CHECK(bits(c, cpu{.pool = pool}) == expected);
    }
    // The last row alone, from its own memory.
    token_memory<bfloat16> last(1, v, 0, 3);
    for (std::int64_t e = 0; e < v; ++e) last.logits.at(0, e) = c.logits.at(m - 1, e);
    last.target.at(0) = c.target.at(m - 1), last.set_weights(0, {1, 0.5, -1, 2});
    bits(last, cpu{});
    CHECK(last.logp.get(0) == c.logp.get(m - 1));
    CHECK(std::memcmp(&last.gradient.at(0, 0), &c.gradient.at(m - 1, 0), static_cast<std::size_t>(v) * 2) == 0);
  };
  check_threads(2, 262144);
  check_threads(5, 20001);
  check_threads(40, 3000);
  prefer_test::covers("token_logp", "threads");
}

TEST_CASE("token_logp: nothing is allocated") {
  token_memory<half> c(4, 1000);
  prefer_test::noise random(1);
  c.logits.fill(random, -5, 5);
  for (std::int64_t i = 0; i < 4; ++i) c.target.at(i) = i, c.set_weights(i, {1, 1, 1, 1});
  const auto in = c.inputs();
  const auto out = c.outputs();
  const long before = prefer_test::allocation_count();
  const status s = token_logp<float>(cpu{}, {.soft_cap = 10.0}, in, out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK(s.ok());
  prefer_test::covers("token_logp", "allocation");
}

TEST_CASE("token_logp: 16-bit answers, and float maxima of double arithmetic, whose rounding log_sum takes up") {
  token_memory<double, half> c(2, 90);
  prefer_test::noise random(21);
  c.logits.fill(random, 995, 1005);  // a float keeps four digits behind the point
  for (std::int64_t i = 0; i < 2; ++i) c.target.at(i) = 5, c.set_weights(i, {1, 0, 0, 0});
  float max[2], log_sum[2];
  auto out = c.outputs();
  out.max = {max, 2}, out.log_sum = {log_sum, 2};
  REQUIRE(token_logp<double>(cpu{}, {}, c.inputs(), out).ok());
  for (std::int64_t i = 0; i < 2; ++i) {
    const token_truth t = token_textbook(c.logits.logits(i), 5, {}, c.weights(i));
    CHECK(std::fabs(c.logp.get(i) - t.logp) <= prefer_test::rounding<half>(t.logp) * 1.001L);
    // The two add up, to the precision of the smaller.
    CHECK(std::fabs(static_cast<double>(max[i]) + log_sum[i] - t.log_sum_exp) <= 4e-7L);
  }
}

TEST_CASE("token_logp: any cut of the vocabulary into shards gives the whole, with targets around every edge") {
  constexpr std::int64_t m = 4, v = 600;
  prefer_test::noise random(13);
  token_memory<float> whole(m, v);
  whole.logits.fill(random, -8, 8);
  for (std::int64_t e = 0; e < v; e += 7) whole.logits.set(1, e, -inf);
  const token_softmax options = {.temperature = 0.5, .label_smoothing = 0.1};
  for (const std::vector<std::int64_t>& cut : std::vector<std::vector<std::int64_t>>{
           {0, 600}, {0, 1, 600}, {0, 599, 600}, {0, 100, 101, 300, 600}, {0, 150, 300, 450, 600}}) {
    const auto shards = static_cast<std::int64_t>(cut.size()) - 1;
    for (std::int64_t edge : cut) {
      for (std::int64_t i = 0; i < m; ++i) {
        whole.target.at(i) = i == 3 ? -100 : std::min(std::max<std::int64_t>(edge + i - 1, 1), v - 1);
        if (whole.logits.get(i, whole.target.at(i) < 0 ? 0 : whole.target.at(i)) == -inf) whole.target.at(i) = 1;
        whole.set_weights(i, {1, 0.5, 0, -0.25});
      }
      REQUIRE(token_logp<float>(cpu{}, options, whole.inputs(), whole.outputs()).ok());
      std::vector<double> max(static_cast<std::size_t>(shards * m)), sum(max), own(max);
      std::vector<double> logp(m), top(m), log_sum(m), choices(m, 0);
      for (std::int64_t k = 0; k < shards; ++k) {
        const std::int64_t first = cut[static_cast<std::size_t>(k)], n = cut[static_cast<std::size_t>(k) + 1] - first;
        std::vector<double> here(m);
        REQUIRE(token_logp<float>(cpu{}, options,
                                  {.logits = {&whole.logits.at(0, first), m, n, whole.logits.row, 1},
                                   .target = whole.target.read(),
                                   .shard = {first, v}},
                                  {.choices = {here.data(), m},
                                   .shard_max = {&max[static_cast<std::size_t>(k * m)], m},
                                   .shard_sum = {&sum[static_cast<std::size_t>(k * m)], m},
                                   .shard_target = {&own[static_cast<std::size_t>(k * m)], m}})
                    .ok());
        for (std::size_t i = 0; i < m; ++i) choices[i] += here[i];
      }
      REQUIRE(combine_token_shards(cpu{}, options,
                                   {.shard_max = {max.data(), shards, m},
                                    .shard_sum = {sum.data(), shards, m},
                                    .shard_target = {own.data(), shards, m},
                                    .target = whole.target.read()},
                                   {.logp = {logp.data(), m}, .max = {top.data(), m}, .log_sum = {log_sum.data(), m}})
                  .ok());
      for (std::int64_t i = 0; i < m; ++i) {
        const auto at = static_cast<std::size_t>(i);
        CHECK(choices[at] == whole.choices.get(i));
        CHECK(top[at] == whole.max.get(i));
        CHECK(logp[at] == doctest::Approx(whole.logp.get(i)).epsilon(1e-6));
        CHECK(log_sum[at] == doctest::Approx(whole.log_sum.get(i)).epsilon(1e-6));
        if (i == 3) CHECK((logp[at] == 0 && log_sum[at] == 0));
      }
      for (std::int64_t k = 0; k < shards; ++k) {
        const std::int64_t first = cut[static_cast<std::size_t>(k)], n = cut[static_cast<std::size_t>(k) + 1] - first;
        std::vector<float> part(static_cast<std::size_t>(m * n));
        REQUIRE(token_logp_gradient<float>(cpu{}, options,
                                           {.logits = {&whole.logits.at(0, first), m, n, whole.logits.row, 1},
                                            .target = whole.target.read(),
                                            .logp = {logp.data(), m},
                                            .max = {top.data(), m},
                                            .log_sum = {log_sum.data(), m},
                                            .choices = {choices.data(), m},
                                            .grad_logp = whole.weight[0].read(),
                                            .grad_loss = whole.weight[1].read(),
                                            .grad_log_sum_exp = whole.weight[3].read(),
                                            .shard = {first, v}},
                                           {.grad_logits = {part.data(), m, n}})
                    .ok());
        for (std::int64_t i = 0; i < m; ++i)
          for (std::int64_t e = 0; e < n; ++e)
            CHECK(part[static_cast<std::size_t>(i * n + e)] ==
                  doctest::Approx(whole.gradient.get(i, first + e)).epsilon(1e-5).scale(1e-6));
      }
    }
  }
  std::vector<double> x(8);
  token_shard_inputs<space::host> in = {
      .shard_max = {x.data(), 2, 4}, .shard_sum = {x.data(), 2, 4}, .shard_target = {x.data(), 2, 4}};
  std::vector<double> y(4);
  CHECK(combine_token_shards(cpu{}, {}, in, {}).code == errc::missing_output);
  CHECK(combine_token_shards(cpu{}, {}, in, {.logp = {x.data(), 4}}).code == errc::overlap);
  in.shard_sum.extent[0] = 3;
  CHECK(std::string(combine_token_shards(cpu{}, {}, in, {.logp = {y.data(), 4}}).argument) == "shard_sum");
  in.shard_sum = {};
  CHECK(combine_token_shards(cpu{}, {}, in, {.logp = {y.data(), 4}}).code == errc::missing_input);
  const auto refused = [&](const token_shard& shard, auto out) {
    return token_logp<float>(cpu{}, {}, {.logits = whole.logits.read(), .target = whole.target.read(), .shard = shard},
                             out);
  };
  const token_logp_outputs<space::host> sums = {.shard_sum = {y.data(), 4}};
  CHECK(std::string(refused({1, v}, sums).argument) == "shard.first");
  CHECK(std::string(refused({-1, 2 * v}, sums).argument) == "shard.first");
  CHECK(std::string(refused({0, v + 1}, token_logp_outputs<space::host>{.logp = {y.data(), 4}}).argument) == "logp");
}

TEST_CASE("token_logp: what is wrong is named, and nothing is written") {
  token_memory<float> c(4, 10);
  prefer_test::noise random(1);
  c.logits.fill(random, -5, 5);
  for (std::int64_t i = 0; i < 4; ++i) c.target.at(i) = i, c.set_weights(i, {1, 1, 1, 1});
  using inputs = token_logp_inputs<space::host>;
  using outputs = token_logp_outputs<space::host>;
  using saved = token_logp_gradient_inputs<space::host>;
  const auto named = [](const status& s, errc code, const char* argument) {
    INFO(message(s).c_str() << " expected for " << argument);
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
  };
  const auto refused = [&](errc code, const char* argument, auto change, const token_softmax& options = {},
                           const cpu& exec = {}) {
    inputs in = c.inputs();
    outputs out = c.outputs();
    change(in, out);
    named(token_logp<float>(exec, options, in, out), code, argument);
  };
  const auto nothing = [](inputs&, outputs&) {};
  refused(errc::missing_input, "logits", [](inputs& in, outputs&) { in.logits = {}; });
  refused(errc::bad_extent, "logits", [](inputs& in, outputs&) { in.logits.extent[1] = -1; });
  refused(errc::null_data, "logits", [](inputs& in, outputs&) { in.logits.data = nullptr; });
  refused(errc::bad_element, "logits", [](inputs& in, outputs&) { in.logits.type = element::i32; });
  refused(errc::bad_stride, "logits", [](inputs& in, outputs&) { in.logits.stride[0] = -1; });
  refused(errc::bad_element, "target", [](inputs& in, outputs&) { in.target.type = element::f32; });
  refused(errc::bad_extent, "target", [](inputs& in, outputs&) { in.target.extent[0] = 3; });
  refused(errc::missing_input, "target", [](inputs& in, outputs&) { in.target = {}; });
  refused(errc::bad_extent, "grad_entropy", [](inputs& in, outputs&) { in.grad_entropy.extent[0] = 5; });
  refused(errc::bad_parameter, "grad_scale", [](inputs& in, outputs&) { in.grad_scale = not_a_number; });
  refused(errc::unused_input, "grad_logp", [](inputs&, outputs& out) { out.grad_logits = {}; });
  refused(errc::missing_input, "grad_logp", [](inputs& in, outputs&) {
    in.grad_logp = in.grad_loss = in.grad_entropy = in.grad_log_sum_exp = {};
  });
  refused(errc::missing_output, "outputs", [](inputs&, outputs& out) { out = {}; });
  refused(errc::bad_element, "max", [](inputs&, outputs& out) { out.max.type = element::f16; });
  refused(errc::bad_element, "argmax", [](inputs&, outputs& out) { out.argmax.type = element::f64; });
  refused(errc::bad_stride, "grad_logits", [](inputs&, outputs& out) { out.grad_logits.stride[0] = 9; });
  refused(errc::bad_extent, "grad_logits", [](inputs&, outputs& out) { out.grad_logits.extent[0] = 3; });
  refused(errc::overlap, "grad_logits", [](inputs& in, outputs& out) {
    out.grad_logits.data = const_cast<void*>(in.logits.data);
    out.grad_logits.type = element::bf16;
  });
  refused(errc::overlap, "entropy", [](inputs&, outputs& out) { out.entropy = out.logp; });
  refused(errc::bad_parameter, "temperature", nothing, {.temperature = 0.0});
  refused(errc::bad_parameter, "logit_scale", nothing, {.logit_scale = -1.0});
  refused(errc::bad_parameter, "soft_cap", nothing, {.soft_cap = -1.0});
  refused(errc::bad_parameter, "label_smoothing", nothing, {.label_smoothing = 1.5});
  refused(errc::bad_parameter, "z_loss", nothing, {.z_loss = inf});
  for (std::int64_t bad : {std::int64_t{-1}, std::int64_t{10}, std::numeric_limits<std::int64_t>::min()}) {
    c.target.at(2) = bad;
    refused(errc::bad_index, "target", nothing);
  }
  c.target.at(2) = 2;
  const std::int64_t rows[4] = {0, 2, 2, 3}, beyond[4] = {0, 1, 2, 4};
  refused(errc::bad_index, "rows", [&](inputs& in, outputs&) { in.rows = {rows, 4}; });
  refused(errc::bad_index, "rows", [&](inputs& in, outputs&) { in.rows = {beyond, 4}; });
  refused(errc::bad_extent, "target", [&](inputs& in, outputs&) { in.rows = {beyond, 3}; });
  c.logits.set(3, 3, not_a_number);
  refused(errc::not_a_number, "logits", nothing, {}, cpu{.content = content::all});
  const auto refused_gradient = [&](errc code, const char* argument, auto change) {
    saved in = c.saved({});
    change(in);
    named(token_logp_gradient<float>(cpu{}, {}, in, {.grad_logits = c.gradient.view()}), code, argument);
  };
  refused_gradient(errc::missing_input, "max", [](saved& in) { in.max = {}; });
  refused_gradient(errc::missing_input, "log_sum", [](saved& in) { in.log_sum = {}; });
  refused_gradient(errc::missing_input, "logp", [](saved& in) { in.logp = {}; });
  refused_gradient(errc::missing_input, "entropy", [](saved& in) { in.entropy = {}; });
  refused_gradient(errc::unused_input, "entropy", [](saved& in) { in.grad_entropy = {}; });
  refused_gradient(errc::unused_input, "choices", [](saved& in) { in.choices = in.max; });
  named(token_logp_gradient<float>(cpu{}, {}, c.saved({}), {}), errc::missing_output, "outputs");
  prefer_test::covers("token_logp", "bad-argument");
  CHECK(c.untouched());
}
