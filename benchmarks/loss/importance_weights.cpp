// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/loss/covariance_tokens.hpp>
#include <prefer/loss/fipo.hpp>
#include <prefer/loss/importance_totals.hpp>
#include <prefer/loss/importance_weights.hpp>

#include <memory>
#include <string>
#include <vector>

// Weights of 2M tokens (float) in responses of one length by every rule: ratios of tokens take an exponential each, a
// mask of responses by their geometric mean none; FIPO's; choices by covariance; totals and normalised weights. An item
// of the table is one token; the offsets are not counted as bytes.
namespace {

constexpr std::int64_t tokens = std::int64_t{1} << 21;

template <class Rule>
void weigh(benchmark::State& state, bench::place where, const Rule& rule, std::int64_t length) {
  bench::arrays<float> a(3, tokens, bench::spacing::odd);
  std::vector<std::int32_t> offsets;
  for (std::int64_t at = 0; at <= tokens; at += length) offsets.push_back(static_cast<std::int32_t>(at));
  const auto n = static_cast<std::int64_t>(offsets.size());
  bench::beside_probe(state, where, a, 2, 1, tokens, tokens, 0, [&](const prefer::cpu& exec) {
    static const float advantage = -1;
    prefer::importance_inputs<prefer::space::host> in{
        .policy = {a[0], tokens}, .sampler = {a[1], tokens}, .offsets = {offsets.data(), n}};
    if (Rule::reads_advantage) in.advantage = {&advantage, n - 1, 0};
    return prefer::importance_weights(exec, rule, in, {.weight = {a[2], tokens}});
  });
}

template <class Rule>
void sweep(const char* name, const Rule& rule) {
  for (const prefer::isa level : bench::levels())
    for (const int threads : {1, 2})
      for (const std::int64_t length : {16, 256, 4096})
        benchmark::RegisterBenchmark((std::string(name) + "/" + bench::name_of(level) +
                                      "/threads:" + std::to_string(threads) + "/length:" + std::to_string(length))
                                         .c_str(),
                                     [=](benchmark::State& state) {
                                       weigh(state, {level, threads}, rule, length);
                                     })
            ->Iterations(1)
            ->UseManualTime();
}

// Call(exec, first, second, out) on tokens of any length.
template <class Call>
void add(const std::string& name, int inputs, int outputs, const Call& call) {
  for (const prefer::isa level : bench::levels())
    for (const int threads : {1, 2})
      benchmark::RegisterBenchmark(
          (name + "/" + bench::name_of(level) + "/threads:" + std::to_string(threads)).c_str(),
          [=](benchmark::State& state) {
            bench::arrays<float> a(3, tokens, bench::spacing::odd);
            for (std::int64_t i = 0; i < tokens; ++i)
              a[0][i] = -static_cast<float>(i * 7919 % 1009) / 512, a[1][i] = static_cast<float>(i % 13) / 8;
            bench::beside_probe(state, {level, threads}, a, inputs, outputs, tokens, tokens, 0,
                                [&](const prefer::cpu& exec) { return call(exec, a[0], a[1], a[2]); });
          })
          ->Iterations(1)
          ->UseManualTime();
}

void add_influence(std::int64_t length) {
  static const double advantage = -1;
  auto offsets = std::make_shared<std::vector<std::int32_t>>();
  for (std::int64_t at = 0; at <= tokens; at += length) offsets->push_back(static_cast<std::int32_t>(at));
  const auto n = static_cast<std::int64_t>(offsets->size());
  add("fipo/length:" + std::to_string(length), 2, 1, [=](const prefer::cpu& exec, float* p, float* q, float* w) {
    return prefer::future_influence(exec, prefer::fipo{},
                                    {.policy = {p, tokens},
                                     .old_policy = {q, tokens},
                                     .offsets = {offsets->data(), n},
                                     .advantage = {&advantage, n - 1, 0}},
                                    {.weight = {w, tokens}});
  });
}

}  // namespace

int main(int argc, char** argv) {
  sweep("truncated", prefer::truncated_importance{});
  sweep("masked", prefer::masked_importance{});
  sweep("carm", prefer::carm{});
  sweep("divergence_rejection", prefer::divergence_rejection{});
  sweep("gmpo_bound", prefer::gmpo_bound{});
  sweep("product",
        prefer::importance_product{prefer::masked_importance{0.999, 1.001, prefer::importance_level::geometric, true},
                                   prefer::truncated_importance{}});
  sweep("drift_mask", prefer::drift_mask{});
  sweep("geometric_mask", prefer::masked_importance{0.999, 1.001, prefer::importance_level::geometric, true});
  for (const std::int64_t length : {16, 256, 4096}) add_influence(length);
  add("top_covariance", 2, 1, [](const prefer::cpu& exec, float* p, float* a, float* w) {
    return prefer::covariance_tokens(exec, prefer::top_covariance{}, {.policy = {p, tokens}, .advantage = {a, tokens}},
                                     {.weight = {w, tokens}});
  });
  add("clip_cov", 2, 1, [](const prefer::cpu& exec, float* p, float* a, float* w) {
    return prefer::covariance_tokens(exec, prefer::clip_cov{.least = 0.1},
                                     {.policy = {p, tokens}, .advantage = {a, tokens}, .old_policy = {p, tokens}},
                                     {.weight = {w, tokens}});
  });
  add("importance_totals", 1, 0, [](const prefer::cpu& exec, float*, float* w, float*) {
    double totals[prefer::importance_totals_size];
    return prefer::importance_totals(exec, {.weight = {w, tokens}, .cap = 2.0},
                                     {totals, prefer::importance_totals_size});
  });
  add("normalize_importance", 1, 1, [](const prefer::cpu& exec, float*, float* w, float* to) {
    static const double totals[prefer::importance_totals_size] = {1, 0, 0, 0, 1};
    return prefer::normalize_importance(
        exec, {.weight = {w, tokens}, .totals = {totals, prefer::importance_totals_size}}, {.weight = {to, tokens}});
  });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
