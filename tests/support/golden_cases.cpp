// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/action.hpp>
#include <prefer/core/pair.hpp>
#include <prefer/core/response.hpp>
#include <prefer/core/reward_pair.hpp>
#include <prefer/core/scored.hpp>
#include <prefer/core/segment_pair.hpp>
#include <prefer/core/transition.hpp>
#include <support/golden_checks.hpp>

namespace prefer_test {

template <class S, class Kind, class Row>
void check_golden_in(const char* name, double roundings, const cpu_subject<Kind>& loss, const Row* first,
                     const Row* last) {
  auto c = golden_call<S, Kind>(loss, first, last);
  for (prefer::isa level : levels()) {
    REQUIRE(run(loss, prefer::cpu{.isa = level}, c, true, false).ok());
    check_golden_call(c, first, roundings);
  }
  for (const char* tag : {"golden", "tails"}) covers<S>(name, tag);
}

template <class Kind, class Row>
void check_golden(const char* name, double roundings, const cpu_subject<Kind>& loss, const Row* first,
                  const Row* last) {
  check_golden_in<float>(name, roundings, loss, first, last);
  check_golden_in<double>(name, roundings, loss, first, last);
  check_golden_in<prefer::half>(name, roundings, loss, first, last);
  check_golden_in<prefer::bfloat16>(name, roundings, loss, first, last);
}

template void check_golden(const char*, double, const cpu_subject<prefer::pair_kind>&,
                           const pair_row*, const pair_row*);
template void check_golden(const char*, double, const cpu_subject<prefer::reward_pair_kind>&,
                           const reward_pair_row*, const reward_pair_row*);
template void check_golden(const char*, double, const cpu_subject<prefer::response_kind>&,
                           const response_row*, const response_row*);
template void check_golden(const char*, double, const cpu_subject<prefer::segment_pair_kind>&,
                           const segment_pair_row*, const segment_pair_row*);
template void check_golden(const char*, double, const cpu_subject<prefer::scored_kind>&,
                           const scored_row*, const scored_row*);
template void check_golden(const char*, double, const cpu_subject<prefer::transition_kind>&,
                           const transition_row*, const transition_row*);
template void check_golden(const char*, double, const cpu_subject<prefer::action_kind>&,
                           const action_row*, const action_row*);

}  // namespace prefer_test
