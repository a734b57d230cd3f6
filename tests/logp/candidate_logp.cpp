// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/logp/candidate_logp.hpp>
#include <prefer/logp/token_logp.hpp>
#include <prefer/logp/validate_logits.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>
#include <support/golden_logits.hpp>

#include <support/picked_call.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace prefer;
using prefer_test::check_picked_row;
using prefer_test::compute_of;
using prefer_test::picked_memory;
using prefer_test::picked_truth;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity(), not_a_number = std::numeric_limits<double>::quiet_NaN();

// Three rows, the middle one with nothing but ignored entries and full of NaN; both ways to the gradient, in place.
template <class S>
void check_random(std::int64_t v, std::int64_t k, const token_softmax& options, std::int64_t gap, std::int64_t offset,
                  std::int64_t step = 1, const cpu& exec = {}) {
  using T = compute_of<S>;
  picked_memory<S> c(3, v, k, gap, offset, step);
  c.fill(static_cast<std::uint64_t>(v + k));
  c.set_tokens(1, std::vector<std::int64_t>(static_cast<std::size_t>(k), -100));
  for (std::int64_t e = 0; e < v; ++e) c.logits.set(1, e, not_a_number);
  const auto check_rows = [&] {
    for (std::int64_t i : {0, 2}) check_picked_row(c, i, options, true);
    for (std::int64_t e = 0; e < v; ++e) CHECK(c.gradient.get(1, e) == 0);
    for (std::int64_t j = 0; j < k; ++j) CHECK(c.logp.get(1, j) == 0);
    CHECK((c.max.get(1) == 0 && c.log_sum.get(1) == 0));
  };
  REQUIRE(candidate_logp<T>(exec, options, c.inputs(), c.outputs()).ok());
  check_rows();
  const auto fused = c.gradient.memory.bytes();
  REQUIRE(candidate_logp_gradient<T>(exec, options, c.saved(), {.grad_logits = c.gradient.view()}).ok());
  check_rows();
  CHECK(c.intact());
  const auto apart = c.gradient.memory.bytes();
  picked_memory<S> again = c;
  REQUIRE(candidate_logp_gradient<T>(exec, options, again.saved(), {.grad_logits = again.logits.view()}).ok());
  CHECK(again.logits.memory.bytes() == apart);
  again = c;
  auto out = again.outputs();
  out.grad_logits = again.logits.view();
  REQUIRE(candidate_logp<T>(exec, options, again.inputs(), out).ok());
  CHECK(again.logits.memory.bytes() == fused);
}

template <class S>
void check_sizes() {
  const token_softmax all = {.temperature = 0.7, .logit_scale = 0.3, .soft_cap = 5.0};
  for (std::int64_t v : {1, 2, 15, 16, 17, 33, 129, 1000, 2047, 2049, 4099}) {
    check_random<S>(v, 4, {}, 0, 0);
    check_random<S>(v, 3, all, 3, 1);
  }
  check_random<S>(6, 1, {}, 0, 0);
  check_random<S>(100, 150, {.temperature = 2.0}, 0, 0, 2);  // more entries than columns
  check_random<S>(3000, 2, {.soft_cap = 30.0}, 1, 3);
  for (const char* tag : {"sizes", "strides", "sentinel", "gradient", "masked"})
    prefer_test::covers<S>("candidate_logp", tag);
}

}  // namespace

TEST_CASE("candidate_logp: rows of every length agree with the textbook; in place, strided and misaligned alike") {
  SUBCASE("float") { check_sizes<float>(); }
  SUBCASE("double") { check_sizes<double>(); }
  SUBCASE("half") { check_sizes<half>(); }
  SUBCASE("bfloat16") { check_sizes<bfloat16>(); }
}

TEST_CASE("candidate_logp: golden rows at 400 digits, the target among other candidates, at every level") {
  int rows = 0;
  for (const prefer_test::golden_logits& g : prefer_test::golden_rows_of_logits) {
    if (g.options[3] != 0 || g.options[4] != 0 || g.upstream[1] != 0 || g.upstream[2] != 0) continue;
    const auto x = [](long double e) { return static_cast<double>(e); };
    const token_softmax options = g.softmax();
    picked_memory<double> c(1, 6, 4);
    for (int v = 0; v < 6; ++v) c.logits.set(0, v, g.logit(v));
    c.set_tokens(0, {0, g.target, -100, 5});
    for (int k = 0; k < 4; ++k) c.by_logp.set(0, k, k == 1 ? x(g.upstream[0]) : 0);
    c.by_log_sum_exp.set(0, x(g.upstream[3]));
    const prefer_test::token_bounds<double> bound(c.logits.logits(0), options);
    for (isa level : prefer_test::levels()) {
      REQUIRE(candidate_logp<double>(cpu{.isa = level}, options, c.inputs(), c.outputs()).ok());
      prefer_test::token_truth t;
      t.logp = g.answer[0], t.log_sum_exp = g.answer[2];
      CHECK(prefer_test::near(c.logp.get(0, 1), t.logp, bound.logp(t)));
      CHECK(prefer_test::near(c.max.get(0) + c.log_sum.get(0), t.log_sum_exp, bound.log_sum_exp(t)));
      const picked_truth size = c.truth(0, options);
      for (std::size_t v = 0; v < 6; ++v)
        CHECK(prefer_test::near(c.gradient.get(0, static_cast<std::int64_t>(v)), g.gradient[v],
                                size.gradient_error[v] + 1e-307L));
    }
    ++rows;
  }
  CHECK(rows > 20);
  prefer_test::covers("candidate_logp", "golden");
}

TEST_CASE("candidate_logp: one candidate is the target of token_logp; columns of all candidates add up to 1") {
  picked_memory<float> c(1, 60, 60);
  prefer_test::noise random(3);
  c.logits.fill(random, -4, 4);
  for (int v = 0; v < 60; ++v) c.token.at(0, v) = v;
  c.set_weights(0, 1, 0);
  REQUIRE(candidate_logp<float>(cpu{}, {}, c.inputs(), c.outputs()).ok());
  double sum = 0, all = 0;
  for (int v = 0; v < 60; ++v) sum += std::exp(c.logp.get(0, v)), all += c.gradient.get(0, v);
  CHECK(sum == doctest::Approx(1).epsilon(1e-6));
  CHECK(std::fabs(all) < 1e-4);
  for (std::int32_t y : {0, 17, 59}) {
    double logp[2] = {}, one = -0.5;
    float there[60], here[60];
    REQUIRE(token_logp<float>(cpu{}, {}, {.logits = c.logits.read(), .target = {&y, 1}, .grad_logp = {&one, 1}},
                              {.logp = {&logp[0], 1}, .grad_logits = {there, 1, 60}})
                .ok());
    REQUIRE(candidate_logp<float>(cpu{}, {},
                                  {.logits = c.logits.read(), .candidates = {&y, 1, 1}, .grad_logp = {&one, 1, 1}},
                                  {.logp = {&logp[1], 1, 1}, .grad_logits = {here, 1, 60}})
                .ok());
    CHECK(logp[0] == logp[1]);
    for (int v = 0; v < 60; ++v) CHECK(here[v] == doctest::Approx(there[v]).epsilon(1e-6));
  }
  prefer_test::covers("candidate_logp", "identity");
}

TEST_CASE("candidate_logp: the gradient is the finite difference of the textbook, entries that repeat add up") {
  const token_softmax options = {.temperature = 1.5, .logit_scale = 0.5, .soft_cap = 3.0};
  picked_memory<double> c(1, 9, 5);
  prefer_test::noise random(3);
  c.logits.fill(random, -4, 4);
  c.set_tokens(0, {4, 2, 4, -100, 8});
  c.set_weights(0, random);
  auto in = c.inputs();
  in.grad_scale = -2.0;
  REQUIRE(candidate_logp<double>(cpu{}, options, in, c.outputs()).ok());
  for (std::size_t v = 0; v < 9; ++v) {
    const auto objective = [&](double by) {
      auto x = c.logits.logits(0);
      x[v] += by;
      long double sum = 0;
      for (std::int64_t k : {0, 1, 2, 4}) {
        const auto t = prefer_test::token_textbook(x, c.token.at(0, k), options);
        sum += c.by_logp.get(0, k) * t.logp + (k == 0 ? c.by_log_sum_exp.get(0) * t.log_sum_exp : 0);
      }
      return -2 * sum;
    };
    const double h = 0x1p-17;
    const long double slope = (objective(h) - objective(-h)) / (2 * h);
    CHECK(c.gradient.get(0, static_cast<std::int64_t>(v)) ==
          doctest::Approx(static_cast<double>(slope)).epsilon(1e-8).scale(0.1));
  }
}

TEST_CASE("candidate_logp: log p and 1 - p keep their digits near p = 1, whichever candidate that is") {
  for (double gap : {1.0, 10.0, 20.0, 40.0, 80.0})
    for (std::int64_t top : {0, 1, 2}) {
      picked_memory<float> c(1, 3, 3);
      for (std::int64_t v = 0; v < 3; ++v) c.logits.set(0, v, v == top ? gap : v == (top + 1) % 3 ? 0 : -1);
      c.set_tokens(0, {2, 1, 0});
      c.set_weights(0, 0, 0);
      c.by_logp.set(0, 2 - top, 1);
      const double rest = std::exp(-gap) * (1 + std::exp(-1.0));
      const auto check_top = [&] {
        CHECK(c.logp.get(0, 2 - top) == doctest::Approx(-std::log1p(rest)).epsilon(1e-6));
        CHECK(c.gradient.get(0, top) == doctest::Approx(rest / (1 + rest)).epsilon(1e-6));
      };
      REQUIRE(candidate_logp<float>(cpu{}, {}, c.inputs(), c.outputs()).ok());
      check_top();
      REQUIRE(candidate_logp_gradient<float>(cpu{}, {}, c.saved(), {.grad_logits = c.gradient.view()}).ok());
      check_top();
    }
  for (double p : {0.9, 0.99, 0.999, 0.9999}) {  // rounded to 16 bits once, after two equal entries add up
    picked_memory<bfloat16> c(1, 2, 3);
    c.logits.set(0, 0, std::log(p / (1 - p))), c.logits.set(0, 1, 0);
    c.set_tokens(0, {0, -100, 0});
    c.set_weights(0, -0.5, 0);
    REQUIRE(candidate_logp<float>(cpu{}, {}, c.inputs(), c.outputs()).ok());
    const double exact = -1 / (1 + std::exp(c.logits.get(0, 0)));
    CHECK(prefer_test::ulps<bfloat16>(c.gradient.get(0, 0), exact) <= 0.51);
  }
}

TEST_CASE("candidate_logp: a common offset changes nothing; one finite logit; none; NaN and infinity") {
  for (double offset : {-1e6, -1e4, 0.0, 1e4, 1e6}) {
    picked_memory<float> c(1, 300, 3);
    for (std::int64_t v = 0; v < 300; ++v) c.logits.set(0, v, offset + static_cast<double>(v % 7) - 112 * (v == 5));
    c.set_tokens(0, {5, 6, 7});
    c.set_weights(0, 1, 0);
    REQUIRE(candidate_logp<float>(cpu{}, {}, c.inputs(), c.outputs()).ok());
    picked_memory<float> zero = c;
    for (std::int64_t v = 0; v < 300; ++v) zero.logits.set(0, v, c.logits.get(0, v) - offset);
    const picked_truth t = zero.truth(0, {});
    for (std::size_t k = 0; k < 3; ++k)
      CHECK(c.logp.get(0, static_cast<std::int64_t>(k)) ==
            doctest::Approx(static_cast<double>(t.logp[k])).epsilon(1e-7));
    CHECK(c.max.get(0) == offset + 6);
  }
  for (double bad : {-inf, inf, not_a_number})
    for (std::int64_t at : {std::int64_t{7}, std::int64_t{2499}}) {
      picked_memory<float> c(3, 2500, 4);
      c.fill(11);
      for (std::int64_t i = 0; i < 3; ++i) c.set_tokens(i, {7, 7, -100, 0});
      for (std::int64_t e = 0; e < 2500; ++e)
        if (bad == -inf || e == at) c.logits.set(1, e, bad);
      REQUIRE(candidate_logp<float>(cpu{}, {}, c.inputs(), c.outputs()).ok());
      INFO(bad << " at " << at);
      for (std::int64_t i = 0; i < 3; ++i) {
        for (std::int64_t k = 0; k < 4; ++k) CHECK(std::isnan(c.logp.get(i, k)) == (i == 1 && k != 2));
        for (std::int64_t e = 0; e < 2500; ++e) CHECK(std::isnan(c.gradient.get(i, e)) == (i == 1));
        CHECK(std::isnan(c.log_sum.get(i)) == (i == 1));
      }
      for (std::int64_t e = 0; e < 2500; ++e) c.logits.set(1, e, e == at ? 3 : -inf);  // a certain row
      c.set_weights(1, 1, 0);
      REQUIRE(candidate_logp<float>(cpu{}, {}, c.inputs(), c.outputs()).ok());
      CHECK((c.logp.get(1, 0) == (at == 7 ? 0 : -inf) && c.logp.get(1, 3) == -inf && c.log_sum.get(1) == 0));
      CHECK(c.gradient.get(1, at) == (at == 7 ? -1 : -3));
      CHECK(c.gradient.get(1, 0) == 1);
    }
  prefer_test::covers("candidate_logp", "tails");
}

TEST_CASE("candidate_logp: listed rows only; rows whose derivatives are all zero are not read for the gradient") {
  picked_memory<float> dense(6, 500, 3, 2, 1);
  dense.fill(11);
  REQUIRE(candidate_logp<float>(cpu{}, {}, dense.inputs(), dense.outputs()).ok());
  const std::int32_t rows[] = {1, 2, 5};
  picked_memory<float> some(3, 500, 3), c(6, 500, 3, 2, 1);
  c.logits = dense.logits;
  for (std::int64_t i = 0; i < 3; ++i) {
    some.set_tokens(i, dense.tokens(rows[i]));
    for (std::int64_t k = 0; k < 3; ++k) some.by_logp.set(i, k, dense.by_logp.get(rows[i], k));
    some.by_log_sum_exp.set(i, dense.by_log_sum_exp.get(rows[i]));
  }
  for (std::int64_t i : {0, 3, 4})
    for (std::int64_t e = 0; e < 500; ++e) c.logits.set(i, e, not_a_number);
  auto in = some.inputs();
  auto out = some.outputs();
  in.logits = c.logits.read(), in.rows = {rows, 3}, out.grad_logits = c.gradient.view();
  REQUIRE(candidate_logp<float>(cpu{}, {}, in, out).ok());
  const picked_memory<float> fresh(6, 500, 3, 2, 1);
  for (std::int64_t i = 0; i < 6; ++i) {
    picked_memory<float> expected = std::count(rows, rows + 3, i) == 0 ? fresh : dense;
    CHECK(std::memcmp(&c.gradient.at(i, 0), &expected.gradient.at(i, 0), 500 * sizeof(float)) == 0);
  }
  for (std::int64_t i = 0; i < 3; ++i) CHECK(some.logp.get(i, 0) == dense.logp.get(rows[i], 0));

  dense.set_weights(1, -0.0, 0);
  dense.by_logp.set(1, 1, not_a_number);  // of an ignored entry
  for (std::int64_t e = 0; e < 500; ++e) dense.logits.set(1, e, not_a_number);
  REQUIRE(candidate_logp_gradient<float>(cpu{}, {}, dense.saved(), {.grad_logits = dense.gradient.view()}).ok());
  for (std::int64_t e = 0; e < 500; ++e)
    CHECK((dense.gradient.get(1, e) == 0 && !std::isnan(dense.gradient.get(0, e))));
}

TEST_CASE("candidate_logp: the same bits for any number of threads, few long rows and many, a row in any batch") {
  const auto check_threads = [&](std::int64_t m, std::int64_t v) {
    picked_memory<bfloat16> c(m, v, 5);
    c.fill(7);
    const token_softmax options = {.temperature = 1.25};
    REQUIRE(candidate_logp<float>(cpu{}, options, c.inputs(), c.outputs()).ok());
    for (int threads : {1, 2, 3, 8}) {
      thread_pool pool(threads);
      picked_memory<bfloat16> again = c;
      REQUIRE(candidate_logp<float>(cpu{.pool = pool}, options, again.inputs(), again.outputs()).ok());
      CHECK(again.gradient.memory.bytes() == c.gradient.memory.bytes());
      CHECK(again.logp.memory.bytes() == c.logp.memory.bytes());
      CHECK(again.log_sum.bytes() == c.log_sum.bytes());
    }
    picked_memory<bfloat16> last(1, v, 5, 0, 3);
    for (std::int64_t e = 0; e < v; ++e) last.logits.at(0, e) = c.logits.at(m - 1, e);
    last.set_tokens(0, c.tokens(m - 1));
    for (std::int64_t k = 0; k < 5; ++k) last.by_logp.set(0, k, c.by_logp.get(m - 1, k));
    last.by_log_sum_exp.set(0, c.by_log_sum_exp.get(m - 1));
    REQUIRE(candidate_logp<float>(cpu{}, options, last.inputs(), last.outputs()).ok());
    CHECK(last.bits(0) == c.bits(m - 1));
  };
  check_threads(2, 150001);
  check_threads(40, 3000);
  prefer_test::covers("candidate_logp", "threads");
}

TEST_CASE("candidate_logp: nothing is allocated") {
  picked_memory<half> c(4, 1000, 7);
  c.fill(5);
  const auto in = c.inputs();
  const auto out = c.outputs();
  const long before = prefer_test::allocation_count();
  const status s = candidate_logp<float>(cpu{}, {.soft_cap = 10.0}, in, out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK(s.ok());
  prefer_test::covers("candidate_logp", "allocation");
}

TEST_CASE("validate of calls on rows of logits names the row of a wrong token, and of a NaN where it is read") {
  picked_memory<half> c(5, 9, 2);
  c.fill(2);
  std::int64_t target[] = {0, 8, -100, 3, 1};
  const std::int32_t rows[] = {1, 3}, falling[] = {3, 1};
  const auto tokens = [&] {
    return validate_token_logp(cpu{}, {}, {.logits = c.logits.read(), .target = {target, 5}});
  };
  const auto candidates = [&] {
    return validate_candidate_logp(cpu{}, {}, {.logits = c.logits.read(), .candidates = c.token.read()});
  };
  const auto listed = [&](const std::int32_t* list) {
    return validate_top_k_logp(cpu{}, {}, {.logits = c.logits.read(), .rows = {list, 2}});
  };
  c.logits.set(2, 4, not_a_number), c.set_tokens(2, {-100, -100});
  CHECK((tokens().ok() && candidates().ok() && listed(rows).ok()));
  CHECK(listed(falling).code == errc::bad_index);
  target[3] = 9, c.token.at(4, 1) = -1;
  CHECK(std::string(message(tokens()).c_str()) ==
        message(token_logp<float>(cpu{}, {}, {.logits = c.logits.read(), .target = {target, 5}},
                                  {.logp = {c.logp.memory.data(), 5}}))
            .c_str());
  CHECK((tokens().index == 3 && candidates().index == 4 && std::string(candidates().argument) == "candidates"));
  c.logits.set(1, 0, not_a_number);
  CHECK((tokens().code == errc::not_a_number && candidates().index == 1 && listed(rows).index == 1));
  CHECK(validate_candidate_logp(cpu{}, {}, {.logits = c.logits.read()}).code == errc::missing_input);
}

TEST_CASE("candidate_logp: what is wrong is named, and nothing is written") {
  picked_memory<float> c(4, 10, 3);
  c.fill(1);
  using inputs = candidate_logp_inputs<space::host>;
  using outputs = candidate_logp_outputs<space::host>;
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
    named(candidate_logp<float>(exec, options, in, out), code, argument);
  };
  const auto nothing = [](inputs&, outputs&) {};
  refused(errc::missing_input, "logits", [](inputs& in, outputs&) { in.logits = {}; });
  refused(errc::bad_extent, "logits", [](inputs& in, outputs&) { in.logits.extent[1] = -1; });
  refused(errc::missing_input, "candidates", [](inputs& in, outputs&) { in.candidates = {}; });
  refused(errc::bad_element, "candidates", [](inputs& in, outputs&) { in.candidates.type = element::f32; });
  refused(errc::bad_extent, "candidates", [](inputs& in, outputs&) { in.candidates.extent[0] = 3; });
  refused(errc::bad_extent, "candidates", [](inputs& in, outputs&) { in.candidates.extent[1] = 0; });
  refused(errc::bad_extent, "candidates", [](inputs& in, outputs&) { in.candidates.extent[1] = 1025; });
  refused(errc::null_data, "candidates", [](inputs& in, outputs&) { in.candidates.data = nullptr; });
  refused(errc::bad_extent, "grad_logp", [](inputs& in, outputs&) { in.grad_logp.extent[1] = 2; });
  refused(errc::bad_extent, "grad_log_sum_exp", [](inputs& in, outputs&) { in.grad_log_sum_exp.extent[0] = 5; });
  refused(errc::bad_parameter, "grad_scale", [](inputs& in, outputs&) { in.grad_scale = not_a_number; });
  refused(errc::unused_input, "grad_logp", [](inputs&, outputs& out) { out.grad_logits = {}; });
  refused(errc::missing_input, "grad_logp", [](inputs& in, outputs&) { in.grad_logp = {}, in.grad_log_sum_exp = {}; });
  refused(errc::missing_output, "outputs", [](inputs&, outputs& out) { out = {}; });
  refused(errc::bad_element, "max", [](inputs&, outputs& out) { out.max.type = element::f16; });
  refused(errc::bad_extent, "logp", [](inputs&, outputs& out) { out.logp.extent[1] = 2; });
  refused(errc::bad_stride, "logp", [](inputs&, outputs& out) { out.logp.stride[0] = 2; });
  refused(errc::bad_extent, "grad_logits", [](inputs&, outputs& out) { out.grad_logits.extent[0] = 3; });
  refused(errc::overlap, "logp",
          [](inputs& in, outputs& out) { out.logp.data = const_cast<void*>(in.candidates.data); });
  refused(errc::overlap, "log_sum", [](inputs&, outputs& out) { out.log_sum = out.max; });
  refused(errc::overlap, "grad_logits", [](inputs& in, outputs& out) {
    out.grad_logits.data = const_cast<void*>(in.logits.data), out.grad_logits.type = element::bf16;
  });
  refused(errc::bad_parameter, "temperature", nothing, {.temperature = 0.0});
  refused(errc::bad_parameter, "label_smoothing", nothing, {.label_smoothing = 0.1});
  refused(errc::bad_parameter, "z_loss", nothing, {.z_loss = 0.1});
  for (std::int32_t bad : {-1, 10}) {
    c.token.at(2, 1) = bad;
    refused(errc::bad_index, "candidates", nothing);
    CHECK(candidate_logp<float>(cpu{}, {}, c.inputs(), c.outputs()).index == 2);
  }
  c.token.at(2, 1) = 2;
  const std::int64_t rows[4] = {0, 2, 2, 3};
  refused(errc::bad_index, "rows", [&](inputs& in, outputs&) { in.rows = {rows, 4}; });
  c.logits.set(3, 3, not_a_number);
  refused(errc::not_a_number, "logits", nothing, {}, cpu{.content = content::all});
  const auto refused_gradient = [&](errc code, const char* argument, auto change) {
    auto in = c.saved();
    change(in);
    named(candidate_logp_gradient<float>(cpu{}, {}, in, {.grad_logits = c.gradient.view()}), code, argument);
  };
  refused_gradient(errc::missing_input, "max", [](auto& in) { in.max = {}; });
  refused_gradient(errc::missing_input, "log_sum", [](auto& in) { in.log_sum = {}; });
  refused_gradient(errc::bad_extent, "log_sum", [](auto& in) { in.log_sum.extent[0] = 3; });
  named(candidate_logp_gradient<float>(cpu{}, {}, c.saved(), {}), errc::missing_output, "outputs");
  CHECK(c.untouched());
  prefer_test::covers("candidate_logp", "bad-argument");
}
