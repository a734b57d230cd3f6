// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cosine.hpp>
#include <prefer/core/thread_pool.hpp>
#include <prefer/loss/bradley_terry.hpp>
#include <prefer/loss/hinge.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <type_traits>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::cosine_of;
using prefer_test::covers;
using prefer_test::differences;
using prefer_test::dot;
using prefer_test::matrix;
using prefer_test::row_of;
using prefer_test::storage;
using prefer_test::vector;

namespace {

template <class S>
using compute = std::conditional_t<std::is_same_v<S, double>, double, float>;

const reward_linear identity_loss{.slope = -1.0, .offset = 1.0};  // 1 - cos

// Embeddings, references and room for their gradients.
template <class S>
struct embeddings {
  std::int64_t n, d;
  matrix<S> e, r, grad_e, grad_r;
  buffer<double> loss, losses, weight, count;
  buffer<bool> mask;

  embeddings(std::int64_t items, std::int64_t elements, std::int64_t gap = 0)
      : n(items),
        d(elements),
        e(n, d, gap),
        r(n, d, gap),
        grad_e(n, d, gap),
        grad_r(n, d, gap),
        loss(1),
        losses(n),
        weight(n),
        count(1),
        mask(n) {
    prefer_test::noise random(7);
    e.fill(random, -1, 1), r.fill(random, -1, 2);
    for (std::int64_t i = 0; i < n; ++i) weight.set(i, random.uniform(-2, 2)), mask.at(i) = i % 4 != 1;
  }
  row_response_inputs<cosine, space::host> inputs() {
    return {.rows = {e.read(), r.read()}, .weight = weight.read(), .mask = mask.read()};
  }
  row_scored_outputs<space::host, embedding_gradients<space::host>> outputs() {
    return {
        .loss = loss.view(), .grad = {grad_e.view(), grad_r.view()}, .losses = losses.view(), .count = count.view()};
  }
};

template <class S>
void check_identity_loss(std::int64_t n, std::int64_t d, std::int64_t gap) {
  embeddings<S> x(n, d, gap);
  long double selected = 0;
  for (std::int64_t i = 0; i < n; ++i) selected += x.mask.at(i) ? 1 : 0;
  for (isa level : prefer_test::levels()) {
    REQUIRE(evaluate_rows<compute<S>>(cpu{.isa = level}, cosine{}, identity_loss, x.inputs(), x.outputs()).ok());
    const long double unit = std::ldexp(1.0L, 6 - storage<compute<S>>::digits);
    long double total = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      INFO("item " << i << " of " << n << " x " << d);
      const vector e = row_of(x.e, i), r = row_of(x.r, i);
      const long double w = x.mask.at(i) ? static_cast<long double>(x.weight.get(i)) : 0;
      CHECK(std::fabs(x.losses.get(i) - w * (1 - cosine_of(e, r))) <= unit * std::fabs(w) * 2);
      total += w * (1 - cosine_of(e, r)) / selected;
      const auto check_gradient = [&](matrix<S>& got, const vector& expected, const vector& at) {
        const long double size = std::fabs(w) / selected / std::sqrt(dot(at, at));
        for (std::int64_t k = 0; k < d; ++k) {
          const long double exact = -w / selected * expected[static_cast<std::size_t>(k)];
          CHECK(std::fabs(got.get(i, k) - exact) <= 4 * unit * size + 1e-11L * size +
                                                        std::ldexp(std::fabs(exact), 1 - storage<S>::digits) +
                                                        std::ldexp(1.0L, storage<S>::least_exponent));
        }
      };
      check_gradient(x.grad_e, differences(e, [&](const vector& y) { return cosine_of(y, r); }), e);
      check_gradient(x.grad_r, differences(r, [&](const vector& y) { return cosine_of(e, y); }), r);
    }
    if (n > 0) CHECK(std::fabs(x.loss.get(0) - total) <= unit * 8);
    CHECK(x.count.get(0) == static_cast<double>(selected));
    CHECK((x.grad_e.memory.intact() && x.grad_r.memory.intact() && x.losses.intact() && x.loss.intact()));
  }
}

template <class S>
void check_all() {
  for (std::int64_t d : {1, 7, 16, 17, 130}) check_identity_loss<S>(5, d, 0), check_identity_loss<S>(3, d, 3);
  check_identity_loss<S>(2, 600, 1);
  check_identity_loss<S>(0, 9, 0);
  covers<S>("cosine", "sizes");
}

// a, p, n of hand-worked triplets, and a triplet by its textbook form.
struct triplet {
  vector a, p, n;
  long double loss(long double margin) const {
    const auto unit = [](vector x) {
      const long double size = std::sqrt(dot(x, x));
      for (auto& y : x) y /= size;
      return x;
    };
    const auto distance = [&](const vector& x) {
      long double sum = 0;
      for (std::size_t e = 0; e < x.size(); ++e) sum += std::pow(unit(a)[e] - unit(x)[e], 2);
      return sum;
    };
    return std::max(0.0L, distance(p) - distance(n) + margin);
  }
};

}  // namespace

TEST_CASE("cosine: 1 - cos and its gradient by both embeddings are the textbook's, for every size and storage type") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<half>(); }
  SUBCASE("bfloat16") { check_all<bfloat16>(); }
}

TEST_CASE("equal directions lose nothing and pull nowhere; opposite ones lose two; lengths do not matter") {
  const double e[] = {3, 4, 30, 40, -3, -4}, r[] = {3, 4, 0.3, 0.4, 6, 8};
  double losses[3], grad[6];
  check(evaluate_rows<double>(cpu{}, cosine{}, identity_loss, {.rows = {{e, 3, 2}, {r, 3, 2}}},
                              {.grad = {.embedding = {grad, 3, 2}}, .losses = {losses, 3}}));
  CHECK((losses[0] == 0 && std::fabs(losses[1]) < 1e-15 && losses[2] == 2));
  for (double g : grad) CHECK(std::fabs(g) < 1e-16);
}

TEST_CASE("an embedding of norm zero has loss one and no gradient, on either side, and spoils no other item") {
  const float e[] = {0, 0, 1, 0, 1, 0}, r[] = {1, 2, 0, 0, 1, 1};
  float losses[3], grad_e[6], grad_r[6];
  check(evaluate_rows<float>(cpu{}, cosine{}, identity_loss, {.rows = {{e, 3, 2}, {r, 3, 2}}},
                             {.grad = {{grad_e, 3, 2}, {grad_r, 3, 2}}, .losses = {losses, 3}}));
  CHECK((losses[0] == 1 && losses[1] == 1 && losses[2] == doctest::Approx(1 - std::sqrt(0.5))));
  for (int k = 0; k < 4; ++k) CHECK((grad_e[k] == 0 && grad_r[k] == 0));
  CHECK(grad_e[5] == doctest::Approx(-std::sqrt(0.5) / 3));
}

TEST_CASE("the triplet loss: the hand-worked one is 0, and hinges on cosines are the distances' form with gradients") {
  const triplet t[] = {
      {{1, 0}, {0.8L, 0.6L}, {0.6L, 0.8L}}, {{1, 0.5L}, {-1, 2}, {3, 1}}, {{2, -1}, {1, 1}, {0.5L, 0.25L}}};
  double a[6], p[6], n[6];
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t e = 0; e < 2; ++e)
      a[2 * i + e] = static_cast<double>(t[i].a[e]), p[2 * i + e] = static_cast<double>(t[i].p[e]),
                n[2 * i + e] = static_cast<double>(t[i].n[e]);
  double losses[3], grad[4][6], dpo_losses[3], dpo_grad[6];
  const double two = 2;
  check(evaluate_rows<double>(
      cpu{}, cosine{}, score_hinge{.target = 0.15},
      {.chosen = {{p, 3, 2}, {a, 3, 2}}, .rejected = {{n, 3, 2}, {a, 3, 2}}, .weight = {&two, 3, 0}, .normalizer = 1.0},
      {.grad_chosen = {{grad[0], 3, 2}, {grad[1], 3, 2}},
       .grad_rejected = {{grad[2], 3, 2}, {grad[3], 3, 2}},
       .losses = {losses, 3}}));
  CHECK(losses[0] == 0);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(losses[i] == doctest::Approx(static_cast<double>(t[i].loss(0.3L))).epsilon(1e-14));
    const auto by = [&](vector triplet::*which) {
      return differences(t[i].*which, [&](const vector& moved) {
        triplet m = t[i];
        m.*which = moved;
        return m.loss(0.3L);
      });
    };
    const vector by_a = by(&triplet::a), by_p = by(&triplet::p), by_n = by(&triplet::n);
    for (std::size_t e = 0; e < 2; ++e) {
      const std::size_t at = 2 * i + e;
      CHECK(grad[0][at] == doctest::Approx(static_cast<double>(by_p[e])).epsilon(1e-9));
      CHECK(grad[2][at] == doctest::Approx(static_cast<double>(by_n[e])).epsilon(1e-9));
      CHECK(grad[1][at] + grad[3][at] == doctest::Approx(static_cast<double>(by_a[e])).epsilon(1e-9));
    }
  }
  // A loss over pairs of log-ratios takes the same rows: the hinge with beta 2.
  check(evaluate_rows<double>(cpu{}, cosine{}, hinge{.beta = 2.0, .margin = 0.3},
                              {.chosen = {{p, 3, 2}, {a, 3, 2}}, .rejected = {{n, 3, 2}, {a, 3, 2}}, .normalizer = 1.0},
                              {.grad_chosen = {.embedding = {dpo_grad, 3, 2}}, .losses = {dpo_losses, 3}}));
  for (std::size_t i = 0; i < 3; ++i) CHECK(dpo_losses[i] == doctest::Approx(losses[i]).epsilon(1e-14));
  for (std::size_t k = 0; k < 6; ++k) CHECK(dpo_grad[k] == doctest::Approx(grad[0][k]).epsilon(1e-14));
}

TEST_CASE("a margin and a soft label per pair reach a loss over cosines") {
  const double a[] = {1, 0}, p[] = {0, 1}, n[] = {1, 0}, margin = -3, label = 0.25;
  double value = 0, ahead = 0;
  check(evaluate_rows<double>(cpu{}, cosine{}, bradley_terry{},
                              {.chosen = {{p, 1, 2}, {a, 1, 2}},
                               .rejected = {{n, 1, 2}, {a, 1, 2}},
                               .label = {&label, 1},
                               .margin = {&margin, 1}},
                              {.loss = {&value, 1}, .reward_margin = {&ahead, 1}}));
  const auto expected = bradley_terry{}(reward_pair<double>{.chosen = 0, .rejected = 1, .label = 0.25, .margin = -3});
  CHECK(value == doctest::Approx(expected.value).epsilon(1e-15));
  CHECK(ahead == -1);
}

TEST_CASE("cosine: one reference for all, the same bits for any threads, masked rows unread, nothing allocated") {
  embeddings<float> x(40, 700);
  const auto bits = [&](const cpu& exec) {
    REQUIRE(evaluate_rows<float>(exec, cosine{}, identity_loss, x.inputs(), x.outputs()).ok());
    auto all = x.grad_e.memory.bytes();
    all.insert(all.end(), x.loss.bytes().begin(), x.loss.bytes().end());
    return all;
  };
  const auto expected = bits(cpu{});
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(bits(cpu{.pool = pool}) == expected);
  }
  for (std::int64_t i = 1; i < 40; i += 4)
    for (std::int64_t e = 0; e < 700; ++e) x.e.set(i, e, std::numeric_limits<double>::quiet_NaN());
  CHECK(bits(cpu{}) == expected);
  const auto in = x.inputs();
  const auto out = x.outputs();
  const long before = prefer_test::allocation_count();
  const status s = evaluate_rows<float>(cpu{}, cosine{}, identity_loss, in, out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK(s.ok());
  // One row for all is what copies of it are.
  auto shared = in;
  shared.rows.reference.stride[0] = 0;
  REQUIRE(evaluate_rows<float>(cpu{}, cosine{}, identity_loss, shared, out).ok());
  const auto once = x.losses.values();
  for (std::int64_t i = 1; i < 40; ++i)
    for (std::int64_t e = 0; e < 700; ++e) x.r.set(i, e, x.r.get(0, e));
  REQUIRE(evaluate_rows<float>(cpu{}, cosine{}, identity_loss, in, out).ok());
  CHECK(x.losses.values() == once);
  for (const char* tag : {"threads", "masked", "allocation"}) covers("cosine", tag);
}

TEST_CASE("cosine: what is wrong is named, and nothing is written") {
  embeddings<float> x(4, 10);
  const auto refused = [&](errc code, const char* argument, auto change, const auto& loss) {
    auto in = x.inputs();
    auto out = x.outputs();
    change(in, out);
    const status s = evaluate_rows<float>(cpu{}, cosine{}, loss, in, out);
    INFO(message(s).c_str() << " expected for " << argument);
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
  };
  const auto nothing = [](auto&, auto&) {};
  refused(
      errc::missing_input, "rows.reference", [](auto& in, auto&) { in.rows.reference = {}; }, identity_loss);
  refused(
      errc::bad_extent, "rows.reference", [](auto& in, auto&) { in.rows.reference.extent[1] = 9; }, identity_loss);
  refused(
      errc::unused_input, "label", [](auto& in, auto&) { in.label = in.weight; }, identity_loss);
  refused(
      errc::overlap, "grad.reference", [](auto&, auto& out) { out.grad.reference = out.grad.embedding; },
      identity_loss);
  refused(
      errc::bad_stride, "grad.embedding", [](auto&, auto& out) { out.grad.embedding.stride[0] = 9; }, identity_loss);
  refused(
      errc::bad_extent, "grad.embedding", [](auto&, auto& out) { out.grad.embedding.extent[0] = 3; }, identity_loss);
  refused(
      errc::unavailable_output, "probability", [](auto&, auto& out) { out.probability = out.losses; }, identity_loss);
  refused(
      errc::missing_output, "outputs", [](auto&, auto& out) { out = {}; }, identity_loss);
  refused(errc::bad_parameter, "target", nothing, reward_hinge{.target = HUGE_VAL});
  CHECK((x.loss.untouched() && x.grad_e.memory.untouched() && x.losses.untouched()));
  covers("cosine", "bad-argument");
}
