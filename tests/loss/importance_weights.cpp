// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/importance_weights.hpp>
#include <prefer/core/thread_pool.hpp>
#include <prefer/loss/gspo.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace prefer;
using prefer_test::covers;
using prefer_test::importance_case;
using prefer_test::response_sizes;

namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN();

using rule = prefer_test::importance_rule<cpu>;

const std::vector<rule>& rules() {
  static const std::vector<rule> all = prefer_test::importance_rules<cpu>();
  return all;
}
template <class S>
status run(const cpu& exec, const rule& r, importance_case<S>& c) {
  return r.run(exec, c.inputs(r.reads_advantage), c.outputs(r.per_response));
}

template <class S>
void check_sizes(std::int64_t stride, bool masked, bool mean_of_tokens) {
  importance_case<S> c(response_sizes(), 3, stride);
  c.masked = masked, c.mean_of_tokens = mean_of_tokens;
  for (std::int64_t t = 0; masked && t < c.total; ++t)
    if (!c.mask.at(t)) c.policy.set(t, missing), c.sampler.set(t, HUGE_VAL);
  for (const rule& r : rules()) {
    INFO(std::string(r.name));
    for (const isa level : prefer_test::levels()) {
      check(run(cpu{.isa = level}, r, c));
      CHECK(c.worst(r.definition, r.per_response) < 1);
      CHECK(c.untouched_around());
    }
    covers<S>(r.name, "sizes");
    if (masked) covers(r.name, "masked");
  }
}

}  // namespace

TEST_CASE("importance weights are their definitions: sizes, masks, strides, storage types, levels") {
  SUBCASE("float") { check_sizes<float>(1, false, false); }
  SUBCASE("double, strided, masked, shares of a response") { check_sizes<double>(3, true, true); }
  SUBCASE("half, masked") { check_sizes<half>(1, true, false); }
  SUBCASE("bfloat16, strided, shares of a response") { check_sizes<bfloat16>(2, false, true); }
}

TEST_CASE("a sampler that is the policy: every weight is 1, and nothing is dropped") {
  importance_case<double> c(response_sizes());
  for (std::int64_t t = 0; t < c.total; ++t) c.sampler.set(t, c.policy.get(t));
  for (const rule& r : rules()) {
    INFO(std::string(r.name));
    check(run(cpu{}, r, c));
    for (std::int64_t i = 0; i < c.n; ++i) {
      for (std::int64_t t = c.offsets.at(i); t < c.offsets.at(i + 1); ++t)
        CHECK((c.weight.get(t) == 1 && c.keep.at(t)));
      CHECK(c.kept.get(i) == c.length.get(i));
      CHECK(c.mean_log_ratio.get(i) == 0);
      if (r.per_response) CHECK(c.response_weight.get(i) == 1);
    }
    covers(r.name, "identity");
  }
}

TEST_CASE("a token of no number is left out, ratios beyond the limits are held, infinite ones too") {
  const double policy[] = {-1, missing, -HUGE_VAL, -HUGE_VAL, -1, -90},
               sampler[] = {-1, -1, -HUGE_VAL, -1, -HUGE_VAL, -1};
  const std::int64_t offsets[] = {0, 6};
  double weight[6], length, mean;
  bool keep[6];
  const importance_inputs<space::host> in{.policy = {policy, 6}, .sampler = {sampler, 6}, .offsets = {offsets, 2}};
  check(importance_weights(
      cpu{}, truncated_importance{1e9}, in,
      {.weight = {weight, 6}, .keep = {keep, 6}, .mean_log_ratio = {&mean, 1}, .length = {&length, 1}}));
  CHECK((weight[0] == 1 && weight[1] == 0 && weight[2] == 0));
  CHECK(weight[3] == doctest::Approx(std::exp(-20)).epsilon(1e-15));
  CHECK(weight[4] == doctest::Approx(std::exp(20)).epsilon(1e-15));
  CHECK(weight[5] == weight[3]);
  CHECK((keep[3] && !keep[1] && !keep[2]));
  CHECK((length == 4 && mean == -5));
  // The product of a response is held like the ratio of a token: here of 1, e^-20, e^20, e^-20.
  double product = 0;
  check(importance_weights(cpu{}, truncated_importance{1e9, importance_level::sequence}, in,
                           {.response_weight = {&product, 1}}));
  CHECK(product == doctest::Approx(std::exp(-20)).epsilon(1e-15));
  const double far[] = {-31, -1, -20, -1, -30, -30};
  const importance_inputs<space::host> all{.policy = {far, 6}, .sampler = {sampler, 6, 0}, .offsets = {offsets, 2}};
  check(importance_weights(cpu{}, truncated_importance{1e9, importance_level::sequence}, all,
                           {.response_weight = {&product, 1}}));
  CHECK(product == doctest::Approx(std::exp(-20)).epsilon(1e-15));
  CHECK(importance_weights(cpu{.content = content::all}, carm{}, in, {.weight = {weight, 6}}).code ==
        errc::not_a_number);
}

TEST_CASE("a geometric mean lets ratios of 10 and 0.1 make up for each other, carm does not") {
  const double policy[] = {-1 + std::log(10.0), -1 - std::log(10.0)}, sampler[] = {-1, -1};
  const std::int64_t offsets[] = {0, 2};
  double weight = -1;
  const importance_inputs<space::host> in{.policy = {policy, 2}, .sampler = {sampler, 2}, .offsets = {offsets, 2}};
  const masked_importance geometric{0.999, 1.001, importance_level::geometric, true};
  check(importance_weights(cpu{}, geometric, in, {.response_weight = {&weight, 1}}));
  CHECK(weight == 1);
  check(importance_weights(cpu{}, carm{9.99}, in, {.response_weight = {&weight, 1}}));
  CHECK(weight == 0);
  check(importance_weights(cpu{}, carm{10.01}, in, {.response_weight = {&weight, 1}}));
  CHECK(weight == 1);
}

TEST_CASE("what is exactly on a bound is kept, by every rule; a response without tokens has no share") {
  // Two tokens whose log-ratios are 1/2 and -1/2 (or one, or none), with an advantage.
  const double policy[] = {-1.5, -2.5}, sampler[] = {-2, -2};
  const std::int64_t two[] = {0, 2}, first[] = {0, 1}, second[] = {1, 2};
  const auto kept = [&](const auto& rule, const std::int64_t* offsets, double advantage = 0) {
    double n = -1;
    importance_inputs<space::host> in{.policy = {policy, 2}, .sampler = {sampler, 2}, .offsets = {offsets, 2}};
    if (rule.reads_advantage) in.advantage = {&advantage, 1};
    check(importance_weights(cpu{}, rule, in, {.kept = {&n, 1}}));
    return n;
  };
  using over = divergence_rejection::over;
  for (const auto of : {over::token, over::mean, over::largest})
    CHECK(kept(divergence_rejection{kl_estimator::k2, 0.125, of}, two) == 2);
  CHECK(kept(divergence_rejection{kl_estimator::k2, 0.25, over::sum}, two) == 2);
  CHECK(kept(divergence_rejection{kl_estimator::k2, 0.2499, over::sum}, two) == 0);
  CHECK((kept(drift_mask{0.5}, second, -1) == 1 && kept(drift_mask{0.4999}, second, -1) == 0));
  CHECK(kept(drift_mask{0.0}, second, 0) == 1);  // without an advantage nothing is dropped
  CHECK((kept(gmpo_bound{0.5}, two, 1) == 2 && kept(gmpo_bound{0.4999}, two, 1) == 1));
  CHECK((kept(gmpo_bound{0.5}, two, -1) == 2 && kept(gmpo_bound{0.4999}, two, -1) == 1));
  CHECK((kept(gmpo_bound{0.25}, first, 0) == 1 && kept(gmpo_bound{0.25}, second, 0) == 0));  // 0 counts as negative
  for (const auto level : {importance_level::token, importance_level::sequence, importance_level::geometric}) {
    // The bounds are logarithms of the same double that the log-ratio would have to be of.
    const double at_half = std::exp(0.5), at_minus = std::exp(-0.5);
    CHECK(kept(masked_importance{1.0, std::log(at_half) == 0.5 ? at_half : 2.0, level}, first) == 1);
    CHECK(kept(masked_importance{std::log(at_minus) == -0.5 ? at_minus : 0.5, 1.0, level}, second) == 1);
  }
  const double same[] = {-2, -2};
  double n = -1, weight[2] = {-7, -7};
  check(importance_weights(cpu{}, carm{1.0}, {.policy = {same, 2}, .sampler = {sampler, 2}, .offsets = {two, 2}},
                           {.kept = {&n, 1}}));
  CHECK(n == 2);
  const bool none[] = {false, false};
  check(importance_weights(cpu{}, equal_importance{}, {.offsets = {two, 2}, .mask = {none, 2}, .mean_of_tokens = true},
                           {.weight = {weight, 2}}));
  CHECK((weight[0] == 0 && weight[1] == 0));
}

TEST_CASE(
    "gspo on tokens with geometric ratios has the gradient of gspo on responses; gmpo its definition, in two calls") {
  importance_case<double> c({3, 8, 1, 40});
  c.masked = true;
  const std::int64_t n = c.n, total = c.total;
  std::vector<double> ratio(static_cast<std::size_t>(total)), grad = ratio, expected = ratio, spread = ratio;
  std::vector<double> share = ratio, length(static_cast<std::size_t>(n));
  const auto view = [](auto& v) { return prefer::view<double>(v.data(), static_cast<std::int64_t>(v.size())); };
  const auto read = [](auto& v) { return prefer::view<const double>(v.data(), static_cast<std::int64_t>(v.size())); };
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t t = c.offsets.at(i); t < c.offsets.at(i + 1); ++t)
      spread[static_cast<std::size_t>(t)] = c.advantage.get(i);
  const auto in = c.inputs(false);
  check(importance_weights(cpu{}, truncated_importance{HUGE_VAL, importance_level::geometric}, in,
                           {.weight = view(ratio)}));
  check(importance_weights(cpu{}, equal_importance{}, {.offsets = in.offsets, .mask = in.mask, .mean_of_tokens = true},
                           {.weight = view(share)}));
  const double low = 0.02, high = 0.03;
  action_inputs<space::host> tokens{.policy = in.policy, .advantage = read(spread)};
  tokens.weight = read(share), tokens.mask = in.mask, tokens.normalizer = 4.0, tokens.column[0] = read(ratio);
  check(evaluate<double>(cpu{}, gspo_token{low, high}, tokens, {.grad_policy = view(grad)}));
  check(evaluate_tokens(cpu{}, gspo{low, high},
                        {.policy = in.policy,
                         .old_policy = in.sampler,
                         .advantage = c.advantage.read(),
                         .offsets = in.offsets,
                         .token_mask = in.mask},
                        {.grad_policy = view(expected)}));
  for (std::int64_t t = c.offsets.at(0); t < c.offsets.at(n); ++t)
    CHECK(grad[static_cast<std::size_t>(t)] == doctest::Approx(expected[static_cast<std::size_t>(t)]).epsilon(1e-13));

  const double clip = 0.3;
  auto bounds = c.inputs(true);
  check(importance_weights(cpu{}, gmpo_bound{clip}, bounds, {.keep = c.keep.view(), .length = view(length)}));
  action_token_inputs<space::host> responses{.policy = in.policy,
                                             .old_policy = in.sampler,
                                             .advantage = c.advantage.read(),
                                             .offsets = in.offsets,
                                             .token_mask = c.keep.read()};
  responses.column[0] = read(length);
  double loss = 0, by_hand = 0;
  check(evaluate_tokens(cpu{}, gmpo{clip}, responses, {.loss = {&loss, 1}, .grad_policy = view(grad)}));
  for (std::int64_t i = 0; i < n; ++i) {
    const double a = c.advantage.get(i);
    double mean = 0;
    const auto log_ratio = [&](std::int64_t t) { return c.policy.get(t) - c.sampler.get(t); };
    for (std::int64_t t = c.offsets.at(i); t < c.offsets.at(i + 1); ++t)
      if (c.mask.at(t))
        mean += (a > 0 ? std::fmin(log_ratio(t), clip) : std::fmax(log_ratio(t), -clip)) /
                length[static_cast<std::size_t>(i)];
    by_hand -= a * std::exp(mean) / 4;
    for (std::int64_t t = c.offsets.at(i); t < c.offsets.at(i + 1); ++t) {
      const bool free = c.mask.at(t) && (a > 0 ? log_ratio(t) <= clip : log_ratio(t) >= -clip);
      CHECK(grad[static_cast<std::size_t>(t)] ==
            doctest::Approx(free ? -a * std::exp(mean) / length[static_cast<std::size_t>(i)] / 4 : 0).epsilon(1e-13));
    }
  }
  CHECK(loss == doctest::Approx(by_hand).epsilon(1e-13));
}

TEST_CASE("importance weights have the same bits for any threads, and a response in any batch; nothing is allocated") {
  std::vector<int> sizes = response_sizes();
  for (int i = 0; i < 3000; ++i) sizes.push_back(i % 40);
  importance_case<float> c(sizes);
  c.masked = true;
  for (const rule& r : rules()) {
    INFO(std::string(r.name));
    const auto in = c.inputs(r.reads_advantage);
    const auto out = c.outputs(r.per_response);
    const long before = prefer_test::allocation_count();
    const status s = r.run(cpu{}, in, out);
    CHECK(prefer_test::allocation_count() == before);
    CHECK(s.ok());
    const auto expected = c.written();
    for (const int threads : {2, 3, 8}) {
      thread_pool pool(threads);
      check(r.run(cpu{.pool = pool}, in, out));
      CHECK(c.written() == expected);
    }
    for (const char* tag : {"threads", "allocation"}) covers(r.name, tag);
  }
  const truncated_importance products{.level = importance_level::sequence};
  check(importance_weights(cpu{}, products, c.inputs(false), c.outputs(true)));
  const double in_batch = c.response_weight.get(7), mean = c.mean_log_ratio.get(7);
  auto in = c.inputs(false);
  const std::int32_t alone[] = {c.offsets.at(7), c.offsets.at(8)};
  in.offsets = {alone, 2};
  double own = 0, own_mean = 0;
  check(importance_weights(cpu{}, products, in, {.response_weight = {&own, 1}, .mean_log_ratio = {&own_mean, 1}}));
  CHECK((own == in_batch && own_mean == mean));
  double cap = 1.25;
  check(importance_weights(cpu{}, truncated_importance{.cap = &cap}, c.inputs(false), c.outputs(false)));
  const auto expected = c.written();
  check(importance_weights(cpu{}, truncated_importance{.cap = 1.25}, c.inputs(false), c.outputs(false)));
  CHECK(c.written() == expected);
}

TEST_CASE("importance_weights names what is wrong, and writes nothing") {
  const double x[6] = {-1, -2, -3, -4, -5, -6}, y[6] = {-1, -2, -3, -4, -5, -6}, adv[2] = {1, -1};
  double w[6] = {-7, -7, -7, -7, -7, -7}, of_response[2] = {-7, -7};
  const bool mask[6] = {};
  const std::int32_t o[] = {0, 2, 6}, falling[] = {0, 4, 2}, beyond[] = {0, 4, 7};
  using in = importance_inputs<space::host>;
  using out = importance_outputs<space::host>;
  const auto refused = [&](const char* message_of, const auto& rule, const in& i, const out& to) {
    const status s = importance_weights(cpu{}, rule, i, to);
    CHECK(std::string(message(s).c_str()) == message_of);
    for (const double v : w) CHECK(v == -7);
    for (const double v : of_response) CHECK(v == -7);
  };
  const in good{.policy = {x, 6}, .sampler = {y, 6}, .offsets = {o, 3}};
  const out to{.weight = {w, 6}};
  const truncated_importance tis;
  const auto with = [&](auto change) {
    in i = good;
    change(i);
    return i;
  };
  refused("prefer: missing input: policy: expected one log-probability per token", tis, {}, to);
  refused("prefer: missing input: sampler: expected one log-probability per token", tis,
          with([](in& i) { i.sampler = {}; }), to);
  refused("prefer: missing input: offsets: expected where each response begins, and the end", tis,
          with([](in& i) { i.offsets = {}; }), to);
  refused("prefer: missing input: advantage: expected one number per response, since this rule reads it", drift_mask{},
          good, to);
  refused("prefer: unused input: advantage: expected to be left out, since this rule does not read it", tis,
          with([&](in& i) {
            i.advantage = {adv, 2};
          }),
          to);
  refused("prefer: missing output: outputs: expected at least one output to write", tis, good, {});
  refused(
      "prefer: unavailable output: response_weight: expected to be left out, since the tokens of a response have "
      "weights "
      "of their own",
      tis, good, {.response_weight = {of_response, 2}});
  refused("prefer: bad extent: sampler is 5, expected one per token: 6", tis, with([&](in& i) {
            i.sampler = {y, 5};
          }),
          to);
  refused("prefer: bad extent: mask is 5, expected one per token: 6", tis, with([&](in& i) {
            i.mask = {mask, 5};
          }),
          to);
  refused("prefer: bad extent: offsets is 0, expected at least 1", tis, with([&](in& i) { i.offsets = {o, 0}; }), to);
  refused("prefer: bad element type: offsets is double, expected elements of type int32 or int64", tis,
          with([&](in& i) {
            i.offsets = {x, 3};
          }),
          to);
  refused("prefer: bad element type: keep is double, expected elements of type bool or uint8", tis, good,
          {.keep = {w, 6}});
  refused("prefer: bad extent: length is 3, expected one per response, one less than offsets: 2", tis, good,
          {.length = {w, 3}});
  refused("prefer: overlap: weight: expected memory of its own, not shared with an input", tis, with([&](in& i) {
            i.policy = {w, 6};
          }),
          to);
  refused("prefer: bad parameter: cap is 0, expected above 0, or infinite", truncated_importance{0.0}, good, to);
  refused("prefer: bad parameter: ratio_max is 0.25, expected at least ratio_min", masked_importance{0.5, 0.25}, good,
          to);
  refused("prefer: bad parameter: ratio_min is -1, expected a finite number, 0 or above", masked_importance{-1.0, 0.25},
          good, to);
  refused("prefer: bad parameter: ratio_max is 0.5, expected at least 1", carm{0.5}, good, to);
  refused("prefer: bad parameter: limit is nan, expected a number", divergence_rejection{.limit = missing}, good, to);
  refused("prefer: bad parameter: delta is -1, expected a finite number, 0 or above", drift_mask{-1.0}, good, to);
  refused("prefer: bad parameter: clip is -1, expected a finite number, 0 or above", gmpo_bound{-1.0}, good, to);
  refused("prefer: bad parameter: ratio_max is 0.5, expected at least 1", importance_product{tis, carm{0.5}}, good, to);
  refused(
      "prefer: bad offsets: offsets[2] is 2, expected no less than the offset before it and no more than the number "
      "of elements",
      tis, with([&](in& i) {
        i.offsets = {falling, 3};
      }),
      to);
  refused(
      "prefer: bad offsets: offsets[2] is 7, expected no less than the offset before it and no more than the number "
      "of elements",
      tis, with([&](in& i) {
        i.offsets = {beyond, 3};
      }),
      to);
  for (const rule& r : rules()) covers(r.name, "bad-argument");
}
