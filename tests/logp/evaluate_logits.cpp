// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/logp/evaluate_logits.hpp>
#include <prefer/loss/dpo.hpp>
#include <prefer/loss/kto.hpp>
#include <prefer/loss/nll.hpp>
#include <prefer/loss/simpo.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>
#include <support/logits_call.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::compute_of;
using prefer_test::linear_head;
using prefer_test::logits_batch;
using prefer_test::logits_truth;

namespace {

prefer::workspace lent(std::vector<std::byte>& memory) { return {memory.data(), memory.size()}; }

template <class S>
status run(logits_batch<S>& b, cpu exec = {}) {
  std::vector<std::byte> memory = b.workspace();
  exec.workspace = lent(memory);
  return evaluate_logits<compute_of<S>>(exec, dpo{.beta = 0.5}, b.matrices(), b.tokens(), b.outputs());
}

// The batch's logits a chunk at a time.
template <class S>
struct copied_chunks {
  logits_batch<S>& b;
  prefer_test::token_matrix<S> buffer;
  int made = 0;

  copied_chunks(logits_batch<S>& batch, std::int64_t size) : b(batch), buffer(size, batch.v, 3) {}

  void copy(prefer_test::token_matrix<S>& from, std::int64_t first, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i)
      for (std::int64_t e = 0; e < b.v; ++e) buffer.at(i, e) = from.at(first + i, e);
  }
  status run(const cpu& exec = {}) {
    auto policy = [this](std::int64_t first, std::int64_t count) { ++made, copy(b.logits, first, count); };
    auto reference = [this](std::int64_t first, std::int64_t count) { copy(b.reference, first, count); };
    auto gradient = [this](std::int64_t first, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i)
        for (std::int64_t e = 0; e < b.v; ++e) b.gradient.at(first + i, e) = buffer.at(i, e);
    };
    std::vector<std::byte> memory = b.workspace();
    cpu mine = exec;
    mine.workspace = lent(memory);
    return evaluate_logits_chunks<compute_of<S>>(
        mine, dpo{.beta = 0.5},
        {.chunks = {.rows = b.m, .buffer = buffer.view(), .logits = policy, .grad_logits = gradient},
         .reference_logits = reference,
         .target = b.target.read(),
         .softmax = b.softmax},
        b.tokens(), b.outputs());
  }
};

}  // namespace

TEST_CASE("DPO from logits is that of the textbook; rows that do not count are not read and have gradient 0") {
  const auto check = [](auto tag, std::int64_t n, std::int64_t v, std::int64_t gap, std::int64_t offset,
                        std::int64_t step) {
    using S = decltype(tag);
    logits_batch<S> b(n, v, gap, offset, step);
    INFO(n << " pairs, V = " << v);
    REQUIRE(run(b).ok());
    logits_truth<S>(b, 0.5).check(b);
    CHECK(b.intact());
  };
  const auto all = [&](auto tag) {
    using S = decltype(tag);
    check(tag, 1, 1, 0, 0, 1), check(tag, 2, 17, 0, 0, 1), check(tag, 6, 40, 3, 1, 1), check(tag, 3, 5, 1, 1, 2);
    check(tag, 3, 2100, 0, 0, 1);
    for (const char* name : {"sizes", "strides", "sentinel", "masked", "gradient"})
      prefer_test::covers<S>("evaluate_logits", name);
  };
  all(float{}), all(double{}), all(half{}), all(bfloat16{});
  logits_batch<float> none(0, 7);
  REQUIRE(run(none).ok());
  CHECK(none.loss.get(0) == 0);
}

TEST_CASE("one call gives bitwise what token_logp, evaluate_tokens and token_logp_gradient give; also in place") {
  logits_batch<float> b(6, 70, 2);
  REQUIRE(run(b).ok());
  // The same as steps. What does not count is said twice: to token_logp as a target, to evaluate_tokens as a mask.
  std::vector<std::int64_t> target;
  std::vector<std::uint8_t> counts;
  for (std::int64_t t = 0; t < b.m; ++t)
    counts.push_back(b.counts(t)), target.push_back(b.counts(t) ? b.target.at(t) : -100);
  const auto rows = static_cast<std::size_t>(b.m);
  std::vector<double> logp(rows), max(rows), log_sum(rows), reference(rows), grad(rows);
  const token_softmax softmax = b.softmax;
  REQUIRE(token_logp<float>(cpu{}, softmax, {.logits = b.logits.read(), .target = {target.data(), b.m}},
                            {.logp = {logp.data(), b.m}, .max = {max.data(), b.m}, .log_sum = {log_sum.data(), b.m}})
              .ok());
  REQUIRE(token_logp<float>(cpu{}, softmax, {.logits = b.reference.read(), .target = {target.data(), b.m}},
                            {.logp = {reference.data(), b.m}})
              .ok());
  pair_token_inputs<space::host> tokens = b.tokens();
  tokens.policy_chosen = tokens.policy_rejected = {logp.data(), b.m};
  tokens.reference_chosen = tokens.reference_rejected = {reference.data(), b.m};
  tokens.chosen_mask = tokens.rejected_mask = {counts.data(), b.m};
  double loss = 0;
  REQUIRE(
      evaluate_tokens(
          cpu{}, dpo{.beta = 0.5}, tokens,
          {.loss = {&loss, 1}, .grad_policy_chosen = {grad.data(), b.m}, .grad_policy_rejected = {grad.data(), b.m}})
          .ok());
  prefer_test::token_matrix<float> gradient(b.m, b.v, 2);
  REQUIRE(token_logp_gradient<float>(cpu{}, softmax,
                                     {.logits = b.logits.read(),
                                      .target = {target.data(), b.m},
                                      .logp = {logp.data(), b.m},
                                      .max = {max.data(), b.m},
                                      .log_sum = {log_sum.data(), b.m},
                                      .grad_logp = {grad.data(), b.m}},
                                     {.grad_logits = gradient.view()})
              .ok());
  CHECK(loss == b.loss.get(0));
  CHECK(gradient.memory.bytes() == b.gradient.memory.bytes());

  // With log-probabilities of the reference that were computed before, and the gradient over the logits.
  policy_logits<space::host> matrices = b.matrices();
  matrices.reference_logits = {}, matrices.reference_logp = {reference.data(), b.m};
  matrices.grad_logits = b.logits.view();
  std::vector<std::byte> memory = b.workspace();
  REQUIRE(
      evaluate_logits<float>(cpu{.workspace = lent(memory)}, dpo{.beta = 0.5}, matrices, b.tokens(), b.outputs()).ok());
  CHECK(loss == b.loss.get(0));
  CHECK(b.logits.memory.bytes() == gradient.memory.bytes());
  prefer_test::covers("evaluate_logits", "identity");
}

TEST_CASE(
    "the same bits for any number of threads and any size of chunk; the last chunk is made once, the others twice") {
  logits_batch<bfloat16> b(7, 90, 1);
  REQUIRE(run(b).ok());
  const std::vector<unsigned char> expected = b.bits();
  for (int threads : {2, 5}) {
    thread_pool pool(threads);
    b.gradient = prefer_test::token_matrix<bfloat16>(b.m, b.v, 1);
    REQUIRE(run(b, cpu{.pool = pool}).ok());
    CHECK(b.bits() == expected);
  }
  prefer_test::covers("evaluate_logits", "threads");
  for (std::int64_t size : {std::int64_t{1}, std::int64_t{7}, b.m - 1, b.m, b.m + 9}) {
    INFO("chunks of " << size);
    b.gradient = prefer_test::token_matrix<bfloat16>(b.m, b.v, 1), b.loss.set(0, 0);
    copied_chunks<bfloat16> chunks(b, size);
    REQUIRE(chunks.run().ok());
    CHECK(b.bits() == expected);
    CHECK(chunks.made == 2 * ((b.m + size - 1) / size) - 1);
    CHECK(chunks.buffer.gaps_intact());
  }
}

TEST_CASE(
    "hidden states to logits to DPO: the gradient is that of finite differences, in chunks of 1, 3 and all rows") {
  constexpr std::int64_t features = 4, columns = 11;
  logits_batch<double> b(4, columns);
  std::vector<double> chunk;
  prefer_test::noise random(17);
  linear_head policy(b.m, features, columns, chunk), reference(b.m, features, columns, chunk);
  for (linear_head* head : {&policy, &reference})
    for (auto* x : {&head->hidden, &head->weight})
      for (double& e : *x) e = random.uniform(-1, 1);
  auto make = [&](std::int64_t first, std::int64_t count) { policy.make(first, count); };
  auto make_reference = [&](std::int64_t first, std::int64_t count) { reference.make(first, count); };
  auto take = [&](std::int64_t first, std::int64_t count) { policy.take(first, count); };
  std::vector<std::byte> memory = b.workspace();
  const auto loss_of = [&](std::int64_t size, bool gradient) {
    chunk.assign(static_cast<std::size_t>(size * columns), 0);
    policy_logits_chunks<space::host> logits = {
        .chunks = {.rows = b.m, .buffer = {chunk.data(), size, columns}, .logits = make},
        .reference_logits = make_reference,
        .target = b.target.read(),
        .softmax = {.soft_cap = 3.0}};
    if (gradient) logits.chunks.grad_logits = take;
    REQUIRE(evaluate_logits_chunks<double>(cpu{.workspace = lent(memory)}, dpo{.beta = 0.7}, logits, b.tokens(),
                                           {.loss = b.loss.view()})
                .ok());
    return b.loss.get(0);
  };
  for (std::int64_t size : {std::int64_t{1}, std::int64_t{3}, b.m}) {
    INFO("chunks of " << size);
    policy.grad_hidden.assign(policy.hidden.size(), 0), policy.grad_weight.assign(policy.weight.size(), 0);
    loss_of(size, true);
    // Central differences with step 1e-5: truncation 1e-10, rounding 1e-11.
    const auto check = [&](std::vector<double>& x, const std::vector<double>& gradient) {
      for (std::size_t i = 0; i < x.size(); i += 3) {
        const double middle = x[i];
        x[i] = middle + 1e-5;
        const double above = loss_of(size, false);
        x[i] = middle - 1e-5;
        const double below = loss_of(size, false);
        x[i] = middle;
        CHECK(std::fabs((above - below) / 2e-5 - gradient[i]) <= 1e-9);
      }
    };
    check(policy.hidden, policy.grad_hidden), check(policy.weight, policy.grad_weight);
  }
}

TEST_CASE("lengths count tokens with a target; a segment that the loss does not read is not read either") {
  logits_batch<double> b(3, 9);
  std::vector<std::byte> memory = b.workspace();
  const cpu exec{.workspace = lent(memory)};
  policy_logits<space::host> matrices = b.matrices();
  matrices.reference_logits = {};
  REQUIRE(evaluate_logits<double>(exec, simpo{}, matrices, b.tokens(), {.losses = b.losses.view()}).ok());
  // What simpo says of sums and lengths that are counted here.
  double sum[2][3] = {}, length[2][3] = {}, expected[3];
  for (std::int64_t t = 0; t < b.m; ++t) {
    if (!b.counts(t)) continue;
    const auto [pair, side] = b.place_of(t);
    sum[side][pair] +=
        static_cast<double>(prefer_test::token_textbook(b.logits.logits(t), b.target.at(t), b.softmax).logp);
    length[side][pair] += 1;
  }
  REQUIRE(evaluate<double>(cpu{}, simpo{},
                           {.policy_chosen = {sum[0], 3},
                            .policy_rejected = {sum[1], 3},
                            .length_chosen = {length[0], 3},
                            .length_rejected = {length[1], 3}},
                           {.losses = {expected, 3}})
              .ok());
  for (std::int64_t i = 0; i < 3; ++i) CHECK(b.losses.get(i) == doctest::Approx(expected[i]).epsilon(1e-13));

  for (std::int64_t t = 0; t < b.m; ++t)
    if (b.place_of(t).side == 1) b.spoil(t);
  const status s = evaluate_logits<double>(exec, nll{}, matrices, b.tokens(), b.outputs());
  INFO(message(s).c_str());
  REQUIRE(s.ok());
  double mean = 0;
  for (int i = 0; i < 3; ++i) mean -= length[0][i] > 0 ? sum[0][i] / length[0][i] / 3 : 0;
  CHECK(b.loss.get(0) == doctest::Approx(mean).epsilon(1e-13));
  for (std::int64_t t = 0; t < b.m; ++t)
    for (std::int64_t e = 0; e < b.v; ++e)
      CHECK((b.gradient.get(t, e) != 0) == (b.counts(t) && b.place_of(t).side == 0));
}

TEST_CASE("unpaired responses with CSR offsets and weights of tokens") {
  const std::int64_t m = 7, v = 6;
  prefer_test::noise random(3);
  prefer_test::token_matrix<float> logits(m, v), gradient(m, v), expected(m, v);
  logits.fill(random, -3, 3);
  const std::int32_t target[m] = {0, 5, 2, -100, 1, 3, 3};
  const std::int32_t offsets[] = {0, 4, 4, 7};
  const float label[] = {1, 1, 0}, weight[m] = {1, 0.5f, 2, 1, 0, -1, 1}, reference[m] = {-1, -2, -1, 0, -2, -1, -1};
  const bool mask[m] = {true, true, true, true, true, true, false};
  std::vector<std::byte> memory(evaluate_logits_workspace<float>(cpu{}, kto{}, m, v, 3));
  double rewards[3];
  REQUIRE(evaluate_logits<float>(cpu{.workspace = lent(memory)}, kto{},
                                 {.logits = logits.read(),
                                  .target = {target, m},
                                  .reference_logp = {reference, m},
                                  .grad_logits = gradient.view()},
                                 {.offsets = {offsets, 4},
                                  .token_mask = {mask, m},
                                  .token_weight = {weight, m},
                                  .discount = 0.9,
                                  .label = {label, 3}},
                                 {.reward = {rewards, 3}})
              .ok());
  // Finite differences are no oracle in float; the steps are.
  std::int64_t seen[m];
  for (int t = 0; t < m; ++t) seen[t] = mask[t] ? target[t] : -100;
  double logp[m], max[m], log_sum[m], grad[m];
  REQUIRE(token_logp<float>(cpu{}, {}, {.logits = logits.read(), .target = {seen, m}},
                            {.logp = {logp, m}, .max = {max, m}, .log_sum = {log_sum, m}})
              .ok());
  const bool counts[m] = {true, true, true, false, true, true, false};
  double step_rewards[3];
  REQUIRE(evaluate_tokens(cpu{}, kto{},
                          {.policy = {logp, m},
                           .reference = {reference, m},
                           .offsets = {offsets, 4},
                           .token_mask = {counts, m},
                           .token_weight = {weight, m},
                           .discount = 0.9,
                           .label = {label, 3}},
                          {.grad_policy = {grad, m}, .reward = {step_rewards, 3}})
              .ok());
  for (int i = 0; i < 3; ++i) CHECK(rewards[i] == step_rewards[i]);
  CHECK(rewards[1] == 0);
  REQUIRE(token_logp_gradient<float>(cpu{}, {},
                                     {.logits = logits.read(),
                                      .target = {seen, m},
                                      .logp = {logp, m},
                                      .max = {max, m},
                                      .log_sum = {log_sum, m},
                                      .grad_logp = {grad, m}},
                                     {.grad_logits = expected.view()})
              .ok());
  CHECK(gradient.memory.bytes() == expected.memory.bytes());

  // Targets of -100 say the same as a mask, and that there is none.
  gradient = prefer_test::token_matrix<float>(m, v);
  REQUIRE(evaluate_logits<float>(
              cpu{.workspace = lent(memory)}, kto{},
              {.logits = logits.read(),
               .target = {seen, m},
               .reference_logp = {reference, m},
               .grad_logits = gradient.view()},
              {.offsets = {offsets, 4}, .token_weight = {weight, m}, .discount = 0.9, .label = {label, 3}},
              {.reward = {rewards, 3}})
              .ok());
  for (int i = 0; i < 3; ++i) CHECK(rewards[i] == step_rewards[i]);
  CHECK(gradient.memory.bytes() == expected.memory.bytes());
}

TEST_CASE("a likelihood in one pass over chunks is bitwise token_logp on the whole matrix") {
  const std::int64_t m = 10, v = 33;
  prefer_test::token_memory<half> whole(m, v), parts(m, v);
  prefer_test::noise random(9);
  whole.logits.fill(random, -5, 5);
  for (std::int64_t t = 0; t < m; ++t) whole.target.at(t) = parts.target.at(t) = t == 4 ? -100 : t * 3;
  const double upstream = 0.1;
  const token_softmax options{.label_smoothing = 0.1, .z_loss = 1e-3};
  const auto outputs = [](auto& c) {
    return token_logp_outputs<space::host>{.logp = c.logp.view(), .loss = c.loss.view(), .argmax = c.argmax.view()};
  };
  token_logp_outputs<space::host> out = outputs(whole);
  out.grad_logits = whole.gradient.view();
  REQUIRE(token_logp<float>(
              cpu{}, options,
              {.logits = whole.logits.read(), .target = whole.target.read(), .grad_loss = {&upstream, m, 0}}, out)
              .ok());
  for (std::int64_t size : {1, 4, 10, 12}) {
    prefer_test::token_matrix<half> chunk(size, v);
    auto make = [&](std::int64_t first, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i)
        for (std::int64_t e = 0; e < v; ++e) chunk.at(i, e) = whole.logits.at(first + i, e);
    };
    auto take = [&](std::int64_t first, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i)
        for (std::int64_t e = 0; e < v; ++e) parts.gradient.at(first + i, e) = chunk.at(i, e);
    };
    REQUIRE(token_logp_chunks<float>(cpu{}, options,
                                     {.rows = m, .buffer = chunk.view(), .logits = make, .grad_logits = take},
                                     {.target = parts.target.read(), .grad_loss = {&upstream, m, 0}}, outputs(parts))
                .ok());
    CHECK(parts.gradient.memory.bytes() == whole.gradient.memory.bytes());
    CHECK((parts.loss.values() == whole.loss.values() && parts.logp.values() == whole.logp.values()));
    CHECK(parts.argmax.values() == whole.argmax.values());
  }
}

TEST_CASE("nothing is allocated; the outputs of the loss can accumulate, the gradient is overwritten") {
  logits_batch<float> b(4, 20);
  std::vector<std::byte> memory = b.workspace();
  const cpu exec{.workspace = lent(memory)};
  const auto matrices = b.matrices();
  const auto tokens = b.tokens();
  pair_outputs<space::host> out = b.outputs();
  const long before = prefer_test::allocation_count();
  const status s = evaluate_logits<float>(exec, dpo{}, matrices, tokens, out);
  CHECK(prefer_test::allocation_count() == before);
  REQUIRE(s.ok());
  const double once = b.loss.get(0);
  const auto gradient = b.gradient.memory.bytes();
  out.accumulate = true;
  REQUIRE(evaluate_logits<float>(exec, dpo{}, matrices, tokens, out).ok());
  CHECK(b.loss.get(0) == once + once);
  CHECK(b.gradient.memory.bytes() == gradient);
  prefer_test::covers("evaluate_logits", "allocation");
}

TEST_CASE("evaluate_logits: what is wrong is named, and nothing is written") {
  logits_batch<float> b(4, 10);
  std::vector<std::byte> memory = b.workspace();
  std::vector<double> vector(static_cast<std::size_t>(b.m));
  using matrices = policy_logits<space::host>;
  using tokens = pair_token_inputs<space::host>;
  using outputs = pair_outputs<space::host>;
  const auto named = [](const status& s, errc code, const char* argument) {
    INFO(message(s).c_str() << " expected for " << argument);
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
  };
  const auto refused = [&](errc code, const char* argument, auto change, auto loss) {
    matrices x = b.matrices();
    tokens in = b.tokens();
    outputs out = b.outputs();
    change(x, in, out);
    named(evaluate_logits<float>(cpu{.workspace = lent(memory)}, loss, x, in, out), code, argument);
  };
  const auto wrong = [&](errc code, const char* argument, auto change) { refused(code, argument, change, dpo{}); };
  using m = matrices;
  using t = tokens;
  using o = outputs;
  wrong(errc::missing_input, "logits", [](m& x, t&, o&) { x.logits = {}; });
  wrong(errc::bad_extent, "logits", [](m& x, t&, o&) { x.logits.extent[0] = -1; });
  wrong(errc::missing_input, "target", [](m& x, t&, o&) { x.target = {}; });
  wrong(errc::bad_extent, "target", [](m& x, t&, o&) { x.target.extent[0] -= 1; });
  wrong(errc::bad_element, "target", [](m& x, t&, o&) { x.target.type = element::f32; });
  wrong(errc::bad_extent, "grad_logits", [](m& x, t&, o&) { x.grad_logits.extent[1] -= 1; });
  wrong(errc::bad_extent, "reference_logits", [](m& x, t&, o&) { x.reference_logits.extent[0] -= 1; });
  wrong(errc::missing_input, "reference_logp", [](m& x, t&, o&) { x.reference_logits = {}; });
  wrong(errc::unused_input, "reference_logp", [&](m& x, t&, o&) { x.reference_logp = {vector.data(), b.m}; });
  refused(
      errc::unused_input, "reference_logits", [](m&, t&, o&) {}, simpo{});
  wrong(errc::bad_extent, "reference_chosen", [&](m& x, t&, o&) {
    x.reference_logits = {}, x.reference_logp = {vector.data(), b.m - 1};
  });
  wrong(errc::unused_input, "policy_rejected", [&](m&, t& in, o&) { in.policy_rejected = {vector.data(), b.m}; });
  wrong(errc::unused_input, "reference_chosen", [&](m&, t& in, o&) { in.reference_chosen = {vector.data(), b.m}; });
  wrong(errc::unavailable_output, "grad_policy_chosen", [&](m&, t&, o& out) {
    out.grad_policy_chosen = {vector.data(), b.m};
  });
  wrong(errc::bad_parameter, "label_smoothing", [](m& x, t&, o&) { x.softmax.label_smoothing = 0.1; });
  wrong(errc::bad_parameter, "z_loss", [](m& x, t&, o&) { x.softmax.z_loss = 0.1; });
  wrong(errc::bad_parameter, "temperature", [](m& x, t&, o&) { x.softmax.temperature = 0.0; });
  wrong(errc::missing_input, "chosen_offsets", [](m&, t& in, o&) { in.chosen_offsets = {}; });
  wrong(errc::bad_extent, "chosen_mask", [](m&, t& in, o&) { in.chosen_mask.extent[0] -= 1; });
  wrong(errc::missing_output, "outputs", [](m& x, t&, o& out) { x.grad_logits = {}, out = {}; });
  wrong(errc::overlap, "loss", [](m& x, t&, o& out) { out.loss.data = const_cast<void*>(x.logits.data); });
  wrong(errc::overlap, "grad_logits",
        [](m& x, t&, o&) { x.grad_logits.data = const_cast<void*>(x.reference_logits.data); });
  wrong(errc::overlap, "losses", [](m& x, t&, o& out) { out.losses.data = const_cast<void*>(x.target.data); });
  wrong(errc::overlap, "grad_logits", [](m& x, t& in, o&) { x.grad_logits.data = const_cast<void*>(in.mask.data); });
  wrong(errc::small_workspace, "exec.workspace.bytes", [&](m&, t&, o&) { memory.resize(memory.size() - 1); });
  memory = b.workspace();
  const std::int32_t last = b.end[1].at(2);
  b.end[1].at(2) = static_cast<std::int32_t>(b.m + 1);
  wrong(errc::bad_offsets, "rejected_ends", [](m&, t&, o&) {});
  b.end[1].at(2) = last;
  std::int64_t token = 0;
  while (!b.counts(token)) ++token;
  b.target.at(token) = 10;
  wrong(errc::bad_index, "target", [](m&, t&, o&) {});
  b.target.at(token) = 1;
  float labels[4] = {1, 1.5f, 1, 1};
  wrong(errc::bad_label, "label", [&](m&, t& in, o&) { in.label = {labels, 4}; });
  CHECK((b.gradient.memory.untouched() && b.loss.untouched() && b.losses.untouched()));

  // Chunks.
  copied_chunks<float> chunks(b, 4);
  auto nothing = [](std::int64_t, std::int64_t) {};
  const auto in_chunks = [&](errc code, const char* argument, auto change) {
    policy_logits_chunks<space::host> x = {
        .chunks = {.rows = b.m, .buffer = chunks.buffer.view(), .logits = nothing, .grad_logits = nothing},
        .reference_logits = nothing,
        .target = b.target.read()};
    change(x);
    named(evaluate_logits_chunks<float>(cpu{.workspace = lent(memory)}, dpo{}, x, b.tokens(), b.outputs()), code,
          argument);
  };
  using c = policy_logits_chunks<space::host>;
  in_chunks(errc::bad_extent, "chunks.rows", [](c& x) { x.chunks.rows = -1; });
  in_chunks(errc::bad_extent, "target", [](c& x) { x.chunks.rows -= 1; });
  in_chunks(errc::missing_input, "chunks.buffer", [](c& x) { x.chunks.buffer = {}; });
  in_chunks(errc::bad_extent, "chunks.buffer", [](c& x) { x.chunks.buffer.extent[0] = 0; });
  in_chunks(errc::null_data, "chunks.buffer", [](c& x) { x.chunks.buffer.data = nullptr; });
  in_chunks(errc::missing_input, "chunks.logits", [](c& x) { x.chunks.logits = {}; });
  in_chunks(errc::overlap, "chunks.buffer", [&](c& x) { x.chunks.buffer.data = b.losses.data(); });
  in_chunks(errc::overlap, "chunks.buffer", [&](c& x) { x.chunks.buffer.data = b.target.data(); });
  b.target.at(token) = -1;
  in_chunks(errc::bad_index, "target", [](c&) {});
  CHECK((b.gradient.memory.untouched() && b.loss.untouched() && b.losses.untouched()));
  prefer_test::covers("evaluate_logits", "bad-argument");
}

TEST_CASE("what a callback answers, if it is not ok, is the answer of the call") {
  logits_batch<float> b(4, 10);
  std::vector<std::byte> memory = b.workspace();
  prefer_test::token_matrix<float> chunk(4, 10);
  int calls = 0;
  const auto failing = [&](int at, const char* name) {
    return [&calls, at, name](std::int64_t, std::int64_t) {
      return ++calls == at ? require::fail(errc::cuda_failure, name, "") : status{};
    };
  };
  const auto run = [&](auto reference, auto make, auto take) {
    calls = 0;
    return evaluate_logits_chunks<float>(
        cpu{.workspace = lent(memory)}, dpo{},
        {.chunks = {.rows = b.m, .buffer = chunk.view(), .logits = make, .grad_logits = take},
         .reference_logits = reference,
         .target = b.target.read()},
        b.tokens(), b.outputs());
  };
  for (std::int64_t i = 0; i < 4; ++i)
    for (std::int64_t e = 0; e < 10; ++e) chunk.set(i, e, 0);
  const auto never = failing(0, "");
  CHECK(std::string(run(failing(2, "second of the reference"), never, never).argument) == "second of the reference");
  CHECK(b.loss.untouched());
  CHECK(std::string(run(never, failing(9, "head"), never).argument) == "head");
  CHECK(b.loss.untouched());
  CHECK(std::string(run(never, never, failing(19, "backward")).argument) == "backward");
  CHECK(!b.loss.untouched());
}
