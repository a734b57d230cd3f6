// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/loss/dpo.hpp>
#include <support/buffer.hpp>
#include <support/loss_suite.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::noise;
using prefer_test::storage;
using prefer_test::ulps;

namespace {

struct golden_row {
  long double difference, label, margin, smoothing, value, slope, scale;
};
const golden_row golden[] = {
#include <golden_dpo.inc>
};

// n pairs of log-probabilities of any storage type, with room for everything that a call can write.
template <class S>
struct pairs {
  std::int64_t n;
  buffer<S> policy_chosen, policy_rejected, reference_chosen, reference_rejected, label, margin, weight;
  buffer<bool> mask;
  buffer<S> grad_chosen, grad_rejected, losses;
  buffer<double> loss{1}, accuracy{1}, count{1};

  explicit pairs(std::int64_t items, std::int64_t stride = 1, std::int64_t offset = 0, std::uint64_t seed = 1)
      : n(items),
        policy_chosen(n, stride, offset),
        policy_rejected(n, stride, offset),
        reference_chosen(n, stride, offset),
        reference_rejected(n, stride, offset),
        label(n, stride, offset),
        margin(n, stride, offset),
        weight(n, stride, offset),
        mask(n, stride, offset),
        grad_chosen(n, stride, offset),
        grad_rejected(n, stride, offset),
        losses(n, stride, offset) {
    noise random(seed);
    for (std::int64_t i = 0; i < n; ++i) {
      for (buffer<S>* b : {&policy_chosen, &policy_rejected, &reference_chosen, &reference_rejected})
        b->set(i, random.uniform(-40, 0));
      label.set(i, random.uniform(0, 1));
      margin.set(i, random.uniform(-1, 1));
      weight.set(i, random.uniform(-2, 2));
      mask.at(i) = random.uniform(0, 1) < 0.7;
    }
  }
  pair_inputs<space::host> inputs() {
    return {.policy_chosen = policy_chosen.read(),
            .policy_rejected = policy_rejected.read(),
            .reference_chosen = reference_chosen.read(),
            .reference_rejected = reference_rejected.read()};
  }
  pair_inputs<space::host> all_inputs() {
    pair_inputs<space::host> in = inputs();
    in.label = label.read(), in.margin = margin.read(), in.weight = weight.read(), in.mask = mask.read();
    return in;
  }
  pair_outputs<space::host> outputs() {
    return {.loss = loss.view(),
            .grad_policy_chosen = grad_chosen.view(),
            .grad_policy_rejected = grad_rejected.view(),
            .losses = losses.view(),
            .accuracy = accuracy.view(),
            .count = count.view()};
  }
  bool intact() {
    return policy_chosen.intact() && policy_rejected.intact() && reference_chosen.intact() &&
           reference_rejected.intact() && grad_chosen.intact() && grad_rejected.intact() && losses.intact() &&
           loss.intact() && accuracy.intact() && count.intact();
  }
};

// What a call left behind, bit by bit.
template <class S>
std::vector<unsigned char> written(const pairs<S>& p) {
  std::vector<unsigned char> all;
  for (const auto* b : {&p.grad_chosen.bytes(), &p.grad_rejected.bytes(), &p.losses.bytes(), &p.loss.bytes(),
                        &p.accuracy.bytes(), &p.count.bytes()})
    all.insert(all.end(), b->begin(), b->end());
  return all;
}

double loss_of(const pairs<double>& given, const dpo& loss, int field, std::int64_t item, double step) {
  pairs<double> p = given;
  buffer<double>* fields[] = {&p.policy_chosen, &p.policy_rejected, &p.reference_chosen, &p.reference_rejected};
  fields[field]->set(item, fields[field]->get(item) + step);
  check(evaluate<double>(cpu{}, loss, p.all_inputs(), {.loss = p.loss.view()}));
  return p.loss.get(0);
}

// One golden row per pair, at beta = 1/8: value and gradient of every storage type, compute type and level.
template <class Compute, class S>
void check_golden() {
  for (isa level : prefer_test::levels())
    for (double smoothing : {0.0, 0.125}) {
      std::vector<const golden_row*> rows;
      for (const golden_row& g : golden)
        if (static_cast<double>(g.smoothing) == smoothing) rows.push_back(&g);
      pairs<S> p(static_cast<std::int64_t>(rows.size()));
      for (std::int64_t i = 0; i < p.n; ++i) {
        const golden_row& g = *rows[static_cast<std::size_t>(i)];
        // The difference is spread over the four log-probabilities; all sums are exact.
        p.policy_chosen.set(i, static_cast<double>(g.difference));
        p.policy_rejected.set(i, -5), p.reference_chosen.set(i, -3), p.reference_rejected.set(i, -8);
        p.label.set(i, static_cast<double>(g.label)), p.margin.set(i, static_cast<double>(g.margin));
      }
      pair_inputs<space::host> in = p.inputs();
      in.label = p.label.read(), in.margin = p.margin.read(), in.normalizer = 1.0;
      REQUIRE(
          evaluate<Compute>(cpu{.isa = level}, dpo{.beta = 0.125, .label_smoothing = smoothing}, in, p.outputs()).ok());
      // In the compute type: 3 ulp of log(1 + e^-|z|), and a rounding each for the product and the sum; the slope adds
      // the rounding of beta. Storing in 16 bits adds half an ulp of that type.
      const double stored = storage<S>::digits < 24 ? 0.51 : 0;
      const bool same = stored == 0 && storage<S>::digits >= storage<Compute>::digits && sizeof(S) == sizeof(Compute);
      for (std::int64_t i = 0; i < p.n; ++i) {
        const golden_row& g = *rows[static_cast<std::size_t>(i)];
        INFO("difference " << static_cast<double>(g.difference) << " label " << static_cast<double>(g.label)
                           << " margin " << static_cast<double>(g.margin) << " smoothing " << smoothing);
        if (same || stored > 0) {
          const double value_error =
              stored > 0 ? ulps<S>(p.losses.get(i), g.value) : ulps<Compute>(p.losses.get(i), g.value);
          CHECK(value_error <= (stored > 0 ? stored + 0.05 : 5));
        }
        const auto error = std::fabs(static_cast<long double>(p.grad_chosen.get(i)) - g.slope);
        const long double unit = std::max(std::ldexp(1.0L, 1 - storage<Compute>::digits) * g.scale,
                                          std::ldexp(1.0L, storage<Compute>::least_exponent));
        const long double store_unit = std::max(std::ldexp(std::fabs(g.slope), 1 - storage<S>::digits),
                                                std::ldexp(1.0L, storage<S>::least_exponent));
        CHECK(error <= 5 * unit + store_unit);
        CHECK(p.grad_rejected.get(i) == -p.grad_chosen.get(i));
      }
      CHECK(p.intact());
    }
  prefer_test::covers<S>("dpo", "golden"), prefer_test::covers<S>("dpo", "tails");
}

}  // namespace

TEST_CASE("golden values and gradients, both tails, every storage type and level") {
  check_golden<float, float>();
  check_golden<double, double>();
  check_golden<float, half>();
  check_golden<float, bfloat16>();
  check_golden<double, bfloat16>();
  check_golden<float, double>();
}

TEST_CASE("the gradient is the derivative of the loss: finite differences through the whole call") {
  pairs<double> p(9);
  const dpo loss{.beta = 0.3, .label_smoothing = 0.1};
  buffer<double> grads[4] = {buffer<double>(9), buffer<double>(9), buffer<double>(9), buffer<double>(9)};
  REQUIRE(evaluate<double>(cpu{}, loss, p.all_inputs(),
                           {.grad_policy_chosen = grads[0].view(),
                            .grad_policy_rejected = grads[1].view(),
                            .grad_reference_chosen = grads[2].view(),
                            .grad_reference_rejected = grads[3].view()})
              .ok());
  for (int f = 0; f < 4; ++f)
    for (std::int64_t i = 0; i < 9; ++i) {
      const double h = 1e-4;  // Richardson: the error is of order h^4 = 1e-16, rounding of order 1e-16 / h
      const double wide = (loss_of(p, loss, f, i, h) - loss_of(p, loss, f, i, -h)) / (2 * h);
      const double narrow = (loss_of(p, loss, f, i, h / 2) - loss_of(p, loss, f, i, -h / 2)) / h;
      CHECK(grads[f].get(i) == doctest::Approx((4 * narrow - wide) / 3).epsilon(1e-8));
    }
}

TEST_CASE("step 0: where policy equals reference the loss is log 2 and the slope minus beta / 2") {
  pairs<double> p(40);
  p.reference_chosen.fill(p.policy_chosen.values());
  p.reference_rejected.fill(p.policy_rejected.values());
  pair_inputs<space::host> in = p.inputs();
  in.normalizer = 1.0;
  REQUIRE(evaluate<double>(cpu{}, dpo{.beta = 0.3}, in, p.outputs()).ok());
  for (std::int64_t i = 0; i < p.n; ++i) {
    CHECK(ulps<double>(p.losses.get(i), std::log(2.0L)) <= 2);
    CHECK(p.grad_chosen.get(i) == -0.15);
  }
  CHECK(p.accuracy.get(0) == 20);  // ties count one half
}

TEST_CASE("identities: exchange, shift, label mixing, the optimum of cDPO, implicit rewards") {
  prefer_test::covers("dpo", "identity");
  pairs<double> p(50);
  buffer<double> label(50), rc(50), rr(50), rm(50);
  for (std::int64_t i = 0; i < 50; ++i) label.set(i, 1 - p.label.get(i));
  const dpo loss{.beta = 0.2};
  pair_inputs<space::host> in = p.inputs();
  in.label = p.label.read();
  REQUIRE(evaluate<double>(cpu{}, loss, in, p.outputs()).ok());
  pairs<double> q(50);
  const pair_inputs<space::host> exchanged = {.policy_chosen = p.policy_rejected.read(),
                                              .policy_rejected = p.policy_chosen.read(),
                                              .reference_chosen = p.reference_rejected.read(),
                                              .reference_rejected = p.reference_chosen.read(),
                                              .label = label.read()};
  REQUIRE(evaluate<double>(cpu{}, loss, exchanged, q.outputs()).ok());
  for (std::int64_t i = 0; i < 50; ++i) {
    CHECK(q.losses.get(i) == doctest::Approx(p.losses.get(i)).epsilon(1e-14));
    CHECK(q.grad_chosen.get(i) == doctest::Approx(p.grad_rejected.get(i)).epsilon(1e-13));
  }
  REQUIRE(evaluate<double>(cpu{}, loss, p.inputs(),
                           {.reward_chosen = rc.view(), .reward_rejected = rr.view(), .reward_margin = rm.view()})
              .ok());
  for (std::int64_t i = 0; i < 50; ++i) {
    CHECK(rc.get(i) == 0.2 * (p.policy_chosen.get(i) - p.reference_chosen.get(i)));
    CHECK(rm.get(i) == rc.get(i) - rr.get(i));
  }
  // cDPO: the slope vanishes at beta * difference = log((1 - e) / e).
  double grad = 1;
  const double zero = 0, best = std::log(0.9 / 0.1) / 0.2;
  REQUIRE(evaluate<double>(cpu{}, dpo{.beta = 0.2, .label_smoothing = 0.1},
                           {.policy_chosen = {&best, 1},
                            .policy_rejected = {&zero, 1},
                            .reference_chosen = {&zero, 1},
                            .reference_rejected = {&zero, 1}},
                           {.grad_policy_chosen = {&grad, 1}})
              .ok());
  CHECK(std::fabs(grad) < 1e-16);
}

TEST_CASE(
    "infinite log-probabilities: an impossible rejected response costs nothing, an impossible chosen one everything") {
  const float inf = std::numeric_limits<float>::infinity();
  const float chosen[] = {-1, -inf}, rejected[] = {-inf, -1}, reference[] = {-1, -1};
  float losses[2], grad[2];
  REQUIRE(evaluate<float>(cpu{}, dpo{.beta = 0.5},
                          {.policy_chosen = {chosen, 2},
                           .policy_rejected = {rejected, 2},
                           .reference_chosen = {reference, 2},
                           .reference_rejected = {reference, 2},
                           .normalizer = 1.0},
                          {.grad_policy_chosen = {grad, 2}, .losses = {losses, 2}})
              .ok());
  CHECK(losses[0] == 0);
  CHECK(grad[0] == 0);
  CHECK(losses[1] == inf);
  CHECK(grad[1] == -0.5f);
}

TEST_CASE("the sum agrees with a sum in long double") {
  pairs<float> p(100003);
  REQUIRE(evaluate<float>(cpu{}, dpo{}, p.all_inputs(), p.outputs()).ok());
  long double sum = 0, size = 0, selected = 0;
  for (std::int64_t i = 0; i < p.n; ++i) {
    sum += static_cast<long double>(p.losses.get(i));
    size += static_cast<long double>(std::fabs(p.losses.get(i)));
    selected += p.mask.at(i) ? 1 : 0;
  }
  CHECK(p.count.get(0) == static_cast<double>(selected));
  // Float inside a tile of 512: 16 sums of 32 terms and a tree of 4 additions, hence at most 36 roundings of 2^-24.
  CHECK(std::fabs(static_cast<long double>(p.loss.get(0)) - sum / selected) <= 36 * 0x1p-24L * size / selected);
}

TEST_CASE("one element for all: inputs of stride 0; gradients as columns of one matrix") {
  pairs<float> p(33);
  const float zero = 0;
  std::vector<float> both(66);
  pair_inputs<space::host> in = p.inputs();
  in.reference_chosen = {&zero, 33, 0}, in.reference_rejected = {&zero, 33, 0};
  REQUIRE(
      evaluate<float>(cpu{}, dpo{}, in,
                      {.grad_policy_chosen = {both.data(), 33, 2}, .grad_policy_rejected = {both.data() + 1, 33, 2}})
          .ok());
  p.reference_chosen.fill(std::vector<double>(33)), p.reference_rejected.fill(std::vector<double>(33));
  REQUIRE(evaluate<float>(cpu{}, dpo{}, p.inputs(), p.outputs()).ok());
  for (std::int64_t i = 0; i < 33; ++i) {
    CHECK(both[static_cast<std::size_t>(2 * i)] == p.grad_chosen.at(i));
    CHECK(both[static_cast<std::size_t>(2 * i + 1)] == p.grad_rejected.at(i));
  }
}

TEST_CASE("masked items leave sum and mean alone; nothing selected gives zero") {
  pairs<double> p(100);
  for (std::int64_t i = 0; i < 100; ++i) p.mask.at(i) = i < 60;
  REQUIRE(evaluate<double>(cpu{}, dpo{}, p.all_inputs(), p.outputs()).ok());
  double loss = 0;
  pair_inputs<space::host> first = p.all_inputs();
  for (auto* v : {&first.policy_chosen, &first.policy_rejected, &first.reference_chosen, &first.reference_rejected,
                  &first.label, &first.margin, &first.weight})
    v->extent[0] = 60;
  first.mask = {};
  REQUIRE(evaluate<double>(cpu{}, dpo{}, first, {.loss = {&loss, 1}}).ok());
  CHECK(loss == p.loss.get(0));
  for (std::int64_t i = 0; i < 100; ++i) p.mask.at(i) = false;
  REQUIRE(evaluate<double>(cpu{}, dpo{}, p.all_inputs(), p.outputs()).ok());
  CHECK(p.loss.get(0) == 0);
  CHECK(p.count.get(0) == 0);
  CHECK(p.grad_chosen.values() == std::vector<double>(100, 0.0));
}

TEST_CASE("normaliser: mean by default, a number, a pointer; micro-batches add up; accumulation") {
  pairs<double> p(1000);
  REQUIRE(evaluate<double>(cpu{}, dpo{}, p.inputs(), p.outputs()).ok());
  const double mean = p.loss.get(0);
  const std::vector<double> gradient = p.grad_chosen.values();
  double sum = 0;
  pair_inputs<space::host> in = p.inputs();
  in.normalizer = 1.0;
  REQUIRE(evaluate<double>(cpu{}, dpo{}, in, {.loss = {&sum, 1}}).ok());
  CHECK(sum == doctest::Approx(mean * 1000).epsilon(1e-15));
  const float whole = 1000;
  in.normalizer = &whole;
  double parts = 0;
  buffer<double> grad(1000);
  grad.fill(std::vector<double>(1000));
  for (std::int64_t at = 0; at < 1000; at += 130) {
    pair_inputs<space::host> part = in;
    const std::int64_t count = std::min<std::int64_t>(130, 1000 - at);
    for (auto* v : {&part.policy_chosen, &part.policy_rejected, &part.reference_chosen, &part.reference_rejected}) {
      v->data = static_cast<const double*>(v->data) + at;
      v->extent[0] = count;
    }
    REQUIRE(evaluate<double>(cpu{}, dpo{}, part,
                             {.loss = {&parts, 1}, .grad_policy_chosen = {&grad.at(at), count}, .accumulate = true})
                .ok());
  }
  CHECK(parts == doctest::Approx(mean).epsilon(1e-14));
  CHECK(grad.values() == gradient);
}

TEST_CASE("parameters by pointer are read when the call runs") {
  pairs<double> p(20), q(20);
  const double beta = 0.7;
  REQUIRE(evaluate<double>(cpu{}, dpo{.beta = &beta}, p.inputs(), p.outputs()).ok());
  REQUIRE(evaluate<double>(cpu{}, dpo{.beta = 0.7}, q.inputs(), q.outputs()).ok());
  CHECK(written(p) == written(q));
}

TEST_CASE("NaN in a selected item stays in that item and in the sum") {
  pairs<float> p(40);
  p.policy_chosen.at(17) = std::numeric_limits<float>::quiet_NaN();
  REQUIRE(evaluate<float>(cpu{}, dpo{}, p.inputs(), p.outputs()).ok());
  for (std::int64_t i = 0; i < 40; ++i) CHECK(math::is_nan(p.grad_chosen.at(i)) == (i == 17));
  CHECK(math::is_nan(p.loss.get(0)));
}

TEST_CASE("bad parameters and outputs that cannot be are named; the sentence says what was expected") {
  pairs<float> p(8);
  const auto refused = [&](errc code, const char* argument, const dpo& loss, const pair_outputs<space::host>& out) {
    const status s = evaluate<float>(cpu{}, loss, p.inputs(), out);
    INFO(message(s).c_str());
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
  };
  for (double beta : {0.0, -1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
    refused(errc::bad_parameter, "beta", dpo{.beta = beta}, p.outputs());
  refused(errc::bad_parameter, "beta", dpo{.beta = static_cast<const double*>(nullptr)}, p.outputs());
  for (double smoothing : {-0.1, 0.5, 1.0})
    refused(errc::bad_parameter, "label_smoothing", dpo{.label_smoothing = smoothing}, p.outputs());
  refused(errc::bad_extent, "loss", dpo{}, {.loss = {p.grad_chosen.data(), 2}});
  half reduced[1];
  refused(errc::bad_element, "loss", dpo{}, {.loss = {reduced, 1}});
  refused(errc::overlap, "grad_policy_rejected", dpo{},
          {.grad_policy_chosen = {p.grad_chosen.data(), 8}, .grad_policy_rejected = {p.grad_chosen.data(), 8}});
  refused(errc::unavailable_output, "terms", dpo{}, {.terms = {p.grad_chosen.data(), 1}});
  p.label.set(3, 1.5);
  pair_inputs<space::host> in = p.inputs();
  in.label = p.label.read();
  const status s = evaluate<float>(cpu{}, dpo{}, in, p.outputs());
  CHECK(std::string(message(s).c_str()) == "prefer: bad label: label[3] is 1.5, expected a probability, from 0 to 1");
  CHECK(p.grad_chosen.untouched());
  CHECK(p.loss.untouched());
}

TEST_CASE("DPO keeps what every loss promises") {
  prefer_test::loss_suite("dpo", dpo{.beta = 0.1, .label_smoothing = 0.05});
}
