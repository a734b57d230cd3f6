// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/evaluate_tokens.hpp>
#include <prefer/loss/reinforce.hpp>
#include <select/parrot.hpp>
#include <support/allocations.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("Parrot: samples of the set get their reward over the size of the set, the others nothing") {
  SUBCASE("float") { check_parrot<float, host_side>(); }
  SUBCASE("double") { check_parrot<double, host_side>(); }
  SUBCASE("half") { check_parrot<half, host_side>(); }
  SUBCASE("bfloat16") { check_parrot<bfloat16, host_side>(); }
}

namespace {

// Two prompts of three and two images; two rewards; four denoising steps.
struct batch {
  double rewards[10] = {1, 4, 2, 3, 0.5, 2, -1, 5, 6, 0.25};
  bool mask[5] = {true, true, false, true, true};
  int generated_for[5] = {0, 1, 0, 0, 1}, offsets[3] = {0, 3, 5};
  double weight[5] = {};

  parrot_inputs<space::host> inputs() {
    return {.rewards = {rewards, 5, 2},
            .mask = {mask, 5},
            .reward_index = {generated_for, 5},
            .groups = {.offsets = {offsets, 3}}};
  }
};

}  // namespace

TEST_CASE("Parrot's loss is its formula, and its gradient the finite difference, step by step") {
  covers("parrot", "identity");
  batch b;
  double logp[20], grad[20];
  for (int t = 0; t < 20; ++t) logp[t] = -0.25 * (1 + t % 7);
  const int steps[] = {0, 4, 8, 12, 16, 20};
  check(parrot_weights(cpu{}, b.inputs(), {.weight = {b.weight, 5}}));
  const auto loss = [&](double* gradient) {
    double value = 0;
    check(evaluate_tokens(cpu{}, reinforce{},
                          {.policy = {logp, 20}, .offsets = {steps, 6}, .weight = {b.weight, 5}, .normalizer = 2.0},
                          {.loss = {&value, 1}, .grad_policy = {gradient, 20}}));
    return value;
  };
  // Equation 4 by hand: only r_k of the sample's own k enters, over the size of the prompt's set; a mean of prompts.
  const double r[] = {1, 3, 0, -1, 0.25}, size[] = {2, 2, 2, 2, 2};
  double expected = 0;
  for (int i = 0; i < 5; ++i)
    for (int t = 0; t < 4; ++t) expected -= r[i] / size[i] * logp[4 * i + t] / 2;
  CHECK(loss(grad) == doctest::Approx(expected).epsilon(1e-15));
  double unused[20];
  for (int t = 0; t < 20; ++t) {
    const double x = logp[t];
    logp[t] = x + 0.125;
    const double up = loss(unused);
    logp[t] = x - 0.125;
    const double slope = (up - loss(unused)) / 0.25;
    logp[t] = x;
    CHECK(grad[t] == doctest::Approx(slope).epsilon(1e-13));
    CHECK(grad[t] == -b.weight[t / 4] / 2);
  }
}

TEST_CASE("Parrot: a dominated sample's rewards have no influence; a group without a set has no weight") {
  batch b;
  check(parrot_weights(cpu{}, b.inputs(), {.weight = {b.weight, 5}}));
  const double before[] = {b.weight[0], b.weight[1]};
  b.rewards[4] = -1e9, b.generated_for[2] = 12;  // of the dominated sample: not even looked at
  b.mask[3] = b.mask[4] = false;
  std::int64_t size[2];
  check(parrot_weights(cpu{}, b.inputs(), {.weight = {b.weight, 5}, .size = {size, 2}}));
  CHECK((b.weight[0] == before[0] && b.weight[1] == before[1] && b.weight[2] == 0));
  CHECK((b.weight[3] == 0 && b.weight[4] == 0 && size[0] == 2 && size[1] == 0));
}

TEST_CASE("Parrot: the same bits for any threads; nothing allocated; equal groups by their size") {
  constexpr std::int64_t n = 60000, k = 4;
  std::vector<float> rewards(n * k), weight(n), again(n);
  std::vector<std::uint8_t> mask(n);
  noise random(3);
  for (float& x : rewards) x = static_cast<float>(random.uniform(-1, 1));
  for (auto& m : mask) m = random.uniform(0, 1) < 0.3;
  const parrot_inputs<space::host> in = {
      .rewards = {rewards.data(), n, k}, .mask = {mask.data(), n}, .groups = {.size = 30}};
  const long before = allocation_count();
  const status s = parrot_weights(cpu{}, in, {.weight = {weight.data(), n}});
  CHECK(allocation_count() == before);
  CHECK(s.ok());
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    check(parrot_weights(cpu{.pool = pool}, in, {.weight = {again.data(), n}}));
    CHECK(weight == again);
  }
  covers("parrot", "threads"), covers("parrot", "allocation");
}

TEST_CASE("Parrot names what is wrong, and writes nothing then") {
  covers("parrot", "bad-argument");
  batch b;
  const auto refused = [&](const parrot_inputs<space::host>& in, const parrot_outputs<space::host>& out,
                           content look = content::structure) {
    for (double& w : b.weight) w = 7;
    const status s = parrot_weights(cpu{.content = look}, in, out);
    for (double w : b.weight) CHECK(w == 7);
    return refused_argument(s);
  };
  const parrot_outputs<space::host> out = {.weight = {b.weight, 5}};
  const auto with = [&](auto change) {
    auto in = b.inputs();
    change(in);
    return refused(in, out);
  };
  CHECK(with([](auto& in) { in.rewards = {}; }) == "rewards");
  CHECK(with([](auto& in) { in.mask = {}; }) == "mask");
  CHECK(with([](auto& in) { in.rewards.extent[1] = 0; }) == "rewards");
  CHECK(with([](auto& in) { in.rewards.extent[0] = -1; }) == "rewards");
  CHECK(with([](auto& in) { in.mask.extent[0] = 4; }) == "mask");
  CHECK(with([](auto& in) { in.mask.type = element::f32; }) == "mask");
  CHECK(with([](auto& in) { in.reward_index.type = element::f64; }) == "reward_index");
  CHECK(with([&](auto& in) { in.baseline = {b.rewards, 3}; }) == "baseline");
  CHECK(with([](auto& in) { in.groups.size = 5; }) == "groups.size");
  CHECK(with([](auto& in) { in.groups = {.size = 2}; }) == "groups.size");
  CHECK(with([](auto& in) { in.groups = {.size = -5}; }) == "groups.size");
  CHECK(with([](auto& in) { in.groups.offsets.extent[0] = 0; }) == "groups.offsets");
  CHECK(with([&](auto& in) { in.rewards = {b.weight, 5, 1}, in.reward_index = {}; }) == "weight");
  CHECK(refused(b.inputs(), {}) == "outputs");
  CHECK(refused(b.inputs(), {.weight = {b.weight, 4}}) == "weight");
  b.generated_for[3] = 2;
  CHECK(refused(b.inputs(), out) == "reward_index");
  b.generated_for[3] = 0, b.offsets[1] = 6;
  CHECK(refused(b.inputs(), out) == "groups.offsets");
  b.offsets[1] = 3, b.rewards[0] = not_a_number;
  CHECK(refused(b.inputs(), out, content::all) == "rewards");
  check(parrot_weights(cpu{}, b.inputs(), out));
  CHECK((std::isnan(b.weight[0]) && b.weight[1] == 1.5));
}
