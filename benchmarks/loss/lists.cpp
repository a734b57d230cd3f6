// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/loss/lists.hpp>

#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

// Value and gradient of listwise losses over 65536 scores in lists of K; time per item.
namespace {

template <class Loss>
void lists(benchmark::State& state, const Loss& loss) {
  const std::int64_t size = state.range(0), total = 65536, n = total / size;
  std::vector<float> score, grad(static_cast<std::size_t>(total));
  std::vector<std::int32_t> ranking;
  std::vector<std::int64_t> offsets = {0};
  for (std::int64_t i = 0; i < total; ++i) {
    score.push_back(static_cast<float>(i * 7919 % 101) / 50 - 1);
    ranking.push_back(static_cast<std::int32_t>(size - 1 - i % size));
  }
  for (std::int64_t i = 0; i < n; ++i) offsets.push_back(offsets.back() + size);
  std::vector<double> memory(prefer::evaluate_lists_workspace(n, total) / sizeof(double));
  const prefer::cpu exec{.workspace = {memory.data(), memory.size() * sizeof(double)}};
  prefer::input_view<1, prefer::space::host> order;
  if (Loss::order != prefer::list_order::none) order = {ranking.data(), total};
  double value = 0;
  for (auto _ : state)
    prefer::check(prefer::evaluate_lists(
        exec, loss, {.score = {score.data(), total}, .offsets = {offsets.data(), n + 1}, .ranking = order},
        {.loss = {&value, 1}, .grad_score = {grad.data(), total}}));
  state.SetItemsProcessed(state.iterations() * total);
}

}  // namespace

BENCHMARK_CAPTURE(lists, plackett_luce, prefer::plackett_luce{})->Arg(4)->Arg(16)->Arg(64);
BENCHMARK_CAPTURE(lists, ranknet, prefer::ranknet{})->Arg(4)->Arg(16)->Arg(64);
BENCHMARK_CAPTURE(lists, ranknet_skipwise, prefer::ranknet_skipwise{})->Arg(4)->Arg(16)->Arg(64);
BENCHMARK_CAPTURE(lists, meta_rm_difference, prefer::meta_rm_difference{})->Arg(4)->Arg(16)->Arg(64);
BENCHMARK_CAPTURE(lists, gvpo, prefer::gvpo{})->Arg(4)->Arg(16)->Arg(64);
BENCHMARK_CAPTURE(lists, real_classes, prefer::real_classes{.threshold = -2.0})->Arg(4)->Arg(16)->Arg(64);
BENCHMARK_MAIN();
