// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/loss/d3po.hpp>
#include <prefer/loss/diffusion_dpo.hpp>
#include <prefer/loss/diffusion_kto.hpp>
#include <prefer/loss/seppo.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>
#include <support/row_call.hpp>

#include <doctest/doctest.h>

#include <string>
#include <type_traits>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::matrix;
using prefer_test::row_answer;
using prefer_test::row_side;
using prefer_test::storage;
using D = prefer_test::dual<long double>;

namespace {

template <class S>
using compute = std::conditional_t<std::is_same_v<S, double>, double, float>;

// Memory of one call over pairs.
template <class S, class Score>
struct pairs {
  Score score;
  std::int64_t n, d;
  row_side<S> chosen, rejected;
  std::vector<buffer<double>> factor;
  buffer<double> weight, losses;
  buffer<bool> mask;
  buffer<double> loss, count;

  pairs(const Score& s, std::int64_t items, std::int64_t elements, std::int64_t gap = 0)
      : score(s),
        n(items),
        d(elements),
        chosen(Score::arrays, items, elements, gap),
        rejected(Score::arrays, items, elements, gap),
        factor(3, buffer<double>(items)),
        weight(items),
        losses(items),
        mask(items),
        loss(1),
        count(1) {
    prefer_test::noise random(31);
    for (auto* side : {&chosen, &rejected})
      for (auto& m : side->in) m.fill(random, -1, 1);
    for (std::int64_t i = 0; i < n; ++i) {
      factor[0].set(i, 1.05), factor[1].set(i, random.uniform(-0.5, 0.5)), factor[2].set(i, random.uniform(0.3, 1));
      weight.set(i, random.uniform(-2, 2)), mask.at(i) = i % 4 != 2;
    }
  }
  void factors_of(std::int64_t i, double (&f)[3]) {
    for (std::size_t k = 0; k < 3; ++k) f[k] = static_cast<double>(static_cast<compute<S>>(factor[k].get(i)));
  }
  static noise_rows<space::host> rows(row_side<S>& r, const noise_error&) {
    return {r.in[0].read(), r.in[1].read(), r.in[2].read()};
  }
  static denoising_rows<space::host> rows(row_side<S>& r, const denoising_step& s) {
    denoising_rows<space::host> x = {r.in[0].read(), r.in[1].read(), r.in[2].read(), r.in[3].read()};
    if (s.guided()) x.unconditional_prediction = r.in[4].read(), x.unconditional_reference = r.in[5].read();
    return x;
  }
  row_pair_inputs<Score, space::host> inputs() {
    row_pair_inputs<Score, space::host> in = {
        .chosen = rows(chosen, score), .rejected = rows(rejected, score), .weight = weight.read(), .mask = mask.read()};
    if constexpr (std::is_same_v<Score, denoising_step>)
      in.step = {factor[0].read(), factor[1].read(), factor[2].read()};
    return in;
  }
  row_gradients<space::host> gradients(row_side<S>& r) {
    row_gradients<space::host> g = {.prediction = r.grad[0].view()};
    if (score.provides(1)) g.unconditional_prediction = r.grad[1].view();
    return g;
  }
  row_pair_outputs<space::host> outputs() {
    return {.loss = loss.view(),
            .grad_chosen = gradients(chosen),
            .grad_rejected = gradients(rejected),
            .losses = losses.view(),
            .count = count.view()};
  }
};

template <class S, class Score, class Loss>
void check_call(const Score& score, const Loss& loss, std::int64_t n, std::int64_t d, std::int64_t gap) {
  pairs<S, Score> p(score, n, d, gap);
  long double selected = 0;
  for (std::int64_t i = 0; i < n; ++i) selected += p.mask.at(i) ? 1 : 0;
  const long double divisor = std::max(selected, 1.0L);
  for (isa level : prefer_test::levels()) {
    REQUIRE(evaluate_rows<compute<S>>(cpu{.isa = level}, score, loss, p.inputs(), p.outputs()).ok());
    long double total = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      double f[3];
      p.factors_of(i, f);
      const row_answer answer[2] = {row_score(score, p.chosen, i, f), row_score(score, p.rejected, i, f)};
      const long double w = p.mask.at(i) ? static_cast<long double>(p.weight.get(i)) : 0;
      const auto value = [&](int seed) {
        pair<D> item;
        item.policy_chosen = D(answer[0].score, seed == 0), item.policy_rejected = D(answer[1].score, seed == 1);
        item.label = D(1);
        return loss(item).value;
      };
      // Terms are rounded in the compute type, then added up: errors are relative to their sizes.
      const long double unit = std::ldexp(1.0L, 4 - storage<compute<S>>::digits);
      const long double steep = std::fabs(value(0).slope) + std::fabs(value(1).slope);
      INFO("item " << i << " of " << n << " x " << d);
      CHECK(std::fabs(p.losses.get(i) - w * value(0).value) <=
            unit * std::fabs(w) * steep * (answer[0].size + answer[1].size) +
                std::ldexp(std::fabs(w * value(0).value), -50));
      total += w * value(0).value / divisor;
      for (int side = 0; side < 2; ++side) {
        row_side<S>& r = side == 0 ? p.chosen : p.rejected;
        const long double c = value(side).slope * w / divisor;
        const long double softness =
            std::fabs(w) / divisor * steep * (answer[0].size + answer[1].size) * (steep + 1) + std::fabs(c);
        for (int g = 0; g < 2; ++g)
          for (std::int64_t e = 0; score.provides(g) && e < d; ++e) {
            const auto at = static_cast<std::size_t>(e);
            const long double slope = answer[side].slope[g][at];
            const double got = r.grad[static_cast<std::size_t>(g)].get(i, e);
            const long double bound = unit * softness * (std::fabs(slope) + std::fabs(answer[side].slope[0][at]) + 1) +
                                      std::ldexp(std::fabs(c * slope), 1 - storage<S>::digits) +
                                      std::ldexp(1.0L, storage<S>::least_exponent);
            CHECK(std::fabs(got - c * slope) <= bound);
          }
      }
    }
    CHECK(p.count.get(0) == static_cast<double>(selected));
    CHECK(p.loss.get(0) == doctest::Approx(static_cast<double>(total)).epsilon(1e-3).scale(1e-3));
    for (auto* side : {&p.chosen, &p.rejected})
      for (auto& m : side->grad) CHECK(m.memory.intact());
  }
}

template <class S>
void check_all() {
  for (std::int64_t d : {0, 1, 7, 16, 17, 511, 513, 1200})
    for (std::int64_t gap : {0, 3}) {
      check_call<S>(noise_error{}, diffusion_dpo{.beta = 3.0}, 5, d, gap);
      check_call<S>(denoising_step{.guidance = 2.5}, d3po{.beta = 2.0, .clip = 0.5}, 5, d, gap);
    }
  check_call<S>(noise_error{.mean = false}, seppo{.beta = 0.01}, 6, 100, 1);
  check_call<S>(denoising_step{}, d3po{.beta = 1.0, .clip = 0.9}, 6, 100, 0);
  check_call<S>(denoising_step{.mean = false}, diffusion_dpo{.beta = 0.01}, 3, 40, 0);
  check_call<S>(noise_error{}, diffusion_dpo{}, 0, 100, 0);
  prefer_test::covers<S>("rows", "sizes");
}

}  // namespace

TEST_CASE("rows: value and gradients equal the textbook scores in long double, for every size and storage type") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<half>(); }
  SUBCASE("bfloat16") { check_all<bfloat16>(); }
}

TEST_CASE("equal predictions score exactly zero, and tiny differences keep their sign in 16 bits") {
  std::vector<bfloat16> a(512), b(512), noise(512);
  for (std::size_t i = 0; i < 512; ++i) {
    a[i] = b[i] = to_bfloat16(0.5f + 0.001f * static_cast<float>(i));
    noise[i] = to_bfloat16(0.7f - 0.002f * static_cast<float>(i));
  }
  const auto reward = [&] {
    double r = 0;
    check(evaluate_rows<float>(
        cpu{}, noise_error{}, diffusion_kto{},
        {.rows = {.prediction = {a.data(), 1, 512}, .reference = {b.data(), 1, 512}, .noise = {noise.data(), 1, 512}}},
        {.reward = {&r, 1}}));
    return r;
  };
  CHECK(reward() == 0);
  a[3] = noise[3];
  CHECK(reward() > 0);
}

TEST_CASE(
    "the same bits for any number of threads; masked rows are not read, whatever they hold; nothing is allocated") {
  pairs<float, noise_error> p(noise_error{}, 40, 700);
  const auto bits = [&](const cpu& exec) {
    REQUIRE(evaluate_rows<float>(exec, noise_error{}, diffusion_dpo{.beta = 3.0}, p.inputs(), p.outputs()).ok());
    auto all = p.chosen.grad[0].memory.bytes();
    all.insert(all.end(), p.loss.bytes().begin(), p.loss.bytes().end());
    return all;
  };
  const auto expected = bits(cpu{});
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(bits(cpu{.pool = pool}) == expected);
  }
  for (std::int64_t i = 2; i < 40; i += 4)
    for (std::int64_t e = 0; e < 700; ++e) p.chosen.in[0].set(i, e, std::numeric_limits<double>::quiet_NaN());
  CHECK(bits(cpu{}) == expected);
  const auto in = p.inputs();
  const auto out = p.outputs();
  const long before = prefer_test::allocation_count();
  const status s = evaluate_rows<float>(cpu{}, noise_error{}, diffusion_dpo{}, in, out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK(s.ok());
  for (const char* tag : {"threads", "masked", "allocation"}) prefer_test::covers("rows", tag);
}

TEST_CASE("accumulated gradients add up and leave masked rows alone; rows of two outputs may interleave") {
  constexpr std::int64_t n = 4, d = 20;
  pairs<double, noise_error> p(noise_error{}, n, d);
  const auto once = p.inputs();
  REQUIRE(evaluate_rows<double>(cpu{}, noise_error{}, diffusion_dpo{.beta = 1.0}, once, p.outputs()).ok());
  std::vector<double> both(2 * n * d, 5.0);
  const row_gradients<space::host> even = {.prediction = {both.data(), n, d, 2 * d, 1}};
  const row_gradients<space::host> odd = {.prediction = {both.data() + d, n, d, 2 * d, 1}};
  for (int i = 0; i < 2; ++i)
    REQUIRE(evaluate_rows<double>(cpu{}, noise_error{}, diffusion_dpo{.beta = 1.0}, once,
                                  {.grad_chosen = even, .grad_rejected = odd, .accumulate = true})
                .ok());
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t e = 0; e < d; ++e) {
      CHECK(both[static_cast<std::size_t>(2 * i * d + e)] ==
            doctest::Approx(5 + 2 * p.chosen.grad[0].get(i, e)).epsilon(1e-14));
      CHECK(both[static_cast<std::size_t>((2 * i + 1) * d + e)] ==
            doctest::Approx(5 + 2 * p.rejected.grad[0].get(i, e)).epsilon(1e-14));
    }
}

TEST_CASE("the factors of DDIM: published values of a twenty-step schedule, and no noise is the limit of little") {
  // Scaled-linear betas from 0.00085 to 0.012 over 1000 steps, as Stable Diffusion 1.5 has them.
  std::vector<double> alpha_bar(1000);
  double product = 1;
  for (int t = 0; t < 1000; ++t) {
    const double root = std::sqrt(0.00085) + (std::sqrt(0.012) - std::sqrt(0.00085)) * t / 999;
    alpha_bar[static_cast<std::size_t>(t)] = product *= 1 - root * root;
  }
  const auto at = [&](int t) {
    return ddim_step(alpha_bar[static_cast<std::size_t>(t)], alpha_bar[static_cast<std::size_t>(t > 50 ? t - 50 : 0)]);
  };
  const int step[] = {951, 501, 51, 1};
  const double sigma[] = {0.644391, 0.429321, 0.0405967, 0.0206483}, ratio[] = {0.853, 0.626, 5.43, 1.003};
  for (int i = 0; i < 4; ++i) {
    CHECK(at(step[i]).sigma == doctest::Approx(sigma[i]).epsilon(2e-6));
    CHECK(std::fabs(at(step[i]).noise_factor) / at(step[i]).sigma == doctest::Approx(ratio[i]).epsilon(1e-3));
  }
  const ddim_transition quiet = ddim_step(0.5, 0.6, 1e-9);
  CHECK(quiet.noise_factor == doctest::Approx(std::sqrt(0.4) - std::sqrt(0.6 / 0.5 * 0.5)).epsilon(1e-12));
}

TEST_CASE("the factors of a consistency sampler: known values, and the ends of its noise levels") {
  // t = 1 and a deviation of 0.5: c_skip = 0.2, c_out = 0.894427.
  const ddim_transition step = consistency_step(1, 0.25);
  CHECK(step.state_factor == doctest::Approx(0.5 * 0.2).epsilon(1e-15));
  CHECK(step.noise_factor == doctest::Approx(0.5 * 2 / std::sqrt(5.0)).epsilon(1e-15));
  CHECK(step.sigma == doctest::Approx(std::sqrt(0.75)).epsilon(1e-15));
  // Without noise the state is the sample, in much noise only the prediction counts.
  CHECK((consistency_step(0, 0.25).state_factor == 0.5 && consistency_step(0, 0.25).noise_factor == 0));
  CHECK(consistency_step(1e9, 0.25).noise_factor == doctest::Approx(0.5).epsilon(1e-15));
  CHECK(std::fabs(consistency_step(1e9, 0.25).state_factor) < 1e-18);
}

TEST_CASE("what is wrong with a call over rows is named, and nothing is written") {
  pairs<float, denoising_step> p(denoising_step{}, 4, 10);
  using inputs = row_pair_inputs<denoising_step, space::host>;
  using outputs = row_pair_outputs<space::host>;
  const auto refused = [&](errc code, const char* argument, auto change, const denoising_step& score = {},
                           const d3po& loss = {}) {
    inputs in = p.inputs();
    outputs out = p.outputs();
    change(in, out);
    const status s = evaluate_rows<float>(cpu{}, score, loss, in, out);
    INFO(message(s).c_str() << " expected for " << argument);
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
  };
  const auto nothing = [](inputs&, outputs&) {};
  refused(errc::missing_input, "rejected.next", [](inputs& in, outputs&) { in.rejected.next = {}; });
  refused(errc::bad_extent, "chosen.prediction", [](inputs& in, outputs&) { in.chosen.prediction.extent[1] = 9; });
  refused(errc::bad_extent, "rejected.state", [](inputs& in, outputs&) { in.rejected.state.extent[0] = 3; });
  refused(errc::null_data, "chosen.reference", [](inputs& in, outputs&) { in.chosen.reference.data = nullptr; });
  refused(errc::bad_element, "chosen.state", [](inputs& in, outputs&) { in.chosen.state.type = element::i32; });
  refused(errc::bad_stride, "chosen.state", [](inputs& in, outputs&) { in.chosen.state.stride[1] = -1; });
  refused(errc::unused_input, "chosen.unconditional_prediction",
          [](inputs& in, outputs&) { in.chosen.unconditional_prediction = in.chosen.prediction; });
  refused(errc::missing_input, "chosen.unconditional_prediction", nothing, {.guidance = 5.0});
  refused(errc::missing_input, "step.sigma", [](inputs& in, outputs&) { in.step.sigma = {}; });
  refused(errc::bad_extent, "step.noise_factor", [](inputs& in, outputs&) { in.step.noise_factor.extent[0] = 3; });
  refused(errc::bad_extent, "weight", [](inputs& in, outputs&) { in.weight.extent[0] = 3; });
  refused(errc::unused_input, "margin", [](inputs& in, outputs&) { in.margin = in.weight; });
  refused(errc::bad_parameter, "guidance", nothing, {.guidance = HUGE_VAL});
  refused(errc::bad_parameter, "clip", nothing, {}, {.clip = 2.0});
  refused(errc::unavailable_output, "grad_chosen.unconditional_prediction", [](inputs&, outputs& out) {
    out.grad_chosen.unconditional_prediction = out.grad_chosen.prediction;
    out.grad_chosen.prediction = {};
  });
  refused(errc::overlap, "grad_chosen.prediction", [](inputs& in, outputs& out) {
    out.grad_chosen.prediction.data = const_cast<void*>(in.rejected.state.data);
  });
  refused(errc::overlap, "grad_rejected.prediction",
          [](inputs&, outputs& out) { out.grad_rejected.prediction = out.grad_chosen.prediction; });
  refused(errc::bad_stride, "grad_chosen.prediction",
          [](inputs&, outputs& out) { out.grad_chosen.prediction.stride[0] = 9; });
  refused(errc::missing_output, "outputs", [](inputs&, outputs& out) { out = {}; });
  prefer_test::covers("rows", "bad-argument");
  CHECK((p.loss.untouched() && p.chosen.grad[0].memory.untouched() && p.losses.untouched()));
}
