// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/logp/token_divergence.hpp>
#include <prefer/logp/validate_logits.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>
#include <support/divergence_call.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace prefer;
using prefer_test::compute_of;
using prefer_test::divergence_memory;
using prefer_test::divergence_row_is;
using prefer_test::divergence_truth;
using prefer_test::wide;
using prefer_test::wide_tolerance;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity(), not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr divergence_kind kinds[] = {divergence_kind::forward_kl, divergence_kind::reverse_kl,
                                     divergence_kind::jensen_shannon};

struct golden_row {
  long double p[6], q[6];
  int kind;
  long double options[2];  // beta, temperature
  long double answer[3];   // the divergence, KL(p || m), KL(q || m)
  long double by_p[6], by_q[6];
};
const golden_row golden[] = {
#include <golden_token_divergence.inc>
};

template <class S>
void check_golden() {
  for (const golden_row& g : golden) {
    const row_divergence options = {.kind = static_cast<divergence_kind>(g.kind),
                                    .beta = static_cast<double>(g.options[0]),
                                    .temperature = static_cast<double>(g.options[1])};
    divergence_memory<S> c(1, 6);
    for (int v = 0; v < 6; ++v) c.p.set(0, v, static_cast<double>(g.p[v])), c.q.set(0, v, static_cast<double>(g.q[v]));
    divergence_truth t = c.truth(0, options);
    // The oracle of the other tests is itself held against the table.
    const auto alike = [](long double a, long double b) {
      return a == b || std::fabs(a - b) <= 1e-15L * (1 + std::fabs(b));
    };
    CHECK((alike(t.value, g.answer[0]) && alike(t.to_p, g.answer[1]) && alike(t.to_q, g.answer[2])));
    for (std::size_t v = 0; v < 6; ++v) CHECK((alike(t.by_p[v], g.by_p[v]) && alike(t.by_q[v], g.by_q[v])));
    t.value = g.answer[0], t.to_p = g.answer[1], t.to_q = g.answer[2];
    for (std::size_t v = 0; v < 6; ++v) t.by_p[v] = g.by_p[v], t.by_q[v] = g.by_q[v];
    for (isa level : prefer_test::levels()) {
      INFO("row " << (&g - golden) << ": " << static_cast<double>(t.value));
      REQUIRE(token_divergence<compute_of<S>>(cpu{.isa = level}, options, c.inputs(), c.outputs(options)).ok());
      CHECK(divergence_row_is<compute_of<S>>(c, 0, t, options.mixes()));
      REQUIRE(
          token_divergence_gradient<compute_of<S>>(cpu{.isa = level}, options, c.saved(options), c.gradients()).ok());
      CHECK(divergence_row_is<compute_of<S>>(c, 0, t, options.mixes(), prefer_test::saved_statistics));
    }
  }
}

// Random rows, one of them masked and full of NaN; all three ways to the gradients.
template <class S>
void check_random(std::int64_t v, const row_divergence& options, std::int64_t gap, std::int64_t offset,
                  std::int64_t step = 1) {
  using T = compute_of<S>;
  divergence_memory<S> c(3, v, gap, offset, step);
  prefer_test::noise random(static_cast<std::uint64_t>(v));
  c.p.fill(random, -6, 6), c.q.fill(random, -6, 6);
  for (std::int64_t i = 0; i < 3; ++i) c.upstream.set(i, random.uniform(-2, 2));
  if (v > 3) c.p.set(0, v / 2, -inf), c.p.set(2, v - 1, -inf), c.q.set(2, v - 1, -inf);
  c.mask.at(1) = false;
  for (std::int64_t e = 0; e < v; ++e) c.p.set(1, e, not_a_number), c.q.set(1, e, not_a_number);
  const divergence_truth first = c.truth(0, options), last = c.truth(2, options);
  const auto check_rows = [&](long double saved = 0) {
    INFO("V = " << v << ", kind " << static_cast<int>(options.kind));
    CHECK(divergence_row_is<T>(c, 0, first, options.mixes(), saved));
    CHECK(divergence_row_is<T>(c, 2, last, options.mixes(), saved));
    for (std::int64_t e = 0; e < v; ++e) CHECK((c.grad_p.get(1, e) == 0 && c.grad_q.get(1, e) == 0));
    CHECK((c.value.get(1) == 0 && c.p_max.get(1) == 0 && c.p_log_sum.get(1) == 0 && c.q_log_sum.get(1) == 0));
  };
  REQUIRE(token_divergence<T>(cpu{}, options, c.inputs(), c.outputs(options)).ok());
  check_rows();
  const auto fused_p = c.grad_p.logits(0), fused_q = c.grad_q.logits(0);
  REQUIRE(token_divergence_gradient<T>(cpu{}, options, c.saved(options), c.gradients()).ok());
  check_rows(prefer_test::saved_statistics);
  CHECK(c.intact());
  divergence_memory<S> again = c;  // in place
  auto out = again.outputs(options);
  out.grad_p_logits = again.p.view(), out.grad_q_logits = again.q.view();
  REQUIRE(token_divergence<T>(cpu{}, options, again.inputs(), out).ok());
  CHECK((again.p.logits(0) == fused_p && again.q.logits(0) == fused_q && again.p.get(1, 0) == 0));
}

template <class S>
void check_sizes() {
  for (divergence_kind kind : kinds) {
    const row_divergence options = {.kind = kind, .beta = 0.25, .temperature = 0.75};
    for (std::int64_t v : {1, 2, 7, 16, 17, 33, 511, 513, 1025}) check_random<S>(v, options, v % 3, v % 2);
    check_random<S>(100, {.kind = kind}, 0, 0, 2);
  }
  check_random<S>(20000, {.kind = divergence_kind::jensen_shannon}, 1, 1);
  for (const char* tag : {"sizes", "strides", "sentinel", "gradient", "masked"})
    prefer_test::covers<S>("token_divergence", tag);
}

// sum of p (e^-d - 1 + d) with d = log p - log q, which has no difference of large numbers.
long double close_kl(const std::vector<double>& x, const std::vector<double>& y) {
  const auto lp = prefer_test::log_softmax(x, 1), lq = prefer_test::log_softmax(y, 1);
  long double sum = 0;
  for (std::size_t v = 0; v < lp.size(); ++v) {
    const long double d = lp[v] - lq[v];
    sum += std::exp(lp[v]) * (std::expm1(-d) + d);
  }
  return sum;
}

}  // namespace

TEST_CASE("token_divergence: golden rows at 50 digits, every storage type and level, both ways to the gradients") {
  SUBCASE("float") { check_golden<float>(); }
  SUBCASE("double") { check_golden<wide>(); }
  SUBCASE("half") { check_golden<half>(); }
  SUBCASE("bfloat16") { check_golden<bfloat16>(); }
  prefer_test::covers("token_divergence", "golden");
}

TEST_CASE("token_divergence: rows of every length agree with the textbook; in place, strided and misaligned alike") {
  SUBCASE("float") { check_sizes<float>(); }
  SUBCASE("double") { check_sizes<wide>(); }
  SUBCASE("half") { check_sizes<half>(); }
  SUBCASE("bfloat16") { check_sizes<bfloat16>(); }
}

TEST_CASE("token_divergence: however near the rows are, the divergence keeps its digits and is not negative") {
  constexpr std::int64_t v = 3000;
  for (double step : {1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6}) {
    divergence_memory<float> c(1, v);
    prefer_test::noise random(31);
    c.p.fill(random, -4, 4);
    for (std::int64_t e = 0; e < v; ++e) c.q.set(0, e, c.p.get(0, e) + random.uniform(-step, step));
    const long double exact = close_kl(c.p.logits(0), c.q.logits(0));
    for (divergence_kind kind : kinds) {
      const row_divergence options = {.kind = kind};
      REQUIRE(token_divergence<float>(cpu{}, options, c.inputs(), c.outputs(options)).ok());
      // To second order the three are one KL, and a quarter of it; by symmetry the difference is of third order.
      const double expected = static_cast<double>(kind == divergence_kind::jensen_shannon ? exact / 4 : exact);
      INFO("step " << step << ", kind " << static_cast<int>(kind));
      const bool same = kind == divergence_kind::forward_kl;
      CHECK(std::fabs(c.value.get(0) - expected) <= (same ? 1e-5 : 1e-5 + step) * expected);
      // The gradient by q of a KL is q - p to the last digits too.
      if (same) {
        const auto lp = prefer_test::log_softmax(c.p.logits(0), 1), lq = prefer_test::log_softmax(c.q.logits(0), 1);
        for (std::int64_t e = 0; e < v; e += 7) {
          const auto at = static_cast<std::size_t>(e);
          const long double by = std::exp(lp[at]) * std::expm1(lq[at] - lp[at]);
          CHECK(std::fabs(c.grad_q.get(0, e) - by) <= 1e-5L * std::exp(lp[at]) * step);
        }
      }
    }
  }
}

TEST_CASE("token_divergence: normalisers that are off, here by a rounding to float, do not show in near rows") {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    divergence_memory<float> c(1, 7);
    prefer_test::noise random(seed + 40);
    c.p.fill(random, -4, 4);
    for (std::int64_t e = 0; e < 7; ++e) c.q.set(0, e, c.p.get(0, e) + random.uniform(-2e-6, 2e-6));
    const auto exact = static_cast<double>(close_kl(c.p.logits(0), c.q.logits(0)));
    float max_p, log_sum_p, max_q, log_sum_q;
    for (divergence_kind kind : kinds) {
      double value = 0;
      REQUIRE(token_divergence<float>(cpu{}, {.kind = kind}, {.p_logits = c.p.read(), .q_logits = c.q.read()},
                                      {.divergence = {&value, 1},
                                       .p_max = {&max_p, 1},
                                       .p_log_sum = {&log_sum_p, 1},
                                       .q_max = {&max_q, 1},
                                       .q_log_sum = {&log_sum_q, 1}})
                  .ok());
      const double expected = kind == divergence_kind::jensen_shannon ? exact / 4 : exact;
      CHECK(std::fabs(value - expected) <= 3e-5 * expected);
    }
  }
}

TEST_CASE("token_divergence: what all logits of a row have in common changes nothing; equal rows have none") {
  constexpr std::int64_t v = 700;
  for (divergence_kind kind : kinds)
    for (double temperature : {1.0, 0.7}) {
      const row_divergence options = {.kind = kind, .beta = 0.25, .temperature = temperature};
      divergence_memory<float> c(1, v);
      prefer_test::noise random(3);
      for (std::int64_t e = 0; e < v; ++e)  // eighths are exact at 1e6
        c.p.set(0, e, std::round(8 * random.uniform(-4, 4)) / 8),
            c.q.set(0, e, std::round(8 * random.uniform(-4, 4)) / 8);
      const divergence_truth t = c.truth(0, options);
      for (double offset : {-1e6, -1e4, 0.0, 1e4, 1e6}) {
        divergence_memory<float> moved = c;
        for (std::int64_t e = 0; e < v; ++e) moved.p.set(0, e, c.p.get(0, e) + offset);
        REQUIRE(token_divergence<float>(cpu{}, options, moved.inputs(), moved.outputs(options)).ok());
        CHECK(divergence_row_is<float>(moved, 0, t, options.mixes()));
        for (std::int64_t e = 0; e < v; ++e) moved.q.set(0, e, c.p.get(0, e));
        REQUIRE(token_divergence<float>(cpu{}, options, moved.inputs(), moved.outputs(options)).ok());
        CHECK((moved.value.get(0) >= 0 && moved.value.get(0) <= 1e-20));
        for (std::int64_t e = 0; e < v; ++e) CHECK(std::fabs(moved.grad_q.get(0, e)) <= 1e-10);
      }
    }
  prefer_test::covers("token_divergence", "tails");
}

TEST_CASE("token_divergence: a token that only p has makes KL(p || q) infinite and its gradient is defined") {
  for (std::int64_t v : {5, 900}) {
    divergence_memory<float> c(2, v);
    prefer_test::noise random(9);
    c.p.fill(random, -3, 3), c.q.fill(random, -3, 3);
    c.q.set(0, v - 2, -inf);
    const auto lp = prefer_test::log_softmax(c.p.logits(0), 1), lq = prefer_test::log_softmax(c.q.logits(0), 1);
    for (divergence_kind kind : kinds) {
      const row_divergence options = {.kind = kind};
      const bool infinite = kind == divergence_kind::forward_kl;
      for (bool apart : {false, true}) {
        if (apart)
          REQUIRE(token_divergence_gradient<float>(cpu{}, options, c.saved(options), c.gradients()).ok());
        else
          REQUIRE(token_divergence<float>(cpu{}, options, c.inputs(), c.outputs(options)).ok());
        CHECK((c.value.get(0) == inf) == infinite);
        CHECK((std::isfinite(c.value.get(1)) && c.value.get(1) > 0));
        for (std::int64_t e = 0; e < v; ++e) {
          const auto at = static_cast<std::size_t>(e);
          CHECK((std::isfinite(c.grad_p.get(0, e)) && std::isfinite(c.grad_q.get(0, e))));
          if (!infinite) continue;
          CHECK(c.grad_p.get(0, e) == 0);
          const double by_q = static_cast<double>(std::exp(lq[at]) - std::exp(lp[at]));
          CHECK(c.grad_q.get(0, e) == doctest::Approx(by_q).epsilon(1e-5));
        }
      }
    }
  }
}

TEST_CASE("token_divergence: NaN, infinity or nothing at all on either side makes a row NaN, and only that row") {
  for (divergence_kind kind : kinds)
    for (bool in_p : {false, true})
      for (double bad : {not_a_number, inf, -inf}) {
        const row_divergence options = {.kind = kind};
        divergence_memory<float> c(3, 600);
        prefer_test::noise random(5);
        c.p.fill(random, -3, 3), c.q.fill(random, -3, 3);
        for (std::int64_t e = 0; e < 600; ++e)
          if (bad == -inf || e == 598) (in_p ? c.p : c.q).set(1, e, bad);
        const auto check_rows = [&] {
          INFO("kind " << static_cast<int>(kind) << " bad " << bad << " in p " << in_p);
          for (std::int64_t i = 0; i < 3; ++i) {
            CHECK(std::isnan(c.value.get(i)) == (i == 1));
            for (std::int64_t e = 0; e < 600; ++e)
              CHECK((std::isnan(c.grad_p.get(i, e)) == (i == 1) && std::isnan(c.grad_q.get(i, e)) == (i == 1)));
          }
        };
        REQUIRE(token_divergence<float>(cpu{}, options, c.inputs(), c.outputs(options)).ok());
        check_rows();
        REQUIRE(token_divergence_gradient<float>(cpu{}, options, c.saved(options), c.gradients()).ok());
        check_rows();
      }
}

TEST_CASE("token_divergence: the gradients are the finite differences of the textbook, times any derivative") {
  for (divergence_kind kind : kinds) {
    const row_divergence options = {.kind = kind, .beta = 0.3, .temperature = 1.5};
    divergence_memory<wide> c(1, 9);
    prefer_test::noise random(3);
    c.p.fill(random, -4, 4), c.q.fill(random, -4, 4);
    c.upstream.set(0, -0.5);
    auto in = c.inputs();
    in.grad_scale = 3.0;
    REQUIRE(token_divergence<wide>(cpu{}, options, in, c.outputs(options)).ok());
    for (auto* side : {&c.p, &c.q}) {
      for (std::int64_t e = 0; e < 9; ++e) {
        const double x = side->get(0, e), h = 0x1p-12;
        const auto at = [&](double y) {
          side->set(0, e, y);
          const long double value = c.truth(0, options).value;
          side->set(0, e, x);
          return value;
        };
        const long double slope = (8 * (at(x + h) - at(x - h)) - (at(x + 2 * h) - at(x - 2 * h))) / (12 * h);
        const double got = (side == &c.p ? c.grad_p : c.grad_q).get(0, e);
        CHECK(got == doctest::Approx(static_cast<double>(-1.5L * slope))
                         .epsilon(wide_tolerance(1e-9))
                         .scale(wide_tolerance(1e-4)));
      }
    }
  }
}

TEST_CASE("token_divergence: reversed it is the other KL; Jensen-Shannon is symmetric, bounded, and goes to the KLs") {
  constexpr std::int64_t m = 4, v = 257;
  divergence_memory<wide> c(m, v), swapped(m, v), other(m, v);
  prefer_test::noise random(8);
  c.p.fill(random, -5, 5), c.q.fill(random, -5, 5);
  for (std::int64_t e = 0; e < v; ++e) (e < 100 ? c.p : c.q).set(3, e, -inf);  // nothing in common
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t e = 0; e < v; ++e) swapped.p.set(i, e, c.q.get(i, e)), swapped.q.set(i, e, c.p.get(i, e));
  const auto run = [&](divergence_memory<wide>& x, const row_divergence& o) {
    REQUIRE(token_divergence<wide>(cpu{}, o, x.inputs(), x.outputs(o)).ok());
    return x.value.values();
  };
  const auto forward = run(c, {}), reverse = run(c, {.kind = divergence_kind::reverse_kl});
  CHECK(run(swapped, {.kind = divergence_kind::reverse_kl}) == forward);
  const auto js = [](double beta) { return row_divergence{.kind = divergence_kind::jensen_shannon, .beta = beta}; };
  const auto quarter = run(c, js(0.25)), mirrored = run(swapped, js(0.75)), half_way = run(c, js(0.5));
  for (std::size_t i = 0; i < m; ++i) {
    const auto at = static_cast<std::int64_t>(i);
    CHECK(quarter[i] == doctest::Approx(mirrored[i]).epsilon(wide_tolerance(1e-13)));
    CHECK((half_way[i] > 0 && half_way[i] <= std::log(2.0) * (1 + wide_tolerance(1e-13))));
    run(c, js(0.25));
    CHECK(quarter[i] == doctest::Approx(0.25 * c.to_p.get(at) + 0.75 * c.to_q.get(at)).epsilon(wide_tolerance(1e-13)));
  }
  CHECK(half_way[3] == doctest::Approx(std::log(2.0)).epsilon(wide_tolerance(1e-14)));
  const auto to_forward = run(c, js(1e-5)), to_reverse = run(c, js(1 - 1e-5));
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(to_forward[i] / 1e-5 == doctest::Approx(forward[i]).epsilon(1e-2));
    CHECK(to_reverse[i] / 1e-5 == doctest::Approx(reverse[i]).epsilon(1e-2));
  }
  divergence_memory<float> one(2, 1);  // one token: nothing to differ in
  one.p.set(0, 0, 3), one.p.set(1, 0, -1e4), one.q.set(0, 0, -7), one.q.set(1, 0, 1e6);
  for (divergence_kind kind : kinds) {
    const row_divergence o = {.kind = kind};
    REQUIRE(token_divergence<float>(cpu{}, o, one.inputs(), one.outputs(o)).ok());
    for (std::int64_t i = 0; i < 2; ++i)
      CHECK((one.value.get(i) == 0 && one.grad_p.get(i, 0) == 0 && one.grad_q.get(i, 0) == 0));
  }
  prefer_test::covers("token_divergence", "identity");
}

TEST_CASE("token_divergence: the same bits for any number of threads, few long rows and many, for a row in any batch") {
  const row_divergence options = {.kind = divergence_kind::jensen_shannon, .beta = 0.1, .temperature = 2.0};
  const auto check_threads = [&](std::int64_t m, std::int64_t v) {
    divergence_memory<bfloat16> c(m, v);
    prefer_test::noise random(7);
    c.p.fill(random, -20, 20), c.q.fill(random, -20, 20);
    if (m > 2) c.mask.at(2) = false;
    const auto bits = [&](auto& x, const cpu& exec) {
      REQUIRE(token_divergence<float>(exec, options, x.inputs(), x.outputs(options)).ok());
      return x.all_bytes();
    };
    const auto expected = bits(c, cpu{});
    for (int threads : {2, 3, 8}) {
      thread_pool pool(threads);
      CHECK(bits(c, cpu{.pool = pool}) == expected);
    }
    // The last row alone, from its own memory.
    divergence_memory<bfloat16> last(1, v, 0, 3);
    for (std::int64_t e = 0; e < v; ++e) last.p.at(0, e) = c.p.at(m - 1, e), last.q.at(0, e) = c.q.at(m - 1, e);
    bits(last, cpu{});
    CHECK(last.value.get(0) == c.value.get(m - 1));
    const auto bytes = static_cast<std::size_t>(v) * 2;
    CHECK(std::memcmp(&last.grad_p.at(0, 0), &c.grad_p.at(m - 1, 0), bytes) == 0);
    CHECK(std::memcmp(&last.grad_q.at(0, 0), &c.grad_q.at(m - 1, 0), bytes) == 0);
  };
  check_threads(2, 70000);
  check_threads(40, 3001);
  prefer_test::covers("token_divergence", "threads");
}

TEST_CASE("token_divergence: rows by index give what they give among all, and others are left alone") {
  constexpr std::int64_t m = 5, v = 530;
  for (divergence_kind kind : kinds) {
    const row_divergence options = {.kind = kind};
    divergence_memory<float> dense(m, v), listed(m, v);
    prefer_test::noise random(12);
    dense.p.fill(random, -4, 4), dense.q.fill(random, -4, 4);
    listed.p = dense.p, listed.q = dense.q;
    REQUIRE(token_divergence<float>(cpu{}, options, dense.inputs(), dense.outputs(options)).ok());
    const std::int32_t rows[] = {1, 4};
    divergence_memory<float> part(2, 1);  // vectors of two
    auto in = listed.inputs();
    auto out = part.outputs(options);
    in.rows = {rows, 2}, in.mask = {}, in.grad_divergence = part.upstream.read();
    out.grad_p_logits = listed.grad_p.view(), out.grad_q_logits = listed.grad_q.view();
    REQUIRE(token_divergence<float>(cpu{}, options, in, out).ok());
    divergence_memory<float> fresh(m, v);
    for (std::int64_t i = 0; i < m; ++i) {
      const bool chosen = i == 1 || i == 4;
      if (chosen) CHECK(part.value.get(i == 4) == dense.value.get(i));
      for (std::int64_t e = 0; e < v; ++e)
        for (auto member : {&divergence_memory<float>::grad_p, &divergence_memory<float>::grad_q})
          CHECK(std::memcmp(&(listed.*member).at(i, e), &((chosen ? dense : fresh).*member).at(i, e), 4) == 0);
    }
  }
}

TEST_CASE("token_divergence: statistics kept as floats serve the gradients, and one side alone can be asked for") {
  divergence_memory<float> c(2, 300);
  prefer_test::noise random(2);
  c.p.fill(random, -4, 4), c.q.fill(random, -4, 4);
  float value[2], a[2], b[2], d[2], e[2];
  for (divergence_kind kind : {divergence_kind::forward_kl, divergence_kind::reverse_kl}) {
    const row_divergence options = {.kind = kind};
    REQUIRE(token_divergence<float>(
                cpu{}, options, {.p_logits = c.p.read(), .q_logits = c.q.read()},
                {.divergence = {value, 2}, .p_max = {a, 2}, .p_log_sum = {b, 2}, .q_max = {d, 2}, .q_log_sum = {e, 2}})
                .ok());
    token_divergence_gradient_inputs<space::host> in = {.p_logits = c.p.read(),
                                                        .q_logits = c.q.read(),
                                                        .p_max = {a, 2},
                                                        .p_log_sum = {b, 2},
                                                        .q_max = {d, 2},
                                                        .q_log_sum = {e, 2},
                                                        .grad_divergence = c.upstream.read()};
    if (kind == divergence_kind::reverse_kl) in.divergence = {value, 2};  // the student's own: q's
    REQUIRE(token_divergence_gradient<float>(cpu{}, options, in, {.grad_q_logits = c.grad_q.view()}).ok());
    for (std::int64_t i = 0; i < 2; ++i) {
      const divergence_truth t = c.truth(i, options);
      CHECK(value[i] == doctest::Approx(static_cast<double>(t.value)).epsilon(1e-5));
      for (std::size_t v = 0; v < 300; ++v)
        CHECK(std::fabs(c.grad_q.get(i, static_cast<std::int64_t>(v)) - t.by_q[v]) <= 1e-5L * (t.size_q[v] + 1e-3L));
    }
  }
  CHECK(c.grad_p.memory.untouched());
  // What a float cannot hold of a maximum goes to its log_sum.
  divergence_memory<wide> far(2, 300);
  far.p.fill(random, 995, 1005), far.q.fill(random, 995, 1005);
  const row_divergence mixture = {.kind = divergence_kind::jensen_shannon, .temperature = 2.0};
  REQUIRE(token_divergence<wide>(
              cpu{}, mixture, {.p_logits = far.p.read(), .q_logits = far.q.read()},
              {.divergence = {value, 2}, .p_max = {a, 2}, .p_log_sum = {b, 2}, .q_max = {d, 2}, .q_log_sum = {e, 2}})
              .ok());
  for (std::int64_t i = 0; i < 2; ++i) {
    const long double exact = far.truth(i, mixture).value;
    CHECK(std::fabs(value[i] - exact) <= 1e-6L * exact);
  }
}

TEST_CASE(
    "token_divergence: statistics, the divergence and gradients are each optional, and do not change the others") {
  constexpr std::int64_t v = 70;
  for (const std::int64_t m : {3, 256, 513})
    for (divergence_kind kind : kinds)
      for (const bool by_index : {false, true}) {
        const row_divergence options = {.kind = kind};
        divergence_memory<bfloat16> whole(m, v), matrix(m + 2, v);
        prefer_test::noise random(21);
        matrix.p.fill(random, -5, 5), matrix.q.fill(random, -5, 5);
        std::vector<std::int32_t> rows;
        for (std::int64_t i = 0; i < m; ++i) rows.push_back(static_cast<std::int32_t>(i < m - 1 ? i : m + 1));
        for (std::int64_t i = 0; i < m; ++i)
          whole.mask.at(i) = i % 5 != 1, whole.upstream.set(i, i % 3 == 0 ? 1 : -0.25);
        // What is not asked for is left as it was.
        const auto run = [&](auto leave_out) {
          divergence_memory<bfloat16> c = whole;
          divergence_memory<bfloat16> at = matrix;
          auto in = c.inputs();
          auto out = c.outputs(options);
          in.p_logits = at.p.read(), in.q_logits = at.q.read();
          out.grad_p_logits = at.grad_p.view(), out.grad_q_logits = at.grad_q.view();
          if (by_index) {
            in.rows = {rows.data(), m};
          } else {
            for (auto* x : {&in.p_logits, &in.q_logits}) x->extent[0] = m;
            for (auto* x : {&out.grad_p_logits, &out.grad_q_logits}) x->extent[0] = m;
          }
          leave_out(out, in);
          thread_pool pool(3);
          CHECK(token_divergence<float>(cpu{.pool = pool}, options, in, out).ok());
          CHECK((out.p_max.given() || c.p_max.untouched()));
          CHECK((out.q_log_sum.given() || c.q_log_sum.untouched()));
          CHECK((out.divergence.given() || c.value.untouched()));
          const auto bytes = [](auto& b) { return std::vector<unsigned char>(b.bytes().begin(), b.bytes().end()); };
          return std::vector{bytes(c.value), bytes(c.p_max),          bytes(c.p_log_sum),
                             bytes(c.q_max), bytes(c.q_log_sum),      bytes(c.to_p),
                             bytes(c.to_q),  bytes(at.grad_p.memory), bytes(at.grad_q.memory)};
        };
        using outputs = token_divergence_outputs<space::host>;
        using inputs = token_divergence_inputs<space::host>;
        const auto all = run([](outputs&, inputs&) {});
        const auto none = run([](outputs& o, inputs&) { o.p_max = o.p_log_sum = o.q_max = o.q_log_sum = {}; });
        const auto some = run([](outputs& o, inputs&) { o.p_max = o.q_log_sum = {}; });
        const auto slopes = run([](outputs& o, inputs&) {
          o = outputs{.grad_p_logits = o.grad_p_logits, .grad_q_logits = o.grad_q_logits};
        });
        const auto value =
            run([](outputs& o, inputs& in) { o = outputs{.divergence = o.divergence}, in.grad_divergence = {}; });
        INFO("M = " << m << ", kind " << static_cast<int>(kind) << ", by index " << by_index);
        for (const std::size_t k : {0u, 5u, 6u, 7u, 8u}) CHECK((none[k] == all[k] && some[k] == all[k]));
        CHECK((some[2] == all[2] && some[3] == all[3]));
        CHECK((slopes[7] == all[7] && slopes[8] == all[8]));
        CHECK(value[0] == all[0]);
      }
}

TEST_CASE("token_divergence: nothing is allocated") {
  divergence_memory<half> c(4, 1000);
  prefer_test::noise random(1);
  c.p.fill(random, -5, 5), c.q.fill(random, -5, 5);
  const row_divergence options = {.kind = divergence_kind::jensen_shannon};
  const auto in = c.inputs();
  const auto out = c.outputs(options);
  const long before = prefer_test::allocation_count();
  const status s = token_divergence<float>(cpu{}, options, in, out);
  const status t = token_divergence<float>(cpu{}, options, in, {.grad_q_logits = out.grad_q_logits});
  CHECK(prefer_test::allocation_count() == before);
  CHECK((s.ok() && t.ok()));
  prefer_test::covers("token_divergence", "allocation");
}

TEST_CASE("token_divergence: what is wrong is named, and nothing is written") {
  divergence_memory<float> c(4, 10);
  prefer_test::noise random(1);
  c.p.fill(random, -5, 5), c.q.fill(random, -5, 5);
  using inputs = token_divergence_inputs<space::host>;
  using outputs = token_divergence_outputs<space::host>;
  using saved = token_divergence_gradient_inputs<space::host>;
  const auto named = [](const status& s, errc code, const char* argument) {
    INFO(message(s).c_str() << " expected for " << argument);
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
  };
  const auto refused = [&](errc code, const char* argument, auto change, const row_divergence& options = {},
                           const cpu& exec = {}) {
    inputs in = c.inputs();
    outputs out = c.outputs(options);
    change(in, out);
    named(token_divergence<float>(exec, options, in, out), code, argument);
  };
  const auto nothing = [](inputs&, outputs&) {};
  refused(errc::missing_input, "p_logits", [](inputs& in, outputs&) { in.p_logits = {}; });
  refused(errc::missing_input, "q_logits", [](inputs& in, outputs&) { in.q_logits = {}; });
  refused(errc::bad_extent, "p_logits", [](inputs& in, outputs&) { in.p_logits.extent[0] = -1; });
  refused(errc::bad_extent, "q_logits", [](inputs& in, outputs&) { in.q_logits.extent[1] = 9; });
  refused(errc::null_data, "q_logits", [](inputs& in, outputs&) { in.q_logits.data = nullptr; });
  refused(errc::bad_element, "p_logits", [](inputs& in, outputs&) { in.p_logits.type = element::i32; });
  refused(errc::bad_element, "mask", [](inputs& in, outputs&) { in.mask.type = element::f32; });
  refused(errc::bad_extent, "grad_divergence", [](inputs& in, outputs&) { in.grad_divergence.extent[0] = 5; });
  refused(errc::missing_input, "grad_divergence", [](inputs& in, outputs&) { in.grad_divergence = {}; });
  refused(errc::unused_input, "grad_divergence",
          [](inputs&, outputs& out) { out.grad_p_logits = out.grad_q_logits = {}; });
  refused(errc::bad_parameter, "grad_scale", [](inputs& in, outputs&) { in.grad_scale = not_a_number; });
  refused(errc::missing_output, "outputs", [](inputs& in, outputs& out) { in.grad_divergence = {}, out = {}; });
  refused(errc::bad_element, "p_log_sum", [](inputs&, outputs& out) { out.p_log_sum.type = element::f16; });
  refused(errc::bad_stride, "grad_q_logits", [](inputs&, outputs& out) { out.grad_q_logits.stride[0] = 9; });
  refused(errc::bad_extent, "grad_p_logits", [](inputs&, outputs& out) { out.grad_p_logits.extent[0] = 3; });
  refused(errc::unavailable_output, "p_to_mixture", [](inputs&, outputs& out) { out.p_to_mixture = out.divergence; });
  refused(errc::overlap, "grad_p_logits",
          [](inputs& in, outputs& out) { out.grad_p_logits.data = const_cast<void*>(in.q_logits.data); });
  refused(errc::overlap, "q_log_sum", [](inputs&, outputs& out) { out.q_log_sum = out.p_max; });
  refused(errc::bad_parameter, "temperature", nothing, {.temperature = 0.0});
  for (double beta : {0.0, 1.0, -0.5, not_a_number})
    refused(errc::bad_parameter, "beta", nothing, {.kind = divergence_kind::jensen_shannon, .beta = beta});
  refused(errc::bad_parameter, "kind", nothing, {.kind = static_cast<divergence_kind>(9)});
  const std::int64_t rows[4] = {0, 2, 2, 3}, beyond[4] = {0, 1, 2, 4};
  refused(errc::bad_index, "rows", [&](inputs& in, outputs&) { in.rows = {rows, 4}; });
  refused(errc::bad_index, "rows", [&](inputs& in, outputs&) { in.rows = {beyond, 4}; });
  refused(errc::bad_extent, "mask", [&](inputs& in, outputs&) { in.rows = {beyond, 3}; });
  c.q.set(3, 3, not_a_number);
  refused(errc::not_a_number, "q_logits", nothing, {}, cpu{.content = content::all});
  const auto refused_gradient = [&](errc code, const char* argument, auto change, const row_divergence& options = {}) {
    saved in = c.saved(options);
    auto out = c.gradients();
    change(in, out);
    named(token_divergence_gradient<float>(cpu{}, options, in, out), code, argument);
  };
  refused_gradient(errc::missing_input, "p_max", [](saved& in, auto&) { in.p_max = {}; });
  refused_gradient(errc::missing_input, "divergence", [](saved& in, auto&) { in.divergence = {}; });
  refused_gradient(errc::unused_input, "divergence", [](saved&, auto& out) { out.grad_p_logits = {}; });
  refused_gradient(errc::missing_output, "outputs", [](saved& in, auto& out) { out = {}, in.grad_divergence = {}; });
  refused_gradient(errc::missing_input, "q_to_mixture", [](saved& in, auto&) { in.q_to_mixture = {}; },
                   {.kind = divergence_kind::jensen_shannon});
  prefer_test::covers("token_divergence", "bad-argument");
  CHECK(c.untouched());
}

TEST_CASE("validate_token_divergence names the first row with a NaN of either side that is read, as the call does") {
  divergence_memory<half> c(5, 9);
  prefer_test::noise random(6);
  c.p.fill(random, -2, 2), c.q.fill(random, -2, 2);
  const std::int32_t rows[] = {1, 2, 3, 4}, falling[] = {1, 3, 2, 4};
  const auto found = [&](const std::int32_t* list, errc code, const char* argument, std::int64_t index) {
    auto in = c.inputs();
    auto out = c.outputs({});
    if (list != nullptr) {
      in.rows = {list, 4}, in.mask.extent[0] = in.grad_divergence.extent[0] = 4;
      for (auto* v : {&out.divergence, &out.p_max, &out.p_log_sum, &out.q_max, &out.q_log_sum}) v->extent[0] = 4;
    }
    const status s = validate_token_divergence(cpu{}, {}, in);
    const status call = token_divergence<float>(cpu{.content = content::all}, {}, in, out);
    CHECK(s.code == code);
    CHECK(std::string(message(s).c_str()) == message(call).c_str());
    if (code != errc::ok) CHECK((std::string(s.argument) == argument && s.index == index));
  };
  found(nullptr, errc::ok, "", 0);
  c.q.set(0, 8, not_a_number), c.mask.at(0) = false;
  found(nullptr, errc::ok, "", 0);
  c.p.set(4, 2, not_a_number);
  found(nullptr, errc::not_a_number, "p_logits", 4);
  c.q.set(3, 2, not_a_number);
  found(nullptr, errc::not_a_number, "q_logits", 3);
  c.p.set(3, 1, not_a_number);
  found(nullptr, errc::not_a_number, "p_logits", 3);
  c.mask.at(0) = true;
  found(rows, errc::not_a_number, "p_logits", 3);
  found(falling, errc::not_a_number, "p_logits", 3);
  c.p.set(3, 1, 0), c.q.set(3, 2, 0);
  found(falling, errc::bad_index, "rows", 2);
  CHECK(validate_token_divergence(cpu{}, {.temperature = 0.0}, c.inputs()).code == errc::bad_parameter);
  auto wrong = c.inputs();
  wrong.mask.extent[0] = 4;
  CHECK(validate_token_divergence(cpu{}, {}, wrong).code == errc::bad_extent);
}
