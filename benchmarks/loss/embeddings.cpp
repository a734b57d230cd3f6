// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/core/sum_rows.hpp>
#include <prefer/logp/gaussian_logp.hpp>
#include <prefer/loss/cosine.hpp>
#include <prefer/loss/gaussian_kl.hpp>
#include <prefer/loss/latent_sample.hpp>
#include <prefer/loss/score_divergence.hpp>

#include <string>

// What works on rows of embeddings, latents and Gaussians, in float: 512 rows of 512 elements, which stay in a cache,
// and 32768, which do not. An item of the table is one element of one array.
namespace {

constexpr std::int64_t d = 512;

// Call(exec, in(k), out(k)) on n rows.
template <class Call>
void add(const char* name, int inputs, int outputs, Call call) {
  for (const prefer::isa level : bench::levels())
    for (const std::int64_t n : {512, 32768})
      benchmark::RegisterBenchmark(
          (std::string(name) + "/" + bench::name_of(level) + "/rows:" + std::to_string(n)).c_str(),
          [=](benchmark::State& state) {
            bench::arrays<float> a(inputs + outputs, n * d, bench::spacing::odd);
            const auto in = [&](int k) { return prefer::view<const float, 2>(a[k], n, d); };
            const auto out = [&](int k) { return prefer::view<float, 2>(a[inputs + k], n, d); };
            bench::beside_probe(state, {level, 1}, a, inputs, outputs, n * d, n * d, 0,
                                [&](const prefer::cpu& exec) { return call(exec, in, out); });
          })
          ->Iterations(1)
          ->UseManualTime();
}

}  // namespace

int main(int argc, char** argv) {
  using namespace prefer;
  add("cosine", 2, 2, [](const cpu& exec, auto in, auto out) {
    float loss = 0;
    return evaluate_rows<float>(exec, cosine{}, reward_linear{}, {.rows = {in(0), in(1)}},
                                {.loss = {&loss, 1}, .grad = {out(0), out(1)}});
  });
  add("score_divergence", 2, 2, [](const cpu& exec, auto in, auto out) {
    float loss = 0;
    return evaluate_rows<float>(exec, score_divergence{}, reward_linear{}, {.rows = {in(0), in(1)}},
                                {.loss = {&loss, 1}, .grad = {out(0), out(1)}});
  });
  add("gaussian_kl", 4, 4, [](const cpu& exec, auto in, auto out) {
    float loss = 0;
    return evaluate_rows<float>(exec, gaussian_kl{}, reward_linear{}, {.rows = {in(0), in(1), in(2), in(3)}},
                                {.loss = {&loss, 1}, .grad = {out(0), out(1), out(2), out(3)}});
  });
  add("gaussian_logp", 3, 3, [](const cpu& exec, auto in, auto out) {
    float loss = 0;
    return evaluate_rows<float>(exec, gaussian_logp{.log_sigma = true}, reward_linear{},
                                {.rows = {in(0), in(1), in(2)}},
                                {.loss = {&loss, 1}, .grad = {out(0), out(1), out(2)}});
  });
  add("gaussian_log_ratio", 5, 2, [](const cpu& exec, auto in, auto out) {
    float loss = 0;
    return evaluate_rows<float>(exec, gaussian_log_ratio{.log_sigma = true}, reward_linear{},
                                {.rows = {in(0), in(1), in(2), in(3), in(4)}},
                                {.loss = {&loss, 1}, .grad = {out(0), out(1)}});
  });
  add("latent_sample", 3, 1, [](const cpu& exec, auto in, auto out) {
    return sample_latent<float>(exec, {.sphere = true}, {in(0), in(1), in(2)}, {out(0)});
  });
  add("latent_sample_gradient", 4, 2, [](const cpu& exec, auto in, auto out) {
    return sample_latent_gradient<float>(exec, {.sphere = true}, {in(0), in(1), in(2), in(3)}, {out(0), out(1)});
  });
  add("sum_rows", 1, 1,
      [](const cpu& exec, auto in, auto out) { return sum_rows(exec, in(0), view<float>(out(0).data, d)); });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
