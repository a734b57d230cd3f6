// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/logp/candidate_logp.hpp>
#include <prefer/logp/top_k_logp.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>
#include <support/golden_logits.hpp>
#include <support/picked_call.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace prefer;
using prefer_test::check_picked_row;
using prefer_test::columns_by_size;
using prefer_test::compute_of;
using prefer_test::picked_memory;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity(), not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class S>
status call(picked_memory<S>& c, const token_softmax& options = {}, const cpu& exec = {}) {
  return top_k_logp<compute_of<S>>(exec, options, {.logits = c.logits.read()}, c.largest());
}

// Row i against a sort of the whole row; the tokens are right before their log-probabilities are looked at.
template <class S>
void check_row(picked_memory<S>& c, std::int64_t i, const token_softmax& options, bool gradient = false) {
  INFO("row " << i << " of V = " << c.logits.columns << ", K = " << c.k);
  REQUIRE(c.tokens(i) == columns_by_size(c.logits.logits(i), c.k));
  check_picked_row(c, i, options, gradient);
}

// Two listed rows of three with many ties; the tokens go back to the logits as candidates, in place too.
template <class S>
void check_random(std::int64_t v, std::int64_t k, const token_softmax& options, std::int64_t gap, std::int64_t offset,
                  std::int64_t step = 1) {
  using T = compute_of<S>;
  picked_memory<S> c(2, v, k, gap, offset, step), all(3, v, 1, gap, offset, step);
  prefer_test::noise random(static_cast<std::uint64_t>(v));
  for (std::int64_t i : {0, 2})
    for (std::int64_t e = 0; e < v; ++e) {
      const double x = e % 7 == 6 ? -inf : std::floor(random.uniform(-90, 90)) / 10;
      all.logits.set(i, e, x), c.logits.set(i / 2, e, x);
    }
  for (std::int64_t e = 0; e < v; ++e) all.logits.set(1, e, not_a_number);
  for (std::int64_t i : {0, 1}) c.set_weights(i, random);
  const std::int32_t rows[] = {0, 2};
  REQUIRE(top_k_logp<T>(cpu{}, options, {.logits = all.logits.read(), .rows = {rows, 2}}, c.largest()).ok());
  for (std::int64_t i : {0, 1}) check_row(c, i, options);
  const auto tokens = c.token.memory.bytes();
  REQUIRE(candidate_logp_gradient<T>(cpu{}, options, c.saved(), {.grad_logits = c.gradient.view()}).ok());
  for (std::int64_t i : {0, 1}) check_row(c, i, options, true);
  REQUIRE(candidate_logp_gradient<T>(cpu{}, options, c.saved(), {.grad_logits = c.logits.view()}).ok());
  CHECK(c.logits.memory.bytes() == c.gradient.memory.bytes());
  CHECK(c.token.memory.bytes() == tokens);
  CHECK(c.intact());
}

template <class S>
void check_sizes() {
  const token_softmax all = {.temperature = 0.7, .logit_scale = 0.3, .soft_cap = 5.0};
  for (std::int64_t v : {1, 2, 15, 16, 17, 33, 129, 1000, 2047, 2049, 4099}) {
    check_random<S>(v, v < 5 ? v : 5, {}, 0, 0);
    check_random<S>(v, v < 3 ? 1 : 3, all, 3, 1);
  }
  check_random<S>(64, 64, {}, 0, 0);
  check_random<S>(70, 64, {.temperature = 2.0}, 0, 0, 2);
  check_random<S>(3000, 17, {.soft_cap = 30.0}, 1, 3);
  for (const char* tag : {"sizes", "strides", "sentinel", "gradient", "masked"})
    prefer_test::covers<S>("top_k_logp", tag);
}

}  // namespace

TEST_CASE("top_k_logp: the K largest of rows of every length, ties to the lowest; the gradient by its tokens") {
  SUBCASE("float") { check_sizes<float>(); }
  SUBCASE("double") { check_sizes<double>(); }
  SUBCASE("half") { check_sizes<half>(); }
  SUBCASE("bfloat16") { check_sizes<bfloat16>(); }
}

TEST_CASE("top_k_logp: golden rows at 400 digits, at every level") {
  for (const prefer_test::golden_logits& g : prefer_test::golden_rows_of_logits) {
    token_softmax options = g.softmax();
    options.label_smoothing = options.z_loss = 0.0;  // of the loss, which the table has too
    picked_memory<double> c(1, 6, 6);
    for (int v = 0; v < 6; ++v) c.logits.set(0, v, g.logit(v));
    const prefer_test::token_bounds<double> bound(c.logits.logits(0), options);
    prefer_test::token_truth t;
    t.logp = g.answer[0], t.log_sum_exp = g.answer[2];
    for (isa level : prefer_test::levels()) {
      REQUIRE(call(c, options, cpu{.isa = level}).ok());
      CHECK(c.tokens(0) == columns_by_size(c.logits.logits(0), 6));
      for (std::int64_t k = 0; k < 6; ++k)
        if (c.token.at(0, k) == g.target) CHECK(prefer_test::near(c.logp.get(0, k), t.logp, bound.logp(t)));
      CHECK(prefer_test::near(c.max.get(0) + c.log_sum.get(0), t.log_sum_exp, bound.log_sum_exp(t)));
    }
  }
  prefer_test::covers("top_k_logp", "golden");
}

TEST_CASE("top_k_logp: rows in order, against it, all alike, and in long stretches, over several chunks") {
  constexpr std::int64_t v = 17000;
  for (int order : {1, -1, 0, 2})
    for (std::int64_t k : {1, 64}) {
      picked_memory<float> c(1, v, k);
      for (std::int64_t e = 0; e < v; ++e)
        c.logits.set(0, e, order == 2 ? static_cast<double>(e / 500 % 20) : 1e-3 * static_cast<double>(order * e));
      for (isa level : prefer_test::levels()) {
        REQUIRE(call(c, {}, cpu{.isa = level}).ok());
        check_row(c, 0, {});
      }
    }
}

TEST_CASE("top_k_logp: fewer are a part of more, candidate_logp says the same of the tokens and of the row") {
  picked_memory<bfloat16> c(2, 5000, 64);
  prefer_test::noise random(9);
  c.logits.fill(random, -5, 5);
  REQUIRE(call(c).ok());
  picked_memory<bfloat16> few(2, 5000, 9), given = c;
  few.logits = c.logits;
  REQUIRE(call(few).ok());
  for (std::int64_t i : {0, 1})
    for (std::int64_t k = 0; k < 9; ++k) CHECK(few.token.at(i, k) == c.token.at(i, k));
  REQUIRE(candidate_logp<float>(cpu{}, {}, {.logits = c.logits.read(), .candidates = c.token.read()},
                                {.logp = given.logp.view(), .log_sum = given.log_sum.view()})
              .ok());
  for (std::int64_t i : {0, 1}) {
    CHECK(given.log_sum.get(i) == doctest::Approx(c.log_sum.get(i)).epsilon(1e-6));
    for (std::int64_t k = 0; k < 64; ++k) {
      CHECK(given.logp.get(i, k) == doctest::Approx(c.logp.get(i, k)).epsilon(1e-6));
      if (k > 0) CHECK(c.logp.get(i, k) <= c.logp.get(i, k - 1));
    }
  }
  // 64 bits, and only what is asked for.
  std::int64_t wide[128];
  float max[2];
  REQUIRE(top_k_logp<float>(cpu{}, {}, {.logits = c.logits.read()}, {.index = {wide, 2, 64}, .max = {max, 2}}).ok());
  for (std::int64_t i = 0; i < 128; ++i) CHECK(wide[i] == c.token.at(i / 64, i % 64));
  CHECK(max[1] == c.max.get(1));
  REQUIRE(top_k_logp<float>(cpu{}, {}, {.logits = c.logits.read()}, {.logp = few.logp.view()}).ok());
  CHECK(few.logp.get(1, 8) == doctest::Approx(c.logp.get(1, 8)).epsilon(1e-6));
  prefer_test::covers("top_k_logp", "identity");
}

TEST_CASE("top_k_logp: log p keeps its digits near p = 1; a common offset changes nothing") {
  for (double gap : {1.0, 20.0, 80.0})
    for (std::int64_t at : {0, 1500, 2999}) {
      picked_memory<float> c(1, 3000, 2);
      for (std::int64_t e = 0; e < 3000; ++e) c.logits.set(0, e, e == at ? 1e4 + gap : e == 7 ? 1e4 : 1e4 - 200);
      REQUIRE(call(c).ok());
      const double rest = std::exp(c.logits.get(0, 7) - c.logits.get(0, at));
      CHECK((c.token.at(0, 0) == at && c.token.at(0, 1) == 7));
      CHECK(c.logp.get(0, 0) == doctest::Approx(-std::log1p(rest)).epsilon(1e-6));
    }
  for (double offset : {-1e6, -1e4, 0.0, 1e4, 1e6}) {
    picked_memory<float> c(1, 300, 5);
    for (std::int64_t v = 0; v < 300; ++v) c.logits.set(0, v, offset + static_cast<double>(v % 7) - 112 * (v == 6));
    REQUIRE(call(c).ok());
    picked_memory<float> zero = c;
    for (std::int64_t v = 0; v < 300; ++v) zero.logits.set(0, v, c.logits.get(0, v) - offset);
    zero.max.set(0, c.max.get(0) - offset);
    check_row(zero, 0, {});
  }
}

TEST_CASE("top_k_logp: -inf comes last; a row of nothing else, with NaN or infinity is NaN and no token") {
  for (std::int64_t v : {8, 16500})
    for (std::int64_t at : {std::int64_t{0}, std::int64_t{5}, v - 1}) {
      picked_memory<float> c(3, v, 6);
      c.fill(3);
      for (std::int64_t e = 0; e < v; ++e) c.logits.set(1, e, -inf);
      REQUIRE(call(c).ok());
      const auto check_none = [&](bool max) {
        for (std::int64_t k = 0; k < 6; ++k) CHECK((c.token.at(1, k) == -1 && std::isnan(c.logp.get(1, k))));
        CHECK((std::isnan(c.log_sum.get(1)) && (max || !std::isfinite(c.max.get(1)))));
        for (std::int64_t i : {0, 2}) check_row(c, i, {});
      };
      check_none(false);
      c.logits.set(1, at, -3);
      REQUIRE(call(c).ok());
      check_row(c, 1, {});
      CHECK((c.logp.get(1, 0) == 0 && c.logp.get(1, 5) == -inf && c.max.get(1) == -3 && c.log_sum.get(1) == 0));
      for (double bad : {inf, not_a_number}) {
        c.logits.set(1, at, bad);
        REQUIRE(call(c).ok());
        check_none(true);
        for (std::int64_t e = 0; e < v; ++e)
          if (e != at) c.logits.set(1, e, 1);
        REQUIRE(call(c).ok());
        check_none(true);
      }
      c.logits.set(1, at, inf);
      REQUIRE(call(c, {.soft_cap = 2.0}).ok());
      CHECK((c.token.at(1, 0) == at && std::isfinite(c.logp.get(1, 0)) && c.max.get(1) == 2));
    }
  prefer_test::covers("top_k_logp", "tails");
}

TEST_CASE("top_k_logp: the same bits for any number of threads, few long rows and many, a row alone or in a batch") {
  const auto check_threads = [&](std::int64_t m, std::int64_t v) {
    picked_memory<bfloat16> c(m, v, 33);
    prefer_test::noise random(7);
    c.logits.fill(random, -20, 20);
    REQUIRE(call(c).ok());
    for (int threads : {1, 2, 3, 8}) {
      thread_pool pool(threads);
      picked_memory<bfloat16> again = c;
      REQUIRE(call(again, {}, cpu{.pool = pool}).ok());
      CHECK(again.token.memory.bytes() == c.token.memory.bytes());
      CHECK(again.logp.memory.bytes() == c.logp.memory.bytes());
      CHECK(again.log_sum.bytes() == c.log_sum.bytes());
    }
    picked_memory<bfloat16> last(1, v, 33, 0, 3);
    for (std::int64_t e = 0; e < v; ++e) last.logits.at(0, e) = c.logits.at(m - 1, e);
    REQUIRE(call(last).ok());
    CHECK(last.bits(0) == c.bits(m - 1));
  };
  check_threads(2, 150001);
  check_threads(40, 3000);
  picked_memory<bfloat16> longest(1, (1 << 20) + 1, 3);  // 64 chunks
  for (std::int64_t e = 0; e < longest.logits.columns; ++e)
    longest.logits.set(0, e, static_cast<double>(e * 7919 % 251));
  REQUIRE(call(longest).ok());
  thread_pool pool(2);
  picked_memory<bfloat16> again = longest;
  REQUIRE(call(again, {}, cpu{.pool = pool}).ok());
  CHECK(again.bits(0) == longest.bits(0));
  CHECK(longest.tokens(0) == columns_by_size(longest.logits.logits(0), 3));
  prefer_test::covers("top_k_logp", "threads");
}

TEST_CASE("top_k_logp: nothing is allocated") {
  picked_memory<half> c(4, 1000, 7);
  c.fill(5);
  const auto out = c.largest();
  const long before = prefer_test::allocation_count();
  const status s = top_k_logp<float>(cpu{}, {.soft_cap = 10.0}, {.logits = c.logits.read()}, out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK(s.ok());
  prefer_test::covers("top_k_logp", "allocation");
}

TEST_CASE("top_k_logp: what is wrong is named, and nothing is written") {
  picked_memory<float> c(4, 10, 3);
  prefer_test::noise random(1);
  c.logits.fill(random, -5, 5);
  using inputs = top_k_logp_inputs<space::host>;
  using outputs = top_k_logp_outputs<space::host>;
  const auto refused = [&](errc code, const char* argument, auto change, const token_softmax& options = {},
                           const cpu& exec = {}) {
    inputs in = {.logits = c.logits.read()};
    outputs out = c.largest();
    change(in, out);
    const status s = top_k_logp<float>(exec, options, in, out);
    INFO(message(s).c_str() << " expected for " << argument);
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
  };
  const auto nothing = [](inputs&, outputs&) {};
  const auto columns = [&](std::int64_t k) {
    return [k](inputs&, outputs& out) { out.index.extent[1] = out.logp.extent[1] = k; };
  };
  refused(errc::missing_input, "logits", [](inputs& in, outputs&) { in = {}; });
  refused(errc::bad_element, "logits", [](inputs& in, outputs&) { in.logits.type = element::i32; });
  refused(errc::missing_output, "index", [](inputs&, outputs& out) { out.index = {}, out.logp = {}; });
  refused(errc::bad_extent, "index", columns(0));
  refused(errc::bad_extent, "index", columns(11));  // above V
  refused(errc::bad_extent, "index", [&](inputs& in, outputs& out) {
    in.logits.extent[1] = 100, in.logits.stride[0] = 0, columns(65)(in, out);
  });
  refused(errc::bad_extent, "logp", [](inputs&, outputs& out) { out.logp.extent[1] = 2; });
  refused(errc::bad_extent, "index", [](inputs&, outputs& out) { out.index.extent[0] = 2; });
  refused(errc::bad_element, "index", [](inputs&, outputs& out) { out.index.type = element::f32; });
  refused(errc::bad_stride, "index", [](inputs&, outputs& out) { out.index.stride[0] = 2; });
  refused(errc::bad_element, "log_sum", [](inputs&, outputs& out) { out.log_sum.type = element::bf16; });
  refused(errc::overlap, "index", [](inputs&, outputs& out) { out.index.data = out.logp.data; });
  refused(errc::overlap, "logp", [](inputs& in, outputs& out) { out.logp.data = const_cast<void*>(in.logits.data); });
  refused(errc::bad_parameter, "temperature", nothing, {.temperature = 0.0});
  refused(errc::bad_parameter, "label_smoothing", nothing, {.label_smoothing = 0.1});
  const std::int64_t rows[4] = {0, 2, 2, 3};
  refused(errc::bad_index, "rows", [&](inputs& in, outputs&) { in.rows = {rows, 4}; });
  refused(errc::bad_extent, "index", [&](inputs& in, outputs&) { in.rows = {rows, 2}; });
  c.logits.set(3, 3, not_a_number);
  refused(errc::not_a_number, "logits", nothing, {}, cpu{.content = content::all});
  CHECK((c.untouched() && c.token.memory.untouched()));
  prefer_test::covers("top_k_logp", "bad-argument");
}
