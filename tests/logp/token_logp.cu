// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/logp/token_logp.cuh>
#include <prefer/logp/token_shards.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>
#include <support/token_call.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::compute_of;
using prefer_test::device;
using prefer_test::storage;
using prefer_test::stream;
using prefer_test::token_bounds;
using prefer_test::token_memory;
using prefer_test::token_textbook;
using prefer_test::token_truth;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity(), not_a_number = std::numeric_limits<double>::quiet_NaN();

// A call's memory on the device.
template <class S>
struct on_device {
  token_memory<S>& host;
  device<S> logits, gradient;
  device<std::int64_t> target, argmax;
  device<double> logp, loss, entropy, argmax_prob, max, log_sum, choices, weight0, weight1, weight2, weight3;

  explicit on_device(token_memory<S>& c)
      : host(c),
        logits(c.logits.memory),
        gradient(c.gradient.memory),
        target(c.target),
        argmax(c.argmax),
        logp(c.logp),
        loss(c.loss),
        entropy(c.entropy),
        argmax_prob(c.argmax_prob),
        max(c.max),
        log_sum(c.log_sum),
        choices(c.choices),
        weight0(c.weight[0]),
        weight1(c.weight[1]),
        weight2(c.weight[2]),
        weight3(c.weight[3]) {}

  view<const S, 2, space::device> read() {
    return {logits.data(), host.logits.m, host.logits.columns, host.logits.row, host.logits.stride};
  }
  view<S, 2, space::device> write(device<S>& d) {
    return {d.data(), host.logits.m, host.logits.columns, host.logits.row, host.logits.stride};
  }
  token_logp_inputs<space::device> inputs() {
    return {.logits = read(),
            .target = target.read(),
            .grad_logp = weight0.read(),
            .grad_loss = weight1.read(),
            .grad_entropy = weight2.read(),
            .grad_log_sum_exp = weight3.read()};
  }
  token_logp_outputs<space::device> outputs() {
    return {.logp = logp.view(),
            .loss = loss.view(),
            .max = max.view(),
            .log_sum = log_sum.view(),
            .entropy = entropy.view(),
            .choices = choices.view(),
            .argmax = argmax.view(),
            .argmax_prob = argmax_prob.view(),
            .grad_logits = write(gradient)};
  }
  token_logp_gradient_inputs<space::device> saved(const token_softmax& options) {
    token_logp_gradient_inputs<space::device> in = {.logits = read(),
                                                    .target = target.read(),
                                                    .logp = logp.read(),
                                                    .max = max.read(),
                                                    .log_sum = log_sum.read(),
                                                    .entropy = entropy.read(),
                                                    .grad_logp = weight0.read(),
                                                    .grad_loss = weight1.read(),
                                                    .grad_entropy = weight2.read(),
                                                    .grad_log_sum_exp = weight3.read()};
    if (!options.label_smoothing.is_zero()) in.choices = choices.read();
    return in;
  }
  void fetch() {
    gradient.fetch(), argmax.fetch(), logp.fetch(), loss.fetch(), entropy.fetch(), argmax_prob.fetch();
    max.fetch(), log_sum.fetch(), choices.fetch();
  }
};

template <class S>
void check_row(token_memory<S>& c, std::int64_t i, const token_softmax& options) {
  const std::vector<double> x = c.logits.logits(i);
  const token_truth t = token_textbook(x, c.target.at(i), options, c.weights(i));
  const token_bounds<compute_of<S>> bound(x, options);
  INFO("row " << i << " of V = " << x.size());
  CHECK(std::fabs(c.logp.get(i) - t.logp) <= bound.logp(t) + prefer_test::rounding<double>(t.logp));
  CHECK(std::fabs(c.entropy.get(i) - t.entropy) <= bound.entropy(t));
  CHECK(std::fabs(c.max.get(i) + c.log_sum.get(i) - t.log_sum_exp) <= bound.log_sum_exp(t));
  CHECK(c.argmax_prob.get(i) == doctest::Approx(static_cast<double>(t.top)).epsilon(1e-4));
  CHECK(c.choices.get(i) == static_cast<double>(t.choices));
  CHECK(c.argmax.at(i) == t.argmax);
  CHECK(c.loss.get(i) == doctest::Approx(static_cast<double>(t.loss)).epsilon(1e-5));
  for (std::size_t v = 0; v < x.size(); ++v) {
    const double got = c.gradient.get(i, static_cast<std::int64_t>(v));
    INFO("column " << v << ": " << got << " is " << static_cast<double>(t.gradient[v]));
    CHECK(std::fabs(got - t.gradient[v]) <=
          bound.gradient(t, v) + prefer_test::rounding<S>(t.gradient[v]) + 1e-37L * (bound.unit > 1e-10L));
  }
}

// Three rows, the middle one ignored and full of NaN: answers, both ways to the gradient, in place.
template <class S>
void check_random(std::int64_t v, const token_softmax& options, std::int64_t gap, std::int64_t offset,
                  std::int64_t step = 1) {
  using T = compute_of<S>;
  stream s;
  const cuda exec{.stream = s.handle};
  token_memory<S> c(3, v, gap, offset, step);
  prefer_test::noise random(static_cast<std::uint64_t>(v));
  c.logits.fill(random, -9, 9);
  for (std::int64_t i = 0; i < 3; ++i) {
    c.target.at(i) = static_cast<std::int64_t>(random.uniform(0, static_cast<double>(v)));
    c.set_weights(i, {random.uniform(-1, 1), random.uniform(-1, 1), random.uniform(-1, 1), random.uniform(-1, 1)});
    if (v > 3) c.logits.set(i, (c.target.at(i) + 2) % v, -inf);
  }
  c.target.at(1) = -100;
  for (std::int64_t e = 0; e < v; ++e) c.logits.set(1, e, not_a_number);
  on_device<S> d(c);
  const auto check_rows = [&] {
    check_row(c, 0, options), check_row(c, 2, options);
    for (std::int64_t e = 0; e < v; ++e) CHECK(c.gradient.get(1, e) == 0);
    CHECK((c.logp.get(1) == 0 && c.loss.get(1) == 0 && c.argmax.at(1) == -1));
    CHECK(c.intact());
  };
  REQUIRE(token_logp<T>(exec, options, d.inputs(), d.outputs()).ok());
  s.wait(), d.fetch();
  check_rows();
  const auto fused = c.gradient.memory.bytes();
  REQUIRE(token_logp_gradient<T>(exec, options, d.saved(options), {.grad_logits = d.write(d.gradient)}).ok());
  s.wait(), d.fetch();
  check_rows();
  auto out = d.outputs();
  out.grad_logits = d.write(d.logits);
  REQUIRE(token_logp<T>(exec, options, d.inputs(), out).ok());
  s.wait();
  d.logits.fetch();
  CHECK(c.logits.memory.bytes() == fused);
}

template <class S>
void check_sizes() {
  const token_softmax all = {.temperature = 0.7, .logit_scale = 0.3, .soft_cap = 5.0, .label_smoothing = 0.1,
                             .z_loss = 0.01};
  for (std::int64_t v : {1, 2, 7, 8, 9, 31, 33, 255, 257, 1023, 1024, 1025, 2051}) {
    check_random<S>(v, {}, 0, 0);
    if (v % 2 == 1) check_random<S>(v, all, 3, 1);
  }
  check_random<S>(1500, {.label_smoothing = 0.1}, 0, 3);
  check_random<S>(100, {}, 0, 0, 2);
  prefer_test::covers<S>("token_logp", "sizes");
  prefer_test::covers("token_logp", "masked");
}

}  // namespace

TEST_CASE("token_logp on CUDA: rows of every length agree with the textbook, misaligned and in place alike") {
  SUBCASE("float") { check_sizes<float>(); }
  SUBCASE("double") { check_sizes<double>(); }
  SUBCASE("half") { check_sizes<half>(); }
  SUBCASE("bfloat16") { check_sizes<bfloat16>(); }
}

TEST_CASE("token_logp on CUDA: few long rows in chunks, many in blocks, at any address: the same bits") {
  stream s;
  constexpr std::int64_t v = 33001, many = 256;
  token_memory<bfloat16> two(2, v, 7);
  prefer_test::noise random(4);
  two.logits.fill(random, -12, 12);
  for (std::int64_t i = 0; i < 2; ++i) two.target.at(i) = 20000 * i + 3, two.set_weights(i, {1, -0.5, 0, 0});
  two.logits.set(1, v - 1, 15);
  on_device<bfloat16> d(two);
  const prefer_test::device_workspace memory(token_logp_workspace(2, v));
  const cuda exec{.stream = s.handle, .workspace = memory.get()};
  prefer_test::enqueues_only("two rows", 2, [&] {
    REQUIRE(token_logp<float>(exec, {}, {.logits = d.read(), .target = d.target.read(), .grad_logp = d.weight0.read()},
                              {.logp = d.logp.view(),
                               .log_sum = d.log_sum.view(),
                               .argmax = d.argmax.view(),
                               .grad_logits = d.write(d.gradient)})
                .ok());
  });
  s.wait(), d.fetch();
  CHECK(two.argmax.at(1) == v - 1);
  for (std::int64_t i = 0; i < 2; ++i) {
    const token_truth t = token_textbook(two.logits.logits(i), two.target.at(i), {}, {1, 0, 0, 0});
    const token_bounds<float> bound(two.logits.logits(i), {});
    CHECK(std::fabs(two.logp.get(i) - t.logp) <= bound.logp(t));
    for (std::size_t e = 0; e < static_cast<std::size_t>(v); ++e)
      CHECK(std::fabs(two.gradient.get(i, static_cast<std::int64_t>(e)) - t.gradient[e]) <=
            bound.gradient(t, e) + prefer_test::rounding<bfloat16>(t.gradient[e]));
  }

  REQUIRE(token_logp<float>(exec, {}, {.logits = d.read(), .target = d.target.read(), .grad_logp = d.weight0.read()},
                            {.grad_logits = d.write(d.logits)})
              .ok());
  s.wait();
  const token_memory<bfloat16> before = two;
  d.logits.fetch();
  for (std::int64_t i = 0; i < 2; ++i)
    CHECK(std::memcmp(&two.logits.at(i, 0), &two.gradient.at(i, 0), static_cast<std::size_t>(v) * 2) == 0);
  two.logits = before.logits;

  // Row 200 of many, of which all others are ignored.
  token_memory<bfloat16> big(many, v);
  for (std::int64_t i = 0; i < many; ++i) big.target.at(i) = -100, big.set_weights(i, {0, 0, 0, 0});
  big.target.at(201) = two.target.at(1), big.set_weights(201, {1, 0, 0, 0});
  for (std::int64_t e = 0; e < v; ++e) big.logits.at(201, e) = two.logits.at(1, e);
  on_device<bfloat16> b(big);
  prefer_test::enqueues_only("many rows", 1, [&] {
    REQUIRE(token_logp<float>(cuda{.stream = s.handle}, {},
                              {.logits = b.read(), .target = b.target.read(), .grad_logp = b.weight0.read()},
                              {.logp = b.logp.view(), .log_sum = b.log_sum.view(), .grad_logits = b.write(b.gradient)})
                .ok());
  });
  s.wait(), b.fetch();
  CHECK(big.logp.get(201) == two.logp.get(1));
  CHECK(big.log_sum.get(201) == two.log_sum.get(1));
  CHECK(std::memcmp(&big.gradient.at(201, 0), &two.gradient.at(1, 0), static_cast<std::size_t>(v) * 2) == 0);
  prefer_test::covers("token_logp", "allocation");
}

TEST_CASE("token_logp on CUDA: a bad target makes its row NaN and is reported, a bad row is left alone") {
  stream s;
  token_memory<float> c(4, 300);
  prefer_test::noise random(8);
  c.logits.fill(random, -3, 3);
  for (std::int64_t i = 0; i < 4; ++i) c.target.at(i) = i == 2 ? 300 : i, c.set_weights(i, {1, 0, 0, 0});
  on_device<float> d(c);
  content_report report, *word = nullptr;
  REQUIRE(cudaMalloc(&word, sizeof report) == cudaSuccess);
  const auto run = [&](const token_logp_inputs<space::device>& in, auto out) {
    report = {};
    REQUIRE(cudaMemcpy(word, &report, sizeof report, cudaMemcpyHostToDevice) == cudaSuccess);
    REQUIRE(token_logp<float>(cuda{.stream = s.handle, .report = word}, {}, in, out).ok());
    s.wait(), d.fetch();
    REQUIRE(cudaMemcpy(&report, word, sizeof report, cudaMemcpyDeviceToHost) == cudaSuccess);
  };
  const token_logp_outputs<space::device> out = {.logp = d.logp.view(), .grad_logits = d.write(d.gradient)};
  run({.logits = d.read(), .target = d.target.read(), .grad_logp = d.weight0.read()}, out);
  CHECK((report.code() == errc::bad_index && report.index() == 2));
  for (std::int64_t i = 0; i < 4; ++i) {
    CHECK(std::isnan(c.logp.get(i)) == (i == 2));
    for (std::int64_t e = 0; e < 300; ++e) CHECK(std::isnan(c.gradient.get(i, e)) == (i == 2));
  }
  const std::int64_t bad[] = {-1, std::int64_t{1} << 40, std::numeric_limits<std::int64_t>::min()};
  for (std::int64_t i = 1; i < 4; ++i) c.target.at(i) = bad[i - 1];
  d.target.send();
  run({.logits = d.read(), .target = d.target.read(), .grad_logp = d.weight0.read()}, out);
  CHECK((report.code() == errc::bad_index && report.index() == 1));
  for (std::int64_t i = 0; i < 4; ++i)
    CHECK((std::isnan(c.logp.get(i)) == (i > 0) && std::isnan(c.gradient.get(i, 299)) == (i > 0)));
  // Items 0 to 2: row 1, row 3, and row 3 again, which does not ascend.
  buffer<std::int32_t> rows(3);
  rows.at(0) = 1, rows.at(1) = 3, rows.at(2) = 3;
  device<std::int32_t> drows(rows);
  buffer<std::int32_t> target(3);
  for (std::int64_t i = 0; i < 3; ++i) target.at(i) = 5;
  device<std::int32_t> dtarget(target);
  buffer<double> logp(3), one(1);
  one.set(0, 1);
  device<double> dlogp(logp), done(one);
  c.gradient = token_memory<float>(4, 300).gradient;
  d.gradient.send();
  run({.logits = d.read(), .target = dtarget.read(), .rows = drows.read(), .grad_logp = {done.data(), 3, 0}},
      token_logp_outputs<space::device>{.logp = dlogp.view(), .grad_logits = d.write(d.gradient)});
  dlogp.fetch();
  CHECK((report.code() == errc::bad_index && report.index() == 2));
  CHECK((std::isnan(logp.get(2)) && logp.get(0) < 0 && logp.get(1) < 0));
  const token_truth t = token_textbook(c.logits.logits(3), 5, {}, {1, 0, 0, 0});
  CHECK(logp.get(1) == doctest::Approx(static_cast<double>(t.logp)));
  for (std::int64_t e = 0; e < 300; ++e) {
    CHECK(c.gradient.get(3, e) ==
          doctest::Approx(static_cast<double>(t.gradient[static_cast<std::size_t>(e)])).epsilon(1e-4).scale(1e-3));
    float untouched;
    std::memset(&untouched, 0xa5, sizeof untouched);
    CHECK(std::memcmp(&c.gradient.at(0, e), &untouched, sizeof untouched) == 0);
  }
  cudaFree(word);
}

TEST_CASE("token_logp on CUDA: NaN and infinity stay in their row, a certain row is certain") {
  stream s;
  for (std::int64_t v : {40, 1300}) {
    token_memory<float> c(4, v);
    prefer_test::noise random(8);
    c.logits.fill(random, -3, 3);
    c.logits.set(1, v - 1, not_a_number);
    c.logits.set(2, v - 3, inf);
    for (std::int64_t e = 0; e < v; ++e)
      if (e != v - 2) c.logits.set(3, e, -inf);
    for (std::int64_t i = 0; i < 4; ++i) c.target.at(i) = v - 2, c.set_weights(i, {1, 0.5, 1, 1});
    on_device<float> d(c);
    REQUIRE(token_logp<float>(cuda{.stream = s.handle}, {.label_smoothing = 0.1}, d.inputs(), d.outputs()).ok());
    s.wait(), d.fetch();
    for (std::int64_t i = 0; i < 4; ++i) {
      const bool lost = i == 1 || i == 2;
      CHECK((std::isnan(c.logp.get(i)) == lost && std::isnan(c.entropy.get(i)) == lost));
      for (std::int64_t e = 0; e < v; ++e) CHECK(std::isnan(c.gradient.get(i, e)) == lost);
    }
    CHECK((c.logp.get(3) == 0 && c.entropy.get(3) == 0 && c.choices.get(3) == 1 && c.argmax_prob.get(3) == 1));
  }
}

TEST_CASE("token_logp on CUDA: one token left, wherever it is in the chunks of a row") {
  stream s;
  constexpr std::int64_t v = 33001, places[] = {0, 1, 2047, 16383, 16384, v - 1};
  token_memory<bfloat16> c(6, v);
  for (std::int64_t i = 0; i < 6; ++i) {
    for (std::int64_t e = 0; e < v; ++e) c.logits.set(i, e, -inf);
    c.logits.set(i, places[i], -3);
    c.target.at(i) = i < 5 ? places[i] : 7, c.set_weights(i, {1, 0, 1, 0});
  }
  on_device<bfloat16> d(c);
  REQUIRE(token_logp<float>(cuda{.stream = s.handle}, {}, d.inputs(), d.outputs()).ok());
  s.wait(), d.fetch();
  for (std::int64_t i = 0; i < 6; ++i) {
    CHECK((c.logp.get(i) == (i < 5 ? 0 : -inf) && c.max.get(i) == -3 && c.log_sum.get(i) == 0));
    CHECK((c.entropy.get(i) == 0 && c.choices.get(i) == 1 && c.argmax.at(i) == places[i] && c.argmax_prob.get(i) == 1));
    int wrong = 0;
    for (std::int64_t e = 0; e < v; ++e) wrong += c.gradient.get(i, e) != (i < 5 ? 0 : (e == 7) - (e == places[i]));
    CHECK(wrong == 0);
  }
}

TEST_CASE("token_logp on CUDA: offsets, the lowest and the largest numbers, a target far below") {
  stream s;
  constexpr double most = std::numeric_limits<float>::max();
  for (std::int64_t v : {300, 2100}) {
    // Rows: offsets, with a target 112 below; all alike at an extreme; one above the lowest; masks of the lowest.
    const double base[] = {-1e6, -1e4, 1e4, 1e6, -most, most, 1e38, -most, 0};
    constexpr std::int64_t m = 9;
    token_memory<float> c(m, v), small(1, v);
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t e = 0; e < v; ++e)
        c.logits.set(i, e, i < 4 ? base[i] + static_cast<double>(e % 7) - 112 * (e == 5) : base[i]);
      c.target.at(i) = 5, c.set_weights(i, {1, 0, 0, 0});
    }
    c.logits.set(7, 5, -0.9 * most);
    for (std::int64_t e = 0; e < v; ++e)
      if (e / 8 % 2 == 0 && e != 5) c.logits.set(8, e, -most);  // all that some threads see
    std::int64_t choices = 0;
    for (std::int64_t e = 0; e < v; ++e) choices += c.logits.get(8, e) == 0;
    for (std::int64_t e = 0; e < v; ++e) small.logits.set(0, e, static_cast<double>(e % 7) - 112 * (e == 5));
    const token_truth far = token_textbook(small.logits.logits(0), 5, {}, {1, 0, 0, 0});
    on_device<float> d(c);
    const cuda exec{.stream = s.handle};
    REQUIRE(token_logp<float>(exec, {},
                              {.logits = d.read(), .target = d.target.read(), .grad_logp = d.weight0.read()},
                              {.logp = d.logp.view(),
                               .max = d.max.view(),
                               .log_sum = d.log_sum.view(),
                               .grad_logits = d.write(d.gradient)})
                .ok());
    s.wait(), d.fetch();
    const double n = static_cast<double>(v), left = static_cast<double>(choices);
    for (std::int64_t i = 0; i < m; ++i) {
      INFO("row " << i << " of " << v);
      const double logp = i < 4 ? static_cast<double>(far.logp) : i < 7 ? -std::log(n) : i < 8 ? 0 : -std::log(left);
      CHECK(c.logp.get(i) == doctest::Approx(logp).epsilon(1e-6));
      if (i < 4) CHECK(c.max.get(i) == base[i] + 6);
      if (i < 4)
        CHECK(c.log_sum.get(i) == doctest::Approx(static_cast<double>(far.log_sum_exp) - 6).epsilon(1e-6));
      const double other = i < 4 ? static_cast<double>(far.gradient[3]) : -std::exp(logp) * (i < 7);
      CHECK(c.gradient.get(i, 3) == doctest::Approx(other).epsilon(1e-5));
      CHECK(c.gradient.get(i, 5) == doctest::Approx(-std::expm1(logp)).epsilon(1e-6));
    }
    REQUIRE(token_logp<float>(exec, {.label_smoothing = 0.25},
                              {.logits = d.read(), .target = d.target.read(), .grad_loss = d.weight0.read()},
                              {.loss = d.loss.view(), .choices = d.choices.view(), .grad_logits = d.write(d.gradient)})
                .ok());
    s.wait(), d.fetch();
    CHECK((c.choices.get(8) == left && c.loss.get(8) == doctest::Approx(std::log(left)).epsilon(1e-6)));
    for (std::int64_t e = 0; e < v; ++e)
      if (c.logits.get(8, e) != 0) CHECK(c.gradient.get(8, e) == 0);
  }
}

TEST_CASE("token_logp on CUDA: rows more than 2^32 elements apart") {
  stream s;
  constexpr std::int64_t v = 40, row = 3, stride = (std::int64_t{1} << 31) + 8;
  token_memory<half> c(1, v);
  prefer_test::noise random(41);
  c.logits.fill(random, -3, 3);
  c.target.at(0) = 5, c.set_weights(0, {1, 0, 0, 0});
  on_device<half> d(c);
  buffer<std::int64_t> rows(1);
  rows.at(0) = row;
  device<std::int64_t> listed(rows);
  const auto far = [](const half* p) {  // where the matrix would begin: only its row 3 exists
    return reinterpret_cast<std::uintptr_t>(p) - static_cast<std::uintptr_t>(row * stride) * sizeof(half);
  };
  // In place, so that nothing else is written into what the matrix would span.
  REQUIRE(token_logp<float>(cuda{.stream = s.handle}, {},
                            {.logits = {reinterpret_cast<const half*>(far(d.logits.data())), row + 1, v, stride, 1},
                             .target = d.target.read(),
                             .rows = listed.read(),
                             .grad_logp = d.weight0.read()},
                            {.grad_logits = {reinterpret_cast<half*>(far(d.logits.data())), row + 1, v, stride, 1}})
              .ok());
  s.wait();
  const token_truth t = token_textbook(c.logits.logits(0), 5, {}, {1, 0, 0, 0});
  d.logits.fetch();
  for (std::int64_t e = 0; e < v; ++e) {
    const auto exact = static_cast<double>(t.gradient[static_cast<std::size_t>(e)]);
    CHECK(c.logits.get(0, e) == doctest::Approx(exact).epsilon(2e-3));
  }
}

TEST_CASE("token_logp on CUDA: shards of the vocabulary combine to the whole, as on the CPU") {
  stream s;
  constexpr std::int64_t m = 3, v = 300, cut[] = {0, 101, 300};
  token_memory<float> c(m, v);
  prefer_test::noise random(17);
  c.logits.fill(random, -8, 8);
  c.target.at(0) = 100, c.target.at(1) = 101, c.target.at(2) = -100;
  for (std::int64_t i = 0; i < m; ++i) c.set_weights(i, {1, 0, 0, 0});
  on_device<float> d(c);
  buffer<double> max(2 * m), sum(2 * m), own(2 * m);
  device<double> dmax(max), dsum(sum), down(own);
  const auto shard = [&](int k) {
    return view<const float, 2, space::device>(d.logits.data() + cut[k], m, cut[k + 1] - cut[k], v, 1);
  };
  const auto all = [&](device<double>& x) { return view<const double, 2, space::device>(x.data(), 2, m); };
  const cuda exec{.stream = s.handle};
  for (int k = 0; k < 2; ++k)
    REQUIRE(token_logp<float>(exec, {}, {.logits = shard(k), .target = d.target.read(), .shard = {cut[k], v}},
                              {.shard_max = {dmax.data() + k * m, m},
                               .shard_sum = {dsum.data() + k * m, m},
                               .shard_target = {down.data() + k * m, m}})
                .ok());
  prefer_test::enqueues_only("combine", 1, [&] {
    REQUIRE(combine_token_shards(
                exec, {},
                {.shard_max = all(dmax), .shard_sum = all(dsum), .shard_target = all(down), .target = d.target.read()},
                {.logp = d.logp.view(), .max = d.max.view(), .log_sum = d.log_sum.view()})
                .ok());
  });
  for (int k = 0; k < 2; ++k)
    REQUIRE(token_logp_gradient<float>(exec, {},
                                       {.logits = shard(k),
                                        .target = d.target.read(),
                                        .logp = d.logp.read(),
                                        .max = d.max.read(),
                                        .log_sum = d.log_sum.read(),
                                        .grad_logp = d.weight0.read(),
                                        .shard = {cut[k], v}},
                                       {.grad_logits = view<float, 2, space::device>(d.gradient.data() + cut[k], m,
                                                                                    cut[k + 1] - cut[k], v, 1)})
                .ok());
  s.wait(), d.fetch();
  CHECK((c.logp.get(2) == 0 && c.gradient.get(2, 5) == 0));
  for (std::int64_t i = 0; i < 2; ++i) {
    const std::vector<double> x = c.logits.logits(i);
    const token_truth t = token_textbook(x, c.target.at(i), {}, {1, 0, 0, 0});
    const token_bounds<float> bound(x, {});
    CHECK(std::fabs(c.logp.get(i) - t.logp) <= bound.logp(t));
    for (std::size_t e = 0; e < x.size(); ++e)
      CHECK(std::fabs(c.gradient.get(i, static_cast<std::int64_t>(e)) - t.gradient[e]) <=
            bound.gradient(t, e) + prefer_test::rounding<float>(t.gradient[e]));
  }
}

TEST_CASE("token_logp on CUDA: replays from a graph with other logits, targets and options; names what is wrong") {
  stream s;
  constexpr std::int64_t v = 16500;
  token_memory<float> c(1, v);
  prefer_test::noise random(8);
  c.logits.fill(random, -3, 3);
  c.set_weights(0, {1, 0, 0, 0});
  c.target.at(0) = 4;
  on_device<float> d(c);
  buffer<double> temperature(1);
  temperature.set(0, 1);
  device<double> dtemperature(temperature);
  const token_softmax options = {.temperature = static_cast<const double*>(dtemperature.data())};
  const prefer_test::device_workspace memory(token_logp_workspace(1, v));
  const cuda exec{.stream = s.handle, .workspace = memory.get()};
  const token_logp_inputs<space::device> in = {
      .logits = d.read(), .target = d.target.read(), .grad_logp = d.weight0.read()};
  const token_logp_outputs<space::device> out = {.logp = d.logp.view(), .grad_logits = d.write(d.gradient)};
  const cudaGraphExec_t graph =
      prefer_test::capture(s.handle, [&] { check(token_logp<float>(exec, options, in, out)); });
  for (double t : {1.0, 0.5}) {
    temperature.set(0, t), c.target.at(0) += 16000 * (t < 1);
    dtemperature.send(), d.target.send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait(), d.fetch();
    const token_truth exact = token_textbook(c.logits.logits(0), c.target.at(0), {.temperature = t}, {1, 0, 0, 0});
    CHECK(c.logp.get(0) == doctest::Approx(static_cast<double>(exact.logp)).epsilon(1e-6));
    CHECK(c.gradient.get(0, 17) == doctest::Approx(static_cast<double>(exact.gradient[17])).epsilon(1e-4));
  }
  cudaGraphExecDestroy(graph);
  const prefer_test::device_workspace little(64);
  CHECK(token_logp<float>(cuda{.stream = s.handle, .workspace = little.get()}, options, in, out).code ==
        errc::small_workspace);
  auto wrong = in;
  wrong.target.extent[0] = 2;
  const status st = token_logp<float>(exec, options, wrong, out);
  CHECK(st.code == errc::bad_extent);
  CHECK(std::string(st.argument) == "target");
  for (const char* tag : {"capture", "bad-argument"}) prefer_test::covers("token_logp", tag);
}
