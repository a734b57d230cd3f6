// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/dpo.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

// A batch of pairs and what DPO makes of it through raw pointers: views of other libraries' containers have to give the
// same bits.
namespace interop {

inline constexpr std::int64_t pairs = 301;  // neither a multiple of a lane nor of a tile
inline constexpr int columns = 4;           // policy chosen and rejected, reference chosen and rejected

template <class T>
T sample(int column, std::int64_t i) {
  return static_cast<T>(-static_cast<double>((i * (7 + 4 * column) + 3 * column) % 97) / 16);
}

template <class T>
struct answer {
  float loss = 0;
  std::vector<T> grad_chosen, grad_rejected;
};

template <class T>
answer<T> raw_answer() {
  std::vector<T> in[columns];
  for (int c = 0; c < columns; ++c)
    for (std::int64_t i = 0; i < pairs; ++i) in[c].push_back(sample<T>(c, i));
  answer<T> a;
  a.grad_chosen.resize(pairs);
  a.grad_rejected.resize(pairs);
  const prefer::status s = prefer::evaluate<float>(prefer::cpu{}, prefer::dpo{.beta = 0.1},
                                                   {.policy_chosen = {in[0].data(), pairs},
                                                    .policy_rejected = {in[1].data(), pairs},
                                                    .reference_chosen = {in[2].data(), pairs},
                                                    .reference_rejected = {in[3].data(), pairs}},
                                                   {.loss = {&a.loss, 1},
                                                    .grad_policy_chosen = {a.grad_chosen.data(), pairs},
                                                    .grad_policy_rejected = {a.grad_rejected.data(), pairs}});
  REQUIRE(s.ok());
  return a;
}

// The same call through views.
template <class In0, class In1, class In2, class In3, class Out0, class Out1>
prefer::status evaluate_views(const In0& pc, const In1& pr, const In2& rc, const In3& rr, float& loss, const Out0& gc,
                              const Out1& gr) {
  return prefer::evaluate<float>(
      prefer::cpu{}, prefer::dpo{.beta = 0.1},
      {.policy_chosen = pc, .policy_rejected = pr, .reference_chosen = rc, .reference_rejected = rr},
      {.loss = {&loss, 1}, .grad_policy_chosen = gc, .grad_policy_rejected = gr});
}

template <class T>
bool same_bits(const T& a, const T& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

// `at(i)` gives the element i of an output.
template <class T, class Chosen, class Rejected>
void check_same(const answer<T>& expected, float loss, const Chosen& chosen_at, const Rejected& rejected_at) {
  CHECK(same_bits(loss, expected.loss));
  bool same = true;
  for (std::int64_t i = 0; i < pairs; ++i) {
    const auto k = static_cast<std::size_t>(i);
    same = same && same_bits(static_cast<T>(chosen_at(i)), expected.grad_chosen[k]);
    same = same && same_bits(static_cast<T>(rejected_at(i)), expected.grad_rejected[k]);
  }
  CHECK(same);
}

}  // namespace interop
