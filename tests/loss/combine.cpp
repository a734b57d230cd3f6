// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/loss/combine.hpp>
#include <prefer/loss/dpo.hpp>
#include <support/buffer.hpp>
#include <support/losses.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace prefer;
using prefer_test::hinge;

namespace {

struct fixture {
  static constexpr std::int64_t n = 300;
  std::vector<float> x, weight;
  std::vector<unsigned char> mask;
  fixture() : x(4 * n), weight(n), mask(n) {
    prefer_test::noise random(9);
    for (float& v : x) v = static_cast<float>(random.uniform(-5, 0));
    for (float& v : weight) v = static_cast<float>(random.uniform(-1, 2));
    for (auto& m : mask) m = random.uniform(0, 1) < 0.8;
  }
  pair_inputs<space::host> policy() {
    return {.policy_chosen = {x.data(), n},
            .policy_rejected = {x.data() + n, n},
            .weight = {weight.data(), n},
            .mask = {mask.data(), n}};
  }
  pair_inputs<space::host> both() {
    pair_inputs<space::host> in = policy();
    in.reference_chosen = {x.data() + 2 * n, n}, in.reference_rejected = {x.data() + 3 * n, n};
    return in;
  }
};

template <class Loss>
std::vector<double> run(const Loss& loss, const pair_inputs<space::host>& in, isa level = isa::automatic) {
  constexpr std::int64_t n = fixture::n;
  std::vector<double> all(2 * n + 1);
  check(evaluate<double>(
      cpu{.isa = level}, loss, in,
      {.loss = {&all[2 * n], 1}, .grad_policy_chosen = {all.data(), n}, .grad_policy_rejected = {all.data() + n, n}}));
  return all;
}

}  // namespace

TEST_CASE("a combination is the weighted sum of its losses, and reports each of them") {
  fixture f;
  const std::vector<double> a = run(dpo{.beta = 0.4}, f.both()), b = run(hinge{1.5}, f.policy()),
                            c = run(combine(0.7, dpo{.beta = 0.4}, -2.0, hinge{1.5}), f.both());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(c[i] == doctest::Approx(0.7 * a[i] - 2 * b[i]).epsilon(1e-13));
  double terms[2], loss;
  REQUIRE(evaluate<double>(cpu{}, combine(0.7, dpo{.beta = 0.4}, -2.0, hinge{1.5}), f.both(),
                           {.loss = {&loss, 1}, .terms = {terms, 2}})
              .ok());
  CHECK(terms[0] == doctest::Approx(a.back()).epsilon(1e-13));
  CHECK(terms[1] == doctest::Approx(b.back()).epsilon(1e-13));
  CHECK(loss == doctest::Approx(0.7 * terms[0] - 2 * terms[1]).epsilon(1e-13));
}

TEST_CASE("weights by pointer; a combination of four; the inputs are the union of the parts'") {
  fixture f;
  const double w = 0.25;
  CHECK(run(combine(&w, hinge{1.0}), f.policy()) == run(combine(0.25, hinge{1.0}), f.policy()));
  const std::vector<double> four = run(combine(1.0, hinge{1.0}, 1.0, hinge{1.0}, 1.0, hinge{1.0}, 1.0, hinge{1.0}),
                                       f.policy()),
                            one = run(hinge{1.0}, f.policy());
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(four[i] == doctest::Approx(4 * one[i]).epsilon(1e-14));
  double loss;
  const status s = evaluate<double>(cpu{}, combine(1.0, hinge{1.0}, 1.0, dpo{}), f.policy(), {.loss = {&loss, 1}});
  CHECK(s.code == errc::missing_input);
  CHECK(std::string(s.argument) == "reference_chosen");
}

TEST_CASE("parameters of every part are checked") {
  fixture f;
  double loss;
  CHECK(
      std::string(evaluate<double>(cpu{}, combine(1.0, hinge{1}, 1.0, dpo{.beta = -1}), f.both(), {.loss = {&loss, 1}})
                      .argument) == "beta");
  CHECK(std::string(evaluate<double>(cpu{}, combine(std::numeric_limits<double>::infinity(), dpo{}), f.both(),
                                     {.loss = {&loss, 1}})
                        .argument) == "weight of combine");
  CHECK(evaluate<double>(cpu{}, dpo{}, f.both(), {.loss = {&loss, 1}, .terms = {&loss, 1}}).code ==
        errc::unavailable_output);
}

TEST_CASE("a user's own loss: value and gradient by brute force at every level, its fields found by themselves") {
  fixture f;
  for (isa level : prefer_test::levels()) {
    const std::vector<double> got = run(hinge{1.5}, f.policy(), level);
    double sum = 0, selected = 0;
    for (std::int64_t i = 0; i < fixture::n; ++i) selected += f.mask[static_cast<std::size_t>(i)];
    for (std::int64_t i = 0; i < fixture::n; ++i) {
      const auto k = static_cast<std::size_t>(i);
      const double w = f.mask[k] != 0 ? static_cast<double>(f.weight[k]) : 0;
      const double missing = 1.5 - (static_cast<double>(f.x[k]) - static_cast<double>(f.x[k + fixture::n]));
      sum += w * std::max(missing, 0.0);
      CHECK(got[k] == doctest::Approx(missing > 0 ? -w / selected : 0).epsilon(1e-14));
    }
    CHECK(got.back() == doctest::Approx(sum / selected).epsilon(1e-12));
  }
  double loss;
  const status s = evaluate<double>(cpu{}, hinge{1.5}, f.both(), {.loss = {&loss, 1}});
  CHECK(s.code == errc::unused_input);
  CHECK(std::string(s.argument) == "reference_chosen");
  CHECK(evaluate<double>(cpu{}, hinge{1.5}, f.policy(), {.loss = {&loss, 1}, .accuracy = {&loss, 1}}).code ==
        errc::unavailable_output);
}

TEST_CASE("a helper that takes lanes by value and is not inlined works at every level") {
  fixture f;
  for (isa level : prefer_test::levels()) {
    const std::vector<double> got = run(prefer_test::squared_by_value{}, f.policy(), level);
    double sum = 0, selected = 0;
    for (std::size_t k = 0; k < fixture::n; ++k) {
      const double d = static_cast<double>(f.x[k]) - static_cast<double>(f.x[k + fixture::n]);
      if (f.mask[k] != 0) sum += static_cast<double>(f.weight[k]) * d * d, selected += 1;
    }
    CHECK(got.back() == doctest::Approx(sum / selected).epsilon(1e-12));
  }
}
