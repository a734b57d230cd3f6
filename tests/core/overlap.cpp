// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/evaluate_indexed.hpp>
#include <prefer/core/evaluate_lists.hpp>
#include <prefer/core/evaluate_rows.hpp>
#include <prefer/core/evaluate_tokens.hpp>
#include <prefer/logp/noise_error.hpp>
#include <prefer/loss/aot.hpp>
#include <prefer/loss/combine.hpp>
#include <prefer/loss/diffusion_dpo.hpp>
#include <prefer/loss/dpo.hpp>
#include <prefer/loss/lists.hpp>
#include <prefer/mdp/softmax_value.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <vector>

// No output of any form may share memory with an input or another output: tried for every two of them.
using namespace prefer;

namespace {

// Eight numbers, integers or flags, all zero, apart from all others.
struct memory {
  std::vector<std::vector<double>> all;
  template <class T>
  T* take() {
    return reinterpret_cast<T*>(all.emplace_back(8).data());
  }
};

// Where a view points, whatever its type.
struct place {
  const void* view;
  std::function<void*()> get;
  std::function<void(void*)> set;
};
template <class View>
place at(View& v) {
  using pointer = decltype(v.data);
  return {&v, [&v] { return const_cast<void*>(static_cast<const void*>(v.data)); },
          [&v](void* p) { v.data = static_cast<pointer>(p); }};
}

// `call` answers ok; with any output moved to where an input or another output is, it answers overlap. Two outputs of
// which `may_be_one` says so may be one vector.
template <class Call, class Allowed>
void refuses_overlap(const std::vector<place>& inputs, const std::vector<place>& outputs, Call call,
                     Allowed may_be_one) {
  REQUIRE(call().ok());
  for (const place& output : outputs) {
    void* const own = output.get();
    for (const place& input : inputs) {
      output.set(input.get());
      CHECK(call().code == errc::overlap);
    }
    for (const place& other : outputs) {
      if (other.view == output.view) continue;
      output.set(other.get());
      CHECK((call().code == errc::overlap) != may_be_one(output.view, other.view));
    }
    output.set(own);
  }
}
template <class Call>
void refuses_overlap(const std::vector<place>& inputs, const std::vector<place>& outputs, Call call) {
  refuses_overlap(inputs, outputs, call, [](const void*, const void*) { return false; });
}

}  // namespace

TEST_CASE("tokens: gradients of two roles may be one vector, nothing else may") {
  memory m;
  pair_token_inputs<space::host> in = {.policy_chosen = {m.take<double>(), 2},
                                       .policy_rejected = {m.take<double>(), 2},
                                       .reference_chosen = {m.take<double>(), 2},
                                       .reference_rejected = {m.take<double>(), 2},
                                       .chosen_offsets = {m.take<std::int64_t>(), 2},
                                       .rejected_offsets = {m.take<std::int64_t>(), 2},
                                       .chosen_mask = {m.take<bool>(), 2},
                                       .rejected_mask = {m.take<bool>(), 2},
                                       .chosen_ends = {m.take<std::int64_t>(), 2},
                                       .rejected_ends = {m.take<std::int64_t>(), 2},
                                       .chosen_weight = {m.take<double>(), 2},
                                       .rejected_weight = {m.take<double>(), 2},
                                       .weight = {m.take<double>(), 2},
                                       .mask = {m.take<bool>(), 2}};
  pair_outputs<space::host> out = {.loss = {m.take<double>(), 1},
                                   .grad_policy_chosen = {m.take<double>(), 2},
                                   .grad_policy_rejected = {m.take<double>(), 2},
                                   .grad_reference_chosen = {m.take<double>(), 2},
                                   .losses = {m.take<double>(), 2},
                                   .reward_chosen = {m.take<double>(), 2},
                                   .accuracy = {m.take<double>(), 1},
                                   .count = {m.take<double>(), 1}};
  const auto rejected = [&](const void* p) { return p == &out.grad_policy_rejected; };
  const auto chosen = [&](const void* p) { return p == &out.grad_policy_chosen || p == &out.grad_reference_chosen; };
  refuses_overlap({at(in.policy_chosen), at(in.policy_rejected), at(in.reference_chosen),
                   at(in.reference_rejected), at(in.chosen_offsets), at(in.rejected_offsets),
                   at(in.chosen_mask), at(in.rejected_mask), at(in.chosen_ends), at(in.rejected_ends),
                   at(in.chosen_weight), at(in.rejected_weight), at(in.weight), at(in.mask)},
                  {at(out.loss), at(out.grad_policy_chosen), at(out.grad_policy_rejected),
                   at(out.grad_reference_chosen), at(out.losses), at(out.reward_chosen), at(out.accuracy),
                   at(out.count)},
                  [&] { return evaluate_tokens(cpu{}, dpo{}, in, out); },
                  [&](const void* a, const void* b) {
                    return (chosen(a) && rejected(b)) || (chosen(b) && rejected(a));
                  });
}

TEST_CASE("pairs by index: index lists and plan are inputs too") {
  memory m;
  int* const won = m.take<int>();
  int* const lost = m.take<int>();
  for (int i = 0; i < 2; ++i) lost[i] = 1;
  std::int64_t* const offsets = m.take<std::int64_t>();
  std::int64_t* const entries = m.take<std::int64_t>();
  pair_index_inputs<space::host> in = {.policy = {m.take<double>(), 2},
                                       .reference = {m.take<double>(), 2},
                                       .chosen = {won, 2},
                                       .rejected = {lost, 2},
                                       .weight = {m.take<double>(), 2},
                                       .mask = {m.take<bool>(), 2},
                                       .plan = {{offsets, 3}, {entries, 4}}};
  REQUIRE(make_pair_plan(cpu{}, {won, 2}, {lost, 2}, 2, {offsets, 3}, {entries, 4}).ok());
  pair_index_outputs<space::host> out = {.loss = {m.take<double>(), 1},
                                         .grad_policy = {m.take<double>(), 2},
                                         .grad_reference = {m.take<double>(), 2},
                                         .losses = {m.take<double>(), 2},
                                         .reward_margin = {m.take<double>(), 2},
                                         .count = {m.take<double>(), 1}};
  std::vector<char> scratch(evaluate_indexed_workspace<double>(cpu{}, dpo{}, 2));
  refuses_overlap({at(in.policy), at(in.reference), at(in.chosen), at(in.rejected), at(in.weight),
                   at(in.mask), at(in.plan.offsets), at(in.plan.entries)},
                  {at(out.loss), at(out.grad_policy), at(out.grad_reference), at(out.losses),
                   at(out.reward_margin), at(out.count)},
                  [&] {
                    return evaluate_indexed<double>(cpu{.workspace = {scratch.data(), scratch.size()}}, dpo{}, in, out);
                  });
}

TEST_CASE("rows") {
  memory m;
  const auto rows = [&] { return view<double, 2>(m.take<double>(), 2, 3); };
  const auto guided = [&] {
    return noise_error::rows<space::host>{.prediction = rows(), .reference = rows(), .noise = rows()};
  };
  row_pair_inputs<noise_error, space::host> in = {
      .chosen = guided(), .rejected = guided(), .weight = {m.take<double>(), 2}, .mask = {m.take<bool>(), 2}};
  row_pair_outputs<space::host> out = {.loss = {m.take<double>(), 1},
                                       .grad_chosen = {.prediction = rows()},
                                       .grad_rejected = {.prediction = rows()},
                                       .losses = {m.take<double>(), 2},
                                       .reward_margin = {m.take<double>(), 2},
                                       .accuracy = {m.take<double>(), 1},
                                       .count = {m.take<double>(), 1}};
  refuses_overlap(
      {at(in.chosen.prediction), at(in.chosen.reference), at(in.chosen.noise),
       at(in.rejected.prediction), at(in.rejected.reference), at(in.rejected.noise), at(in.weight),
       at(in.mask)},
      {at(out.loss), at(out.grad_chosen.prediction), at(out.grad_rejected.prediction), at(out.losses),
       at(out.reward_margin), at(out.accuracy), at(out.count)},
      [&] { return evaluate_rows<double>(cpu{}, noise_error{}, diffusion_dpo{}, in, out); });
}

TEST_CASE("lists, by grades and by rankings") {
  for (const bool ranked : {false, true}) {
    memory m;
    std::int64_t* const offsets = m.take<std::int64_t>();
    offsets[1] = offsets[2] = 2;
    list_inputs<space::host> in = {.score = {m.take<double>(), 2},
                                   .offsets = {offsets, 3},
                                   .item_mask = {m.take<bool>(), 2},
                                   .weight = {m.take<double>(), 2},
                                   .mask = {m.take<bool>(), 2}};
    std::int64_t* const ranking = m.take<std::int64_t>();
    ranking[1] = 1;
    if (ranked)
      in.ranking = {ranking, 2};
    else
      in.grade = {m.take<double>(), 2};
    list_outputs<space::host> out = {.loss = {m.take<double>(), 1},
                                     .grad_score = {m.take<double>(), 2},
                                     .losses = {m.take<double>(), 2},
                                     .count = {m.take<double>(), 1}};
    std::vector<char> scratch(evaluate_lists_workspace(2, 2));
    refuses_overlap({at(in.score), at(in.offsets), at(ranked ? in.ranking : in.grade), at(in.item_mask),
                     at(in.weight), at(in.mask)},
                    {at(out.loss), at(out.grad_score), at(out.losses), at(out.count)}, [&] {
                      return evaluate_lists(cpu{.workspace = {scratch.data(), scratch.size()}}, ranknet{}, in, out);
                    });
  }
}

TEST_CASE("AOT") {
  memory m;
  aot_inputs<space::host> in = {.policy_chosen = {m.take<double>(), 2},
                                .policy_rejected = {m.take<double>(), 2},
                                .reference_chosen = {m.take<double>(), 2},
                                .reference_rejected = {m.take<double>(), 2},
                                .mask = {m.take<bool>(), 2}};
  aot_outputs<space::host> out = {.loss = {m.take<double>(), 1},
                                  .grad_policy_chosen = {m.take<double>(), 2},
                                  .grad_policy_rejected = {m.take<double>(), 2},
                                  .count = {m.take<double>(), 1}};
  std::vector<char> scratch(aot_workspace(2));
  refuses_overlap({at(in.policy_chosen), at(in.policy_rejected), at(in.reference_chosen),
                   at(in.reference_rejected), at(in.mask)},
                  {at(out.loss), at(out.grad_policy_chosen), at(out.grad_policy_rejected), at(out.count)},
                  [&] { return evaluate_aot(cpu{.workspace = {scratch.data(), scratch.size()}}, aot{}, in, out); });
}

TEST_CASE("decision processes") {
  memory m;
  mdp<space::host> process;
  process.reward = {m.take<double>(), 1, 2, 1}, process.next = {m.take<std::int32_t>(), 1, 2, 1};
  process.terminal = {m.take<bool>(), 1, 2}, process.discount = 0.5;
  view<const double, 3, space::host> policy(m.take<double>(), 1, 2, 1), features(m.take<double>(), 2, 1, 1);
  for (double& p : m.all[3]) p = 1;
  value_outputs<space::host> out;
  out.value = {m.take<double>(), 1, 2}, out.action_value = {m.take<double>(), 1, 2, 1};
  out.policy = {m.take<double>(), 1, 2, 1}, out.iterations = {m.take<std::int64_t>(), 1};
  out.residual = {m.take<double>(), 1};
  feature_outputs<space::host> psi;
  psi.successor = {m.take<double>(), 1, 2, 1}, psi.iterations = out.iterations, psi.residual = out.residual;
  std::vector<char> scratch(bellman_workspace(1, 2));
  const cpu exec{.content = content::none, .workspace = {scratch.data(), scratch.size()}};
  std::vector<place> inputs = {at(process.reward), at(process.next),
                                      at(process.terminal)};
  const std::vector<place> values = {at(out.value), at(out.action_value), at(out.policy),
                                      at(out.iterations), at(out.residual)};
  refuses_overlap(inputs, values, [&] { return value_iteration(exec, process, {}, out); });
  inputs.push_back(at(policy));
  refuses_overlap(inputs, values, [&] { return policy_evaluation(exec, process, policy, {}, out); });
  inputs.push_back(at(features));
  refuses_overlap(inputs, {at(psi.successor), at(psi.iterations), at(psi.residual)},
                  [&] { return successor_features(exec, process, policy, features, {}, psi); });
}

TEST_CASE("the softened value and its gradient") {
  memory m;
  policy_values<space::host> in;
  in.successor = {m.take<double>(), 1, 2, 2}, in.weights = {m.take<double>(), 2};
  view<const double, 1, space::host> upstream(m.take<double>(), 2);
  view<double, 1, space::host> value(m.take<double>(), 2);
  std::vector<place> inputs = {at(in.successor), at(in.weights)};
  refuses_overlap(inputs, {at(value)}, [&] { return softmax_value(cpu{}, in, value); });
  inputs.push_back(at(upstream));
  refuses_overlap(inputs, {at(value)}, [&] { return softmax_value_gradient(cpu{}, in, upstream, value); });
}
