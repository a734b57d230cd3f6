// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/evaluate_tokens.hpp>
#include <prefer/loss/dpo.hpp>
#include <support/allocations.hpp>
#include <support/buffer.hpp>
#include <support/losses.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace prefer;
using prefer_test::buffer;

namespace {

// n pairs of packed responses with random lengths (empty ones included) and token masks.
template <class S>
struct tokens {
  std::int64_t n;
  std::vector<std::int32_t> chosen{0}, rejected{0};
  buffer<S> pc, pr, rc, rr, gc, gr;
  buffer<bool> mc, mr;

  static std::int64_t length(std::int64_t i, int side) {
    return i % 7 == 3 && side == 0 ? 0 : (i * 131 + side * 57) % 600;
  }
  static std::int64_t total(std::int64_t n, int side) {
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += length(i, side);
    return sum;
  }
  explicit tokens(std::int64_t items)
      : n(items),
        pc(total(n, 0)),
        pr(total(n, 1)),
        rc(total(n, 0), 2),
        rr(total(n, 1)),
        gc(total(n, 0)),
        gr(total(n, 1), 3),
        mc(total(n, 0)),
        mr(total(n, 1)) {
    for (std::int64_t i = 0; i < n; ++i) {
      chosen.push_back(chosen.back() + static_cast<std::int32_t>(length(i, 0)));
      rejected.push_back(rejected.back() + static_cast<std::int32_t>(length(i, 1)));
    }
    prefer_test::noise random(21);
    for (auto* b : {&pc, &pr, &rc, &rr})
      for (std::int64_t t = 0; t < b->size(); ++t) b->set(t, random.uniform(-2, 0));
    for (auto* b : {&mc, &mr})
      for (std::int64_t t = 0; t < b->size(); ++t) b->at(t) = random.uniform(0, 1) < 0.8;
    for (std::int64_t t = 0; t < mc.size(); ++t)
      if (!mc.at(t)) pc.set(t, std::numeric_limits<double>::quiet_NaN());
  }
  pair_token_inputs<space::host> inputs() {
    return {.policy_chosen = pc.read(),
            .policy_rejected = pr.read(),
            .reference_chosen = rc.read(),
            .reference_rejected = rr.read(),
            .chosen_offsets = {chosen.data(), n + 1},
            .rejected_offsets = {rejected.data(), n + 1},
            .chosen_mask = mc.read(),
            .rejected_mask = mr.read()};
  }
  long double sum(buffer<S>& x, buffer<bool>& mask, const std::vector<std::int32_t>& offsets, std::int64_t i) {
    long double s = 0;
    for (std::int64_t t = offsets[static_cast<std::size_t>(i)]; t < offsets[static_cast<std::size_t>(i + 1)]; ++t)
      if (mask.at(t)) s += static_cast<long double>(x.get(t));
    return s;
  }
};

}  // namespace

TEST_CASE("tokens: sums, loss and token gradients equal those of whole responses; NaN in masked tokens is irrelevant") {
  const auto run = [](auto tag, double tolerance) {
    using S = decltype(tag);
    tokens<S> p(40);
    buffer<double> losses(40), loss(1);
    REQUIRE(evaluate_tokens(cpu{}, dpo{.beta = 0.1}, p.inputs(),
                            {.loss = loss.view(),
                             .grad_policy_chosen = p.gc.view(),
                             .grad_policy_rejected = p.gr.view(),
                             .losses = losses.view()})
                .ok());
    double mean = 0;
    for (std::int64_t i = 0; i < 40; ++i) {
      const double z =
          static_cast<double>(0.1L * ((p.sum(p.pc, p.mc, p.chosen, i) - p.sum(p.rc, p.mc, p.chosen, i)) -
                                      (p.sum(p.pr, p.mr, p.rejected, i) - p.sum(p.rr, p.mr, p.rejected, i))));
      const double value = z > 0 ? std::log1p(std::exp(-z)) : -z + std::log1p(std::exp(z)),
                   slope = -0.1 / (1 + std::exp(z)) / 40;
      mean += value / 40;
      CHECK(losses.get(i) == doctest::Approx(value).epsilon(1e-11));
      for (std::int64_t t = p.chosen[static_cast<std::size_t>(i)]; t < p.chosen[static_cast<std::size_t>(i + 1)]; ++t)
        CHECK(p.gc.get(t) == doctest::Approx(p.mc.at(t) ? slope : 0).epsilon(tolerance));
      for (std::int64_t t = p.rejected[static_cast<std::size_t>(i)]; t < p.rejected[static_cast<std::size_t>(i + 1)];
           ++t)
        CHECK(p.gr.get(t) == doctest::Approx(p.mr.at(t) ? -slope : 0).epsilon(tolerance));
    }
    CHECK(loss.get(0) == doctest::Approx(mean).epsilon(1e-12));
    CHECK((p.gc.intact() && p.gr.intact() && p.pc.intact() && losses.intact()));
  };
  run(float{}, 1e-7), run(double{}, 1e-11), run(bfloat16{}, 1e-2);
}

TEST_CASE("a loss that reads lengths gets the number of selected tokens") {
  tokens<double> p(20);
  buffer<double> losses(20);
  pair_token_inputs<space::host> in = p.inputs();
  in.policy_rejected = in.reference_chosen = in.reference_rejected = {}, in.rejected_mask = {};
  const std::vector<std::int32_t> none(21, 0);
  in.rejected_offsets = {none.data(), 21};
  REQUIRE(evaluate_tokens(cpu{}, prefer_test::mean_nll{}, in, {.losses = losses.view()}).ok());
  for (std::int64_t i = 0; i < 20; ++i) {
    long double count = 0;
    for (std::int64_t t = p.chosen[static_cast<std::size_t>(i)]; t < p.chosen[static_cast<std::size_t>(i + 1)]; ++t)
      count += p.mc.at(t) ? 1 : 0;
    if (count > 0)
      CHECK(losses.get(i) ==
            doctest::Approx(static_cast<double>(-p.sum(p.pc, p.mc, p.chosen, i) / count)).epsilon(1e-12));
    else
      CHECK(std::isnan(losses.get(i)));
  }
}

TEST_CASE("both responses interleaved in one array share one gradient array") {
  // c0 c0 | r0 | c1 | r1 r1 r1
  const double policy[] = {-1, -2, -3, -1, -2, -2, -1};
  const std::int64_t offsets[] = {0, 2, 3, 4, 7};
  double grad[7], other_chosen[3], other_rejected[4], losses[2], expected[2];
  REQUIRE(evaluate_tokens(cpu{}, dpo{},
                          {.policy_chosen = {policy, 7},
                           .policy_rejected = {policy, 7},
                           .reference_chosen = {policy, 7, 0},
                           .reference_rejected = {policy, 7, 0},
                           .chosen_offsets = {offsets, 2, 2},
                           .rejected_offsets = {offsets + 1, 2, 2},
                           .chosen_ends = {offsets + 1, 2, 2},
                           .rejected_ends = {offsets + 2, 2, 2}},
                          {.grad_policy_chosen = {grad, 7}, .grad_policy_rejected = {grad, 7}, .losses = {losses, 2}})
              .ok());
  const double chosen[] = {-1, -2, -1}, rejected[] = {-3, -2, -2, -1};
  const int chosen_offsets[] = {0, 2, 3}, rejected_offsets[] = {0, 1, 4};
  REQUIRE(evaluate_tokens(cpu{}, dpo{},
                          {.policy_chosen = {chosen, 3},
                           .policy_rejected = {rejected, 4},
                           .reference_chosen = {policy, 3, 0},
                           .reference_rejected = {policy, 4, 0},
                           .chosen_offsets = {chosen_offsets, 3},
                           .rejected_offsets = {rejected_offsets, 3}},
                          {.grad_policy_chosen = {other_chosen, 3},
                           .grad_policy_rejected = {other_rejected, 4},
                           .losses = {expected, 2}})
              .ok());
  CHECK((losses[0] == expected[0] && losses[1] == expected[1]));
  const double all[] = {other_chosen[0],   other_chosen[1],   other_rejected[0], other_chosen[2],
                        other_rejected[1], other_rejected[2], other_rejected[3]};
  for (int t = 0; t < 7; ++t) CHECK(grad[t] == all[t]);
}

TEST_CASE("a response of 4096 tokens sums within 1e-12 of long double, and alone as in any batch") {
  tokens<float> p(30);
  buffer<double> losses(30);
  REQUIRE(evaluate_tokens(cpu{}, dpo{}, p.inputs(), {.losses = losses.view()}).ok());
  for (std::int64_t i : {0, 5, 29}) {
    double alone = 0;
    pair_token_inputs<space::host> in = p.inputs();
    in.chosen_offsets = {&p.chosen[static_cast<std::size_t>(i)], 2},
    in.rejected_offsets = {&p.rejected[static_cast<std::size_t>(i)], 2};
    REQUIRE(evaluate_tokens(cpu{}, dpo{}, in, {.losses = {&alone, 1}}).ok());
    CHECK(alone == losses.get(i));
  }
  std::vector<float> x(4096);
  long double exact = 0;
  prefer_test::noise random(8);
  for (float& v : x) v = static_cast<float>(random.uniform(-3, 0)), exact += static_cast<long double>(v);
  const float zero = 0;
  const int whole[] = {0, 4096}, one[] = {0, 1};
  double reward = 0;
  REQUIRE(evaluate_tokens(cpu{}, dpo{.beta = 1.0},
                          {.policy_chosen = {x.data(), 4096},
                           .policy_rejected = {&zero, 1},
                           .reference_chosen = {&zero, 4096, 0},
                           .reference_rejected = {&zero, 1},
                           .chosen_offsets = {whole, 2},
                           .rejected_offsets = {one, 2}},
                          {.reward_chosen = {&reward, 1}})
              .ok());
  CHECK(std::fabs(static_cast<long double>(reward) - exact) <= 1e-12L * std::fabs(exact));
}

TEST_CASE("every level, type and stride, 0 to 40 tokens: exact sums of whole numbers beside NaN") {
  const auto run = [](auto tag, std::int64_t stride, isa level) {
    using S = decltype(tag);
    const std::int64_t n = 41, total = 40 * 41 / 2;
    buffer<S> x(total, stride), grad(total, stride), zero(1);
    buffer<double> rewards(n);
    buffer<bool> all(total);
    std::vector<std::int64_t> offsets{0};
    std::vector<double> expected;
    zero.set(0, 0);
    for (std::int64_t i = 0; i < n; ++i) {
      double sum = 0;
      for (std::int64_t k = 0; k < i; ++k) {
        const double v = static_cast<double>((7 * k + i) % 9 - 4);
        x.set(offsets.back() + k, i % 5 == 2 ? std::numeric_limits<double>::quiet_NaN() : v);
        all.at(offsets.back() + k) = true;
        sum += v;
      }
      expected.push_back(sum);
      offsets.push_back(offsets.back() + i);
    }
    const std::int64_t none[42] = {};
    pair_token_inputs<space::host> in = {.policy_chosen = x.read(),
                                         .policy_rejected = {zero.data(), 0},
                                         .reference_chosen = {zero.data(), total, 0},
                                         .reference_rejected = {zero.data(), 0},
                                         .chosen_offsets = {offsets.data(), n + 1},
                                         .rejected_offsets = {none, n + 1},
                                         .normalizer = 1.0};
    const auto check = [&] {
      REQUIRE(evaluate_tokens(cpu{.isa = level}, dpo{.beta = 1.0}, in,
                              {.grad_policy_chosen = grad.view(), .reward_chosen = rewards.view()})
                  .ok());
      for (std::int64_t i = 1; i < n; ++i) {
        if (i % 5 == 2) continue;
        CHECK(rewards.get(i) == expected[static_cast<std::size_t>(i)]);
        const std::int64_t begin = offsets[static_cast<std::size_t>(i)];
        CHECK(grad.get(begin) == doctest::Approx(-1 / (1 + std::exp(rewards.get(i)))).epsilon(0.01));
        for (std::int64_t k = 1; k < i; ++k) CHECK(grad.get(begin + k) == grad.get(begin));
      }
      CHECK((grad.intact() && rewards.intact()));
    };
    check();
    in.chosen_mask = all.read();
    check();
  };
  for (const isa level : prefer_test::levels()) {
    for (const std::int64_t stride : {1, 2}) run(float{}, stride, level), run(double{}, stride, level);
    run(bfloat16{}, 1, level), run(half{}, 3, level);
  }
}

TEST_CASE("at every level masks and weights that change nothing change no bit, nor does the batch that a pair is in") {
  tokens<float> p(40), q(40);
  for (std::int64_t t = 0; t < p.pc.size(); ++t)
    if (!p.mc.at(t)) p.pc.set(t, -1), q.pc.set(t, -1);
  const float one = 1;
  for (const isa level : prefer_test::levels()) {
    const cpu exec{.isa = level};
    pair_token_inputs<space::host> in = p.inputs();
    in.chosen_mask = in.rejected_mask = {};
    buffer<double> plain(40), losses(40);
    REQUIRE(evaluate_tokens(exec, dpo{}, in, {.grad_policy_chosen = q.gc.view(), .losses = plain.view()}).ok());
    const auto same = [&](const pair_token_inputs<space::host>& changed) {
      REQUIRE(
          evaluate_tokens(exec, dpo{}, changed, {.grad_policy_chosen = p.gc.view(), .losses = losses.view()}).ok());
      for (std::int64_t i = 0; i < 40; ++i) CHECK(losses.get(i) == plain.get(i));
      for (std::int64_t t = 0; t < p.gc.size(); ++t) CHECK(p.gc.get(t) == q.gc.get(t));
    };
    const bool yes = true;
    pair_token_inputs<space::host> changed = in;
    changed.chosen_mask = {&yes, p.pc.size(), 0};
    same(changed);
    changed.chosen_weight = {&one, p.pc.size(), 0};
    same(changed);
    for (std::int64_t i = 0; i < 40; ++i) {
      double alone = 0;
      pair_token_inputs<space::host> single = in;
      single.chosen_offsets = {&p.chosen[static_cast<std::size_t>(i)], 2},
      single.rejected_offsets = {&p.rejected[static_cast<std::size_t>(i)], 2};
      REQUIRE(evaluate_tokens(exec, dpo{}, single, {.losses = {&alone, 1}}).ok());
      CHECK(alone == plain.get(i));
    }
  }
}

TEST_CASE("masked pairs: their tokens get zero, whatever they hold; no pairs is a loss of zero; nothing is allocated") {
  tokens<float> p(12);
  const bool mask[12] = {true, false, true, true, false, true, true, true, true, true, true, false};
  pair_token_inputs<space::host> in = p.inputs();
  in.mask = {mask, 12};
  buffer<double> loss(1), count(1);
  const pair_outputs<space::host> out = {
      .loss = loss.view(), .grad_policy_rejected = p.gr.view(), .count = count.view()};
  const long before = prefer_test::allocation_count();
  const status s = evaluate_tokens(cpu{}, dpo{}, in, out);
  CHECK(prefer_test::allocation_count() == before);
  REQUIRE(s.ok());
  CHECK(count.get(0) == 9);
  for (std::int64_t t = p.rejected[1]; t < p.rejected[2]; ++t) CHECK(p.gr.get(t) == 0);
  tokens<float> none(0);
  REQUIRE(evaluate_tokens(cpu{}, dpo{}, none.inputs(), {.loss = loss.view()}).ok());
  CHECK(loss.get(0) == 0);
}

TEST_CASE("bad offsets and extents are named") {
  tokens<float> p(5);
  double loss = 0;
  const auto refused = [&](auto change, errc code, const char* argument, std::int64_t index = -1) {
    pair_token_inputs<space::host> in = p.inputs();
    change(in);
    const status s = evaluate_tokens(cpu{}, dpo{}, in, {.loss = {&loss, 1}});
    INFO(message(s).c_str());
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
    CHECK(s.index == index);
  };
  const std::vector<std::int32_t> decreasing = {0, 10, 5, 20, 30, 40}, past = {0, 1, 2, 3, 4, 1 << 20},
                                  negative = {-1, 1, 2, 3, 4, 5};
  refused([&](auto& in) { in.chosen_offsets = {decreasing.data(), 6}; }, errc::bad_offsets, "chosen_offsets", 2);
  refused([&](auto& in) { in.rejected_offsets = {past.data(), 6}; }, errc::bad_offsets, "rejected_offsets", 5);
  refused([&](auto& in) { in.chosen_offsets = {negative.data(), 6}; }, errc::bad_offsets, "chosen_offsets", 0);
  refused([&](auto& in) { in.rejected_offsets = {p.rejected.data(), 5}; }, errc::bad_extent, "rejected_offsets");
  refused([&](auto& in) { in.chosen_offsets = {}; }, errc::missing_input, "chosen_offsets");
  refused([&](auto& in) { in.chosen_mask.extent[0] -= 1; }, errc::bad_extent, "chosen_mask");
  refused([&](auto& in) { in.reference_chosen.extent[0] -= 1; }, errc::bad_extent, "reference_chosen");
  const auto shared = [&](auto change) {
    pair_token_inputs<space::host> in = p.inputs();
    pair_outputs<space::host> out = {.grad_policy_chosen = p.gc.view()};
    change(in, out);
    const status s = evaluate_tokens(cpu{}, dpo{}, in, out);
    CHECK(s.code == errc::overlap);
    CHECK(std::string(s.argument) == "grad_policy_chosen");
  };
  shared([](auto& in, auto& out) { out.grad_policy_chosen.data = const_cast<void*>(in.chosen_mask.data); });
  shared([&](auto& in, auto&) { in.chosen_weight = p.gc.read(); });
  refused([&](auto& in) { in.chosen_offsets.type = element::f32; }, errc::bad_element, "chosen_offsets");
}

TEST_CASE("token weights multiply sums and gradients; a masked token's weight may be anything") {
  const double chosen[] = {-1, -2, -3, -4, -5}, rejected[] = {-2, -1, -7}, zero = 0;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double chosen_weight[] = {0.5, nan, -2, 0, 4}, rejected_weight[] = {1, 3, 0.25};
  const bool mask[] = {true, false, true, true, true};
  const int chosen_offsets[] = {0, 3, 5}, rejected_offsets[] = {0, 1, 3};
  double gc[5], gr[3], margin[2];
  REQUIRE(
      evaluate_tokens(cpu{}, dpo{.beta = 1.0},
                      {.policy_chosen = {chosen, 5},
                       .policy_rejected = {rejected, 3},
                       .reference_chosen = {&zero, 5, 0},
                       .reference_rejected = {&zero, 3, 0},
                       .chosen_offsets = {chosen_offsets, 3},
                       .rejected_offsets = {rejected_offsets, 3},
                       .chosen_mask = {mask, 5},
                       .chosen_weight = {chosen_weight, 5},
                       .rejected_weight = {rejected_weight, 3},
                       .normalizer = 1.0},
                      {.grad_policy_chosen = {gc, 5}, .grad_policy_rejected = {gr, 3}, .reward_margin = {margin, 2}})
          .ok());
  CHECK(margin[0] == (0.5 * -1 + -2 * -3) - -2);
  CHECK(margin[1] == (0 * -4 + 4 * -5) - (3 * -1 + 0.25 * -7));
  for (int i = 0; i < 2; ++i) {
    const double slope = 1 / (1 + std::exp(-margin[i])) - 1;
    for (int t = chosen_offsets[i]; t < chosen_offsets[i + 1]; ++t)
      CHECK(gc[t] == doctest::Approx(mask[t] ? slope * chosen_weight[t] : 0).epsilon(1e-14));
    for (int t = rejected_offsets[i]; t < rejected_offsets[i + 1]; ++t)
      CHECK(gr[t] == doctest::Approx(-slope * rejected_weight[t]).epsilon(1e-14));
  }
}

TEST_CASE("discount weighs the k-th token by its power, tail those behind the end of the shorter response") {
  const float chosen[] = {-1, -2, -3, -4, -5}, rejected[] = {-2, -1}, zero = 0;
  const int chosen_offsets[] = {0, 5}, rejected_offsets[] = {0, 2};
  const auto run = [&](scalar discount, scalar tail, float* grad, double& margin) {
    return evaluate_tokens(cpu{}, dpo{.beta = 1.0},
                           {.policy_chosen = {chosen, 5},
                            .policy_rejected = {rejected, 2},
                            .reference_chosen = {&zero, 5, 0},
                            .reference_rejected = {&zero, 2, 0},
                            .chosen_offsets = {chosen_offsets, 2},
                            .rejected_offsets = {rejected_offsets, 2},
                            .discount = discount,
                            .tail = tail},
                           {.grad_policy_chosen = {grad, 5}, .reward_margin = {&margin, 1}});
  };
  float plain[5], grad[5];
  double margin = 0;
  REQUIRE(run(1.0, 1.0, plain, margin).ok());
  CHECK(margin == -15 + 3);
  REQUIRE(run(0.5, 1.0, grad, margin).ok());
  CHECK(margin == (-1 - 1 - 0.75 - 0.5 - 0.3125) - (-2 - 0.5));
  CHECK(grad[3] == doctest::Approx(grad[0] / 8));
  const double tail = 0.25;  // by pointer, as any parameter
  REQUIRE(run(1.0, &tail, grad, margin).ok());
  CHECK(margin == (-3 - 12 * 0.25) + 3);
  CHECK(grad[2] == doctest::Approx(grad[1] / 4));
  CHECK(grad[1] == grad[0]);
  CHECK(std::string(run(HUGE_VAL, 1.0, grad, margin).argument) == "discount");
  CHECK(std::string(run(1.0, HUGE_VAL, grad, margin).argument) == "tail");
}
